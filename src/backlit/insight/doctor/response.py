"""How a training responds: some of its steps again, with another learning rate or without burdens.

Whether a rate is too high cannot be read from the rate. It is read from what happens to the loss
when the same steps are made with a tenth of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.doctor.signal import sample
from backlit.insight.doctor.steps import advance, batches_of
from backlit.insight.recording import Moment, Recording

FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
_STEPS = 150
_RELIEVED = 60
_ROWS = 512
_RATE, _BETA1, _BETA2 = 3e-3, 0.9, 0.999


@dataclass(frozen=True, eq=False)
class Response:
    """The loss of a sample of training rows after the same steps, made otherwise.

    Attributes
    ----------
    steps : int
        How many.
    initial, final, kept : float
        Before the first step, after the last, and with the parameters that were kept.
    first : dict of float to float
        After the first steps, by the factor of their learning rate.
    further : dict of float to float
        After further steps from the last one on, likewise, for 0.1 and 1.
    relieved : float
        After further steps of Adam from the kept parameters on without penalties, dropout and
        clipping.
    """

    steps: int
    initial: float
    final: float
    kept: float
    first: Mapping[float, float]
    further: Mapping[float, float]
    relieved: float

    @property
    def better_factor(self) -> float:
        """The factor of the learning rate after which the first steps came lowest."""
        return min(self.first, key=lambda factor: (self.first[factor], abs(np.log(factor))))


def respond(recording: Recording, last: Moment, steps: int = _STEPS) -> Response:
    """Make some steps of a training again, with other learning rates.

    Parameters
    ----------
    recording : Recording
    last : Moment
        The last step of its replay.
    steps : int, default 150
        How many, at most.

    Returns
    -------
    Response
    """
    course, part = recording.course, recording.training
    some = sample(recording, _ROWS)
    x, y = part.inputs(some), part.y[some]

    def loss(theta: NDArray[Any]) -> float:
        outputs = recording.subject.outputs(theta, x.astype(theta.dtype))
        value = float(np.mean(recording.subject.losses(outputs, y).astype(np.float64)))
        return value if np.isfinite(value) else float("inf")

    steps = min(steps, len(recording.learning_rate))
    batches = batches_of(recording, 0, steps)
    rates = recording.learning_rate[:steps]

    def run(theta: NDArray[Any], state: Any, factor: float, first: int, rates: Any) -> float:
        return loss(advance(course, theta, state, batches, rates * factor, first)[0])

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        theta, state = course.begin()
        end = np.full(len(batches), recording.learning_rate[-1])
        return Response(
            len(batches), loss(theta), loss(last.after), loss(recording.theta),
            {factor: run(theta, state, factor, 1, rates) for factor in FACTORS},
            {factor: run(last.after, last.state_after, factor, last.number + 1, end)
             for factor in (0.1, 1.0)},
            loss(_relieve(recording, batches[:_RELIEVED])),
        )  # fmt: skip


def _relieve(recording: Recording, batches: list[NDArray[np.intp]]) -> NDArray[Any]:
    """Go on from the kept parameters by Adam (Kingma and Ba, 2015), with nothing but the loss."""
    subject, part = recording.subject, recording.training
    theta = recording.theta.astype(np.float64)
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for number, rows in enumerate(batches, 1):
        passes = subject.passes(theta, part.inputs(rows).astype(np.float64), part.y[rows])
        g = subject.gradient(passes, recording.course.shares(rows).astype(np.float64))
        m = _BETA1 * m + (1 - _BETA1) * g
        v = _BETA2 * v + (1 - _BETA2) * g**2
        rate = _RATE * np.sqrt(1 - _BETA2**number) / (1 - _BETA1**number)
        theta = theta - rate * m / (np.sqrt(v) + 1e-8)
    return theta
