"""Products of matrices on one thread, so that their bits do not depend on the number of cores."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

Library: TypeAlias = Literal["scipy", "others"]

_lock = threading.Lock()
_users: Counter[Library] = Counter()
_before: dict[Library, list[int]] = {}


@contextmanager
def one_thread(whose: Literal["all", "scipy"] = "all") -> Iterator[None]:
    """Hold BLAS at one thread.

    The limit is the whole process's. So uses that overlap, in several threads, are counted, and the
    last one to end restores what was before the first.

    Parameters
    ----------
    whose : {"all", "scipy"}, default "all"
        SciPy comes with a BLAS of its own, which the compiled kernels call; where that one alone is
        held, NumPy's products in other threads go on as before. Where they share one (as in conda's
        environments), it is held.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.execution.blas import one_thread
    >>> with one_thread():
    ...     float((np.ones((2, 3)) @ np.ones((3, 2))).sum())
    12.0
    """
    libraries: tuple[Library, ...] = ("scipy",) if whose == "scipy" else ("scipy", "others")
    with _lock:
        for library in libraries:
            _users[library] += 1
            if _users[library] == 1:
                found = _controllers(library)
                _before[library] = [each.get_num_threads() for each in found]
                _set(found, [1] * len(found))
    try:
        yield
    finally:
        with _lock:
            for library in libraries:
                _users[library] -= 1
                if _users[library] == 0:
                    _set(_controllers(library), _before.pop(library))


def _set(controllers: list[Any], counts: list[int]) -> None:
    # threadpoolctl's own limits take five times as long, which counts where one row is predicted.
    for controller, count in zip(controllers, counts, strict=True):
        controller.set_num_threads(count)


@cache
def _controllers(library: Library) -> list[Any]:
    """Return what sets the number of threads; made once, since it looks through all libraries."""
    import scipy.linalg.cython_blas  # noqa: F401  (now, so that its BLAS is found)
    from threadpoolctl import ThreadpoolController

    every = ThreadpoolController().select(user_api="blas").lib_controllers
    every = [found for found in every if found.get_num_threads() is not None]
    own = [each for each in every if Path(each.filepath).parent.name.startswith("scipy")] or every
    return own if library == "scipy" else [each for each in every if each not in own]
