"""Activations: what a unit makes of its pre-activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule


def identity(z: Any) -> Any:
    """Return ``z``: a linear unit.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Examples
    --------
    >>> from backlit.networks import identity
    >>> identity(3.0)
    3.0
    """
    return z


@custom_rule(lambda g, ans, z: g * ans * (1 - ans), elementwise=True)
def logistic(z: Any) -> Any:
    """Compute ``1 / (1 + exp(-z))`` without overflow.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import logistic
    >>> logistic(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(z))  # at most 1; the numerator is exp(min(z, 0))
    return np.where(z < 0, e, np.ones_like(e)) / (1 + e)


@custom_rule(lambda g, ans, z: g * (z > 0), elementwise=True)
def relu(z: Any) -> Any:
    """Compute ``max(z, 0)``. At 0 the slope is taken as 0.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import relu
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(z, 0)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": identity,
    "logistic": logistic,
    "tanh": np.tanh,
    "relu": relu,
}
