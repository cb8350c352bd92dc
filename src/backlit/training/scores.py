"""Scores: how good predictions are, in terms that a person would use."""

from __future__ import annotations

from typing import Any

import numpy as np


def accuracy(outputs: Any, classes: Any) -> float:
    """Return the share of examples whose largest output is that of their class.

    Parameters
    ----------
    outputs : array, shape (examples, classes)
        Logits or probabilities.
    classes : array of int, shape (examples,)

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import accuracy
    >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    0.5
    """
    return float(np.mean(np.argmax(outputs, axis=-1) == classes))


def r_squared(outputs: Any, targets: Any) -> float:
    """Return the share of the targets' variance that is explained, over all columns together.

    Parameters
    ----------
    outputs, targets : array, shape (examples, outputs)

    Returns
    -------
    float
        1 for perfect predictions, 0 for the mean of the targets, negative for worse. NaN where
        the targets do not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import r_squared
    >>> r_squared(np.array([[2.0], [2.0]]), np.array([[1.0], [3.0]]))
    0.0
    """
    unexplained = np.sum((outputs - targets) ** 2)
    variation = np.sum((targets - np.mean(targets, axis=0)) ** 2)
    return float(1 - unexplained / variation) if variation > 0 else float("nan")


# What is reported beside each loss.
SCORES = {"log_loss": accuracy, "squared_loss": r_squared}
SCORE_NAMES = {"log_loss": "accuracy", "squared_loss": "R2"}
