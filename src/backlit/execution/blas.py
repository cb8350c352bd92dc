"""Products of matrices on one thread, so that their bits do not depend on the number of cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limit: Any = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS at one thread.

    The limit is the whole process's. So uses that overlap, in several threads, are counted, and the
    last one to end restores what was before the first.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.execution.blas import one_thread
    >>> with one_thread():
    ...     float((np.ones((2, 3)) @ np.ones((3, 2))).sum())
    12.0
    """
    from threadpoolctl import ThreadpoolController

    global _users, _limit
    with _lock:
        _users += 1
        if _users == 1:
            # Anew each time, since it holds the libraries that are loaded by now.
            _limit = ThreadpoolController().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.restore_original_limits()
