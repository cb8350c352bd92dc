"""One process at a time: a lock on a run's folder that the system lifts when its holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backlit.atomic import remove_leftovers

LOCK = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes, and other uses in this one, from writing into a run's folder.

    What a process that was killed left half written there is removed.

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
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
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
        remove_leftovers(folder)
        try:
            yield
        finally:
            _unlock(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        # To close the handle is not enough: a process that was forked meanwhile has it too.
        fcntl.flock(handle, fcntl.LOCK_UN)
