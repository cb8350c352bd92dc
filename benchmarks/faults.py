"""The faults of diagnosis.py: each takes a healthy training, and puts one of random strength in.

A fault that does not fit a table (unscaled targets, where there are classes) gives None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import faults_of_data as data
from backlit.insight.doctor import causes
from backlit.training import (
    AdamW,
    GradientDescent,
    Momentum,
    Penalties,
    RMSProp,
    StepDecay,
)
from healthy import Case, log_uniform, with_network, with_plan, with_settings

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


def _times_rate(case: Case, factor: float) -> Case:
    optimizer = case.plan.settings.optimizer
    return with_settings(
        case, optimizer=replace(optimizer, learning_rate=optimizer.learning_rate * factor)
    )


def rate_high(case: Case, rng: Any) -> Case:
    return _times_rate(case, log_uniform(rng, 20, 500))


def rate_low(case: Case, rng: Any) -> Case:
    return _times_rate(case, log_uniform(rng, 1e-4, 0.03))


def sum_loss(case: Case, rng: Any) -> Case:
    """Take a sum over the batch in place of the mean: a gradient many times as long."""
    rate = log_uniform(rng, 0.05, 0.3)
    case = with_settings(
        case, optimizer=GradientDescent(rate), batch_size=int(rng.integers(32, 200))
    )
    return _times_rate(case, case.plan.settings.batch_size)


def momentum_high(case: Case, rng: Any) -> Case:
    return with_settings(
        case, optimizer=Momentum(log_uniform(rng, 0.02, 0.2), 1 - log_uniform(rng, 5e-4, 5e-3))
    )


def schedule_fast(case: Case, rng: Any) -> Case:
    return with_settings(case, schedule=StepDecay(every=1, factor=float(rng.uniform(0.03, 0.4))))


def epochs_few(case: Case, rng: Any) -> Case:
    return with_settings(
        case, epochs=int(rng.integers(1, 4)), batch_size=int(rng.integers(64, 200)), patience=None
    )


def patience_short(case: Case, rng: Any) -> Case:
    return with_settings(_times_rate(case, log_uniform(rng, 0.3, 1)), patience=1)


def batch_large(case: Case, rng: Any) -> Case:
    epochs = case.plan.settings.epochs
    return with_settings(
        case,
        batch_size=len(case.plan.training[1]),
        epochs=max(5, int(epochs * rng.uniform(0.3, 1))),
    )


def batch_small(case: Case, rng: Any) -> Case:
    case = _times_rate(case, log_uniform(rng, 1, 5))
    return with_settings(case, batch_size=int(rng.integers(1, 3)), epochs=5)


def _start(case: Case, change: Callable[[str, Any, Any], Any], rng: Any) -> Case:
    parameters = case.plan.network.parameters(case.plan.settings.seed)
    start = {k: change(k, v, rng).astype(np.float32) for k, v in parameters.items()}
    return with_plan(case, start=start)


def init_large(case: Case, rng: Any) -> Case:
    factor = log_uniform(rng, 10, 100)
    return _start(case, lambda k, v, _: v * factor, rng)


def init_small(case: Case, rng: Any) -> Case:
    factor = log_uniform(rng, 1e-5, 1e-2)
    return _start(case, lambda k, v, _: v * factor, rng)


def init_zero(case: Case, rng: Any) -> Case:
    return _start(case, lambda k, v, _: 0 * v, rng)


def init_constant(case: Case, rng: Any) -> Case:
    constant = log_uniform(rng, 0.01, 0.3)
    return _start(case, lambda k, v, _: np.full_like(v, constant) if k[0] == "W" else v, rng)


def dead_bias(case: Case, rng: Any) -> Case:
    depth = log_uniform(rng, 5, 100)
    case = with_network(case, activation="relu")
    return _start(case, lambda k, v, _: v - depth if k == "b1" else v, rng)


def huge_bias(case: Case, rng: Any) -> Case:
    """Biases that keep bounded units at one end."""
    size = log_uniform(rng, 8, 60)
    case = with_network(case, activation=["tanh", "logistic"][rng.integers(2)])
    return _start(
        case, lambda k, v, r: v + size * r.choice([-1, 1], v.shape) if k == "b1" else v, rng
    )


def depth_logistic(case: Case, rng: Any) -> Case:
    return with_network(case, hidden=(32,) * int(rng.integers(5, 10)), activation="logistic")


def network_small(case: Case, rng: Any) -> Case:
    hidden = [(1,), (2,), (1, 16), (16, 1)][rng.integers(4)]
    return with_network(case, hidden=hidden, dropout=0.0)


def l2_strong(case: Case, rng: Any) -> Case:
    return with_settings(case, penalties=Penalties(l2=log_uniform(rng, 0.1, 10)))


def l1_strong(case: Case, rng: Any) -> Case:
    return with_settings(case, penalties=Penalties(l1=log_uniform(rng, 0.01, 0.5)))


def decay_strong(case: Case, rng: Any) -> Case:
    return with_settings(case, optimizer=AdamW(0.003, weight_decay=log_uniform(rng, 3, 100)))


def dropout_strong(case: Case, rng: Any) -> Case:
    return with_network(case, dropout=float(rng.uniform(0.75, 0.97)))


def clip_hard(case: Case, rng: Any) -> Case:
    rate = log_uniform(rng, 0.01, 0.1)
    return with_settings(
        case,
        optimizer=GradientDescent(rate),
        penalties=Penalties(clip_norm=log_uniform(rng, 1e-4, 0.02)),
    )


def last_bias_huge(case: Case, rng: Any) -> Case:
    """One output begins far above the others."""
    size = log_uniform(rng, 100, 3000)
    last = f"b{len(case.plan.network.hidden) + 1}"
    return _start(
        case, lambda k, v, _: v + size * (np.arange(len(v)) == 0) if k == last else v, rng
    )


def rmsprop_high(case: Case, rng: Any) -> Case:
    return with_settings(case, optimizer=RMSProp(log_uniform(rng, 0.1, 3)))


FAULTS: dict[str, Fault] = {
    "rate_high": Fault(rate_high, (causes.RATE_HIGH,), (causes.DEAD,)),
    "rate_low": Fault(rate_low, (causes.RATE_LOW,), (causes.FEW_EPOCHS,)),
    "init_large": Fault(init_large, (causes.INITIAL_LARGE,), (causes.SATURATED,)),
    "init_small": Fault(init_small, (causes.INITIAL_SMALL,), (causes.VANISHING, causes.ALIKE)),
    "init_zero": Fault(init_zero, (causes.ALIKE,), (causes.INITIAL_SMALL,)),
    "init_constant": Fault(init_constant, (causes.ALIKE,)),
    "dead_bias": Fault(dead_bias, (causes.DEAD,), (causes.INITIAL_LARGE,)),
    "inputs_unscaled": Fault(data.inputs_unscaled, (causes.UNSCALED,)),
    "inputs_unscaled_bounded": Fault(
        data.inputs_unscaled_bounded, (causes.UNSCALED,), (causes.SATURATED,)
    ),
    "inputs_tiny": Fault(data.inputs_tiny, (causes.UNSCALED,)),
    "inputs_outliers": Fault(data.inputs_outliers, (causes.FAR_INPUTS,), (causes.UNSCALED,)),
    "columns_constant": Fault(data.columns_constant, ()),
    "columns_random": Fault(data.columns_random, ()),
    "epochs_few": Fault(epochs_few, (causes.FEW_EPOCHS,), (causes.RATE_LOW, causes.BATCH_LARGE)),
    "batch_large": Fault(batch_large, (causes.BATCH_LARGE, causes.FEW_EPOCHS), (causes.RATE_LOW,)),
    "batch_small": Fault(batch_small, (causes.BATCH_SMALL, causes.RATE_HIGH)),
    "depth_logistic": Fault(depth_logistic, (causes.VANISHING,), (causes.INITIAL_SMALL,)),
    "network_small": Fault(network_small, (causes.NARROW,)),
    "l2_strong": Fault(l2_strong, (causes.PENALTY,)),
    "decay_strong": Fault(decay_strong, (causes.PENALTY,)),
    "dropout_strong": Fault(dropout_strong, (causes.DROPOUT,)),
    "clip_hard": Fault(clip_hard, (causes.CLIPPED,), (causes.RATE_LOW,)),
    "noise_uniform": Fault(
        data.noise_uniform, ("wrong labels",), (causes.NOTHING_TOLD,), fixable=False
    ),
    "noise_one_way": Fault(
        data.noise_one_way, ("wrong labels",), (causes.NOTHING_TOLD,), fixable=False
    ),
    "labels_shuffled": Fault(
        data.labels_shuffled, (causes.NOTHING_TOLD,), ("wrong labels",), fixable=False
    ),
    "leak": Fault(data.leak, (causes.GIVEAWAY,), always_counts=True),
    "duplicates": Fault(data.duplicates, (causes.SHARED_ROWS,), fixable=False, always_counts=True),
    "targets_unscaled": Fault(data.targets_unscaled, (causes.TARGETS_UNSCALED,)),
    "targets_outliers": Fault(data.targets_outliers, (causes.FAR_TARGETS,)),
    "imbalance": Fault(data.imbalance, (causes.RARE,)),
    "loss_wrong": Fault(data.loss_wrong, (causes.WRONG_LOSS,)),
    "unshuffled": Fault(data.unshuffled, (causes.ORDER,)),
    # Not used while writing the rules.
    "sum_loss": Fault(sum_loss, (causes.RATE_HIGH,), (causes.DEAD,), other=True),
    "momentum_high": Fault(momentum_high, (causes.RATE_HIGH,), (causes.DEAD,), other=True),
    "schedule_fast": Fault(schedule_fast, (causes.RATE_LOW,), (causes.FEW_EPOCHS,), other=True),
    "patience_short": Fault(patience_short, (causes.FEW_EPOCHS,), (causes.RATE_LOW,), other=True),
    "l1_strong": Fault(l1_strong, (causes.PENALTY,), (), other=True),
    "huge_bias": Fault(
        huge_bias, (causes.SATURATED, causes.INITIAL_LARGE), (causes.DEAD,), other=True
    ),
    "sentinels": Fault(data.sentinels, (causes.FAR_INPUTS, causes.UNSCALED), (), other=True),
    "prepared_otherwise": Fault(
        data.prepared_otherwise, (causes.SHIFTED,), (causes.UNSCALED,), fixable=False, other=True
    ),
    "one_column_huge": Fault(data.one_column_huge, (causes.UNSCALED,), (), other=True),
    "targets_shifted": Fault(data.targets_shifted, (causes.TARGETS_UNSCALED,), (), other=True),
    "targets_misaligned": Fault(
        data.targets_misaligned,
        (causes.NOTHING_TOLD,),
        ("wrong labels",),
        fixable=False,
        other=True,
    ),
    "last_bias_huge": Fault(
        last_bias_huge,
        (causes.INITIAL_LARGE,),
        (causes.RATE_HIGH, causes.RATE_LOW, causes.FEW_EPOCHS),
        other=True,
    ),
    "rmsprop_high": Fault(rmsprop_high, (causes.RATE_HIGH,), (causes.DEAD,), other=True),
}
