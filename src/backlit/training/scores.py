"""Scores: how good predictions are, in terms that a person would use. Larger is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from backlit.networks.losses import LOSSES
from backlit.networks.network import Network

Scorer: TypeAlias = Callable[[Any, Any, Any], float]
"""``scorer(outputs, y, weights)``: the network's last pre-activations, the targets as training has
them, and a weight for each example, to a number; larger is better."""


def accuracy(outputs: Any, classes: Any, weights: Any = None) -> float:
    """Return the share of examples whose largest output is that of their class.

    Parameters
    ----------
    outputs : array, shape (examples, classes) or (examples, 1)
        Logits. One alone, of `binary_log_loss`, says class 1 where it is above 0.
    classes : array of int, shape (examples,)
    weights : array, shape (examples,), optional

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
    alone = outputs.shape[-1] == 1
    predicted = outputs[..., 0] > 0 if alone else np.argmax(outputs, axis=-1)
    return float(np.average(predicted == classes, weights=weights))


def label_accuracy(outputs: Any, labels: Any, weights: Any = None) -> float:
    """Return the share of labels that are predicted right.

    Parameters
    ----------
    outputs : array, shape (examples, labels)
        Logits.
    labels : array of 0 and 1, shape (examples, labels)
    weights : array, shape (examples,), optional

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import label_accuracy
    >>> label_accuracy(np.array([[2.0, -1.0]]), np.array([[1, 1]]))
    0.5
    """
    right = np.mean((outputs > 0) == (labels > 0.5), axis=-1)
    return float(np.average(right, weights=weights))


def r_squared(outputs: Any, targets: Any, weights: Any = None) -> float:
    """Return the share of the targets' variance that is explained, over all columns together.

    Parameters
    ----------
    outputs, targets : array, shape (examples, outputs)
    weights : array, shape (examples,), optional

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
    mean = np.average(targets, axis=0, weights=weights)
    unexplained = np.average(np.sum((targets - outputs) ** 2, axis=-1), weights=weights)
    variation = np.average(np.sum((targets - mean) ** 2, axis=-1), weights=weights)
    return float(1 - unexplained / variation) if variation > 0 else float("nan")


def scorer_of(network: Network) -> Scorer:
    """Return the score that is reported beside a network's loss.

    Parameters
    ----------
    network : Network

    Returns
    -------
    callable
        `accuracy`, `label_accuracy` or `r_squared`; for quantiles and counts, the share of the
        loss of the best constant prediction that is explained (scikit-learn's D2).
    """
    if network.loss in ("quantile_loss", "poisson_loss"):
        return lambda outputs, targets, weights: _explained(network, outputs, targets, weights)
    return {
        "classes": accuracy,
        "labels": label_accuracy,
        "numbers": r_squared,
    }[network.targets]


def score_name(network: Network) -> str:
    """Return what the score of `scorer_of` is called."""
    if network.loss in ("quantile_loss", "poisson_loss"):
        return "D2"
    return {"classes": "accuracy", "labels": "label accuracy", "numbers": "R2"}[network.targets]


def _explained(network: Network, outputs: Any, targets: Any, weights: Any) -> float:
    if network.loss == "poisson_loss":
        mean = np.average(targets, axis=0, weights=weights)
        constant = np.log(np.maximum(mean, np.finfo(targets.dtype).tiny))
    else:
        quantile = network.loss_options.get("quantile", 0.5)
        constant = np.quantile(targets, quantile, axis=0, weights=weights, method="inverted_cdf")
    loss = LOSSES[network.loss]

    def mean_loss(prediction: Any) -> Any:
        losses = loss(prediction, targets, **network.loss_options)
        return np.average(losses, weights=weights)

    best = mean_loss(np.broadcast_to(constant, outputs.shape))
    return float(1 - mean_loss(outputs) / best) if best > 0 else float("nan")
