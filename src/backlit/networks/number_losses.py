"""Losses of networks that predict numbers: from predictions and targets, or counts.

Each is a sum over the outputs of an example, so that the delta of an output unit does not depend
on how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule


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


@custom_rule(
    lambda g, ans, prediction, target: np.expand_dims(g, -1) * np.sign(prediction - target),
    lambda g, ans, prediction, target: np.expand_dims(g, -1) * np.sign(target - prediction),
)
def absolute_loss(prediction: Any, target: Any) -> Any:
    """Compute ``sum(abs(prediction - target))`` over the outputs.

    Parameters
    ----------
    prediction, target : array, shape (..., outputs)

    Returns
    -------
    array, shape (...)
        One loss for each example. Its least mean is at the median. At 0 the slope is taken as 0.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import absolute_loss
    >>> float(absolute_loss(np.array([1.0, -2.0]), np.array([0.0, 0.0])))
    3.0
    """
    return np.sum(np.abs(prediction - target), axis=-1)


@custom_rule(
    lambda g, ans, prediction, target, delta=1.0: (
        np.expand_dims(g, -1) * np.clip(prediction - target, -delta, delta)
    ),
    lambda g, ans, prediction, target, delta=1.0: (
        np.expand_dims(g, -1) * np.clip(target - prediction, -delta, delta)
    ),
)
def huber_loss(prediction: Any, target: Any, delta: float = 1.0) -> Any:
    """Compute half the square of small errors, and large ones by their absolute value.

    Parameters
    ----------
    prediction, target : array, shape (..., outputs)
    delta : float, default 1.0
        Above 0: the error from which on the loss grows linearly.

    Returns
    -------
    array, shape (...)
        One loss for each example: the sum over outputs of ``error**2 / 2`` up to ``delta``, and
        ``delta * (abs(error) - delta / 2)`` beyond.

    Notes
    -----
    P. Huber, "Robust estimation of a location parameter", 1964 (page 75). The delta of an output
    unit is the error, clipped.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import huber_loss
    >>> huber_loss(np.array([[0.5], [10.0]]), np.zeros((2, 1)))
    array([0.125, 9.5  ])
    """
    size = np.abs(prediction - target)
    clipped = np.minimum(size, delta)
    return np.sum(clipped * (size - 0.5 * clipped), axis=-1)


@custom_rule(
    lambda g, ans, prediction, target, quantile=0.5: (
        np.expand_dims(g, -1) * (0.5 * np.sign(prediction - target) + (0.5 - quantile))
    ),
    lambda g, ans, prediction, target, quantile=0.5: (
        np.expand_dims(g, -1) * (0.5 * np.sign(target - prediction) - (0.5 - quantile))
    ),
)
def quantile_loss(prediction: Any, target: Any, quantile: float = 0.5) -> Any:
    """Compute the loss whose least mean is at a quantile of the targets.

    Parameters
    ----------
    prediction, target : array, shape (..., outputs)
    quantile : float, default 0.5
        Between 0 and 1. With 0.9, predictions that are too low cost nine times as much as
        predictions that are too high.

    Returns
    -------
    array, shape (...)
        One loss for each example: the sum over outputs of ``quantile * (target - prediction)``
        where that is positive, else of ``(1 - quantile) * (prediction - target)``. At 0 the slope
        is taken as the mean of both sides.

    Notes
    -----
    Equation 3.1 of R. Koenker and G. Bassett, "Regression quantiles", 1978.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import quantile_loss
    >>> quantile_loss(np.array([[-1.0], [1.0]]), np.zeros((2, 1)), quantile=0.75)
    array([0.75, 0.25])
    """
    short = target - prediction
    return np.sum(np.maximum(quantile * short, (quantile - 1) * short), axis=-1)


@custom_rule(
    lambda g, ans, log_rate, count: np.expand_dims(g, -1) * (np.exp(log_rate) - count),
    lambda g, ans, log_rate, count: np.expand_dims(g, -1) * (np.log(count) - log_rate),
)
def poisson_loss(log_rate: Any, count: Any) -> Any:
    """Compute half the Poisson deviance of counts.

    Parameters
    ----------
    log_rate : array, shape (..., outputs)
        The pre-activations of the output units: logarithms of the expected counts.
    count : array, shape (..., outputs)
        Not negative; need not be integers.

    Returns
    -------
    array, shape (...)
        One loss for each example: the sum over outputs of ``rate - count + count * log(count /
        rate)``, which is 0 where the rate is the count.

    Notes
    -----
    The negative log-likelihood of counts with that rate, less its least value (P. McCullagh and
    J. Nelder, "Generalized linear models", 1989, section 2.3.1). The delta of an output unit is
    ``rate - count``.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import poisson_loss
    >>> poisson_loss(np.log([[3.0], [1.0]]), np.array([[3.0], [0.0]])).round(4)
    array([0., 1.])
    """
    count_log_count = count * np.log(np.where(count > 0, count, 1))  # 0 at 0, its limit
    return np.sum(np.exp(log_rate) - count - count * log_rate + count_log_count, axis=-1)
