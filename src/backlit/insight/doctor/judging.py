"""How well each row is predicted, in the terms of the score that a person sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.subject import Targets


def credits(outputs: NDArray[Any], y: NDArray[Any], targets: Targets) -> NDArray[np.float64]:
    """Return the credit that each row gets; its mean is a score, larger is better.

    Parameters
    ----------
    outputs : array, shape (examples, outputs)
        Pre-activations of the last layer.
    y : array
        Targets as the loss takes them.
    targets : {"classes", "labels", "numbers", "counts"}

    Returns
    -------
    array of float64, shape (examples,)
        Of classes, 1 where the row is told right and 0 elsewhere, so that the mean is the accuracy;
        of labels, the share of them that is right; of numbers and counts, 1 less the squared error
        over the variance of the targets, so that the mean is R2.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.judging import credits
    >>> credits(np.array([[2.0, 0.5], [2.0, 0.5]]), np.array([0, 1]), "classes")
    array([1., 0.])
    """
    if targets == "classes":
        alone = outputs.shape[1] == 1
        predicted = outputs[:, 0] > 0 if alone else np.argmax(outputs, axis=1)
        right = (predicted == y) & np.all(np.isfinite(outputs), axis=1)
        return right.astype(np.float64)
    if targets == "labels":
        return np.mean((outputs > 0) == (y > 0.5), axis=1, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        predicted = np.exp(outputs) if targets == "counts" else outputs
        variation = np.mean(np.sum((y - np.mean(y, axis=0)) ** 2, axis=1, dtype=np.float64))
        errors = np.sum((predicted.astype(np.float64) - y) ** 2, axis=1)
        return np.nan_to_num(1 - errors / max(float(variation), 1e-300), nan=-1e9, neginf=-1e9)


def trivial_outputs(y: NDArray[Any], outputs: int, targets: Targets) -> NDArray[np.float64]:
    """Return the best constant outputs for some targets, shape (outputs,).

    The logarithms of the classes' shares, the log odds of labels, the means of numbers, the
    logarithms of the means of counts.
    """
    tiny = 1e-6
    if targets == "classes":
        shares = np.bincount(y, minlength=max(outputs, 2)) / len(y)
        logs = np.log(np.maximum(shares, tiny))
        return logs[[1]] - logs[[0]] if outputs == 1 else logs
    mean: NDArray[np.float64] = np.asarray(np.mean(y, axis=0, dtype=np.float64))
    if targets == "numbers":
        return mean
    mean = np.maximum(mean, tiny)
    odds: NDArray[np.float64] = mean / np.maximum(1 - mean, tiny) if targets == "labels" else mean
    return np.log(odds)


def log_losses(outputs: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log loss of each row, for classes; shape (examples,)."""
    z = outputs.astype(np.float64)
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    z = z - np.max(z, axis=1, keepdims=True)
    of_true = np.take_along_axis(z, y[:, np.newaxis], axis=1)[:, 0]
    losses: NDArray[np.float64] = np.log(np.sum(np.exp(z), axis=1)) - of_true
    return losses


def paired(better: NDArray[Any], worse: NDArray[Any]) -> tuple[float, float]:
    """Return the mean difference of two credits of the same rows, and its standard error."""
    difference = better - worse
    error = float(np.std(difference)) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
    return float(np.mean(difference)), max(error, 0.5 / len(difference))
