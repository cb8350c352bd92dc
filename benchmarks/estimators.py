"""Time the estimators beside scikit-learn's, with its defaults or its examples' settings.

    python benchmarks/estimators.py --data FOLDER

Each measurement is a process of its own, all sides in turn in each round; figures are medians. A
process imports the library, reads the data, fits, and fits again: "first" is the import with the
first fit, "again" the later ones, "memory" the largest resident set. A ratio says how many times as
long as Backlit scikit-learn takes. The sides are scikit-learn; Backlit as it comes, with kernels on
disk ("auto"), and on a machine that has compiled nothing ("empty"); and Backlit with
``engine="native"``, kernels on disk. The engine that "auto" takes follows from the work alone.

The fits: iris, digits and breast cancer with the defaults; california housing with the settings of
scikit-learn's example on partial dependence; MNIST with those of its bench_mnist.py, five epochs; a
search over 24 candidates on digits; 10,000 rows of 20,000 columns with 0.1 % filled; and 20,000
rows of 64 columns with two hidden layers. The predictions: one row, and a million.

FOLDER holds california.csv.gz (the eight columns of scikit-learn's table, and the target), in
itself or in a folder tables, and MNIST (see time_to_accuracy.py). What is absent is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import time_to_accuracy
from time_to_accuracy import bytes_text, peak_memory
from timing import (
    PeerError,
    in_turn,
    machine,
    machine_text,
    middle,
    once,
    parser,
    say,
    seconds_text,
    table,
    unsteady,
    write_json,
)

SIDES = {
    "scikit-learn": "scikit-learn",
    "auto": "Backlit",
    "empty": "Backlit, nothing compiled",
    "native": "Backlit, native",
}
LONG_ENOUGH = 0.6  # seconds of later fits, or three of them


@dataclass(frozen=True)
class Task:
    """What is timed.

    Attributes
    ----------
    label : str
    data : callable
        ``data(folder)`` returns X and y.
    settings : dict
        Of the estimator.
    kind : {"classifier", "regressor"}
    act : {"fit", "search", "predict"}
    floor : float
        The ratio to reach, "again", by the engine that "auto" takes.
    """

    label: str
    data: Callable[[Path], tuple[Any, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    kind: str = "classifier"
    act: str = "fit"
    floor: float = 1.0


# ---- data --------------------------------------------------------------------------------------


def bundled(name: str, scaled: bool = False) -> Callable[[Path], tuple[Any, Any]]:
    """Return what loads one of scikit-learn's small tables."""

    def load(_: Path) -> tuple[Any, Any]:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return ((x - x.mean(axis=0)) / x.std(axis=0) if scaled else x), y

    return load


def california(folder: Path) -> tuple[Any, Any]:
    """Return the scaled columns of California housing, and the values of houses."""
    for place in (folder, folder / "tables"):
        path = place / "california.csv.gz"
        if path.is_file():
            with gzip.open(path, "rt") as file:
                rows = np.array(list(csv.reader(file))[1:], np.float64)
            x = rows[:, :-1]
            return (x - x.mean(axis=0)) / x.std(axis=0), rows[:, -1]
    raise FileNotFoundError(f"california.csv.gz is neither in {folder} nor in a folder tables")


def mnist(folder: Path) -> tuple[Any, Any]:
    """Return MNIST's training digits."""
    x, y, *_ = time_to_accuracy.digits(folder)
    return x, y


def texts(_: Path) -> tuple[Any, Any]:
    """Return rows like those of texts: 20,000 columns, of which one in a thousand is filled."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    rows, columns, filled = 10_000, 20_000, 20
    x = sparse.csr_array(
        (
            rng.random(rows * filled, np.float32).astype(np.float64),
            rng.integers(0, columns, rows * filled),
            np.arange(0, rows * filled + 1, filled),
        ),
        shape=(rows, columns),
    )
    x.sum_duplicates()
    return x, rng.integers(0, 2, rows)


def normal(rows: int, dtype: str) -> Callable[[Path], tuple[Any, Any]]:
    """Return what makes rows of 64 columns, and ten classes that follow from them in part."""

    def make(_: Path) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((rows, 64), np.float32)
        classes = x[:, :10] @ rng.standard_normal((10, 10)) + rng.standard_normal((rows, 10))
        return x.astype(dtype), np.argmax(classes, axis=1)

    return make


def middle_case(batch: int, dtype: str, floor: float) -> Task:
    """Return the fit between small and large."""
    settings = {"hidden_layer_sizes": (128, 64), "batch_size": batch, "max_iter": 5}
    return Task(f"20,000 x 64, batch {batch}, {dtype}", normal(20_000, dtype), settings,
                floor=floor)  # fmt: skip


NETWORK = {"hidden_layer_sizes": (128, 64), "max_iter": 1}
TASKS = {
    "iris": Task("iris", bundled("iris"), floor=2),
    "digits": Task("digits", bundled("digits"), floor=2),
    "breast_cancer": Task("breast cancer, scaled", bundled("breast_cancer", True), floor=2),
    "california": Task(
        "california housing", california,
        {"hidden_layer_sizes": (30, 15), "learning_rate_init": 0.01, "early_stopping": True},
        "regressor", floor=2,
    ),
    "mnist": Task("MNIST, 5 epochs", mnist, {"hidden_layer_sizes": (100, 100), "max_iter": 5}),
    "search": Task("search on digits", bundled("digits"), {"max_iter": 20}, act="search", floor=2),
    "sparse": Task("10,000 x 20,000, sparse, 3 epochs", texts, {"max_iter": 3}),
    "middle-32": middle_case(32, "float32", 9),
    "middle-32-float64": middle_case(32, "float64", 4.5),
    "middle-200": middle_case(200, "float32", 4),
    "middle-200-float64": middle_case(200, "float64", 2),
    "one-row": Task("predict one row", normal(2000, "float32"), NETWORK, act="predict"),
    "million-rows": Task("predict 1,000,000 rows", normal(1_000_000, "float32"), NETWORK,
                         act="predict"),
}  # fmt: skip
GRID = {
    "hidden_layer_sizes": [(50,), (100,), (50, 50)],
    "alpha": [1e-5, 1e-4, 1e-3, 1e-2],
    "learning_rate_init": [1e-3, 1e-2],
}


# ---- a measurement, in a process of its own ----------------------------------------------------


def measure(name: str, side: str, folder: Path) -> dict[str, Any]:
    """Import, fit, and fit again."""
    warnings.simplefilter("ignore")
    task = TASKS[name]
    x, y = task.data(folder)
    began = time.perf_counter()
    ours = side != "scikit-learn"
    if ours:
        from backlit import estimators as library
    else:
        from sklearn import neural_network as library
    cls = library.MLPClassifier if task.kind == "classifier" else library.MLPRegressor
    engine = {"engine": "native"} if side == "native" else {}
    estimator = cls(random_state=0, **task.settings, **engine)
    if task.act == "predict":
        return predict(estimator, name, x, y, began, ours)
    if task.act == "search":
        from sklearn.model_selection import GridSearchCV

        estimator = GridSearchCV(estimator, GRID, cv=2, refit=False)
    estimator.fit(x, y)
    first = time.perf_counter() - began
    memory = peak_memory()
    times: list[float] = []
    while len(times) < 3 and sum(times) < LONG_ENOUGH:
        began = time.perf_counter()
        estimator.fit(x, y)
        times.append(time.perf_counter() - began)
    return {"first": first, "again": middle(times), "memory": memory,
            "engine": getattr(estimator, "engine_", "") if ours else ""}  # fmt: skip


def predict(estimator: Any, name: str, x: Any, y: Any, began: float, ours: bool) -> dict[str, Any]:
    """Fit a little, and predict much; once more by what is made ready."""
    estimator.fit(x[:2000], y[:2000])
    rows = x[:1] if name == "one-row" else x
    calls = 1 if len(rows) > 1 else 500

    def timed(function: Callable[[Any], Any], argument: Any) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            function(argument)
        return (time.perf_counter() - began) / calls

    timed(estimator.predict, rows)
    found = {"first": time.perf_counter() - began, "memory": peak_memory(), "engine": ""}
    found["again"] = middle([timed(estimator.predict, rows) for _ in range(5)])
    if ours and name == "one-row":
        function = estimator.predictor()
        found["predictor"] = middle([timed(function, rows[0]) for _ in range(5)])
    return found


# ---- the comparison ----------------------------------------------------------------------------


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--data", type=Path, default=Path(), metavar="FOLDER",
                      help="with california.csv.gz and the files of MNIST")  # fmt: skip
    made.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        with contextlib.redirect_stdout(sys.stderr):
            found = measure(*options.worker, options.data)
        print(json.dumps(found))
        return
    print(machine_text(machine()), flush=True)
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    absent: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.tasks:
            try:
                if TASKS[name].data in (california, mnist):
                    TASKS[name].data(options.data)
            except FileNotFoundError as error:
                absent[TASKS[name].label] = str(error)
                say(f"{name} is left out: {error}")
                continue
            rows[name] = compare(name, options.data, options.rounds, Path(scratch))
            say(f"\n{show({name: summarise(rows[name])})}")
    results = {
        "settings": {"rounds": options.rounds},
        "absent": absent,
        "rows": {name: summarise(each) for name, each in rows.items()},
        "all": rows,
    }
    print(f"\n{show(results['rows'])}")
    write_json(options.json, "estimators", results)


def compare(name: str, data: Path, rounds: int, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what each side's processes found, round by round."""
    found: dict[str, list[dict[str, Any]]] = {}

    def one(side: str) -> Callable[[], float]:
        def call() -> float:
            empty = side == "empty"
            cache = tempfile.mkdtemp(dir=scratch) if empty else str(scratch / "kernels")
            command = [sys.executable, __file__, "--worker", name, side, "--data", str(data)]
            _, printed = once(command, {"BACKLIT_CACHE": cache})
            if empty:
                shutil.rmtree(cache, ignore_errors=True)
            answer = json.loads(printed.strip().rpartition("\n")[2])
            found.setdefault(side, []).append(answer)
            return float(answer["again"])

        return call

    calls = {side: one(side) for side in SIDES
             if side != "native" or TASKS[name].act != "predict"}  # fmt: skip
    for side in ("auto", "native"):
        with contextlib.suppress(PeerError, KeyError):
            calls[side]()  # compiles
    found.clear()
    times = in_turn(calls, rounds)
    if noisy := unsteady(times):
        say(f"{name}: more than twice as long in one round as in another: {', '.join(noisy)}")
    return found


def summarise(found: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the medians of each side, and the medians of its ratios to scikit-learn."""
    summary: dict[str, dict[str, Any]] = {}
    theirs = found.get("scikit-learn", [])
    for side, each in found.items():
        numbers = [key for key in ("first", "again", "memory", "predictor") if each[0].get(key)]
        summary[side] = {key: middle([one[key] for one in each]) for key in numbers}
        summary[side]["engine"] = each[0]["engine"]
        pairs = list(zip(theirs, each, strict=False))
        if side != "scikit-learn" and pairs:
            summary[side]["ratio"] = middle([a["again"] / b["again"] for a, b in pairs])
            summary[side]["later"] = middle([b["first"] - a["first"] for a, b in pairs])
    return summary


TIMES = ("scikit-learn", "auto", "engine", "native", "nothing compiled", "floor")
START = ("later", "later, nothing compiled", "memory: scikit-learn", "auto", "native")


def times(sides: dict[str, dict[str, Any]]) -> list[str]:
    """Return scikit-learn's time, and the ratios."""
    ratios = [_text(sides, side, "ratio", "{:.1f}x".format) for side in ("auto", "native", "empty")]
    engine = sides.get("auto", {}).get("engine") or "-"
    return [_text(sides, "scikit-learn", "again", seconds_text), ratios[0], engine, *ratios[1:]]


def start(sides: dict[str, dict[str, Any]]) -> list[str]:
    """Return what a first fit takes longer, and the memory of processes."""
    later = [_text(sides, side, "later", "{:+.2f} s".format) for side in ("auto", "empty")]
    memory = [_text(sides, side, "memory", bytes_text)
              for side in ("scikit-learn", "auto", "native")]  # fmt: skip
    return [*later, *memory]


def _text(
    sides: dict[str, dict[str, Any]], side: str, key: str, show: Callable[[float], str]
) -> str:
    value = sides.get(side, {}).get(key)
    return "-" if value is None else show(value)


def show(rows: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the two tables."""
    first = [[TASKS[name].label, *times(sides), f"{TASKS[name].floor:g}x"]
             for name, sides in rows.items()]  # fmt: skip
    second = [[TASKS[name].label, *start(sides)] for name, sides in rows.items()]
    ready = rows.get("one-row", {}).get("auto", {}).get("predictor")
    return "\n\n".join([
        table(["", *TIMES], first), table(["", *START], second),
        *([f"predictor(), one row: {seconds_text(ready)}"] if ready else []),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
