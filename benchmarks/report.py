"""Write docs/performance.md and its picture from the results of the benchmarks.

    python -m pip install '.[bench]' && python benchmarks/report.py --run --data FOLDER

With ``--run``, all benchmarks are run first, which takes two hours or so on a quiet machine; FOLDER
holds MNIST and california.csv.gz (see time_to_accuracy.py and estimators.py; without it, these two
are left out). Their results are JSON files in the folder ``--results``, and without ``--run`` those
that are there are taken. Every figure of the page comes from them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cold_start
import estimators
import scaling
import time_to_accuracy
import training_step
from peers import OURS, PEERS
from timing import machine_text, say, seconds_text, unsteady

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("training_step", "time_to_accuracy", "estimators", "cold_start", "scaling")
WITH_DATA = ("time_to_accuracy", "estimators")
OTHERS = tuple(name for name in PEERS if name not in OURS)
SLOWER, FASTER = "#0072B2", "#D55E00"  # of M. Okabe and K. Ito's colours, told apart by all


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column to the left, all others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# ---- the sections ------------------------------------------------------------------------------


def step_section(document: dict[str, Any]) -> str:
    """Return the tables of training_step.py."""
    parts = ["## A training step\n", _about(document)]
    parts.append(
        "Microseconds a step; in brackets, how many times as long as Backlit's native engine at "
        "its better number of threads. Above 1 a peer is slower, below 1 it is **faster**. The "
        "same network, data, batch and optimizer (Adam) in each; each in a process of its own, "
        "with as many threads as it likes, in turn; medians. `train()` is a whole call of about "
        f"{document['settings']['seconds']} s, with its recording and shuffling. The share of the "
        "peak is that of the rate of NumPy's product of two large matrices on all cores. "
        f"The learning rate is {document['settings'].get('learning_rate', 0):g}, and the classes "
        "are random.\n\n"
        "![Ratios](performance.svg)\n"
    )
    for dtype in ("float32", "float64"):
        rows = [row for row in document["rows"] if row["dtype"] == dtype]
        if not rows:
            continue
        names = [name for name in PEERS if any(name in row["peers"] for row in rows)]
        lines = []
        for row in rows:
            summary = training_step.summarise(row)
            share = summary["share"]
            lines.append([
                _case(row), *(_cell(row, summary, name) for name in names),
                "-" if share is None else f"{share:.0%}",
            ])  # fmt: skip
        header = ["network, batch", *(PEERS[name][0] for name in names), "share of peak"]
        parts.append(f"### {dtype}\n\n{markdown(header, lines)}\n")
    parts.append(_losses(document))
    return "\n".join(parts)


def _case(row: dict[str, Any]) -> str:
    return f"{'-'.join(map(str, row['sizes']))}, {row['batch']}"


def _cell(row: dict[str, Any], summary: dict[str, Any], name: str) -> str:
    if name not in row["peers"]:
        return "-"
    microseconds = row["peers"][name]["median"]
    text = f"{microseconds:,.1f}" if microseconds < 1000 else f"{microseconds:,.0f}"
    ratio = summary["ratios"].get(name)
    if ratio is None or name == summary["base"]:
        return text
    shown = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    return f"{text} (**{shown}**)" if ratio < 1 else f"{text} ({shown})"


def _losses(document: dict[str, Any]) -> str:
    """Return the sentences on who is faster than Backlit and where, and on what was unsteady."""
    faster = []
    for row in document["rows"]:
        ratios = training_step.summarise(row)["ratios"]
        for name in OTHERS:
            if ratios.get(name, 1) < 1:
                faster.append(f"- {PEERS[name][0]}: {_case(row)}, {row['dtype']} "
                              f"({ratios[name]:.2f} of our time)")  # fmt: skip
    noisy = [
        f"- {_case(row)}, {row['dtype']}: {', '.join(PEERS[name][0] for name in names)}"
        for row in document["rows"]
        if (names := unsteady({name: p["microseconds"] for name, p in row["peers"].items()}))
    ]
    disturbed = ""
    if noisy:
        listed = "\n".join(noisy)
        disturbed = f"\nMore than twice as long in one round as in another took\n\n{listed}\n"
    if not faster:
        return "No peer was faster than the native engine in any row.\n" + disturbed
    return "Faster than the native engine were\n\n" + "\n".join(faster) + "\n" + disturbed


def accuracy_section(document: dict[str, Any]) -> str:
    """Return the table of time_to_accuracy.py."""
    settings = document["settings"]
    header = ["", "reached", "epochs", "time", "CPU time", "one epoch", "peak memory",
              "of it before training", "installed size"]  # fmt: skip
    rows = []
    for name, each in document["peers"].items():
        memory = [time_to_accuracy.bytes_text(each[key]) for key in ("memory", "memory_before")]
        times = [seconds_text(each[key]) for key in ("seconds", "cpu_seconds", "epoch_seconds")]
        rows.append([
            time_to_accuracy.TRAINERS[name][0], f"{each['reached']} of {len(each['runs'])}",
            f"{each['epochs']:.0f}", *times, *memory,
            time_to_accuracy.bytes_text(sum(each["sizes"].values()) or None),
        ])  # fmt: skip
    return (
        f"## Digits to {settings['target']:.1%} test error\n\n{_about(document)}\n"
        f"MNIST, a network 784-100-100-10, {settings['solver']}, with the settings of "
        "scikit-learn's own benchmark (bench_mnist.py) in all three; medians over the seeds "
        f"0 to {settings['rounds'] - 1}. The clock stands still while the test digits are "
        f"classified; a training that needs more than {settings['epochs']} epochs has not reached "
        "the target. The test error only says when to stop; it is no estimate. The installed size "
        "is that of a package with all that it requires; Backlit requires scikit-learn, too.\n\n"
        f"{markdown(header, rows)}\n"
    )


def estimators_section(document: dict[str, Any]) -> str:
    """Return the tables of estimators.py."""
    rows = document["rows"]
    times = [
        [task.label, *estimators.times(rows[name]), f"{task.floor:g}x"]
        for name, task in estimators.TASKS.items()
        if name in rows
    ]
    starts = [
        [task.label, *estimators.start(rows[name])]
        for name, task in estimators.TASKS.items()
        if name in rows
    ]
    ready = rows.get("one-row", {}).get("auto", {}).get("predictor")
    prepared = f"`predictor()` needs {seconds_text(ready)} for one row.\n" if ready else ""
    return (
        f"## The estimators\n\n{_about(document)}\n"
        "scikit-learn's time for a fit, or for a prediction, and how many times as long as Backlit "
        "it takes: as Backlit comes (`auto`), with the engine that it chooses; with "
        '`engine="native"`; and as it comes where nothing is compiled. Beside them stands the '
        "least that the better of these is to be. Medians of "
        f"{document['settings']['rounds']} rounds, each side in a process of its own, in turn; not "
        "counted is the first call of a process.\n\n"
        f"{markdown(['', *estimators.TIMES], times)}\n\n{prepared}\n"
        "How much later than scikit-learn a new process has its first fit, from the import on; and "
        "the process's largest resident set:\n\n"
        f"{markdown(['', *estimators.START], starts)}\n"
    )


def cold_section(document: dict[str, Any]) -> str:
    """Return the tables of cold_start.py."""
    imports = [[cold_start.IMPORTS[name][0], seconds_text(each["seconds"])]
               for name, each in document["imports"].items()]  # fmt: skip
    fits = [
        [cold_start.FITS[name][0],
         *(seconds_text(each[key]) for key in ("process", "first", "second")),
         *(f"{each[key]:.0f}" if key in each else "-"
           for key in ("first_compilations", "second_compilations"))]
        for name, each in document["fits"].items()
    ]  # fmt: skip
    small = [[name, *(seconds_text(each[key]) for key in ("process", "first", "again"))]
             for name, each in document["iris"].items()]  # fmt: skip
    fit_header = ["", "whole process", "first fit", "second architecture", "compiled by the first",
                  "by both"]  # fmt: skip
    return (
        f"## Cold start\n\n{_about(document)}\n"
        "New processes in turn; medians. A fit is one epoch of 256 steps of a network "
        "64-128-64-10, from the import to trained weights; the second architecture follows in the "
        "same process.\n\n"
        f"{markdown(['a new process', 'time'], imports)}\n\n{markdown(fit_header, fits)}\n\n"
        "Iris, one hidden layer of 100 units, 200 epochs of one batch:\n\n"
        f"{markdown(['', 'whole process', 'first fit', 'again'], small)}\n"
    )


def scaling_section(document: dict[str, Any]) -> str:
    """Return the tables of scaling.py."""
    parts = [f"## Scaling\n\n{_about(document)}\n"
             "The exponent is the slope of a straight line through the logarithms: 1 means that "
        "twice as much takes twice as long. Of the width it goes towards 2, since the products "
        "of matrices grow with its square; of the epochs it should be 0.\n"]  # fmt: skip
    for what, result in document["results"].items():
        points = result["points"]
        if not points:
            continue
        unit = scaling.UNITS.get(what)
        header = [what, "an epoch" if what in ("rows", "epochs") else "a step",
                  f"ns {unit}" if unit else "times as fast as one"]  # fmt: skip
        rows = [[f"{p['size']:,}", seconds_text(p["seconds"]),
                 scaling.relative(what, p, points[0])] for p in points]  # fmt: skip
        parts.append(markdown(header, rows) + "\n")
        if unit and "exponent" in result:
            parts.append(f"Exponent {result['exponent']:.2f}; of the upper half "
                         f"{result['upper_exponent']:.2f}.\n")  # fmt: skip
    return "\n".join(parts)


def _about(document: dict[str, Any]) -> str:
    lines = [f"`{document['command']}`\n"]
    load = document["machine"].get("load_before")
    if load is not None:
        lines.append(f"The load average was {load:.1f} before.\n")
    absent = document.get("absent") or {}
    lines += [f"Not measured: {name} ({reason}).\n" for name, reason in absent.items()]
    return "\n".join(lines)


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "training_step": step_section,
    "time_to_accuracy": accuracy_section,
    "estimators": estimators_section,
    "cold_start": cold_section,
    "scaling": scaling_section,
}


def page(documents: dict[str, dict[str, Any]]) -> str:
    """Return the page."""
    parts = [
        "# Performance\n",
        "What a step, a training and a start cost, beside the libraries that people use for the "
        "same. Each table stands under the command that made it; `python benchmarks/report.py "
        "--run --data FOLDER` makes the whole page. Times depend on the machine; ratios "
        "of one table were measured side by side.\n",
    ]
    machines: dict[str, list[str]] = {}
    for name, document in documents.items():
        found = document["machine"]
        text = machine_text(found).replace("\n", "  \n")
        limits = ", ".join(f"{key}={value}" for key, value in found["thread_limits"].items())
        if limits:
            text += f"  \n{limits}"
        machines.setdefault(f"{text}  \n{found['date']}", []).append(f"{name}.py")
    for text, names in machines.items():
        where = f"{', '.join(names)}:  \n" if len(machines) > 1 else ""
        parts.append(f"{where}{text}\n")
    parts += [SECTIONS[name](document) for name, document in documents.items()]
    return "\n".join(parts).rstrip() + "\n"


# ---- the picture -------------------------------------------------------------------------------


def picture(document: dict[str, Any], path: Path) -> None:
    """Draw the ratios of float32, a panel for each network and batch."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "backlit", "font.size": 8}
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    rows = [row for row in document["rows"] if row["dtype"] == "float32"] or document["rows"]
    chosen = [row for row in rows if (tuple(row["sizes"]), row["batch"]) in training_step.SHORT]
    rows = (chosen or rows)[:6]
    names = [name for name in OTHERS if any(name in row["peers"] for row in rows)][::-1]
    across = min(3, len(rows))
    down = -(-len(rows) // across)
    figure, axes = pyplot.subplots(
        down, across, squeeze=False, sharex=True, sharey=True, layout="constrained",
        figsize=(3 * across + 1, (0.22 * len(names) + 0.6) * down + 0.5),
    )  # fmt: skip
    summaries = [training_step.summarise(row) for row in rows]
    largest = max(summary["ratios"].get(name, 1) for summary in summaries for name in names)
    for axis in axes.flat[len(rows) :]:
        axis.set_visible(False)
    for axis, row, summary in zip(axes.flat, rows, summaries, strict=False):
        ratios = [summary["ratios"].get(name) for name in names]
        for place, ratio in enumerate(ratios):
            if ratio is None:
                continue
            color = SLOWER if ratio >= 1 else FASTER
            axis.barh(place, ratio - 1, left=1, height=0.7, color=color)
            shown = f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"
            axis.annotate(shown, (max(ratio, 1), place), (3, 0), textcoords="offset points",
                          va="center")  # fmt: skip
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlim(0.25, 3 * largest)
        axis.set_yticks(range(len(names)), [PEERS[name][0] for name in names])
        axis.set_title(_case(row), fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    title = "Time of a training step, Backlit's native engine = 1 (network, batch)"
    figure.suptitle(f"{title}\nto the right: slower than Backlit; to the left: faster", fontsize=9)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    pyplot.close(figure)


def main() -> None:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--results", type=Path, default=ROOT / "build" / "benchmarks")
    made.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    made.add_argument("--run", action="store_true", help="run the benchmarks first")
    made.add_argument("--data", type=Path, metavar="FOLDER", help="with the files of MNIST")
    options = made.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    if options.run:
        for name in NAMES:
            if name in WITH_DATA and options.data is None:
                say(f"{name}.py is left out: it needs --data FOLDER")
                continue
            command = [sys.executable, str(Path(__file__).parent / f"{name}.py")]
            command += ["--json", str(options.results / f"{name}.json")]
            if name in WITH_DATA:
                command += ["--data", str(options.data)]
            subprocess.run(command, check=True)
    documents = {}
    for name in NAMES:
        path = options.results / f"{name}.json"
        if path.is_file():
            documents[name] = json.loads(path.read_text())
        else:
            say(f"{path.name} is not in the folder of results, and its section is left out")
    if not documents:
        made.error("there are no results; --run makes them")
    (options.docs / "performance.md").write_text(page(documents))
    if "training_step" in documents:
        try:
            picture(documents["training_step"], options.docs / "performance.svg")
        except ImportError:
            say("the picture is left out: matplotlib is not installed")
    say("Written: performance.md")


if __name__ == "__main__":
    main()
