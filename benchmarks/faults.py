"""The faults of diagnosis.py: each takes a healthy training and puts one fault of random strength in.

A fault that does not fit a table (unscaled targets, where there are classes) gives None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.training import (
    AdamW,
    GradientDescent,
    Momentum,
    Penalties,
    RMSProp,
    StepDecay,
)
from healthy import Case

Operator = Callable[[Case, Any], Case | None]


@dataclass(frozen=True)
class Fault:
    """An operator, the causes that are right, those that are sensible, and whether it has a fix."""

    operator: Operator
    right: tuple[str, ...]
    sensible: tuple[str, ...] = ()
    fixable: bool = True
    other: bool = False
    always_counts: bool = False


def _plan(case: Case, **changes: Any) -> Case:
    return replace(case, plan=replace(case.plan, **changes))


def _settings(case: Case, **changes: Any) -> Case:
    return _plan(case, settings=replace(case.plan.settings, **changes))


def _network(case: Case, **changes: Any) -> Case:
    return _plan(case, network=replace(case.plan.network, **changes))


def _log(rng: Any, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _times_rate(case: Case, factor: float) -> Case:
    optimizer = case.plan.settings.optimizer
    return _settings(
        case, optimizer=replace(optimizer, learning_rate=optimizer.learning_rate * factor)
    )


def rate_high(case: Case, rng: Any) -> Case:
    return _times_rate(case, _log(rng, 20, 500))


def rate_low(case: Case, rng: Any) -> Case:
    return _times_rate(case, _log(rng, 1e-4, 0.03))


def sum_loss(case: Case, rng: Any) -> Case:
    """Take a sum over the batch in place of the mean: a gradient many times as long."""
    rate = _log(rng, 0.05, 0.3)
    case = _settings(case, optimizer=GradientDescent(rate), batch_size=int(rng.integers(32, 200)))
    return _times_rate(case, case.plan.settings.batch_size)


def momentum_high(case: Case, rng: Any) -> Case:
    return _settings(case, optimizer=Momentum(_log(rng, 0.02, 0.2), 1 - _log(rng, 5e-4, 5e-3)))


def schedule_fast(case: Case, rng: Any) -> Case:
    return _settings(case, schedule=StepDecay(every=1, factor=float(rng.uniform(0.03, 0.4))))


def epochs_few(case: Case, rng: Any) -> Case:
    return _settings(
        case, epochs=int(rng.integers(1, 4)), batch_size=int(rng.integers(64, 200)), patience=None
    )


def patience_short(case: Case, rng: Any) -> Case:
    return _settings(_times_rate(case, _log(rng, 0.3, 1)), patience=1)


def batch_large(case: Case, rng: Any) -> Case:
    epochs = case.plan.settings.epochs
    return _settings(
        case,
        batch_size=len(case.plan.training[1]),
        epochs=max(5, int(epochs * rng.uniform(0.3, 1))),
    )


def batch_small(case: Case, rng: Any) -> Case:
    case = _times_rate(case, _log(rng, 1, 5))
    return _settings(case, batch_size=int(rng.integers(1, 3)), epochs=5)


def _start(case: Case, change: Callable[[str, Any, Any], Any], rng: Any) -> Case:
    parameters = case.plan.network.parameters(case.plan.settings.seed)
    start = {k: change(k, v, rng).astype(np.float32) for k, v in parameters.items()}
    return _plan(case, start=start)


def init_large(case: Case, rng: Any) -> Case:
    factor = _log(rng, 10, 100)
    return _start(case, lambda k, v, _: v * factor, rng)


def init_small(case: Case, rng: Any) -> Case:
    factor = _log(rng, 1e-5, 1e-2)
    return _start(case, lambda k, v, _: v * factor, rng)


def init_zero(case: Case, rng: Any) -> Case:
    return _start(case, lambda k, v, _: 0 * v, rng)


def init_constant(case: Case, rng: Any) -> Case:
    constant = _log(rng, 0.01, 0.3)
    return _start(case, lambda k, v, _: np.full_like(v, constant) if k[0] == "W" else v, rng)


def dead_bias(case: Case, rng: Any) -> Case:
    depth = _log(rng, 5, 100)
    case = _network(case, activation="relu")
    return _start(case, lambda k, v, _: v - depth if k == "b1" else v, rng)


def huge_bias(case: Case, rng: Any) -> Case:
    """Biases that keep bounded units at one end."""
    size = _log(rng, 8, 60)
    case = _network(case, activation=["tanh", "logistic"][rng.integers(2)])
    return _start(
        case, lambda k, v, r: v + size * r.choice([-1, 1], v.shape) if k == "b1" else v, rng
    )


def depth_logistic(case: Case, rng: Any) -> Case:
    return _network(case, hidden=(32,) * int(rng.integers(5, 10)), activation="logistic")


def network_small(case: Case, rng: Any) -> Case:
    hidden = [(1,), (2,), (1, 16), (16, 1)][rng.integers(4)]
    return _network(case, hidden=hidden, dropout=0.0)


def l2_strong(case: Case, rng: Any) -> Case:
    return _settings(case, penalties=Penalties(l2=_log(rng, 0.1, 10)))


def l1_strong(case: Case, rng: Any) -> Case:
    return _settings(case, penalties=Penalties(l1=_log(rng, 0.01, 0.5)))


def decay_strong(case: Case, rng: Any) -> Case:
    return _settings(case, optimizer=AdamW(0.003, weight_decay=_log(rng, 3, 100)))


def dropout_strong(case: Case, rng: Any) -> Case:
    return _network(case, dropout=float(rng.uniform(0.75, 0.97)))


def clip_hard(case: Case, rng: Any) -> Case:
    rate = _log(rng, 0.01, 0.1)
    return _settings(
        case, optimizer=GradientDescent(rate), penalties=Penalties(clip_norm=_log(rng, 1e-4, 0.02))
    )


def _inputs(case: Case, change: Callable[[Any], Any]) -> Case:
    plan = case.plan
    x, y = plan.training
    held, held_y = plan.validation
    return replace(
        _plan(case, training=(change(x), y), validation=(change(held), held_y)),
        x_test=change(case.x_test),
    )


def inputs_unscaled(case: Case, rng: Any) -> Case:
    d = case.x_test.shape[1]
    scale = np.exp(rng.uniform(np.log(1), np.log(3000), d))
    shift = rng.uniform(-1, 3, d) * scale
    return _inputs(case, lambda x: (x * scale + shift).astype(np.float32))


def inputs_unscaled_bounded(case: Case, rng: Any) -> Case:
    case = _network(case, activation=["tanh", "logistic"][rng.integers(2)])
    return inputs_unscaled(case, rng)


def inputs_tiny(case: Case, rng: Any) -> Case:
    factor = _log(rng, 1e-5, 1e-2)
    return _inputs(case, lambda x: (x * factor).astype(np.float32))


def _outliers(x: Any, rng: Any, share: float, size: float) -> Any:
    x = x.copy()
    cells = rng.random(x.shape) < share
    x[cells] = size * rng.standard_normal(int(cells.sum()))
    return x


def inputs_outliers(case: Case, rng: Any) -> Case:
    """Put in slips of many decimal places, before standardising; test rows have none."""
    plan = case.plan
    share, size = _log(rng, 1e-3, 5e-3), _log(rng, 300, 1e5)
    x, held = (_outliers(part[0], rng, share, size) for part in (plan.training, plan.validation))
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1)
    case = _plan(
        case, training=((x - mean) / scale, plan.training[1]),
        validation=((held - mean) / scale, plan.validation[1]),
    )  # fmt: skip
    return replace(case, x_test=((case.x_test - mean) / scale).astype(np.float32))


def sentinels(case: Case, rng: Any) -> Case:
    """Missing values written as -999 or so, not standardised away."""
    value = -_log(rng, 300, 1e4)
    share = float(rng.uniform(0.02, 0.1))

    def change(x: Any) -> Any:
        x = x.copy()
        x[rng.random(x.shape) < share] = value
        return x

    return _inputs(case, change)


def columns_constant(case: Case, rng: Any) -> Case:
    count = int(rng.integers(1, 6))
    case = _inputs(case, lambda x: np.concatenate([x, np.ones((len(x), count), x.dtype)], axis=1))
    return _network(case, inputs=case.x_test.shape[1])


def _labels(case: Case, change: Callable[[Any], Any]) -> Case:
    plan = case.plan
    return _plan(
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
    case = _plan(
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
    return _plan(case, validation=(held, held_y))


def _scaled_targets(case: Case, scale: float, shift: float) -> Case:
    case = _labels(case, lambda y: (y * scale + shift).astype(np.float32))
    return replace(case, y_test=case.y_test * scale + shift)


def targets_unscaled(case: Case, rng: Any) -> Case | None:
    if not case.numbers:
        return None
    scale = _log(rng, 30, 1e5)
    return _scaled_targets(case, scale, float(rng.uniform(1, 5)) * scale)


def targets_outliers(case: Case, rng: Any) -> Case | None:
    if not case.numbers:
        return None
    share, size = _log(rng, 3e-3, 2e-2), _log(rng, 30, 1000)

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
    keep = max(_log(rng, 0.02, 0.08), 8 * classes / len(plan.training[1]))

    def thin(part: Any) -> Any:
        x, y = part
        kept = ~np.isin(y, rare) | (rng.random(len(y)) < keep)
        return x[kept], y[kept]

    return replace(
        _plan(case, training=thin(plan.training), validation=thin(plan.validation)), balanced=True
    )


def loss_wrong(case: Case, rng: Any) -> Case | None:
    """Classes without an order, predicted as numbers."""
    classes = case.plan.network.outputs
    if case.numbers or classes < 3:
        return None
    case = _labels(case, lambda y: y[:, np.newaxis].astype(np.float32))
    case = _network(case, outputs=1, loss="squared_loss")
    return replace(case, notes={"as numbers": True})


def unshuffled(case: Case, rng: Any) -> Case:
    (x, y), _ = case.plan.training, None
    order = np.argsort(np.asarray(y).ravel(), kind="stable")
    case = _plan(case, training=(x[order], y[order]))
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
        _plan(case, validation=(change(plan.validation[0]), plan.validation[1])),
        x_test=change(case.x_test),
    )


def columns_random(case: Case, rng: Any) -> Case:
    """Harmless as a rule: a few columns of noise."""
    columns = int(rng.integers(1, 4))
    case = _inputs(
        case,
        lambda x: np.concatenate([x, rng.standard_normal((len(x), columns))], 1).astype(np.float32),
    )
    return _network(case, inputs=case.x_test.shape[1])


def one_column_huge(case: Case, rng: Any) -> Case:
    """Have a column such as a salary, among others of size 1."""
    column = int(rng.integers(case.x_test.shape[1]))
    size = _log(rng, 1e3, 1e5)

    def change(x: Any) -> Any:
        x = x.copy()
        x[:, column] = size * (x[:, column] + 2)
        return x

    return _inputs(case, change)


def targets_shifted(case: Case, rng: Any) -> Case | None:
    """Numbers far from 0, such as years."""
    return _scaled_targets(case, 1.0, _log(rng, 30, 3000)) if case.numbers else None


def targets_misaligned(case: Case, rng: Any) -> Case:
    """Each row has the target of the row after it."""
    return _labels(case, lambda y: np.roll(y, 1, axis=0))


def last_bias_huge(case: Case, rng: Any) -> Case:
    """One output begins far above the others."""
    size = _log(rng, 100, 3000)
    last = f"b{len(case.plan.network.hidden) + 1}"
    return _start(
        case, lambda k, v, _: v + size * (np.arange(len(v)) == 0) if k == last else v, rng
    )


def rmsprop_high(case: Case, rng: Any) -> Case:
    return _settings(case, optimizer=RMSProp(_log(rng, 0.1, 3)))


HIGH, LOW = "learning rate too high", "learning rate too low"
FEW, LARGE, SMALL = "too few epochs", "batch too large", "batch too small"
INIT, TINY = "initial weights too large", "initial weights too small"
ALIKE, DEAD, FLAT = "units start alike", "dead units", "saturated units"
VANISH, NARROW = "vanishing gradients", "network too small"
PENALTY, DROPOUT, CLIP = "penalty too strong", "dropout too strong", "gradient clipped too hard"
SCALE, FAR = "inputs not scaled", "outliers in inputs"
TSCALE, TFAR = "targets not scaled", "outliers in targets"
NOISE, NOTHING = "wrong labels", "inputs do not tell the targets"
LEAK, TWICE = "a column gives the target away", "rows on both sides of the split"
RARE, LOSS, ORDER = "rare class ignored", "wrong loss", "rows in an order"
SHIFT = "held-out rows prepared otherwise"

FAULTS: dict[str, Fault] = {
    "rate_high": Fault(rate_high, (HIGH,), (DEAD,)),
    "rate_low": Fault(rate_low, (LOW,), (FEW,)),
    "init_large": Fault(init_large, (INIT,), (FLAT,)),
    "init_small": Fault(init_small, (TINY,), (VANISH, ALIKE)),
    "init_zero": Fault(init_zero, (ALIKE,), (TINY,)),
    "init_constant": Fault(init_constant, (ALIKE,)),
    "dead_bias": Fault(dead_bias, (DEAD,), (INIT,)),
    "inputs_unscaled": Fault(inputs_unscaled, (SCALE,)),
    "inputs_unscaled_bounded": Fault(inputs_unscaled_bounded, (SCALE,), (FLAT,)),
    "inputs_tiny": Fault(inputs_tiny, (SCALE,)),
    "inputs_outliers": Fault(inputs_outliers, (FAR,), (SCALE,)),
    "columns_constant": Fault(columns_constant, ()),
    "columns_random": Fault(columns_random, ()),
    "epochs_few": Fault(epochs_few, (FEW,), (LOW, LARGE)),
    "batch_large": Fault(batch_large, (LARGE, FEW), (LOW,)),
    "batch_small": Fault(batch_small, (SMALL, HIGH)),
    "depth_logistic": Fault(depth_logistic, (VANISH,), (TINY,)),
    "network_small": Fault(network_small, (NARROW,)),
    "l2_strong": Fault(l2_strong, (PENALTY,)),
    "decay_strong": Fault(decay_strong, (PENALTY,)),
    "dropout_strong": Fault(dropout_strong, (DROPOUT,)),
    "clip_hard": Fault(clip_hard, (CLIP,), (LOW,)),
    "noise_uniform": Fault(noise_uniform, (NOISE,), (NOTHING,), fixable=False),
    "noise_one_way": Fault(noise_one_way, (NOISE,), (NOTHING,), fixable=False),
    "labels_shuffled": Fault(labels_shuffled, (NOTHING,), (NOISE,), fixable=False),
    "leak": Fault(leak, (LEAK,), always_counts=True),
    "duplicates": Fault(duplicates, (TWICE,), fixable=False, always_counts=True),
    "targets_unscaled": Fault(targets_unscaled, (TSCALE,)),
    "targets_outliers": Fault(targets_outliers, (TFAR,)),
    "imbalance": Fault(imbalance, (RARE,)),
    "loss_wrong": Fault(loss_wrong, (LOSS,)),
    "unshuffled": Fault(unshuffled, (ORDER,)),
    # Not used while writing the rules.
    "sum_loss": Fault(sum_loss, (HIGH,), (DEAD,), other=True),
    "momentum_high": Fault(momentum_high, (HIGH,), (DEAD,), other=True),
    "schedule_fast": Fault(schedule_fast, (LOW,), (FEW,), other=True),
    "patience_short": Fault(patience_short, (FEW,), (LOW,), other=True),
    "l1_strong": Fault(l1_strong, (PENALTY,), (), other=True),
    "huge_bias": Fault(huge_bias, (FLAT, INIT), (DEAD,), other=True),
    "sentinels": Fault(sentinels, (FAR, SCALE), (), other=True),
    "prepared_otherwise": Fault(prepared_otherwise, (SHIFT,), (SCALE,), fixable=False, other=True),
    "one_column_huge": Fault(one_column_huge, (SCALE,), (), other=True),
    "targets_shifted": Fault(targets_shifted, (TSCALE,), (), other=True),
    "targets_misaligned": Fault(
        targets_misaligned, (NOTHING,), (NOISE,), fixable=False, other=True
    ),
    "last_bias_huge": Fault(last_bias_huge, (INIT,), (HIGH, LOW, FEW), other=True),
    "rmsprop_high": Fault(rmsprop_high, (HIGH,), (DEAD,), other=True),
}
