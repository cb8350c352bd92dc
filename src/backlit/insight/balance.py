"""The update of one step as a balance: the old weight, what moved it, the new weight.

Every rule but Rprop's is linear in the gradient once its divisor is known:

    update = memory - rate * gradient        (per parameter)

where ``memory`` is what earlier steps left (momentum) and ``rate`` is the learning rate, divided
by the root of the running mean square in RMSProp and Adam. The divisor contains the gradient too;
it is taken as it is after the step. So the gradient's share can be told apart by rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.naming import Naming, table, written
from backlit.insight.recording import Course, Moment
from backlit.training.optimizers import Adam, GradientDescent, Momentum, Nesterov, RMSProp, Rprop

# As many parameters are told of one by one; of larger networks, the strongest ten.
FEW, STRONGEST = 20, 10


@dataclass(frozen=True, eq=False, repr=False)
class Balance(Answer):
    """What moved each parameter in a step; ``old`` and all of ``lines`` sum to ``new``.

    Attributes
    ----------
    rule : str
        The optimizer, in words.
    old, new : array of float64, shape (parameters,)
    lines : dict of str to array of float64, shape (parameters,)
        ``this row``, ``other rows`` (where the rule tells rows apart), ``memory``, ``penalty``,
        ``decay`` (where there are any), and ``rounding``: what is missing to the new value, the
        step's own rounding.
    gradient : array of float64, shape (parameters,)
        Of the step: of the mean loss and the penalties, clipped.
    clipping : float
        What the gradient was multiplied by to be no longer than allowed; 1 for nothing.
    divisor : array of float64, shape (parameters,), or None
        What RMSProp and Adam divide by.
    strongest : array of int
        The parameters that `summary` and `plot` show.
    """

    rule: str
    naming: Naming
    old: NDArray[np.float64]
    new: NDArray[np.float64]
    lines: Mapping[str, NDArray[np.float64]]
    gradient: NDArray[np.float64]
    clipping: float
    divisor: NDArray[np.float64] | None
    strongest: NDArray[np.intp]

    def summary(self) -> str:
        """Return the balance of the strongest parameters as a table."""
        at = self.strongest
        shown = {"parameter": self.naming.parameters(at), "old": _texts(self.old[at])}
        for name, values in self.lines.items():
            if name != "rounding":
                shown[name] = [f"{value:+.3g}" if value else "0" for value in values[at]]
        shown["new"] = _texts(self.new[at])
        if self.divisor is not None:
            shown["divisor"] = _texts(self.divisor[at])
        words = [f"The update by {self.rule}: old + {' + '.join(self._named())} = new."]
        if self.clipping < 1:
            words.append(f"The gradient was clipped: multiplied by {written(self.clipping)}.")
        if self.divisor is not None:
            words.append(
                "The rows' and the memory's part are divided by the divisor, the root of the "
                "gradient's recent mean square."
            )
        missing = float(np.max(np.abs(self.lines["rounding"])))
        if missing > 1e-5 * float(np.max(np.abs(self.new))):
            words.append(f"The sum misses the new value by up to {written(missing)}.")
        return "\n".join([" ".join(words), *(f"  {line}" for line in table(shown))])

    def columns(self) -> dict[str, Any]:
        """Return a row for each parameter."""
        columns: dict[str, Any] = {"parameter": self.naming.parameters(), "old": self.old}
        columns |= self.lines
        columns |= {"new": self.new, "gradient": self.gradient}
        return columns if self.divisor is None else {**columns, "divisor": self.divisor}

    def _named(self) -> list[str]:
        return [name for name in self.lines if name != "rounding"]

    def _draw(self, axes: Any) -> None:
        at = self.strongest
        height = np.arange(len(at))[::-1]
        right, left = np.zeros(len(at)), np.zeros(len(at))
        for name in self._named():
            values = self.lines[name][at]
            start = np.where(values < 0, left, right)
            axes.barh(height, values, left=start, label=name)
            right, left = right + np.maximum(values, 0), left + np.minimum(values, 0)
        moved = (self.new - self.old)[at]
        axes.plot(moved, height, "D", color="black", markersize=4, label="new - old")
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(height, self.naming.parameters(at))
        axes.set_xlabel(f"what moved the parameter ({self.rule})")
        axes.legend(fontsize="small")


def balance(
    moment: Moment, course: Course, naming: Naming, data: NDArray[Any], row: NDArray[Any] | None,
    strongest: NDArray[np.intp],
) -> Balance:  # fmt: skip
    """Return what moved each parameter in a step.

    Parameters
    ----------
    moment : Moment
    course : Course
    naming : Naming
    data : array, shape (parameters,)
        The gradient of the batch's mean loss.
    row : array, shape (parameters,), or None
        The part of it that comes from the row that is looked at.
    strongest : array of int
        See `Balance`.

    Returns
    -------
    Balance

    Raises
    ------
    TypeError
        If the optimizer's rule is unknown.
    """
    old, new = moment.theta.astype(np.float64), moment.after.astype(np.float64)
    data = data.astype(np.float64)
    penalty = np.asarray(course.penalty(moment.theta, moment.rows), np.float64)
    penalty = np.broadcast_to(penalty, old.shape)
    clipping = 1.0
    if course.clip_norm is not None:
        norm = float(np.linalg.norm(data + penalty))
        clipping = course.clip_norm / max(norm, course.clip_norm)
    gradient = clipping * (data + penalty)
    lines: dict[str, NDArray[np.float64]] = {}
    if isinstance(course.optimizer, Rprop):
        rule, divisor = "Rprop (which goes by signs, so that rows are not told apart)", None
        after = {name: array.astype(np.float64) for name, array in moment.state_after.items()}
        lines["step"] = -after["length"] * after["sign"]
    else:
        rule, rate, memory, divisor = split(course.optimizer, moment)
        of_row = np.zeros_like(old) if row is None else row.astype(np.float64)
        if row is not None:
            lines["this row"] = -rate * clipping * of_row
        lines["other rows"] = -rate * clipping * (data - of_row)
        if np.any(penalty):
            lines["penalty"] = -rate * clipping * penalty
        if memory is not None:
            lines["memory"] = memory
    decay = -np.asarray(course.shrinkage(moment.learning_rate), np.float64) * old
    if np.any(decay):
        lines["decay"] = decay
    lines["rounding"] = new - old - sum(lines.values())
    return Balance(rule, naming, old, new, lines, gradient, clipping, divisor, strongest)


def split(
    optimizer: Any, moment: Moment
) -> tuple[str, Any, NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return how a rule makes a step of a gradient.

    Parameters
    ----------
    optimizer : object
        One of `backlit.training.optimizers` except Rprop, or an estimator's rule.
    moment : Moment

    Returns
    -------
    rule : str
        In words.
    rate : float or array of float64, shape (parameters,)
        What the gradient is multiplied by, with a minus.
    memory : array of float64, shape (parameters,), or None
        What comes from earlier steps; None where nothing does.
    divisor : array of float64, shape (parameters,), or None

    Raises
    ------
    TypeError
        If the rule is unknown.
    """
    before = {name: array.astype(np.float64) for name, array in moment.state.items()}
    after = {name: array.astype(np.float64) for name, array in moment.state_after.items()}
    rate = float(moment.learning_rate)
    said = f"learning rate {written(rate)}"
    if isinstance(optimizer, GradientDescent):
        return f"gradient descent, {said}", rate, None, None
    if isinstance(optimizer, Momentum) or hasattr(optimizer, "nesterov"):
        kept = optimizer.momentum
        ahead = getattr(optimizer, "nesterov", isinstance(optimizer, Nesterov))
        kind = "Nesterov's momentum" if ahead else "momentum"
        words = f"{kind} {written(kept)}, {said}"
        if ahead:
            return words, rate * (1 + kept), kept**2 * before["velocity"], None
        return words, rate, kept * before["velocity"], None
    if isinstance(optimizer, RMSProp):
        divisor = np.sqrt(after["mean_square"]) + optimizer.epsilon
        return f"RMSProp, {said}", rate / divisor, None, divisor
    if isinstance(optimizer, Adam):
        # As in the optimizer: both means began at 0, and their expectations are short by this.
        short = np.sqrt(1 - optimizer.beta2**moment.number)
        full = rate * short / (1 - optimizer.beta1**moment.number)
        divisor = np.sqrt(after["mean_square"]) + optimizer.epsilon * short
        name = type(optimizer).__name__
        return f"{name}, {said}", *_adam(full, optimizer.beta1, before, divisor)
    if hasattr(optimizer, "beta_1"):  # an estimator's, whose rate has the correction within
        divisor = np.sqrt(after["mean_square"]) + optimizer.epsilon
        words = f"Adam, learning rate {written(rate)} with the correction of its means"
        return words, *_adam(rate, optimizer.beta_1, before, divisor)
    raise TypeError(f"the balance of {type(optimizer).__name__} is not known")


def _adam(
    rate: float,
    kept: float,
    before: Mapping[str, NDArray[np.float64]],
    divisor: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return rate * (1 - kept) / divisor, -rate * kept * before["mean"] / divisor, divisor


def _texts(values: NDArray[np.float64]) -> list[str]:
    return [written(value) for value in values]
