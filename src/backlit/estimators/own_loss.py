"""A user's own loss: a NumPy function, tried before a fit and differentiated as all others are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.derivatives import vjp
from backlit.autodiff.traced import Traced

if TYPE_CHECKING:
    from backlit.estimators.outputs import Output


# Equal to itself only: steps are remembered by their model, and what a function computes may have
# changed since the fit before, with a number that it reads from elsewhere.
@dataclass(frozen=True, eq=False)
class OwnLoss:
    """A function of predictions and truth, for the length of one fit.

    Parameters
    ----------
    function : callable
        ``f(prediction, y)`` returns the loss of each example.

    Examples
    --------
    >>> from backlit.estimators.own_loss import OwnLoss
    >>> OwnLoss(max) == OwnLoss(max)
    False
    """

    function: Callable[[Any, Any], Any]

    @property
    def name(self) -> str:
        """What errors call it."""
        return getattr(self.function, "__name__", type(self.function).__name__)


def check_own_loss(output: Output, z: NDArray[Any], y: NDArray[Any]) -> None:
    """Raise where a user's own loss is none, tried on some examples.

    Parameters
    ----------
    output : Output
        With an `OwnLoss`.
    z : array, shape (examples, units)
        Pre-activations of the output layer.
    y : array, shape (examples, units)

    Raises
    ------
    ValueError
        If it does not return one real number for each example, does not depend on the prediction,
        or it or its derivative is not finite.
    TraceError
        If it does something that cannot be differentiated; the message names the line.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.outputs import Output
    >>> from backlit.estimators.own_loss import OwnLoss, check_own_loss
    >>> cubic = OwnLoss(lambda prediction, y: np.abs(prediction - y) ** 3)
    >>> check_own_loss(Output("identity", cubic), np.ones((2, 1)), np.zeros((2, 1)))
    """
    assert isinstance(output.loss, OwnLoss)
    name, found = output.loss.name, []

    def losses(z: Any) -> Any:
        found.append(output.losses(output.activate(z), y))
        return found[-1]

    values, pullback = vjp(losses, z)
    shape = np.shape(values) if isinstance(values, np.ndarray | np.generic | float | int) else None
    if shape != (len(z),):
        got = type(values).__name__ if shape is None else f"shape {shape}"
        raise ValueError(
            f"the loss {name} must return one number for each example, an array of shape "
            f"({len(z)},), got {got}; sum over the outputs of each example, and not over examples"
        )
    if not isinstance(found[-1], Traced) or not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            f"the loss {name} does not change with the prediction, so that there is nothing to "
            "learn from it; compute it from differences, not from comparisons or signs alone"
        )
    (slopes,) = pullback(np.ones_like(values))
    for what, array in (("", values), ("derivative of the ", slopes)):
        finite = np.isfinite(array.reshape(len(z), -1)).all(axis=1)
        if not finite.all():
            row = int(finite.argmin())
            raise ValueError(
                f"the {what}loss {name} must be finite, got {array[row]} for example {row} "
                f"with y={y[row]}; keep logarithms, roots and quotients away from 0"
            )
