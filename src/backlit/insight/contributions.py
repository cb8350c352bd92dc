"""What each input contributes to a prediction: a sum that ends at the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.insight.answer import Answer
from backlit.insight.lookup import find_name, find_row
from backlit.insight.naming import aligned, largest, several, written
from backlit.insight.recording import Recording

SHOWN = 10


@dataclass(frozen=True, eq=False, repr=False)
class Contributions(Answer):
    """What each input contributes: ``start`` + all ``contributions`` + ``residual`` = ``value``.

    Attributes
    ----------
    row : int or None
        Where the example is in the user's data; None if its inputs were given.
    quantity : str
        What is explained: an output before the last activation, in words.
    value : float
        Of the quantity.
    start_name : str
    start : float
        Of the quantity, where no input contributes.
    names : tuple of str
        Of the inputs, or of columns.
    inputs : array of float64, shape (inputs,), or None
        What the network was given; None for columns of several inputs.
    contributions : array of float64, shape (inputs,)
    residual : float
        What is missing to the value.
    """

    row: int | None
    quantity: str
    value: float
    start_name: str
    start: float
    names: tuple[str, ...]
    inputs: NDArray[np.float64] | None
    contributions: NDArray[np.float64]
    residual: float

    def by_column(self, columns: Sequence[str]) -> Contributions:
        """Return the contributions summed by the columns that the inputs were made of.

        Parameters
        ----------
        columns : sequence of str
            For each input the column it came from, as of categories that became several inputs.

        Returns
        -------
        Contributions

        Raises
        ------
        ValueError
            If there is not one for each input.
        """
        if len(columns) != len(self.names):
            raise ValueError(
                f"by_column: there are {len(self.names)} inputs, and {len(columns)} columns were "
                "given; give the column of each input"
            )
        names = tuple(dict.fromkeys(columns))
        place = {name: position for position, name in enumerate(names)}
        total = np.zeros(len(names))
        np.add.at(total, [place[name] for name in columns], self.contributions)
        own = {f.name: getattr(self, f.name) for f in fields(Contributions)}
        return Contributions(**{**own, "names": names, "inputs": None, "contributions": total})

    def summary(self) -> str:
        """Return the strongest contributions, the strongest first."""
        who = "The example" if self.row is None else f"Row {self.row}"
        at = largest(self.contributions, SHOWN)
        at = at[np.argsort(-np.abs(self.contributions[at]), kind="stable")]
        cells = [[self.start_name, "", written(self.start)]]
        for k in at:
            given = "" if self.inputs is None else f"= {written(self.inputs[k])}"
            cells.append([self.names[k], given, f"{self.contributions[k]:+.4g}"])
        if rest := len(self.names) - len(at):
            others = float(np.sum(self.contributions) - np.sum(self.contributions[at]))
            cells.append([several(rest, "other"), "", f"{others:+.4g}"])
        cells.append(["sum", "", written(self.value - self.residual)])
        lines = [f"  {line}" for line in aligned(cells)]
        return "\n".join([f"{who}: {self.quantity} is {written(self.value)}.", *lines])

    def columns(self) -> dict[str, Any]:
        """Return a row for each input."""
        found: dict[str, Any] = {"input": list(self.names)}
        if self.inputs is not None:
            found["value"] = self.inputs
        return {**found, "contribution": self.contributions}

    def _draw(self, axes: Any) -> None:
        at = largest(self.contributions, SHOWN)
        at = at[np.argsort(np.abs(self.contributions[at]), kind="stable")]
        labels = [self.names[k] for k in at]
        if self.inputs is not None:
            labels = [f"{self.names[k]} = {written(self.inputs[k])}" for k in at]
        bars = self.contributions[at]
        if rest := len(self.names) - len(at):
            labels = [several(rest, "other"), *labels]
            bars = np.r_[np.sum(self.contributions) - np.sum(bars), bars]
        colours = np.where(bars > 0, "#c0392b", "#2471a3")
        axes.barh(range(len(bars)), bars, color=colours)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(bars)), labels)
        axes.set_xlabel(f"contribution to {self.quantity}")
        axes.set_title(
            f"{self.start_name} {written(self.start)}, with all inputs {written(self.value)}",
            fontsize=10,
        )


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number that the outputs make: ``outputs @ coefficients``.

    Attributes
    ----------
    name : str
    coefficients : array of float64, shape (outputs,)
    """

    name: str
    coefficients: NDArray[np.float64]


def quantity_of(
    recording: Recording, outputs: NDArray[Any], output: int | str | None,
    against: int | str | None, who: str,
) -> Quantity:  # fmt: skip
    """Return what is explained of an example.

    Parameters
    ----------
    recording : Recording
    outputs : array, shape (outputs,)
        Of the example.
    output, against : int, str or None
        A name or its position among the output names. By default the predicted class against the
        strongest other; the label of largest output; the first target.
    who : str
        Asks; named in errors.

    Returns
    -------
    Quantity

    Raises
    ------
    ValueError
        If there is no such output, or ``against`` is given where outputs are no classes.
    """
    names, targets = recording.output_names, recording.subject.targets
    coefficients = np.zeros(len(outputs))
    if targets != "classes":
        if against is not None:
            raise ValueError(f"{who}: against is for classes, and the outputs are {targets}")
        default = int(np.argmax(outputs)) if targets == "labels" else 0
        chosen = default if output is None else find_name(names, output, who, "output")
        coefficients[chosen] = 1
        said = {"labels": "the log-odds of ", "counts": "the logarithm of the expected "}
        return Quantity(said.get(targets, "") + names[chosen], coefficients)
    two = len(outputs) == 1
    scores = np.array([0.0, outputs[0]]) if two else outputs.astype(np.float64)
    chosen = int(np.argmax(scores)) if output is None else find_name(names, output, who, "output")
    if against is None:
        other = int(np.argmax(np.where(np.arange(len(scores)) == chosen, -np.inf, scores)))
    else:
        other = find_name(names, against, who, "against")
    if chosen == other:
        raise ValueError(f"{who}: output and against are both {names[chosen]}; give two classes")
    if two:
        coefficients[0] = 1 if chosen == 1 else -1
    else:
        coefficients[chosen], coefficients[other] = 1, -1
    return Quantity(f"the log-odds of {names[chosen]} against {names[other]}", coefficients)


def inputs_of(recording: Recording, row: int | ArrayLike, who: str) -> tuple[int | None, Any]:
    """Return an example's number and its inputs in float64, from the number or the inputs.

    Raises
    ------
    ValueError
        If there is no such row, or the inputs are not as many numbers as the network takes.
    """
    if isinstance(row, int | np.integer):
        name, position = find_row(recording, int(row), who)
        part = recording.training if name == "training" else recording.held_out
        assert part is not None
        return int(row), part.inputs(np.array([position]))[0].astype(np.float64)
    x = np.asarray(row, np.float64)
    count = recording.subject.sizes[0]
    if x.shape != (count,) or not np.all(np.isfinite(x)):
        raise ValueError(
            f"{who}: give the number of a row, or {count} finite inputs, not an array of shape "
            f"{x.shape}{'' if x.shape != (count,) else ' with numbers that are not finite'}"
        )
    return None, x
