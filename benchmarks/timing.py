"""What the benchmarks share: workers that live, rounds in turn, medians, tables, the machine.

A benchmark asks a worker, a process of its own, over its standard input and output: one JSON
object a line. A worker lives over all rounds, so that importing and compiling are paid once, and
the workers take their turns within each round, so that a slow minute of the machine hits all.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before anything is started
PAUSE = 0.1  # seconds before a turn, in which the threads of the one before stop waiting for work
PACKAGES = (
    "backlit", "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "torch", "jax", "jaxlib",
    "keras", "autograd",
)  # fmt: skip


class PeerError(Exception):
    """A worker could not do what it was asked for; the message is one line."""


class Worker:
    """A process that answers.

    Parameters
    ----------
    script : str
        The path of the benchmark, which calls `serve` when it is given ``--worker``.
    arguments : sequence of str
        What follows ``--worker``.
    environment : dict of str to str, optional
        Set on top of this process's.
    """

    def __init__(
        self, script: str, arguments: Sequence[str], environment: dict[str, str] | None = None
    ) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, script, "--worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, question: str, **details: Any) -> Any:
        """Return the worker's answer to one question.

        Raises
        ------
        PeerError
            If it could not answer, or is gone.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"question": question, **details}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it is gone, as the next line finds
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._noise.seek(0)
            last = self._noise.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise PeerError(f"its process ended with {self._process.returncode}: {last}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["answer"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._noise.close()


def serve(answers: dict[str, Callable[..., Any]]) -> None:
    """Answer questions until there are no more; what anything prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        details = json.loads(line)
        try:
            reply = {"answer": answers[details.pop("question")](**details)}
        except Exception as error:
            traceback.print_exc()
            text = " ".join(str(error).split())[:200]
            reply = {"error": f"{type(error).__name__}: {text}" if text else type(error).__name__}
        out.write(json.dumps(reply) + "\n")
        out.flush()


def once(command: Sequence[str], environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Run a command in a process of its own; return its seconds, and what it printed.

    Raises
    ------
    PeerError
        If it fails.
    """
    began = time.perf_counter()
    ran = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    if ran.returncode:
        raise PeerError(ran.stderr.strip().rpartition("\n")[2][:200])
    return seconds, ran.stdout


def in_turn(
    calls: dict[str, Callable[[], float]], rounds: int, pause: float = PAUSE
) -> dict[str, list[float]]:
    """Call everything once in each round; return what each call gave, round by round.

    Every other round goes backwards, so that nothing always follows the same neighbour. What fails
    is said and left out.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(found)[:: -1 if number % 2 else 1]:
            time.sleep(pause)
            try:
                found[name].append(calls[name]())
            except PeerError as error:
                say(f"{name} failed, and is left out: {error}")
                del found[name]
    return found


def unsteady(times: dict[str, list[float]]) -> list[str]:
    """Return what took twice as long in one round as in another: the machine was not quiet."""
    return [name for name, each in times.items() if each and max(each) > 2 * min(each)]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the exponent of a power law through points, by least squares of the logarithms."""
    u, v = [math.log(each) for each in x], [math.log(each) for each in y]
    mean_u, mean_v = sum(u) / len(u), sum(v) / len(v)
    across = sum((a - mean_u) * (b - mean_v) for a, b in zip(u, v, strict=True))
    return across / sum((a - mean_u) ** 2 for a in u)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as plain text: the first column to the left, all others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def seconds_text(seconds: float) -> str:
    """Return a time in the unit that suits it, with three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size or unit == "us":
            value = seconds / size
            digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


def say(text: str) -> None:
    """Print a remark beside the tables."""
    print(text, file=sys.stderr, flush=True)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def machine() -> dict[str, Any]:
    """Return what a figure depends on beside the code: processor, cores, versions, the day."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    limits = {
        name: value for name, value in sorted(os.environ.items()) if name.endswith("NUM_THREADS")
    }
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "thread_limits": limits,
        "load_before": LOAD,
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in found.items()}
    name = fields.get("model name") or platform.processor() or "unknown"
    if "avx512f" in fields.get("flags", ""):
        return f"{name} (AVX-512)"
    return f"{name} (AVX2)" if "avx2" in fields.get("flags", "") else name


def machine_text(found: dict[str, Any]) -> str:
    """Return a machine in two lines."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {found['system']}\n"
        f"Python {found['python']}, {versions}"
    )


def write_json(path: Path | None, benchmark: str, results: dict[str, Any]) -> None:
    """Write results with the machine and the command that made them, if there is a path."""
    if path is None:
        return
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *_shown(sys.argv[1:])])
    document = {"benchmark": benchmark, "command": command, "machine": machine(), **results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    say(f"Written to {path}")


def _shown(arguments: Sequence[str]) -> list[str]:
    """Return arguments without folders of this machine."""
    shown, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
            continue
        if argument in ("--json", "--data"):
            skip = True
            if argument == "--data":
                shown += ["--data", "FOLDER"]
        elif not argument.startswith(("--json=", "--data=")):
            shown.append(argument)
        elif argument.startswith("--data="):
            shown += ["--data", "FOLDER"]
    return shown


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is a module's docstring as it stands."""
    made = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return made


def middle(values: Sequence[float]) -> float:
    """Return the median as a float."""
    return float(median(values))
