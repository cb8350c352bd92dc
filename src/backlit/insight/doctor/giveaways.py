"""Columns that alone tell the target, and rows that are on both sides of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 64


def told_by_columns(x: NDArray[Any], y: NDArray[Any], classes: bool) -> NDArray[np.float64]:
    """Return how much of the target each column tells alone, on rows that were not looked at.

    Parameters
    ----------
    x : array, shape (examples, columns)
    y : array, shape (examples,)
        Class numbers, or numbers.
    classes : bool

    Returns
    -------
    array of float64, shape (columns,)
        0 for no more than the best constant tells, 1 for all. Half of the rows are sorted into bins
        of the column; the bins' commonest classes or means then predict the other half.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.giveaways import told_by_columns
    >>> x = np.random.default_rng(0).normal(size=(400, 2))
    >>> told_by_columns(x, (x[:, 1] > 0).astype(int), classes=True).round(1)
    array([0.1, 1. ])
    """
    order = np.random.default_rng(0).permutation(len(y))
    half = len(y) // 2
    fit, check = order[:half], order[half:]
    wanted = (y[:, np.newaxis] == np.unique(y)).astype(float) if classes else y[:, np.newaxis]
    share_or_mean = np.mean(wanted[fit], axis=0)
    if classes:
        base = float(np.mean(wanted[check][:, np.argmax(share_or_mean)]))
    else:
        base = float(np.mean((wanted[check] - share_or_mean) ** 2))
    told = np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        values = x[fit, column]
        levels = np.unique(values)
        if len(levels) < 2:
            continue
        if len(levels) > _BINS:
            count = max(2, min(_BINS, half // 8))
            edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
        else:
            edges = (levels[1:] + levels[:-1]) / 2
        place = np.searchsorted(edges, values)
        sums = np.zeros((len(edges) + 1, wanted.shape[1]))
        np.add.at(sums, place, wanted[fit])
        counts = np.bincount(place, minlength=len(edges) + 1)[:, np.newaxis]
        means = np.where(counts > 0, sums / np.maximum(counts, 1), share_or_mean)
        found = means[np.searchsorted(edges, x[check, column])]
        if classes:
            right = wanted[check][np.arange(len(check)), np.argmax(found, axis=1)]
            told[column] = (np.mean(right) - base) / max(1 - base, 1e-9)
        elif base > 0:
            told[column] = 1 - np.mean((wanted[check] - found) ** 2) / base
    return told


def twins(
    x: NDArray[Any], y: NDArray[Any], other_x: NDArray[Any], other_y: NDArray[Any]
) -> tuple[NDArray[np.bool_], float]:
    """Find rows that are in both of two parts, inputs and target alike.

    Parameters
    ----------
    x, y : array
        The training part.
    other_x, other_y : array
        The held-out part.

    Returns
    -------
    shared : array of bool, shape (held-out rows,)
        Whether a held-out row is a training row as well.
    natural : float
        The share of training rows that are also another training row: so many twins the data have
        by themselves.
    """
    mine, theirs = _texts(x, y), _texts(other_x, other_y)
    known, counts = np.unique(mine, return_counts=True)
    shared = np.isin(theirs, known)
    natural = float(np.sum(counts[counts > 1])) / max(len(mine), 1)
    return shared, natural


def _texts(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    rows = np.concatenate([x, np.asarray(y).reshape(len(x), -1)], axis=1).astype(np.float32) + 0.0
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
