"""scikit-learn's optimizers: the change that a gradient makes, and learning rates over epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

State = dict[str, Any]


@dataclass(frozen=True)
class Momentum:
    """Stochastic gradient descent with momentum, Nesterov's or the plain one.

    Parameters
    ----------
    momentum : float
        The part of the last step that is kept; 0 for none.
    nesterov : bool

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.optimizers import Momentum
    >>> ball = Momentum(0.5, nesterov=True)
    >>> ball.change(np.array([1.0]), {"velocity": np.zeros(1)}, 1.0)
    (array([-1.5]), {'velocity': array([-1.])})
    """

    momentum: float
    nesterov: bool

    def initial_state(self, theta: Any) -> State:
        """Return the velocity of a ball at rest."""
        return {"velocity": np.zeros_like(theta)}

    def change(self, gradient: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return what is added to the parameters, and the new state.

        Parameters
        ----------
        gradient : array, shape (parameters,)
        state : dict of str to array
        rate : float scalar
            The learning rate of the step.
        """
        velocity = self.momentum * state["velocity"] - rate * gradient
        ahead = self.momentum * velocity - rate * gradient if self.nesterov else velocity
        return ahead, {"velocity": velocity}


@dataclass(frozen=True)
class Adam:
    """Adam in the form of its paper's section 2, with the bias correction in the learning rate.

    Parameters
    ----------
    beta_1, beta_2 : float
    epsilon : float
        Added to the root of the uncorrected mean square, and so not quite what it is in the
        paper's algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.optimizers import Adam
    >>> adam, gradient = Adam(0.9, 0.999, 1e-8), np.array([1e-3, -1e3])
    >>> change, _ = adam.change(gradient, adam.initial_state(gradient), 0.1 * 0.001**0.5 / 0.1)
    >>> change.round(3)
    array([-0.1,  0.1])
    """

    beta_1: float
    beta_2: float
    epsilon: float

    def initial_state(self, theta: Any) -> State:
        """Return zero for the running means of the gradient and of its square."""
        return {"mean": np.zeros_like(theta), "mean_square": np.zeros_like(theta)}

    def change(self, gradient: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return what is added to the parameters, and the new state; see `Momentum.change`."""
        mean = self.beta_1 * state["mean"] + (1 - self.beta_1) * gradient
        mean_square = self.beta_2 * state["mean_square"] + (1 - self.beta_2) * gradient**2
        change = -rate * mean / (np.sqrt(mean_square) + self.epsilon)
        return change, {"mean": mean, "mean_square": mean_square}


# From a gradient to the change of the parameters, as a NumPy function that is recorded.
Rule: TypeAlias = Momentum | Adam


class Optimizer:
    """A rule with its state and its learning rate, which lives from fit to partial fit.

    Parameters
    ----------
    rule : Momentum or Adam
    learning_rate : float
        The initial one.
    schedule : {"constant", "invscaling", "adaptive"}, default "constant"
    power_t : float, default 0.5
        The exponent of ``"invscaling"``.

    Attributes
    ----------
    learning_rate : float
        The current one; of Adam, with its bias correction.
    t : int
        Steps so far.
    state : dict of str to array, or None
        None before the first step.

    Examples
    --------
    >>> from backlit.estimators.optimizers import Momentum, Optimizer
    >>> optimizer = Optimizer(Momentum(0.9, True), 0.5, "adaptive")
    >>> optimizer.rates(2)
    array([0.5, 0.5])
    >>> optimizer.stops("No progress.", verbose=True), optimizer.learning_rate
    No progress. Setting learning rate to 0.100000
    (False, 0.1)
    """

    def __init__(
        self, rule: Rule, learning_rate: float, schedule: str = "constant", power_t: float = 0.5
    ) -> None:
        self.rule = rule
        self.learning_rate_init = learning_rate
        self.learning_rate = float(learning_rate)
        self.schedule, self.power_t = schedule, power_t
        self.t = 0
        self.state: State | None = None

    def rates(self, steps: int) -> NDArray[np.float64]:
        """Return the learning rates of the next steps.

        Parameters
        ----------
        steps : int

        Returns
        -------
        array of float64, shape (steps,)
        """
        if not isinstance(self.rule, Adam):
            return np.full(steps, self.learning_rate)
        beta_1, beta_2 = self.rule.beta_1, self.rule.beta_2
        rates = np.empty(steps)
        for k in range(steps):  # powers of Python, whose last bits are not those of NumPy
            t = self.t + k + 1
            rates[k] = self.learning_rate_init * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return rates

    def step_ends(self, rates: NDArray[np.float64]) -> None:
        """Count steps that were made with these learning rates."""
        self.t += len(rates)
        if len(rates):
            self.learning_rate = float(rates[-1])

    def epoch_ends(self, examples: int) -> None:
        """Set the learning rate of the next epoch.

        Parameters
        ----------
        examples : int
            Trained on so far, counted with each epoch anew.
        """
        if self.schedule == "invscaling":
            self.learning_rate = float(self.learning_rate_init) / (examples + 1) ** self.power_t

    def stops(self, message: str, verbose: Any) -> bool:
        """Say whether training ends where it makes no progress; else, lower the learning rate.

        Parameters
        ----------
        message : str
            What has happened, printed if ``verbose``.
        verbose : bool or int

        Returns
        -------
        bool
        """
        stopping, then = True, "Stopping."
        if self.schedule == "adaptive":
            stopping = self.learning_rate <= 1e-6
            if stopping:
                then = "Learning rate too small. Stopping."
            else:
                self.learning_rate /= 5.0
                then = f"Setting learning rate to {self.learning_rate:f}"
        if verbose:
            print(f"{message} {then}")
        return stopping
