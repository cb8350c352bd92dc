"""How the activations of units go with the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Tuning:
    """How the units of a layer follow classes, or targets.

    Attributes
    ----------
    means : array of float64, shape (units, classes)
        Of each unit for each class, NaN for a class without rows; no columns where targets are no
        classes.
    explained : array of float64, shape (units,)
        The share of a unit's variance that lies between classes (eta squared), or the square of
        ``strength``. NaN for a constant unit, as is ``strength``.
    best : array of int, shape (units,)
        The class for which it stands out most, or the target that it follows best.
    strength : array of float64, shape (units,)
        Its mean for the class less that for all other rows, in standard deviations; or its
        correlation with the target.
    """

    means: NDArray[np.float64]
    explained: NDArray[np.float64]
    best: NDArray[np.intp]
    strength: NDArray[np.float64]


def tuning(activations: NDArray[Any], y: NDArray[Any], classes: int | None) -> Tuning:
    """Return how units follow the targets.

    Parameters
    ----------
    activations : array, shape (rows, units)
    y : array
        Class numbers of shape (rows,), or targets of shape (rows, targets).
    classes : int or None
        How many; None where targets are no classes.

    Returns
    -------
    Tuning

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.tuning import tuning
    >>> found = tuning(np.array([[1.0], [1.0], [3.0], [3.0]]), np.array([0, 0, 1, 1]), 2)
    >>> found.means, found.explained, found.strength
    (array([[1., 3.]]), array([1.]), array([2.]))
    """
    a = activations.astype(np.float64)
    centred = a - np.mean(a, axis=0)
    constant = np.ptp(a, axis=0) == 0
    total = np.sum(centred**2, axis=0)
    units = np.arange(a.shape[1])
    if classes is None:
        columns = y - np.mean(y, axis=0)
        sizes = np.sqrt(np.outer(total, np.sum(columns**2, axis=0)))
        correlations = np.zeros_like(sizes)
        np.divide(centred.T @ columns, sizes, out=correlations, where=sizes > 0)
        best = np.argmax(np.abs(correlations), axis=1)
        strength = np.where(constant, np.nan, correlations[units, best])
        return Tuning(np.empty((a.shape[1], 0)), strength**2, best, strength)
    member = (y[:, np.newaxis] == np.arange(classes)).astype(np.float64)
    counts = np.sum(member, axis=0)[:, np.newaxis]
    sums = member.T @ centred
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / counts + sums / (len(a) - counts)  # the others sum to minus as much
        means = sums / counts + np.mean(a, axis=0)
        explained = np.nansum(sums**2 / counts, axis=0) / total
        # A class without rows, or with all of them, tells nothing.
        told = np.where((counts > 0) & (counts < len(a)), apart, 0) / np.sqrt(total / len(a))
    # Of two classes, one stands out as far as the other lags: it is told of the one that is higher.
    told = np.where(constant, 0, told)
    size = np.where(told > 0, 1 + 1e-9, 1) * np.abs(told)
    best = np.argmax(size, axis=0)
    strength = np.where(constant, np.nan, told[best, units])
    return Tuning(means.T, np.where(constant, np.nan, explained), best, strength)
