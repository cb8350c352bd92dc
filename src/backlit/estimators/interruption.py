"""Ctrl-C: held back where it would do harm, and what a fit needs to go on after it."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class HeldBack:
    """Holds Ctrl-C back in the body of a ``with``, but for moments when it does no harm.

    Parameters are changed in place, and a record has several entries: an exception in between would
    leave neither the state before nor the one after. Who presses twice is not held back.

    Examples
    --------
    >>> import signal
    >>> from backlit.estimators.interruption import HeldBack
    >>> try:
    ...     with HeldBack() as ctrl_c:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("A step ends.")
    ...         ctrl_c.let_through()
    ...         print("Another one does not begin.")
    ... except KeyboardInterrupt:
    ...     print("Interrupted.")
    A step ends.
    Interrupted.
    """

    def __init__(self) -> None:
        self._came: tuple[Any, ...] | None = None
        self._before: Any = None

    def __enter__(self) -> HeldBack:
        # Only the main thread is interrupted, and only by handlers that were set in Python.
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                signal.signal(signal.SIGINT, self._note)
                self._before = before
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self.let_through()

    def let_through(self) -> None:
        """Say that now is such a moment.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C was pressed (or whatever else the handler of the program raises).
        """
        if self._came is not None:
            came, self._came = self._came, None
            self._before(*came)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let Ctrl-C through in the body of a ``with``, at any moment."""
        self.let_through()
        if self._before is None:
            yield
            return
        signal.signal(signal.SIGINT, self._before)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self._note)

    def _note(self, *signal_and_frame: Any) -> None:
        if self._came is not None:
            self.let_through()
        self._came = signal_and_frame


@dataclass(frozen=True, eq=False)
class Interrupted:
    """Where a fit was interrupted, beside what the estimator holds.

    Attributes
    ----------
    theta : array, shape (parameters,)
        The flat parameters after the last step.
    epochs : dict
        Of `Epochs.position`.
    before_split, now : tuple
        States of the random numbers: before anything was held out, and after the last order.
    kept : dict
        Of `Course.kept`.
    data : str
        Of `digest`.
    watching : Watching or None
        Of what was seen of the fit so far, if it is recorded.
    """

    theta: NDArray[Any]
    epochs: dict[str, Any]
    before_split: Any
    now: Any
    kept: dict[str, Any]
    data: str
    watching: Any = None


def digest(arrays: Iterable[Any]) -> str:
    """Return a text that is another one for other data.

    Parameters
    ----------
    arrays : iterable of array, csr array or None

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.interruption import digest
    >>> digest([np.zeros(2)]) == digest([np.zeros(2)]), digest([np.zeros(2)]) == digest([None])
    (True, False)
    """
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        dense = array is None or isinstance(array, np.ndarray)
        for part in (array,) if dense else (array.data, array.indices, array.indptr):
            if part is None:
                found.update(b"none")
            elif part.dtype == object:
                found.update(repr(part.tolist()).encode())
            else:
                found.update(f"{part.dtype}{part.shape}".encode())
                found.update(np.ascontiguousarray(part).data.cast("B"))
    return found.hexdigest()
