"""What is asked of weights beside a small loss, and of gradients beside a direction.

Penalties and decay act on weights, never on biases: a bias moves a unit's threshold, and making it
small makes nothing simpler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.training.checks import Checked
from backlit.training.parameters import Layout


@dataclass(frozen=True)
class Penalties(Checked):
    """What a training step adds to the gradient of the mean loss, and how it bounds the sum.

    Parameters
    ----------
    l1 : float, default 0.0
        Adds ``l1 * sum(abs(W))`` to the objective: many weights become small. At 0 its slope is
        taken as 0.
    l2 : float, default 0.0
        Adds ``l2 / 2 * sum(W**2)`` to the objective: large weights become smaller.
    clip_norm : float or None, default None
        The largest Euclidean norm that the gradient of the objective may have, over all parameters
        together; a longer one is shortened to it.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    The objective is a mean over examples, so that the same ``l2`` means the same whatever the size
    of the batch. scikit-learn's ``alpha`` is ``l2`` times that size. Clipping is algorithm 1 of
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks",
    2013.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Penalties
    >>> Penalties(l1=0.5, l2=1.0).add(np.zeros(3), np.array([3.0, -1.0, 0.0]))
    array([ 3.5, -1.5,  0. ])
    >>> Penalties(clip_norm=1.0).clip(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """

    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None

    def add(self, gradient: Any, W: Any) -> Any:
        """Return the gradient of the objective: of the mean loss and the penalties.

        Parameters
        ----------
        gradient : array, shape (parameters,)
        W : array, shape (parameters,)
            The flat parameters, with 0 in the places of biases.

        Returns
        -------
        array, shape (parameters,)
        """
        if self.l1:
            gradient = gradient + self.l1 * np.sign(W)
        if self.l2:
            gradient = gradient + self.l2 * W
        return gradient

    def clip(self, gradient: Any) -> Any:
        """Return the gradient, no longer than `clip_norm`.

        Parameters
        ----------
        gradient : array, shape (parameters,)

        Returns
        -------
        array, shape (parameters,)
        """
        if self.clip_norm is None:
            return gradient
        norm = np.sqrt(np.sum(gradient**2))
        return gradient * (self.clip_norm / np.maximum(norm, self.clip_norm))


def is_weight(layout: Layout, dtype: DTypeLike) -> NDArray[Any]:
    """Return which of the flat parameters are weights.

    Parameters
    ----------
    layout : Layout
    dtype : float32 or float64

    Returns
    -------
    array, shape (parameters,)
        1 for weights (arrays with two axes), 0 for biases.

    Examples
    --------
    >>> from backlit.training import Layout
    >>> from backlit.training.penalties import is_weight
    >>> is_weight(Layout({"W1": (2, 1), "b1": (1,)}), float)
    array([1., 1., 0.])
    """
    ones_and_zeros = {
        name: np.full(shape, len(shape) == 2, dtype) for name, shape in layout.shapes.items()
    }
    return layout.flatten(ones_and_zeros)
