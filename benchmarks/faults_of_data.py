"""Faults in the data that a training is given, for diagnosis.py; see faults.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from healthy import Case, log_uniform, with_network, with_plan


def _inputs(case: Case, change: Callable[[Any], Any]) -> Case:
    plan = case.plan
    x, y = plan.training
    held, held_y = plan.validation
    return replace(
        with_plan(case, training=(change(x), y), validation=(change(held), held_y)),
        x_test=change(case.x_test),
    )


def inputs_unscaled(case: Case, rng: Any) -> Case:
    d = case.x_test.shape[1]
    scale = np.exp(rng.uniform(np.log(1), np.log(3000), d))
    shift = rng.uniform(-1, 3, d) * scale
    return _inputs(case, lambda x: (x * scale + shift).astype(np.float32))


def inputs_unscaled_bounded(case: Case, rng: Any) -> Case:
    case = with_network(case, activation=["tanh", "logistic"][rng.integers(2)])
    return inputs_unscaled(case, rng)


def inputs_tiny(case: Case, rng: Any) -> Case:
    factor = log_uniform(rng, 1e-5, 1e-2)
    return _inputs(case, lambda x: (x * factor).astype(np.float32))


def _outliers(x: Any, rng: Any, share: float, size: float) -> Any:
    x = x.copy()
    cells = rng.random(x.shape) < share
    x[cells] = size * rng.standard_normal(int(cells.sum()))
    return x


def inputs_outliers(case: Case, rng: Any) -> Case:
    """Put in slips of many decimal places, before standardising; test rows have none."""
    plan = case.plan
    share, size = log_uniform(rng, 1e-3, 5e-3), log_uniform(rng, 300, 1e5)
    x, held = (_outliers(part[0], rng, share, size) for part in (plan.training, plan.validation))
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1)
    case = with_plan(
        case, training=((x - mean) / scale, plan.training[1]),
        validation=((held - mean) / scale, plan.validation[1]),
    )  # fmt: skip
    return replace(case, x_test=((case.x_test - mean) / scale).astype(np.float32))


def sentinels(case: Case, rng: Any) -> Case:
    """Missing values written as -999 or so, not standardised away."""
    value = -log_uniform(rng, 300, 1e4)
    share = float(rng.uniform(0.02, 0.1))

    def change(x: Any) -> Any:
        x = x.copy()
        x[rng.random(x.shape) < share] = value
        return x

    return _inputs(case, change)


def columns_constant(case: Case, rng: Any) -> Case:
    count = int(rng.integers(1, 6))
    case = _inputs(case, lambda x: np.concatenate([x, np.ones((len(x), count), x.dtype)], axis=1))
    return with_network(case, inputs=case.x_test.shape[1])


def _labels(case: Case, change: Callable[[Any], Any]) -> Case:
    plan = case.plan
    return with_plan(
        case, training=(plan.training[0], change(plan.training[1])),
        validation=(plan.validation[0], change(plan.validation[1])),
    )  # fmt: skip


def _flips(y: Any, rng: Any, share: float, classes: int, target: int | None) -> Any:
    y = y.copy()
    some = rng.random(len(y)) < share
    if target is None:
        y[some] = (y[some] + rng.integers(1, classes, some.sum())) % classes
    else:
        y[some] = target
    return y


def noise_uniform(case: Case, rng: Any) -> Case | None:
    if case.numbers:
        return None
    share, classes = float(rng.uniform(0.15, 0.4)), case.plan.network.outputs
    return _labels(case, lambda y: _flips(y, rng, share, classes, None))


def noise_one_way(case: Case, rng: Any) -> Case | None:
    if case.numbers:
        return None
    share, classes = float(rng.uniform(0.2, 0.45)), case.plan.network.outputs
    target = int(rng.integers(classes))
    return _labels(case, lambda y: _flips(y, rng, share, classes, target))


def labels_shuffled(case: Case, rng: Any) -> Case:
    return _labels(case, rng.permutation)


def leak(case: Case, rng: Any) -> Case:
    """Add a column that is known once the target is; test rows have noise in it."""
    noise = float(rng.uniform(0, 0.1))

    def with_leak(x: Any, y: Any) -> Any:
        column = np.asarray(y, float).ravel()
        column = (column - column.mean()) / (column.std() or 1)
        column = column + noise * rng.standard_normal(len(column))
        return np.concatenate([x, column[:, np.newaxis]], axis=1).astype(np.float32)

    plan = case.plan
    case = with_plan(
        case, training=(with_leak(*plan.training), plan.training[1]),
        validation=(with_leak(*plan.validation), plan.validation[1]),
        network=replace(plan.network, inputs=plan.network.inputs + 1),
    )  # fmt: skip
    zeros = np.zeros((len(case.x_test), 1))
    random = rng.permutation(np.asarray(case.y_test, float))[:, np.newaxis] - case.y_test.mean()
    random = random / (random.std() or 1) + zeros
    return replace(case, x_test=np.concatenate([case.x_test, random], 1).astype(np.float32))


def duplicates(case: Case, rng: Any) -> Case:
    """Most held-out rows are training rows as well."""
    (x, y), (held, held_y) = case.plan.training, case.plan.validation
    share = float(rng.uniform(0.3, 0.9))
    some = rng.random(len(held)) < share
    rows = rng.choice(len(x), int(some.sum()), replace=len(x) < some.sum())
    held, held_y = held.copy(), held_y.copy()
    held[some], held_y[some] = x[rows], y[rows]
    return with_plan(case, validation=(held, held_y))


def _scaled_targets(case: Case, scale: float, shift: float) -> Case:
    case = _labels(case, lambda y: (y * scale + shift).astype(np.float32))
    return replace(case, y_test=case.y_test * scale + shift)


def targets_unscaled(case: Case, rng: Any) -> Case | None:
    if not case.numbers:
        return None
    scale = log_uniform(rng, 30, 1e5)
    return _scaled_targets(case, scale, float(rng.uniform(1, 5)) * scale)


def targets_outliers(case: Case, rng: Any) -> Case | None:
    if not case.numbers:
        return None
    share, size = log_uniform(rng, 3e-3, 2e-2), log_uniform(rng, 30, 1000)

    def change(y: Any) -> Any:
        return _outliers(y, rng, share, size)

    return _labels(case, change)


def imbalance(case: Case, rng: Any) -> Case | None:
    """Make some classes rare in what the user has; the score is the mean over classes."""
    if case.numbers:
        return None
    plan, classes = case.plan, case.plan.network.outputs
    rare = rng.permutation(classes)[: max(1, classes // 2)]
    # Enough rows that a class can be learned at all.
    keep = max(log_uniform(rng, 0.02, 0.08), 8 * classes / len(plan.training[1]))

    def thin(part: Any) -> Any:
        x, y = part
        kept = ~np.isin(y, rare) | (rng.random(len(y)) < keep)
        return x[kept], y[kept]

    return replace(
        with_plan(case, training=thin(plan.training), validation=thin(plan.validation)),
        balanced=True,
    )


def loss_wrong(case: Case, rng: Any) -> Case | None:
    """Classes without an order, predicted as numbers."""
    classes = case.plan.network.outputs
    if case.numbers or classes < 3:
        return None
    case = _labels(case, lambda y: y[:, np.newaxis].astype(np.float32))
    case = with_network(case, outputs=1, loss="squared_loss")
    return replace(case, notes={"as numbers": True})


def unshuffled(case: Case, rng: Any) -> Case:
    (x, y), _ = case.plan.training, None
    order = np.argsort(np.asarray(y).ravel(), kind="stable")
    case = with_plan(case, training=(x[order], y[order]))
    return replace(case, unshuffled=True)


def prepared_otherwise(case: Case, rng: Any) -> Case:
    """Standardise held-out and new rows in another way than the training rows."""
    plan = case.plan
    d = plan.network.inputs
    shift = rng.standard_normal(d) * float(rng.uniform(0.7, 2))
    scale = np.exp(rng.standard_normal(d) * float(rng.uniform(0.3, 1)))

    def change(x: Any) -> Any:
        return (x * scale + shift).astype(np.float32)

    return replace(
        with_plan(case, validation=(change(plan.validation[0]), plan.validation[1])),
        x_test=change(case.x_test),
    )


def columns_random(case: Case, rng: Any) -> Case:
    """Harmless as a rule: a few columns of noise."""
    columns = int(rng.integers(1, 4))
    case = _inputs(
        case,
        lambda x: np.concatenate([x, rng.standard_normal((len(x), columns))], 1).astype(np.float32),
    )
    return with_network(case, inputs=case.x_test.shape[1])


def one_column_huge(case: Case, rng: Any) -> Case:
    """Have a column such as a salary, among others of size 1."""
    column = int(rng.integers(case.x_test.shape[1]))
    size = log_uniform(rng, 1e3, 1e5)

    def change(x: Any) -> Any:
        x = x.copy()
        x[:, column] = size * (x[:, column] + 2)
        return x

    return _inputs(case, change)


def targets_shifted(case: Case, rng: Any) -> Case | None:
    """Numbers far from 0, such as years."""
    return _scaled_targets(case, 1.0, log_uniform(rng, 30, 3000)) if case.numbers else None


def targets_misaligned(case: Case, rng: Any) -> Case:
    """Each row has the target of the row after it."""
    return _labels(case, lambda y: np.roll(y, 1, axis=0))
