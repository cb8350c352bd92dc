"""``backlit demo``: train a network on real data and compare it with other models."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from backlit.cli.datasets import TARGET, Dataset, load
from backlit.cli.peers import predictions, true
from backlit.cli.watchers import watcher_for
from backlit.fitting import fit
from backlit.fitting.fit import PARENT
from backlit.runs import Model
from backlit.runs.folder import Run, numbered
from backlit.training import Settings

HIDDEN = (128,)
NETWORK = "this network"


def demo(dataset: str, out: str | None, epochs: int, seed: int) -> str:
    """Train on a data set of scikit-learn, compare, and write the run.

    Parameters
    ----------
    dataset : str
    out : str or None
        The run's folder; None for the next free ``backlit-runs/<dataset>-<number>``.
    epochs, seed : int

    Returns
    -------
    str
        The run's status.

    Raises
    ------
    ValueError
        If the folder is not empty or cannot be written.
    """
    folder = out or numbered(PARENT, dataset)
    # What can be refused is refused before the seconds that scikit-learn takes to load.
    Run.check_free(folder)
    Settings(epochs=epochs, seed=seed)
    data = load(dataset, seed)
    with watcher_for(sys.stdout, json=False) as watcher:
        run = fit(
            data.training, TARGET, validation=data.validation, kind=data.kind, hidden=HIDDEN,
            epochs=epochs, seed=seed, out=folder, watcher=watcher,
        )  # fmt: skip
    document = run.document()
    model = run.model()
    scores = {NETWORK: scores_of(data, model, _predicted(data, model))}
    if document["status"] != "interrupted":
        for name, predicted in predictions(data, model).items():
            scores[name] = scores_of(data, model, predicted)
    run.write_document({**document, "comparison": scores})
    rows, trained_on = f"{len(data.test):,}", f"{len(data.training):,}"
    print(f"\nOn {rows} other rows, every model trained on the same {trained_on}:")
    Console(highlight=False).print(_table(scores))
    return str(document["status"])


def scores_of(data: Dataset, model: Model, predicted: Any) -> dict[str, float]:
    """Return accuracy, or root mean squared error and R2, on the test part.

    Parameters
    ----------
    data : Dataset
    model : Model
    predicted : array, shape (rows,)
        Places of classes, or numbers.
    """
    from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error

    wanted = true(data.test, model)
    if data.kind == "classes":
        return {"accuracy": float(accuracy_score(wanted, predicted))}
    return {
        "RMSE": float(root_mean_squared_error(wanted, predicted)),
        "R2": float(r2_score(wanted, predicted)),
    }


def _predicted(data: Dataset, model: Model) -> Any:
    outputs = model.outputs(data.test)
    return np.argmax(outputs, axis=1) if data.kind == "classes" else outputs[:, 0]


def _table(scores: dict[str, dict[str, float]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model")
    for name in scores[NETWORK]:
        table.add_column(name, justify="right")
    for model, numbers in scores.items():
        cells = (f"{x:.1f}" if name == "RMSE" else f"{x:.3f}" for name, x in numbers.items())
        table.add_row(model, *cells, style="bold" if model == NETWORK else "")
    return table
