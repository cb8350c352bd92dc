"""The epoch loop: shuffled batches, a held-out part, the best epoch kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from backlit.execution.reference import run
from backlit.networks.losses import LOSSES
from backlit.networks.network import Network, Parameters
from backlit.networks.randomness import Purpose, permutation
from backlit.program import Program
from backlit.training.examples import Examples, as_examples
from backlit.training.optimizers import Adam, Optimizer
from backlit.training.parameters import Layout
from backlit.training.scores import SCORES
from backlit.training.step import record_step


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch.

    Attributes
    ----------
    number : int
        Counted from 1.
    train_loss : float
        The mean over the training examples, each at the moment of its step.
    validation_loss, validation_score : float
        After the epoch, on the held-out part; the score is accuracy, or R2 for numbers.
    seconds_left : float
        The time that the remaining epochs will take, if they take as long as those so far.
    """

    number: int
    train_loss: float
    validation_loss: float
    validation_score: float
    seconds_left: float


@dataclass(frozen=True, eq=False)
class Training:
    """What came out of training.

    Attributes
    ----------
    parameters : dict of str to array
        Of the best epoch.
    best_epoch : int
        The epoch with the smallest validation loss; 0 stands for the initial weights.
    epochs : list of Epoch
    interrupted : bool
        Whether Ctrl-C ended it before the last epoch.
    seconds : float
    """

    parameters: Parameters
    best_epoch: int
    epochs: list[Epoch]
    interrupted: bool
    seconds: float


def train(
    network: Network,
    training: tuple[Any, Any],
    validation: tuple[Any, Any],
    *,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
    after_epoch: Callable[[Epoch], None] | None = None,
) -> Training:
    """Train a network, and keep the parameters of its best epoch.

    Parameters
    ----------
    network : Network
    training, validation : pair of array
        Inputs of shape (examples, inputs) with classes, int of shape (examples,), or with numbers
        of shape (examples, outputs). The validation part is never trained on: it chooses the epoch.
    optimizer : Optimizer, default Adam()
    epochs : int, default 100
    batch_size : int, default 32
        The last batch of an epoch may be shorter.
    seed : int, default 0
        Of the initial weights and the order of examples. The same call gives the same bits.
    dtype : float32 or float64, default float32
    after_epoch : callable, optional
        Called with the figures of each epoch.

    Returns
    -------
    Training
        After a ``KeyboardInterrupt``, too: with the best epoch so far.

    Raises
    ------
    ValueError
        If the examples do not fit the network, or a setting is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> from backlit.training import train
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> positive = (x[:, 0] > 0).astype(int)
    >>> trained = train(Network(1, (8,), 2), (x, positive), (x, positive), epochs=200)
    >>> trained.epochs[-1].validation_score > 0.95
    True
    """
    optimizer = Adam() if optimizer is None else optimizer
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, not {dtype}")
    for name, number in (("epochs", epochs), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    x, y = as_examples(network, *training, dtype, "training")
    held_out = as_examples(network, *validation, dtype, "validation")

    layout = Layout(network.shapes)
    theta = layout.flatten(network.parameters(seed, dtype))
    state = optimizer.initial_state(theta)
    scalar: Any = dtype.type
    learning_rate = scalar(optimizer.learning_rate)
    programs: dict[int, Program] = {}  # by batch size: the last, short batch has its own

    best, best_epoch, lowest = theta, 0, math.inf
    figures: list[Epoch] = []
    step_number = 0
    interrupted = False
    started = time.perf_counter()
    try:
        for number in range(1, epochs + 1):
            order = permutation(len(x), seed, Purpose.SHUFFLE, epoch=number)
            total = 0.0
            for start in range(0, len(x), batch_size):
                batch = order[start : start + batch_size]
                size = len(batch)
                if size not in programs:
                    programs[size] = record_step(network, optimizer, size, dtype)
                step_number += 1
                theta, state, losses = run(
                    programs[size], theta, state, x[batch], y[batch],
                    np.ones(size, dtype), learning_rate, scalar(step_number),
                )  # fmt: skip
                total += float(np.sum(losses, dtype=np.float64))
            validation_loss, validation_score = evaluate(network, layout.views(theta), held_out)
            if validation_loss < lowest:
                best, best_epoch, lowest = theta, number, validation_loss
            elapsed = time.perf_counter() - started
            figures.append(
                Epoch(
                    number=number,
                    train_loss=total / len(x),
                    validation_loss=validation_loss,
                    validation_score=validation_score,
                    seconds_left=elapsed / number * (epochs - number),
                )
            )
            if after_epoch is not None:
                after_epoch(figures[-1])
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.perf_counter() - started
    return Training(layout.views(best), best_epoch, figures, interrupted, seconds)


def evaluate(network: Network, parameters: Parameters, examples: Examples) -> tuple[float, float]:
    """Return the mean loss and the score of a network.

    Parameters
    ----------
    network : Network
    parameters : dict of str to array
    examples : pair of array
        Inputs and targets, as for `train`.

    Returns
    -------
    loss : float
    score : float
        Accuracy, or R2 for a network that predicts numbers.
    """
    x, y = examples
    outputs = network.forward(parameters, x)
    loss = float(np.mean(LOSSES[network.loss](outputs, y), dtype=np.float64))
    return loss, SCORES[network.loss](outputs, y)
