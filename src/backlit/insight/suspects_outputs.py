"""What the network said of each row while it learned, without what the row itself had pushed.

A row that is trained on pulls the network to its own label, right or wrong. The replay tells how
far: in each step, the outputs for the rows of the batch before and after it. What a row's own steps
have added is taken off again at its later visits, so that what is left is what the *other* rows
taught the network about it. Rows that were held out have pushed nothing. Of numbers to predict,
nothing is taken off: there, steps go to and fro as long as training lasts, and their sum would say
more about the other rows of the batches. And their mean leaves out the first epochs, in which
predictions are still on their way.

Outputs are averaged over the visits, as the area under the margin is (G. Pleiss et al.,
"Identifying mislabeled data using the area under the margin ranking", 2020), and only over the
epochs before the network begins to learn rows by heart: up to the last one before the validation
loss is measurably worse than its best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.blas import one_thread
from backlit.insight.recording import Moment, Part, Recording
from backlit.insight.subject import Subject

WORSE = 2.0
"""How many standard errors above its best a validation loss is measurably worse."""

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Heard:
    """What the network said of each row; the training part first, then the part held out.

    Attributes
    ----------
    outputs : array of float64, shape (examples, outputs)
        The mean over the epochs that are read; what an example's own steps added is taken off. Of
        numbers, as they were, over the epochs after the early ones.
    early : array of float64, shape (examples, outputs)
        The same over the first of these epochs, a quarter to a half of them, in which the network
        had learned least about single rows.
    last : array of float64, shape (examples, outputs)
        By the parameters that were kept in the end, with all that was learned.
    y : array
        Targets as the loss takes them.
    rows : array of int, shape (examples,)
        Where each example is in the user's data.
    held_out : array of bool, shape (examples,)
    epochs : int
        How many were read.
    """

    outputs: NDArray[np.float64]
    early: NDArray[np.float64]
    last: NDArray[np.float64]
    y: NDArray[Any]
    rows: NDArray[np.intp]
    held_out: NDArray[np.bool_]
    epochs: int


def hear(recording: Recording) -> Heard:
    """Replay a training as far as it is worth reading, and listen to what is said of each row.

    Without a part held out, the loss of the training rows without their own pushes says when to
    stop reading.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    Heard
    """
    subject, training, held_out = recording.subject, recording.training, recording.held_out
    parts = [training] if held_out is None else [training, held_out]
    count, width = len(training), subject.sizes[-1]
    first_held_out = slice(count, None)
    bounded = subject.targets in ("classes", "labels")
    pushed = np.zeros((count, width))
    total = np.zeros((sum(map(len, parts)), width))
    early = latest = total
    best: NDArray[Any] | None = None
    read = early_epochs = latest_epochs = 0
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        for moments in _by_epoch(recording):
            now = np.zeros_like(total)
            visits = np.zeros(count)
            for moment in moments:
                rows = moment.rows
                x = training.inputs(rows)
                before = subject.outputs(moment.theta, x).astype(np.float64)
                now[rows] += before - pushed[rows]
                visits[rows] += 1
                if bounded:
                    pushed[rows] += subject.outputs(moment.after, x) - before
            now[:count] /= np.maximum(visits, 1)[:, np.newaxis]
            if held_out is not None:
                # Training rows are visited all through the epoch: on the average, in its middle.
                middle = moments[len(moments) // 2].theta
                now[first_held_out] = outputs_of(subject, middle, held_out)
            watched = now[:count] if held_out is None else now[first_held_out]
            losses = np.asarray(subject.losses(watched, parts[-1].y), np.float64)
            if not np.all(np.isfinite(losses)):
                break
            if best is None or losses.mean() < best.mean():
                best = losses
            elif _is_worse(losses, best) and moments[0].epoch > recording.figures.best_epoch:
                break
            total = total + now
            read += 1
            if read & (read - 1) == 0:  # a power of two
                early, early_epochs = latest, latest_epochs
                latest, latest_epochs = total, read
    if read == 0:
        raise ValueError(
            "the losses were not finite from the first epoch on, so nothing can be said of rows; "
            "train with a lower learning rate"
        )
    if not early_epochs:  # there is but one
        early, early_epochs = total, read
    outputs = total / read
    if not bounded and read > early_epochs:
        outputs = (total - early) / (read - early_epochs)
    return Heard(
        outputs,
        early / early_epochs,
        np.concatenate([outputs_of(subject, recording.theta, part) for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.arange(len(total)) >= count,
        read,
    )


def _by_epoch(recording: Recording) -> Iterator[list[Moment]]:
    moments: list[Moment] = []
    for moment in recording.replay():
        if moments and moments[0].epoch != moment.epoch:
            yield moments
            moments = []
        moments.append(moment)
    yield moments


def _is_worse(losses: NDArray[Any], best: NDArray[Any]) -> bool:
    difference = losses - best
    error = np.std(difference) / np.sqrt(len(difference))
    return bool(difference.mean() > WORSE * error)


def outputs_of(subject: Subject, theta: NDArray[Any], part: Part) -> NDArray[np.float64]:
    """Return the outputs for all examples of a part, some at a time.

    Parameters
    ----------
    subject : Subject
    theta : array, shape (parameters,)
    part : Part

    Returns
    -------
    array of float64, shape (examples, outputs)
    """
    found = [
        subject.outputs(theta, part.inputs(slice(first, first + _ROWS_AT_ONCE)))
        for first in range(0, len(part), _ROWS_AT_ONCE)
    ]
    return np.concatenate(found).astype(np.float64)
