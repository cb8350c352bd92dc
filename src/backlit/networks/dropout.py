"""Dropout: in training, units fall silent at random, so that none relies on another.

Which units fall silent is a function of the seed, the step, the layer, the example's place in the
batch and the unit. A recorded step takes the seed and the step as one input, the key, and computes
the rest itself with 32-bit integers: the same bits whenever and wherever the step runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.composite import locally_constant
from backlit.networks.randomness import Purpose, threefry

# In the second word of the hash's key, beside the number of the layer.
DROPOUT = int(Purpose.DROPOUT)
LAYER = 256


def dropout_key(seed: int, step_number: int) -> NDArray[np.uint32]:
    """Return the input that tells a training step which units fall silent.

    Parameters
    ----------
    seed, step_number : int, from 0 to 2**32 - 1
        The step is counted over the whole training, so that no two steps are alike.

    Returns
    -------
    array of uint32, shape (2,)

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> from backlit.networks import dropout_key
    >>> dropout_key(seed=7, step_number=1)
    array([7, 1], dtype=uint32)
    """
    for name, number in (("seed", seed), ("step_number", step_number)):
        if not 0 <= number < 2**32:
            raise ValueError(f"{name} must be an integer from 0 to 2**32 - 1, not {number}")
    return np.array([seed, step_number], np.uint32)


@locally_constant
def spared(key: Any, layer: int, shape: tuple[int, ...], rate: float) -> Any:
    """Draw which units stay.

    Parameters
    ----------
    key : array of uint32, shape (2,)
        As `dropout_key` makes it.
    layer : int
        Layers with different numbers draw different units.
    shape : tuple of int
        Of the activations: (..., units).
    rate : float
        From 0 to below 1: the probability that a unit falls silent, to a multiple of 2**-32.

    Returns
    -------
    array of bool, of that shape

    Notes
    -----
    A unit stays where its 32 random bits, read as an integer, are at least ``rate * 2**32``.

    Examples
    --------
    >>> from backlit.networks.dropout import dropout_key, spared
    >>> round(float(spared(dropout_key(0, 1), 1, (100, 100), 0.25).mean()), 1)
    0.7
    """
    positions = np.arange(np.prod(shape), dtype=np.uint32)
    purpose = np.array([DROPOUT + LAYER * layer], np.uint32)
    bits, _ = threefry((key[0:1], purpose), (key[1:2], positions))
    return np.reshape(bits >= np.uint32(rate * 2**32), shape)


def dropout(a: Any, key: Any, layer: int, rate: float) -> Any:
    """Silence some activations, and raise the others so that their expectation stays.

    Parameters
    ----------
    a : array, shape (..., units)
    key : array of uint32, shape (2,)
        As `dropout_key` makes it.
    layer : int
        Layers with different numbers silence different units.
    rate : float
        From 0 to below 1: the probability that an activation becomes 0.

    Returns
    -------
    array, shape (..., units)
        0, or ``a / (1 - rate)``. With that scaling in training ("inverted" dropout), prediction
        uses the activations as they are.

    Notes
    -----
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple
    way to prevent neural networks from overfitting", 2014 (section 4, and 10 for the scaling).

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import dropout, dropout_key
    >>> dropout(np.ones(8), dropout_key(seed=0, step_number=1), layer=1, rate=0.5)
    array([2., 2., 2., 0., 2., 0., 0., 2.])
    """
    kept = spared(key, layer, a.shape, rate)
    return a * kept / (1 - rate)
