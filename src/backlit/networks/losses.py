"""Losses: how wrong a network's outputs are, one number for each example.

The mean over a batch, and the weights of its examples, belong to training: from one number per
example every such sum can be made, and the backward pass of each example told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule, locally_constant
from backlit.functions import log_softmax, softmax


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


# The delta of an output unit: what it said (its probability) minus what is true (0 or 1).
@custom_rule(
    lambda g, ans, logits, classes: (
        np.expand_dims(g, -1) * (softmax(logits) - one_hot(classes, logits.shape[-1]))
    ),
    None,
)
def log_loss(logits: Any, classes: Any) -> Any:
    """Compute ``-log(softmax(logits)[class])``, the surprise at the true class.

    Parameters
    ----------
    logits : array, shape (..., count)
        The pre-activations of the output units, one for each class.
    classes : array of int, shape (...)
        The true classes, from 0 to ``count - 1``.

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
    of_true_class = np.take_along_axis(log_softmax(logits), np.expand_dims(classes, -1), axis=-1)
    return -of_true_class[..., 0]


@custom_rule(
    lambda g, ans, prediction, target: np.expand_dims(g, -1) * (prediction - target),
    lambda g, ans, prediction, target: np.expand_dims(g, -1) * (target - prediction),
)
def squared_loss(prediction: Any, target: Any) -> Any:
    """Compute ``sum((prediction - target)**2) / 2`` over the outputs.

    Parameters
    ----------
    prediction, target : array, shape (..., outputs)

    Returns
    -------
    array, shape (...)
        One loss for each example.

    Notes
    -----
    A sum over outputs and one half, as in D. Rumelhart, G. Hinton and R. Williams, "Learning
    representations by back-propagating errors", 1986 (equation 3): then the delta of a linear
    output unit is the plain difference ``prediction - target``, as it is for `log_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import squared_loss
    >>> float(squared_loss(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    2.5
    """
    return 0.5 * np.sum((prediction - target) ** 2, axis=-1)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "log_loss": log_loss,
    "squared_loss": squared_loss,
}
