"""Optimizers: from a gradient to new parameters, as NumPy functions of flat arrays.

Each is a frozen set of settings with two functions. They are recorded as a part of the training
step, so they are written as mathematics: nothing is changed in place, and what varies from step to
step (the learning rate, the number of the step) arrives as an argument.

All have a ``weight_decay``: at each step, weights shrink by ``learning_rate * weight_decay`` of
themselves, apart from the gradient ("decoupled": I. Loshchilov and F. Hutter, "Decoupled weight
decay regularization", 2019). The training step does it, since it knows weights from biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from backlit.training.checks import Checked

State = dict[str, Any]


class Optimizer(Protocol):
    """What training asks of an optimizer.

    Attributes
    ----------
    learning_rate : float
    weight_decay : float
    """

    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    @property
    def weight_decay(self) -> float: ...  # noqa: D102

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
class GradientDescent(Checked):
    """Go down the slope: ``theta - learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float, default 0.1
    weight_decay : float, default 0.0

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import GradientDescent
    >>> theta, state = GradientDescent().update(np.array([1.0]), np.array([2.0]), {}, 0.1, 1)
    >>> theta
    array([0.8])
    """

    learning_rate: float = 0.1
    weight_decay: float = 0.0

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
class Momentum(Checked):
    """Gradient descent of a heavy ball: each step keeps a part of the last one.

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.9
        The part that is kept.
    weight_decay : float, default 0.0

    Notes
    -----
    Equations 1 and 2 of I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of
    initialization and momentum in deep learning", 2013; first in B. Polyak, "Some methods of
    speeding up the convergence of iteration methods", 1964::

        velocity = momentum * velocity - learning_rate * gradient
        theta = theta + velocity

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Momentum
    >>> ball, theta, gradient = Momentum(momentum=0.5), np.array([0.0]), np.array([1.0])
    >>> theta, state = ball.update(theta, gradient, ball.initial_state(theta), 1.0, 1)
    >>> theta, state = ball.update(theta, gradient, state, 1.0, 2)
    >>> theta
    array([-2.5])
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0

    def initial_state(self, theta: Any) -> State:
        """Return the velocity of a ball at rest."""
        return {"velocity": np.zeros_like(theta)}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new velocity."""
        velocity = self.momentum * state["velocity"] - learning_rate * gradient
        theta = theta + velocity
        return theta, {"velocity": velocity}


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Momentum whose gradient is taken where the velocity is about to carry the parameters.

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.9
        The part of the last step that is kept.
    weight_decay : float, default 0.0

    Notes
    -----
    Equations 3 and 4 of Sutskever and others (see `Momentum`), after Y. Nesterov, "A method for
    unconstrained convex minimization problem with the rate of convergence O(1/k^2)", 1983. There,
    the gradient is taken at ``theta + momentum * velocity``. Here ``theta`` *is* that place, as in
    Y. Bengio, N. Boulanger-Lewandowski and R. Pascanu, "Advances in optimizing recurrent networks",
    2013 (section 3.5), so that a step needs one gradient, where the parameters are.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Nesterov
    >>> ball, theta = Nesterov(momentum=0.5), np.array([0.0])
    >>> theta, _ = ball.update(theta, np.array([1.0]), ball.initial_state(theta), 1.0, 1)
    >>> theta
    array([-1.5])
    """

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new velocity."""
        velocity = self.momentum * state["velocity"] - learning_rate * gradient
        theta = theta + self.momentum * velocity - learning_rate * gradient
        return theta, {"velocity": velocity}


@dataclass(frozen=True)
class RMSProp(Checked):
    """Gradient descent in units of each gradient's recent size.

    Parameters
    ----------
    learning_rate : float, default 0.001
    decay : float, default 0.9
        How much of the running mean of the gradient's square is kept at each step.
    epsilon : float, default 1e-8
        Keeps the quotient finite where all gradients were zero.
    weight_decay : float, default 0.0

    Notes
    -----
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural networks for machine learning, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import RMSProp
    >>> rmsprop, theta = RMSProp(decay=0.75), np.array([1.0, 1.0])
    >>> gradient = np.array([1e-3, -1e3])
    >>> theta, _ = rmsprop.update(theta, gradient, rmsprop.initial_state(theta), 0.1, 1)
    >>> theta.round(3)
    array([0.8, 1.2])
    """

    learning_rate: float = 0.001
    decay: float = 0.9
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def initial_state(self, theta: Any) -> State:
        """Return zero for the running mean of the gradient's square."""
        return {"mean_square": np.zeros_like(theta)}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new running mean."""
        mean_square = self.decay * state["mean_square"] + (1 - self.decay) * gradient**2
        theta = theta - learning_rate * gradient / (np.sqrt(mean_square) + self.epsilon)
        return theta, {"mean_square": mean_square}


@dataclass(frozen=True)
class Adam(Checked):
    """Steps of about the learning rate in every direction, whatever the gradient's scale.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta1, beta2 : float, default 0.9 and 0.999
        How much of the running means of the gradient and of its square is kept at each step.
    epsilon : float, default 1e-8
        Keeps the quotient finite where all gradients were zero.
    weight_decay : float, default 0.0

    Notes
    -----
    Algorithm 1 of D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, in the
    order of computation at the end of its section 2, with Algorithm 1's ``epsilon``.

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
    weight_decay: float = 0.0

    def initial_state(self, theta: Any) -> State:
        """Return zero for the running means of the gradient and of its square."""
        return {"mean": np.zeros_like(theta), "mean_square": np.zeros_like(theta)}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters and the new running means."""
        mean = self.beta1 * state["mean"] + (1 - self.beta1) * gradient
        mean_square = self.beta2 * state["mean_square"] + (1 - self.beta2) * gradient**2
        # Both began at zero; their expectations are short by these factors. They are numbers, and
        # so are corrected for in what multiplies the arrays anyway.
        mean_factor = 1 - self.beta1**step_number
        root_factor = np.sqrt(1 - self.beta2**step_number)
        rate = learning_rate * root_factor / mean_factor
        epsilon = self.epsilon * root_factor
        theta = theta - rate * mean / (np.sqrt(mean_square) + epsilon)
        return theta, {"mean": mean, "mean_square": mean_square}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled decay of the weights.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta1, beta2 : float, default 0.9 and 0.999
    epsilon : float, default 1e-8
    weight_decay : float, default 0.01
        At each step, weights (not biases) shrink by ``learning_rate * weight_decay`` of themselves.

    Notes
    -----
    Algorithm 2 of I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, with
    the decay multiplied by the learning rate alpha, as has become usual. The training step decays;
    `update` is Adam's.

    Examples
    --------
    >>> from backlit.training import AdamW
    >>> AdamW().weight_decay
    0.01
    """

    weight_decay: float = 0.01


@dataclass(frozen=True)
class Rprop(Checked):
    """Step by the sign of each derivative only, as far as the sign lasts. For full batches.

    Parameters
    ----------
    learning_rate : float, default 0.1
        The length of the first step of each parameter. From then on each has its own length, and
        schedules change nothing but the decay.
    grow, shrink : float, default 1.2 and 0.5
        What multiplies the length while the derivative keeps its sign, and when that changes.
    shortest, longest : float, default 1e-6 and 50.0
        The bounds of the length.
    weight_decay : float, default 0.0

    Notes
    -----
    iRprop- of C. Igel and M. Hüsken, "Improving the Rprop learning algorithm", 2000: after a change
    of sign, the parameter rests for one step. Settings as in M. Riedmiller and H. Braun, "A direct
    adaptive method for faster backpropagation learning: the RPROP algorithm", 1993. The sign of a
    small batch's derivative is chance, so let each batch be all examples.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training import Rprop
    >>> rprop, theta = Rprop(), np.array([1.0, 1.0])
    >>> gradient = np.array([1e-3, -1e3])
    >>> theta, state = rprop.update(theta, gradient, rprop.initial_state(theta), 0.1, 1)
    >>> theta, state["length"]
    (array([0.9, 1.1]), array([0.1, 0.1]))
    """

    learning_rate: float = 0.1
    grow: float = 1.2
    shrink: float = 0.5
    shortest: float = 1e-6
    longest: float = 50.0
    weight_decay: float = 0.0

    def initial_state(self, theta: Any) -> State:
        """Return the length of the first steps, and no sign yet."""
        return {"length": np.full_like(theta, self.learning_rate), "sign": np.zeros_like(theta)}

    def update(
        self, theta: Any, gradient: Any, state: State, learning_rate: Any, step_number: Any
    ) -> tuple[Any, State]:
        """Return the new parameters, the new lengths, and the signs that led there."""
        sign = np.sign(gradient)
        # The product of signs, not of derivatives: that one could underflow.
        agreement = sign * state["sign"]
        longer = np.minimum(self.grow * state["length"], self.longest)
        shorter = np.maximum(self.shrink * state["length"], self.shortest)
        kept = np.where(agreement < 0, shorter, state["length"])
        length = np.where(agreement > 0, longer, kept)
        sign = np.where(agreement < 0, 0, sign)
        theta = theta - length * sign
        return theta, {"length": length, "sign": sign}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "rprop": Rprop,
}
