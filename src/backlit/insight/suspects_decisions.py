"""What a person decided about suspect rows: a CSV file to edit, and what a next training takes.

The file has a line for each suspect. A person writes ``keep``, ``relabel`` or ``drop`` into the
column ``decision``; for ``relabel``, the right label into ``new_label``, or leaves what the row
looks like. It may go through a spreadsheet: a cell that one would take for a formula begins with
an apostrophe, which is taken off again.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.tables.wording import counted, listed, nearest
from backlit.tables.writing import write_table

COLUMNS = (
    "row", "part", "reason", "about", "given", "looks_like", "chance", "evidence", "decision",
    "new_label",
)  # fmt: skip
NEEDED = ("row", "about", "given", "looks_like", "decision", "new_label")
ACTIONS = ("keep", "relabel", "drop")


@dataclass(frozen=True)
class Decision:
    """What was decided about one row.

    Attributes
    ----------
    line : int
        Of the file, counted from 1.
    row : int
        Where the row is in the user's data, counted from 0.
    about : str
        Which label or target; empty where there is one.
    given : str
        What the row was labelled.
    action : {"keep", "relabel", "drop"}
    new_label : str
        For ``relabel``.
    """

    line: int
    row: int
    about: str
    given: str
    action: str
    new_label: str


@dataclass(frozen=True)
class Decisions:
    """Decisions about rows, to be applied to the targets of a next training.

    Attributes
    ----------
    source : str
        The file they are from.
    each : tuple of Decision

    Examples
    --------
    >>> from backlit.insight.suspects_decisions import Decision, Decisions
    >>> made = Decisions("file", (Decision(2, 1, "", "cat", "relabel", "dog"),
    ...                           Decision(3, 2, "", "cat", "drop", "")))
    >>> y, weights = made.apply(["dog", "cat", "cat"])
    >>> y, weights
    (array(['dog', 'dog', 'cat'], dtype='<U3'), array([1., 1., 0.]))
    """

    source: str
    each: tuple[Decision, ...]

    def apply(
        self, y: ArrayLike, weights: ArrayLike | None = None, names: Sequence[str] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return targets and example weights for a next training.

        Parameters
        ----------
        y : array, shape (rows,) or (rows, labels or targets)
            The targets of all the user's rows, in the order in which the training had them. They
            are not changed.
        weights : array, shape (rows,), optional
            Of the examples; by default 1.
        names : sequence of str, optional
            The names of the classes, where ``y`` holds their numbers; of the columns, where it has
            several. `Recording.output_names` are these.

        Returns
        -------
        y : array, as the one given
            With new labels. Its type is wider if a label is longer.
        weights : array of float64, shape (rows,)
            0 for rows to drop.

        Raises
        ------
        ValueError
            If a row is out of range or has another label than the one that was decided about, or a
            new label is not one that there is; the message names the file and the line.
        """
        given = np.asarray(y)
        if given.ndim not in (1, 2):
            raise ValueError(f"targets have one or two dimensions, not the shape {given.shape}")
        if len(self.each) and given.ndim == 2 and names is None:
            raise ValueError("targets of several columns need names, one for each column")
        new: NDArray[Any] = given.astype(object)
        shares = np.ones(len(given)) if weights is None else np.array(weights, np.float64)
        if shares.shape != (len(given),):
            raise ValueError(
                f"there are {counted(len(given), 'row')} and weights of the shape {shares.shape}"
            )
        known = _Known.of(given, names)
        for decision in self.each:
            where = f"{self.source}, line {decision.line}"
            if not 0 <= decision.row < len(given):
                raise ValueError(
                    f"{where}: there is no row {decision.row} in data of "
                    f"{counted(len(given), 'row')}, which are counted from 0"
                )
            place = known.place(decision, where)
            if not known.same(given[place], decision.given):
                raise ValueError(
                    f"{where}: row {decision.row} was decided about as "
                    f"{decision.given!r}, and is {known.text(given[place])!r} in these data; give "
                    "the data that the training had"
                )
            if decision.action == "drop":
                shares[decision.row] = 0
            elif decision.action == "relabel":
                new[place] = known.value(decision.new_label, where)
        if given.dtype.kind in "US":
            return np.array(new.tolist()), shares
        return new.astype(given.dtype), shares

    def summary(self) -> str:
        """Return how many rows are kept, relabelled and dropped."""
        count = {action: sum(d.action == action for d in self.each) for action in ACTIONS}
        return (
            f"{counted(count['keep'], 'row')} to keep, {count['relabel']:,} to relabel, "
            f"{count['drop']:,} to drop"
        )

    def __str__(self) -> str:
        return self.summary()


@dataclass(frozen=True)
class _Known:
    """What targets are called, and which there are."""

    names: Sequence[str] | None
    numbers: bool
    columns: bool
    values: dict[str, Any] | None
    truth: bool

    @classmethod
    def of(cls, y: NDArray[Any], names: Sequence[str] | None) -> _Known:
        columns = y.ndim == 2
        if columns and names is not None and len(names) != y.shape[1]:
            raise ValueError(
                f"there are {counted(y.shape[1], 'column')} of targets and {len(names)} names"
            )
        truth = columns and bool(np.all((y == 0) | (y == 1)))
        numbers = y.dtype.kind == "f" and not truth
        if names is not None and not columns and not numbers:
            if y.dtype.kind not in "iub":
                raise ValueError("names are for targets that are numbers of classes")
            beyond = y[(y < 0) | (y >= len(names))]
            if len(beyond):
                raise ValueError(f"there is a class {beyond[0]}, and {len(names)} names")
            values: dict[str, Any] | None = {name: place for place, name in enumerate(names)}
        else:
            values = None if numbers else {str(value): value for value in np.unique(y).tolist()}
        return cls(names, numbers, columns, values, truth)

    def place(self, decision: Decision, where: str) -> Any:
        if not self.columns:
            return decision.row
        assert self.names is not None
        if decision.about not in self.names:
            raise ValueError(
                f"{where}: there is no label or target "
                f"{decision.about!r}{nearest(decision.about, self.names)}"
            )
        return decision.row, self.names.index(decision.about)

    def text(self, value: Any) -> str:
        if self.truth:
            return str(int(value))
        if self.values is None:
            return repr(float(value))
        return next((name for name, known in self.values.items() if known == value), str(value))

    def same(self, value: Any, text: str) -> bool:
        if self.values is not None:
            return self.text(value) == text
        # float32 has about seven digits, and that is what a training may have had.
        return _is_number(text) and math.isclose(float(value), float(text), rel_tol=1e-5)

    def value(self, text: str, where: str) -> Any:
        if self.truth and text in ("0", "1"):
            return int(text)
        if self.values is None:
            if not _is_number(text):
                raise ValueError(f"{where}: the new label must be a number, not {text!r}")
            return float(text)
        if self.truth or text not in self.values:
            hint = "; 0 or 1 is needed" if self.truth else nearest(text, self.values)
            raise ValueError(f"{where}: there is no label {text!r}{hint}")
        return self.values[text]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


# ----- The file ----------------------------------------------------------------------------------

_FORMULA = re.compile(r"^[=+\-@\t\r']")


def write_decisions(path: Path | str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write suspects to a CSV file in which a person decides.

    Parameters
    ----------
    path : path
        Ends in ``.csv``. A file that is there is not replaced, since decisions may be in it.
    columns : mapping of str to sequence
        As `COLUMNS`, without the last two.

    Raises
    ------
    ValueError
        If there is such a file, or it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".csv":
        raise ValueError(f"decisions are written to a .csv file, not {path.name}")
    if path.exists():
        raise ValueError(f"{path} is there already, and may hold decisions; choose another name")
    count = len(columns["row"])
    full = {**columns, "decision": ["keep"] * count, "new_label": [""] * count}
    write_table(path, {name: [_safe(cell) for cell in full[name]] for name in COLUMNS})


def _safe(cell: Any) -> Any:
    if not isinstance(cell, str) or _is_number(cell):
        return cell
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell[1:]) else cell


def read_decisions(path: Path | str) -> Decisions:
    r"""Read the decisions that a person has written into a file of suspects.

    Columns may be moved, and those that are only to be read left out; lines may be left out, too.
    Commas, semicolons and tabs between cells are understood.

    Parameters
    ----------
    path : path

    Returns
    -------
    Decisions

    Raises
    ------
    ValueError
        If the file cannot be read, a column is missing, a row number or a decision is not one, or
        a row is decided about twice; the message names the line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from backlit.insight.suspects_decisions import read_decisions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "decisions.csv")
    ...     _ = path.write_text(
    ...         "row,about,given,looks_like,decision,new_label\n7,,cat,dog,relabel,\n"
    ...     )
    ...     print(read_decisions(path))
    0 rows to keep, 1 to relabel, 0 to drop
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = next((mark for mark in ",;\t" if mark in header), ",")
            each = tuple(_decisions(path, csv.reader(file, delimiter=delimiter, strict=True)))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8; save it as CSV UTF-8") from None
    return Decisions(str(path), each)


def _decisions(path: Path, reader: Any) -> Iterable[Decision]:
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [repr(name) for name in NEEDED if name not in header]
        if missing:
            raise ValueError(f"{path} has no column {listed(missing)}")
        twice = [repr(name) for name in NEEDED if header.count(name) > 1]
        if twice:
            raise ValueError(f"{path} has the column {listed(twice)} twice")
        decided: dict[tuple[int, str], int] = {}
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {line}: {counted(len(cells), 'cell')}, and the header has "
                    f"{len(header)}"
                )
            decision = _decision(
                f"{path}, line {line}", line, dict(zip(header, cells, strict=True))
            )
            key = decision.row, decision.about
            if key in decided:
                raise ValueError(
                    f"{path}, line {line}: row {decision.row} was decided about in line "
                    f"{decided[key]} already"
                )
            decided[key] = line
            yield decision
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


def _decision(where: str, line: int, cells: Mapping[str, str]) -> Decision:
    cell = {name: _plain(cells[name].strip()) for name in NEEDED}
    if not re.fullmatch("[0-9]{1,15}", cell["row"]):
        raise ValueError(f"{where}: the row must be a number from 0 on, not {cell['row']!r}")
    action = cell["decision"].lower()
    if action not in ACTIONS:
        raise ValueError(
            f"{where}: the decision must be keep, relabel or drop, not {cell['decision']!r}"
        )
    label = cell["new_label"] or cell["looks_like"]
    if action == "relabel" and not label:
        raise ValueError(f"{where}: to relabel row {cell['row']}, write its new_label")
    if action != "relabel" and cell["new_label"]:
        raise ValueError(
            f"{where}: there is a new_label, {cell['new_label']!r}, and the decision is "
            f"{action}; write relabel, or empty the new_label"
        )
    new = label if action == "relabel" else ""
    return Decision(line, int(cell["row"]), cell["about"], cell["given"], action, new)
