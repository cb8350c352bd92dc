"""The update of large networks by NumPy: in place, and block by block.

An update is some twenty operations on arrays of the parameters' size. Whole, each of them goes to
memory and back, and most to new memory. In blocks, all but the first and the last stay in the
processor's cache. The operations and their bits are the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import record
from backlit.estimators.compatible import Model, pulled, shrinking, with_penalty
from backlit.estimators.optimizers import Rule, State
from backlit.estimators.programs import Straight
from backlit.estimators.straight import straight

BLOCK = 2**14  # numbers: in float64, 128 KB for each of the arrays that are worked on together
LARGE = 2**17  # parameters from which on blocks are worth the calls


def is_large(model: Model) -> bool:
    """Return whether a network is updated in blocks.

    Parameters
    ----------
    model : Model

    Returns
    -------
    bool
        Not if the gradient's norm is bounded, since all of it must be known before.
    """
    return model.clip_norm is None and model.layout.size >= LARGE


def update_in_place(
    model: Model, rule: Rule, theta: NDArray[Any], state: State, loss: Any, total: Any,
    gradients: list[Any], rate: Any,
) -> Any:  # fmt: skip
    """Write new parameters and a new state over the old ones.

    Parameters
    ----------
    model : Model
    rule : Rule
    theta : array, shape (parameters,)
    state : dict of str to array
        Of the optimizer.
    loss, total
        As `data_gradient` gives them.
    gradients : list of array
        Of each parameter array, sums over examples, in the order of the layout. Written over.
    rate : float scalar
        The learning rate.

    Returns
    -------
    float
        The objective before the step.
    """
    loss = with_penalty(model, theta, loss, total)
    total = theta.dtype.type(total)
    # What is not of the parameters' size, as the number of the step, is the same for all blocks.
    shared = {name for name, array in state.items() if array.shape != theta.shape}
    new = dict(state)
    for (name, place), gradient in zip(model.layout.slices.items(), gradients, strict=True):
        flat = np.ravel(gradient)
        for start in range(0, len(flat), BLOCK):
            part = flat[start : start + BLOCK]
            at = slice(place.start + start, place.start + start + len(part))
            old = {key: array if key in shared else array[at] for key, array in state.items()}
            step = _block_step(model, rule, name.startswith("W"), len(part), theta.dtype)
            found, *states = step(theta[at], *old.values(), part, total, rate)
            theta[at] = found
            for key, array in zip(state, states, strict=True):
                if key in shared:
                    new[key] = array
                else:
                    state[key][at] = array
    state.update(new)
    return loss


@lru_cache(maxsize=64)
def _block_step(model: Model, rule: Rule, weights: bool, length: int, dtype: Any) -> Straight:
    """Return the step of a block of weights or biases, which may write over what it is given."""
    scalar: Any = np.dtype(dtype).type

    def step(theta: Any, state: Any, gradient: Any, total: Any, rate: Any) -> Any:
        if weights:
            gradient = pulled(model, theta, gradient)
            if model.weight_decay:
                theta = theta - shrinking(model, theta, rate)
        return rule.update(theta, gradient / total, state, rate)

    theta = np.zeros(length, dtype)
    state = rule.initial_state(theta)
    program = record(step, theta, state, np.zeros(length, dtype), scalar(1), scalar(1))
    away = [0, len(state) + 1]
    away += [k for k, array in enumerate(state.values(), start=1) if array.shape == theta.shape]
    return straight(program, given_away=away)
