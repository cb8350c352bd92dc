"""Write a table to a file, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.tables import arrow
from backlit.tables.delimited import rows_of
from backlit.tables.formats import Format, compressor, format_of
from backlit.tables.wording import counted, listed


def write_table(path: Path | str, columns: Mapping[str, ArrayLike]) -> None:
    """Write columns to a file, in the format that its name says.

    Parameters
    ----------
    path : path
        As for `read_table`. Replaced, in one indivisible act, if there is such a file.
    columns : mapping of str to array, shape (rows,)
        In CSV and TSV, a float has the fewest digits that read back to the same number of its
        dtype, and NaN and None are empty cells.

    Raises
    ------
    ValueError
        If the columns are of different lengths, or the file cannot be written; an older file then
        stays as it was.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from backlit.tables import write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "out.csv")
    ...     write_table(path, {"prediction": ["yes", "no"], "probability": np.float32([0.9, 0.2])})
    ...     print(path.read_text())
    prediction,probability
    yes,0.9
    no,0.2
    <BLANKLINE>
    """
    path = Path(path)
    form = format_of(path)
    arrays = _arrays(columns, path)
    if form.delimiter is None:
        table = arrow.table_of(arrays, path)
        with _replacing(path, form) as file:
            arrow.store(table, file, form)
    else:
        with _replacing(path, form) as file:
            _write_rows(file, form, chain([list(arrays)], _rows(arrays)))


def extend_table(source: Path | str, path: Path | str, columns: Mapping[str, ArrayLike]) -> None:
    """Write the rows of a file, as they are, with more columns to their right.

    The cells of the source are copied with their spelling (``007``) or, in Parquet and Feather,
    their types. A text file is copied row by row, whatever its size.

    Parameters
    ----------
    source : path
        As for `read_table`.
    path : path
        Of the source's format; with ``.gz`` or not. May be the source.
    columns : mapping of str to array, shape (rows of the source,)
        As for `write_table`.

    Raises
    ------
    ValueError
        If the formats or the numbers of rows differ, the source has a column of one of these names
        already, or a file cannot be read or written; an older file then stays as it was.
    """
    source, path = Path(source), Path(path)
    form, target = format_of(source), format_of(path)
    if form.name != target.name:
        raise ValueError(f"{path} must be a .{form.name} file, as {source} is")
    arrays = _arrays(columns, path)
    length = len(next(iter(arrays.values()), ()))
    if form.delimiter is None:
        table = arrow.load(source, form)
        _check_fit(source, table.column_names, table.num_rows, arrays, length)
        for name, values in arrays.items():
            table = table.append_column(name, [values])
        with _replacing(path, target) as file:
            arrow.store(table, file, target)
    else:
        rows = rows_of(source, form)
        names = next(rows)
        _check_fit(source, names, length, arrays, length)
        with _replacing(path, target) as file:
            paired = _paired(source, rows, _rows(arrays), length)
            _write_rows(file, target, chain([[*names, *arrays]], paired))


def _check_fit(
    source: Path, names: list[str], rows: int, arrays: Mapping[str, Any], length: int
) -> None:
    taken = [repr(name) for name in arrays if name in names]
    if taken:
        raise ValueError(f"{source} has a column {listed(taken)} already; rename it")
    if rows != length:
        raise ValueError(f"{source} has {counted(rows, 'row')}, and the new columns {length:,}")


def _paired(
    source: Path, rows: Iterable[list[str]], more: Iterable[list[str]], length: int
) -> Iterator[list[str]]:
    for row, added in zip_longest(rows, more):
        if row is None or added is None:
            many = "fewer" if row is None else "more"
            raise ValueError(f"{source} has {many} rows than the new columns ({length:,})")
        yield row + added


def _arrays(columns: Mapping[str, ArrayLike], path: Path) -> dict[str, NDArray[Any]]:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len({*shapes.values()}) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"the columns for {path} must be of one length, and not {shapes}")
    return arrays


# ----- Text files --------------------------------------------------------------------------------

ROWS_AT_ONCE = 4096


def _rows(arrays: Mapping[str, NDArray[Any]]) -> Iterator[list[str]]:
    length = len(next(iter(arrays.values()), ()))
    for start in range(0, length, ROWS_AT_ONCE):
        piece = [_cells(array[start : start + ROWS_AT_ONCE]) for array in arrays.values()]
        yield from map(list, zip(*piece, strict=True))


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "f":
        # By way of NumPy's texts, which know how few digits a float32 needs.
        return np.where(np.isnan(values), "", values.astype(str)).tolist()
    return ["" if cell is None or cell != cell else str(cell) for cell in values.tolist()]


def _write_rows(file: IO[bytes], form: Format, rows: Iterable[list[str]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    csv.writer(text, delimiter=form.delimiter or ",", lineterminator="\n").writerows(rows)
    text.flush()
    text.detach()  # the file stays open: who opened it brings it to the disk


# ----- Files -------------------------------------------------------------------------------------


@contextmanager
def _replacing(path: Path, form: Format) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` when the block ends well."""
    try:
        # In the same folder, since only within one file system is a rename one indivisible act.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file:
            if form.compressed:
                with compressor(file) as compressed:
                    yield compressed
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())  # the content must reach the disk before the name does
        os.chmod(temporary, 0o644)  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise ValueError(f"{path} cannot be written ({error.strerror})") from None
    except BaseException:
        os.unlink(temporary)
        raise
