"""Optimizers: scikit-learn's and the trainer's, and learning rates over epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlit.estimators.schedules import Schedule, factor_at, schedule_for
from backlit.training import optimizers as of_trainer
from backlit.training.schedules import ReduceOnPlateau

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
    >>> ball.update(np.zeros(1), np.array([1.0]), {"velocity": np.zeros(1)}, 1.0)
    (array([-1.5]), {'velocity': array([-1.])})
    """

    momentum: float
    nesterov: bool

    def initial_state(self, theta: Any) -> State:
        """Return the velocity of a ball at rest."""
        return {"velocity": np.zeros(theta.shape, theta.dtype)}

    def update(self, theta: Any, gradient: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return the new parameters and the new velocity.

        Parameters
        ----------
        theta, gradient : array, shape (parameters,)
        state : dict of str to array
        rate : float scalar
            The learning rate of the step.
        """
        velocity = self.momentum * state["velocity"] - rate * gradient
        ahead = self.momentum * velocity - rate * gradient if self.nesterov else velocity
        return theta + ahead, {"velocity": velocity}


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
    >>> adam, theta, gradient = Adam(0.9, 0.999, 1e-8), np.zeros(2), np.array([1e-3, -1e3])
    >>> rate = 0.1 * 0.001**0.5 / 0.1
    >>> theta, _ = adam.update(theta, gradient, adam.initial_state(theta), rate)
    >>> theta.round(3)
    array([-0.1,  0.1])
    """

    beta_1: float
    beta_2: float
    epsilon: float

    def initial_state(self, theta: Any) -> State:
        """Return zero for the running means of the gradient and of its square."""
        return {
            "mean": np.zeros(theta.shape, theta.dtype),
            "mean_square": np.zeros(theta.shape, theta.dtype),
        }

    def update(self, theta: Any, gradient: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return the new parameters and the new running means; see `Momentum.update`."""
        mean = self.beta_1 * state["mean"] + (1 - self.beta_1) * gradient
        mean_square = self.beta_2 * state["mean_square"] + (1 - self.beta_2) * gradient**2
        change = -rate * mean / (np.sqrt(mean_square) + self.epsilon)
        return theta + change, {"mean": mean, "mean_square": mean_square}


@dataclass(frozen=True)
class Counted:
    """A rule of the trainer's, which is told the number of its step: that is kept in the state.

    Parameters
    ----------
    of_trainer : optimizer
        Made of one of the classes of `backlit.training`. Its own learning rate and decay are not
        looked at, but for the first length of `Rprop`.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.optimizers import Counted
    >>> from backlit.training import AdamW
    >>> rule, theta = Counted(AdamW()), np.zeros(1)
    >>> theta, state = rule.update(theta, np.array([3.0]), rule.initial_state(theta), 0.1)
    >>> theta.round(3), state["steps"]
    (array([-0.1]), array([1.]))
    """

    of_trainer: of_trainer.Optimizer

    def initial_state(self, theta: Any) -> State:
        """Return that of the trainer's rule, and no steps."""
        return {**self.of_trainer.initial_state(theta), "steps": np.zeros(1, theta.dtype)}

    def update(self, theta: Any, gradient: Any, state: State, rate: Any) -> tuple[Any, State]:
        """Return the new parameters and the new state; see `Momentum.update`."""
        own = dict(state)
        steps = own.pop("steps") + 1
        theta, own = self.of_trainer.update(theta, gradient, own, rate, steps)
        return theta, {**own, "steps": steps}


# From a gradient to new parameters, as a NumPy function that is recorded.
Rule: TypeAlias = Momentum | Adam | Counted


class Optimizer:
    """A rule with its state and its learning rate, which lives from fit to partial fit.

    Parameters
    ----------
    rule : Rule
    learning_rate : float
        The initial one.
    schedule : {"constant", "invscaling", "adaptive"}, key of `NAMED`, or schedule
        By default "constant".
    power_t : float, default 0.5
        The exponent of ``"invscaling"``.
    epochs : int, default 1
        How many a schedule counts on.

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
        self, rule: Rule, learning_rate: float, schedule: Any = "constant", power_t: float = 0.5,
        epochs: int = 1,
    ) -> None:  # fmt: skip
        self.rule = rule
        self.learning_rate_init = learning_rate
        self.learning_rate = float(learning_rate)
        self.schedule, self.power_t = schedule, power_t
        self.epochs, self.epochs_done = epochs, 0
        self.t = 0
        self.state: State | None = None
        self._planned: Schedule | None = schedule_for(schedule)
        self._plateau = (
            self._planned.initial_state() if isinstance(self._planned, ReduceOnPlateau) else None
        )

    def rates(self, steps: int) -> NDArray[np.float64]:
        """Return the learning rates of the next steps.

        Parameters
        ----------
        steps : int

        Returns
        -------
        array of float64, shape (steps,)
        """
        if self._planned is None and not isinstance(self.rule, Adam):
            return np.full(steps, self.learning_rate)
        rates = np.full(steps, float(self.learning_rate_init))
        if isinstance(self.rule, Adam):
            beta_1, beta_2 = self.rule.beta_1, self.rule.beta_2
            for k in range(steps):  # powers of Python, whose last bits are not those of NumPy
                t = self.t + k + 1
                rates[k] = self.learning_rate_init * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return rates * self._factors(steps)

    def _factors(self, steps: int) -> Any:
        """Return what the schedule multiplies the learning rates of an epoch's steps by."""
        if self._plateau is not None:
            return self._plateau["factor"]
        if self._planned is None:
            return 1.0
        assert not isinstance(self._planned, ReduceOnPlateau)
        return [
            factor_at(self._planned, self.epochs_done + k / steps, self.epochs)
            for k in range(steps)
        ]

    def step_ends(self, rates: NDArray[np.float64]) -> None:
        """Count steps that were made with these learning rates."""
        self.t += len(rates)
        if len(rates):
            self.learning_rate = float(rates[-1])

    def epoch_ends(self, examples: int, loss: float) -> None:
        """Set the learning rate of the next epoch.

        Parameters
        ----------
        examples : int
            Trained on so far, counted with each epoch anew.
        loss : float
            Of the validation part, or else of training: what a plateau is of.
        """
        self.epochs_done += 1
        if self.schedule == "invscaling":
            self.learning_rate = float(self.learning_rate_init) / (examples + 1) ** self.power_t
        if isinstance(self._planned, ReduceOnPlateau):
            assert self._plateau is not None
            self._plateau = self._planned.after_epoch(self._plateau, loss)

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
