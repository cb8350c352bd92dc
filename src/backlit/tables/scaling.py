"""Scales: how large the numbers of a column are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_PLACES = 16  # columns that may hold one quantity at different places


def mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the standard deviation of numbers.

    Parameters
    ----------
    values : array of float64, shape (n,), n > 0

    Returns
    -------
    mean : float
    deviation : float
        The root of the mean squared distance from the mean; exactly 0 if all are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.tables.scaling import mean_and_deviation
    >>> mean_and_deviation(np.array([1.0, 3.0])), mean_and_deviation(np.full(3, 0.1))
    ((2.0, 1.0), (0.1, 0.0))
    """
    if np.min(values) == np.max(values):
        return float(values[0]), 0.0
    # Divided before anything is added or squared: 1e200 has no square.
    largest = float(np.max(np.abs(values)))
    shares = values / largest
    mean = float(np.mean(shares))
    deviation = math.sqrt(float(np.mean((shares - mean) ** 2)))
    return mean * largest, deviation * largest


def is_one_quantity(columns: Sequence[NDArray[np.float64]]) -> bool:
    """Return whether columns hold one quantity at different places, as the pixels of images do.

    Parameters
    ----------
    columns : sequence of array of float64
        Columns that vary; NaN where a number is missing.

    Returns
    -------
    bool
        Whether there are at least 16 of them, all of whole numbers from 0 on, and at least half
        of them reach the same largest number.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.tables.scaling import is_one_quantity
    >>> is_one_quantity([np.array([0.0, 255.0])] * 20)
    True
    """
    if len(columns) < FEWEST_PLACES:
        return False
    for values in columns:
        if not (np.nanmin(values) >= 0 and np.all((values == np.round(values)) | np.isnan(values))):
            return False
    largest = np.array([np.nanmax(values) for values in columns])
    return bool(np.sum(largest == np.max(largest)) * 2 >= len(columns))
