"""What NumPy cannot hand to us, or has no function for: to be called inside of your functions.

Each works on plain arrays, too, and is one instruction of a recorded program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule, locally_constant
from backlit.autodiff.rules.indexing import put
from backlit.autodiff.rules.reductions import expand

__all__ = ["array", "log_softmax", "logsumexp", "put", "softmax", "stop_gradient"]


def _logsumexp(g: Any, ans: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return ``g softmax(x)``; where all of x is -inf, the limit 0."""
    total = expand(np.where(np.isinf(ans), 0, ans), axis, keepdims)
    return expand(g, axis, keepdims) * np.exp(x - total)


@custom_rule(_logsumexp)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute ``log(sum(exp(x)))`` without overflow.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, default None
        The axes to sum over; all of them if None.
    keepdims : bool, default False

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.functions import logsumexp
    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    largest = np.max(x, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    # The largest of one number is that number; unlike a squeeze, it is a scalar without axes.
    return total if keepdims else np.max(total, axis=axis)


@custom_rule(
    lambda g, ans, x, axis=-1: ans * (g - np.sum(g * ans, axis=axis, keepdims=True)),
)
def softmax(x: Any, axis: Any = -1) -> Any:
    """Compute ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, default -1

    Returns
    -------
    array
        Positive, with sum 1 along ``axis``.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.functions import softmax
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


@custom_rule(
    lambda g, ans, x, axis=-1: g - np.exp(ans) * np.sum(g, axis=axis, keepdims=True),
)
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Compute ``log(softmax(x))`` along an axis, without overflow and underflow.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, default -1

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.functions import log_softmax
    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def array(values: Any) -> Any:
    """Build an array from nested lists of numbers, arrays and traced values.

    ``np.array`` cannot see traced values; this is ``np.array`` for them.

    Parameters
    ----------
    values : number, array, or nested list or tuple of these
        Regular: all parts of one list have the same shape.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> from backlit.functions import array
    >>> backlit.grad(lambda x: np.sum(array([x, x**2, 3.0])))(2.0)
    np.float64(5.0)
    """
    if not isinstance(values, (list, tuple)):
        return values if hasattr(values, "_tape") else np.asarray(values)
    if not values:
        return np.array(values)
    return np.stack([array(part) for part in values])


@locally_constant
def stop_gradient(x: Any) -> Any:
    """Return ``x`` as a constant: nothing flows back through it.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Examples
    --------
    >>> import backlit
    >>> from backlit.functions import stop_gradient
    >>> float(backlit.grad(lambda x: x * stop_gradient(x))(3.0))
    3.0
    """
    return x
