"""Find labels that were made wrong: one training's suspects beside 5-fold scores.

    python benchmarks/insight_suspects.py --data FOLDER

Of each table, a share of the labels is changed, among rows that are trained on and held out alike
(15 %): uniformly to another class, or one way (of two classes, from one of them; of more, from each
to the next). Then the rows are ranked

    suspects      by ``backlit.insight.suspects``: one training, patience 10
    margin        by the area under the margin, up to the best validation epoch: the same training
    mlp cv        by 5 trainings of the same network: 1 less the predicted chance of the given class
                  ("self-confidence", as cleanlab ranks); and its normalised margin
    logistic cv   by 5 logistic regressions: self-confidence
    trees cv      by 5 boosted trees (HistGradientBoosting): self-confidence

Printed are medians over seeds of the area under the ROC curve and of the precision in the top k (k
wrong labels); for suspects, also the expected number of wrong labels in units of the true one, and
the share of rows called mislabelled with the share of them that is wrong. ``none`` changes nothing:
there, the expected number is given in percent of the rows.

FOLDER holds tables/adult.csv.gz, tables/letter.csv.gz and classics/mnist as idx files; without it,
only the tables bundled with scikit-learn are measured.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from backlit.functions import softmax
from backlit.insight.suspects import suspects
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.tables import Preparation, read_table
from backlit.training import train
from time_to_accuracy import digits as mnist
from timing import machine, machine_text, middle, parser, say, table, write_json

NOISES = {"uniform 10 %": 0.1, "one way 10 %": 0.1, "uniform 3 %": 0.03, "none": 0.0}
HELD_OUT = 0.15
BUNDLED = {"digits": load_digits, "breast cancer": load_breast_cancer}
PEERS = ("mlp cv", "mlp cv margin", "logistic cv", "trees cv")


def load(name: str, folder: Path) -> tuple[Any, Any]:
    """Return inputs, standardised but for pixels, which are from 0 to 1; and classes."""
    if name in BUNDLED:
        x, y = BUNDLED[name](return_X_y=True)
        if name == "digits":
            return (x / 16).astype(np.float32), y.astype(int)
        return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)).astype(np.float32), y.astype(int)
    if name == "mnist":
        x, y, *_ = mnist(folder)
        some = np.random.default_rng(0).permutation(len(y))[:5000]
        return x[some], y[some]
    file = next(p for p in (folder / "tables", folder) if (p / f"{name}.csv.gz").is_file())
    whole = read_table(file / f"{name}.csv.gz")
    *inputs, target = whole.names
    preparation, _ = Preparation.fit(whole, inputs)
    return preparation.apply(whole), np.asarray(whole[target].codes, int)


def changed(y: Any, noise: str, rng: Any) -> Any:
    """Return labels of which some are wrong."""
    classes, count = int(y.max()) + 1, round(NOISES[noise] * len(y))
    given = y.copy()
    source = np.arange(len(y))
    if noise.startswith("one way") and classes == 2:
        source = np.flatnonzero(y == rng.integers(0, 2))
    wrong = rng.choice(source, min(count, len(source) // 2), replace=False)
    by = rng.integers(1, classes, len(wrong)) if noise.startswith("uniform") else 1
    given[wrong] = (y[wrong] + by) % classes
    return given


def network_for(name: str, x: Any, classes: int) -> Network:
    return Network(x.shape[1], (128, 64) if name == "mnist" else (64, 64), classes)


def ranking(score: Any, wrong: Any) -> dict[str, float]:
    """Return how well a score puts wrong rows first; nothing where none is wrong."""
    if not wrong.any():
        return {}
    top = np.argsort(-score, kind="stable")[: int(wrong.sum())]
    return {"area": float(roc_auc_score(wrong, score)), "precision": float(np.mean(wrong[top]))}


def ours(name: str, x: Any, y: Any, given: Any, seed: int, epochs: int) -> dict[str, Any]:
    """Train once, and measure the list of suspects."""
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(y))
    cut = round(HELD_OUT * len(y))
    rows = order[cut:], order[:cut]
    parts = [(x[each], given[each]) for each in rows]
    network = network_for(name, x, int(y.max()) + 1)
    began = time.perf_counter()
    _, recording = watch(
        network, *parts, rows=rows, seed=seed, epochs=epochs,
        patience=10 if epochs <= 100 else None,
    )  # fmt: skip
    trained = time.perf_counter() - began
    found = suspects(recording)
    wrong = (y != given)[found.rows]
    called = [each for each in found.suspects if each.reason == "mislabelled"]
    best = max(recording.figures.best_epoch, 1)
    margin = np.mean(recording.visits_by_row(recording.margin)[:, :best], axis=1)
    return {
        "suspects": ranking(found.chance, wrong),
        "margin": ranking(-margin, wrong[~found.held_out]),
        "expected": found.expected_wrong / (wrong.sum() or len(wrong) / 100),
        "called": found.counts["mislabelled"] / len(wrong),
        "right": float(np.mean([y[each.row] != given[each.row] for each in called]))
        if called
        else float("nan"),
        "seconds": time.perf_counter() - began - trained,
        "training_seconds": trained,
    }


def cross_validated(make: Any, x: Any, given: Any, seed: int) -> Any:
    """Return chances of classes from models that have not seen the row."""
    chances = np.zeros((len(x), int(given.max()) + 1))
    for training, rest in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, given):
        chances[rest] = make(x[training], given[training], x[rest])
    return chances


def peers(name: str, x: Any, y: Any, given: Any, seed: int) -> dict[str, Any]:
    """Rank by 5-fold scores."""
    network = network_for(name, x, int(given.max()) + 1)

    def mlp(x: Any, y: Any, rest: Any) -> Any:
        cut = round(HELD_OUT * len(y))
        trained = train(
            network, (x[cut:], y[cut:]), (x[:cut], y[:cut]), seed=seed, epochs=100, patience=10
        )
        return softmax(network.forward(trained.parameters, rest), axis=1)

    def logistic(x: Any, y: Any, rest: Any) -> Any:
        return LogisticRegression(max_iter=200).fit(x, y).predict_proba(rest)

    def trees(x: Any, y: Any, rest: Any) -> Any:
        return HistGradientBoostingClassifier(random_state=seed).fit(x, y).predict_proba(rest)

    wrong, rows, found = y != given, np.arange(len(y)), {}
    for label, make in (("mlp cv", mlp), ("logistic cv", logistic), ("trees cv", trees)):
        chances = cross_validated(make, x, given, seed)
        own = chances[rows, given]
        found[label] = ranking(-own, wrong)
        if label == "mlp cv":
            others = chances.copy()
            others[rows, given] = -1
            found["mlp cv margin"] = ranking(np.max(others, axis=1) - own, wrong)
    return found


def summarised(each: list[dict[str, Any]], label: str) -> str:
    """Return the medians of area and precision as a cell."""
    found = [one[label] for one in each if one.get(label)]
    if not found:
        return "-"
    return " / ".join(f"{middle([one[k] for one in found]):.3f}" for k in ("area", "precision"))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name in arguments.tables:
        x, y = load(name, arguments.data)
        for noise in arguments.noises:
            each = []
            for seed in range(arguments.seeds):
                given = changed(y, noise, np.random.default_rng(seed))
                one = ours(name, x, y, given, seed, arguments.epochs)
                if arguments.longer and NOISES[noise]:
                    longer = ours(name, x, y, given, seed, 3 * arguments.epochs)
                    one["longer"] = longer["suspects"]
                if arguments.peers and NOISES[noise]:
                    one |= peers(name, x, y, given, seed)
                each.append(one)
                say(f"{name}, {noise}, seed {seed}: {one['suspects']}")
            results[f"{name}, {noise}"] = each
    return results


def report(results: dict[str, list[dict[str, Any]]]) -> str:
    columns = ["suspects", "longer", "margin", *PEERS]
    columns = [c for c in columns if any(c in one for each in results.values() for one in each)]
    rows = []
    for name, each in results.items():
        numbers = [
            middle([one[key] for one in each])
            for key in ("expected", "called", "right", "seconds", "training_seconds")
        ]
        rows.append([
            name, *(summarised(each, column) for column in columns), f"{numbers[0]:.2f}",
            f"{numbers[1]:.2%}", f"{numbers[2]:.2f}", f"{numbers[3]:.1f} s", f"{numbers[4]:.1f} s",
        ])  # fmt: skip
    header = ["", *columns, "expected", "called", "of them wrong", "answer", "training"]
    return table(header, rows)


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--data", type=Path, metavar="FOLDER")
    made.add_argument("--tables", nargs="+", help="names of tables; by default all five")
    made.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--epochs", type=int, default=60)
    made.add_argument("--longer", action="store_true", help="also three times the epochs")
    made.add_argument("--peers", action="store_true", help="also the 5-fold scores")
    arguments = made.parse_args()
    if arguments.tables is None:
        arguments.tables = [*BUNDLED, *(("adult", "letter", "mnist") if arguments.data else ())]
    results = measure(arguments)
    print(machine_text(machine()))
    print(report(results))
    write_json(arguments.json, "insight_suspects", {"results": results})


if __name__ == "__main__":
    main()
