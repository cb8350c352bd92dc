"""Einstein sums by transposition, products of matrices and sums; and cross products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlit.autodiff.rules.products import _explicit
from backlit.autodiff.shorter.table import at, stands_for


@stands_for(np.einsum)
def einsum(*operands: Any, **keywords: Any) -> Any:
    """Return an Einstein sum, from one operand after the other.

    Parameters
    ----------
    *operands
        As for `numpy.einsum`.
    **keywords
        What `numpy.einsum` takes to choose an order of its own; the order is from left to right.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> einsum("ij,jk->ik", np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    subscripts, output, arrays = _explicit(operands)
    terms = [_once(letters, array) for letters, array in zip(subscripts, arrays, strict=True)]
    while len(terms) > 1:
        later = set(output).union(*(letters for letters, _ in terms[2:]))
        terms = [_pair(*terms[0], *terms[1], later), *terms[2:]]
    letters, array = _summed(*terms[0], set(output))
    return _ordered(letters, array, output)


def _once(letters: str, array: Any) -> tuple[str, Any]:
    """Take the diagonal of each letter that occurs more than once."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            array = np.diagonal(array, 0, first, second)  # its axis is the last one
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + letter
    return letters, array


def _summed(letters: str, array: Any, wanted: set[str]) -> tuple[str, Any]:
    """Sum over the letters that nobody wants."""
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in wanted)
    if axes:
        array = np.sum(array, axis=axes)
    return "".join(letter for letter in letters if letter in wanted), array


def _ordered(letters: str, array: Any, wanted: str) -> Any:
    order = [letters.index(letter) for letter in wanted]
    return array if order == sorted(order) else np.transpose(array, order)


def _pair(left: str, a: Any, right: str, b: Any, later: set[str]) -> tuple[str, Any]:
    """Join two operands, and sum over the letters that neither the others nor the result have."""
    # An axis of length 1 that meets a longer one says nothing.
    lengths = {c: max(_length(left, a, c), _length(right, b, c)) for c in left + right}
    left, a = _summed(left, a, {c for c in left if _length(left, a, c) == lengths[c]})
    right, b = _summed(right, b, {c for c in right if _length(right, b, c) == lengths[c]})
    left, a = _summed(left, a, later | set(right))
    right, b = _summed(right, b, later | set(left))
    shared = [c for c in left if c in right]
    stack = [c for c in shared if c in later]
    inner = [c for c in shared if c not in later]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    result = "".join(stack + rows + columns)
    if not inner:
        a = _ordered(left, a, "".join(stack + rows))
        b = _ordered(right, b, "".join(stack + columns))
        a = np.reshape(a, [lengths[c] for c in stack + rows] + [1] * len(columns))
        b = np.reshape(
            b, [lengths[c] for c in stack] + [1] * len(rows) + [lengths[c] for c in columns]
        )
        return result, a * b
    sizes = [[lengths[c] for c in part] for part in (stack, rows, inner, columns)]
    n, m, k, p = map(math.prod, sizes)
    a = np.reshape(_ordered(left, a, "".join(stack + rows + inner)), (n, m, k) if stack else (m, k))
    b = np.reshape(
        _ordered(right, b, "".join(stack + inner + columns)), (n, k, p) if stack else (k, p)
    )
    return result, np.reshape(a @ b, sizes[0] + sizes[1] + sizes[3])


def _length(letters: str, array: Any, letter: str) -> int:
    return int(array.shape[letters.index(letter)]) if letter in letters else 0


@stands_for(np.cross, np.linalg.cross)
def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        return NotImplemented
    a, b = ([v[at(axis, v.ndim, k)] for k in range(3)] for v in (a, b))
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.concatenate([np.expand_dims(part, axis) for part in parts], axis=axis)
