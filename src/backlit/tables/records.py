"""CSV and TSV as records: the cells of a row, and the text that they stand in.

A record is a line of the file, or several where a quoted cell goes over the end of a line. A blank
line is none, even where there is one column only; an empty cell that is alone in its row is written
``""``, by everybody who writes such files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from backlit.tables.columns import parse_number
from backlit.tables.formats import Format, opened
from backlit.tables.wording import counted, listed

BYTE_ORDER_MARK = "\ufeff"  # at the start of UTF-8 files that spreadsheets write
BLANKS = f" \r\n{BYTE_ORDER_MARK}"
OTHER_DELIMITERS = ";\t|,"

# What the first bytes of a file say that is no text in UTF-8. Each signature holds a byte that no
# text has, since a column may be named PAR1.
SIGNATURES = {
    b"\x1f\x8b": "is compressed by gzip; let its name end in .gz",
    b"PAR1\x15": "is a Parquet file; let its name end in .parquet",
    b"ARROW1\0\0": "is a Feather file; let its name end in .feather",
    b"FEA1\0": "is a Feather file; let its name end in .feather",
    b"PK\x03\x04": "is a workbook or an archive; save the table as text",
    b"\xff\xfe": "is text in UTF-16; save it in UTF-8",
    b"\xfe\xff": "is text in UTF-16; save it in UTF-8",
}


class Record(NamedTuple):
    """A row of a text file.

    Attributes
    ----------
    cells : list of str
        Without the quotation marks.
    text : str
        As it stands in the file, with the end of the line.
    """

    cells: list[str]
    text: str


def records_of(path: Path, form: Format) -> Generator[Record, None, None]:
    """Yield the header and then the rows, each as long as the header.

    Parameters
    ----------
    path : Path
    form : Format
        Of a text file.

    Yields
    ------
    Record
        The cells of the first are the names of the columns, each once; a column without a name is
        named by its place, ``column 1``.

    Raises
    ------
    ValueError
        For what is wrong with the file, with the line where the record begins.
    """
    with opened(path, form) as file, _text(file, path) as text:
        lines: list[str] = []  # those of the record that is being read
        reader = csv.reader(
            _watched(text, lines, path),
            delimiter=form.delimiter,
            skipinitialspace=form.delimiter == ",",
            strict=True,
        )
        width, begin, after = 0, 1, 1
        try:
            for cells in reader:
                record = Record(cells, "".join(lines))
                lines.clear()
                begin, after = after, reader.line_num + 1
                if not record.text.strip(BLANKS):
                    continue
                if not width:
                    width = len(cells)
                    record = Record(_names(cells, path, form), record.text)
                elif len(cells) != width:
                    raise ValueError(
                        f"{path}, line {begin}: {counted(len(cells), 'cell')}, where the header "
                        f"has {width}; correct the line"
                    )
                yield record
        except UnicodeDecodeError:
            line = _first_line_not_utf8(path, form)
            raise ValueError(f"{path}, line {line}, is not UTF-8 text; save it in UTF-8") from None
        except csv.Error as error:
            raise ValueError(f"{path}, line {after}: {error}; is a quotation mark open?") from None
    if not width:
        raise ValueError(f"{path} is empty, and a table has a header and rows")


def _text(file: IO[bytes], path: Path) -> io.TextIOWrapper:
    start = file.read(max(map(len, SIGNATURES)))
    file.seek(0)
    for signature, sentence in SIGNATURES.items():
        if start.startswith(signature):
            raise ValueError(f"{path} {sentence}")
    return io.TextIOWrapper(file, encoding="utf-8", newline="")


def _watched(text: Iterable[str], lines: list[str], path: Path) -> Iterator[str]:
    """Yield lines, and note them in ``lines``."""
    for number, line in enumerate(text, start=1):
        if "\0" in line:
            raise ValueError(
                f"{path}, line {number}, holds a zero byte, which UTF-8 text does not; "
                "save it in UTF-8"
            )
        lines.append(line)
        yield line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line


def _names(header: list[str], path: Path, form: Format) -> list[str]:
    names = [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]
    if len({*names}) < len(names):
        twice = sorted({repr(name) for name in names if names.count(name) > 1})
        raise ValueError(
            f"{path} has more than one column named {listed(twice)}; rename them, or put a line "
            "of names above, if there is none"
        )
    numbers = [name for name in names if parse_number(name) is not None]
    if 2 * len(numbers) > len(names) and not all(name.isdigit() for name in numbers):
        raise ValueError(
            f"{path} has numbers such as {numbers[0]} in its first line, where the names of the "
            "columns are expected; put a line of names above it"
        )
    others = [mark for mark in OTHER_DELIMITERS if mark != form.delimiter and mark in names[0]]
    if len(names) == 1 and others:
        raise ValueError(
            f"{path} has {others[0]!r} between its cells, where a .{form.name} file has "
            f"{form.delimiter!r}; convert it"
        )
    return names


def _first_line_not_utf8(path: Path, form: Format) -> int:
    with opened(path, form) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    raise ValueError(f"{path} was changed while it was read")
