"""Examples as training needs them: checked, and in the network's dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.networks.network import Network

Examples = tuple[NDArray[Any], NDArray[Any]]


def as_examples(network: Network, x: Any, y: Any, dtype: DTypeLike, part: str) -> Examples:
    """Return inputs and targets as arrays that fit the network.

    Parameters
    ----------
    network : Network
    x : array, shape (examples, inputs)
    y : array
        Classes, int of shape (examples,), or numbers of shape (examples, outputs).
    dtype : float32 or float64
    part : str
        What to call these examples in an error.

    Returns
    -------
    x : array of ``dtype``
    y : array of int64 or of ``dtype``

    Raises
    ------
    ValueError
        If shapes do not fit, there is no example, a number is not finite, or a class is not one
        of the network's.
    """
    x, y = np.asarray(x, dtype), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != network.inputs:
        raise ValueError(
            f"the {part} inputs have shape {x.shape}, and the network takes (examples, "
            f"{network.inputs})"
        )
    if len(x) == 0:
        raise ValueError(f"the {part} part has no examples")
    if network.loss == "log_loss":
        if y.shape != (len(x),) or y.dtype.kind not in "iu":
            raise ValueError(
                f"the {part} classes must be integers of shape ({len(x)},), not {y.dtype} of shape "
                f"{y.shape}"
            )
        if y.min() < 0 or y.max() >= network.outputs:
            raise ValueError(
                f"the {part} classes go from {y.min()} to {y.max()}, and the network has classes "
                f"from 0 to {network.outputs - 1}"
            )
        y = y.astype(np.int64)
    else:
        if y.shape != (len(x), network.outputs):
            raise ValueError(
                f"the {part} targets have shape {y.shape}, and the network needs "
                f"({len(x)}, {network.outputs})"
            )
        y = y.astype(dtype)
    for name, numbers in (("inputs", x), ("targets", y)):
        if not np.all(np.isfinite(numbers)):
            where = np.argwhere(~np.isfinite(numbers))[0].tolist()
            raise ValueError(f"the {part} {name} are not finite at {where}")
    return x, y
