"""From the columns of a table to the inputs of a network: numbers without gaps, of one size.

Everything is fitted on the training part alone and then kept with the model, so that a new row
goes the same way.

    numbers      standardised; a missing one takes the mean, and a second input says that it was
                 missing, if any was in training
    categories   one input for each level, 1 where the row has it ("one-hot"); inputs for missing
                 ones, if any was in training, and for levels beyond the commonest ones

A level that training never met has 0 in all inputs of its column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from backlit.tables.columns import Column, Numbers, Texts, parse_number
from backlit.tables.scaling import is_one_quantity, mean_and_deviation
from backlit.tables.slips import check_finite, check_slips, number_like
from backlit.tables.table import Table
from backlit.tables.wording import counted, listed, nearest, rows

MOST_LEVELS = 250
"""Of a column with more, the commonest have an input each, and the others share one."""


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, and how it becomes inputs.

    Attributes
    ----------
    name : str
    mean, scale : float
        The input is ``(number - mean) / scale``.
    indicator : bool
        Whether there is a second input, 1 where the number is missing.
    """

    name: str
    mean: float
    scale: float
    indicator: bool

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs."""
        return [self.name, *([f"{self.name} is missing"] if self.indicator else [])]

    def fill(self, table: Table, inputs: NDArray[Any]) -> None:
        """Write the inputs of each row; shape (rows, inputs)."""
        values, missing = _numbers(table, self.name)
        with np.errstate(over="ignore"):
            inputs[:, 0] = np.where(missing, 0.0, (values - self.mean) / self.scale)
        too_far = ~np.isfinite(inputs[:, 0])
        if np.any(too_far):
            raise ValueError(
                f"column {self.name!r} of {table.source} holds {values[np.argmax(too_far)]:g} in "
                f"{rows(table.row_numbers[too_far])}, too far from what the model was trained on "
                f"(mean {self.mean:g}, deviation {self.scale:g})"
            )
        if self.indicator:
            inputs[:, 1] = missing


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, and how it becomes inputs.

    Attributes
    ----------
    name : str
    levels : tuple of str
        Those with an input of their own, in order.
    missing : bool
        Whether there is an input for rows without a category.
    other : bool
        Whether there is an input for all levels beyond these, also those that training never met.
    """

    name: str
    levels: tuple[str, ...]
    missing: bool
    other: bool

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs."""
        return [
            *(f"{self.name} = {level}" for level in self.levels),
            *([f"{self.name} is missing"] if self.missing else []),
            *([f"{self.name} is another"] if self.other else []),
        ]

    def fill(self, table: Table, inputs: NDArray[Any]) -> None:
        """Write the inputs of each row; shape (rows, inputs)."""
        column = table[self.name]
        texts = column.to_texts() if isinstance(column, Numbers) else column
        places = {level: place for place, level in enumerate(self.levels)}
        nowhere = -1
        unknown = len(self.inputs) - 1 if self.other else nowhere
        absent = len(self.levels) if self.missing else nowhere
        translation = [*(places.get(level, unknown) for level in texts.levels), absent]
        place = np.array(translation)[texts.codes]  # the code -1 takes the last
        some = np.flatnonzero(place != nowhere)
        inputs[:] = 0
        inputs[some, place[some]] = 1


PreparedColumn: TypeAlias = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Preparation:
    """How the columns of a table become inputs. Made by `fit`.

    Attributes
    ----------
    columns : tuple of NumberColumn or CategoryColumn

    Examples
    --------
    >>> from backlit.tables import Preparation, Table
    >>> table = Table.from_columns({"age": [30, 50, None], "sex": ["f", "m", "f"]})
    >>> preparation, _ = Preparation.fit(table, ["age", "sex"])
    >>> preparation.inputs
    ['age', 'age is missing', 'sex = f', 'sex = m']
    >>> preparation.apply(table)
    array([[-1.,  0.,  1.,  0.],
           [ 1.,  0.,  0.,  1.],
           [ 0.,  1.,  1.,  0.]], dtype=float32)
    """

    columns: tuple[PreparedColumn, ...]

    @classmethod
    def fit(
        cls, table: Table, names: Sequence[str], training: ArrayLike | None = None
    ) -> tuple[Preparation, tuple[str, ...]]:
        """Decide how columns become inputs.

        Parameters
        ----------
        table : Table
            All rows: a slip in any of them is refused.
        names : sequence of str
            The columns to prepare.
        training : array of int, optional
            The rows to fit means, scales and levels on; all by default.

        Returns
        -------
        preparation : Preparation
        sentences : tuple of str
            What was decided beyond the ordinary, for people: which columns are left out, since they
            are constant or name each row, and which share a scale.

        Raises
        ------
        ValueError
            If a column has no values, holds infinite ones, or text in a few cells among numbers; or
            if no column is left.
        """
        for name in names:
            _check_values(table, name)
        part = table if training is None else table.take(training)
        constant = [name for name in names if _is_constant(part[name])]
        naming = [name for name in names if _names_each_row(name, part[name])]
        made = [_prepare(name, part[name]) for name in names if name not in {*constant, *naming}]
        left_out = _left_out(constant, naming)
        if not made:
            raise ValueError(f"{table.source} has no column to predict from. {left_out}".rstrip())
        columns, shared = _share_scale(part, made)
        unread = [
            f"Column {name!r} holds categories; if {number_like(table[name])!r} is a number in it, "
            "write it as Python does."
            for name in names
            if number_like(table[name])
        ]
        return cls(tuple(columns)), tuple(filter(None, (shared, left_out, *unread)))

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in their order."""
        return [name for column in self.columns for name in column.inputs]

    def apply(self, table: Table, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return the inputs of each row.

        Parameters
        ----------
        table : Table
            Its columns may be in any order; others are passed over.
        dtype : float32 or float64, default float32

        Returns
        -------
        array of ``dtype``, shape (rows, inputs)

        Raises
        ------
        ValueError
            If columns are missing (all are named), or one holds infinite values or text where
            numbers are needed.
        """
        check_columns(table, self.names)
        inputs = np.empty((len(table), len(self.inputs)), dtype)
        start = 0
        for column in self.columns:
            end = start + len(column.inputs)
            column.fill(table, inputs[:, start:end])
            start = end
        return inputs

    def to_json(self) -> list[dict[str, Any]]:
        """Return the preparation as JSON types."""
        kinds = {NumberColumn: "number", CategoryColumn: "category"}
        return [{"kind": kinds[type(column)], **asdict(column)} for column in self.columns]

    @classmethod
    def from_json(cls, document: Any) -> Preparation:
        """Return a preparation from what `to_json` gave.

        Raises
        ------
        ValueError
            If an entry is missing, unknown or not valid.
        """
        if not isinstance(document, list) or not document:
            raise ValueError("the preparation is not a list of columns")
        columns = tuple(map(_column_from_json, document))
        names = [column.name for column in columns]
        if len({*names}) < len(names):
            raise ValueError("the preparation has a column twice")
        return cls(columns)


def check_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse a table that lacks columns, naming all of them."""
    lacking = [name for name in names if name not in table]
    if lacking:
        plural = "s" if len(lacking) > 1 else ""
        hint = nearest(lacking[0], table.names) if len(lacking) == 1 else ""
        raise ValueError(
            f"{table.source} lacks the column{plural} {', '.join(map(repr, lacking))}{hint}"
        )


# ----- Fitting -----------------------------------------------------------------------------------


def _check_values(table: Table, name: str) -> None:
    if len(table) and np.all(table[name].missing) and not _is_nameless(name):
        raise ValueError(
            f"all values of column {name!r} are missing in {table.source}; leave it out with ignore"
        )
    check_slips(table, name)
    check_finite(table, name)


def _is_constant(column: Column) -> bool:
    """Return whether all rows are alike; to have a value and to have none is a difference."""
    missing = column.missing
    if np.any(missing):
        return bool(np.all(missing))
    if isinstance(column, Numbers):
        return bool(np.all(column.values == column.values[0]))
    return int(np.sum(column.counts() > 0)) <= 1


def _names_each_row(name: str, column: Column) -> bool:
    """Return whether a column only tells the rows apart.

    Each row has a text of its own, as names and numbers of cases do; or it is what a data frame
    writes beside its rows, a column without a name that counts them.
    """
    if len(column) <= 2 or np.any(column.missing):
        return False
    if isinstance(column, Texts):
        return int(np.max(column.counts())) == 1
    return _is_nameless(name) and bool(np.all(np.diff(column.values) >= 1))


def _is_nameless(name: str) -> bool:
    return re.fullmatch(r"column \d+|Unnamed: \d+", name) is not None


def _prepare(name: str, column: Column) -> PreparedColumn:
    missing = bool(np.any(column.missing))
    if isinstance(column, Numbers):
        mean, deviation = mean_and_deviation(column.values[~column.missing])
        return NumberColumn(name, mean, deviation or 1.0, missing)
    counts = column.counts()
    commonest = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    # Where each text stands in one row only, all that it can tell is that it is there.
    least = 2 if len(column) > 2 and int(np.max(counts)) == 1 else 1
    kept = [column.levels[code] for code in np.sort(commonest) if counts[code] >= least]
    other = int(np.sum(counts > 0)) > len(kept)
    return CategoryColumn(name, tuple(kept), missing, other)


def _left_out(constant: Sequence[str], naming: Sequence[str]) -> str:
    parts = [
        f"{listed([*map(repr, names)])} ({why})"
        for names, why in ((constant, "all rows alike"), (naming, "each row another"))
        if names
    ]
    return f"Left out: {', '.join(parts)}." if parts else ""


def _share_scale(
    table: Table, columns: Sequence[PreparedColumn]
) -> tuple[Sequence[PreparedColumn], str]:
    """Let columns that hold one quantity at many places, as pixels do, have one scale.

    With a scale each, a pixel at the border that is seldom set would be magnified most.
    """
    numbers = [column for column in columns if isinstance(column, NumberColumn)]
    values = [table[column.name] for column in numbers]
    if not is_one_quantity([column.values for column in values if isinstance(column, Numbers)]):
        return columns, ""
    scale = math.sqrt(math.fsum(column.scale**2 for column in numbers) / len(numbers))
    shared = [
        replace(column, scale=scale) if isinstance(column, NumberColumn) else column
        for column in columns
    ]
    sentence = f"{counted(len(numbers), 'column')} hold whole numbers of one range, as pixels do, "
    return shared, sentence + "and share one scale."


# ----- Applying ----------------------------------------------------------------------------------


def _numbers(table: Table, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    column = table[name]
    if isinstance(column, Texts):
        parsed = [parse_number(level) for level in column.levels]
        wrong = np.array([*(number is None for number in parsed), False])[column.codes]
        if np.any(wrong):
            text = column.levels[column.codes[np.argmax(wrong)]]
            raise ValueError(
                f"column {name!r} of {table.source} holds text, such as {text!r}, in "
                f"{rows(table.row_numbers[wrong])}, and the model needs numbers; correct or empty "
                "the cells"
            )
        values = np.array([*parsed, np.nan], np.float64)[column.codes]
        return values, np.isnan(values)
    check_finite(table, name)
    return column.values, column.missing


# ----- Reading -----------------------------------------------------------------------------------

_ENTRIES = {
    "number": {"name": str, "mean": float, "scale": float, "indicator": bool},
    "category": {"name": str, "levels": list, "missing": bool, "other": bool},
}


def _column_from_json(document: Any) -> PreparedColumn:
    if not isinstance(document, dict) or document.get("kind") not in (*_ENTRIES,):
        raise ValueError("a column of the preparation is neither of numbers nor of categories")
    kind = document["kind"]
    entries = {key: value for key, value in document.items() if key != "kind"}
    types = _ENTRIES[kind]
    if entries.keys() != types.keys():
        raise ValueError(f"a column of the preparation has not just {', '.join(types)}")
    for key, value in entries.items():
        if type(value) is not types[key]:
            raise ValueError(f"the {key} of a column of the preparation is {value!r}")
    if kind == "number":
        if not (math.isfinite(entries["mean"]) and 0 < entries["scale"] < math.inf):
            raise ValueError(f"the scale of column {entries['name']!r} is not a positive number")
        return NumberColumn(**entries)
    levels = entries.pop("levels")
    if not all(type(level) is str for level in levels) or len({*levels}) < len(levels):
        raise ValueError(f"the levels of column {entries['name']!r} are not texts, each once")
    return CategoryColumn(levels=tuple(levels), **entries)
