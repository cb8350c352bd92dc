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
_limits: dict[Library, Any] = {}


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
                _limits[library] = _controller(library).limit(limits=1)
    try:
        yield
    finally:
        with _lock:
            for library in libraries:
                _users[library] -= 1
                if _users[library] == 0:
                    _limits.pop(library).restore_original_limits()


@cache
def _controller(library: Library) -> Any:
    """Return what sets the number of threads; made once, since it looks through all libraries."""
    import scipy.linalg.cython_blas  # noqa: F401  (now, so that its BLAS is found)
    from threadpoolctl import ThreadpoolController

    every = ThreadpoolController().select(user_api="blas")
    paths = [found.filepath for found in every.lib_controllers]
    own = [path for path in paths if Path(path).parent.name.startswith("scipy")] or paths
    others = [path for path in paths if path not in own]
    return every.select(filepath=own if library == "scipy" else others)
