"""Cells that cannot be meant: text among numbers, and infinite numbers."""

from __future__ import annotations

import re

import numpy as np

from backlit.tables.columns import Column, Numbers, Texts, parse_number
from backlit.tables.table import Table
from backlit.tables.wording import counted, listed, rows

MOST_SLIPS = 10  # different ones: more of them are names, as in codes like 250.01, V57 and E909
NEARLY_ALL = 0.9  # of the cells that are not missing
FEWEST_NUMBERS = 20  # different ones: fewer may be the names of grades, as in 2, 3, 4 and 5more


def check_slips(table: Table, name: str) -> None:
    """Refuse a column of texts that are numbers but for a few.

    Such are columns with at most ten different texts in their other cells, whose cells are numbers
    in nine of ten, or in half and at least twenty different ones.

    Parameters
    ----------
    table : Table
    name : str

    Raises
    ------
    ValueError
        That names the texts and their rows, and what can be done.
    """
    column = table[name]
    if not isinstance(column, Texts) or column.declared:
        return
    counts = column.counts()
    is_number = np.array([parse_number(level) is not None for level in column.levels], bool)
    slips = np.flatnonzero(~is_number & (counts > 0))
    of_numbers, total = np.sum(counts[is_number]), np.sum(counts)
    many_numbers = np.sum(counts[is_number] > 0) >= FEWEST_NUMBERS
    share = 0.5 if many_numbers else NEARLY_ALL
    if not 0 < len(slips) <= MOST_SLIPS or of_numbers < share * total:
        return
    # The rarest first: of three texts, those in one row are the slips most easily mended.
    slips = slips[np.argsort(counts[slips], kind="stable")]
    where = [
        f"{column.levels[code]!r} in {rows(table.row_numbers[column.codes == code])}"
        for code in slips
    ]
    raise ValueError(
        f"column {name!r} of {table.source} holds numbers, but text in "
        f"{counted(int(total - of_numbers), 'cell')}: {listed(where)}; correct or empty the cells, "
        "or declare the column as categories"
    )


NUMBER_LIKE = re.compile(r"[-+]?[$€£¥]?\s?\d[\d.,' ]*\s?[%$€£¥]?")


def number_like(column: Column) -> str:
    """Return a text of a column that people read as a number and Python does not.

    Parameters
    ----------
    column : Column

    Returns
    -------
    str
        Empty, unless nine of ten cells are such texts, as ``1,234`` or ``5 %``, or numbers.

    Examples
    --------
    >>> from backlit.tables.columns import column
    >>> from backlit.tables.slips import number_like
    >>> number_like(column(["1,234", "999", "$5.50"])), number_like(column(["red", "1,234"]))
    ('$5.50', '')
    """
    if not isinstance(column, Texts) or column.declared:
        return ""
    counts = column.counts()
    alike = np.array([NUMBER_LIKE.fullmatch(level) is not None for level in column.levels], bool)
    if np.sum(counts[alike]) < NEARLY_ALL * np.sum(counts):
        return ""
    examples = (level for level, fits in zip(column.levels, alike, strict=True) if fits)
    return next((level for level in examples if parse_number(level) is None), "")


def check_finite(table: Table, name: str) -> None:
    """Refuse a column of numbers some of which are infinite.

    Parameters
    ----------
    table : Table
    name : str

    Raises
    ------
    ValueError
        That names the rows.
    """
    column = table[name]
    if isinstance(column, Numbers):
        infinite = np.isinf(column.values)
        if np.any(infinite):
            raise ValueError(
                f"column {name!r} of {table.source} holds infinite values in "
                f"{rows(table.row_numbers[infinite])}; correct or empty the cells"
            )
