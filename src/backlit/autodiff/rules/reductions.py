"""Rules of functions that reduce or accumulate along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule
from backlit.autodiff.errors import trace_error
from backlit.autodiff.rules.elementwise import divide_or_zero
from backlit.autodiff.table import formula, rewrite, rule


def expand(a: Any, axis: Any, keepdims: Any) -> Any:
    """Give back the axes that a reduction took away, so that ``a`` broadcasts to its argument."""
    return a if keepdims is True or axis is None else np.expand_dims(a, axis)


def _flat(axis: Any) -> int:
    """Return the axis to work along, after `_flatten` where the axis is None."""
    return 0 if axis is None else axis


def _flatten(x: Any, axis: Any) -> Any:
    return np.reshape(x, -1) if axis is None else x


# ----- Sums and means ----------------------------------------------------------------------------
# The backward pass copies these adjoints along the axes that were reduced.
rule(
    np.sum,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False, initial=0: expand(
        g, axis, keepdims
    ),
)
rule(
    np.mean,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False: expand(
        g / (x.size // max(ans.size, 1)), axis, keepdims
    ),
)


def _var(g: Any, x: Any, axis: Any, ddof: Any, keepdims: Any, scale: Any) -> Any:
    # d var / d x = 2 (x - mean) / (n - ddof)
    count = x.size // max(np.size(g), 1)
    center = np.mean(x, axis=axis, keepdims=True)
    return expand(g * (scale / (count - ddof)), axis, keepdims) * (x - center)


rule(
    np.var,
    lambda g, ans, x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, correction=0: _var(
        g, x, axis, ddof or correction, keepdims, 2.0
    ),
)
rule(
    np.std,  # 0 where all elements are equal, as for norms at the origin
    lambda g, ans, x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, correction=0: _var(
        divide_or_zero(g, ans), x, axis, ddof or correction, keepdims, 1.0
    ),
)


# ----- Largest and smallest: ties share equally --------------------------------------------------
def _extreme(
    g: Any, ans: Any, x: Any, axis: Any = None, out: Any = None, keepdims: Any = False
) -> Any:
    chosen = x == expand(ans, axis, keepdims)
    ties = np.sum(chosen, axis=axis, keepdims=True)
    return np.where(chosen, expand(g, axis, keepdims) / ties, 0)


rule((np.max, np.amax), _extreme)
rule((np.min, np.amin), _extreme)
rewrite(np.ptp, lambda a, axis=None, keepdims=False: np.max(a, axis=axis, keepdims=keepdims)
        - np.min(a, axis=axis, keepdims=keepdims))  # fmt: skip


# ----- Sums and products so far ------------------------------------------------------------------
def _reverse_cumsum(g: Any, axis: int) -> Any:
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


def _cumsum(g: Any, ans: Any, x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return np.reshape(_reverse_cumsum(g, _flat(axis)), x.shape)


def _products_before(x: Any) -> Any:
    """Along the last axis: the product of all elements before each one."""
    ones = np.ones_like(x[..., :1])
    return np.concatenate([ones, np.cumprod(x, axis=-1)[..., :-1]], axis=-1)


def _cumprod(g: Any, ans: Any, x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Differentiate products so far without dividing by an element, which may be zero.

    With ``L[k]`` the product of the elements before ``k``, the adjoint is ``L[k] * S[k]``, where
    ``S[k] = sum over i >= k of g[i] x[k+1] ... x[i]`` obeys ``S[k] = g[k] + x[k+1] S[k+1]``. This
    recurrence is solved by doubling: after ``j`` rounds, ``S`` has looked ``2**j`` elements ahead.
    """
    if x.size == 0:
        return np.zeros_like(x)
    line = np.moveaxis(_flatten(x, axis), _flat(axis), -1)
    total = np.moveaxis(g, _flat(axis), -1)
    factor = np.concatenate([line[..., 1:], np.zeros_like(line[..., :1])], axis=-1)
    ahead = 1
    while ahead < line.shape[-1]:
        tail = total[..., -ahead:]
        total = np.concatenate(
            [total[..., :-ahead] + factor[..., :-ahead] * total[..., ahead:], tail], axis=-1
        )
        factor = np.concatenate(
            [factor[..., :-ahead] * factor[..., ahead:], np.zeros_like(tail)], axis=-1
        )
        ahead *= 2
    adjoint = np.moveaxis(_products_before(line) * total, -1, _flat(axis))
    return np.reshape(adjoint, x.shape)


def _prod(
    g: Any, ans: Any, x: Any, axis: Any = None, dtype: Any = None, out: Any = None,
    keepdims: Any = False, initial: Any = 1,
) -> Any:  # fmt: skip
    """Multiply all the other elements: those before each one and those after it."""
    if x.size == 0:
        return np.zeros_like(x)
    axes = tuple(range(x.ndim)) if axis is None else np.atleast_1d(axis) % x.ndim
    others = [k for k in range(x.ndim) if k not in axes]
    order = [*others, *(int(k) for k in axes)]
    back = [int(k) for k in np.argsort(order)]
    moved = np.transpose(x, order)
    line = np.reshape(moved, (*moved.shape[: len(others)], -1))
    after = np.flip(_products_before(np.flip(line, -1)), -1)
    product = np.reshape(_products_before(line) * after, moved.shape)
    return expand(g, axis, keepdims) * (initial * np.transpose(product, back))


rule(np.cumsum, _cumsum)
rule(np.cumprod, _cumprod)
rule(np.prod, _prod)
rewrite(np.diff, lambda a, n=1, axis=-1, prepend=None, append=None: _differences(
    _extended(a, axis, prepend, append), n, axis))  # fmt: skip


def _extended(a: Any, axis: int, prepend: Any, append: Any) -> Any:
    """Join ``prepend`` and ``append`` to an array; a number stands for one layer of it."""
    layer = tuple(1 if k == axis % a.ndim else n for k, n in enumerate(a.shape))
    parts = [
        np.broadcast_to(part, layer) if np.ndim(part) == 0 else part
        for part in (prepend, a, append)
        if part is not None
    ]
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else a


def _differences(a: Any, n: int, axis: int) -> Any:
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


def _slopes(f: Any, spacing: float, axis: int) -> Any:
    """Central differences inside, one-sided ones at both ends."""
    before = (slice(None),) * (axis % f.ndim)

    def part(start: int | None, stop: int | None) -> Any:
        return f[(*before, slice(start, stop))]

    inside = (part(2, None) - part(None, -2)) / (2.0 * spacing)
    first = (part(1, 2) - part(0, 1)) / spacing
    last = (part(-1, None) - part(-2, -1)) / spacing
    return np.concatenate([first, inside, last], axis=axis)


def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    axes = list(range(f.ndim)) if axis is None else [int(k) for k in np.atleast_1d(axis)]
    steps = (
        list(spacings) * len(axes) if len(spacings) == 1 else list(spacings or [1.0] * len(axes))
    )
    if edge_order != 1 or any(np.ndim(step) for step in steps):
        raise trace_error(
            "np.gradient has a rule for edge_order=1 and one number as the spacing of an axis; "
            "divide np.diff(f) by np.diff(x) for others"
        )
    slopes = [_slopes(f, step, k) for k, step in zip(axes, steps, strict=True)]
    return slopes[0] if len(axes) == 1 else tuple(slopes)


rewrite(np.gradient, _gradient)
rewrite(np.ediff1d, lambda ary, to_end=None, to_begin=None: np.concatenate(
    [np.ravel(part) for part in (to_begin, _differences(np.ravel(ary), 1, 0), to_end)
     if part is not None]))  # fmt: skip


# ----- Passing over NaN --------------------------------------------------------------------------
def _without_nan(x: Any, neutral: float) -> Any:
    return np.where(np.isnan(x), neutral, x)


def _nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    count = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims)
    return np.sum(_without_nan(a, 0.0), axis=axis, keepdims=keepdims) / count


def _nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0,
    keepdims: Any = False,
) -> Any:  # fmt: skip
    count = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims)
    offset = _without_nan(a - _nanmean(a, axis=axis, keepdims=True), 0.0)
    return np.sum(offset * offset, axis=axis, keepdims=keepdims) / (count - ddof)


formula(np.nansum, lambda a, axis=None, dtype=None, keepdims=False: np.sum(
    _without_nan(a, 0.0), axis=axis, keepdims=keepdims))  # fmt: skip
formula(np.nanprod, lambda a, axis=None, dtype=None, keepdims=False: np.prod(
    _without_nan(a, 1.0), axis=axis, keepdims=keepdims))  # fmt: skip
formula(np.nanmean, _nanmean)
formula(np.nanvar, _nanvar)
formula(np.nanstd, lambda *arguments, **keywords: np.sqrt(_nanvar(*arguments, **keywords)))
formula(np.nanmax, lambda a, axis=None, keepdims=False: np.max(
    _without_nan(a, -np.inf), axis=axis, keepdims=keepdims))  # fmt: skip
formula(np.nanmin, lambda a, axis=None, keepdims=False: np.min(
    _without_nan(a, np.inf), axis=axis, keepdims=keepdims))  # fmt: skip


# ----- Order: an element's gradient goes back to where the element came from --------------------
@custom_rule(None, lambda g, ans, order, values, axis: np.take_along_axis(g, order, axis), None)
def put_back(order: Any, values: Any, axis: int) -> Any:
    """Undo `take_along_axis` by a permutation of each line."""
    result = np.empty_like(values)
    np.put_along_axis(result, order, values, axis)
    return result


def _sort(g: Any, ans: Any, x: Any, axis: Any = -1, kind: Any = None) -> Any:
    order = np.argsort(_flatten(x, axis), axis=_flat(axis), kind="stable")
    return np.reshape(put_back(order, g, _flat(axis)), x.shape)


def _partition(
    g: Any, ans: Any, x: Any, kth: Any, axis: Any = -1, kind: Any = "introselect"
) -> Any:
    order = np.argpartition(_flatten(x, axis), kth, axis=_flat(axis), kind=kind)
    return np.reshape(put_back(order, g, _flat(axis)), x.shape)


rule(np.sort, _sort)
rule(np.partition, _partition)


def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
            keepdims: Any = False) -> Any:  # fmt: skip
    return _quantile(a, 0.5, axis=axis, keepdims=keepdims)


# How much of the upper one of two ranks is taken, by the distance from the lower one.
_SHARES: dict[str, Any] = {
    "linear": lambda distance, low: distance,
    "lower": lambda distance, low: np.zeros_like(distance),
    "higher": lambda distance, low: np.ceil(distance),
    "midpoint": lambda distance, low: np.ceil(distance) / 2,
    "nearest": lambda distance, low: np.rint(low + distance) - low,
}


def _quantile(
    a: Any, q: Any, axis: Any = None, keepdims: Any = False, method: str = "linear"
) -> Any:
    """Interpolate between the two nearest ranks."""
    shape = a.shape
    if axis is not None and np.ndim(axis) == 0:
        line = np.moveaxis(a, axis, -1)
    elif axis is None:
        line = np.reshape(a, -1)
    else:
        axes = [int(k) % len(shape) for k in axis]
        others = [k for k in range(len(shape)) if k not in axes]
        moved = np.transpose(a, [*others, *axes])
        line = np.reshape(moved, (*moved.shape[: len(others)], -1))
    ordered = np.sort(line, axis=-1)
    rank = np.asarray(q) * (line.shape[-1] - 1)
    low = np.floor(rank).astype(int)
    high = np.minimum(low + 1, line.shape[-1] - 1)
    if method not in _SHARES:
        raise trace_error(
            f"np.quantile has a rule for the methods {', '.join(_SHARES)}, not for {method!r}"
        )
    share = _SHARES[method](rank - low, low)
    picked = ordered[..., low] * (1 - share) + ordered[..., high] * share
    result = np.moveaxis(picked, -1, 0) if np.ndim(q) else picked
    if keepdims is True:
        gone = range(len(shape)) if axis is None else [k % len(shape) for k in np.atleast_1d(axis)]
        kept = tuple(1 if k in gone else n for k, n in enumerate(shape))
        result = np.reshape(result, (*np.shape(q), *kept))
    return result


formula(np.median, _median)
formula(np.quantile, lambda a, q, axis=None, out=None, overwrite_input=False, method="linear",
        keepdims=False: _quantile(a, q, axis, keepdims, method))  # fmt: skip
formula(np.percentile, lambda a, q, axis=None, out=None, overwrite_input=False, method="linear",
        keepdims=False: _quantile(a, np.asarray(q) / 100, axis, keepdims, method))  # fmt: skip


# ----- Weighted means, covariances, integrals ----------------------------------------------------
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        return (mean, np.broadcast_to(1.0 * a.size / mean.size, mean.shape)) if returned else mean
    if np.shape(weights) != np.shape(a):
        weights = np.expand_dims(
            weights, tuple(k for k in range(np.ndim(a)) if k != axis % np.ndim(a))
        )
    total = np.sum(np.broadcast_to(weights, np.shape(a)), axis=axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    before = (slice(None),) * (axis % np.ndim(y))
    step = dx
    if x is not None:
        step = np.diff(x) if np.ndim(x) == 1 else np.diff(x, axis=axis)
        if np.ndim(x) == 1:
            step = np.reshape(step, (-1,) + (1,) * (np.ndim(y) - 1 - axis % np.ndim(y)))
    after, until = y[(*before, slice(1, None))], y[(*before, slice(None, -1))]
    return np.sum(step * (after + until) / 2.0, axis=axis)


def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None) -> Any:
    rows = np.atleast_2d(m)
    rows = rows if rowvar or rows.shape[0] == 1 else np.transpose(rows)
    if y is not None:
        more = np.atleast_2d(y)
        more = more if rowvar or more.shape[0] == 1 else np.transpose(more)
        rows = np.concatenate([rows, more], axis=0)
    offset = rows - np.mean(rows, axis=1, keepdims=True)
    scale = rows.shape[1] - (ddof if ddof is not None else (0 if bias else 1))
    return np.squeeze(offset @ np.transpose(offset) / scale)


def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    covariance = _cov(x, y, rowvar)
    if np.ndim(covariance) == 0:
        return covariance / covariance
    deviation = np.sqrt(np.diag(covariance))
    return covariance / (deviation[:, None] * deviation[None, :])


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    steps = max(num - 1 if endpoint else num, 1)
    start, stop = 1.0 * start, 1.0 * stop
    share = np.reshape(np.arange(num) / steps, (num,) + (1,) * np.ndim(stop - start))
    return np.moveaxis(start * (1 - share) + stop * share, 0, axis)


def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    xp, fp = (v if hasattr(v, "ndim") else np.asarray(v) for v in (xp, fp))
    position = np.searchsorted(xp, x, side="right") - 1
    below = np.reshape(np.clip(position, 0, len(xp) - 2), -1)

    def pick(values: Any, index: Any) -> Any:
        return np.reshape(np.take_along_axis(values, index, axis=0), np.shape(x))

    x0, x1 = pick(xp, below), pick(xp, below + 1)
    y0, y1 = pick(fp, below), pick(fp, below + 1)
    inside = y0 + (x - x0) * (y1 - y0) / (x1 - x0)
    inside = np.where(x < xp[0], fp[0] if left is None else left, inside)
    return np.where(x > xp[-1], fp[-1] if right is None else right, inside)


formula(np.linspace, _linspace)
formula(np.interp, _interp)
rewrite(np.average, _average)
rewrite(np.trapezoid, _trapezoid)
formula(np.cov, _cov)
formula(np.corrcoef, _corrcoef)
