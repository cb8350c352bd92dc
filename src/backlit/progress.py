"""Progress for people to see: a bar on a terminal or in a notebook, and times in words."""

from __future__ import annotations

from importlib.util import find_spec
from typing import IO, Any


def epochs_bar(file: IO[str]) -> Any:
    """Return a bar that counts epochs, and shows a text of figures beside it.

    Parameters
    ----------
    file : text file

    Returns
    -------
    rich.progress.Progress
        Its tasks have a field ``figures``.

    Examples
    --------
    >>> import io
    >>> from backlit.progress import epochs_bar
    >>> bar = epochs_bar(io.StringIO())
    >>> task = bar.add_task("", total=10, figures="")
    >>> bar.update(task, completed=5, figures="loss 0.5000")
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[figures]}"),
        console=Console(file=file, highlight=False),
    )


def can_be_redrawn(bar: Any) -> bool:
    """Say whether there is a terminal or a notebook in which a bar moves.

    Parameters
    ----------
    bar : rich.progress.Progress
        Of `epochs_bar`.

    Returns
    -------
    bool

    Examples
    --------
    >>> import io
    >>> from backlit.progress import can_be_redrawn, epochs_bar
    >>> can_be_redrawn(epochs_bar(io.StringIO()))
    False
    """
    if bar.console.is_jupyter:
        return find_spec("ipywidgets") is not None  # rich needs it there
    return bool(bar.console.is_terminal)


def duration(seconds: float) -> str:
    """Return a time for people: ``41 s``, ``12 min``, ``3 h 20 min``.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.progress import duration
    >>> duration(41.2), duration(720), duration(12_000)
    ('41 s', '12 min', '3 h 20 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
