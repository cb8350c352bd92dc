"""Activations: what a unit makes of its pre-activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule

# ----- Saturating and linear units ---------------------------------------------------------------


def identity(z: Any) -> Any:
    """Return ``z``: a linear unit.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Examples
    --------
    >>> from backlit.networks import identity
    >>> identity(3.0)
    3.0
    """
    return z


@custom_rule(lambda g, ans, z: g * ans * (1 - ans), elementwise=True)
def logistic(z: Any) -> Any:
    """Compute ``1 / (1 + exp(-z))`` without overflow.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import logistic
    >>> logistic(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(z))  # at most 1; the numerator is exp(min(z, 0))
    return np.where(z < 0, e, np.ones_like(e)) / (1 + e)


# ----- Rectifiers --------------------------------------------------------------------------------
# Where the slope jumps at 0, it is taken from the left.


@custom_rule(lambda g, ans, z: g * (z > 0), elementwise=True)
def relu(z: Any) -> Any:
    """Compute ``max(z, 0)``. At 0 the slope is taken as 0.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import relu
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(z, 0)


LEAK = 0.01


@custom_rule(lambda g, ans, z: np.where(z > 0, g, LEAK * g), elementwise=True)
def leaky_relu(z: Any) -> Any:
    """Compute ``z``, and ``z / 100`` where it is negative. At 0 the slope is taken as 0.01.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Notes
    -----
    Section 2.3 of A. Maas, A. Hannun and A. Ng, "Rectifier nonlinearities improve neural network
    acoustic models", 2013: a rectifier that never falls silent.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import leaky_relu
    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]))
    array([-0.01,  0.  ,  2.  ])
    """
    return np.maximum(z, LEAK * z)


# The slope is also 1 + ans on the left, but that sum loses the digits of a small slope.
@custom_rule(lambda g, ans, z: g * np.exp(np.minimum(z, 0)), elementwise=True)
def elu(z: Any) -> Any:
    """Compute ``z``, and ``exp(z) - 1`` where it is negative. The slope at 0 is 1.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        Above -1.

    Notes
    -----
    Equation 15, with alpha = 1, of D. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate
    deep network learning by exponential linear units (ELUs)", 2016. The second derivative jumps at
    0, and is taken there as the mean of both sides, 1/2.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import elu
    >>> elu(np.array([-1000.0, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


# The fixed point of mean 0 and variance 1 under these units (Klambauer and others, equation 14).
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@custom_rule(
    lambda g, ans, z: (SELU_SCALE * g) * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0))),
    elementwise=True,
)
def selu(z: Any) -> Any:
    """Compute an `elu` scaled so that layers keep mean 0 and variance 1 of their units.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        ``1.0507 * z``, and ``1.0507 * 1.6733 * (exp(z) - 1)`` where ``z`` is negative. At 0 the
        slope is taken from the left, 1.7581.

    Notes
    -----
    Equation 2 of G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural
    networks", 2017. The property needs weights of variance 1 / inputs: `lecun_uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import selu
    >>> selu(np.array([-1000.0, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


# ----- Smooth rectifiers -------------------------------------------------------------------------


@custom_rule(lambda g, ans, z: g * logistic(z), elementwise=True)
def softplus(z: Any) -> Any:
    """Compute ``log(1 + exp(z))`` without overflow: the rectifier with its corner rounded.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        Positive.

    Notes
    -----
    C. Dugas, Y. Bengio, F. Belisle, C. Nadeau and R. Garcia, "Incorporating second-order functional
    knowledge for better option pricing", 2001. Its slope is the `logistic` function.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import softplus
    >>> softplus(np.array([-1000.0, 0.0, 50.0])).round(4)
    array([ 0.    ,  0.6931, 50.    ])
    """
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


ROOT_HALF = 0.7071067811865476  # sqrt(1 / 2)
NORMAL_PEAK = 0.3989422804014327  # 1 / sqrt(2 pi)


@custom_rule(lambda g, ans, z: g * (NORMAL_PEAK * np.exp(-0.5 * z * z)), elementwise=True)
def normal_cdf(z: Any) -> Any:
    """Compute the probability that a standard normal number is below ``z``.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        ``erfc(-z / sqrt(2)) / 2`` with SciPy's ``erfc``: unlike ``(1 + erf(z / sqrt(2))) / 2``, it
        keeps its digits where it is small.

    Examples
    --------
    >>> from backlit.networks.activations import normal_cdf
    >>> float(normal_cdf(0.0))
    0.5
    """
    from scipy import special  # not with the package: it doubles the time to import it

    return 0.5 * special.erfc(-ROOT_HALF * z)


@custom_rule(
    lambda g, ans, z: g * (normal_cdf(z) + NORMAL_PEAK * z * np.exp(-0.5 * z * z)),
    elementwise=True,
)
def gelu(z: Any) -> Any:
    """Compute ``z`` times the probability that a standard normal number is below ``z``.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Notes
    -----
    D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016: the exact function, not
    the approximation by tanh.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import gelu
    >>> gelu(np.array([-1000.0, 0.0, 1.0])).round(4) + 0.0
    array([0.    , 0.    , 0.8413])
    """
    return z * normal_cdf(z)


@custom_rule(
    lambda g, ans, z: g * (logistic(z) + ans * logistic(-z)),
    elementwise=True,
)
def silu(z: Any) -> Any:
    """Compute ``z * logistic(z)``, also called swish.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Notes
    -----
    S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", 2018 (equations 7 and 8).

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import silu
    >>> silu(np.array([-1000.0, 0.0, 1.0])).round(4) + 0.0
    array([0.    , 0.    , 0.7311])
    """
    return z * logistic(z)


def _mish_slope(z: Any) -> Any:
    t = np.tanh(softplus(z))
    return t + z * logistic(z) * (1 - t * t)


@custom_rule(lambda g, ans, z: g * _mish_slope(z), elementwise=True)
def mish(z: Any) -> Any:
    """Compute ``z * tanh(softplus(z))``.

    Parameters
    ----------
    z : array

    Returns
    -------
    array

    Notes
    -----
    D. Misra, "Mish: a self regularized non-monotonic activation function", 2020 (equation 1).

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import mish
    >>> mish(np.array([-1000.0, 0.0, 1.0])).round(4) + 0.0
    array([0.    , 0.    , 0.8651])
    """
    return z * np.tanh(softplus(z))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": identity,
    "logistic": logistic,
    "tanh": np.tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
}
