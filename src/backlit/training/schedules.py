"""Schedules: how the learning rate changes over the epochs.

A schedule is a frozen set of settings and a function of the epoch. What it returns multiplies the
optimizer's learning rate. The epoch counts what is done and may have a fraction: with 100 batches,
the first step is at 0.0, the second at 0.01. So a schedule may be asked before every epoch or
before every step, and is the same curve for any size of batch.

`ReduceOnPlateau` alone needs to know how training goes, and so has a state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from backlit.training.checks import Checked


class Schedule(Protocol):
    """What training asks of a schedule."""

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate.

        Parameters
        ----------
        epoch : float, from 0 to epochs
            How many epochs are done.
        epochs : float
            How many there will be.
        """


@dataclass(frozen=True)
class Constant(Checked):
    """The same learning rate throughout.

    Examples
    --------
    >>> from backlit.training import Constant
    >>> Constant()(epoch=7, epochs=10)
    1.0
    """

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class StepDecay(Checked):
    """A sudden drop every few epochs: ``factor ** floor(epoch / every)``.

    Parameters
    ----------
    every : float, default 30.0
        The number of epochs between drops.
    factor : float, default 0.1
        What multiplies the learning rate at a drop.

    Examples
    --------
    >>> from backlit.training import StepDecay
    >>> decay = StepDecay(every=10, factor=0.5)
    >>> decay(9.99, 100), decay(10, 100), decay(20, 100)
    (1.0, 0.5, 0.25)
    """

    every: float = 30.0
    factor: float = 0.1

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate after ``epoch`` epochs."""
        return self.factor ** math.floor(epoch / self.every)


@dataclass(frozen=True)
class Cosine(Checked):
    """Down along half a cosine, from the learning rate to a part of it.

    Parameters
    ----------
    end : float, default 0.0
        The last factor.

    Notes
    -----
    Equation 5, without restarts, of I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent
    with warm restarts", 2017.

    Examples
    --------
    >>> from backlit.training import Cosine
    >>> cosine = Cosine(end=0.5)
    >>> cosine(0, 10), cosine(5, 10), cosine(10, 10)
    (1.0, 0.75, 0.5)
    """

    end: float = 0.0

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate after ``epoch`` epochs."""
        return _along_cosine(1.0, self.end, epoch / epochs)


@dataclass(frozen=True)
class OneCycle(Checked):
    """Up from a small learning rate to the full one, and then down to almost nothing.

    Parameters
    ----------
    warm : float, default 0.3
        Between 0 and 1: the part of training that goes up.
    start : float, default 0.04
        The first factor.
    end : float, default 4e-6
        The last factor.

    Notes
    -----
    L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018; with two halves of a cosine, as fastai goes up and down, and with
    PyTorch's defaults (start 1/25, end 1/25 of 1/10000). The momentum stays as it is.

    Examples
    --------
    >>> from backlit.training import OneCycle
    >>> cycle = OneCycle(warm=0.25, start=0.2, end=0.0)
    >>> [round(cycle(epoch, 100), 3) for epoch in (0, 25, 62.5, 100)]
    [0.2, 1.0, 0.5, 0.0]
    """

    warm: float = 0.3
    start: float = 0.04
    end: float = 4e-6

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate after ``epoch`` epochs."""
        done = epoch / epochs
        if done < self.warm:
            return _along_cosine(self.start, 1.0, done / self.warm)
        return _along_cosine(1.0, self.end, (done - self.warm) / (1 - self.warm))


@dataclass(frozen=True)
class InverseScaling(Checked):
    """Slowly down, without an end: ``1 / (1 + epoch) ** power``.

    Parameters
    ----------
    power : float, default 0.5

    Notes
    -----
    For powers above 1/2 and up to 1, the rates add up to infinity and their squares do not: the
    conditions under which H. Robbins and S. Monro, "A stochastic approximation method", 1951,
    converge.

    Examples
    --------
    >>> from backlit.training import InverseScaling
    >>> InverseScaling()(3, 100)
    0.5
    """

    power: float = 0.5

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate after ``epoch`` epochs."""
        return (1 + epoch) ** -self.power


@dataclass(frozen=True)
class ReduceOnPlateau(Checked):
    """A drop whenever the loss has not become better for some epochs.

    Parameters
    ----------
    factor : float, default 0.1
        What multiplies the learning rate at a drop.
    patience : int, default 10
        How many epochs in a row may bring no better loss; the next one drops the rate.
    threshold : float, default 1e-4
        Better is below ``best - threshold * abs(best)``.
    smallest : float, default 0.0
        The factor of the learning rate does not become smaller.

    Notes
    -----
    The rule of PyTorch's scheduler of that name, with its defaults; but for a negative loss, too,
    better is less than the best.

    Examples
    --------
    >>> from backlit.training import ReduceOnPlateau
    >>> plateau = ReduceOnPlateau(factor=0.5, patience=1)
    >>> state = plateau.initial_state()
    >>> for loss in (1.0, 0.8, 0.8, 0.8):
    ...     state = plateau.after_epoch(state, loss)
    >>> state["factor"]
    0.5
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    smallest: float = 0.0

    def initial_state(self) -> dict[str, Any]:
        """Return the state before the first epoch, in JSON types.

        Returns
        -------
        dict
            ``factor``, which multiplies the learning rate; the ``best`` loss, or None; and how many
            epochs it is ``waiting`` for a better one.
        """
        return {"factor": 1.0, "best": None, "waiting": 0}

    def after_epoch(self, state: dict[str, Any], loss: float) -> dict[str, Any]:
        """Return the state after one more epoch.

        Parameters
        ----------
        state : dict
        loss : float
            Of the epoch. NaN is not better than anything.
        """
        factor, best, waiting = state["factor"], state["best"], state["waiting"]
        bound = math.inf if best is None else best - self.threshold * abs(best)
        if loss < bound:
            return {"factor": factor, "best": loss, "waiting": 0}
        if waiting < self.patience:
            return {"factor": factor, "best": best, "waiting": waiting + 1}
        return {"factor": max(factor * self.factor, self.smallest), "best": best, "waiting": 0}


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "inverse_scaling": InverseScaling,
}


def _along_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
