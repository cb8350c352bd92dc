"""Train a network whose run folder is there, and write down what comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.fitting.data import Data
from backlit.fitting.recorder import Recorder
from backlit.fitting.watcher import Watcher
from backlit.networks.network import Parameters
from backlit.runs.folder import Run
from backlit.training.loop import Callback, Training, train
from backlit.training.parameters import Layout
from backlit.training.scores import score_name
from backlit.training.settings import Settings
from backlit.training.state import State


def conduct(
    run: Run,
    document: dict[str, Any],
    data: Data,
    settings: Settings,
    state: State,
    watcher: Watcher | None,
    callbacks: Sequence[Callback],
) -> Run:
    """Train from a state on, and write down what comes of it.

    Parameters
    ----------
    run : Run
        Locked by the caller.
    document : dict
        The content of ``run.json`` so far.
    data : Data
    settings : Settings
    state : State
        What is in the folder.
    watcher : Watcher or None
    callbacks : sequence of callable

    Returns
    -------
    Run
    """
    watcher = watcher or Watcher()
    recorder = Recorder(run, data, state)
    watcher.begun(run, document)
    training = train(
        data.network,
        data.training,
        data.validation,
        settings,
        state=state,
        callbacks=[recorder, watcher.epoch, *callbacks],
    )
    recorder.write(training.state)
    document = {**document, "status": training.outcome, "outcome": _outcome(training, data)}
    run.write_document(document)
    watcher.ended(run, document)
    return run


def facts(data: Data, settings: Settings) -> dict[str, Any]:
    """Return what was prepared, for ``run.json``."""
    return {
        "task": {"kind": data.task.kind, "classes": list(data.task.classes)},
        "columns": data.preparation.names,
        "rows": {"training": len(data.training[0]), "validation": len(data.validation[0])},
        "sizes": list(data.network.sizes),
        "parameters": sum(math.prod(shape) for shape in data.network.shapes.values()),
        "loss": data.network.loss,
        "score": score_name(data.network),
        "batch_size": settings.batch_size_for(len(data.training[0])),
        "engine": settings.engine,
        "notes": list(data.notes),
        "baseline": data.baseline,
        "fingerprint": data.fingerprint(),
    }


def _outcome(training: Training, data: Data) -> dict[str, Any]:
    model = data.model(training.parameters)
    table, weights = data.validation_table, data.validation[2]
    with np.errstate(over="ignore", invalid="ignore"):
        scores = model.scores(table, model.outputs(table), weights)
    if score_name(data.network) == "D2" and training.best_epoch:
        scores = {"D2": training.epochs[training.best_epoch - 1].validation_score, **scores}
    return {
        "message": training.message,
        "best_epoch": training.best_epoch,
        "epochs": len(training.epochs),
        "seconds": training.seconds,
        "scores": scores,
    }


def best(data: Data, state: State) -> Parameters:
    """Return the parameters of the best epoch by name."""
    return Layout(data.network.shapes).views(state.best_theta)
