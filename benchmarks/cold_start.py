"""Time what comes before the first result: imports, `--help`, first fits, another architecture.

    python benchmarks/cold_start.py

Everything is a new process, several in turn; figures are medians. A fit is one epoch of 256 steps
of a network 64-128-64-10 with batches of 32 (and of Adam, float32), from the import of the library
to trained weights; then, in the same process, one of another architecture, 64-96-96-96-10 with
batches of 50. "Empty" begins without a cache of compiled code, as on a new machine; "warm" finds
one. The number of compilations is this project's. The third table is a small fit in a new process,
and once more in the same: iris, one hidden layer of 100 units, 200 epochs of one batch of 150.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import AbsentError, Case, make
from timing import (
    PeerError,
    in_turn,
    installed,
    machine,
    machine_text,
    middle,
    once,
    parser,
    say,
    seconds_text,
    table,
    write_json,
)

FIRST = Case((64, 128, 64, 10), 32, "float32")
SECOND = Case((64, 96, 96, 96, 10), 50, "float32")
IMPORTS = {
    "python": ("Python alone", ["-c", "pass"], "sys"),
    "numpy": ("import numpy", ["-c", "import numpy"], "numpy"),
    "backlit": ("import backlit", ["-c", "import backlit"], "backlit"),
    "help": ("backlit --help", ["-m", "backlit", "--help"], "backlit"),
    "training": ("import backlit.training", ["-c", "import backlit.training"], "backlit"),
    "sklearn": ("import sklearn.neural_network", ["-c", "import sklearn.neural_network"],
                "sklearn"),
    "torch": ("import torch", ["-c", "import torch"], "torch"),
    "jax": ("import jax", ["-c", "import jax"], "jax"),
}  # fmt: skip
# What is fitted by which peer, and whether its cache is empty, warm or not there at all.
FITS = {
    "empty": ("Backlit, native, empty cache", "train", "empty"),
    "warm": ("Backlit, native, warm cache", "train", "warm"),
    "reference": ("Backlit, reference", "reference", None),
    "scikit-learn": ("scikit-learn", "scikit-learn", None),
    "torch": ("PyTorch", "torch-fused", None),
    "compile-empty": ("torch.compile, empty cache", "torch-compile", "empty"),
    "compile-warm": ("torch.compile, warm cache", "torch-compile", "warm"),
    "jax": ("JAX", "jax", None),
    "keras": ("Keras on JAX", "keras", None),
}
SLOW = ("compile-empty", "compile-warm")  # up to a minute each: three rounds at most
CACHES = ("BACKLIT_CACHE", "TORCHINDUCTOR_CACHE_DIR")


def fit(name: str) -> dict[str, Any]:
    """Fit twice, in this process."""
    began = time.perf_counter()
    found: dict[str, Any] = {}
    for label, case in (("first", FIRST), ("second", SECOND)):
        make(name, case).run(1)
        found[label] = time.perf_counter() - began
        began = time.perf_counter()
        if name == "train":
            from backlit.execution.native import library

            found[f"{label}_compilations"] = library.compilations()
    return found


def iris(name: str) -> dict[str, Any]:
    """Fit iris twice, in this process."""
    warnings.simplefilter("ignore")
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    found = {}
    for label in ("first", "again"):
        began = time.perf_counter()
        if name == "backlit":
            from backlit.networks import Network
            from backlit.training import train

            train(Network(4, (100,), 3), (x, y), epochs=200, batch_size=150)
        else:
            from sklearn.neural_network import MLPClassifier

            MLPClassifier(max_iter=200, n_iter_no_change=200).fit(x, y)
        found[label] = time.perf_counter() - began
    return found


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--fits", nargs="+", choices=list(FITS), default=list(FITS))
    made.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        subject, name = options.worker
        try:
            print(json.dumps({"fit": fit, "iris": iris}[subject](name)))
        except AbsentError as error:
            print(json.dumps({"absent": str(error)}))
        return
    print(machine_text(machine()), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        results = measure(options.fits, options.rounds, Path(scratch))
    print(f"\n{show(results)}")
    write_json(options.json, "cold_start", {"settings": {"rounds": options.rounds}, **results})


def measure(fits: list[str], rounds: int, scratch: Path) -> dict[str, Any]:
    """Return the medians of everything."""
    details: dict[str, list[dict[str, Any]]] = {}
    absent: dict[str, str] = {}

    def imported(arguments: list[str]) -> Callable[[], float]:
        return lambda: once([sys.executable, *arguments])[0]

    def worker(name: str, subject: str, peer: str, cache: str | None) -> Callable[[], float]:
        def call() -> float:
            folder = Path(tempfile.mkdtemp(dir=scratch)) if cache == "empty" else scratch / "warm"
            environment = {} if cache is None else {key: str(folder / key) for key in CACHES}
            command = [sys.executable, __file__, "--worker", subject, peer]
            seconds, printed = once(command, environment)
            if cache == "empty":
                shutil.rmtree(folder, ignore_errors=True)
            answer = json.loads(printed.strip().rpartition("\n")[2])
            if "absent" in answer:
                absent[name] = answer["absent"]
                raise PeerError(answer["absent"])
            details.setdefault(name, []).append({"process": seconds, **answer})
            return seconds

        return call

    imports = {name: imported(arguments) for name, (_, arguments, module) in IMPORTS.items()
               if installed(module)}  # fmt: skip
    runs = {name: worker(name, "fit", *FITS[name][1:]) for name in fits}
    small = {f"iris-{name}": worker(f"iris-{name}", "iris", name, None)
             for name in ("backlit", "scikit-learn")}  # fmt: skip
    for name in imports:
        imports[name]()  # so that the files are in the system's memory
    for name in ("warm", "compile-warm", *small):
        try:
            if name in runs or name in small:
                ({**runs, **small})[name]()  # fills its cache
        except PeerError as error:
            say(f"{name} could not be prepared: {error}")
    details.clear()
    times = in_turn(imports, rounds)
    present = {name: call for name, call in runs.items() if name not in absent}
    slow = {name: present.pop(name) for name in SLOW if name in present}
    in_turn(present, rounds)
    in_turn(slow, min(rounds, 3))
    in_turn(small, rounds)
    medians = {
        name: {key: middle([each[key] for each in found]) for key in found[0]}
        for name, found in details.items()
    }
    return {
        "imports": {name: {"seconds": middle(each)} for name, each in times.items() if each},
        "fits": {name: medians[name] for name in fits if name in medians},
        "iris": {name: medians[f"iris-{name}"] for name in ("backlit", "scikit-learn")
                 if f"iris-{name}" in medians},
        "absent": absent,
        "all": {"imports": times, "fits": details},
    }  # fmt: skip


def show(results: dict[str, Any]) -> str:
    """Return the three tables."""
    imports = [[IMPORTS[name][0], seconds_text(each["seconds"])]
               for name, each in results["imports"].items()]  # fmt: skip
    fits = [
        [FITS[name][0], *(seconds_text(each[key]) for key in ("process", "first", "second")),
         *(f"{each[key]:.0f}" if key in each else "-"
           for key in ("first_compilations", "second_compilations"))]
        for name, each in results["fits"].items()
    ]  # fmt: skip
    small = [[name, *(seconds_text(each[key]) for key in ("process", "first", "again"))]
             for name, each in results["iris"].items()]  # fmt: skip
    return "\n\n".join((
        table(["a new process", "time"], imports),
        table(["a fit in a new process", "whole process", "first fit", "second architecture",
               "compiled by first", "by both"], fits),
        table(["iris", "whole process", "first fit", "again"], small),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
