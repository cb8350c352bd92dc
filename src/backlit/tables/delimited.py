"""CSV and TSV: rows of texts, and columns of numbers or texts made of them.

Read with Python's ``csv``, a few thousand rows at a time, so that a file is never in memory as
Python texts. A column starts as numbers. At its first text it becomes one of texts, each distinct
one stored once; if numbers of it are already read, and with them their spelling lost, its texts are
read in a second pass.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backlit.tables.columns import Column, Numbers, Texts, parse_number
from backlit.tables.formats import Format, explained, open_bytes
from backlit.tables.wording import counted, listed

ROWS_AT_ONCE = 4096

Row = list[str]


# ----- Rows --------------------------------------------------------------------------------------


def rows_of(path: Path, form: Format) -> Iterator[Row]:
    """Yield the names of the columns, then the rows, each checked to be as long.

    Blank lines are no rows. A column without a name is named by its place, ``column 1``.

    Raises
    ------
    ValueError
        For what is wrong with the file, with the line.
    """
    with explained(path), open_bytes(path, form.compressed) as file:
        reader = csv.reader(
            io.TextIOWrapper(file, encoding="utf-8-sig", newline=""),
            delimiter=form.delimiter or ",",
            skipinitialspace=form.delimiter == ",",
            strict=True,
        )
        try:
            header = next((row for row in reader if row), None)
            if header is None:
                raise ValueError(f"{path} is empty")
            yield _names(header, path, form)
            for row in reader:
                if len(row) == len(header):
                    yield row
                elif row:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: {counted(len(row), 'cell')}, where the "
                        f"header has {len(header)}"
                    )
        except UnicodeDecodeError:
            line = _first_line_not_utf8(path, form)
            raise ValueError(f"{path} is not UTF-8 text (line {line}); convert it") from None
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {reader.line_num}: {error}; is a quotation mark open?"
            ) from None


def _names(header: Row, path: Path, form: Format) -> list[str]:
    names = [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has more than one column named {listed(twice)}; rename them")
    other = next((mark for mark in ";\t," if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise ValueError(
            f"{path} has {other!r} between its cells, where a .{form.name} file has "
            f"{form.delimiter!r}; convert it"
        )
    return names


def _first_line_not_utf8(path: Path, form: Format) -> int:
    with open_bytes(path, form.compressed) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    raise AssertionError("the file changed while it was read")


# ----- Columns -----------------------------------------------------------------------------------


def read_delimited(
    path: Path, form: Format, categories: Collection[str], missing: Collection[str]
) -> dict[str, Column]:
    """Read the columns of a file; see `read_table`."""
    growing = _read(path, form, missing, texts=categories, wanted=None)
    again = [name for name, column in growing.items() if column.incomplete]
    if again:
        growing |= _read(path, form, missing, texts=again, wanted=again)
    if not any(len(column) for column in growing.values()):
        raise ValueError(f"{path} has a header and no rows")
    return {name: column.finish(name in categories) for name, column in growing.items()}


def _read(
    path: Path,
    form: Format,
    missing: Collection[str],
    texts: Collection[str],
    wanted: Collection[str] | None,
) -> dict[str, _Growing]:
    rows = rows_of(path, form)
    names = next(rows)
    growing = {
        name: _Growing(missing, name in texts) for name in names if wanted is None or name in wanted
    }
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        for name, cells in zip(names, zip(*chunk, strict=True), strict=True):
            if name in growing:
                growing[name].add(cells)
    return growing


class _Growing:
    """A column while it is read: pieces of numbers, or of codes for texts."""

    def __init__(self, missing: Collection[str], is_text: bool) -> None:
        self.missing = frozenset(missing)
        self.is_text = is_text
        self.incomplete = False  # whether pieces were lost when the column became one of texts
        self.pieces: list[NDArray[np.float64]] | list[NDArray[np.int32]] = []
        # A text that is new gets the number of those before it.
        self.codes: defaultdict[str, int] = defaultdict()
        self.codes.default_factory = self.codes.__len__

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def add(self, cells: tuple[str, ...]) -> None:
        if not self.is_text:
            numbers = self._numbers(cells)
            if numbers is not None:
                self.pieces.append(numbers)  # type: ignore[arg-type]
                return
            self.is_text, self.incomplete, self.pieces = True, bool(self.pieces), []
        codes = map(self.codes.__getitem__, cells)
        self.pieces.append(np.fromiter(codes, np.int32, len(cells)))  # type: ignore[arg-type]

    def _numbers(self, cells: tuple[str, ...]) -> NDArray[np.float64] | None:
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
            if "_" not in "".join(cells):  # which float passes over
                return numbers
        except ValueError:
            pass
        parsed = [np.nan if cell.strip() in self.missing else parse_number(cell) for cell in cells]
        return None if None in parsed else np.array(parsed, np.float64)

    def finish(self, declared: bool) -> Column:
        joined = np.concatenate(self.pieces)
        self.pieces = []  # so that no more than one column is in memory twice
        if not self.is_text:
            return Numbers(joined.astype(np.float64, copy=False))
        return Texts.encoded(
            joined.astype(np.int32, copy=False), [*self.codes], self.missing, declared=declared
        )
