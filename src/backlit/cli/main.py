"""The ``backlit`` command: arguments in, exit code out.

Each verb imports what it needs when it runs, so that ``backlit --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import backlit
from backlit.cli.arguments import (
    add_demo,
    add_doctor,
    add_predict,
    add_show,
    add_train,
    add_warmup,
)

BAD_INPUT, INTERRUPTED = 2, 130  # 130 is 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0; 1 if training diverged or the doctor found something; 2 for bad input
        (with one sentence on stderr); 130 after Ctrl-C.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for the process)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has every letter
    arguments = _parser().parse_args(argv)
    try:
        return arguments.verb(arguments)
    except BrokenPipeError:
        # Whoever read the output has stopped, as `head` does; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        print("backlit: there is not enough memory for this network and table", file=sys.stderr)
        return BAD_INPUT
    except (ValueError, OSError) as error:
        print(f"backlit: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("backlit: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backlit",
        description="Train neural networks by backpropagation, and see what it is doing.",
    )
    parser.add_argument("--version", action="version", version=f"backlit {backlit.__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    add_train(verbs).set_defaults(verb=_train)
    add_predict(verbs).set_defaults(verb=_predict)
    add_show(verbs).set_defaults(verb=_show)
    add_doctor(verbs).set_defaults(verb=_doctor)
    add_demo(verbs).set_defaults(verb=_demo)
    add_warmup(verbs).set_defaults(verb=_warmup)
    return parser


def _train(arguments: argparse.Namespace) -> int:
    from backlit.cli.train import train

    return {"interrupted": INTERRUPTED, "diverged": 1}.get(train(arguments), 0)


def _predict(arguments: argparse.Namespace) -> int:
    from backlit.cli.predict import predict

    predict(arguments.run, arguments.file, arguments.out)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from backlit.cli.show import show

    show(arguments.run)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from backlit.cli.doctor import doctor

    found = doctor(
        arguments.run,
        arguments.file,
        as_json=arguments.json,
        tries=arguments.tries,
        n_seeds=arguments.n_seeds,
    )
    return min(found, 1)


def _demo(arguments: argparse.Namespace) -> int:
    from backlit.cli.demo import demo

    status = demo(arguments.dataset, arguments.out, arguments.epochs, arguments.seed)
    return INTERRUPTED if status == "interrupted" else 0


def _warmup(arguments: argparse.Namespace) -> int:
    from backlit.cli.warmup import warmup

    print(warmup())
    return 0
