"""``backlit warmup``: compile the kernels before anybody waits for them."""

from __future__ import annotations

import sys
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backlit.training.warmup import warm_up


def warmup() -> str:
    """Compile all kernels that are not there yet, with a bar on a terminal.

    Returns
    -------
    str
        What was done, as a sentence.

    Raises
    ------
    ValueError
        If Numba is not installed.
    """
    began = time.perf_counter()
    columns = TextColumn("compiling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("")
            compiled, prepared = warm_up(
                lambda done, total: bar.update(task, completed=done, total=total)
            )
    except ImportError as error:
        raise ValueError(f"warmup compiles kernels by Numba: {error}") from error
    seconds = time.perf_counter() - began
    return f"{compiled} kernels compiled for {prepared} kinds of training in {seconds:.1f} s"
