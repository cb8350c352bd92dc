"""NumPy's longer functions, written with its shorter ones.

An executor that is not NumPy knows how to add, multiply, reduce and move, and does not have to know
each of NumPy's functions: `recording.expand` puts what stands here in their place. The results are
the same but for rounding.

A body is called with the arguments of its function. It returns ``NotImplemented`` for arguments
that it does not cover: then the function stays where it is. Functions that are differentiated
through a formula (`table.formula`) have that for a body.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.calls import is_traced
from backlit.autodiff.composite import body_of
from backlit.autodiff.contractions import einsum
from backlit.autodiff.rules.elementwise import cast, cast_to_integers
from backlit.autodiff.rules.indexing import add_along_axis, add_at, put
from backlit.autodiff.rules.linalg import cofactors
from backlit.autodiff.table import RULES
from backlit.program.values import Value

Body = Callable[..., Any]

# Composites that stand for a function of NumPy: to expand one would record it again.
CASTS = (cast, cast_to_integers)
# The formula of `cofactors` holds for its slope only, and what it is made of has no kernel.
WHOLE = (*CASTS, cofactors)

SIMPLER: dict[Callable[..., Any], Body] = {}

LARGEST_COMPARISON = 1 << 20  # numbers, for what compares each with each


def simpler(function: Callable[..., Any]) -> Body | None:
    """Return a body in terms of shorter functions, or None.

    Parameters
    ----------
    function : callable
        What an instruction calls.

    Returns
    -------
    callable or None

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.autodiff.simpler import simpler
    >>> simpler(np.flipud)(np.array([1.0, 2.0])), simpler(np.exp)
    (array([2., 1.]), None)
    """
    if function in WHOLE:
        return None
    if function in SIMPLER:
        return SIMPLER[function]
    body = body_of(function)
    if body is not None:
        return body
    rule = RULES.get(function)
    return None if rule is None else rule.equal


def applied(body: Body, output: Value, *arguments: Any, **keywords: Any) -> Any:
    """Return what a body gives, or NotImplemented where it does not cover the arguments.

    Parameters
    ----------
    body : callable
    output : Value
        What the function gave; what the body gives has its shape and dtype.
    *arguments, **keywords
        Of the function.

    Returns
    -------
    array or NotImplemented
    """
    try:
        inspect.signature(body).bind(*arguments, **keywords)
        result = body(*arguments, **keywords)
    except (TypeError, ValueError, AttributeError, IndexError):
        # It takes others, or (the body of a composite) does what cannot be seen.
        return NotImplemented
    if result is NotImplemented or output.dtype is None:
        return result
    if np.shape(result) != output.shape:
        return NotImplemented
    if result.dtype != output.dtype:
        return np.astype(result, output.dtype)
    return result


def stands_for(*functions: Callable[..., Any]) -> Callable[[Body], Body]:
    """Enter a body for one or more functions."""

    def enter(body: Body) -> Body:
        for function in functions:
            SIMPLER[function] = body
        return body

    return enter


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(k) % ndim for k in np.atleast_1d(axis))


def _at(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * (axis % ndim), part)


# ----- Elementwise -------------------------------------------------------------------------------


@stands_for(np.float_power)
def _float_power(x: Any, y: Any) -> Any:
    return np.power(np.astype(x, np.float64), y) if np.ndim(x) or is_traced(x) else np.power(x, y)


@stands_for(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    if a.dtype.kind != "f":
        return NotImplemented
    if decimals == 0:
        return np.rint(a)
    power = 10.0 ** abs(decimals)
    return np.rint(a * power) / power if decimals > 0 else np.rint(a / power) * power


@stands_for(np.fix)
def _fix(x: Any) -> Any:
    return np.trunc(x)


@stands_for(np.isposinf)
def _isposinf(x: Any) -> Any:
    return x == np.inf


@stands_for(np.isneginf)
def _isneginf(x: Any) -> Any:
    return x == -np.inf


@stands_for(np.sinc)
def _sinc(x: Any) -> Any:
    angle = math.pi * np.where(x == 0, 1e-20, x)
    return np.sin(angle) / angle


# ----- Spreads, and what passes over NaN ---------------------------------------------------------


@stands_for(np.var)
def _var(
    a: Any, axis: Any = None, *, ddof: Any = 0, correction: Any = 0, keepdims: Any = False
) -> Any:
    axes = _axes(axis, a.ndim)
    offset = a - np.mean(a, axis=axes, keepdims=True)
    free = math.prod(a.shape[k] for k in axes) - (ddof or correction)
    return np.sum(offset * offset, axis=axes, keepdims=keepdims) / max(float(free), 0.0)


@stands_for(np.std)
def _std(a: Any, axis: Any = None, **keywords: Any) -> Any:
    return np.sqrt(_var(a, axis, **keywords))


def _nan_extreme(extreme: Body, neutral: float) -> Body:
    def body(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
        empty = np.isnan(a)
        result = extreme(np.where(empty, neutral, a), axis=axis, keepdims=keepdims)
        return np.where(np.all(empty, axis=axis, keepdims=keepdims), np.nan, result)

    return body


SIMPLER[np.nanmax] = _nan_extreme(np.max, -np.inf)
SIMPLER[np.nanmin] = _nan_extreme(np.min, np.inf)


@stands_for(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    equal = RULES[np.corrcoef].equal
    assert equal is not None
    return np.minimum(np.maximum(equal(x, y, rowvar), -1), 1)


# ----- Axes in another order ---------------------------------------------------------------------


@stands_for(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(a, order)


@stands_for(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any) -> Any:
    return _swapaxes(x, -1, -2)


@stands_for(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    moved = dict(zip(_axes(destination, a.ndim), _axes(source, a.ndim), strict=True))
    others = iter(k for k in range(a.ndim) if k not in moved.values())
    return np.transpose(a, [moved[k] if k in moved else next(others) for k in range(a.ndim)])


@stands_for(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    axes = _axes(axis, m.ndim)
    return m[tuple(slice(None, None, -1 if k in axes else None) for k in range(m.ndim))]


@stands_for(np.flipud)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@stands_for(np.fliplr)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


@stands_for(np.rot90)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = axes
    if k % 4 in (0, 2):
        return _flip(m, (first, second)) if k % 4 else m[...]
    return (
        _swapaxes(_flip(m, second), first, second)
        if k % 4 == 1
        else _flip(_swapaxes(m, first, second), second)
    )


@stands_for(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.reshape(_roll(np.reshape(a, -1), shift, 0), a.shape)
    for s, k in zip(*map(np.ravel, np.broadcast_arrays(shift, axis)), strict=True):
        cut = int(-s) % a.shape[k] if a.shape[k] else 0
        if cut:
            parts = [a[_at(k, a.ndim, slice(cut, None))], a[_at(k, a.ndim, slice(None, cut))]]
            a = np.concatenate(parts, axis=int(k))
    return a


@stands_for(np.reshape)
def _reshape(a: Any, shape: Any, order: str = "C") -> Any:
    if order != "F":
        return NotImplemented
    wanted = np.atleast_1d(shape).tolist()
    return np.transpose(np.reshape(np.transpose(a), wanted[::-1]))


@stands_for(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return np.reshape(np.transpose(a), -1) if order == "F" else NotImplemented


# ----- Joined, repeated and padded ---------------------------------------------------------------


def _raised(ndim: int) -> Body:
    def body(a: Any) -> Any:
        shape = tuple(a.shape)
        if ndim == 3 and len(shape) in (1, 2):
            return np.reshape(a, (1, *shape, 1) if len(shape) == 1 else (*shape, 1))
        return np.reshape(a, (1,) * (ndim - len(shape)) + shape)

    return body


SIMPLER.update({np.atleast_1d: _raised(1), np.atleast_2d: _raised(2), np.atleast_3d: _raised(3)})


@stands_for(np.stack)
def _stack(arrays: Any, axis: int = 0) -> Any:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis=axis)


@stands_for(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0) -> Any:
    if axis is not None:
        return NotImplemented
    return np.concatenate([np.reshape(a, -1) for a in arrays])


@stands_for(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    repeats = [int(n) for n in np.atleast_1d(reps)]
    shape = [1] * (len(repeats) - A.ndim) + list(A.shape)
    repeats = [1] * (len(shape) - len(repeats)) + repeats
    narrow = [n for length in shape for n in (1, length)]
    wide = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    copies = np.broadcast_to(np.reshape(A, narrow), wide)
    return np.reshape(copies, [r * n for r, n in zip(repeats, shape, strict=True)])


@stands_for(np.pad)
def _pad(
    array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0, **others: Any
) -> Any:
    if mode != "constant":
        equal = RULES[np.pad].equal
        assert equal is not None
        return equal(array, pad_width, mode, **others)
    if isinstance(pad_width, dict) or is_traced(constant_values) or others:
        return NotImplemented
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    numbers = np.broadcast_to(constant_values, (array.ndim, 2)).astype(array.dtype)
    for axis, both in enumerate(widths):
        before, after = (
            np.full([n if k == axis else m for k, m in enumerate(array.shape)], number)
            for n, number in zip(both, numbers[axis], strict=True)
        )
        parts = [part for part in (before, array, after) if part.shape[axis]]
        array = np.concatenate(parts, axis=axis) if len(parts) > 1 else array
    return array


# ----- Diagonals and triangles -------------------------------------------------------------------


@stands_for(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    last = _moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = last.shape[-2:]
    count = min(rows + min(offset, 0), columns - max(offset, 0))
    steps = np.arange(max(count, 0))
    return last[..., steps + max(-offset, 0), steps + max(offset, 0)]


@stands_for(np.linalg.diagonal)
def _last_diagonal(x: Any, offset: int = 0) -> Any:
    return _diagonal(x, offset, -2, -1)


@stands_for(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(_diagonal(a, offset, axis1, axis2), axis=-1)


@stands_for(np.linalg.trace)
def _last_trace(x: Any, offset: int = 0) -> Any:
    return _trace(x, offset, -2, -1)


@stands_for(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return _diagonal(v, k)
    size = v.shape[0] + abs(k)
    row, column = np.ogrid[:size, :size]
    position = np.clip(np.minimum(row, column), 0, v.shape[0] - 1)
    return np.where(column - row == k, v[position], 0)


@stands_for(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return _diag(np.reshape(v, -1), k)


def _below(m: Any, k: int) -> Any:
    """Return where a matrix is on or below its k-th diagonal."""
    rows, columns = m.shape[-2:]
    return np.tri(rows, columns, k, dtype=bool)


@stands_for(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return np.where(_below(m, k), m, 0)


@stands_for(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return np.where(_below(m, k - 1), 0, m)


# ----- Products ----------------------------------------------------------------------------------
SIMPLER[np.einsum] = einsum


@stands_for(np.cross, np.linalg.cross)
def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        return NotImplemented
    a, b = ([v[_at(axis, v.ndim, k)] for k in range(3)] for v in (a, b))
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.concatenate([np.expand_dims(part, axis) for part in parts], axis=axis)


# ----- Picking and putting back ------------------------------------------------------------------


def _is_plain(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(type(k) is int or (isinstance(k, slice) and k.step in (None, 1)) for k in parts)


@stands_for(add_at)
def _add_at(shape: Any, index: Any, values: Any) -> Any:
    if is_traced(index if isinstance(index, (list, tuple)) else [index]):
        return NotImplemented
    if _is_plain(index):
        return _surrounded(shape, index if isinstance(index, tuple) else (index,), values)
    size = math.prod(shape)
    targets = np.arange(size).reshape(shape)[index]
    if not targets.size:
        return np.zeros(shape, values.dtype)
    # For each element, the positions of what is added to it; the others take a zero.
    flat = targets.reshape(-1)
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat, minlength=size)
    most = int(counts.max())
    if most * size > max(LARGEST_COMPARISON, 4 * flat.size):
        return NotImplemented
    turn = np.arange(flat.size) - np.repeat(np.cumsum(counts) - counts, counts)
    positions = np.full((most, size), flat.size)
    positions[turn, flat[order]] = order
    spread = np.reshape(np.broadcast_to(values, targets.shape), -1)
    picked = np.concatenate([spread, np.zeros(1, values.dtype)])[positions]
    return np.reshape(np.sum(picked, axis=0) if most > 1 else picked, shape)


def _surrounded(shape: Any, parts: tuple[Any, ...], values: Any) -> Any:
    """Return values with zeros around them."""
    keys = (*parts, *(slice(None),) * (len(shape) - len(parts)))
    ranges = [
        range(n)[k] if isinstance(k, slice) else range(k % n, k % n + 1)
        for k, n in zip(keys, shape, strict=True)
    ]
    if not all(len(r) for r in ranges):
        return np.zeros(shape, values.dtype)
    taken = [len(r) for r, k in zip(ranges, keys, strict=True) if isinstance(k, slice)]
    whole = np.reshape(np.broadcast_to(values, taken), [len(r) for r in ranges])
    widths = [(r.start, n - r.stop) for r, n in zip(ranges, shape, strict=True)]
    return _pad(whole, widths)


@stands_for(put)
def _put(x: Any, index: Any, values: Any) -> Any:
    if is_traced(index if isinstance(index, (list, tuple)) else [index]):
        return NotImplemented
    targets = np.arange(x.size).reshape(x.shape)[index]
    if not targets.size:
        return x
    last = np.full(x.size, -1)  # of what is put into one element the last one stays
    last[targets.reshape(-1)] = np.arange(targets.size)
    last = last.reshape(x.shape)
    values = (
        values if np.ndim(values) == 0 else np.reshape(np.broadcast_to(values, targets.shape), -1)
    )
    return np.where(last >= 0, values if np.ndim(values) == 0 else values[np.maximum(last, 0)], x)


def _comparison(indices: Any, length: int, axis: int) -> Any:
    """Return where an index is which number, along a new axis after ``axis``."""
    if is_traced(indices) and indices.size * length > LARGEST_COMPARISON:
        return None
    wrapped = np.where(indices < 0, indices + length, indices)
    numbers = np.reshape(
        np.arange(length), [-1 if k == 0 else 1 for k in range(indices.ndim - axis)]
    )
    return np.expand_dims(wrapped, axis + 1) == numbers


@stands_for(add_along_axis)
def _add_along_axis(shape: Any, indices: Any, values: Any, axis: int) -> Any:
    axis = axis % len(shape)
    chosen = _comparison(indices, shape[axis], axis)
    if chosen is None:
        return NotImplemented
    return np.sum(np.where(chosen, np.expand_dims(values, axis + 1), 0), axis=axis)


@stands_for(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    axis = axis % arr.ndim
    rows = arr.ndim == 2 and axis == 1 and indices.shape == (arr.shape[0], 1)
    if rows or not is_traced(indices):
        return NotImplemented
    chosen = _comparison(indices, arr.shape[axis], axis)
    if chosen is None:
        return NotImplemented
    return np.sum(np.where(chosen, np.expand_dims(arr, axis), 0), axis=axis + 1)


@stands_for(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    if np.size(a) * np.size(v) > LARGEST_COMPARISON:
        return NotImplemented
    v = np.expand_dims(v, -1)
    return np.sum(a <= v if side == "right" else a < v, axis=-1)
