"""CSV and TSV as columns of numbers or texts.

Read with Python's ``csv``, a few rows at a time, so that a file is never in memory as Python texts.
A column starts as numbers. At its first text it becomes one of texts, each distinct one stored
once; if numbers of it are already read, and with them their spelling lost, its texts are read in a
second pass.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.tables.columns import Column, Numbers, Texts, parse_number
from backlit.tables.formats import Format
from backlit.tables.records import records_of

CELLS_AT_ONCE = 2**18  # some 20 MB of Python texts


def read_delimited(
    path: Path, form: Format, categories: Collection[str], missing: Collection[str]
) -> dict[str, Column]:
    """Read the columns of a file; see `read_table`."""
    growing = _read(path, form, missing, texts=categories)
    again = [name for name, column in growing.items() if column.incomplete]
    if again:
        growing |= _read(path, form, missing, texts=again, wanted=again)
    if not any(column.pieces for column in growing.values()):
        raise ValueError(f"{path} has a header and no rows")
    return {name: column.finish(name in categories) for name, column in growing.items()}


def _read(
    path: Path,
    form: Format,
    missing: Collection[str],
    texts: Collection[str],
    wanted: Collection[str] | None = None,
) -> dict[str, _Growing]:
    records = records_of(path, form)
    names = next(records).cells
    growing = {
        name: _Growing(missing, name in texts) for name in names if wanted is None or name in wanted
    }
    rows_at_once = max(1, CELLS_AT_ONCE // len(names))
    while rows := [record.cells for record in islice(records, rows_at_once)]:
        for name, cells in zip(names, zip(*rows, strict=True), strict=True):
            if name in growing:
                growing[name].add(cells)
    return growing


class _Growing:
    """A column while it is read: pieces of numbers, or of codes for texts."""

    def __init__(self, missing: Collection[str], is_text: bool) -> None:
        self.missing = frozenset({"", *missing})
        # Whether a number such as -999 stands for no value, so that what float reads is not enough.
        self.number_is_missing = any(
            number is not None and not math.isnan(number) for number in map(parse_number, missing)
        )
        self.is_text = is_text
        self.incomplete = False  # whether pieces were lost when the column became one of texts
        self.pieces: list[NDArray[Any]] = []
        # A text that is new gets the number of those before it.
        self.codes: defaultdict[str, int] = defaultdict()
        self.codes.default_factory = self.codes.__len__

    def add(self, cells: Sequence[str]) -> None:
        if not self.is_text:
            numbers = self._numbers(cells)
            if numbers is not None:
                self.pieces.append(numbers)
                return
            self.is_text, self.incomplete, self.pieces = True, bool(self.pieces), []
        codes = map(self.codes.__getitem__, cells)
        self.pieces.append(np.fromiter(codes, np.int32, len(cells)))

    def _numbers(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the numbers that cells are, or None if one of them is none."""
        if not self.number_is_missing:
            with suppress(ValueError):
                numbers = np.fromiter(map(float, cells), np.float64, len(cells))
                if "_" not in "".join(cells):  # which float passes over
                    return numbers
        numbers = np.full(len(cells), np.nan)
        for place, cell in enumerate(cells):
            if cell.strip() not in self.missing:
                number = parse_number(cell)
                if number is None:
                    return None
                numbers[place] = number
        return numbers

    def finish(self, declared: bool) -> Column:
        joined = np.concatenate(self.pieces)
        self.pieces = []  # so that no more than one column is in memory twice
        if not self.is_text:
            return Numbers(joined)
        return Texts.encoded(joined, [*self.codes], self.missing, declared=declared)
