"""Counted randomness: every random number is a function of what it is for.

A draw is Threefry-2x32 with 20 rounds (J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random
numbers: as easy as 1, 2, 3", 2011), a hash of four 32-bit numbers

    key      seed, purpose
    counter  epoch, position

with nothing but sums, rotations and exclusive-ors of 32-bit words. There is no state: the draw at
a position is the same whoever asks, in which order, and in how many pieces. Training can resume
at any epoch without replaying the ones before.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = np.uint32(0x1BD11BDA)  # the constant of the key schedule


class Purpose(IntEnum):
    """What a draw is for: draws for different purposes are independent."""

    WEIGHTS = 1
    SHUFFLE = 2
    DROPOUT = 3
    SPLIT = 4


def uniform(positions: ArrayLike, seed: int, purpose: int, epoch: int = 0) -> NDArray[np.float64]:
    """Draw a number in [0, 1) for each position.

    Parameters
    ----------
    positions : array of int, from 0 to 2**32 - 1
    seed, purpose, epoch : int, from 0 to 2**32 - 1

    Returns
    -------
    array of float64, in the shape of ``positions``
        Multiples of 2**-24, so that they are the same numbers in float32.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks.randomness import Purpose, uniform
    >>> draws = uniform(np.arange(10), seed=0, purpose=Purpose.WEIGHTS)
    >>> bool(np.all(draws[4:] == uniform(np.arange(4, 10), seed=0, purpose=Purpose.WEIGHTS)))
    True
    """
    word, _ = _words(positions, seed, purpose, epoch)
    return np.multiply(word >> np.uint32(8), 2.0**-24, dtype=np.float64)


def permutation(n: int, seed: int, purpose: int, epoch: int = 0) -> NDArray[np.intp]:
    """Draw an order of ``n`` things, each of the ``n!`` equally likely.

    Parameters
    ----------
    n : int
    seed, purpose, epoch : int, from 0 to 2**32 - 1

    Returns
    -------
    array of int, shape (n,)

    Notes
    -----
    The order of 64-bit draws. Two of them are equal with a chance of ``n**2 / 2**65``, and then
    stay in place.

    Examples
    --------
    >>> from backlit.networks.randomness import Purpose, permutation
    >>> sorted(permutation(4, seed=0, purpose=Purpose.SHUFFLE, epoch=1).tolist())
    [0, 1, 2, 3]
    """
    high, low = _words(np.arange(n), seed, purpose, epoch)
    keys = high.astype(np.uint64) << np.uint64(32) | low
    return np.argsort(keys, kind="stable")


def _words(
    positions: ArrayLike, seed: int, purpose: int, epoch: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    for name, number in (("seed", seed), ("purpose", purpose), ("epoch", epoch)):
        if not 0 <= number < 2**32:
            raise ValueError(f"{name} must be an integer from 0 to 2**32 - 1, not {number}")
    positions = np.asarray(positions, np.uint32)
    k0, k1, x0 = (np.array([number], np.uint32) for number in (seed, purpose, epoch))
    high, low = threefry((k0, k1), (x0, positions.ravel()))
    return high.reshape(positions.shape), low.reshape(positions.shape)


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Hash a key and a counter of two 32-bit words each to two 32-bit words.

    Parameters
    ----------
    key, counter : pair of array of uint32, shape (1,) or (n,)
        Arrays, never scalars: only arrays wrap around without a warning.

    Returns
    -------
    pair of array of uint32, shape (n,)
    """
    (k0, k1), (x0, x1) = key, counter
    schedule = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = x0 + k0, x1 + k1
    for round_ in range(ROUNDS):
        x0 = x0 + x1
        x1 = _rotate(x1, ROTATIONS[round_ % 8]) ^ x0
        if round_ % 4 == 3:
            injection = round_ // 4 + 1
            x0 = x0 + schedule[injection % 3]
            x1 = x1 + schedule[(injection + 1) % 3] + np.uint32(injection)
    return x0, x1


def _rotate(word: Any, bits: int) -> Any:
    return word << np.uint32(bits) | word >> np.uint32(32 - bits)
