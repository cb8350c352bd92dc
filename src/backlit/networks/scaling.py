"""Standardisation: columns of different units brought to mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Standardisation:
    """A mean and a scale for each column. Made by `fit` from the training part only.

    Attributes
    ----------
    mean, scale : array of float64, shape (columns,)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Standardisation
    >>> scaling = Standardisation.fit(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scaling.apply(np.array([[1.0, 5.0]]))
    array([[-1.,  0.]])
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, table: Any, *, one_scale: bool = False) -> Standardisation:
        """Return the mean and standard deviation of each column.

        Parameters
        ----------
        table : array, shape (rows, columns)
        one_scale : bool, default False
            Whether the columns hold the same quantity at different places, as pixels do: then they
            share the standard deviation of all, and a pixel that is seldom set is not magnified.

        Returns
        -------
        Standardisation
            A constant column has scale 1.
        """
        table = np.asarray(table, np.float64)
        mean = np.mean(table, axis=0)
        scale = np.sqrt(np.mean((table - mean) ** 2, axis=None if one_scale else 0))
        scale = np.broadcast_to(scale, mean.shape)
        # A constant column may have a deviation of some roundings of its mean.
        constant = scale <= 1e-12 * np.max(np.abs(table), axis=0)
        return cls(mean, np.where(constant, 1.0, scale))

    def apply(self, table: Any) -> NDArray[np.float64]:
        """Return the standardised table."""
        return (table - self.mean) / self.scale

    def undo(self, table: Any) -> NDArray[np.float64]:
        """Return the table in its own units."""
        return table * self.scale + self.mean
