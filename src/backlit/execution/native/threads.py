"""Threads that run a table of kernels together.

They are Python's, so that a debugger and a profiler see them, and spend their time in compiled
code without the interpreter's lock. They meet at a barrier that spins for a moment, then yields: a
thread that only spins would take the core from the one it waits for, when cores are short.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0


def default_threads() -> int:
    """Return how many threads to use, if nobody says.

    Returns
    -------
    int
        As many as there are processors for this process: those it may run on, within the limit of
        its control group (containers have one), and ``OMP_NUM_THREADS`` if that is set, as it is in
        the workers of joblib.

    Examples
    --------
    >>> from backlit.execution.native.threads import default_threads
    >>> default_threads() >= 1
    True
    """
    counts = [_allowed_processors()]
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        counts.append(-(-int(quota) // int(period)))  # "max" is no number: no limit
    with suppress(ValueError):
        counts.append(int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0]))
    return max(1, min(counts))


def _allowed_processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def team(size: int) -> Iterator[Callable[..., Future[Any]] | None]:
    """Hold threads for work that needs all of them at once.

    Parameters
    ----------
    size : int
        How many.

    Yields
    ------
    callable or None
        Has a thread call a function with arguments; None if somebody else in this process holds
        the threads.
    """
    global _pool, _size
    if not _lock.acquire(blocking=False):
        yield None
        return
    try:
        if _pool is None or _size < size:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool, _size = ThreadPoolExecutor(size, thread_name_prefix="backlit"), size
        yield _pool.submit
    finally:
        _lock.release()


def finish(futures: list[Future[Any]], stop: Callable[[], None]) -> None:
    """Wait for threads; on Ctrl-C, stop them first.

    Parameters
    ----------
    futures : list of Future
    stop : callable
        Makes them return soon.
    """
    try:
        while wait(futures, timeout=0.05).not_done:  # on Windows, only a wait that ends is ended
            pass
    except BaseException:
        stop()
        wait(futures)
        raise


@cache
def yield_address() -> int:
    """Return the address of the system's function that lets another thread run."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _forget() -> None:
    """Begin anew in a forked child: threads do not come with it."""
    global _lock, _pool, _size
    _lock, _pool, _size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
