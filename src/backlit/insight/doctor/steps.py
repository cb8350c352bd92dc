"""Many steps at once, where a course can make them so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Course, Moment, Recording, State


def advance(
    course: Course, theta: NDArray[Any], state: State, batches: Sequence[NDArray[np.intp]],
    rates: NDArray[Any], first: int,
) -> tuple[NDArray[Any], State]:  # fmt: skip
    """Make steps one after another.

    Parameters
    ----------
    course : Course
        One with a method ``run`` makes neighbouring steps of one batch size at once.
    theta : array, shape (parameters,)
    state : dict of str to array
    batches : sequence of array of int
        The rows of each step.
    rates : array, shape (steps,)
    first : int
        The number of the first step.

    Returns
    -------
    theta, state
        After the last step.
    """
    run = getattr(course, "run", None)
    rates = np.asarray(rates, theta.dtype)
    if run is None:
        for number, (rows, rate) in enumerate(zip(batches, rates, strict=True), first):
            theta, state = course.step(theta, state, rows, rate, number)
        return theta, state
    done = 0
    for _, group in groupby(batches, len):
        rows = np.stack(list(group))
        theta, state = run(theta, state, rows, rates[done : done + len(rows)], first + done)
        done += len(rows)
    return theta, state


def batches_of(recording: Recording, start: int, stop: int) -> list[NDArray[np.intp]]:
    """Return the rows of the steps from ``start`` to before ``stop``, counted from 0."""
    bounds = recording.starts[start : stop + 1]
    return [recording.row[a:b] for a, b in zip(bounds, islice(bounds, 1, None), strict=False)]


def moments_at(recording: Recording, numbers: Sequence[int]) -> list[Moment]:
    """Repeat a training, and return some of its steps.

    Parameters
    ----------
    recording : Recording
    numbers : sequence of int
        Of the steps, counted from 1, in order.

    Returns
    -------
    list of Moment
    """
    course, done, moments = recording.course, 0, []
    theta, state = course.begin()
    for number in numbers:
        theta, state = advance(
            course, theta, state, batches_of(recording, done, number - 1),
            recording.learning_rate[done : number - 1], done + 1,
        )  # fmt: skip
        (rows,) = batches_of(recording, number - 1, number)
        rate = recording.learning_rate[number - 1]
        after, state_after = course.step(theta, state, rows, rate, number)
        moments.append(
            Moment(
                int(recording.epoch[number - 1]),
                number,
                rows,
                rate,
                theta,
                state,
                after,
                state_after,
                course.key(number),
            )
        )
        theta, state, done = after, state_after, number
    return moments
