"""How much each training row pushed a prediction, or the validation loss, over a whole training.

A step changes the parameters by ``d``, a sum over rows (see `backlit.insight.responses`), and so a
function F of them by ``F(theta + d) - F(theta)``. With V, the mean gradient of F along the step,
``V @ d`` splits that change over the rows. V is taken by the trapezoid rule; where that misses the
change by too much, the step is halved, and its halves again. What is missed in the end is booked as
a line of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.blas import one_thread
from backlit.insight.answer import Answer
from backlit.insight.backwards import backwards, kept_steps, parts_of
from backlit.insight.goals import Goal, Prediction, goal_of
from backlit.insight.neighbours import Neighbours, neighbours
from backlit.insight.recording import Moment, Recording

TOLERANCE = 0.02  # of the mean change of a step: what its residual may be
HALVINGS = 5
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Pushes(Answer):
    """How much each training row pushed a number that depends on the parameters.

    ``before + sum(pushes) + penalty + decay + earlier + residual + rounding == after``.

    Attributes
    ----------
    goal : str
        What was pushed, as it is called in a sentence.
    before, after : float
        The number with the initial and with the kept parameters.
    rows : array of int, shape (examples,)
        Where the training rows are in the user's data.
    labels : tuple of str
        The class of each row, or its targets.
    pushes : array of float64, shape (examples,)
        What the gradients of each row did to the number.
    penalty, decay : float
        What the L1 and L2 penalties, and decoupled decay, did to it.
    earlier : float
        What the optimizer's memory at the start did to it; 0 where training began with none.
    residual, rounding : float
        What could be booked to nobody: the steps' curvature, and rounding.
    changes, residuals : array of float64, shape (steps,)
        The change of the number in each step that led to the kept parameters, and the part of it in
        ``residual``.
    evaluations : float
        How many times a step needed the number, on average; one with its gradient counts as 1, and
        one without as 1/3.
    neighbours : Neighbours
        How near each training row is to the rows that were asked about.
    """

    goal: str
    before: float
    after: float
    rows: NDArray[np.intp]
    labels: tuple[str, ...]
    pushes: NDArray[np.float64]
    penalty: float
    decay: float
    earlier: float
    residual: float
    rounding: float
    changes: NDArray[np.float64]
    residuals: NDArray[np.float64]
    evaluations: float
    neighbours: Neighbours

    @property
    def missed(self) -> float:
        """The sum of the steps' residuals beside the sum of their changes, in absolute values."""
        total = float(np.sum(np.abs(self.changes)))
        return float(np.sum(np.abs(self.residuals))) / total if total else 0.0

    def columns(self) -> Mapping[str, Any]:
        """Return a line for each training row, the strongest push first."""
        order = np.argsort(-np.abs(self.pushes), kind="stable")
        return {
            "row": self.rows[order],
            "label": [self.labels[k] for k in order],
            "push": self.pushes[order],
            "input_distance": self.neighbours.by_inputs[order],
            "hidden_distance": self.neighbours.by_hidden[order],
        }

    def summary(self) -> str:
        """Return the account in plain words."""
        steps, up = len(self.changes), self.pushes > 0
        lines = [
            f"{self.goal[0].upper()}{self.goal[1:]} went from {self.before:.4g} to "
            f"{self.after:.4g} in {steps} steps, a change of {self.after - self.before:+.4g}.",
            f"{np.sum(up)} training rows pushed it up, by {np.sum(self.pushes[up]):.4g}, and "
            f"{np.sum(self.pushes < 0)} down, by {-np.sum(self.pushes[~up]):.4g}.",
        ]
        others = {
            "penalties": self.penalty, "weight decay": self.decay,
            "momentum from before the training": self.earlier,
        }  # fmt: skip
        said = [f"{name} {value:+.4g}" for name, value in others.items() if value]
        if said:
            lines.append(f"Besides rows: {', '.join(said)}.")
        lines += [
            f"Booked to nobody: {self.residual + self.rounding:+.4g}; step by step, "
            f"{self.missed:.1%} of all changes.",
            f"Pushed up most: {self._named(np.argsort(-self.pushes)[:SHOWN])}.",
            f"Pushed down most: {self._named(np.argsort(self.pushes)[:SHOWN])}.",
            f"Nearest by inputs: {self._named(self.neighbours.nearest(SHOWN, 'inputs'))}.",
            "Nearest in the last hidden layer: "
            f"{self._named(self.neighbours.nearest(SHOWN, 'hidden'))}.",
            "A push says what a row did in the steps that were made; what the training would do "
            "without it, only a removal can tell.",
        ]
        return "\n".join(lines)

    def _named(self, some: NDArray[np.intp]) -> str:
        return ", ".join(
            f"row {self.rows[k]} ({self.labels[k]}) {self.pushes[k]:+.3g}" for k in some
        )

    def _draw(self, axes: Any) -> None:
        order = np.argsort(self.pushes)
        strongest = np.unique([*order[: 2 * SHOWN], *order[-2 * SHOWN :]])
        chosen = strongest[np.argsort(self.pushes[strongest])]
        values = self.pushes[chosen]
        axes.barh(
            [f"row {self.rows[k]} ({self.labels[k]})" for k in chosen], values,
            color=np.where(values > 0, "#0072B2", "#D55E00"),
        )  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.8)
        axes.tick_params(axis="y", labelsize=8)
        axes.set_xlabel(f"pushed {self.goal} by")


def pushes(recording: Recording, of: str | int | Prediction = "validation loss") -> Pushes:
    """Return how much each training row pushed a prediction or the validation loss.

    The whole account of the training, up to the parameters that were kept: what each row's
    gradients did through the optimizer, whose divisors are taken as given; what penalties and decay
    did; and what is left over, step by step.

    Parameters
    ----------
    recording : Recording
    of : "validation loss", int or Prediction
        What was pushed: the weighted mean loss of the held-out part; the prediction for a row, by
        its position in your data; or that for any inputs, see `backlit.insight.goals.Prediction`.

    Returns
    -------
    Pushes

    Raises
    ------
    ValueError
        If there is no such thing to ask about, or the optimizer's steps are no sum over rows
        (Rprop).
    MemoryError
        If a replay needs more memory than there is.

    Notes
    -----
    With the gradients at both ends of a step, the trapezoid rule is the second order of J. Wang and
    others, "Data Shapley in one training run", 2024, without a Hessian; the mean gradient along the
    step gives the values of R. Aumann and L. Shapley, "Values of non-atomic games", 1974. A
    gradient that works on through momentum is followed by the adjoint of the optimizer's memory,
    from the last step to the first.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.pushes import pushes
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=9)
    >>> account = pushes(recording, of=63)
    >>> total = account.before + account.pushes.sum() + account.residual + account.rounding
    >>> bool(abs(total - account.after) < 1e-9), bool(account.missed < 0.03)
    (True, True)
    """
    (account,) = accounts(recording, [goal_of(recording, of)])
    return account


def accounts(recording: Recording, goals: Sequence[Goal]) -> list[Pushes]:
    """Return an account of each of several goals, from one replay; see `pushes`.

    Parameters
    ----------
    recording : Recording
    goals : sequence of Goal

    Returns
    -------
    list of Pushes
    """
    with one_thread(), np.errstate(over="ignore", under="ignore"):
        return _accounts(recording, goals)


def _accounts(recording: Recording, goals: Sequence[Goal]) -> list[Pushes]:
    steps = kept_steps(recording)
    theta, state = recording.course.begin()
    sheets = [_Sheet(goal, recording, steps) for goal in goals]
    for sheet in sheets:
        sheet.values.append(sheet.goal.value(theta))

    def look(moment: Moment) -> None:
        for sheet in sheets:
            sheet.values.append(sheet.goal.value(moment.after))

    for moment in backwards(recording, steps, look):
        parts = parts_of(recording, moment)
        answered = parts.response
        for sheet in sheets:
            mean = sheet.mean_gradient(moment)
            # How the number depends, from here to the end, on the memory and on the gradient.
            of_memory = answered.carried * mean + sheet.inherited
            of_gradient = answered.direct * mean + answered.feed * of_memory
            sheet.inherited = answered.keep * of_memory
            sheet.memory = answered.memory
            given = recording.subject.products(parts.passes, of_gradient.astype(theta.dtype))
            np.add.at(sheet.pushes, moment.rows, parts.shares * given)
            sheet.penalty += float(of_gradient @ parts.penalty)
            sheet.decay += float(mean @ parts.decay)
    return [sheet.closed(recording, state) for sheet in sheets]


class _Sheet:
    """An account while it is being written."""

    def __init__(self, goal: Goal, recording: Recording, steps: int) -> None:
        self.goal = goal
        self.values: list[float] = []
        self.pushes = np.zeros(len(recording.training))
        self.changes, self.residuals = np.zeros(steps), np.zeros(steps)
        self.penalty = self.decay = 0.0
        self.inherited: Any = np.zeros(recording.theta.size)
        self.memory = ""
        self.gradients = 0
        self.allowed: float | None = None
        self.after: tuple[float, NDArray[np.float64]] | None = None

    def mean_gradient(self, moment: Moment) -> NDArray[np.float64]:
        """Return the mean gradient along a step; steps come from the last to the first."""
        if self.allowed is None:
            self.allowed = TOLERANCE * float(np.mean(np.abs(np.diff(self.values))))
        end = self._evaluate(moment.after) if self.after is None else self.after
        start = self._evaluate(moment.theta)
        step = moment.after.astype(np.float64) - moment.theta
        mean = self._between(moment, step, start, end, 0.0, 1.0, HALVINGS)
        change = end[0] - start[0]
        self.changes[moment.number - 1] = change
        self.residuals[moment.number - 1] = change - mean @ step
        self.after = start
        return mean

    def _between(
        self, moment: Moment, step: NDArray[np.float64], start: tuple[float, Any],
        end: tuple[float, Any], a: float, b: float, halvings: int,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Return the integral of the gradient from ``a`` to ``b``, parts of the step."""
        total: NDArray[np.float64] = (b - a) / 2 * (start[1] + end[1])
        missed = end[0] - start[0] - total @ step
        assert self.allowed is not None
        if not halvings or abs(missed) <= self.allowed:
            return total
        c = (a + b) / 2
        middle = self._evaluate((moment.theta + c * step).astype(moment.theta.dtype))
        return self._between(moment, step, start, middle, a, c, halvings - 1) + self._between(
            moment, step, middle, end, c, b, halvings - 1
        )

    def _evaluate(self, theta: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        self.gradients += 1
        return self.goal.value_and_gradient(theta)

    def closed(self, recording: Recording, state: Mapping[str, NDArray[Any]]) -> Pushes:
        """Return the account, with what is left over."""
        earlier = float(self.inherited @ state[self.memory]) if self.memory else 0.0
        before, after = self.values[0], self.values[-1]
        residual = float(np.sum(self.residuals))
        booked = float(np.sum(self.pushes)) + self.penalty + self.decay + earlier + residual
        steps = len(self.changes)
        return Pushes(
            self.goal.name, before, after, recording.training.rows, labels_of(recording),
            self.pushes, self.penalty, self.decay, earlier, residual, after - before - booked,
            self.changes, self.residuals,
            (self.gradients + len(self.values) / 3) / steps if steps else 0.0,
            neighbours(recording, self.goal.x),
        )  # fmt: skip


def labels_of(recording: Recording) -> tuple[str, ...]:
    """Return what each training row is said to be, in words."""
    y, names = recording.training.y, recording.output_names
    if recording.subject.targets == "classes":
        return tuple(names[k] for k in y)
    if recording.subject.targets == "labels":
        return tuple(
            ", ".join(name for name, on in zip(names, row, strict=True) if on) or "none"
            for row in y
        )
    return tuple(", ".join(f"{number:.4g}" for number in row) for row in y)
