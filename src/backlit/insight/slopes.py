"""A gradient beside finite differences of the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.naming import Naming, several, written

# Where the slopes to both sides differ by more than this part of the larger one, the loss has a
# kink there: what a smooth function's curvature makes of it is a thousand times less.
KINK = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Slopes(Answer):
    """The gradient by some parameters, beside the slopes of the loss to both sides.

    Attributes
    ----------
    places : array of int, shape (chosen,)
        Which of the flat parameters.
    gradient : array of float64, shape (chosen,)
        By backpropagation.
    left, right : array of float64, shape (chosen,)
        ``(loss(w) - loss(w - h)) / h`` and ``(loss(w + h) - loss(w)) / h``, in float64, with ``h``
        the cube root of its spacing, times the parameter where that is above 1.
    difference : array of float64, shape (chosen,)
        Their mean, the central difference.
    kinks : array of bool, shape (chosen,)
        Where the slopes to both sides differ: the loss has no gradient there, and backpropagation
        takes one of the slopes between.
    error : array of float64, shape (chosen,)
        ``abs(gradient - difference)``, or at a kink the distance to what lies between the slopes;
        divided by the largest gradient.
    """

    naming: Naming
    places: NDArray[np.intp]
    gradient: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    difference: NDArray[np.float64]
    kinks: NDArray[np.bool_]
    error: NDArray[np.float64]

    @property
    def largest_error(self) -> float:
        """The largest error."""
        return float(np.max(self.error))

    def summary(self) -> str:
        """Say how far both agree."""
        worst = int(np.argmax(self.error))
        words = [
            f"Backpropagation and finite differences of the loss, by "
            f"{several(len(self.places), 'parameter')}: they differ by at most "
            f"{self.largest_error:.1e} of the largest gradient, at "
            f"{self.naming.parameter(int(self.places[worst]))} ({written(self.gradient[worst])} "
            f"and {written(self.difference[worst])})."
        ]
        if count := int(np.sum(self.kinks)):
            where = self.naming.parameter(int(self.places[np.argmax(self.kinks)]))
            words.append(
                f"At {several(count, 'parameter')} the loss has a kink, so that its slopes to both "
                f"sides differ, at {where} for one."
            )
        return " ".join(words)

    def columns(self) -> dict[str, Any]:
        """Return a row for each parameter."""
        return {
            "parameter": self.naming.parameters(self.places),
            "gradient": self.gradient,
            "difference": self.difference,
            "left": self.left,
            "right": self.right,
            "kink": self.kinks,
            "error": self.error,
        }

    def _draw(self, axes: Any) -> None:
        ends = [min(self.gradient.min(), 0), max(self.gradient.max(), 0)]
        axes.plot(ends, ends, color="0.7", zorder=0)
        smooth = ~self.kinks
        axes.plot(self.difference[smooth], self.gradient[smooth], "o", markersize=4)
        if self.kinks.any():
            middle, half = self.difference[self.kinks], (self.right - self.left)[self.kinks] / 2
            axes.errorbar(
                middle, self.gradient[self.kinks], xerr=np.abs(half), fmt="s", markersize=4,
                label="kink: slopes to both sides",
            )  # fmt: skip
            axes.legend()
        axes.set_xlabel("finite difference of the loss")
        axes.set_ylabel("gradient by backpropagation")


def slopes(
    loss: Callable[[NDArray[np.float64]], float], theta: NDArray[Any], gradient: NDArray[Any],
    naming: Naming, places: NDArray[np.intp],
) -> Slopes:  # fmt: skip
    """Compare a gradient with finite differences.

    Parameters
    ----------
    loss : callable
        ``loss(theta)``, in float64.
    theta, gradient : array, shape (parameters,)
    naming : Naming
    places : array of int, shape (chosen,)
        The parameters to compare by.

    Returns
    -------
    Slopes
    """
    moved = theta.astype(np.float64)
    here = loss(moved)
    left, right = np.empty(len(places)), np.empty(len(places))
    for k, place in enumerate(places):
        before = moved[place]
        h = np.cbrt(np.finfo(np.float64).eps) * max(1.0, abs(before))
        moved[place] = before + h
        right[k] = (loss(moved) - here) / h
        moved[place] = before - h
        left[k] = (here - loss(moved)) / h
        moved[place] = before
    own = gradient[places].astype(np.float64)
    difference = (left + right) / 2
    scale = float(np.max(np.abs(gradient))) or 1.0
    apart = np.abs(right - left)
    sizes = np.maximum(np.abs(left), np.abs(right))
    kinks = (apart > KINK * sizes) & (apart > 1e-6 * scale)
    between = np.clip(own, np.minimum(left, right), np.maximum(left, right))
    error = np.abs(own - np.where(kinks, between, difference)) / scale
    return Slopes(naming, places, own, left, right, difference, kinks, error)
