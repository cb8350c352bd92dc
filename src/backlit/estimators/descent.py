"""Epochs of stochastic gradient descent: shuffles, batches, the learning rate, and when to stop."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.estimators.engines import Data, Steps
from backlit.estimators.optimizers import Optimizer


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
    """

    def __init__(
        self,
        steps: Steps,
        optimizer: Optimizer,
        data: Data,
        size: int,
        random: np.random.RandomState | None,
    ) -> None:
        self.steps, self.optimizer, self.data, self.size = steps, optimizer, data, size
        self.random = random
        self.order = np.arange(len(data)) if random is not None else None
        self.starts = np.arange(0, len(data), size)
        self.counts = np.diff(np.append(self.starts, len(data)))

    def run(self) -> float:
        """Run one epoch.

        Returns
        -------
        float
            The mean of the batches' losses, each with the number of its examples.

        Raises
        ------
        ZeroDivisionError
            If the weights of a batch sum to zero.
        """
        if self.random is not None and self.order is not None:
            shuffled = np.arange(len(self.data))
            self.random.shuffle(shuffled)
            self.order = self.order[shuffled]
        self._check_weights()
        before = self.steps.made
        rates = self.optimizer.rates(math.ceil(len(self.data) / self.size))
        try:
            losses = self.steps.epoch(self.order, self.size, rates)
        finally:  # an interrupted epoch counts as far as it went
            self.optimizer.step_ends(rates[: self.steps.made - before])
            self.optimizer.state = self.steps.state
        total = 0.0
        for loss, count in zip(losses.tolist(), self.counts.tolist(), strict=True):
            total += loss * count
        return total / len(self.data)

    def _check_weights(self) -> None:
        weights: NDArray[Any] | None = self.data.weights
        if weights is None or np.all(weights > 0):
            return
        ordered = weights if self.order is None else weights[self.order]
        if not np.all(np.add.reduceat(ordered, self.starts)):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
