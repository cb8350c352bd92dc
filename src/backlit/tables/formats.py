"""Which file is read and written how: by the end of its name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".feather": "feather"}
DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class Format:
    """How a table lies in a file.

    Attributes
    ----------
    name : {"csv", "tsv", "parquet", "feather"}
    compressed : bool
        Whether the whole file is compressed by gzip.
    """

    name: str
    compressed: bool

    @property
    def is_text(self) -> bool:
        """Whether the file is lines of text."""
        return self.name in DELIMITERS

    @property
    def delimiter(self) -> str:
        """What stands between the cells of a text file."""
        return DELIMITERS[self.name]


def format_of(path: Path) -> Format:
    """Return the format that a file's name says.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Format

    Raises
    ------
    ValueError
        If it says none that is known.

    Examples
    --------
    >>> from pathlib import Path
    >>> format_of(Path("people.csv.gz"))
    Format(name='csv', compressed=True)
    """
    compressed = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if compressed else path).suffix.lower()
    if suffix not in SUFFIXES:
        given = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise ValueError(
            f"{path} has {given}, and tables are read and written as {', '.join(SUFFIXES)}, each "
            "also with .gz; convert it"
        )
    return Format(SUFFIXES[suffix], compressed)


@contextmanager
def opened(path: Path, form: Format) -> Iterator[IO[bytes]]:
    """Open a file for reading what it holds once it is uncompressed.

    Parameters
    ----------
    path : Path
    form : Format

    Yields
    ------
    file
        Of bytes, at its start.

    Raises
    ------
    ValueError
        For whatever goes wrong in opening and reading it, within the block too.
    """
    try:
        # gzip.open is declared to give texts as well, which it does in another mode.
        with cast(IO[bytes], gzip.open(path)) if form.compressed else path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; name a file in it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged, or not compressed by gzip: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None


def compressor(file: IO[bytes]) -> gzip.GzipFile:
    """Return a file that compresses into another.

    Equal content makes equal bytes: neither the clock nor a name is in the header. Level 6 as
    ``gzip`` does it: level 9 takes five times as long for a percent.
    """
    return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
