"""Trainings that accounts are tested on, and their steps split by brute force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.autodiff.derivatives import grad
from backlit.insight.recording import Recording
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.networks.losses import LOSSES
from backlit.networks.network import Parameters
from backlit.training import (
    Adam,
    AdamW,
    Cosine,
    GradientDescent,
    Momentum,
    Nesterov,
    Penalties,
    RMSProp,
    Settings,
)  # fmt: skip

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 4))
CLASSES = (X[:, 0] + X[:, 1] ** 2 + 0.3 * RNG.normal(size=60) > 0.5).astype(int) + (X[:, 2] > 1)
NUMBERS = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
WEIGHTS = RNG.uniform(0.2, 3, 42)
EVERYTHING = {
    "penalties": Penalties(l1=0.002, l2=0.01, clip_norm=0.4), "schedule": Cosine(),
}  # fmt: skip
OPTIMIZERS = {
    "gradient descent": GradientDescent(0.2, weight_decay=0.05),
    "momentum": Momentum(0.05, weight_decay=0.05),
    "nesterov": Nesterov(0.05, weight_decay=0.05),
    "rmsprop": RMSProp(0.01, weight_decay=0.05),
    "adam": Adam(0.02),
    "adamw": AdamW(0.02, weight_decay=0.1),
}


def watched(
    optimizer: str = "adam", loss: str = "log_loss", *, dropout: float = 0.0,
    dtype: str = "float64", weights: Any = None, everything: bool = False, validate: bool = True,
    epochs: int = 4, activation: str = "tanh", **more: Any,
) -> Recording:  # fmt: skip
    """Return the recording of a small training."""
    y = CLASSES if loss == "log_loss" else NUMBERS
    network = Network(4, (6, 5), 3 if loss == "log_loss" else 2, activation, loss, dropout=dropout)
    settings = Settings(
        OPTIMIZERS[optimizer], epochs=epochs, batch_size=12, dtype=dtype, engine="reference",
        **(EVERYTHING if everything else {}), **more,
    )  # fmt: skip
    training = (X[:42], y[:42]) if weights is None else (X[:42], y[:42], weights)
    _, recording = watch(network, training, (X[42:], y[42:]) if validate else None, settings)
    return recording


@dataclass(frozen=True)
class Split:
    """What each example's gradient, and what else, added to the parameters in each step."""

    examples: np.ndarray  # (steps, examples, parameters)
    penalty: np.ndarray  # (steps, parameters)
    decay: np.ndarray  # (steps, parameters)


def split(
    recording: Recording, optimizer: Any, steps: int, gradient_of: Any, epoch: int | None = None
) -> Split:
    """Split each step by materialising each example's gradient, and a memory for each example.

    With an epoch, only what came from the gradients of that epoch.
    """
    layout, part = recording.subject.layout, recording.training
    count, size = len(part), layout.size
    is_weight = layout.flatten({k: np.full(s, len(s) == 2) for k, s in layout.shapes.items()})
    memory = np.zeros((count + 1, size))  # the last one is of the penalties
    square = np.zeros(size)
    penalties = EVERYTHING["penalties"] if recording.course.clip_norm else Penalties()
    changes, decays = [], []
    for moment in recording.replay(last=steps):
        theta, rate, t = moment.theta, float(moment.learning_rate), moment.number
        weights = part.weights[moment.rows].astype(float)
        own = np.zeros((count + 1, size))
        for place, row in enumerate(moment.rows):
            gradient = layout.flatten(gradient_of(theta, moment, place))
            own[row] = gradient * weights[place] / weights.sum()
        W = theta * is_weight
        own[-1] = penalties.l1 * np.sign(W) + penalties.l2 * W
        if penalties.clip_norm:
            own *= min(1, penalties.clip_norm / np.linalg.norm(own.sum(axis=0)))
        total = own.sum(axis=0)
        if epoch not in (None, moment.epoch):
            own *= 0
        name = type(optimizer).__name__
        if name == "GradientDescent":
            change = -rate * own
        elif name in ("Momentum", "Nesterov"):
            memory = optimizer.momentum * memory - rate * own
            change = memory
            if name == "Nesterov":
                change = optimizer.momentum * memory - rate * own
        elif name == "RMSProp":
            square = optimizer.decay * square + (1 - optimizer.decay) * total**2
            change = -rate * own / (np.sqrt(square) + optimizer.epsilon)
        else:
            memory = optimizer.beta1 * memory + (1 - optimizer.beta1) * own
            square = optimizer.beta2 * square + (1 - optimizer.beta2) * total**2
            divisor = np.sqrt(square / (1 - optimizer.beta2**t)) + optimizer.epsilon
            change = -rate * memory / (1 - optimizer.beta1**t) / divisor
        changes.append(change)
        decays.append(-rate * optimizer.weight_decay * W)
        if epoch is None:
            np.testing.assert_allclose(
                theta + change.sum(axis=0) + decays[-1], moment.after, rtol=1e-9, atol=1e-12
            )
    whole = np.array(changes)
    return Split(whole[:, :-1], whole[:, -1], np.array(decays))


def gradient_of_one(loss: str, recording: Recording) -> Any:
    """Return a function that gives the gradient of one example of a step, by `backlit.grad`."""
    part, subject = recording.training, recording.subject
    network = Network(4, (6, 5), subject.sizes[-1], subject.activation_names[0], loss)
    if subject.dropout:
        network = replace(network, dropout=subject.dropout[0])

    def gradient(theta: Any, moment: Any, place: int) -> Parameters:
        # The whole batch goes through, since dropout draws by the place in it.
        x, y = part.x[moment.rows], part.y[moment.rows]

        def of_one(p: Any) -> Any:
            return LOSSES[loss](network.forward(p, x, moment.key), y)[place]

        return grad(of_one)(subject.layout.views(theta))

    return gradient
