"""The training step: forward pass, backward pass and update of one batch, as one program.

`training_step` is the whole of it, a NumPy function of a few lines. Recorded, it is a flat list of
NumPy calls that an executor runs, and that ``print`` shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from backlit.autodiff.derivatives import vjp
from backlit.autodiff.recording import record
from backlit.networks.dropout import dropout_key
from backlit.networks.network import Network
from backlit.program import Program
from backlit.training.optimizers import Optimizer
from backlit.training.parameters import Layout
from backlit.training.penalties import Penalties, is_weight


def training_step(
    network: Network, optimizer: Optimizer, penalties: Penalties | None = None
) -> Callable[..., Any]:
    """Return the function that makes one step of training.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    penalties : Penalties, optional

    Returns
    -------
    callable
        ``step(theta, state, x, y, weights, learning_rate, step_number)`` returns ``(theta, state,
        losses)``: the new flat parameters, the new state of the optimizer, and the loss of each
        example before the step. The step goes down the gradient of the mean of the losses, each
        example with its weight in ``weights``, with the penalties. For a network with dropout,
        ``step`` takes one more argument, the ``key`` that `dropout_key` makes.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> from backlit.training import GradientDescent, training_step
    >>> step = training_step(Network(1, (), 1, loss="squared_loss"), GradientDescent())
    >>> x, y, weights = np.array([[1.0]]), np.array([[1.0]]), np.ones(1)
    >>> theta, state, losses = step(np.zeros(2), {}, x, y, weights, 0.25, 1)
    >>> theta, losses
    (array([0.25, 0.25]), array([0.5]))
    """
    layout = Layout(network.shapes)
    penalties = Penalties() if penalties is None else penalties

    def step(
        theta: Any, state: Any, x: Any, y: Any, weights: Any, learning_rate: Any, step_number: Any,
        key: Any = None,
    ) -> Any:  # fmt: skip
        if network.dropout and key is None:
            raise ValueError("a step of a network with dropout needs a key; see dropout_key")
        parameters = layout.views(theta)
        losses, pullback = vjp(lambda parameters: network.losses(parameters, x, y, key), parameters)
        d_losses = weights / np.sum(weights)
        (gradients,) = pullback(d_losses)
        gradient = layout.flatten(gradients)
        W = theta * is_weight(layout, theta.dtype)
        gradient = penalties.clip(penalties.add(gradient, W))
        if optimizer.weight_decay:
            theta = theta - learning_rate * optimizer.weight_decay * W
        theta, state = optimizer.update(theta, gradient, state, learning_rate, step_number)
        return theta, state, losses

    return step


def record_step(
    network: Network,
    optimizer: Optimizer,
    batch_size: int,
    dtype: DTypeLike = np.float32,
    penalties: Penalties | None = None,
) -> Program:
    """Record the training step of a network for one size of batch.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    batch_size : int
    dtype : float32 or float64, default float32
    penalties : Penalties, optional

    Returns
    -------
    Program
        Takes and returns what the function of `training_step` does. ``print`` it to read it.

    Examples
    --------
    >>> from backlit.networks import Network
    >>> from backlit.training import GradientDescent, record_step
    >>> program = record_step(Network(4, (8,), 3), GradientDescent(), batch_size=16)
    >>> [value.shape for value in program.inputs[1:4]]
    [(16, 4), (16,), (16,)]
    """
    dtype = np.dtype(dtype)
    scalar: Any = dtype.type
    theta = np.zeros(Layout(network.shapes).size, dtype)
    y = (
        np.zeros(batch_size, np.int64)
        if network.targets == "classes"
        else np.zeros((batch_size, network.outputs), dtype)
    )
    return record(
        training_step(network, optimizer, penalties),
        theta,
        optimizer.initial_state(theta),
        np.zeros((batch_size, network.inputs), dtype),
        y,
        np.ones(batch_size, dtype),
        scalar(optimizer.learning_rate),
        scalar(1),
        *([dropout_key(0, 1)] if network.dropout else []),
    )
