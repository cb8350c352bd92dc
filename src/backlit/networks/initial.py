"""Initial weights: as wide as keeps signals from growing or dying on their way through layers."""

from __future__ import annotations

import math
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


def _symmetric(limit: float, shape: tuple[int, int], seed: int, first: int) -> NDArray[Any]:
    positions = first + np.arange(math.prod(shape)).reshape(shape)
    return limit * (2 * uniform(positions, seed, Purpose.WEIGHTS) - 1)
