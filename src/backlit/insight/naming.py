"""What units and parameters are called, and how numbers are written, in answers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backlit.insight.recording import Recording
from backlit.insight.subject import Subject


@dataclass(frozen=True)
class Naming:
    """Names of the units and of the parameters of a network.

    Parameters
    ----------
    subject : Subject
    inputs : tuple of str
    outputs : tuple of str
        Of the output units.

    Examples
    --------
    >>> from backlit.insight.naming import Naming
    >>> from backlit.insight.subject import Subject
    >>> from backlit.networks import Network
    >>> network = Network(2, (3,), 1, loss="squared_loss")
    >>> naming = Naming(Subject.of(network), ("age", "height"), ("weight",))
    >>> naming.unit(1, 0), naming.unit(2, 0)
    ('unit 1', 'weight')
    >>> naming.parameter(1), naming.parameter(6)
    ('W1 age to unit 2', 'b1 unit 1')
    """

    subject: Subject
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, recording: Recording) -> Naming:
        """Return the names of a recording's network.

        Of two classes that one output tells apart, the output is called after the second.
        """
        outputs = recording.output_names[-recording.subject.sizes[-1] :]
        return cls(recording.subject, recording.input_names, outputs)

    def unit(self, layer: int, index: int) -> str:
        """Return the name of a unit: of an input in layer 0, of an output in the last layer."""
        if layer == 0:
            return self.inputs[index]
        return self.outputs[index] if layer == self.subject.depth else f"unit {index + 1}"

    def units(self, layer: int) -> list[str]:
        """Return the names of all units of a layer."""
        return [self.unit(layer, index) for index in range(self.subject.sizes[layer])]

    def place(self, place: int) -> tuple[int, int | None, int]:
        """Return where one of the flat parameters is.

        Parameters
        ----------
        place : int

        Returns
        -------
        layer : int
            Counted from 1.
        source : int or None
            The unit that a weight comes from; None for a bias.
        unit : int
        """
        layout = self.subject.layout
        names = list(layout.shapes)
        name = names[bisect_right([layout.slices[name].start for name in names], place) - 1]
        within = place - layout.slices[name].start
        layer, shape = int(name[1:]), layout.shapes[name]
        if name[0] == "b":
            return layer, None, within
        return layer, *divmod(within, shape[1])

    def parameter(self, place: int) -> str:
        """Return the name of one of the flat parameters."""
        layer, source, unit = self.place(place)
        if source is None:
            return f"b{layer} {self.unit(layer, unit)}"
        return f"W{layer} {self.unit(layer - 1, source)} to {self.unit(layer, unit)}"

    def parameters(self, places: Iterable[int] | None = None) -> list[str]:
        """Return the names of some of the flat parameters, by default of all."""
        chosen = range(self.subject.layout.size) if places is None else places
        return [self.parameter(int(place)) for place in chosen]


def written(number: float) -> str:
    """Return a number with four digits, as short as it goes.

    Examples
    --------
    >>> from backlit.insight.naming import written
    >>> [written(x) for x in (0.123456, -0.0, 3.0, 12345678.0, 1e-7)]
    ['0.1235', '0', '3', '1.235e+07', '1e-07']
    """
    return f"{float(number) + 0.0:.4g}"


def several(count: int, what: str) -> str:
    """Return a count and what is counted.

    Examples
    --------
    >>> from backlit.insight.naming import several
    >>> several(1, "row"), several(2, "row")
    ('1 row', '2 rows')
    """
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"


def table(columns: dict[str, list[str]]) -> list[str]:
    r"""Return texts in columns: the first to the left, the others to the right.

    Parameters
    ----------
    columns : dict of str to list of str

    Returns
    -------
    list of str
        Lines, the headings first.

    Examples
    --------
    >>> from backlit.insight.naming import table
    >>> print("\n".join(table({"name": ["a", "bcdef"], "number": ["1.5", "22"]})))
    name   number
    a         1.5
    bcdef      22
    """
    first, *others = ([heading, *cells] for heading, cells in columns.items())
    width = max(map(len, first))
    aligned = [[cell.ljust(width) for cell in first]]
    for column in others:
        width = max(map(len, column))
        aligned.append([cell.rjust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)]


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return where the values of largest magnitude are, in their order in the array.

    Of equals the first ones are taken.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.naming import largest
    >>> largest(np.array([1.0, -5.0, 0.0, 2.0]), 2)
    array([1, 3])
    """
    if len(values) <= count:
        return np.arange(len(values))
    return np.sort(np.argsort(-np.abs(values), kind="stable")[:count])


def aligned(cells: list[list[str]]) -> list[str]:
    r"""Return rows of texts as lines, each column as wide as its widest text.

    Examples
    --------
    >>> from backlit.insight.naming import aligned
    >>> print("\n".join(aligned([["a", "1"], ["bcd", "22"]])))
    a    1
    bcd  22
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
