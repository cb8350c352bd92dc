"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, now or after a crash, finds the old content or the new.

    Parameters
    ----------
    path : Path
    content : bytes

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind, and an older file stays.
    """
    # In the same folder, since only within one file system is a rename one indivisible act.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # the content must reach the disk before the name does
        os.chmod(temporary, 0o644)  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):  # a full disk is met by a handle, which has no name
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
