"""One process at a time: a lock on a run's folder that the system lifts when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes, and other uses in this one, from writing into a run's folder.

    Parameters
    ----------
    folder : Path
        The file ``lock`` in it stays: to remove it would let two holders meet.

    Raises
    ------
    ValueError
        If it is in use, or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from backlit.runs.lock import locked
    >>> with tempfile.TemporaryDirectory() as folder, locked(pathlib.Path(folder)):
    ...     pass
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written ({error.strerror})") from None
    try:
        try:
            free = _lock(handle)
        except OSError as error:  # some network drives have no locks
            raise ValueError(f"{folder} cannot be locked ({error.strerror})") from None
        if not free:
            raise ValueError(
                f"{folder} is in use by another training; wait for its end, or name another folder"
            )
        yield
    finally:
        os.close(handle)  # which lifts the lock


def _lock(handle: int) -> bool:
    try:
        try:
            import fcntl
        except ImportError:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # what Linux and macOS say, and what Windows says
        return False
    return True
