"""Which given feature each unit follows best, and how often chance alone does as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLUMNS = 64  # of shuffled features that are correlated at once


@dataclass(frozen=True, eq=False)
class Matches:
    """The feature that each unit follows best.

    Attributes
    ----------
    names : tuple of str
        Of the features.
    correlations : array of float64, shape (units, features)
        Pearson's, over the rows; 0 where one of both is constant.
    best : array of int, shape (units,)
        The feature of largest absolute correlation.
    p : array of float64, shape (units,)
        How often the largest absolute correlation of all units with all features, with the
        features shuffled, is as large as the unit's best: it counts for all units together.
    permutations : int
    """

    names: tuple[str, ...]
    correlations: NDArray[np.float64]
    best: NDArray[np.intp]
    p: NDArray[np.float64]
    permutations: int


def match(
    activations: NDArray[Any], features: Mapping[str, ArrayLike], groups: NDArray[np.intp],
    permutations: int, seed: int,
) -> Matches:  # fmt: skip
    """Correlate units with features, and with the features shuffled.

    Parameters
    ----------
    activations : array, shape (rows, units)
    features : dict of str to array of shape (rows,)
    groups : array of int, shape (rows,)
        Counted from 0. Features are shuffled among groups, each taking all its rows along.
    permutations, seed : int

    Returns
    -------
    Matches

    Raises
    ------
    ValueError
        If a feature is not a finite number for each row, or not the same within each group.

    Notes
    -----
    The maximum over all units and features bounds the chance of any false match: P. Westfall and
    S. Young, "Resampling-based multiple testing", 1993. ``p`` counts the unshuffled case, too: B.
    Phipson and G. Smyth, "Permutation p-values should never be zero", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.matching import match
    >>> rows = np.arange(40)
    >>> found = match(np.c_[rows % 2, rows % 3], {"odd": rows % 2}, rows, 199, seed=0)
    >>> found.correlations[0], found.p[0]
    (array([1.]), np.float64(0.005))
    """
    count = len(activations)
    table = np.empty((count, len(features)))
    for column, (name, values) in enumerate(features.items()):
        given = np.asarray(values, np.float64)
        if given.shape != (count,) or not np.all(np.isfinite(given)):
            raise ValueError(
                f"units: feature {name!r} must be a finite number for each of the {count:,} rows, "
                f"not an array of shape {given.shape}"
            )
        table[:, column] = given
    distinct, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    for column, name in enumerate(features):
        if np.any(table[first][inverse, column] != table[:, column]):
            raise ValueError(
                f"units: feature {name!r} differs within a group, so that groups cannot be "
                "shuffled; give groups in which it is constant"
            )
    standard = _standard(activations.astype(np.float64))
    correlations = standard.T @ _standard(table)
    best = np.argmax(np.abs(correlations), axis=1)
    own = np.abs(correlations[np.arange(len(best)), best])
    beaten = np.ones(len(best))
    random = np.random.default_rng(seed)
    at_once = max(1, COLUMNS // len(features))
    for start in range(0, permutations, at_once):
        some = min(at_once, permutations - start)
        orders = [first[random.permutation(len(distinct))][inverse] for _ in range(some)]
        shuffled = _standard(np.hstack([table[order] for order in orders]))
        found = np.max(np.abs(standard.T @ shuffled), axis=0)
        largest = np.max(found.reshape(some, len(features)), axis=1)
        # A match that was not shuffled at all comes out the same but for rounding.
        beaten += np.sum(largest[:, np.newaxis] >= own - 1e-12, axis=0)
    p = beaten / (permutations + 1)
    return Matches(tuple(features), correlations, best, p, permutations)


def _standard(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return columns with mean 0 and norm 1; constant ones, zero."""
    centred = columns - np.mean(columns, axis=0)
    norms = np.linalg.norm(centred, axis=0)
    flat = norms <= 1e-12 * np.linalg.norm(columns, axis=0)
    return np.divide(centred, norms, out=np.zeros_like(centred), where=~flat)
