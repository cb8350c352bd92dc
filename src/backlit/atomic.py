"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PREFIX = ".backlit-"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of another, in one act, when the block ends well.

    A reader, now or after a crash, finds the old content or the new.

    Parameters
    ----------
    path : Path
        An older file's permissions are kept.

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind, and an older file stays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from backlit.atomic import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "note.txt")
    ...     with replacing(path) as file:
    ...         _ = file.write(b"whole")
    ...     path.read_text()
    'whole'
    """
    # In the same folder, since only within one file system is a rename one indivisible act.
    temporary = path.parent / f"{PREFIX}{os.urandom(8).hex()}"
    try:
        # Made as any new file is, unlike those of `tempfile`: the umask says who may read it.
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the content must reach the disk before the name does
        with suppress(FileNotFoundError):
            os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # One of this file names the temporary one, or none; others are not ours to rename.
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as `replacing` does.

    Parameters
    ----------
    path : Path
    content : bytes

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind, and an older file stays.
    """
    with replacing(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while writing left in a folder.

    Parameters
    ----------
    folder : Path
        Into which nobody else may be writing.
    """
    for leftover in folder.glob(f"{PREFIX}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with suppress(OSError):
                leftover.unlink()
