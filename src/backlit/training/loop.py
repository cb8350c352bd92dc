"""The epoch loop: train, validate, keep the best epoch, stop in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from backlit.execution.blas import one_thread
from backlit.networks.losses import LOSSES
from backlit.networks.network import Network, Parameters
from backlit.training.descent import Descent, DivergedError, Step, Turn
from backlit.training.engines import Probe, choose_engine, threads_of
from backlit.training.examples import Examples, is_sparse
from backlit.training.forward import Forward
from backlit.training.lbfgs import LBFGS, minimise
from backlit.training.parameters import Layout
from backlit.training.schedules import ReduceOnPlateau
from backlit.training.scores import Scorer, scorer_of
from backlit.training.settings import Settings, changed
from backlit.training.state import Epoch, State

Callback: TypeAlias = Callable[[Epoch, State], object]
"""``callback(epoch, state)``, called after each epoch; training ends when it returns True."""

Outcome: TypeAlias = Literal[
    "finished", "converged", "stopped early", "stopped by a callback", "interrupted", "diverged"
]


@dataclass(frozen=True, eq=False)
class Training:
    """What came out of training.

    Attributes
    ----------
    parameters : dict of str to array
        Of the best epoch; without a validation part, of the last.
    best_epoch : int
        0 stands for the initial weights.
    epochs : list of Epoch
    outcome : str
        Why it ended: ``"finished"`` all epochs; ``"converged"`` (L-BFGS); ``"stopped early"``, by
        its patience; ``"stopped by a callback"``; ``"interrupted"``, by Ctrl-C; ``"diverged"``.
    message : str
        The outcome as a sentence.
    state : State
        From which `train` goes on.
    """

    parameters: Parameters
    best_epoch: int
    epochs: list[Epoch]
    outcome: Outcome
    message: str
    state: State

    @property
    def seconds(self) -> float:
        """How long the epochs took."""
        return self.epochs[-1].seconds if self.epochs else 0.0


def train(
    network: Network,
    training: tuple[Any, ...],
    validation: tuple[Any, ...] | None = None,
    settings: Settings | None = None,
    *,
    start: Parameters | None = None,
    state: State | None = None,
    scorer: Scorer | None = None,
    callbacks: Sequence[Callback] = (),
    after_step: Callable[[Step], object] | None = None,
    probe: Probe | None = None,
    **changes: Any,
) -> Training:
    """Train a network, and keep the parameters of its best epoch.

    Parameters
    ----------
    network : Network
    training : (x, y) or (x, y, weights)
        ``x`` of shape (examples, inputs); ``y`` classes, int of shape (examples,), or labels (0 or
        1), numbers or counts of shape (examples, outputs); ``weights`` of shape (examples,), how
        much each example counts: in the batch, a weighted mean is taken.
    validation : (x, y) or (x, y, weights), optional
        Never trained on: it chooses the epoch. Without it, the last epoch is kept.
    settings : Settings, optional
    start : dict of str to array, optional
        The weights to begin with, in place of random ones.
    state : State, optional
        Where an earlier call with the same network, data and settings came to; it is gone on from
        there, to the same bits as if it had never stopped. (L-BFGS alone begins anew from the last
        parameters.)
    scorer : callable, optional
        ``scorer(outputs, y, weights)``, larger is better; by default accuracy, R2 or D2.
    callbacks : sequence of callable
        ``callback(epoch, state)``, called after each epoch; one that returns True ends training.
    after_step : callable, optional
        Called with the `Step` after each step; not for L-BFGS.
    probe : Probe, optional
        Looks at what the steps compute, and changes nothing; not for L-BFGS.
    **changes
        Settings by name, in place of those in ``settings``: ``epochs=20``.

    Returns
    -------
    Training
        After a ``KeyboardInterrupt``, too, and when a loss is no longer finite: with the best epoch
        so far.

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
    settings = changed(settings or Settings(), **changes)
    dtype = settings.dtype_meant()
    examples = Examples.of(network, training, dtype, "training")
    held_out = None
    if validation is not None:
        held_out = Examples.of(network, validation, dtype, "validation")
    _check_fit(network, settings, validated=held_out is not None)
    if state is None:
        state = initial_state(network, settings, start)
    engine = choose_engine(network, settings, len(examples))
    forward = Forward(network, threads_of(settings)) if engine == "native" else None
    scorer = scorer or scorer_of(network)
    keeper = _Keeper(network, settings, held_out, scorer, callbacks, state, forward)
    try:
        # The kernels call SciPy's. NumPy's is then left to other threads of Python.
        with one_thread("scipy" if engine == "native" else "all"):
            if isinstance(settings.optimizer, LBFGS):
                _minimise(keeper, network, settings, settings.optimizer, examples)
            else:
                descent = Descent(
                    network, settings.optimizer, settings, examples, engine, after_step, probe
                )
                while keeper.outcome is None:
                    keeper.note(descent.epoch(keeper.state))
    except KeyboardInterrupt:
        keeper.end("interrupted", "interrupted")
    except DivergedError as error:
        keeper.end("diverged", str(error))
    return keeper.training()


def check(
    network: Network,
    training: tuple[Any, ...],
    validation: tuple[Any, ...] | None,
    settings: Settings,
) -> None:
    """Raise what `train` would raise, without training.

    Parameters
    ----------
    network, training, validation, settings
        As for `train`.

    Raises
    ------
    ValueError
    """
    dtype = settings.dtype_meant()
    Examples.of(network, training, dtype, "training")
    if validation is not None:
        Examples.of(network, validation, dtype, "validation")
    _check_fit(network, settings, validated=validation is not None)


def _check_fit(network: Network, settings: Settings, validated: bool) -> None:
    """Refuse settings that do not fit the network, or that there is nothing to validate by."""
    if isinstance(settings.optimizer, LBFGS) and network.dropout:
        raise ValueError("L-BFGS needs the same objective at each step, and dropout changes it")
    if not validated and (settings.patience or isinstance(settings.schedule, ReduceOnPlateau)):
        raise ValueError("patience and ReduceOnPlateau watch a validation part, and there is none")


def initial_state(network: Network, settings: Settings, start: Parameters | None = None) -> State:
    """Return the state before the first epoch.

    Parameters
    ----------
    network : Network
    settings : Settings
    start : dict of str to array, optional
        The weights to begin with, in place of random ones.

    Returns
    -------
    State

    Raises
    ------
    ValueError
        If ``start`` does not fit the network.
    """
    dtype = settings.dtype_meant()
    parameters = network.parameters(settings.seed, dtype) if start is None else start
    theta = Layout(network.shapes).checked(parameters, dtype)
    optimizer, schedule = settings.optimizer, settings.schedule
    return State(
        theta=theta,
        optimizer={} if isinstance(optimizer, LBFGS) else optimizer.initial_state(theta),
        best_theta=theta,
        schedule=schedule.initial_state() if isinstance(schedule, ReduceOnPlateau) else {},
    )


def evaluate(
    network: Network,
    parameters: Parameters,
    examples: Examples,
    scorer: Scorer | None = None,
    forward: Forward | None = None,
) -> tuple[float, float]:
    """Return the weighted mean loss and the score of a network.

    Parameters
    ----------
    network : Network
    parameters : dict of str to array
    examples : Examples
    scorer : callable, optional
        As for `train`.
    forward : Forward, optional
        Computes the outputs; by default NumPy does.

    Returns
    -------
    loss, score : float

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> from backlit.training import Examples, evaluate
    >>> network = Network(1, (), 2)
    >>> even = {"W1": np.zeros((1, 2)), "b1": np.zeros(2)}
    >>> examples = Examples.of(network, (np.ones((4, 1)), np.array([0, 0, 0, 1])), float, "test")
    >>> evaluate(network, even, examples)
    (0.6931471805599453, 0.75)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if forward is None or is_sparse(examples.x):
            outputs = network.forward(parameters, examples.x)
        else:
            outputs = forward(Layout(network.shapes).flatten(parameters), examples.x)
        losses = LOSSES[network.loss](outputs, examples.y, **network.loss_options)
        loss = np.average(losses.astype(np.float64), weights=examples.weights)
        score = (scorer or scorer_of(network))(outputs, examples.y, examples.weights)
    return float(loss), float(score)


class _Keeper:
    """What is done after each epoch, however the epoch was made."""

    def __init__(
        self,
        network: Network,
        settings: Settings,
        held_out: Examples | None,
        scorer: Scorer,
        callbacks: Sequence[Callback],
        state: State,
        forward: Forward | None,
    ) -> None:
        self.network = network
        self.forward = forward
        self.layout = Layout(network.shapes)
        self.settings = settings
        self.held_out = held_out
        self.scorer = scorer
        self.callbacks = callbacks
        self.state = state
        self.outcome: Outcome | None = None
        self.message = ""
        self.started = time.perf_counter() - (state.epochs[-1].seconds if state.epochs else 0.0)
        self._judge()

    def note(self, turn: Turn) -> None:
        """Validate after an epoch, keep it if it is the best, and see whether it was the last."""
        loss = score = math.nan
        if self.held_out is not None:
            parameters = self.layout.views(turn.theta)
            loss, score = evaluate(
                self.network, parameters, self.held_out, self.scorer, self.forward
            )
        before = self.state
        epoch = Epoch(
            number=before.epoch + 1,
            train_loss=turn.train_loss,
            validation_loss=loss,
            validation_score=score,
            learning_rate=turn.learning_rate,
            seconds=time.perf_counter() - self.started,
        )
        cost = loss if self.settings.monitor == "loss" else -score
        better = self.held_out is None or cost < before.lowest
        schedule = self.settings.schedule
        watched = (
            schedule.after_epoch(before.schedule, loss)
            if isinstance(schedule, ReduceOnPlateau)
            else {}
        )
        self.state = State(
            theta=turn.theta,
            optimizer=turn.optimizer,
            best_theta=turn.theta if better else before.best_theta,
            step_number=turn.step_number,
            schedule=watched,
            best_epoch=epoch.number if better else before.best_epoch,
            lowest=cost if better and self.held_out is not None else before.lowest,
            epochs=(*before.epochs, epoch),
        )
        answers = [callback(epoch, self.state) for callback in self.callbacks]
        self._judge()
        if self.outcome is None and any(answer is True for answer in answers):
            self.end("stopped by a callback", f"stopped by a callback after epoch {epoch.number}")

    def _judge(self) -> None:
        """End training if its last epoch is done, or its patience is at an end."""
        state, patience = self.state, self.settings.patience
        if patience is not None and state.epoch - state.best_epoch >= patience:
            figure = "validation loss" if self.settings.monitor == "loss" else "score"
            self.end(
                "stopped early",
                f"stopped after epoch {state.epoch}: the {figure} has not been better than in "
                f"epoch {state.best_epoch} for {patience} epoch{'s' if patience > 1 else ''}",
            )
        elif state.epoch >= self.settings.epochs:
            epochs = self.settings.epochs
            self.end("finished", f"finished all {epochs} epochs" if epochs > 1 else "finished")

    def end(self, outcome: Outcome, message: str) -> None:
        self.outcome, self.message = outcome, message

    def training(self) -> Training:
        state = self.state
        assert self.outcome is not None
        parameters = self.layout.views(state.best_theta)
        return Training(
            parameters, state.best_epoch, [*state.epochs], self.outcome, self.message, state
        )


def _minimise(
    keeper: _Keeper, network: Network, settings: Settings, optimizer: LBFGS, examples: Examples
) -> None:
    """Let each iteration of L-BFGS be an epoch."""
    layout, l2 = keeper.layout, settings.penalties.l2

    def after_iteration(_: int, objective: float, parameters: Parameters) -> None:
        weights = (array for array in parameters.values() if array.ndim == 2)
        penalty = 0.5 * l2 * sum(float(np.sum(W**2)) for W in weights)
        theta = layout.flatten(parameters)
        step_number = keeper.state.step_number + 1
        keeper.note(Turn(theta, {}, step_number, objective - penalty, math.nan))
        if keeper.outcome is not None:
            raise StopIteration

    if keeper.outcome is not None:
        return
    found = minimise(
        network,
        (examples.x, examples.y, examples.weights),
        penalties=settings.penalties,
        start=layout.views(keeper.state.theta),
        iterations=settings.epochs - keeper.state.epoch,
        memory=optimizer.memory,
        tolerance=optimizer.tolerance,
        after_iteration=after_iteration,
    )
    if keeper.outcome is None:
        keeper.end("converged", f"converged after {keeper.state.epoch} iterations: {found.message}")
