"""The steps of a training from the last to the first, with what each was made of.

What a gradient does to the network is spread over later steps where the optimizer has a memory. So
accounts are kept from the end: there, all that is still to come of a gradient is known.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Moment, Recording
from backlit.insight.responses import Response, response
from backlit.insight.subject import Passes

PLENTY = 2**28  # bytes that nobody misses: up to here, all steps are kept at once


@dataclass(frozen=True, eq=False)
class Parts:
    """What a step's change was made of.

    Attributes
    ----------
    moment : Moment
    passes : Passes
        Of the batch.
    shares : array of float64, shape (batch,)
        The weight of each example's gradient in the gradient that the optimizer was given:
        clipping counts.
    penalty : array, shape (parameters,)
        What penalties gave to that gradient.
    response : Response
        What the optimizer made of it.
    decay : array, shape (parameters,)
        What decoupled decay added to the parameters.
    """

    moment: Moment
    passes: Passes
    shares: NDArray[np.float64]
    penalty: NDArray[Any]
    response: Response
    decay: NDArray[Any]


def kept_steps(recording: Recording) -> int:
    """Return how many steps led to the parameters that were kept in the end."""
    return int(np.searchsorted(recording.epoch, recording.figures.best_epoch, side="right"))


def backwards(
    recording: Recording, steps: int, look: Callable[[Moment], object] | None = None
) -> Iterator[Moment]:
    """Yield the first steps of a training, the last of them first.

    Parameters
    ----------
    recording : Recording
    steps : int
    look : callable, optional
        Called with each step on the way to the last one, in the order of the training.

    Yields
    ------
    Moment

    Raises
    ------
    MemoryError
        If the machine has less memory than is needed; said before anything is computed.
    ValueError
        If the steps do not lead to the parameters that the training kept.

    Notes
    -----
    Where the parameters and the optimizer's state of all steps need no more than 256 MB, the
    training is made again once, and all are kept. Else it is made again twice: once to keep those
    of every ``sqrt(steps)``-th step, and from there on piece by piece. (A. Griewank, "Achieving
    logarithmic growth of temporal and spatial complexity in reverse automatic differentiation",
    1992, in its simplest form.)
    """
    theta, state = recording.course.begin()
    each = theta.nbytes + sum(array.nbytes for array in state.values())
    length = steps if steps * each <= PLENTY else math.isqrt(steps) + 1
    pieces = math.ceil(steps / length) if steps else 0
    ensure_memory(
        (length + pieces) * each, "a replay from the end of the training", "record a smaller one"
    )
    marks, kept = {1: (theta, state)}, []
    for moment in recording.replay(last=steps):
        theta = moment.after
        if look is not None:
            look(moment)
        if pieces == 1:
            kept.append(moment)
        elif moment.number % length == 0 and moment.number < steps:
            marks[moment.number + 1] = (moment.after, moment.state_after)
    if not np.array_equal(theta, recording.theta):
        apart = np.max(np.abs(theta - recording.theta))
        raise ValueError(
            f"the training, made again, came to other parameters than it did (up to {apart:.2g} "
            "apart), and an account would be of another network"
        )
    yield from reversed(kept)
    for first in sorted(marks, reverse=True) if pieces > 1 else ():
        last = min(first + length - 1, steps)
        yield from reversed(list(recording.replay(first, last, marks.pop(first))))


def parts_of(recording: Recording, moment: Moment) -> Parts:
    """Return what a step's change was made of."""
    course, part, subject = recording.course, recording.training, recording.subject
    rows, rate = moment.rows, moment.learning_rate
    passes = subject.passes(moment.theta, part.inputs(rows), part.y[rows], moment.key)
    shares = course.shares(rows).astype(np.float64)
    penalty = course.penalty(moment.theta, rows)
    if course.clip_norm is not None:
        gradient = subject.gradient(passes, shares) + penalty
        factor = course.clip_norm / max(float(np.linalg.norm(gradient)), course.clip_norm)
        shares, penalty = shares * factor, penalty * factor
    answered = response(course.optimizer, moment.state_after, rate, moment.number)
    decay = -course.shrinkage(rate) * moment.theta
    return Parts(moment, passes, shares, penalty, answered, decay)


def ensure_memory(needed: int, what: str, instead: str) -> None:
    """Raise an error where something needs more memory than the machine has.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        Needs them.
    instead : str
        What to do instead.

    Raises
    ------
    MemoryError
    """
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return
    if needed > there:
        raise MemoryError(
            f"{what} needs about {_size(needed)}, and this machine has {_size(there)}; {instead}"
        )


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
