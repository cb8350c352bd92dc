"""What a training comes to without some of its rows: by training again, not by an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.execution.blas import one_thread
from backlit.insight.answer import Answer
from backlit.insight.backwards import kept_steps
from backlit.insight.goals import Prediction, goal_of
from backlit.insight.recording import Recording


@dataclass(frozen=True, eq=False)
class Removal(Answer):
    """What a training came to without some of its rows.

    Attributes
    ----------
    goal : str
        What was asked about, as it is called in a sentence.
    rows : array of int
        The rows that were removed, by their positions in the user's data.
    before, after : float
        The number with all rows, and without these.
    moved : float
        How far apart the parameters of both trainings are, as a part of how far the first one went.
    """

    goal: str
    rows: NDArray[np.intp]
    before: float
    after: float
    moved: float

    def columns(self) -> Mapping[str, Any]:
        """Return the number with and without the rows."""
        return {"training": ["with all rows", "without them"], "value": [self.before, self.after]}

    def summary(self) -> str:
        """Return what changed, in plain words."""
        which = f"row {self.rows[0]}" if len(self.rows) == 1 else f"{len(self.rows)} rows"
        return (
            f"Trained again without {which}, with the same seed, batches and number of steps: "
            f"{self.goal} came to {self.after:.4g} in place of {self.before:.4g} "
            f"({self.after - self.before:+.4g}). The parameters ended {self.moved:.1%} of the "
            "way of the training apart."
        )

    def _draw(self, axes: Any) -> None:
        axes.barh(["without them", "with all rows"], [self.after, self.before], color="#0072B2")
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel(self.goal)


def removal(
    recording: Recording,
    rows: int | Sequence[int] | ArrayLike,
    of: str | int | Prediction = "validation loss",
) -> Removal:
    """Train again without some rows, and return what changed.

    The same start, batches, learning rates and dropout, and as many steps as led to the parameters
    that were kept; in every batch, the rows have no weight.

    Parameters
    ----------
    recording : Recording
    rows : int or sequence of int
        Training rows, by their positions in your data.
    of : "validation loss", int or Prediction
        What is asked about, as in `backlit.insight.pushes.pushes`.

    Returns
    -------
    Removal

    Raises
    ------
    ValueError
        If a row is not in the training part, or a batch would have no row left.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.removal import removal
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=9)
    >>> found = removal(recording, [62, 61], of=63)
    >>> bool(found.after < found.before)
    True
    """
    goal = goal_of(recording, of)
    rows = np.unique(np.atleast_1d(np.asarray(rows, np.intp)))
    places = _places(recording, rows)
    steps = kept_steps(recording)
    _check_batches(recording, places, steps)
    changed = replace(recording, course=recording.course.without(places))
    theta, _ = recording.course.begin()
    begun = theta
    with one_thread():
        for moment in changed.replay(last=steps):
            theta = moment.after
        way = float(np.linalg.norm(recording.theta - begun))
        apart = float(np.linalg.norm(theta - recording.theta))
        before, after = goal.value(recording.theta), goal.value(theta)
    return Removal(goal.name, rows, before, after, apart / way if way else 0.0)


def _places(recording: Recording, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    places = np.flatnonzero(np.isin(recording.training.rows, rows))
    missing = np.setdiff1d(rows, recording.training.rows)
    if len(missing) or not len(rows):
        own = recording.training.rows
        given = (
            f"row {missing[0]} is not in the training part" if len(missing) else "no row is given"
        )
        raise ValueError(
            f"{given}; give some of its {len(own)} rows, which are among {np.min(own)} to "
            f"{np.max(own)}"
        )
    return places


def _check_batches(recording: Recording, places: NDArray[np.intp], steps: int) -> None:
    left = ~np.isin(recording.row, places)
    for number, (start, end) in enumerate(pairwise(recording.starts[: steps + 1]), 1):
        if not np.any(left[start:end]):
            raise ValueError(
                f"the batch of step {number} would have no row left; remove fewer than these "
                f"{len(places)} rows, or train with larger batches"
            )
