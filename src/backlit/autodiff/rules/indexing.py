"""Rules of functions that pick elements out and put them back."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule
from backlit.autodiff.table import rewrite, rule


@custom_rule(None, None, lambda g, ans, shape, index, values: g[index])
def add_at(shape: Any, index: Any, values: Any) -> Any:
    """Return zeros with ``values`` added at ``index``, repeats and all."""
    result = np.zeros(shape, values.dtype)
    add_into(result, index, values)
    return result


def add_into(result: Any, index: Any, values: Any) -> None:
    """Add ``values`` to an array at ``index``, in place."""
    parts = index if isinstance(index, tuple) else (index,)
    if all(isinstance(part, (int, slice, type(None), type(...))) for part in parts):
        result[index] += values  # each element is picked at most once
    else:
        np.add.at(result, index, values)


def _zero_at(g: Any, index: Any) -> Any:
    return put(g, index, 0.0)


def _put_values(g: Any, ans: Any, x: Any, index: Any, values: Any) -> Any:
    """Of values put into one element, only the last one stays, and only it has a gradient."""
    parts = index if isinstance(index, tuple) else (index,)
    if all(isinstance(part, (int, slice, type(None), type(...))) for part in parts):
        return g[index]
    number = np.arange(x.size).reshape(x.shape)[index]  # which element each value goes to
    turn = np.arange(number.size).reshape(number.shape)
    winner = np.zeros(x.size, dtype=int)
    winner[number.reshape(-1)] = turn.reshape(-1)
    return g[index] * (winner[number] == turn)


@custom_rule(
    lambda g, ans, x, index, values: _zero_at(g, index),
    None,
    _put_values,
)
def put(x: Any, index: Any, values: Any) -> Any:
    """Return a copy of ``x`` in which the elements at ``index`` are ``values``.

    The functional form of ``x[index] = values``.

    Parameters
    ----------
    x : array
    index : int, slice, mask, integer array, or tuple of these
        What would stand between the square brackets.
    values : array or float
        Broadcasts to the shape of ``x[index]``.

    Returns
    -------
    array
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.functions import put
    >>> put(np.zeros(3), 1, 5.0)
    array([0., 5., 0.])
    """
    result = np.array(x)
    result[index] = values
    return result


@custom_rule(
    None,
    None,
    lambda g, ans, shape, indices, values, axis: np.take_along_axis(g, indices, axis),
    None,
)
def add_along_axis(shape: Any, indices: Any, values: Any, axis: int) -> Any:
    """Return zeros with ``values`` added where `take_along_axis` took them."""
    result = np.zeros(shape, values.dtype)
    index = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    index[axis] = indices
    np.add.at(result, tuple(index), values)
    return result


# ----- Picking -----------------------------------------------------------------------------------
rule(operator.getitem, lambda g, ans, x, index: add_at(x.shape, index, g))


def _take_along_axis(g: Any, ans: Any, x: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None:
        return np.reshape(add_along_axis((x.size,), indices, g, 0), x.shape)
    return add_along_axis(x.shape, indices, g, axis)


def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    length = a.shape[axis]
    if mode == "wrap":
        indices = np.mod(indices, length)
    elif mode == "clip":
        indices = np.clip(indices, 0, length - 1)
    if isinstance(indices, (list, tuple)):
        indices = np.asarray(indices, dtype=int)
    return a[(*(slice(None),) * (axis % a.ndim), indices)]


def _compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return _take(a, np.flatnonzero(condition), axis)


def _delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    length = arr.size if axis is None else arr.shape[axis]
    return _take(arr, np.delete(np.arange(length), obj), axis)


def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    a = np.asarray(a)
    if mode == "wrap":
        a = a % len(choices)
    elif mode == "clip":
        a = np.clip(a, 0, len(choices) - 1)
    return np.select([a == k for k in range(len(choices))], list(choices))


rule(np.take_along_axis, _take_along_axis)
rewrite(np.take, _take)
rewrite(np.compress, _compress)
rewrite(np.extract, lambda condition, arr: _take(arr, np.flatnonzero(condition)))
rewrite(np.delete, _delete)
rewrite(np.choose, _choose)
