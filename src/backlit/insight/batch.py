"""The rows of a batch, whose gradients average to the gradient of the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.insight.answer import Answer
from backlit.insight.naming import Naming, several, written
from backlit.insight.subject import Passes


@dataclass(frozen=True, eq=False, repr=False)
class Batch(Answer):
    """The rows of a step's batch and their gradients.

    The sum of ``shares`` times the rows' gradients is ``mean_gradient``, the gradient of the step
    before penalties and clipping.

    Attributes
    ----------
    rows : array of int, shape (batch,)
        Where the rows are in the user's data.
    place : int or None
        Which of them is the row that is looked at.
    shares : array, shape (batch,)
    losses : array, shape (batch,)
    norms : array, shape (batch,)
        Of each row's gradient.
    agreement : array, shape (batch,)
        The cosine between each row's gradient and ``mean_gradient``; 0 where one of them is 0.
    mean_gradient : array, shape (parameters,)
    strongest : array of int
        The parameters that `plot` shows.
    passes : Passes
        Of the whole batch.
    """

    naming: Naming
    rows: NDArray[np.intp]
    place: int | None
    shares: NDArray[Any]
    losses: NDArray[Any]
    norms: NDArray[Any]
    agreement: NDArray[Any]
    mean_gradient: NDArray[Any]
    strongest: NDArray[np.intp]
    passes: Passes

    @classmethod
    def of(
        cls, naming: Naming, rows: NDArray[np.intp], place: int | None, shares: NDArray[Any],
        passes: Passes, strongest: NDArray[np.intp],
    ) -> Batch:  # fmt: skip
        """Return a batch from its forward and backward pass.

        Parameters
        ----------
        naming : Naming
        rows, place, shares, passes, strongest
            See `Batch`.
        """
        gradient = naming.subject.gradient(passes, shares)
        layers = zip(passes.inputs, passes.deltas, strict=True)
        squares = [np.sum(d**2, axis=1) * (np.sum(a**2, axis=1) + 1) for a, d in layers]
        norms = np.sqrt(np.sum(squares, axis=0))
        lengths = norms * np.linalg.norm(gradient)
        products = naming.subject.products(passes, gradient)
        agreement = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cls(
            naming, rows, place, shares, passes.losses, norms, agreement, gradient, strongest,
            passes,
        )  # fmt: skip

    def gradients(self, places: ArrayLike) -> NDArray[Any]:
        """Return each row's gradient by some parameters.

        Parameters
        ----------
        places : array of int, shape (chosen,)
            Where the parameters are in the flat parameters.

        Returns
        -------
        array, shape (batch, chosen)
            ``shares @ gradients(places)`` is ``mean_gradient[places]``, but for rounding.
        """
        chosen = np.atleast_1d(np.asarray(places, np.intp))
        found = np.empty((len(self.rows), len(chosen)), self.mean_gradient.dtype)
        for column, at in enumerate(chosen):
            layer, source, unit = self.naming.place(int(at))
            delta = self.passes.deltas[layer - 1][:, unit]
            of_bias = source is None
            found[:, column] = (
                delta if of_bias else delta * self.passes.inputs[layer - 1][:, source]
            )
        return found

    def summary(self) -> str:
        """Say how far the rows pull the same way."""
        same, other = int(np.sum(self.agreement > 0)), int(np.sum(self.agreement < 0))
        words = [
            f"The batch has {several(len(self.rows), 'row')}; the gradient of the step is the sum "
            "of each row's gradient times its share."
        ]
        if self.place is not None:
            words.append(
                f"Row {self.rows[self.place]} has the share {written(self.shares[self.place])}, a "
                f"gradient of norm {written(self.norms[self.place])}, and the cosine "
                f"{written(self.agreement[self.place])} to the mean."
            )
        norm = written(float(np.linalg.norm(self.mean_gradient)))
        words.append(
            f"The mean has norm {norm}, the rows' gradients on average "
            f"{written(np.mean(self.norms))}; {same} of them pull its way, and {other} against it."
        )
        return " ".join(words)

    def columns(self) -> dict[str, Any]:
        """Return a row for each row of the batch."""
        return {
            "row": self.rows,
            "share": self.shares,
            "loss": self.losses,
            "gradient norm": self.norms,
            "agreement": self.agreement,
        }

    def _draw(self, axes: Any) -> None:
        parts = self.gradients(self.strongest) * self.shares[:, np.newaxis]
        shown = np.vstack([parts, np.sum(parts, axis=0)]).T
        extreme = float(np.max(np.abs(shown))) or 1.0
        image = axes.imshow(shown, cmap="RdBu_r", vmin=-extreme, vmax=extreme, aspect="auto")
        axes.axvline(len(self.rows) - 0.5, color="black")
        labels = [*map(str, self.rows), "sum"]
        every = max(1, len(self.rows) // 16)
        ticks = {*range(0, len(self.rows), every), len(self.rows)}
        if self.place is not None:
            ticks |= {self.place}
            labels[self.place] = f"row {self.rows[self.place]}"
        shown_at = sorted(ticks)
        axes.set_xticks(shown_at, [labels[k] for k in shown_at], rotation=90, fontsize="small")
        axes.set_yticks(range(len(self.strongest)), self.naming.parameters(self.strongest))
        axes.set_xlabel("rows of the batch, and their sum: the gradient of the step")
        axes.figure.colorbar(image, ax=axes, label="share x gradient of the row")
