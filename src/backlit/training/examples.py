"""Examples as training needs them: checked, weighted, and in the network's dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.networks.network import Network


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs, targets and weights that fit a network.

    Attributes
    ----------
    x : array of float32 or float64, or scipy.sparse.csr_array of them, shape (examples, inputs)
        Sparse inputs stay sparse.
    y : array
        Classes, int64 of shape (examples,); or labels, numbers or counts, in the dtype of ``x``, of
        shape (examples, outputs).
    weights : array in the dtype of ``x``, shape (examples,)
        How much each example counts; all above 0.
    """

    x: Any
    y: NDArray[Any]
    weights: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the inputs of some examples, written out if they are sparse."""
        some = self.x[rows]
        dense: NDArray[Any] = some.toarray() if is_sparse(some) else some
        return dense

    @classmethod
    def of(cls, network: Network, arrays: tuple[Any, ...], dtype: DTypeLike, part: str) -> Examples:
        """Check examples and bring them to a dtype.

        Parameters
        ----------
        network : Network
        arrays : (x, y) or (x, y, weights)
            An example with weight 0 is left out.
        dtype : float32 or float64
        part : str
            What to call these examples in an error.

        Raises
        ------
        ValueError
            If shapes do not fit, there is no example, a number is not finite, a class is not one of
            the network's, or a target or weight is out of its range.
        """
        if len(arrays) not in (2, 3):
            raise ValueError(
                f"the {part} part is (x, y) or (x, y, weights), not {len(arrays)} arrays"
            )
        x = _inputs(network, arrays[0], dtype, part)
        y = _targets(network, arrays[1], x.shape[0], dtype, part)
        weights = np.ones(len(y), dtype)
        if len(arrays) == 3 and arrays[2] is not None:
            weights = _weights(arrays[2], len(y), part, dtype)
            if not np.all(weights):
                some = weights > 0
                x, y, weights = x[some], y[some], weights[some]
        return cls(x, y, weights)


def is_sparse(x: Any) -> bool:
    """Return whether an array is one of SciPy's sparse ones, without importing them."""
    return hasattr(x, "tocsr")


def _inputs(network: Network, x: Any, dtype: DTypeLike, part: str) -> Any:
    x = x.tocsr().astype(dtype) if is_sparse(x) else np.asarray(x, dtype)
    if x.ndim != 2 or x.shape[1] != network.inputs:
        raise ValueError(
            f"the {part} inputs have shape {x.shape}, and the network takes (examples, "
            f"{network.inputs})"
        )
    if x.shape[0] == 0:
        raise ValueError(f"the {part} part has no examples")
    if is_sparse(x):
        x.sum_duplicates()  # of the copy
    _check_finite(x.data if is_sparse(x) else x, part, "inputs")
    return x


def _targets(network: Network, y: Any, length: int, dtype: DTypeLike, part: str) -> NDArray[Any]:
    y = np.asarray(y)
    if network.targets == "classes":
        return _classes(network, y, length, part)
    if y.shape != (length, network.outputs):
        raise ValueError(
            f"the {part} targets have shape {y.shape}, and the network needs "
            f"({length}, {network.outputs})"
        )
    y = y.astype(dtype, copy=False)
    _check_finite(y, part, "targets")
    if network.targets == "labels" and not np.all((y == 0) | (y == 1)):
        raise ValueError(f"the {part} labels must be 0 or 1, not {y[(y != 0) & (y != 1)][0]}")
    if network.targets == "counts" and np.min(y) < 0:
        raise ValueError(f"the {part} counts must not be negative, and one is {np.min(y)}")
    return y


def _classes(network: Network, y: NDArray[Any], length: int, part: str) -> NDArray[Any]:
    if y.shape != (length,) or y.dtype.kind not in "iu":
        raise ValueError(
            f"the {part} classes must be integers of shape ({length},), not {y.dtype} of shape "
            f"{y.shape}"
        )
    count = max(network.outputs, 2)  # one output alone tells two classes apart
    if y.min() < 0 or y.max() >= count:
        raise ValueError(
            f"the {part} classes go from {y.min()} to {y.max()}, and the network has classes "
            f"from 0 to {count - 1}"
        )
    return y.astype(np.int64, copy=False)


def _weights(weights: Any, length: int, part: str, dtype: DTypeLike) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        weights = np.asarray(weights, dtype)
    if weights.shape != (length,) or not np.all(weights >= 0) or not 0 < np.sum(weights) < np.inf:
        raise ValueError(
            f"the {part} weights must be {length} numbers from 0 on, finite (also their sum, as "
            f"{np.dtype(dtype)}) and not all 0"
        )
    return weights


def _check_finite(numbers: NDArray[Any], part: str, name: str) -> None:
    if not np.all(np.isfinite(numbers)):
        where = np.argwhere(~np.isfinite(numbers))[0].tolist()
        raise ValueError(f"the {part} {name} are not finite at {where}")
