"""Gradient descent by batches: one epoch after another, in a counted order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.reference import run
from backlit.networks.dropout import dropout_key
from backlit.networks.network import Network
from backlit.networks.randomness import Purpose, permutation
from backlit.program import Program
from backlit.training.examples import Examples
from backlit.training.optimizers import Optimizer
from backlit.training.schedules import ReduceOnPlateau
from backlit.training.settings import Settings
from backlit.training.state import State
from backlit.training.step import record_step


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
    after_step : callable, optional
        Called with each `Step`.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        settings: Settings,
        examples: Examples,
        after_step: Callable[[Step], object] | None = None,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.settings = settings
        self.examples = examples
        self.after_step = after_step
        self.batch_size = settings.batch_size_for(len(examples))
        self.programs: dict[int, Program] = {}  # by size: the last, short batch has its own

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
        examples, settings = self.examples, self.settings
        number = state.epoch + 1
        order = permutation(len(examples), settings.seed, Purpose.SHUFFLE, epoch=number)
        starts = range(0, len(examples), self.batch_size)
        theta, optimizer, step_number = state.theta, state.optimizer, state.step_number
        scalar: Any = theta.dtype.type
        total = 0.0
        for start in starts:
            rows = order[start : start + self.batch_size]
            step_number += 1
            done = number - 1 + start / self.batch_size / len(starts)
            rate = scalar(self.optimizer.learning_rate * self._factor(state, done))
            weights = examples.weights[rows]
            # What overflows is found below, and explained.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                after, optimizer, losses = run(
                    self._program(len(rows)), theta, optimizer, examples.x[rows], examples.y[rows],
                    weights, rate, scalar(step_number), *self._key(step_number),
                )  # fmt: skip
                loss = float(np.sum(weights * losses, dtype=np.float64))
            if not math.isfinite(loss):
                raise DivergedError(self._explain(number, step_number, theta))
            total += loss
            theta = after
            if self.after_step is not None:
                self.after_step(Step(number, step_number, rows, losses, float(rate), theta))
        if not np.all(np.isfinite(theta)):
            raise DivergedError(self._explain(number, step_number, theta))
        mean = total / float(np.sum(examples.weights, dtype=np.float64))
        return Turn(theta, optimizer, step_number, mean, float(rate))

    def _factor(self, state: State, done: float) -> float:
        schedule = self.settings.schedule
        if isinstance(schedule, ReduceOnPlateau):
            return state.schedule["factor"]
        return schedule(done, self.settings.epochs)

    def _key(self, step_number: int) -> list[NDArray[np.uint32]]:
        return [dropout_key(self.settings.seed, step_number)] if self.network.dropout else []

    def _program(self, size: int) -> Program:
        if size not in self.programs:
            self.programs[size] = record_step(
                self.network,
                self.optimizer,
                size,
                self.settings.dtype_meant(),
                self.settings.penalties,
            )
        return self.programs[size]

    def _explain(self, epoch: int, step_number: int, theta: NDArray[Any]) -> str:
        where = f"the loss is no longer finite in epoch {epoch}, at step {step_number}"
        return f"{where}: {self._cause(step_number, theta)}"

    def _cause(self, step_number: int, theta: NDArray[Any]) -> str:
        """Return the likely cause of a loss that is not finite, and what to do."""
        optimizer, penalties = self.optimizer, self.settings.penalties
        rate, decay = optimizer.learning_rate, optimizer.weight_decay
        largest = float(np.max(np.abs(theta)))
        reach = max(float(np.max(np.abs(part))) for part in (self.examples.x, self.examples.y))
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
