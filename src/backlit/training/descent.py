"""Gradient descent by batches: one epoch after another, in a counted order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.networks.network import Network
from backlit.networks.randomness import Purpose, permutation
from backlit.training.engines import Engine, NativeSteps, Probe, ReferenceSteps, Steps
from backlit.training.examples import Examples, is_sparse
from backlit.training.optimizers import Optimizer
from backlit.training.schedules import ReduceOnPlateau
from backlit.training.settings import Settings
from backlit.training.state import State

SECONDS_AT_ONCE = 0.05  # how long Ctrl-C may have to wait


@dataclass(frozen=True, eq=False)
class Step:
    """One step, as it is reported.

    Attributes
    ----------
    epoch, number : int
        The epoch it is in, and its number in the whole training; both counted from 1.
    rows : array of int, shape (batch,)
        Which examples the batch held, by their positions in the training part.
    losses : array, shape (batch,)
        Of each example, before the step.
    learning_rate : float
    theta : array, shape (parameters,)
        The flat parameters after the step.
    """

    epoch: int
    number: int
    rows: NDArray[np.intp]
    losses: NDArray[Any]
    learning_rate: float
    theta: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Turn:
    """What an epoch came to, before anything is validated.

    Attributes
    ----------
    theta : array, shape (parameters,)
    optimizer : dict of str to array
    step_number : int
    train_loss, learning_rate : float
    """

    theta: NDArray[Any]
    optimizer: dict[str, NDArray[Any]]
    step_number: int
    train_loss: float
    learning_rate: float


class DivergedError(ArithmeticError):
    """Training left the finite numbers; the message says where and the likely cause."""


class Descent:
    """The epochs of a training by batches.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    settings : Settings
    examples : Examples
        The training part.
    engine : {"reference", "native"}
        Who runs the steps.
    after_step : callable, optional
        Called with each `Step`.
    probe : Probe, optional
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        settings: Settings,
        examples: Examples,
        engine: Engine,
        after_step: Callable[[Step], object] | None = None,
        probe: Probe | None = None,
    ) -> None:
        self.probe = probe
        self.optimizer = optimizer
        self.settings = settings
        self.examples = examples
        self.after_step = after_step
        self.batch_size = settings.batch_size_for(len(examples))
        made: type[Any] = NativeSteps if engine == "native" else ReferenceSteps
        self.steps: Steps = made(network, optimizer, settings, examples, probe)
        # How many steps are made at once. Python, and so Ctrl-C, has its turn in between.
        self.at_once = 1
        self.grows = engine == "native" and after_step is None

    def epoch(self, state: State) -> Turn:
        """Go through the examples once.

        Parameters
        ----------
        state : State

        Returns
        -------
        Turn

        Raises
        ------
        DivergedError
            If a loss or a parameter is not finite.
        """
        number = state.epoch + 1
        order = permutation(len(self.examples), self.settings.seed, Purpose.SHUFFLE, epoch=number)
        whole = len(order) // self.batch_size * self.batch_size
        batches = order[:whole].reshape(-1, self.batch_size)
        short = order[whole:].reshape(1, -1)
        count = len(batches) + (short.size > 0)
        rates = self._rates(state, number - 1, count)
        turn = Turn(state.theta, state.optimizer, state.step_number, 0.0, float(rates[-1]))
        for rows, own in ((batches, rates[: len(batches)]), (short, rates[len(batches) :])):
            start = 0
            while start < len(own):
                end = min(start + self.at_once, len(own))
                turn = self._advance(turn, number, rows[start:end], own[start:end])
                start = end
        if not np.all(np.isfinite(turn.theta)):
            raise DivergedError(self._explain(number, turn.step_number, turn.theta))
        total = float(np.sum(self.examples.weights, dtype=np.float64))
        return replace(turn, train_loss=turn.train_loss / total)

    def _advance(self, turn: Turn, epoch: int, rows: NDArray[np.intp], rates: NDArray[Any]) -> Turn:
        """Make some steps; the training loss is added up."""
        first = turn.step_number + 1
        began = time.perf_counter()
        # What overflows is found below, and explained.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            theta, optimizer, losses = self.steps.run(
                turn.theta, turn.optimizer, rows, rates, first
            )
            weighted: NDArray[np.float64] = np.sum(
                self.examples.weights[rows] * losses, axis=1, dtype=np.float64
            )
            if not np.all(np.isfinite(weighted)):
                bad = int(np.argmin(np.isfinite(weighted)))
                before = turn.theta
                if bad:
                    before, _, _ = self.steps.run(
                        turn.theta, turn.optimizer, rows[:bad], rates[:bad], first
                    )
                raise DivergedError(self._explain(epoch, first + bad, before))
        if self.grows and time.perf_counter() - began < SECONDS_AT_ONCE / 2:
            self.at_once *= 2
        if self.probe is not None:
            self.probe.take(epoch, first, rows, rates, self.steps.seen)
        if self.after_step is not None:
            self.after_step(Step(epoch, first, rows[0], losses[0], float(rates[0]), theta))
        total = turn.train_loss
        for loss in weighted:  # one by one, however many steps were made at once
            total += float(loss)
        return Turn(theta, optimizer, turn.step_number + len(rows), total, turn.learning_rate)

    def _rates(self, state: State, done: int, count: int) -> NDArray[Any]:
        """Return the learning rate of each step of an epoch."""
        factors = [self._factor(state, done + step / count) for step in range(count)]
        rates = np.array(factors) * self.optimizer.learning_rate
        return rates.astype(state.theta.dtype)

    def _factor(self, state: State, done: float) -> float:
        schedule = self.settings.schedule
        if isinstance(schedule, ReduceOnPlateau):
            return state.schedule["factor"]
        return schedule(done, self.settings.epochs)

    def _explain(self, epoch: int, step_number: int, theta: NDArray[Any]) -> str:
        where = f"the loss is no longer finite in epoch {epoch}, at step {step_number}"
        return f"{where}: {self._cause(step_number, theta)}"

    def _cause(self, step_number: int, theta: NDArray[Any]) -> str:
        """Return the likely cause of a loss that is not finite, and what to do."""
        optimizer, penalties = self.optimizer, self.settings.penalties
        rate, decay = optimizer.learning_rate, optimizer.weight_decay
        largest = float(np.max(np.abs(theta)))
        x = self.examples.x.data if is_sparse(self.examples.x) else self.examples.x
        reach = max(float(np.max(np.abs(part), initial=0)) for part in (x, self.examples.y))
        if step_number == 1 and largest > reach:
            return f"the weights begin with {largest:.3g}; begin with smaller ones"
        if step_number == 1:
            return (
                f"inputs or targets reach {reach:.3g}, too much for the first step; standardise "
                "them"
            )
        grown = f"the weights have grown to {largest:.3g}"
        if rate * decay > 1:
            return f"{grown}, since the weight decay {decay:g} is too large; try {1e-2:g}"
        for name, penalty in (("l1", penalties.l1), ("l2", penalties.l2)):
            if penalty * rate > 1:
                return f"{grown}, most likely since {name} {penalty:g} is too large; try {1e-4:g}"
        return (
            f"{grown}, most likely since the learning rate {rate:g} is too large; try "
            f"{rate / 10:g}, or clip the gradient"
        )
