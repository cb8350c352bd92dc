"""Rules of `numpy.linalg`, for stacks of real matrices.

Sources: M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); I. Murray, "Differentiation of the Cholesky decomposition" (2016), section
3; J. Townsend, "Differentiating the singular value decomposition" (2016); G. Golub and V. Pereyra,
"The differentiation of pseudo-inverses and nonlinear least squares problems" (1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule
from backlit.autodiff.errors import trace_error
from backlit.autodiff.rules.elementwise import divide_or_zero
from backlit.autodiff.table import formula, rewrite, rule


def _t(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def _matrices(a: Any) -> Any:
    """Give a stack of numbers two more axes, to multiply a stack of matrices."""
    return np.expand_dims(a, (-2, -1))


def _filled(g: Any, ans: Any) -> list[Any]:
    """Return the adjoints of several results, with zeros for those that nothing depends on."""
    return [np.zeros_like(a) if part is None else part for part, a in zip(g, ans, strict=True)]


# ----- Inverses, determinants, equations ---------------------------------------------------------
rule(np.linalg.inv, lambda g, ans, a: -_t(ans) @ g @ _t(ans))


@custom_rule()
def cofactors(a: Any) -> Any:
    """Return the derivatives of det(a), singular or not: ``det(a) inv(a).T`` where that exists."""
    u, s, vh = np.linalg.svd(a)
    count = s.shape[-1]
    others = np.repeat(np.expand_dims(s, -2), count, axis=-2)
    others[..., np.arange(count), np.arange(count)] = 1.0
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * (u * np.prod(others, axis=-1)[..., None, :]) @ vh


formula(cofactors, lambda a: _matrices(np.linalg.det(a)) * _t(np.linalg.inv(a)))
rule(np.linalg.det, lambda g, ans, a: _matrices(g) * cofactors(a))
rule(
    np.linalg.slogdet,
    lambda g, ans, a: _matrices(_filled(g, ans)[1]) * _t(np.linalg.inv(a)),
)


def _solve_matrix(g: Any, ans: Any, a: Any, b: Any) -> Any:
    adjoint = np.linalg.solve(_t(a), g)
    if np.ndim(b) == 1:
        return -np.expand_dims(adjoint, -1) * np.expand_dims(ans, -2)
    return -adjoint @ _t(ans)


rule(
    np.linalg.solve,
    _solve_matrix,
    lambda g, ans, a, b: np.linalg.solve(_t(a), g),
)


def _pinv(g: Any, ans: Any, a: Any, *_: Any, **__: Any) -> Any:
    p, pt, gt = ans, _t(ans), _t(g)
    rows, columns = np.eye(a.shape[-2], dtype=a.dtype), np.eye(a.shape[-1], dtype=a.dtype)
    return -pt @ g @ pt + (rows - a @ p) @ gt @ p @ pt + pt @ p @ gt @ (columns - p @ a)


rule(np.linalg.pinv, _pinv)


def _matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        return _matrix_power(np.linalg.inv(a), -n)
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape) + 0 * a
    half = _matrix_power(a, n // 2)
    square = half @ half if n > 1 else None
    if square is None:
        return a
    return square @ a if n % 2 else square


formula(np.linalg.matrix_power, _matrix_power)


# ----- Factorizations ----------------------------------------------------------------------------
def _lower_triangle_of_symmetric(s: Any) -> Any:
    """Turn the gradient by a symmetric matrix into that by its lower triangle, which is read."""
    return np.tril(s + _t(s), -1) + np.tril(np.triu(s))


def _cholesky(g: Any, ans: Any, a: Any, upper: Any = False) -> Any:
    factor, g = (_t(ans), _t(g)) if upper else (ans, g)
    phi = np.tril(_t(factor) @ np.tril(g))
    half = phi - 0.5 * np.tril(np.triu(phi))
    inverse = np.linalg.inv(factor)
    s = _t(inverse) @ half @ inverse
    symmetric = _lower_triangle_of_symmetric((s + _t(s)) / 2)
    return _t(symmetric) if upper else symmetric


def _eigh(g: Any, ans: Any, a: Any, UPLO: str = "L") -> Any:
    w, v = ans
    gw, gv = _filled(g, ans)
    gaps = np.expand_dims(w, -2) - np.expand_dims(w, -1)
    inner = divide_or_zero(_t(v) @ gv, gaps)
    s = v @ (inner + np.eye(w.shape[-1], dtype=w.dtype) * np.expand_dims(gw, -2)) @ _t(v)
    symmetric = _lower_triangle_of_symmetric((s + _t(s)) / 2)
    return symmetric if UPLO.upper() == "L" else _t(symmetric)


def _eigvalsh(g: Any, ans: Any, a: Any, UPLO: Any = "L") -> Any:
    w, v = np.linalg.eigh(a, UPLO)
    return _eigh((g, None), (w, v), a, UPLO)


def _svd(
    g: Any, ans: Any, a: Any, full_matrices: bool = True, compute_uv: bool = True,
    hermitian: bool = False,
) -> Any:  # fmt: skip
    if not compute_uv:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return u @ (np.expand_dims(g, -1) * vh)
    if hermitian:
        raise trace_error("np.linalg.svd(hermitian=True) has no rule; use np.linalg.eigh")
    rows, columns = a.shape[-2:]
    count = min(rows, columns)
    if full_matrices and rows != columns and g[0] is None and g[2] is None:
        ans = np.linalg.svd(a, full_matrices=False)  # only the values were used
    elif full_matrices and rows != columns:
        raise trace_error(
            "np.linalg.svd with full_matrices=True is not differentiable for a matrix that is not "
            "square, since the additional columns are arbitrary; use full_matrices=False"
        )
    u, s, vh = ans
    gu, gs, gvh = _filled(g, ans)
    v, gv = _t(vh), _t(gvh)
    square = s * s
    gaps = np.expand_dims(square, -2) - np.expand_dims(square, -1)
    from_u = divide_or_zero(_t(u) @ gu - _t(gu) @ u, gaps) * np.expand_dims(s, -2)
    from_v = divide_or_zero(_t(v) @ gv - _t(gv) @ v, gaps) * np.expand_dims(s, -1)
    middle = from_u + from_v + np.eye(count, dtype=a.dtype) * np.expand_dims(gs, -2)
    result = u @ middle @ vh
    inverse = np.expand_dims(divide_or_zero(1.0, s), -2)
    if rows > count:
        left = gu * inverse
        result = result + (left - u @ (_t(u) @ left)) @ vh
    if columns > count:
        right = _t(gv * inverse)
        result = result + u @ (right - (right @ v) @ vh)
    return result


def _qr(g: Any, ans: Any, a: Any, mode: str = "reduced") -> Any:
    if mode != "reduced" or a.shape[-2] < a.shape[-1]:
        raise trace_error(
            f"np.linalg.qr has a rule for mode='reduced' and at least as many rows as columns, not "
            f"for mode={mode!r} and shape {tuple(a.shape)}; transpose the matrix first"
        )
    q, r = ans
    gq, gr = _filled(g, ans)
    m = r @ _t(gr) - _t(gq) @ q
    symmetric = np.tril(m) + _t(np.tril(m, -1))
    return _t(np.linalg.solve(r, _t(gq + q @ symmetric)))


rule(np.linalg.cholesky, _cholesky)
rule(np.linalg.eigh, _eigh)
rule(np.linalg.eigvalsh, _eigvalsh)
rule(np.linalg.svd, _svd)
rule(np.linalg.qr, _qr)
rewrite(np.linalg.svdvals, lambda x: np.linalg.svd(x, compute_uv=False))


# ----- Norms: zero at the origin -----------------------------------------------------------------
def _vector_norm(x: Any, ord: Any, axis: Any, keepdims: Any) -> Any:
    if ord in (None, 2):
        return root_of_squares(x, axis, keepdims)
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0) * (0.0 * x + 1.0), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    largest = np.max(size, axis=axis, keepdims=True)
    scale = np.where(largest == 0, 1, largest)
    # At the origin the inner sum is 0, and its root has no slope; the branch leaves it out.
    total = np.sum((size / scale) ** ord, axis=axis, keepdims=True)
    norm = np.where(total == 0, 0, np.where(total == 0, 1, total) ** (1 / ord)) * scale
    return norm if keepdims is True else np.squeeze(norm, axis)


@custom_rule(
    lambda g, ans, x, axis, keepdims: (
        divide_or_zero(g, ans) if keepdims is True or axis is None
        else np.expand_dims(divide_or_zero(g, ans), axis)
    ) * x,
)  # fmt: skip
def root_of_squares(x: Any, axis: Any, keepdims: Any) -> Any:
    """Return the Euclidean length of the elements along ``axis``."""
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _matrix_norm(x: Any, ord: Any, axis: Any, keepdims: Any) -> Any:
    row, column = (k % x.ndim for k in axis)
    if ord in (None, "fro"):
        return root_of_squares(x, (row, column), keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        summed, picked = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=summed, keepdims=True)
        extreme = np.max if ord > 0 else np.min
        norm = extreme(sums, axis=picked, keepdims=True)
    else:
        moved = np.moveaxis(x, (row, column), (-2, -1))
        values = np.linalg.svd(moved, compute_uv=False)
        combine: Any = {"nuc": np.sum, 2: np.max, -2: np.min}[ord]
        norm = np.expand_dims(combine(values, axis=-1), (row, column) if row < column
                              else (column, row))  # fmt: skip
    return norm if keepdims is True else np.squeeze(norm, (row, column))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    if axis is None:
        if ord is None:
            flat = root_of_squares(np.reshape(x, -1), None, False)
            return np.reshape(flat, (1,) * x.ndim) if keepdims is True else flat
        axis = tuple(range(x.ndim))
    axes = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    return _matrix_norm(x, ord, axes, keepdims)


formula(np.linalg.norm, _norm)
formula(
    np.linalg.vector_norm,
    lambda x, axis=None, keepdims=False, ord=2: (
        _vector_norm(np.reshape(x, -1), ord, 0, keepdims)
        if axis is None
        else _vector_norm(x, ord, axis, keepdims)
    ),
)
formula(
    np.linalg.matrix_norm,
    lambda x, keepdims=False, ord="fro": _matrix_norm(x, ord, (-2, -1), keepdims),
)
rewrite(np.linalg.cond, lambda x, p=None: _condition(x, p))


def _condition(x: Any, p: Any) -> Any:
    if p in (None, 2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))
