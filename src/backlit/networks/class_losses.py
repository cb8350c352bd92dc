"""Losses of networks that predict classes or labels, from the logits of the output units.

The delta of each output unit is what it said (its probability) minus what is true.

Label smoothing (C. Szegedy and others, "Rethinking the Inception architecture for computer vision",
2016, section 7) takes the truth to be certain only up to a share: of the probability 1, the share
``smoothing`` is spread evenly over all classes, so that logits need not grow without end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule, locally_constant
from backlit.functions import log_softmax, softmax
from backlit.networks.activations import logistic, softplus


@locally_constant
def one_hot(classes: Any, count: int) -> Any:
    """Return a row for each class number: 1 in the column of that class, 0 elsewhere.

    Parameters
    ----------
    classes : array of int, shape (...)
    count : int
        The number of classes.

    Returns
    -------
    array of bool, shape (..., count)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import one_hot
    >>> one_hot(np.array([1, 0]), 2).astype(int)
    array([[0, 1],
           [1, 0]])
    """
    return np.expand_dims(classes, -1) == np.arange(count)


def _log_loss_delta(g: Any, ans: Any, logits: Any, classes: Any, smoothing: float = 0.0) -> Any:
    count = logits.shape[-1]
    truth = one_hot(classes, count)
    if smoothing:
        truth = (1 - smoothing) * np.astype(truth, logits.dtype) + smoothing / count
    return np.expand_dims(g, -1) * (softmax(logits) - truth)


@custom_rule(_log_loss_delta, None)
def log_loss(logits: Any, classes: Any, smoothing: float = 0.0) -> Any:
    """Compute ``-log(softmax(logits)[class])``, the surprise at the true class.

    Parameters
    ----------
    logits : array, shape (..., count)
        The pre-activations of the output units, one for each class.
    classes : array of int, shape (...)
        The true classes, from 0 to ``count - 1``.
    smoothing : float, default 0.0
        From 0 to below 1: the share of the truth that is spread over all classes.

    Returns
    -------
    array, shape (...)
        One loss for each example, in nats.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import log_loss
    >>> bool(log_loss(np.array([0.0, 0.0]), np.array(1)) == np.log(2))
    True
    """
    log_probabilities = log_softmax(logits)
    of_true_class = np.take_along_axis(log_probabilities, np.expand_dims(classes, -1), axis=-1)
    loss = -of_true_class[..., 0]
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * np.mean(log_probabilities, axis=-1)
    return loss


def _softened(labels: Any, logits: Any, smoothing: float) -> Any:
    """Return how sure each label is, in the dtype of the logits."""
    return (1 - smoothing) * np.astype(labels, logits.dtype) + smoothing / 2


@custom_rule(
    lambda g, ans, logits, classes, smoothing=0.0: (
        np.expand_dims(g, -1)
        * (logistic(logits) - _softened(np.expand_dims(classes, -1), logits, smoothing))
    ),
    None,
)
def binary_log_loss(logits: Any, classes: Any, smoothing: float = 0.0) -> Any:
    """Compute the surprise at the true one of two classes, from one logit.

    Parameters
    ----------
    logits : array, shape (..., 1)
        The pre-activation of one output unit; ``logistic(logits)`` is the probability of class 1.
    classes : array of int, shape (...)
        The true classes, 0 or 1.
    smoothing : float, default 0.0
        From 0 to below 1: the share of the truth that is spread over both classes.

    Returns
    -------
    array, shape (...)
        One loss for each example, in nats: `log_loss` of the logits ``[0, logit]``.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import binary_log_loss
    >>> binary_log_loss(np.array([[0.0], [1000.0]]), np.array([1, 0])).round(4).tolist()
    [0.6931, 1000.0]
    """
    return label_log_loss(logits, np.expand_dims(classes, -1), smoothing)


@custom_rule(
    lambda g, ans, logits, labels, smoothing=0.0: (
        np.expand_dims(g, -1) * (logistic(logits) - _softened(labels, logits, smoothing))
    ),
    None,
)
def label_log_loss(logits: Any, labels: Any, smoothing: float = 0.0) -> Any:
    """Compute the surprise at several labels, each of which an example has or has not.

    Parameters
    ----------
    logits : array, shape (..., labels)
        The pre-activations of the output units; ``logistic(logits)`` are the probabilities.
    labels : array, shape (..., labels)
        1 where the example has the label, else 0.
    smoothing : float, default 0.0
        From 0 to below 1: the share of the truth that is spread over yes and no.

    Returns
    -------
    array, shape (...)
        One loss for each example, in nats: the sum over its labels, as independent events.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import label_log_loss
    >>> bool(label_log_loss(np.zeros(3), np.array([1.0, 0.0, 0.0])) == 3 * np.log(2))
    True
    """
    # -log(logistic(z)) is softplus(-z), and -log(1 - logistic(z)) is softplus(z).
    yes = _softened(labels, logits, smoothing)
    return np.sum(yes * softplus(-logits) + (1 - yes) * softplus(logits), axis=-1)
