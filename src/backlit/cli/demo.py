"""``backlit demo``: train a network on real data and compare it with other models."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import backlit
from backlit.cli.datasets import Dataset, load
from backlit.cli.peers import predictions
from backlit.cli.progress import progress
from backlit.networks import Model, Network, Standardisation
from backlit.runs import Run
from backlit.training import Adam, Training, train
from backlit.training.scores import SCORE_NAMES

HIDDEN = (128,)
BATCH_SIZE = 32
NETWORK = "this network"


def demo(dataset: str, out: str | None, epochs: int, seed: int) -> bool:
    """Train on a data set of scikit-learn, compare, and write the run.

    Parameters
    ----------
    dataset : str
    out : str or None
        The run's folder; None for the next free ``backlit-runs/<dataset>-<number>``.
    epochs, seed : int

    Returns
    -------
    bool
        Whether it went to its end, and was not interrupted.

    Raises
    ------
    ValueError
        If the folder is not empty or cannot be written.
    """
    run = Run.create(out) if out else Run.create_numbered("backlit-runs", dataset)
    console = Console(highlight=False)
    data = load(dataset, seed)
    network = network_for(data)
    optimizer = Adam()
    record: dict[str, Any] = {
        "status": "training",
        "data": {
            "name": f"scikit-learn's {dataset}",
            "rows": {part: len(rows[0]) for part, rows in _parts(data).items()},
        },
        "network": network.to_json(),
        "training": {
            "optimizer": {"name": "Adam", **asdict(optimizer)},
            "epochs": epochs,
            "batch_size": BATCH_SIZE,
            "seed": seed,
            "engine": "reference",
        },
        "versions": {
            "backlit": backlit.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    run.write_record(record)

    console.print(_introduction(data, network), soft_wrap=True)
    inputs, targets, scaled = scale(data)
    with progress(console, epochs, SCORE_NAMES[network.loss]) as after_epoch:
        trained = train(
            network, scaled["training"], scaled["validation"], optimizer=optimizer, epochs=epochs,
            batch_size=BATCH_SIZE, seed=seed, after_epoch=after_epoch,
        )  # fmt: skip
    model = Model(network, trained.parameters, inputs, targets, data.classes)
    run.write_model(model)
    record |= _outcome(trained)
    record["scores"] = {NETWORK: scores_of(data, predict(model, data))}
    run.write_record(record)

    if not trained.interrupted:
        for name, predicted in predictions(data, inputs).items():
            record["scores"][name] = scores_of(data, predicted)
        run.write_record(record)
    console.print(_summary(data, trained), soft_wrap=True)
    console.print(_table(record["scores"]))
    console.print(f"The run is in {run.folder}", soft_wrap=True)
    return not trained.interrupted


# ----- The parts ---------------------------------------------------------------------------------


def network_for(data: Dataset) -> Network:
    """Return the demo's network: one hidden layer of rectifiers, whatever the data set."""
    classes = data.classes
    return Network(
        inputs=data.training[0].shape[1],
        hidden=HIDDEN,
        outputs=1 if classes is None else len(classes),
        loss="squared_loss" if classes is None else "log_loss",
    )


def scale(data: Dataset) -> tuple[Standardisation, Standardisation | None, dict[str, Any]]:
    """Standardise the inputs, and targets that are numbers, by the training part.

    Returns
    -------
    inputs : Standardisation
    targets : Standardisation or None
    scaled : dict of str to pair of array
        The training and the validation part.
    """
    inputs = Standardisation.fit(data.training[0], one_scale=data.one_quantity)
    targets = None
    if data.classes is None:
        targets = Standardisation.fit(data.training[1][:, np.newaxis])
    scaled = {}
    for part in ("training", "validation"):
        x, y = _parts(data)[part]
        scaled[part] = inputs.apply(x), y if targets is None else targets.apply(y[:, np.newaxis])
    return inputs, targets, scaled


def predict(model: Model, data: Dataset) -> Any:
    """Predict the test part: positions of classes, or numbers."""
    if data.classes is None:
        return model.predict(data.test[0])[:, 0]
    return np.argmax(model.predict_probability(data.test[0]), axis=1)


def scores_of(data: Dataset, predicted: Any) -> dict[str, float]:
    """Return accuracy, or root mean squared error and R2, on the test part."""
    from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error

    true = data.test[1]
    if data.classes is not None:
        return {"accuracy": float(accuracy_score(true, predicted))}
    return {
        "RMSE": float(root_mean_squared_error(true, predicted)),
        "R2": float(r2_score(true, predicted)),
    }


def _parts(data: Dataset) -> dict[str, Any]:
    return {"training": data.training, "validation": data.validation, "test": data.test}


def _outcome(trained: Training) -> dict[str, Any]:
    figures = ("number", "train_loss", "validation_loss", "validation_score")
    return {
        "status": "interrupted" if trained.interrupted else "finished",
        "seconds": trained.seconds,
        "best_epoch": trained.best_epoch,
        "epochs": [{name: getattr(epoch, name) for name in figures} for epoch in trained.epochs],
    }


# ----- What is said ------------------------------------------------------------------------------


def _introduction(data: Dataset, network: Network) -> str:
    rows = ", ".join(f"{len(rows[0])} {part}" for part, rows in _parts(data).items())
    sizes = "-".join(map(str, network.sizes))
    return f"{data.name}: {rows} rows. A network {sizes} ({network.activation}), trained by Adam."


def _summary(data: Dataset, trained: Training) -> str:
    how = "Interrupted after" if trained.interrupted else "Trained"
    return (
        f"{how} {len(trained.epochs)} epochs in {trained.seconds:.1f} s; kept epoch "
        f"{trained.best_epoch}, the best on the validation part.\n"
        f"On the {len(data.test[0])} test rows, every model trained on the same "
        f"{len(data.training[0])}:"
    )


def _table(scores: dict[str, dict[str, float]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model")
    for name in scores[NETWORK]:
        table.add_column(name, justify="right")
    for model, numbers in scores.items():
        cells = (f"{x:.1f}" if name == "RMSE" else f"{x:.3f}" for name, x in numbers.items())
        table.add_row(model, *cells, style="bold" if model == NETWORK else "")
    return table
