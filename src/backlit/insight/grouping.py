"""The rows of a training in groups: each by itself, by class, by epoch, or by any column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Moment, Recording


@dataclass(frozen=True, eq=False)
class Grouping:
    """The rows of a training in groups.

    Attributes
    ----------
    by : str
        What a group is.
    names : tuple of str
        Of the groups.
    of_row : array of int, shape (examples,), or None
        The group of each training row; None where a group is an epoch.
    """

    by: str
    names: tuple[str, ...]
    of_row: NDArray[np.intp] | None

    def members(self, moment: Moment) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
        """Yield the groups in a step's batch, each with the places of its rows in the batch."""
        if self.of_row is None:
            yield moment.epoch - 1, slice(None)
            return
        own = self.of_row[moment.rows]
        for number in np.unique(own):
            yield int(number), np.flatnonzero(own == number)


def group(recording: Recording, by: str | Sequence[Any] | NDArray[Any]) -> Grouping:
    """Return the rows of a training in groups.

    Parameters
    ----------
    recording : Recording
    by : {"row", "class", "epoch"} or sequence
        A sequence has a label for each row of the user's data.

    Returns
    -------
    Grouping

    Raises
    ------
    ValueError
        If there are no classes, the word is another one, or labels do not fit the data.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.grouping import group
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=1)
    >>> group(recording, ["left"] * 32 + ["right"] * 32).names
    ('left', 'right')
    """
    part = recording.training
    if not isinstance(by, str):
        return _labelled(recording, by)
    if by == "row":
        return Grouping(by, tuple(str(row) for row in part.rows), np.arange(len(part)))
    if by == "epoch":
        epochs = range(1, recording.figures.best_epoch + 1)
        return Grouping(by, tuple(str(epoch) for epoch in epochs), None)
    if by != "class":
        raise ValueError(
            f'by={by!r} is no grouping; give "row", "class", "epoch", or a label for each row of '
            "your data"
        )
    if recording.subject.targets != "classes":
        raise ValueError(
            f"this network predicts {recording.subject.targets} and has no classes to group by; "
            'give by="row", "epoch", or a label for each row of your data'
        )
    names = tuple(name.removeprefix("class ") for name in recording.output_names)
    return Grouping(by, names, part.y.astype(np.intp))


def _labelled(recording: Recording, by: Sequence[Any] | NDArray[Any]) -> Grouping:
    labels, rows = np.asarray(by), recording.training.rows
    last = int(np.max(rows))
    if labels.ndim != 1 or len(labels) <= last:
        raise ValueError(
            f"by has shape {labels.shape}, and must have a label for each row of your data; the "
            f"training part reaches to row {last}"
        )
    names, of_row = np.unique(labels[rows], return_inverse=True)
    return Grouping("group", tuple(str(name) for name in names), of_row)
