"""Axes in another order, arrays joined, repeated and padded, diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.calls import is_traced
from backlit.autodiff.shorter.table import SIMPLER, Body, at, axes_of, stands_for
from backlit.autodiff.table import RULES

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
    moved = dict(zip(axes_of(destination, a.ndim), axes_of(source, a.ndim), strict=True))
    others = iter(k for k in range(a.ndim) if k not in moved.values())
    return np.transpose(a, [moved[k] if k in moved else next(others) for k in range(a.ndim)])


@stands_for(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, m.ndim)
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
            parts = [a[at(k, a.ndim, slice(cut, None))], a[at(k, a.ndim, slice(None, cut))]]
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
def pad(
    array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0, **others: Any
) -> Any:
    """Return an array with others around it; see `numpy.pad`."""
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
