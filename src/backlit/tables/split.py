"""Hold a part of the rows back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.tables.wording import counted, listed

Rows = NDArray[np.intp]


def split_rows(order: ArrayLike, fraction: float) -> tuple[Rows, Rows]:
    """Split rows into a training part and a held-out part.

    Parameters
    ----------
    order : array of int, shape (rows,)
        The row numbers in a random order, each once; the first of them are held out.
    fraction : float, between 0 and 1
        The share that is held out, rounded up; one row at least stays in training.

    Returns
    -------
    training, held_out : array of int
        Row numbers in rising order.

    Raises
    ------
    ValueError
        If there are fewer than two rows, or the fraction is not between 0 and 1.

    Examples
    --------
    >>> from backlit.tables import split_rows
    >>> split_rows([3, 0, 2, 1], fraction=0.25)
    (array([0, 1, 2]), array([3]))
    """
    order = np.asarray(order, np.intp)
    held_out = order[: _size(len(order), fraction)]
    return np.setdiff1d(order, held_out), np.sort(held_out)


def split_by_class(
    order: ArrayLike,
    fraction: float,
    codes: ArrayLike,
    classes: Sequence[str] | Sequence[int],
) -> tuple[Rows, Rows, tuple[str, ...]]:
    """Split rows so that both parts hold the classes in the proportions of the whole.

    Each class gives its share, rounded down, and the classes that lost most by the rounding one row
    more (the method of largest remainders). A class never gives its last row; where many have one
    row only, fewer are held out than asked.

    Parameters
    ----------
    order : array of int, shape (rows,)
        As for `split_rows`.
    fraction : float, between 0 and 1
    codes : array of int, shape (rows,)
        The class of each row, in the order of the table.
    classes : sequence of str or int
        Their names.

    Returns
    -------
    training, held_out : array of int
        Row numbers in rising order.
    sentences : tuple of str
        Which classes have no row in the held-out part.

    Raises
    ------
    ValueError
        As `split_rows`; and if no class has two rows.

    Examples
    --------
    >>> from backlit.tables import split_by_class
    >>> training, held_out, sentences = split_by_class(
    ...     range(5), 0.4, codes=[0, 0, 1, 1, 2], classes=["a", "b", "c"]
    ... )
    >>> training, held_out
    (array([1, 3, 4]), array([0, 2]))
    >>> sentences
    ("Class 'c' (1 row) stays in the training part: no held-out row tells how well it is learnt.",)
    """
    order, codes = np.asarray(order, np.intp), np.asarray(codes, np.intp)
    size = _size(len(order), fraction)
    counts = np.bincount(codes, minlength=len(classes))
    if np.max(counts) < 2:
        raise ValueError("no row can be held out: each is the only one of its class")
    given, remainders = np.divmod(counts * size, len(order))
    by_loss = np.argsort(-remainders, kind="stable")
    may_give = (remainders > 0) & (given < counts - 1)
    given[by_loss[may_give[by_loss]][: size - np.sum(given)]] += 1

    rows = order[np.argsort(codes[order], kind="stable")]  # class by class, at random within each
    first = np.cumsum(counts) - counts
    held_out = np.concatenate(
        [rows[start : start + number] for start, number in zip(first, given, strict=True)]
    )
    return np.setdiff1d(order, held_out), np.sort(held_out), _sentences(given, counts, classes)


def _size(rows: int, fraction: float) -> int:
    if not 0 < fraction < 1:
        raise ValueError(f"the share that is held out is between 0 and 1, not {fraction}")
    if rows < 2:
        raise ValueError(f"{counted(rows, 'row')} cannot be split into two parts")
    # Less a little, since 0.1 x 30 is 3.0000000000000004.
    return min(math.ceil(rows * fraction - 1e-9), rows - 1)


def _sentences(
    given: Rows, counts: Rows, classes: Sequence[str] | Sequence[int]
) -> tuple[str, ...]:
    kept = np.flatnonzero((given == 0) & (counts > 0)).tolist()
    if not kept:
        return ()
    names = listed([f"{classes[code]!r} ({counted(int(counts[code]), 'row')})" for code in kept])
    subject, pronoun = ("Class", "it is") if len(kept) == 1 else ("Classes", "they are")
    verb = "stays" if len(kept) == 1 else "stay"
    return (
        f"{subject} {names} {verb} in the training part: no held-out row tells how well "
        f"{pronoun} learnt.",
    )
