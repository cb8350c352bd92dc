"""Initial weights: as wide as keeps signals from growing or dying on their way through layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.networks.randomness import Purpose, uniform


def glorot_uniform(inputs: int, outputs: int, seed: int, first: int = 0) -> NDArray[Any]:
    """Draw weights of one layer after Glorot and Bengio.

    Parameters
    ----------
    inputs, outputs : int
        The layer's numbers of inputs and units.
    seed : int
    first : int, default 0
        The position of the first draw, so that layers draw different numbers.

    Returns
    -------
    array of float64, shape (inputs, outputs)
        Uniform in ``[-limit, limit)`` with ``limit = sqrt(6 / (inputs + outputs))``.

    Notes
    -----
    Equation 16 of X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", 2010: a compromise between equal variance of activations on the
    way forward and of gradients on the way back, for activations with slope 1 at 0.

    Examples
    --------
    >>> from backlit.networks.initial import glorot_uniform
    >>> W = glorot_uniform(3, 3, seed=0)
    >>> W.shape, bool(abs(W).max() <= 1)
    ((3, 3), True)
    """
    return _symmetric(math.sqrt(6 / (inputs + outputs)), (inputs, outputs), seed, first)


def he_uniform(inputs: int, outputs: int, seed: int, first: int = 0) -> NDArray[Any]:
    """Draw weights of one layer after He and others.

    Parameters
    ----------
    inputs, outputs : int
        The layer's numbers of inputs and units.
    seed : int
    first : int, default 0
        The position of the first draw, so that layers draw different numbers.

    Returns
    -------
    array of float64, shape (inputs, outputs)
        Uniform in ``[-limit, limit)`` with ``limit = sqrt(6 / inputs)``.

    Notes
    -----
    Equation 10 of K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", 2015: the
    variance ``2 / inputs`` makes up for the half of the units that a rectifier silences.

    Examples
    --------
    >>> from backlit.networks.initial import he_uniform
    >>> W = he_uniform(6, 2, seed=0)
    >>> W.shape, bool(abs(W).max() <= 1)
    ((6, 2), True)
    """
    return _symmetric(math.sqrt(6 / inputs), (inputs, outputs), seed, first)


def lecun_uniform(inputs: int, outputs: int, seed: int, first: int = 0) -> NDArray[Any]:
    """Draw weights of one layer after LeCun and others.

    Parameters
    ----------
    inputs, outputs : int
        The layer's numbers of inputs and units.
    seed : int
    first : int, default 0
        The position of the first draw, so that layers draw different numbers.

    Returns
    -------
    array of float64, shape (inputs, outputs)
        Uniform in ``[-limit, limit)`` with ``limit = sqrt(3 / inputs)``.

    Notes
    -----
    Equation 16 of Y. LeCun, L. Bottou, G. Orr and K. Müller, "Efficient backprop", 1998: variance
    ``1 / inputs``, so that inputs of variance 1 give pre-activations of variance 1.

    Examples
    --------
    >>> from backlit.networks.initial import lecun_uniform
    >>> W = lecun_uniform(3, 2, seed=0)
    >>> W.shape, bool(abs(W).max() <= 1)
    ((3, 2), True)
    """
    return _symmetric(math.sqrt(3 / inputs), (inputs, outputs), seed, first)


def plain_uniform(
    inputs: int, outputs: int, seed: int, first: int = 0, scale: float = 0.5
) -> NDArray[Any]:
    """Draw weights of one layer from one interval, whatever the layer's size.

    Parameters
    ----------
    inputs, outputs : int
        The layer's numbers of inputs and units.
    seed : int
    first : int, default 0
        The position of the first draw, so that layers draw different numbers.
    scale : float, default 0.5

    Returns
    -------
    array of float64, shape (inputs, outputs)
        Uniform in ``[-scale, scale)``.

    Notes
    -----
    "Small random weights", as in D. Rumelhart, G. Hinton and R. Williams, "Learning internal
    representations by error propagation", 1986 ("symmetry breaking"). Signals grow or die on their
    way through wide or many layers.

    Examples
    --------
    >>> from backlit.networks.initial import plain_uniform
    >>> W = plain_uniform(3, 2, seed=0, scale=0.1)
    >>> W.shape, bool(abs(W).max() <= 0.1)
    ((3, 2), True)
    """
    return _symmetric(scale, (inputs, outputs), seed, first)


INITIAL: dict[str, Callable[..., NDArray[Any]]] = {
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
    "lecun_uniform": lecun_uniform,
}

# Rectifiers halve the variance of what they let through, sharply or smoothly; SELU's fixed point
# is one for weights of variance 1 / inputs. Units with slope 1 (or 1/4) at 0 are not in here.
FOR_ACTIVATION: dict[str, Callable[..., NDArray[Any]]] = {
    "relu": he_uniform,
    "leaky_relu": he_uniform,
    "elu": he_uniform,
    "softplus": he_uniform,
    "gelu": he_uniform,
    "silu": he_uniform,
    "mish": he_uniform,
    "selu": lecun_uniform,
}


def _symmetric(limit: float, shape: tuple[int, int], seed: int, first: int) -> NDArray[Any]:
    positions = first + np.arange(math.prod(shape)).reshape(shape)
    return limit * (2 * uniform(positions, seed, Purpose.WEIGHTS) - 1)
