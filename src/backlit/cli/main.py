"""The ``backlit`` command: arguments in, exit code out.

Each verb imports what it needs when it runs, so that ``backlit --help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import backlit

DATASETS = ("digits", "breast_cancer", "wine", "iris", "diabetes")
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
        The exit code: 0, 2 for bad input (with one sentence on stderr), 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.verb(arguments)
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

    demo = verbs.add_parser(
        "demo",
        help="train a network on a data set that comes with scikit-learn",
        description="Train a network on a real data set that comes with scikit-learn (nothing is "
        "downloaded), and compare it with other models on rows that none of them has seen.",
    )
    option = demo.add_argument
    names = ", ".join(DATASETS)
    option("dataset", nargs="?", default="digits", choices=DATASETS, metavar="DATASET",
           help=f"one of {names} (default: digits)")  # fmt: skip
    option("--out", metavar="DIR",
           help="a new or empty folder for the run (default: backlit-runs/DATASET-N)")  # fmt: skip
    option("--epochs", type=_positive, default=100, metavar="N",
           help="how often to go through the training part (default: 100)")  # fmt: skip
    option("--seed", type=_seed, default=0, metavar="N",
           help="of the split, the weights and the order of rows (default: 0)")  # fmt: skip
    demo.set_defaults(verb=_demo)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    from backlit.cli.demo import demo

    finished = demo(arguments.dataset, arguments.out, arguments.epochs, arguments.seed)
    return 0 if finished else INTERRUPTED


def _positive(text: str) -> int:
    number = _integer(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _seed(text: str) -> int:
    number = _integer(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{number} is not from 0 to 2**32 - 1")
    return number


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None
