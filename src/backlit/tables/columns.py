"""A column of a table: numbers, or texts.

There are two kinds of column and no more. What a file or a data frame holds beyond them is brought
to them here: truth values and dates become texts, decimals become numbers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null")
"""What stands for no value, with any blanks around it. ``None`` and ``-`` do not: they are often
the name of a level."""

ABSENT = -1  # the code of a missing text


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers.

    Attributes
    ----------
    values : array of float64, shape (rows,)
        NaN where a number is missing.
    """

    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each row has no number; shape (rows,)."""
        return np.isnan(self.values)

    def take(self, rows: NDArray[np.intp]) -> Numbers:
        """Return the column of some rows."""
        return Numbers(self.values[rows])

    def to_texts(self) -> Texts:
        """Return the numbers as texts: a whole number without a point, others as Python does."""
        present = ~self.missing
        distinct, inverse = np.unique(self.values[present], return_inverse=True)
        codes = np.full(len(self), ABSENT, np.int32)
        codes[present] = inverse
        return Texts.encoded(codes, [number_text(value) for value in distinct.tolist()], ())

    def as_categories(self) -> Texts:
        """Return the numbers as texts that are declared to be categories."""
        return self.to_texts().as_categories()


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts, each distinct one stored once.

    Attributes
    ----------
    codes : array of int32, shape (rows,)
        Positions in ``levels``; -1 where a text is missing.
    levels : tuple of str
        Sorted, and without blanks around.
    declared : bool, default False
        Whether somebody said that these are categories, so that numbers among them are no slip.
    """

    codes: NDArray[np.int32]
    levels: tuple[str, ...]
    declared: bool = False

    @classmethod
    def encoded(
        cls,
        codes: NDArray[np.int32],
        raw_levels: Sequence[str],
        missing: Collection[str] = MISSING,
        *,
        declared: bool = False,
    ) -> Texts:
        """Make a column of codes for texts as they came: unsorted, with blanks, missing ones too.

        Parameters
        ----------
        codes : array of int32, shape (rows,)
            Positions in ``raw_levels``, or -1.
        raw_levels : sequence of str
        missing : collection of str, default `MISSING`
        declared : bool, default False

        Returns
        -------
        Texts
        """
        stripped = [level.strip() for level in raw_levels]
        levels = sorted({*stripped} - {*missing})
        place = {level: code for code, level in enumerate(levels)}
        # One entry more, so that the code -1 stays -1.
        translation = np.array([*(place.get(level, ABSENT) for level in stripped), ABSENT])
        return cls(translation[codes].astype(np.int32), tuple(levels), declared)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each row has no text; shape (rows,)."""
        return self.codes == ABSENT

    def take(self, rows: NDArray[np.intp]) -> Texts:
        """Return the column of some rows; the levels stay."""
        return Texts(self.codes[rows], self.levels, self.declared)

    def as_categories(self) -> Texts:
        """Return the column, declared to be of categories."""
        return Texts(self.codes, self.levels, declared=True)

    def counts(self) -> NDArray[np.intp]:
        """Return the number of rows of each level; shape (levels,)."""
        return np.bincount(self.codes[~self.missing], minlength=len(self.levels))


Column: TypeAlias = Numbers | Texts


def number_text(value: float) -> str:
    """Return a number as a text: ``1`` for 1.0, ``0.5`` for 0.5."""
    return str(int(value)) if value.is_integer() else str(value)


def parse_number(text: str) -> float | None:
    """Return the number that a text is, or None if it is none.

    What Python's ``float`` reads, less underscores: ``1_000`` is a name.
    """
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def column(values: ArrayLike, missing: Collection[str] = MISSING) -> Column:
    """Make a column of an array.

    Parameters
    ----------
    values : array, shape (rows,)
        Integers and floats, also as Python objects, become numbers. Texts, truth values, dates and
        other objects become texts, by ``str``. None, NaN, NaT, pandas' NA and masked values are
        missing. What pandas holds as categories are categories, also of numbers.
    missing : collection of str, default `MISSING`
        Texts that stand for no value.

    Returns
    -------
    Numbers or Texts

    Raises
    ------
    ValueError
        If the array is not of one dimension, or a cell is no single number or text.

    Examples
    --------
    >>> from backlit.tables.columns import column
    >>> column([1, None, 3]).values
    array([ 1., nan,  3.])
    >>> column(["red", "", "blue", "red"])
    Texts(codes=array([ 1, -1,  0,  1], dtype=int32), levels=('blue', 'red'), declared=False)
    """
    if getattr(getattr(values, "dtype", None), "name", None) == "category":
        return column(as_array(values), missing).as_categories()
    array = as_array(values)
    if array.dtype.kind in "iuf":
        return Numbers(array.astype(np.float64))
    if array.dtype.kind in "mM":
        array = date_texts(array)
    cells = array.tolist()
    _check_cells(cells)
    present = [None if is_missing(cell) else cell for cell in cells]
    if all(cell is None or _is_number(cell) for cell in present):
        return Numbers(np.array([np.nan if cell is None else _number(cell) for cell in present]))
    codes, levels = _encode("" if cell is None else str(cell) for cell in present)
    return Texts.encoded(codes, levels, {"", *missing})


def as_array(values: ArrayLike) -> NDArray[Any]:
    """Return what is given as an array of one dimension.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()  # None where it is masked
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError("a column has one value for each row, not lists of them") from None
    if array.ndim != 1:
        raise ValueError(f"a column has one value for each row, not the shape {array.shape}")
    return array


def date_texts(dates: NDArray[Any]) -> NDArray[Any]:
    """Return dates or durations as texts, empty where there is none."""
    return np.where(np.isnat(dates), "", dates.astype(str))


def is_missing(cell: Any) -> bool:
    """Return whether a Python object stands for no value."""
    # NaN and NaT differ from themselves; pandas' NA cannot be asked.
    return cell is None or type(cell).__name__ == "NAType" or bool(cell != cell)


def _encode(texts: Iterable[str]) -> tuple[NDArray[np.int32], list[str]]:
    """Return codes for texts, and the distinct ones in the order of their first appearance."""
    place: dict[str, int] = {}
    codes = [place.setdefault(text, len(place)) for text in texts]
    return np.array(codes, np.int32), list(place)


def _check_cells(cells: list[Any]) -> None:
    for kind in {*map(type, cells)}:
        if issubclass(kind, (Iterable, complex)) and not issubclass(kind, str):
            raise ValueError(f"a cell is a number or a text, and one here is a {kind.__name__}")


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:  # an integer beyond 1.8e308, whose digits float would read as this
        return math.inf if cell > 0 else -math.inf


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (Real, Decimal)) and not isinstance(cell, bool)
