"""Train a network on a table, in a run folder; and go on with a run that was stopped."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

import backlit
from backlit.fitting.data import Data, prepare
from backlit.fitting.plan import DataPlan, NetworkPlan, Plan
from backlit.fitting.recorder import Recorder
from backlit.fitting.sources import Source, file_of, read, read_like, texts_of
from backlit.fitting.watcher import Watcher
from backlit.networks.network import Parameters
from backlit.runs.folder import Run, numbered
from backlit.runs.lock import locked
from backlit.runs.model import Model
from backlit.tables.table import Table
from backlit.tables.task import Kind
from backlit.training.engines import choose_engine
from backlit.training.lbfgs import LBFGS
from backlit.training.loop import Callback, Training, check, initial_state, train
from backlit.training.optimizers import AdamW, Optimizer
from backlit.training.parameters import Layout
from backlit.training.schedules import ReduceOnPlateau
from backlit.training.scores import score_name
from backlit.training.settings import Settings, changed
from backlit.training.state import State

PARENT = "backlit-runs"


def default_settings(optimizer: Optimizer | LBFGS | None = None) -> Settings:
    """Return the settings that `fit` begins with.

    Unlike those of `Settings`, they suit a table that nobody has tuned for: weights decay, the
    learning rate drops to three tenths after 5 epochs that brought nothing, and training stops
    after 20.

    Parameters
    ----------
    optimizer : Optimizer or LBFGS, default AdamW(weight_decay=0.1)
    """
    if isinstance(optimizer, LBFGS):  # which has no learning rate to drop
        return Settings(optimizer, patience=20)
    schedule = ReduceOnPlateau(factor=0.3, patience=5)
    return Settings(optimizer or AdamW(weight_decay=0.1), schedule, patience=20)


def fit(
    data: Source,
    target: str,
    *,
    out: Path | str | None = None,
    kind: Kind | None = None,
    ignore: Sequence[str] = (),
    categories: Sequence[str] = (),
    weights: str | None = None,
    validation: float | Source = 0.15,
    start: Run | Path | str | None = None,
    hidden: Sequence[int] | None = None,
    activation: str | None = None,
    loss: str | None = None,
    loss_options: Mapping[str, float] | None = None,
    dropout: float | None = None,
    initial: str | float | None = None,
    settings: Settings | None = None,
    watcher: Watcher | None = None,
    callbacks: Sequence[Callback] = (),
    **changes: Any,
) -> Run:
    """Train a multilayer perceptron on a table, and keep everything in a run folder.

    Parameters
    ----------
    data : Table, mapping of str to array, pandas.DataFrame, or path
        A path names a file as for `read_table`.
    target : str
        The column to predict.
    out : path, optional
        A new or empty folder; by default the next free ``backlit-runs/<name>-<number>``.
    kind : {"classes", "numbers"}, optional
        What the target holds; decided from its values, or from the loss, by default.
    ignore : sequence of str
        Columns that are not used.
    categories : sequence of str
        Columns that hold categories, even if they look like numbers.
    weights : str, optional
        The column that says how much each row counts.
    validation : float, or as for ``data``, default 0.15
        The share of rows that is held out, stratified by class; or a table of its own.
    start : Run or path, optional
        A run whose weights to start from ("fine-tuning"). Its network and its preparation of
        columns are taken over; the output layer starts anew if the target has other classes.
    hidden : sequence of int, default (128, 64)
    activation : str, default "relu"
    loss : str, optional
        By default ``"log_loss"`` for classes and ``"squared_loss"`` for numbers.
    loss_options : dict of str to float, optional
    dropout : float, default 0.0
    initial : str or float, default "automatic"
        As for `Network`. Numbers to predict are standardised, but for counts (Poisson): ``delta``
        of the Huber loss is in standard deviations of the target.
    settings : Settings, optional
        By default AdamW with a weight decay of 0.1, a learning rate that drops on a plateau, and
        early stopping.
    watcher : Watcher, optional
        Told when training begins, after each epoch, and at the end.
    callbacks : sequence of callable
        As for `train`.
    **changes
        Settings by name, in place of those in ``settings``: ``epochs=20``.

    Returns
    -------
    Run
        After Ctrl-C, too: with the best epoch so far, and all that `resume` needs.

    Raises
    ------
    ValueError
        For whatever is wrong with the table, the plan or the folder, in one sentence; nothing is
        then written.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit
    >>> table = {"x": [1, 2, 3, 11, 12, 13] * 10, "size": [*["small"] * 3, *["large"] * 3] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(table, "size", out=folder)
    ...     run.predict({"x": [2.5, 14]})
    array(['small', 'large'], dtype='<U5')
    """
    given = {
        "hidden": _sizes(hidden), "activation": activation,
        "loss": loss, "loss_options": loss_options, "dropout": dropout, "initial": initial,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    base = None if start is None else _run(start).model()
    if base is not None and (ignore or categories):
        raise ValueError(
            "ignore and categories cannot be given with a run to start from, whose columns are "
            "taken over"
        )
    settings = changed(settings or default_settings(changes.get("optimizer")), **changes)
    share = validation if isinstance(validation, Real) else None
    plan = Plan(
        DataPlan(
            target=str(target), kind=kind, ignore=_names(ignore), categories=_names(categories),
            weights=weights, file=file_of(data),
            **({"validation_file": file_of(validation)} if share is None  # type: ignore[arg-type]
               else {"validation": float(share)}),
        ),
        _network_plan(base, given),
        settings,
    )  # fmt: skip
    if out is not None:
        Run.check_free(out)
    categories = plan.data.categories
    table = read(data, categories) if base is None else read_like(data, texts_of(base))
    held_out = None
    if share is None:
        held_out = read_like(validation, texts_of(table), "the validation table")  # type: ignore[arg-type]
    prepared = prepare(table, plan, held_out, base)
    check(prepared.network, prepared.training, prepared.validation, settings)
    # Chosen once, and kept with the run: another engine has other last digits.
    engine = choose_engine(prepared.network, settings, len(prepared.training[0]))
    settings = changed(settings, engine=engine)
    plan = replace(plan, settings=settings)
    state = initial_state(prepared.network, settings, _start_weights(base, prepared, settings))
    document = {
        "status": "training",
        **plan.to_json(),
        "start": None if start is None else str(_run(start).folder.resolve()),
        "prepared": _facts(prepared, settings),
        "versions": {
            "backlit": backlit.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    run = _create(
        out, _name(data, plan.data.target), document, prepared.model(_best(prepared, state)), state
    )
    with locked(run.folder):
        return _train(run, document, prepared, settings, state, watcher or Watcher(), callbacks)


def resume(
    run: Run | Path | str,
    data: Source | None = None,
    *,
    validation: Source | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    watcher: Watcher | None = None,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Go on with a run that was stopped or killed, to the same bits as if it never had been.

    Parameters
    ----------
    run : Run or path
    data : as for `fit`, optional
        By default the file that the run was begun with. It must hold the same rows.
    validation : as for ``data``, optional
        Only where the run was begun with a validation table.
    epochs, patience : int, optional
        In place of those that the run was begun with. A patience of 0 never stops early.
    watcher, callbacks
        As for `fit`.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the run is damaged, in use, or at its end; or if the data are others.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit, resume
    >>> table = {"x": [1, 2, 3, 11, 12, 13] * 10, "size": [*["small"] * 3, *["large"] * 3] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(table, "size", out=folder, epochs=3)
    ...     len(resume(run, table, epochs=5).epochs())
    5
    """
    run = _run(run)
    document = run.document()  # refuses a folder that holds no run, before a lock is put into it
    with locked(run.folder):
        document = run.document()
        plan = _plan(run, document)
        settings = plan.settings
        if epochs is not None:
            settings = changed(settings, epochs=epochs)
        if patience is not None:
            settings = changed(settings, patience=patience or None)
        state = run.state(settings)
        _check_end(run, document, settings, state)
        model = run.model()
        table = _read_again(run, data, plan.data.file, model, "data")
        held_out = None
        if plan.data.validation_file is not None or validation is not None:
            file = plan.data.validation_file
            held_out = _read_again(run, validation, file, model, "validation data")
        prepared = prepare(table, plan, held_out, model)
        if prepared.fingerprint() != document["prepared"].get("fingerprint"):
            raise ValueError(
                f"{table.source} does not hold the rows that {run.folder} was begun with; give "
                "those, or start another run from its weights"
            )
        # The record may be ahead of the checkpoint, or behind it in a copy made while it changed.
        run.write_model(prepared.model(_best(prepared, state)))
        run.rewrite_state(state)
        moved = {"file": file_of(data)} if data is not None and file_of(data) else {}
        document = {
            **document,
            "status": "training",
            "data": {**document["data"], **moved},
            "settings": settings.to_json(),
        }
        document.pop("outcome", None)
        run.write_document(document)
        return _train(run, document, prepared, settings, state, watcher or Watcher(), callbacks)


def _train(
    run: Run,
    document: dict[str, Any],
    data: Data,
    settings: Settings,
    state: State,
    watcher: Watcher,
    callbacks: Sequence[Callback],
) -> Run:
    """Train from a state on, and write down what comes of it."""
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


# ----- What is written down ----------------------------------------------------------------------


def _facts(data: Data, settings: Settings) -> dict[str, Any]:
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


def _best(data: Data, state: State) -> Parameters:
    return Layout(data.network.shapes).views(state.best_theta)


# ----- Where things come from --------------------------------------------------------------------


def _run(run: Run | Path | str) -> Run:
    return run if isinstance(run, Run) else Run(run)


def _sizes(hidden: Sequence[int] | int | None) -> tuple[int, ...] | None:
    if hidden is None:
        return None
    return tuple(hidden) if isinstance(hidden, Iterable) else (hidden,)


def _names(names: Sequence[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _create(
    out: Path | str | None, name: str, document: Mapping[str, Any], model: Model, state: State
) -> Run:
    if out is not None:
        return Run.create(out, document, model, state)
    while True:
        folder = numbered(PARENT, name)
        try:
            return Run.create(folder, document, model, state)
        except ValueError:
            if not folder.exists():
                raise
            # Another process has taken the number just now.


def _name(data: Source, target: str) -> str:
    """Return what a run is called that nobody has named."""
    file = file_of(data)
    name = target if file is None else Path(file).name.split(".")[0]
    # A target may hold anything; a name of a folder may not.
    return re.sub(r"[^\w-]+", "-", name).strip("-")[:60] or "run"


def _read_again(run: Run, data: Source | None, file: str | None, model: Model, what: str) -> Table:
    if data is None:
        if file is None:
            raise ValueError(f"{run.folder} was not begun with a file; give its {what} again")
        if not Path(file).exists():
            raise ValueError(f"the {what} of {run.folder} are no longer at {file}; name their file")
        data = file
    return read_like(data, texts_of(model))


def _plan(run: Run, document: Mapping[str, Any]) -> Plan:
    try:
        if not isinstance(document.get("prepared"), dict):
            raise ValueError("it does not say what was prepared")
        entries = ("data", "network", "settings")
        return Plan.from_json({name: document.get(name) for name in entries})
    except ValueError as error:
        raise ValueError(f"{run.folder / 'run.json'} cannot be read: {error}") from None


def _check_end(run: Run, document: Mapping[str, Any], settings: Settings, state: State) -> None:
    """Refuse to go on with a run that is at its end, unless it is told how far."""
    status, outcome = document.get("status"), document.get("outcome", {})
    message = outcome.get("message", status)
    if status == "diverged":
        raise ValueError(f"{run.folder} cannot be gone on with: {message}")
    if settings.epochs < state.epoch or (settings.epochs == state.epoch and status != "training"):
        raise ValueError(
            f"{run.folder} has {state.epoch} epochs already ({message}); to go on, give more epochs"
        )
    waited = state.epoch - state.best_epoch
    if status == "stopped early" and settings.patience is not None and waited >= settings.patience:
        raise ValueError(
            f"{run.folder} {message}; to go on, give a patience above {waited}, or of 0, which "
            "never stops early"
        )
    if status == "converged":
        raise ValueError(f"{run.folder} is at its end: {message}")


def _network_plan(base: Model | None, given: Mapping[str, Any]) -> NetworkPlan:
    """Return the plan of the network, taken from the model that training starts from, if any."""
    if base is None:
        return NetworkPlan(**given)
    for name in ("hidden", "activation"):
        if name in given and given[name] != getattr(base.network, name):
            raise ValueError(
                f"{name} cannot be {given[name]!r}, since the weights to start from have "
                f"{getattr(base.network, name)!r}"
            )
    network = base.network
    taken = {"hidden": network.hidden, "activation": network.activation, "dropout": network.dropout}
    return NetworkPlan(**{**taken, **given})


def _start_weights(base: Model | None, data: Data, settings: Settings) -> Parameters:
    """Return the weights to start from: a model's, but for an output layer of another meaning."""
    network = data.network
    weights = network.parameters(settings.seed, settings.dtype_meant())
    last = len(network.sizes) - 1
    if network.targets == "counts":  # the output is the logarithm of a count
        mean = float(np.average(data.training[1], weights=_column(data.training[2])))
        weights[f"b{last}"][:] = math.log(max(mean, 1e-3))
    if base is None:
        return weights
    anew = not data.same_outputs or network.outputs != base.network.outputs
    return {
        name: weights[name] if anew and name in (f"W{last}", f"b{last}") else base.parameters[name]
        for name in weights
    }


def _column(weights: Any) -> Any:
    return None if weights is None else weights[:, np.newaxis]
