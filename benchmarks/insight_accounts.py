"""Measure how true accounts of trainings are: ledgers of weights, and pushes of rows.

    python -m pip install '.[bench]' && python benchmarks/insight_accounts.py

Three questions, on scikit-learn's small tables:

ledger     How far is the sum of a weight's lines from the weight, beside the layer's largest one?
residual   How much of the validation loss's change is booked to nobody: the sum of the steps'
           residuals beside that of their changes, in absolute values? How many evaluations of the
           loss does a step need (with its gradient 1, without 1/3)? Four optimizers, five seeds.
subsets    Do pushes foretell trainings on random halves of the rows? The rank correlation between
           the sum of a half's pushes on a held-out row, and what a training on that half says of
           it, over the halves; the mean over held-out rows (the linear datamodelling score of
           S. Park and others, "TRAK: attributing model behavior at scale", 2023). With one seed:
           of the account's own training. With another: all pairs of a training and an account of
           different seeds. With the mean: both sides are means over the seeds.
           And what do 20 rows do when they are removed and the network is trained again: those
           that pushed a held-out row's prediction up most, those that are nearest by inputs or in
           the last hidden layer, and random ones? The mean change of the log-odds of its true
           class (of the prediction, where that is a number), over held-out rows.

Trainings on a part of the rows are made with the same start, batches and number of steps.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from backlit.execution.blas import one_thread
from backlit.insight.goals import Goal, Prediction, goal_of
from backlit.insight.ledger import ledger
from backlit.insight.pushes import accounts, pushes
from backlit.insight.recording import Recording
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp, Settings
from timing import machine, machine_text, parser, say, table, write_json

TABLES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
QUESTIONS = ("ledger", "residual", "subsets")
BATCH, EPOCHS = 32, 15
LARGEST = 640  # training rows
DESCENTS = {
    "gradient descent 0.1": GradientDescent(0.1), "momentum 0.01": Momentum(0.01),
    "Adam 0.001": Adam(0.001), "Adam 0.01": Adam(0.01),
}  # fmt: skip
LEDGERS = (
    GradientDescent(), Momentum(), Nesterov(), RMSProp(), Adam(), AdamW(weight_decay=0.1),
)  # fmt: skip


def data(name: str, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return training and held-out rows, standardised: ``x, y, held_x, held_y``."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    numbers = name == "diabetes"
    x, held_x, y, held_y = train_test_split(
        x, y, random_state=seed, stratify=None if numbers else y
    )
    scaler = StandardScaler().fit(x)
    x, held_x = scaler.transform(x), scaler.transform(held_x)
    if numbers:
        mean, deviation = y.mean(), y.std()
        y, held_y = ((part[:, np.newaxis] - mean) / deviation for part in (y, held_y))
    # Whole batches only: of a short one, half of the rows might be all.
    count = min(len(x), LARGEST) // BATCH * BATCH
    return x[:count], y[:count], held_x, held_y


def network_for(x: Any, y: Any, hidden: tuple[int, ...]) -> Network:
    """Return a network that fits the data."""
    if y.ndim == 2:
        return Network(x.shape[1], hidden, 1, loss="squared_loss")
    return Network(x.shape[1], hidden, int(y.max()) + 1)


def measure_ledger() -> list[dict[str, Any]]:
    """Return the largest rounding of ledgers, by optimizer and dtype."""
    x, y, held_x, held_y = data("digits", 0)
    rows = []
    for optimizer in LEDGERS:
        row: dict[str, Any] = {"optimizer": type(optimizer).__name__}
        for dtype in ("float64", "float32"):
            settings = Settings(optimizer, epochs=20, batch_size=BATCH, dtype=dtype)
            network = Network(64, (32, 32), 10, dropout=0.2)
            _, recording = watch(network, (x, y), (held_x, held_y), settings)
            account = ledger(recording, "class")
            views = recording.subject.layout.views(recording.theta)
            largest = min(np.max(np.abs(views[f"W{layer}"])) for layer in (1, 2, 3))
            row[dtype] = float(np.max(np.abs(account.rounding)) / largest)
        rows.append(row)
        say(f"ledger, {row['optimizer']}: done")
    return rows


def measure_residual(seeds: int) -> list[dict[str, Any]]:
    """Return residuals and evaluations of accounts of the validation loss."""
    rows = []
    for name in ("wine", "breast_cancer", "digits"):
        for label, optimizer in DESCENTS.items():
            found = []
            for seed in range(seeds):
                x, y, held_x, held_y = data(name, seed)
                settings = Settings(optimizer, epochs=20, batch_size=BATCH, seed=seed)
                network = network_for(x, y, (64, 64))
                _, recording = watch(network, (x, y), (held_x, held_y), settings)
                account = pushes(recording)
                found.append((account.missed, account.evaluations))
            missed, evaluations = np.array(found).T
            rows.append({
                "table": name, "optimizer": label, "missed": missed.tolist(),
                "evaluations": evaluations.tolist(),
            })  # fmt: skip
            say(f"residual, {name}, {label}: done")
    return rows


def retrained(recording: Recording, without: NDArray[np.intp], goals: list[Goal]) -> list[float]:
    """Return what is said of held-out rows by a training without some rows.

    The steps of `backlit.insight.removal.removal`, an epoch at once.
    """
    course = recording.course.without(without)
    theta, state = course.begin()
    batches = recording.row.reshape(-1, BATCH)
    with one_thread():
        for _, steps in groupby(range(len(batches)), key=lambda step: recording.epoch[step]):
            own = list(steps)
            theta, state, _ = course.steps.run(
                theta, state, batches[own], recording.learning_rate[own], own[0] + 1
            )
        return [goal.value(theta) for goal in goals]


def score(summed: NDArray[Any], said: NDArray[Any]) -> float:
    """Return the mean rank correlation over held-out rows; both of shape (halves, rows)."""
    each = [spearmanr(a, b).statistic for a, b in zip(summed.T, said.T, strict=True)]
    return float(np.mean(each))


def measure_rows(
    name: str, seeds: int, halves: int, held: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the pushes of a table's rows foretell, for halves and for removals."""
    x, y, held_x, held_y = data(name, 0)
    random = np.random.default_rng(0)
    asked = random.choice(len(held_x), held, replace=False)
    kept = [random.permutation(len(x))[: len(x) // 2] for _ in range(halves)]
    everyone, summed, said = np.arange(len(x)), [], []
    for seed in range(seeds):
        settings = Settings(
            Adam(), epochs=EPOCHS, batch_size=BATCH, seed=seed, engine="native", n_threads=1
        )
        _, recording = watch(network_for(x, y, (32,)), (x, y), settings=settings)
        outputs = [0 if y.ndim == 2 else int(held_y[row]) for row in asked]
        goals = [
            goal_of(recording, Prediction(held_x[row], output))
            for row, output in zip(asked, outputs, strict=True)
        ]
        found = accounts(recording, goals)
        pushed = np.array([account.pushes for account in found])
        summed.append([pushed[:, half].sum(axis=1) for half in kept])
        said.append([
            retrained(recording, np.setdiff1d(everyone, half), goals) for half in kept
        ])  # fmt: skip
        if seed == 0:
            removals = _removals(recording, goals, found, random)
        say(f"rows, {name}, seed {seed}: done")
    a, b = np.array(summed), np.array(said)
    pairs = [(k, j) for k in range(seeds) for j in range(seeds) if k != j]
    scores = {
        "table": name,
        "one": float(np.mean([score(a[k], b[k]) for k in range(seeds)])),
        "another": float(np.mean([score(a[k], b[j]) for k, j in pairs])) if pairs else np.nan,
        "mean": score(a.mean(axis=0), b.mean(axis=0)),
    }
    return scores, {"table": name, **removals}


def _removals(
    recording: Recording, goals: list[Goal], found: list[Any], random: np.random.Generator
) -> dict[str, float]:
    """Return the mean change by removing 20 rows, by how they were chosen."""
    changes: dict[str, list[float]] = {"pushes": [], "inputs": [], "hidden": [], "random": []}
    for goal, account in zip(goals, found, strict=True):
        chosen = {
            "pushes": np.argsort(-account.pushes)[:20],
            "inputs": account.neighbours.nearest(20, "inputs"),
            "hidden": account.neighbours.nearest(20, "hidden"),
            "random": random.choice(len(account.pushes), 20, replace=False),
        }
        for how, rows in chosen.items():
            (value,) = retrained(recording, rows, [goal])
            changes[how].append(value - account.after)
    return {how: float(np.mean(values)) for how, values in changes.items()}


def main() -> None:
    made = parser(__doc__)
    made.add_argument(
        "questions", nargs="*", metavar="QUESTION", default=[*QUESTIONS],
        help=f"{', '.join(QUESTIONS)}; by default all",
    )  # fmt: skip
    made.add_argument("--seeds", type=int, default=5)
    made.add_argument("--halves", type=int, default=40)
    made.add_argument("--held", type=int, default=20, help="held-out rows that are asked about")
    options = made.parse_args()
    print(machine_text(machine()), end="\n\n")
    results: dict[str, Any] = {}
    if "ledger" in options.questions:
        results["ledger"] = measure_ledger()
        show_ledger(results["ledger"])
    if "residual" in options.questions:
        results["residual"] = measure_residual(options.seeds)
        show_residual(results["residual"])
    if "subsets" in options.questions:
        found = [measure_rows(name, options.seeds, options.halves, options.held) for name in TABLES]
        results["subsets"] = [scores for scores, _ in found]
        results["removal"] = [changes for _, changes in found]
        show_rows(results["subsets"], results["removal"])
    write_json(options.json, "insight_accounts", results)


def show_ledger(sheets: list[dict[str, Any]]) -> None:
    """Print the results of `measure_ledger`."""
    print("Ledger: the largest rounding beside the smallest of the layers' largest weights")
    lines = [[r["optimizer"], f"{r['float64']:.1e}", f"{r['float32']:.1e}"] for r in sheets]
    print(table(["optimizer", "float64", "float32"], lines), end="\n\n")


def show_residual(residuals: list[dict[str, Any]]) -> None:
    """Print the results of `measure_residual`."""
    print("Residual of the validation loss: mean and worst over seeds; evaluations a step")
    lines = [
        [
            f"{r['table']}, {r['optimizer']}", f"{np.mean(r['missed']):.2%}",
            f"{np.max(r['missed']):.2%}", f"{np.mean(r['evaluations']):.2f}",
            f"{np.max(r['evaluations']):.2f}",
        ]
        for r in residuals
    ]  # fmt: skip
    header = ["table, optimizer", "mean", "worst", "evaluations", "most"]
    print(table(header, lines), end="\n\n")


def show_rows(subsets: list[dict[str, Any]], removals: list[dict[str, Any]]) -> None:
    """Print the results of `measure_rows`."""
    print("Random halves: rank correlation of summed pushes with trainings")
    kinds = ("one", "another", "mean")
    lines = [[r["table"], *(f"{r[kind]:.2f}" for kind in kinds)] for r in subsets]
    print(table(["table", "one seed", "another seed", "mean of seeds"], lines), end="\n\n")
    print("Removal of 20 rows: mean change of the held-out prediction, by how they were chosen")
    ways = ("pushes", "inputs", "hidden", "random")
    lines = [[r["table"], *(f"{r[way]:+.2f}" for way in ways)] for r in removals]
    print(table(["table", "pushes", "near by inputs", "near in hidden", "random"], lines))


if __name__ == "__main__":
    main()
