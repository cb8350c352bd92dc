"""Train a network on a table, in a new run folder."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import backlit
from backlit.fitting.conduct import best, conduct, facts
from backlit.fitting.data import Data, prepare
from backlit.fitting.plan import DataPlan, NetworkPlan, Plan
from backlit.fitting.sources import Source, as_run, file_of, read, read_like, texts_of
from backlit.fitting.watcher import Watcher
from backlit.networks.network import Parameters
from backlit.runs.folder import Run, numbered
from backlit.runs.lock import locked
from backlit.runs.model import Model
from backlit.tables.task import Kind
from backlit.training.engines import choose_engine
from backlit.training.lbfgs import LBFGS
from backlit.training.loop import Callback, check, initial_state
from backlit.training.optimizers import AdamW, Optimizer
from backlit.training.schedules import ReduceOnPlateau
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
    validation: float | np.floating[Any] | Source = 0.15,
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
    base = None if start is None else as_run(start).model()
    if base is not None and (ignore or categories):
        raise ValueError(
            "ignore and categories cannot be given with a run to start from, whose columns are "
            "taken over"
        )
    settings = changed(settings or default_settings(changes.get("optimizer")), **changes)
    share, others = DataPlan.validation, None
    if isinstance(validation, int | float | np.floating):
        share = float(validation)
    else:
        others = validation
    plan = Plan(
        DataPlan(
            target=str(target), kind=kind, ignore=_names(ignore), categories=_names(categories),
            weights=weights, validation=share, file=file_of(data),
            validation_file=None if others is None else file_of(others),
        ),
        _network_plan(base, given),
        settings,
    )  # fmt: skip
    if out is not None:
        Run.check_free(out)
    categories = plan.data.categories
    table = read(data, categories) if base is None else read_like(data, texts_of(base))
    held_out = None
    if others is not None:
        held_out = read_like(others, texts_of(table), "the validation table")
    prepared = prepare(table, plan, held_out, base)
    check(prepared.network, prepared.training, prepared.validation, settings)
    # Chosen once, and kept with the run: another engine has other last digits.
    engine = choose_engine(prepared.network, settings, len(prepared.training[0]))
    settings = changed(settings, engine=engine)
    plan = replace(plan, settings=settings)
    state = initial_state(prepared.network, settings, start_weights(base, prepared, settings))
    document = {
        "status": "training",
        **plan.to_json(),
        "start": None if start is None else str(as_run(start).folder.resolve()),
        "prepared": facts(prepared, settings),
        "versions": {
            "backlit": backlit.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    run = _create(
        out, _name(data, plan.data.target), document, prepared.model(best(prepared, state)), state
    )
    with locked(run.folder):
        return conduct(run, document, prepared, settings, state, watcher, callbacks)


# ----- Where things come from --------------------------------------------------------------------


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


def start_weights(base: Model | None, data: Data, settings: Settings) -> Parameters:
    """Return the weights to start from: a model's, but for an output layer of another meaning.

    Parameters
    ----------
    base : Model or None
    data : Data
    settings : Settings
    """
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
