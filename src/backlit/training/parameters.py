"""One flat buffer with named views."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Layout:
    """Where each named array lies in one flat buffer.

    The optimizer sees one vector ``theta``; the network sees its parts by name, without copying.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        In the order in which they lie in the buffer.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Layout
    >>> layout = Layout({"W1": (2, 3), "b1": (3,)})
    >>> theta = np.arange(9.0)
    >>> layout.views(theta)["b1"]
    array([6., 7., 8.])
    >>> bool(np.all(layout.flatten(layout.views(theta)) == theta))
    True
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.slices: dict[str, slice] = {}
        end = 0
        for name, shape in self.shapes.items():
            start, end = end, end + math.prod(shape)
            self.slices[name] = slice(start, end)
        self.size = end

    def views(self, theta: Any) -> dict[str, Any]:
        """Return the parts of a flat buffer by name.

        Parameters
        ----------
        theta : array, shape (size,)

        Returns
        -------
        dict of str to array
            Views: writing into one changes the buffer.
        """
        return {
            name: np.reshape(theta[self.slices[name]], shape) for name, shape in self.shapes.items()
        }

    def flatten(self, parameters: Mapping[str, Any]) -> Any:
        """Return named arrays as one new flat array.

        Parameters
        ----------
        parameters : dict of str to array

        Returns
        -------
        array, shape (size,)
        """
        return np.concatenate([np.ravel(parameters[name]) for name in self.shapes])

    def checked(self, parameters: Mapping[str, Any], dtype: DTypeLike) -> NDArray[Any]:
        """Return named arrays as one new flat array, if they are what this layout holds.

        Parameters
        ----------
        parameters : dict of str to array
        dtype : float32 or float64

        Returns
        -------
        array of ``dtype``, shape (size,)

        Raises
        ------
        ValueError
            If an array is missing, unknown, of another shape, or not finite.
        """
        given = {name: np.shape(array) for name, array in parameters.items()}
        if given != self.shapes:
            raise ValueError(
                f"the parameters have shapes {given}, and the network has {self.shapes}"
            )
        theta = np.asarray(self.flatten(parameters), dtype)
        if not np.all(np.isfinite(theta)):
            raise ValueError("the parameters are not all finite")
        return theta
