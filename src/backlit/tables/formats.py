"""Which file is read and written how: by the end of its name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".feather": "feather"}


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
    def delimiter(self) -> str | None:
        """What stands between cells, or None for a file that is no text."""
        return {"csv": ",", "tsv": "\t"}.get(self.name)


def format_of(path: Path) -> Format:
    """Return the format that a file's name says.

    Raises
    ------
    ValueError
        If it says none that is known.
    """
    compressed = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if compressed else path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{path} has the suffix {suffix or 'of nothing'!r}, and tables are read and written as "
            f"{', '.join(SUFFIXES)}, each also with .gz; convert it"
        )
    return Format(SUFFIXES[suffix], compressed)


def open_bytes(path: Path, compressed: bool) -> IO[bytes]:
    """Open a file for reading what it holds once it is uncompressed."""
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a file into a sentence.

    Raises
    ------
    ValueError
    """
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from None


def compressor(file: IO[bytes]) -> Any:
    """Return a file that compresses into another.

    Equal content makes equal bytes: neither the clock nor a name is in the header. Level 6 as
    ``gzip`` does it: level 9 takes five times as long for a percent.
    """
    return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
