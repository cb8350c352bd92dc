"""Elements picked, and put back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlit.autodiff.calls import is_traced
from backlit.autodiff.rules.indexing import add_along_axis, add_at, put
from backlit.autodiff.shorter.shaping import pad
from backlit.autodiff.shorter.table import stands_for

LARGEST_COMPARISON = 1 << 20  # numbers, for what compares each with each


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
    return pad(whole, widths)


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
