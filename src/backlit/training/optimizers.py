"""Optimizers: from a gradient to new parameters, as NumPy functions of flat arrays.

Each is a frozen set of settings with two functions. They are recorded as a part of the training
step, so they are written as mathematics: nothing is changed in place, and what varies from step to
step (the learning rate, the number of the step) arrives as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

State = dict[str, Any]


class Optimizer(Protocol):
    """What training asks of an optimizer.

    Attributes
    ----------
    learning_rate : float
    """

    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    def initial_state(self, theta: Any) -> State:
        """Return what the optimizer remembers before the first step, each in theta's shape."""

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new state.

        Parameters
        ----------
        theta, gradient : array, shape (parameters,)
        state : dict of str to array
        learning_rate : float scalar of theta's dtype
        step_number : float scalar of theta's dtype
            Counted from 1.
        """


@dataclass(frozen=True)
class GradientDescent:
    """Go down the slope: ``theta - learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float, default 0.1

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import GradientDescent
    >>> theta, state = GradientDescent().update(np.array([1.0]), np.array([2.0]), {}, 0.1, 1)
    >>> theta
    array([0.8])
    """

    learning_rate: float = 0.1

    def initial_state(self, theta: Any) -> State:
        """Return an empty state: nothing is remembered."""
        return {}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters, and the empty state."""
        theta = theta - learning_rate * gradient
        return theta, state


@dataclass(frozen=True)
class Adam:
    """Steps of about the learning rate in every direction, whatever the gradient's scale.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta1, beta2 : float, default 0.9 and 0.999
        How much of the running means of the gradient and of its square is kept at each step.
    epsilon : float, default 1e-8
        Keeps the quotient finite where all gradients were zero.

    Notes
    -----
    Algorithm 1 of D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Adam
    >>> adam, theta = Adam(), np.array([1.0, 1.0])
    >>> gradient = np.array([1e-3, -1e3])
    >>> theta, state = adam.update(theta, gradient, adam.initial_state(theta), 0.1, 1)
    >>> theta.round(3)
    array([0.9, 1.1])
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def initial_state(self, theta: Any) -> State:
        """Return zero for the running means of the gradient and of its square."""
        return {"mean": np.zeros_like(theta), "mean_square": np.zeros_like(theta)}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new running means."""
        mean = self.beta1 * state["mean"] + (1 - self.beta1) * gradient
        mean_square = self.beta2 * state["mean_square"] + (1 - self.beta2) * gradient**2
        # Both began at zero; their expectations are short by these factors.
        unbiased_mean = mean / (1 - self.beta1**step_number)
        unbiased_square = mean_square / (1 - self.beta2**step_number)
        theta = theta - learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + self.epsilon)
        return theta, {"mean": mean, "mean_square": mean_square}
