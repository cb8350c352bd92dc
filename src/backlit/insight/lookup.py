"""Finding what a question is about: a row of the user's data, an output by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backlit.insight.recording import Recording


def find_row(recording: Recording, row: int, who: str) -> tuple[str, int]:
    """Return the part that a row is in, and its position there.

    Parameters
    ----------
    recording : Recording
    row : int
        Where it is in the user's data.
    who : str
        Asks; named in the error.

    Returns
    -------
    part : {"training", "held-out"}
    position : int

    Raises
    ------
    ValueError
        If the row is in neither part.
    """
    parts = {"training": recording.training, "held-out": recording.held_out}
    for name, part in parts.items():
        if part is not None and len(found := np.flatnonzero(part.rows == row)):
            return name, int(found[0])
    known = np.concatenate([part.rows for part in parts.values() if part is not None])
    raise ValueError(
        f"{who}: row {row} is neither in the training nor in the held-out part; their "
        f"{len(known):,} rows are from {known.min()} to {known.max()}"
    )


def find_name(names: Sequence[str], asked: int | str, who: str, what: str) -> int:
    """Return the position of a name, or of a position that is in range.

    Parameters
    ----------
    names : sequence of str
    asked : int or str
    who, what : str
        Asks, for what; named in the error.

    Raises
    ------
    ValueError
        If there is no such name or position.

    Examples
    --------
    >>> from backlit.insight.lookup import find_name
    >>> find_name(("no", "yes"), "yes", "inputs", "output")
    1
    """
    if isinstance(asked, str):
        if asked in names:
            return list(names).index(asked)
    elif 0 <= asked < len(names):
        return int(asked)
    shown = ", ".join(names[:10]) + (" and so on" if len(names) > 10 else "")
    raise ValueError(
        f"{who}: {what} must be a name ({shown}) or from 0 to {len(names) - 1}, not {asked!r}"
    )
