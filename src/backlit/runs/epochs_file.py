"""``record.sqlite``: the figures of every epoch, to be read by anyone while training goes on.

One table, ``epochs``. The journal mode is TRUNCATE, so that between two writes the one file is all
there is. SQLite itself does not notice a changed number; each row carries a digest that does.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

from backlit.training.state import Epoch

APPLICATION, VERSION = 0x42414B4C, 1  # "BAKL"
PATIENCE = 30.0  # seconds that a reader waits for a writer, and the other way round

_NAMES = [field.name for field in fields(Epoch)]
_CREATE = f"""
CREATE TABLE epochs (
    number INTEGER PRIMARY KEY, {", ".join(f"{name} REAL" for name in _NAMES[1:])},
    digest INTEGER NOT NULL
)"""
_INSERT = f"INSERT OR REPLACE INTO epochs VALUES ({', '.join('?' * (len(_NAMES) + 1))})"


class EpochsFile:
    """The figures of the epochs of a run, on disk.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from backlit.runs.epochs_file import EpochsFile
    >>> from backlit.training import Epoch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = EpochsFile(pathlib.Path(folder, "record.sqlite"))
    ...     file.write([Epoch(1, 0.7, 0.6, 0.8, 0.001, 2.5)])
    ...     file.read()[0].validation_score
    0.8
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, epochs: Sequence[Epoch], after: int | None = None) -> None:
        """Add epochs, in one transaction; those of the same numbers are replaced.

        Parameters
        ----------
        epochs : sequence of Epoch
        after : int, optional
            Remove the epochs above this number first, as when training goes on from there.

        Raises
        ------
        ValueError
            If the file is damaged or of a newer version.
        OSError
            If it cannot be written.
        """
        with self._open("rwc") as connection:
            self._check(connection)
            connection.execute("PRAGMA journal_mode = TRUNCATE")  # of this connection, not the file
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.execute(_CREATE)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            if after is not None:
                connection.execute("DELETE FROM epochs WHERE number > ?", (after,))
            connection.executemany(_INSERT, [(*_row(epoch), _digest(epoch)) for epoch in epochs])
            connection.execute("COMMIT")

    def read(self) -> list[Epoch]:
        """Return the epochs, in order.

        Raises
        ------
        ValueError
            If the file is damaged, of a newer version, or there is none.
        """
        if not self.path.is_file():
            raise ValueError(f"there is no file {self.path}")
        # For writing, where that can be, and else for reading: after a writer was killed, what it
        # had half done must be undone before anyone can read.
        with self._open("rw") as connection:
            self._check(connection)
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                raise ValueError(f"{self.path} is damaged: it is empty")
            # The digests see that a row is changed; this sees that one is gone.
            (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if problem != "ok":
                raise ValueError(f"{self.path} is damaged: {problem}")
            rows = connection.execute("SELECT * FROM epochs ORDER BY number").fetchall()
        epochs = []
        for number, row in enumerate(rows, start=1):
            epoch = _epoch(row)
            if epoch is None or epoch.number != number or row[-1] != _digest(epoch):
                raise ValueError(f"{self.path} is damaged: epoch {number} is not as it was written")
            epochs.append(epoch)
        return epochs

    def _check(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if (application, version) == (0, 0):
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise ValueError(f"{self.path} is a database, but not a record of training")
        elif application != APPLICATION or version < 1:
            raise ValueError(f"{self.path} is a database, but not a record of training")
        elif version > VERSION:
            raise ValueError(
                f"{self.path} is of version {version}, and this Backlit reads up to version "
                f"{VERSION}; install a newer Backlit"
            )

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"file:{quote(os.fsencode(self.path.absolute()))}?mode={mode}"
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
            try:
                yield connection
            finally:
                connection.close()  # which rolls back what was not committed
        except UnicodeDecodeError:  # of SQLite's message, which quotes what is damaged
            raise ValueError(f"{self.path} is damaged: its table is not described") from None
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_of_the_tables(error):
                raise OSError(errno.EIO, str(error), str(self.path)) from None
            raise ValueError(f"{self.path} is damaged: {error}") from None


def _is_of_the_tables(error: sqlite3.OperationalError) -> bool:
    """Return whether an error is of what the file holds: no table, no such column, no text."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # Python's own have none
    return code & 0xFF == sqlite3.SQLITE_ERROR


def _row(epoch: Epoch) -> tuple[float | None, ...]:
    """Return an epoch as SQLite gives it back: NULL for NaN, and 0.0 for -0.0."""
    figures = (None if math.isnan(f) else f + 0.0 for f in epoch.figures)
    return epoch.number, *figures


def _epoch(row: Sequence[object]) -> Epoch | None:
    number, *figures = row[:-1]
    if type(number) is not int or len(figures) != len(_NAMES) - 1:
        return None
    if not all(figure is None or type(figure) is float for figure in figures):
        return None
    # Checked above, one by one, which the type checker does not follow.
    return Epoch(number, *(math.nan if figure is None else figure for figure in figures))  # type: ignore[arg-type]


def _digest(epoch: Epoch) -> int:
    _, *figures = _row(epoch)
    packed = struct.pack("<q", epoch.number) + b"".join(
        b"-" if figure is None else b"+" + struct.pack("<d", figure) for figure in figures
    )
    (digest,) = struct.unpack("<q", hashlib.sha256(packed).digest()[:8])
    return int(digest)
