"""The functions of `compatible`, recorded for one size of batch, and as Python functions.

The latter are remembered, so that partial fits, and the fits of a search, do not record the same
step again and again. What is remembered holds no array larger than the biases.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.autodiff.recording import record
from backlit.estimators.compatible import Model, data_gradient, penalised, training_step, update
from backlit.estimators.optimizers import Rule
from backlit.estimators.straight import straight
from backlit.networks.dropout import dropout_key
from backlit.program import Program

Straight: TypeAlias = Callable[..., list[Any]]


def record_step(
    model: Model, rule: Rule, size: int, dtype: DTypeLike, targets: DTypeLike, weighted: bool
) -> Program:
    """Record the training step for one size of batch.

    Parameters
    ----------
    model : Model
    rule : Rule
    size : int
        Examples of a batch.
    dtype : float32 or float64
        Of parameters and inputs.
    targets : dtype
        Of ``y``.
    weighted : bool
        Whether examples have weights.

    Returns
    -------
    Program
        Takes and returns what the function of `training_step` does.

    Examples
    --------
    >>> from backlit.estimators.compatible import Model
    >>> from backlit.estimators.programs import record_step
    >>> from backlit.estimators.optimizers import Momentum
    >>> from backlit.estimators.outputs import Output
    >>> line = Model((4, 1), (), Output("identity", "squared_error"))
    >>> program = record_step(line, Momentum(0.9, True), 16, float, float, weighted=False)
    >>> [value.shape for value in program.inputs]
    [(5,), (5,), (16, 4), (16, 1), ()]
    """
    scalar: Any = np.dtype(dtype).type
    theta = np.zeros(model.layout.size, dtype)
    return record(
        training_step(model, rule), theta, rule.initial_state(theta),
        np.zeros((size, model.sizes[0]), dtype), *_targets(model, size, dtype, targets, weighted),
        scalar(1), _key(model),
    )  # fmt: skip


def _targets(model: Model, size: int, dtype: DTypeLike, targets: DTypeLike, weighted: bool) -> Any:
    return np.zeros((size, model.sizes[-1]), targets), np.ones(size, dtype) if weighted else None


def _key(model: Model) -> Any:
    return dropout_key(0, 1) if model.dropout else None


@lru_cache(maxsize=64)
def straight_step(
    model: Model, rule: Rule, size: int, dtype: Any, targets: Any, weighted: bool
) -> Straight:
    """Return the program of `record_step` as a Python function.

    It may write over ``theta`` and the state.
    """
    program = record_step(model, rule, size, dtype, targets, weighted)
    return straight(program, given_away=range(1 + len(rule.initial_state(np.zeros(1)))))


def record_gradient(
    model: Model, size: int, dtype: Any, targets: Any, weighted: bool, multiplied: bool
) -> Program:
    """Record `data_gradient` for one size of batch."""
    return record(
        data_gradient(model, multiplied=multiplied),
        np.zeros(model.layout.size, dtype), np.zeros((size, model.sizes[multiplied]), dtype),
        *_targets(model, size, dtype, targets, weighted), _key(model),
    )  # fmt: skip


@lru_cache(maxsize=64)
def straight_gradient(
    model: Model, size: int, dtype: Any, targets: Any, weighted: bool, multiplied: bool
) -> Straight:
    """Return the program of `record_gradient` as a Python function."""
    return straight(record_gradient(model, size, dtype, targets, weighted, multiplied))


@lru_cache(maxsize=64)
def straight_update(model: Model, rule: Rule | None, dtype: Any) -> Straight:
    """Return what goes from a batch's gradient to the step, or to the objective's gradient.

    The step may write over ``theta``, the state and the gradients.
    """
    scalar: Any = np.dtype(dtype).type
    theta = np.zeros(model.layout.size, dtype)

    gradients = model.layout.views(theta.copy())

    def objective_of(theta: Any, loss: Any, total: Any, gradients: Any) -> Any:
        return penalised(model, theta, loss, total, gradients)

    if rule is None:
        return straight(record(objective_of, theta, scalar(1), scalar(1), gradients))

    def step(theta: Any, state: Any, loss: Any, total: Any, gradients: Any, rate: Any) -> Any:
        loss, gradient = penalised(model, theta, loss, total, gradients)
        theta, state = update(model, rule, theta, state, gradient, rate)
        return theta, state, loss

    state = rule.initial_state(theta)
    program = record(step, theta, state, scalar(1), scalar(1), gradients, scalar(1))
    loss, total = 1 + len(state), 2 + len(state)
    away = [k for k in range(len(program.inputs) - 1) if k not in (loss, total)]
    return straight(program, given_away=away)


def first_weights(model: Model, theta: NDArray[Any]) -> NDArray[Any]:
    """Return the weights of the first layer, a view."""
    inputs, units = model.sizes[:2]
    return theta[: inputs * units].reshape(inputs, units)
