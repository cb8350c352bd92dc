"""Write a table to a file, whole or not at all."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.atomic import replacing
from backlit.tables import arrow
from backlit.tables.columns import as_array, date_texts, is_missing
from backlit.tables.formats import Format, compressor, format_of
from backlit.tables.records import Record, records_of
from backlit.tables.wording import counted, different_lengths, listed


def write_table(path: Path | str, columns: Mapping[str, ArrayLike]) -> None:
    """Write columns to a file, in the format that its name says.

    Parameters
    ----------
    path : path
        As for `read_table`. Replaced, in one indivisible act, if there is such a file.
    columns : mapping of str to array, shape (rows,)
        In CSV and TSV, a float has the fewest digits that read back to the same number of its
        dtype, and NaN, NaT, None and pandas' NA are empty cells.

    Raises
    ------
    ValueError
        If the columns are none or of different lengths, or the file cannot be written; an older
        file then stays as it was.

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
    if form.is_text:
        lines = (f"{line or QUOTED_NOTHING}\n" for line in _lines(arrays, form.delimiter))
        with _replacing(path, form) as file:
            _write_lines(file, lines)
    else:
        table = arrow.table_of(arrays, path)
        with _replacing(path, form) as file:
            arrow.store(table, file, form)


def extend_table(source: Path | str, path: Path | str, columns: Mapping[str, ArrayLike]) -> None:
    r"""Write the rows of a file, as they are, with more columns to their right.

    The rows of a text file are copied as they stand there, with their quotation marks and ends of
    lines, one by one whatever their number; blank lines are left out. The columns of Parquet and
    Feather keep their types.

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

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from backlit.tables import extend_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "agents.csv")
    ...     _ = path.write_text('number,name\n007,"Bond, James"\n')
    ...     extend_table(path, path, {"licence": ["to kill"]})
    ...     print(path.read_text())
    number,name,licence
    007,"Bond, James",to kill
    <BLANKLINE>
    """
    source, path = Path(source), Path(path)
    form, target = format_of(source), format_of(path)
    if form.name != target.name:
        raise ValueError(f"{path} must be a .{form.name} file, as {source} is; rename it")
    arrays = _arrays(columns, path)
    if form.is_text:
        with closing(records_of(source, form)) as records:
            header = next(records)
            _check_names(source, header.cells, arrays)
            with _replacing(path, target) as file:
                _write_lines(file, _joined(source, header, records, arrays, form.delimiter))
    else:
        table = arrow.load(source, form)
        _check_names(source, table.column_names, arrays)
        more = arrow.table_of(arrays, path)
        if table.num_rows != more.num_rows:
            raise ValueError(
                f"{source} has {counted(table.num_rows, 'row')}, and the new columns "
                f"{more.num_rows:,}"
            )
        for name in more.column_names:
            table = table.append_column(name, more[name])
        with _replacing(path, target) as file:
            arrow.store(table, file, target)


def _arrays(columns: Mapping[str, ArrayLike], path: Path) -> dict[str, NDArray[Any]]:
    if not columns:
        raise ValueError(f"there are no columns to write to {path}")
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = as_array(values)
        except ValueError as error:
            raise ValueError(f"column {name!r} for {path}: {error}") from None
    lengths = {name: len(array) for name, array in arrays.items()}
    if len({*lengths.values()}) > 1:
        raise ValueError(f"the columns for {path} are of {different_lengths(lengths)}")
    return arrays


def _check_names(source: Path, names: list[str], arrays: Mapping[str, Any]) -> None:
    taken = [repr(name) for name in arrays if name in names]
    if taken:
        raise ValueError(f"{source} has a column {listed(taken)} already; rename it")


# ----- Text files --------------------------------------------------------------------------------

ROWS_AT_ONCE = 4096

# What a cell cannot hold without quotation marks, in CSV and TSV alike. Blanks around it are no
# part of it; but a cell of blanks that is alone in its row would be a blank line, which is no row.
SPECIAL = re.compile(r'[",\t\r\n\ufeff]|^\s|\s$')
QUOTED_NOTHING = '""'  # an empty cell that is alone in its row, for the same reason


def _lines(arrays: Mapping[str, NDArray[Any]], delimiter: str) -> Iterator[str]:
    """Yield the header and the rows of columns, without ends of lines."""
    yield delimiter.join(map(_quoted, arrays))
    length = len(next(iter(arrays.values())))
    for start in range(0, length, ROWS_AT_ONCE):
        pieces = [_cells(array[start : start + ROWS_AT_ONCE]) for array in arrays.values()]
        for row in zip(*pieces, strict=True):
            yield delimiter.join(row)


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "f":
        # By way of NumPy's texts, which know how few digits a float32 needs.
        return np.where(np.isnan(values), "", values.astype(str)).tolist()
    if values.dtype.kind in "iub":
        return [*map(str, values.tolist())]
    if values.dtype.kind in "mM":
        values = date_texts(values)
    return ["" if is_missing(cell) else _quoted(str(cell)) for cell in values.tolist()]


def _quoted(cell: str) -> str:
    if SPECIAL.search(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _joined(
    source: Path,
    header: Record,
    records: Iterable[Record],
    arrays: Mapping[str, NDArray[Any]],
    delimiter: str,
) -> Iterator[str]:
    """Yield the lines of a file with more cells at their ends."""
    lines = _lines(arrays, delimiter)
    text = header.text.rstrip("\r\n")
    end = header.text[len(text) :]
    yield f"{text}{delimiter}{next(lines)}{end}"
    for record, line in zip_longest(records, lines):
        if record is None or line is None:
            length = len(next(iter(arrays.values())))
            many = "fewer" if record is None else "more"
            raise ValueError(
                f"{source} has {many} rows than the new columns, which have {length:,}"
            )
        # The last line of a file may have no end, and the others that of the header.
        text = record.text.rstrip("\r\n")
        yield f"{text}{delimiter}{line}{end}"


def _write_lines(file: IO[bytes], lines: Iterable[str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    text.writelines(lines)
    text.flush()
    text.detach()  # the file stays open: who opened it brings it to the disk


# ----- Files -------------------------------------------------------------------------------------


@contextmanager
def _replacing(path: Path, form: Format) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` when the block ends well."""
    try:
        with replacing(path) as file:
            if form.compressed:
                with compressor(file) as compressed:
                    yield compressed  # type: ignore[misc]
            else:
                yield file
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from None
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{path} cannot be written: a cell or a name holds {error.object[error.start]!r}, "
            "which is no character; remove it"
        ) from None
