"""Where training stands: everything that the next epoch depends on, and the best so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch.

    Attributes
    ----------
    number : int
        Counted from 1.
    train_loss : float
        The weighted mean over the training examples, each at the moment of its step.
    validation_loss, validation_score : float
        After the epoch, on the validation part; NaN without one.
    learning_rate : float
        Of the last step.
    seconds : float
        Since training began, without the time between an interruption and going on.
    """

    number: int
    train_loss: float
    validation_loss: float
    validation_score: float
    learning_rate: float
    seconds: float

    @property
    def figures(self) -> tuple[float, ...]:
        """All but the number, in order."""
        return (
            self.train_loss,
            self.validation_loss,
            self.validation_score,
            self.learning_rate,
            self.seconds,
        )


@dataclass(frozen=True, eq=False)
class State:
    """Where training stands after an epoch; `train` goes on from it to the same bits.

    Its arrays are never changed in place, so that it can be kept and written at any time.

    Attributes
    ----------
    theta : array, shape (parameters,)
        The flat parameters, in the order of `Layout`.
    optimizer : dict of str to array
        What the optimizer remembers.
    best_theta : array, shape (parameters,)
        The parameters of the best epoch.
    step_number : int
        How many steps are done.
    schedule : dict
        What `ReduceOnPlateau` remembers, in JSON types; empty for other schedules.
    best_epoch : int
        0 stands for the initial weights.
    lowest : float
        What was smallest at the best epoch: the validation loss, or minus the score.
    epochs : tuple of Epoch
        The figures of the epochs that are done.
    """

    theta: NDArray[Any]
    optimizer: dict[str, NDArray[Any]]
    best_theta: NDArray[Any]
    step_number: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    best_epoch: int = 0
    lowest: float = math.inf
    epochs: tuple[Epoch, ...] = ()

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.epochs)
