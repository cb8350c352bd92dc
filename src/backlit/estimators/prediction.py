"""Activations in place: what prediction needs, in memory that scikit-learn needs too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.estimators.outputs import HIDDEN


def activate(name: str, z: NDArray[Any]) -> NDArray[Any]:
    """Return the activations of a layer; ``z`` may be overwritten.

    Parameters
    ----------
    name : str
        A key of `HIDDEN` or of `OUTPUT`.
    z : array, shape (examples, units)
        Pre-activations.

    Returns
    -------
    array, shape (examples, units)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.prediction import activate
    >>> activate("softmax", np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    if name == "identity":
        return z
    if name == "relu":
        return np.maximum(z, 0, out=z)
    if name == "tanh":
        return np.tanh(z, out=z)
    if name == "exp":
        return np.exp(z, out=z)
    if name == "logistic":
        from scipy.special import expit

        found: NDArray[Any] = expit(z, out=z)
        return found
    if name == "softmax":
        np.exp(z - z.max(axis=1)[:, np.newaxis], out=z)
        z /= z.sum(axis=1)[:, np.newaxis]
        return z
    others: NDArray[Any] = HIDDEN[name](z)
    return others
