"""From a table and a plan to the arrays that a network is trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.fitting.plan import DataPlan, NetworkPlan, Plan
from backlit.networks.losses import TARGETS
from backlit.networks.network import Network
from backlit.networks.randomness import Purpose, permutation
from backlit.runs.model import Model, class_scores, number_scores
from backlit.tables.columns import Numbers
from backlit.tables.preparation import Preparation, check_columns
from backlit.tables.scaling import mean_and_deviation
from backlit.tables.slips import check_finite
from backlit.tables.split import split_by_class, split_rows
from backlit.tables.table import Table
from backlit.tables.task import Task, decide_task
from backlit.tables.wording import counted, nearest, rows

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]


@dataclass(frozen=True, eq=False)
class Data:
    """A table, ready for training.

    Attributes
    ----------
    network : Network
        Of as many inputs and outputs as the table needs.
    preparation : Preparation
    task : Task
    target_mean, target_scale : float
        Of the training part, for numbers; 0 and 1 for classes and counts.
    same_outputs : bool
        Whether the outputs mean what those of the model mean that training starts from.
    training, validation : (x, y, weights or None)
    training_rows : array of int, shape (examples,)
        The number of each row of the training part in its table, as errors count them.
    validation_table : Table
        The rows that are held out.
    notes : tuple of str
        What was decided, in sentences.
    baseline : dict of str to float
        What the best constant prediction scores on the validation part.
    """

    network: Network
    preparation: Preparation
    task: Task
    target_mean: float
    target_scale: float
    same_outputs: bool
    training: Arrays
    validation: Arrays
    training_rows: NDArray[np.intp]
    validation_table: Table
    notes: tuple[str, ...]
    baseline: dict[str, float]

    def fingerprint(self) -> str:
        """Return a text that is the same only for the same arrays."""
        digest = hashlib.sha256()
        for array in (*self.training, *self.validation):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return f"sha256:{digest.hexdigest()}"

    def model(self, parameters: dict[str, NDArray[Any]]) -> Model:
        """Return the model that these parameters make."""
        return Model(
            self.network,
            parameters,
            self.preparation,
            self.task,
            self.target_mean,
            self.target_scale,
        )


def prepare(
    table: Table, plan: Plan, held_out: Table | None = None, base: Model | None = None
) -> Data:
    """Bring a table into the form that training needs.

    Parameters
    ----------
    table : Table
    plan : Plan
    held_out : Table, optional
        The validation part; otherwise it is split off.
    base : Model, optional
        That training starts from: its preparation is taken over and, if it predicts all that the
        target holds, its task.

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        For whatever is wrong with the table, in one sentence.
    """
    data = plan.data
    names = _columns(table, data)
    kind = data.kind or plan.network.kind
    if base is not None:
        _check_not_inputs(data, base)
        if base.task.target == data.target:
            kind = kind or base.task.kind
    task, sentence = decide_task(table, data.target, kind)
    wanted = _network_plan(plan.network, task, base)
    loss = _loss(wanted.loss, task)
    notes = [sentence]
    same_outputs = base is not None and is_known(base.task, task)
    if base is not None and same_outputs:
        task = replace(base.task, target=data.target)
    table = _with_target(table, data.target, notes)
    if held_out is None:
        training, rest = _split(table, task, plan, notes)
    else:
        training, rest = np.arange(len(table)), np.arange(0)
    if base is None:
        preparation, sentences = Preparation.fit(table, names, training)
        notes += sentences
    else:
        preparation = base.preparation
    training_table = table.take(training)
    if held_out is None:
        held_out = table.take(rest)
    else:
        check_columns(held_out, [*preparation.names, data.target])
        held_out = _known(_with_target(held_out, data.target, notes), task, notes)
    weights = [_weights(part, data.weights) for part in (training_table, held_out)]
    mean, scale = _target_scale(training_table, task, loss)
    if base is not None and same_outputs:
        mean, scale = base.target_mean, base.target_scale
    dtype = plan.settings.dtype_meant()

    training_arrays, held_out_arrays = (
        (preparation.apply(part, dtype), _target(part, task, mean, scale, loss), weight)
        for part, weight in zip((training_table, held_out), weights, strict=True)
    )

    return Data(
        network=wanted.build(len(preparation.inputs), len(task.classes), loss),
        preparation=preparation,
        task=task,
        target_mean=mean,
        target_scale=scale,
        same_outputs=same_outputs,
        training=training_arrays,
        validation=held_out_arrays,
        training_rows=training_table.row_numbers,
        validation_table=held_out,
        notes=tuple(notes),
        baseline=_baseline(training_table, held_out, task, weights),
    )


# ----- Columns -----------------------------------------------------------------------------------


def _columns(table: Table, data: DataPlan) -> list[str]:
    """Return the columns to predict from."""
    if data.target not in table:
        raise ValueError(
            f"{table.source} has no column {data.target!r} for a target"
            f"{nearest(data.target, table.names)}"
        )
    used = [*data.ignore, *([data.weights] if data.weights else [])]
    for name in used:
        table[name]  # refuses a column that is not there
    names = [name for name in table.names if name not in {data.target, *used}]
    if not names:
        raise ValueError(f"{table.source} has no column to predict from, besides {data.target!r}")
    return names


def _check_not_inputs(data: DataPlan, base: Model) -> None:
    """Refuse a target that the network to start from would read."""
    for what, name in (("target", data.target), ("weights", data.weights)):
        if name in base.preparation.names:
            raise ValueError(
                f"{name!r} is an input of the run to start from, and cannot be the {what}; start "
                "from another run, or anew"
            )


def _with_target(table: Table, target: str, notes: list[str]) -> Table:
    missing = table[target].missing
    if not np.any(missing):
        return table
    count = counted(int(np.sum(missing)), "row")
    notes.append(f"Left out of {table.source}: {count} without a value of {target!r}.")
    return table.take(~missing)


def _known(table: Table, task: Task, notes: list[str]) -> Table:
    """Return the rows whose class the training part has."""
    if task.kind == "numbers":
        check_finite(table, task.target)
        known = np.ones(len(table), bool)
    else:
        known = task.codes(table) >= 0
    if not np.all(known):
        count = counted(int(np.sum(~known)), "row")
        notes.append(f"Left out of {table.source}: {count} of classes that are not trained on.")
    if not np.any(known):
        raise ValueError(f"{table.source} has no row that tells how well {task.target!r} is learnt")
    return table.take(known)


def _weights(table: Table, name: str | None) -> NDArray[np.float64] | None:
    if name is None:
        return None
    column = table[name]
    if not isinstance(column, Numbers):
        raise ValueError(f"the weights {name!r} of {table.source} are not numbers")
    wrong = ~(column.values >= 0) | np.isinf(column.values)
    if np.any(wrong):
        raise ValueError(
            f"the weights {name!r} of {table.source} must be numbers from 0 on, and one is "
            f"{column.values[np.argmax(wrong)]:g} in {rows(table.row_numbers[wrong])}"
        )
    return column.values


# ----- Target ------------------------------------------------------------------------------------


def _network_plan(plan: NetworkPlan, task: Task, base: Model | None) -> NetworkPlan:
    """Return the plan of the network, with the loss that the model to start from had."""
    if plan.loss is not None or base is None or base.task.kind != task.kind:
        return plan
    return replace(plan, loss=base.network.loss, loss_options=base.network.loss_options)


def _loss(asked: str | None, task: Task) -> str:
    loss = asked or ("log_loss" if task.kind == "classes" else "squared_loss")
    wanted = "classes" if TARGETS[loss] == "classes" else "numbers"
    if wanted != task.kind:
        raise ValueError(f"{loss} is for {wanted}, and {task.target!r} holds {task.kind}")
    if loss == "binary_log_loss" and len(task.classes) != 2:
        raise ValueError(
            f"binary_log_loss is for two classes, and {task.target!r} has {len(task.classes)}"
        )
    return loss


def is_known(old: Task, new: Task) -> bool:
    """Return whether a model of the old task predicts all that the new one asks for.

    Parameters
    ----------
    old, new : Task
    """
    return old.kind == new.kind and {*map(str, new.classes)} <= {*map(str, old.classes)}


def _target_scale(table: Table, task: Task, loss: str) -> tuple[float, float]:
    if task.kind == "classes" or TARGETS[loss] == "counts":
        return 0.0, 1.0
    column = table[task.target]
    assert isinstance(column, Numbers)
    mean, deviation = mean_and_deviation(column.values)
    return mean, deviation or 1.0


def _target(table: Table, task: Task, mean: float, scale: float, loss: str) -> NDArray[Any]:
    if task.kind == "classes":
        return task.codes(table)
    column = table[task.target]
    assert isinstance(column, Numbers)
    if TARGETS[loss] == "counts" and np.min(column.values) < 0:
        negative = column.values < 0
        raise ValueError(
            f"{loss} is for counts, and {task.target!r} is {column.values[negative][0]:g} in "
            f"{rows(table.row_numbers[negative])}"
        )
    return ((column.values - mean) / scale)[:, np.newaxis]


# ----- Split -------------------------------------------------------------------------------------


def _split(
    table: Table, task: Task, plan: Plan, notes: list[str]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = permutation(len(table), plan.settings.seed, Purpose.SPLIT)
    share = plan.data.validation
    if task.kind == "numbers":
        return split_rows(order, share)
    training, rest, sentences = split_by_class(order, share, task.codes(table), task.classes)
    notes += sentences
    return training, rest


# ----- Baseline ----------------------------------------------------------------------------------


def _baseline(
    training: Table, held_out: Table, task: Task, weights: list[NDArray[np.float64] | None]
) -> dict[str, float]:
    """Return the scores of predicting the training part's shares of classes, or its mean."""
    known, other = weights
    if task.kind == "classes":
        counts = np.bincount(task.codes(training), known, minlength=len(task.classes))
        total = np.sum(counts)
        shares = counts / total if total > 0 else np.full(len(counts), 1 / len(counts))
        predicted = np.broadcast_to(shares, (len(held_out), len(counts)))
        return class_scores(predicted, task.codes(held_out), other)
    numbers, true = training[task.target], held_out[task.target]
    assert isinstance(numbers, Numbers)
    assert isinstance(true, Numbers)
    # Divided before it is added up: 1e308 has no sum.
    largest = max(1.0, float(np.max(np.abs(numbers.values))))
    some = known if known is not None and np.sum(known) > 0 else None
    mean = float(np.average(numbers.values / largest, weights=some)) * largest
    return number_scores(np.full(len(true), mean), true.values, other)
