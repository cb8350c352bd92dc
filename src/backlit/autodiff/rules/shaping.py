"""Rules of functions that move elements without changing them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from backlit.autodiff.errors import trace_error
from backlit.autodiff.table import formula, rewrite, rule


def _along(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    """Return the index that takes ``part`` of one axis and all of the others."""
    return (*(slice(None),) * (axis % ndim), part)


# ----- The same elements in another shape --------------------------------------------------------
def _reshape(
    g: Any, ans: Any, a: Any, shape: Any = None, order: Any = "C", copy: Any = None
) -> Any:
    if order == "C":
        return np.reshape(g, a.shape)
    if order == "F":
        return np.reshape(g, a.shape, order="F")
    raise trace_error(
        f"a reshape of order {order!r} depends on how the array lies in memory; use 'C' or 'F'"
    )


def _ravel(g: Any, ans: Any, a: Any, order: str = "C") -> Any:
    return _reshape(g, ans, a, order=order)


def _same_elements(g: Any, ans: Any, a: Any, axis: Any = None) -> Any:
    return np.reshape(g, a.shape)


rule(np.reshape, _reshape)
rule(np.ravel, _ravel)
rule(np.squeeze, _same_elements)
rule(np.expand_dims, _same_elements)
rule(np.atleast_1d, _same_elements)
rule(np.atleast_2d, _same_elements)
rule(np.atleast_3d, _same_elements)


# ----- Axes in another order ---------------------------------------------------------------------
def _transpose(g: Any, ans: Any, x: Any, axes: Any = None) -> Any:
    if axes is None:
        return np.transpose(g)
    return np.transpose(g, [int(k) for k in np.argsort(np.mod(axes, x.ndim))])


rule(np.transpose, _transpose)
rule(np.matrix_transpose, lambda g, ans, x: np.swapaxes(g, -1, -2))
rule(np.linalg.matrix_transpose, lambda g, ans, x: np.swapaxes(g, -1, -2))
rule(np.swapaxes, lambda g, ans, x, axis1, axis2: np.swapaxes(g, axis1, axis2))
rule(np.moveaxis, lambda g, ans, x, source, destination: np.moveaxis(g, destination, source))
formula(np.rollaxis, lambda a, axis, start=0: np.moveaxis(
    a, axis, start % (a.ndim + 1) - (axis % a.ndim < start % (a.ndim + 1))))  # fmt: skip

# ----- Elements in another order -----------------------------------------------------------------
rule(np.flip, lambda g, ans, x, axis=None: np.flip(g, axis))
rule(np.fliplr, lambda g, ans, x: np.fliplr(g))
rule(np.flipud, lambda g, ans, x: np.flipud(g))
rule(np.rot90, lambda g, ans, x, k=1, axes=(0, 1): np.rot90(g, -k, axes))
rule(
    np.roll,
    lambda g, ans, x, shift, axis=None: np.roll(
        g, tuple(-s for s in shift) if isinstance(shift, (tuple, list)) else -shift, axis
    ),
)


# ----- Copies of elements: the adjoints of the copies add up -------------------------------------
def _tile(g: Any, ans: Any, x: Any, reps: Any) -> Any:
    repeats = tuple(int(r) for r in np.atleast_1d(reps))
    width = max(len(repeats), x.ndim)
    repeats = (1,) * (width - len(repeats)) + repeats
    shape = (1,) * (width - x.ndim) + tuple(x.shape)
    paired = tuple(itertools.chain.from_iterable(zip(repeats, shape, strict=True)))
    summed = np.sum(np.reshape(g, paired), axis=tuple(range(0, 2 * width, 2)))
    return np.reshape(summed, x.shape)


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    length = a.size if axis is None else a.shape[axis]
    return np.take(a, np.repeat(np.arange(length), repeats), axis=axis)


def _resize(a: Any, new_shape: Any) -> Any:
    flat, shape = np.reshape(a, -1), np.atleast_1d(new_shape)
    return np.reshape(flat[np.arange(int(np.prod(shape))) % flat.size], [int(n) for n in shape])


rule(np.broadcast_to, lambda g, ans, x, shape: g)  # the backward pass sums over the new axes
rule(np.tile, _tile)
formula(np.repeat, _repeat)
formula(np.resize, _resize)


def _pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Pad by picking: each new element is one of the old, or one of two constants an axis."""
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(axis, (0, 0)) for axis in range(array.ndim)]
    widths = np.broadcast_to(pad_width, (array.ndim, 2))
    for axis, (before, after) in enumerate(widths.tolist()):
        positions = np.arange(array.shape[axis])
        if mode == "constant":
            inside = np.pad(positions, (before, after), constant_values=-1)
            picked = np.take(array, np.maximum(inside, 0), axis=axis)
            shape = [-1 if k == axis else 1 for k in range(array.ndim)]
            array = np.where(np.reshape(inside >= 0, shape), picked, 0)
        elif mode in ("edge", "reflect", "symmetric", "wrap", "empty") and (
            keywords.get("reflect_type", "even") == "even"
        ):
            array = np.take(array, np.pad(positions, (before, after), mode), axis=axis)
        else:
            raise trace_error(
                f"np.pad has a rule for the modes constant, edge, reflect, symmetric and wrap, not "
                f"for {mode!r}{', odd' if 'reflect_type' in keywords else ''}; use np.concatenate"
            )
    return array


formula(np.pad, _pad)


# ----- Joining and splitting ---------------------------------------------------------------------
def _concatenate(
    g: Any, ans: Any, arrays: Any, axis: Any = 0, dtype: Any = None, casting: str = "same_kind"
) -> list[Any]:
    parts, start = [], 0
    for array in arrays:
        stop = start + (np.size(array) if axis is None else np.shape(array)[axis])
        part = slice(start, stop)
        if axis is None:
            parts.append(np.reshape(g[part], np.shape(array)))
        else:
            parts.append(g[_along(axis, ans.ndim, part)])
        start = stop
    return parts


def _stack(
    g: Any, ans: Any, arrays: Any, axis: int = 0, dtype: Any = None, casting: str = "same_kind"
) -> list[Any]:
    return [g[_along(axis, ans.ndim, k)] for k in range(len(arrays))]


def _column(array: Any) -> Any:
    return np.reshape(array, (-1, 1)) if np.ndim(array) < 2 else array


def _vstack(tup: Any, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = [np.atleast_2d(a) for a in tup]
    return np.concatenate(arrays, axis=0, dtype=dtype, casting=casting)


def _hstack(tup: Any, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = [np.atleast_1d(a) for a in tup]
    axis = 0 if arrays[0].ndim == 1 else 1
    return np.concatenate(arrays, axis=axis, dtype=dtype, casting=casting)


def _block(arrays: Any) -> Any:
    def depth(part: Any) -> int:
        return 1 + max(map(depth, part)) if isinstance(part, list) else 0

    def join(part: Any, axis: int) -> Any:
        if not isinstance(part, list):
            return part
        return np.concatenate([join(p, axis + 1) for p in part], axis=axis)

    def raised(part: Any, ndim: int) -> Any:
        if isinstance(part, list):
            return [raised(p, ndim) for p in part]
        return np.reshape(part, (1,) * max(0, ndim - np.ndim(part)) + tuple(np.shape(part)))

    def widest(part: Any) -> int:
        return max(map(widest, part)) if isinstance(part, list) else np.ndim(part)

    levels = depth(arrays)
    ndim = max(levels, widest(arrays))
    return join(raised(arrays, ndim), ndim - levels)


def _sections(ary: Any, indices_or_sections: Any, axis: int, even: bool) -> list[Any]:
    length = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        count = int(indices_or_sections)
        if even and length % count:
            raise ValueError("array split does not result in an equal division")
        sizes = [length // count + (k < length % count) for k in range(count)]
        bounds = [0, *np.cumsum(sizes).tolist()]
    else:
        bounds = [0, *(int(k) for k in indices_or_sections), length]
    return [ary[_along(axis, ary.ndim, slice(a, b))] for a, b in itertools.pairwise(bounds)]


rule(np.concatenate, _concatenate)
rule(np.stack, _stack)
rewrite(np.vstack, _vstack)
rewrite(np.hstack, _hstack)
rewrite(np.dstack, lambda tup: np.concatenate([np.atleast_3d(a) for a in tup], axis=2))
rewrite(np.column_stack, lambda tup: np.concatenate([_column(a) for a in tup], axis=1))
rewrite(np.block, _block)
rewrite(np.append, lambda arr, values, axis=None: np.concatenate([arr, values], axis=axis))
rewrite(np.split, lambda ary, indices_or_sections, axis=0: _sections(
    ary, indices_or_sections, axis, True))  # fmt: skip
rewrite(np.array_split, lambda ary, indices_or_sections, axis=0: _sections(
    ary, indices_or_sections, axis, False))  # fmt: skip
rewrite(np.vsplit, lambda ary, sections: _sections(ary, sections, 0, True))
rewrite(np.hsplit, lambda ary, sections: _sections(ary, sections, min(ary.ndim - 1, 1), True))
rewrite(np.dsplit, lambda ary, sections: _sections(ary, sections, 2, True))
rewrite(np.unstack, lambda x, axis=0: tuple(
    x[_along(axis, x.ndim, k)] for k in range(x.shape[axis])))  # fmt: skip


def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(np.broadcast_to(a, shape) for a in args)


def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    count = len(xi)
    lines = [
        np.reshape(x, [-1 if axis == k else 1 for axis in range(count)]) for k, x in enumerate(xi)
    ]
    if indexing == "xy" and count > 1:
        lines = [np.swapaxes(line, 0, 1) for line in lines]
    return tuple(lines) if sparse else _broadcast_arrays(*lines)


rewrite(np.broadcast_arrays, _broadcast_arrays)
rewrite(np.meshgrid, _meshgrid)


# ----- Diagonals and triangles -------------------------------------------------------------------
def _diagonal(g: Any, ans: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    rows, columns = x.shape[axis1], x.shape[axis2]
    above, length = max(0, -offset), g.shape[-1]
    if length < rows:  # the diagonal starts below the first row or ends above the last
        g = np.pad(g, [(0, 0)] * (g.ndim - 1) + [(above, rows - above - length)])
    on_diagonal = np.eye(rows, columns, offset, dtype=bool)
    return np.moveaxis(np.where(on_diagonal, np.expand_dims(g, -1), 0), (-2, -1), (axis1, axis2))


def _trace(
    g: Any, ans: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None
) -> Any:
    on_diagonal = np.eye(x.shape[axis1], x.shape[axis2], offset, dtype=bool)
    filled = np.where(on_diagonal, np.expand_dims(g, (-2, -1)), 0)
    return np.moveaxis(filled, (-2, -1), (axis1, axis2))


rule(np.diagonal, _diagonal)
rule(
    np.diag,
    lambda g, ans, v, k=0: np.diagonal(g, k) if v.ndim == 1 else _diagonal(g, ans, v, k),
)
rule(np.diagflat, lambda g, ans, v, k=0: np.reshape(np.diagonal(g, k), v.shape))
rule(np.linalg.diagonal, lambda g, ans, x, offset=0: _diagonal(g, ans, x, offset, -2, -1))
rule(np.trace, _trace)
rule(
    np.linalg.trace,
    lambda g, ans, x, offset=0, dtype=None: _trace(g, ans, x, offset, -2, -1),
)
rule(np.tril, lambda g, ans, m, k=0: np.tril(g, k))
rule(np.triu, lambda g, ans, m, k=0: np.triu(g, k))
