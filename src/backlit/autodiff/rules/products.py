"""Rules of products of arrays: matmul and dot, einsum and what can be written with it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.table import formula, rewrite, rule, variadic


# ----- Matrix products: dX = G Y^T, dY = X^T G ---------------------------------------------------
def _transposed(a: Any) -> Any:
    return a.T if a.ndim == 2 else np.swapaxes(a, -1, -2)


def _matmul_left(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:  # rows times a vector: the outer product of g and y
        return g * y if x.ndim == 1 else np.expand_dims(g, -1) * y
    if x.ndim == 1:
        return np.squeeze(y @ np.expand_dims(g, -1), -1)
    return g @ _transposed(y)


def _matmul_right(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return g * x if y.ndim == 1 else np.expand_dims(x, -1) * np.expand_dims(g, -2)
    if y.ndim == 1 and x.ndim > 2:
        return np.squeeze(_transposed(x) @ np.expand_dims(g, -1), -1)
    return _transposed(x) @ g


rule((np.matmul, operator.matmul), _matmul_left, _matmul_right)
rewrite(np.linalg.matmul, lambda x1, x2: np.matmul(x1, x2))


def _dot(a: Any, b: Any) -> Any:
    """Sum over the last axis of ``a`` and the last but one of ``b`` (``np.dot``'s own rule)."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=(-1, 0 if np.ndim(b) == 1 else -2))


formula(np.dot, _dot)
formula(np.linalg.multi_dot, lambda arrays: _product_of(arrays))
rewrite(np.vdot, lambda a, b: np.dot(np.ravel(a), np.ravel(b)))
rewrite(np.outer, lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)))
rewrite(np.linalg.outer, lambda x1, x2: np.reshape(x1, (-1, 1)) * np.reshape(x2, (1, -1)))
formula(np.vecdot, lambda a, b: np.sum(a * b, axis=-1))
formula(np.linalg.vecdot, lambda a, b, axis=-1: np.sum(a * b, axis=axis))
formula(np.matvec, lambda a, b: np.squeeze(np.matmul(a, np.expand_dims(b, -1)), -1))
formula(np.vecmat, lambda a, b: np.squeeze(np.matmul(np.expand_dims(a, -2), b), -2))


def _product_of(arrays: Any) -> Any:
    product = arrays[0]
    for array in arrays[1:]:
        product = product @ array
    return product


# ----- Einstein sums -----------------------------------------------------------------------------
def _explicit(operands: tuple[Any, ...]) -> tuple[list[str], str, list[Any]]:
    """Return the subscripts of each operand, those of the result, and the operands.

    An ellipsis becomes letters of its own, implicit results are spelled out.
    """
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), list(operands[1:])
        inputs, arrow, output = text.partition("->")
        subscripts = inputs.split(",")
    else:  # einsum(a, [0, 1], b, [1, 2], [0, 2])
        arrays = list(operands[0 : len(operands) // 2 * 2 : 2])
        subscripts = [_letters(s) for s in operands[1 : len(operands) // 2 * 2 : 2]]
        arrow = "->" if len(operands) % 2 else ""
        output = _letters(operands[-1]) if arrow else ""
    spare = [c for c in _ALPHABET if c not in "".join(subscripts)]
    width = max(
        (np.ndim(a) - len(s) + 3 for a, s in zip(arrays, subscripts, strict=True) if "..." in s),
        default=0,
    )
    dots = "".join(spare[:width])
    full = []
    for array, subscript in zip(arrays, subscripts, strict=True):
        own = np.ndim(array) - len(subscript) + 3 if "..." in subscript else 0
        full.append(subscript.replace("...", dots[width - own :]))
    if not arrow:
        letters = "".join(subscripts).replace(".", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return full, output.replace("...", dots), arrays


_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _letters(sublist: Any) -> str:
    return "".join("..." if k is Ellipsis else _ALPHABET[k] for k in sublist)


def _einsum_vjp(position: int) -> Callable[..., Any]:
    """Exchange operand and result: the adjoint of ``x`` sums ``g`` times all the others."""

    def vjp(g: Any, ans: Any, *operands: Any, **keywords: Any) -> Any:
        subscripts, output, arrays = _explicit(operands)
        which = position - 1 if isinstance(operands[0], str) else position // 2
        x, letters = arrays[which], subscripts[which]
        others = [
            (s, a) for k, (s, a) in enumerate(zip(subscripts, arrays, strict=True)) if k != which
        ]
        terms = [(output, g), *others]
        wanted = ""
        spare = (c for c in _ALPHABET if c not in "".join(subscripts) + output)
        for letter, length in zip(letters, x.shape, strict=True):
            if letter in wanted:  # a repeated index picks a diagonal: only there is an adjoint
                again = next(spare)
                terms.append((letter + again, np.eye(length, dtype=x.dtype)))
                wanted += again
            else:
                wanted += letter
                if not any(letter in s and _length(s, a, letter) == length for s, a in terms):
                    # An index that nobody else has was summed: the adjoint is the same along it.
                    terms.append((letter, np.ones(length, dtype=x.dtype)))
        text = ",".join(s for s, _ in terms) + "->" + wanted
        return np.einsum(text, *(a for _, a in terms), **keywords)

    return vjp


def _length(subscript: str, array: Any, letter: str) -> int:
    return array.shape[subscript.index(letter)]


variadic(np.einsum, _einsum_vjp)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    first, second = _tensordot_axes(a, b, axes)
    left = _ALPHABET[: a.ndim]
    right = list(_ALPHABET[a.ndim : a.ndim + b.ndim])
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    kept = [c for k, c in enumerate(left) if k not in first]
    kept += [c for k, c in enumerate(right) if k not in second]
    return np.einsum(f"{left},{''.join(right)}->{''.join(kept)}", a, b)


def _tensordot_axes(a: Any, b: Any, axes: Any) -> tuple[list[int], list[int]]:
    if np.ndim(axes) == 0:
        return list(range(a.ndim - axes, a.ndim)), list(range(axes))
    first, second = (np.atleast_1d(part).tolist() for part in axes)
    return [k % a.ndim for k in first], [k % b.ndim for k in second]


def _inner(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return np.tensordot(a, b, axes=(-1, -1))


def _kron(a: Any, b: Any) -> Any:
    width = max(np.ndim(a), np.ndim(b))
    a = np.reshape(a, (1,) * (width - np.ndim(a)) + tuple(np.shape(a)))
    b = np.reshape(b, (1,) * (width - np.ndim(b)) + tuple(np.shape(b)))
    pairs = np.expand_dims(a, tuple(range(1, 2 * width, 2))) * np.expand_dims(
        b, tuple(range(0, 2 * width, 2))
    )
    return np.reshape(pairs, [m * n for m, n in zip(a.shape, b.shape, strict=True)])


formula(np.tensordot, _tensordot)
formula(np.linalg.tensordot, lambda x1, x2, axes=2: _tensordot(x1, x2, axes))
formula(np.inner, _inner)
formula(np.kron, _kron)


# ----- Cross products, convolutions, polynomials -------------------------------------------------
def _cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    levi_civita = np.zeros((3, 3, 3))
    levi_civita[[0, 1, 2], [1, 2, 0], [2, 0, 1]] = 1.0
    levi_civita[[0, 2, 1], [2, 1, 0], [1, 0, 2]] = -1.0
    return np.moveaxis(np.einsum("...i,...j,ijk->...k", a, b, levi_civita), -1, axisc)


def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    if np.size(v) > np.size(a):
        a, v = v, a
    long, short = np.size(a), np.size(v)
    padded = np.pad(a, (short - 1, short - 1))
    if mode == "full":
        first, count = 0, long + short - 1
    elif mode == "valid":
        first, count = short - 1, long - short + 1
    else:
        first, count = (short - 1) // 2, long
    window = np.arange(first, first + count)[:, None] + np.arange(short)
    return padded[window] @ np.flip(v)


formula(np.cross, _cross)
formula(np.linalg.cross, lambda x1, x2, axis=-1: _cross(x1, x2, axis=axis))
formula(np.convolve, _convolve)
formula(np.correlate, lambda a, v, mode="valid": _convolve(a, np.flip(v), mode))
rewrite(np.polyval, lambda p, x: _polyval(p, x))


def _polyval(p: Any, x: Any) -> Any:
    value = np.zeros_like(x)
    for coefficient in p:
        value = value * x + coefficient
    return value
