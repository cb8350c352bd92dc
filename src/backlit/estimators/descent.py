"""Epochs of stochastic gradient descent: orders, batches, learning rates, and who is told."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.estimators.engines import Data, NativeSteps, Steps
from backlit.estimators.interruption import HeldBack
from backlit.estimators.optimizers import Optimizer
from backlit.training.descent import SECONDS_AT_ONCE


@dataclass(frozen=True, eq=False)
class Step:
    """One step, as ``callbacks`` are told of it.

    Attributes
    ----------
    epoch : int
        The epoch it is in, counted from 1 and as ``loss_curve_`` counts them.
    number : int
        Of the step, counted from 1 since the optimizer began.
    rows : array of int, shape (batch,)
        Which examples the batch held, by their positions in the training part: in the data that
        were given to the fit, without what early stopping has held out.
    learning_rate : float
        For Adam, with its bias correction.
    loss : float
        The mean over the batch before the step, L2 term included.
    theta : array, shape (parameters,)
        All parameters after the step, flat: the weights of each layer, then the biases of each.
        It does not change any more.
    shapes : tuple of tuple of int
        Of the parts of ``theta``, in their order.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.descent import Step
    >>> step = Step(1, 1, np.arange(2), 0.1, 0.5, np.arange(3.0), ((1, 2), (1,)))
    >>> step.coefs, step.intercepts
    ([array([[0., 1.]])], [array([2.])])
    """

    epoch: int
    number: int
    rows: NDArray[np.intp]
    learning_rate: float
    loss: float
    theta: NDArray[Any]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def coefs(self) -> list[NDArray[Any]]:
        """The weights of each layer, after the step: arrays of shape (inputs, units)."""
        return self._parts()[: len(self.shapes) // 2]

    @property
    def intercepts(self) -> list[NDArray[Any]]:
        """The biases of each layer, after the step: arrays of shape (units,)."""
        return self._parts()[len(self.shapes) // 2 :]

    def _parts(self) -> list[NDArray[Any]]:
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = np.split(self.theta, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]


def batch_size_for(asked: Any, examples: int) -> int:
    """Return how many examples a batch has.

    Parameters
    ----------
    asked : "auto" or int
    examples : int

    Returns
    -------
    int
        At most ``examples``, with a warning where more were asked for. Automatic: at most 200.

    Examples
    --------
    >>> from backlit.estimators.descent import batch_size_for
    >>> batch_size_for("auto", 150), batch_size_for("auto", 1500), batch_size_for(32, 150)
    (150, 200, 32)
    """
    if isinstance(asked, str):
        return min(200, examples)
    if asked > examples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=2,
        )
    return int(min(asked, examples))


class Epochs:
    """Runs epochs as scikit-learn does.

    Parameters
    ----------
    steps : Steps
    optimizer : Optimizer
    data : Data
    size : int
        Examples of a batch.
    random : RandomState or None
        Shuffles; None leaves the examples in their order.
    ctrl_c : HeldBack
        Let through between steps.
    after_step : sequence of callable, default ()
        Each is called with each `Step`, and ends the fit by returning True.
    asked_to_stop : callable, optional
        Asked between steps; ends the fit by returning True.

    Attributes
    ----------
    number : int
        Of the epoch that runs, or ran last.
    stopped : bool
        Whether somebody ended the fit.
    """

    def __init__(
        self,
        steps: Steps,
        optimizer: Optimizer,
        data: Data,
        size: int,
        random: np.random.RandomState | None,
        ctrl_c: HeldBack,
        after_step: Sequence[Callable[[Step], object]] = (),
        asked_to_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.steps, self.optimizer, self.data, self.size = steps, optimizer, data, size
        self.random, self.ctrl_c = random, ctrl_c
        self.after_step, self.asked_to_stop = after_step, asked_to_stop
        self.order = np.arange(len(data)) if random is not None else None
        self.starts = np.arange(0, len(data), size)
        self.counts = np.diff(np.append(self.starts, len(data)))
        self.losses = np.empty(len(self.starts), steps.theta.dtype)
        self.rates = np.empty(0)
        self.number, self.stopped = 0, False
        # An epoch is under way from the moment its order is drawn until its loss is handed over.
        # Where it stands follows from the number of steps that were made.
        self.under_way = False
        self.made_before, self.t_before = steps.made, optimizer.t
        # Python, and so Ctrl-C, has its turn between the steps that are made at once.
        self.at_once = 1 if after_step or isinstance(steps, NativeSteps) else len(self.starts)

    def run(self) -> float | None:
        """Run one epoch, or the rest of one that was interrupted.

        Returns
        -------
        float or None
            The mean of the batches' losses, each with the number of its examples; None where the
            fit was told to stop before the epoch's last step.

        Raises
        ------
        ZeroDivisionError
            If the weights of a batch sum to zero.
        """
        if not self.under_way:
            self._begin()
        while (first := self.steps.made - self.made_before) < len(self.starts):
            rates = self.rates[first : first + self.at_once]
            began = time.perf_counter()
            try:
                # What overflows is found when the epoch ends, and explained.
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    self.steps.run(
                        self.order, self.size, first, rates, self.losses, self.ctrl_c.let_through
                    )
            finally:  # an interrupted epoch counts as far as it went
                self.catch_up()
                self._show()
            if not self.after_step and time.perf_counter() - began < SECONDS_AT_ONCE / 2:
                self.at_once = min(2 * self.at_once, len(self.starts))
            self.ctrl_c.let_through()
            asked = self.asked_to_stop is not None and self.asked_to_stop()
            self.stopped = self._tell(first) or asked
            if self.stopped and self.steps.made - self.made_before < len(self.starts):
                return None
        total = 0.0
        for loss, count in zip(self.losses.tolist(), self.counts.tolist(), strict=True):
            total += loss * count
        return total / len(self.data)

    def catch_up(self) -> None:
        """Bring the optimizer to where the steps are."""
        self.optimizer.t = self.t_before
        self.optimizer.step_ends(self.rates[: self.steps.made - self.made_before])
        self.optimizer.state = self.steps.state

    def hand_over(self) -> None:
        """Note that the epoch is written down, so that the next one begins with the next run."""
        self.under_way = False

    def position(self) -> dict[str, Any]:
        """Return what, beside the optimizer and the parameters, the next step depends on."""
        names = ("order", "losses", "rates", "number", "under_way", "made_before", "t_before")
        return {"made": self.steps.made, **{name: getattr(self, name) for name in names}}

    def go_on_from(self, position: dict[str, Any]) -> None:
        """Stand where another fit was interrupted.

        Parameters
        ----------
        position : dict
            Of `position`.
        """
        self.steps.made = position["made"]
        for name, value in position.items():
            if name != "made":
                setattr(self, name, value.copy() if isinstance(value, np.ndarray) else value)

    def _begin(self) -> None:
        if self.random is not None and self.order is not None:
            shuffled = np.arange(len(self.data))
            self.random.shuffle(shuffled)
            self.order = self.order[shuffled]
        self._check_weights()
        self.made_before, self.t_before = self.steps.made, self.optimizer.t
        self.rates = self.optimizer.rates(math.ceil(len(self.data) / self.size))
        self.number += 1
        self.under_way = True

    def _show(self) -> None:
        """Let the probe, if there is one, take what it saw in the steps just made."""
        if self.steps.probe is None:
            return
        number = self.steps.made - sum(len(rows) for rows, _, _ in self.steps.seen)
        for rows, rates, seen in self.steps.seen:
            self.steps.probe.take(self.number, number + 1, rows, rates, seen)
            number += len(rows)
        self.steps.seen = []

    def _tell(self, k: int) -> bool:
        """Tell all who want to know of a step, and say whether one of them ends the fit."""
        if not self.after_step:
            return False
        step = self._step(k)
        with self.ctrl_c.open():
            answers = [hook(step) for hook in self.after_step]
        return any(answer is True for answer in answers)

    def _step(self, k: int) -> Step:
        start = self.starts[k]
        rows = np.arange(start, start + self.counts[k])
        shapes = tuple(self.steps.model.layout.shapes.values())
        return Step(
            self.number, self.optimizer.t, rows if self.order is None else self.order[rows],
            float(self.rates[k]), float(self.losses[k]), self.steps.theta.copy(), shapes,
        )  # fmt: skip

    def _check_weights(self) -> None:
        weights: NDArray[Any] | None = self.data.weights
        if weights is None or np.all(weights > 0):
            return
        ordered = weights if self.order is None else weights[self.order]
        if not np.all(np.add.reduceat(ordered, self.starts)):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
