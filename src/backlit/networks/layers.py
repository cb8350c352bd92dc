"""Layers: functions of an input and of their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule


def _rows(a: Any) -> Any:
    """Return an array of any number of axes as a table with one row for each example."""
    return a if a.ndim == 2 else np.reshape(a, (-1, a.shape[-1]))


# With delta = g, the derivative of the loss with respect to the pre-activation:
# the delta goes back along the weights; each weight gets (its input) * (its unit's delta), summed
# over the examples; each bias gets its unit's delta, and the backward pass sums over the examples.
@custom_rule(
    lambda g, ans, x, W, b: g @ W.T,
    lambda g, ans, x, W, b: _rows(x).T @ _rows(g),
    lambda g, ans, x, W, b: g,
)
def dense(x: Any, W: Any, b: Any) -> Any:
    """Compute the pre-activations ``x @ W + b`` of a dense layer.

    Parameters
    ----------
    x : array, shape (..., inputs)
        One example, or examples along any number of leading axes.
    W : array, shape (inputs, outputs)
    b : array, shape (outputs,)

    Returns
    -------
    array, shape (..., outputs)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import dense
    >>> dense(np.array([1.0, 2.0]), np.array([[1.0], [10.0]]), np.array([0.5]))
    array([21.5])
    """
    return x @ W + b
