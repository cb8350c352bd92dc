"""Watch a training of `backlit.training`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.blas import one_thread
from backlit.insight.probes import LightProbe
from backlit.insight.recording import Figures, Names, Part, Recording, State
from backlit.insight.subject import Subject
from backlit.networks.dropout import dropout_key
from backlit.networks.network import Network, Parameters
from backlit.training.engines import NativeSteps, ReferenceSteps, Steps, choose_engine
from backlit.training.examples import Examples
from backlit.training.loop import Training, initial_state, train
from backlit.training.optimizers import Optimizer
from backlit.training.parameters import Layout
from backlit.training.penalties import is_weight
from backlit.training.settings import Settings, changed


def watch(
    network: Network,
    training: tuple[Any, ...],
    validation: tuple[Any, ...] | None = None,
    settings: Settings | None = None,
    *,
    start: Parameters | None = None,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None,
    names: Names | None = None,
    **options: Any,
) -> tuple[Training, Recording]:
    """Train a network, and record what backpropagation does.

    Parameters
    ----------
    network, training, validation, settings, start
        As for `backlit.training.train`.
    rows : (training rows, validation rows), optional
        Where each example is in the user's data; by default they are counted, the validation part
        after the training part.
    names : (input names, output names), optional
        See `backlit.insight.recording.Recording`.
    **options
        As for `backlit.training.train`: callbacks, or settings by name.

    Returns
    -------
    Training
        The same, to the bit, as without a recording.
    Recording

    Raises
    ------
    ValueError
        As for `train`; and for L-BFGS, which makes no steps of single batches.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=3)
    >>> recording.visits_by_row(recording.loss).shape
    (64, 3)
    """
    own = {k: v for k, v in options.items() if k not in ("callbacks", "scorer", "after_step")}
    settings = changed(settings or Settings(), **own)
    optimizer = settings.batched
    if optimizer is None:
        raise ValueError(
            "L-BFGS makes no steps of single batches to look at; watch another optimizer's"
        )
    probe = LightProbe(Subject.of(network))
    others = {k: v for k, v in options.items() if k not in own}
    trained = train(network, training, validation, settings, start=start, probe=probe, **others)
    dtype = settings.dtype_meant()
    examples = Examples.of(network, training, dtype, "training")
    count = len(training[1])
    own_rows, other_rows = rows or (np.arange(count), count + np.arange(_length(validation)))
    part = Part(examples.x, examples.y, examples.weights, own_rows[_counting(training)])
    held_out = None
    if validation is not None:
        kept = Examples.of(network, validation, dtype, "validation")
        held_out = Part(kept.x, kept.y, kept.weights, other_rows[_counting(validation)])
    course = TrainerCourse(network, optimizer, settings, examples, start)
    layout = Layout(network.shapes)
    recording = Recording.of(
        probe, course, part, held_out, _figures(trained), layout.flatten(trained.parameters),
        names,
    )  # fmt: skip
    return trained, recording


def _length(arrays: tuple[Any, ...] | None) -> int:
    return 0 if arrays is None else len(arrays[1])


def _counting(arrays: tuple[Any, ...]) -> NDArray[np.intp]:
    """Return which examples count: those whose weight is not 0."""
    weights = arrays[2] if len(arrays) == 3 else None
    return np.arange(len(arrays[1])) if weights is None else np.flatnonzero(weights)


def _figures(trained: Training) -> Figures:
    train_loss, validation_loss, validation_score = (
        np.array([getattr(epoch, name) for epoch in trained.epochs], np.float64)
        for name in ("train_loss", "validation_loss", "validation_score")
    )
    best = trained.best_epoch
    return Figures(train_loss, validation_loss, validation_score, best, trained.message)


@dataclass(eq=False)
class TrainerCourse:
    """The steps of a training of `backlit.training`; see `backlit.insight.recording.Course`.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    settings : Settings
    examples : Examples
        The training part.
    start : dict of str to array or None
        The weights that were begun with, if they were given.
    """

    network: Network
    optimizer: Optimizer
    settings: Settings
    examples: Examples
    start: Parameters | None = None

    def __post_init__(self) -> None:
        kind: type[Steps] = ReferenceSteps
        if choose_engine(self.network, self.settings, len(self.examples)) == "native":
            kind = NativeSteps
        self.steps = kind(self.network, self.optimizer, self.settings, self.examples)
        self.layout = Layout(self.network.shapes)

    @property
    def clip_norm(self) -> float | None:
        """The largest norm of a step's gradient."""
        return self.settings.penalties.clip_norm

    def begin(self) -> tuple[NDArray[Any], State]:
        """Return the parameters and the optimizer's state before the first step."""
        state = initial_state(self.network, self.settings, self.start)
        return state.theta, state.optimizer

    def step(
        self, theta: NDArray[Any], state: State, rows: NDArray[np.intp], rate: Any, number: int
    ) -> tuple[NDArray[Any], State]:
        """Make one step."""
        with one_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            theta, state, _ = self.steps.run(
                theta, state, rows[np.newaxis], np.array([rate], theta.dtype), number
            )
        return theta, state

    def run(
        self, theta: NDArray[Any], state: State, rows: NDArray[np.intp], rates: NDArray[Any],
        first: int,
    ) -> tuple[NDArray[Any], State]:  # fmt: skip
        """Make steps of batches of one size, shape (steps, batch), with no Python in between."""
        with one_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            theta, state, _ = self.steps.run(theta, state, rows, rates, first)
        return theta, state

    def shares(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the weight of each example's gradient in the gradient of a step."""
        weights = self.examples.weights[rows]
        shares: NDArray[Any] = weights / np.sum(weights)
        return shares

    def factors(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what the deltas are multiplied by in the step's program: the shares."""
        return self.shares(rows)

    def penalty(self, theta: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what penalties add to the gradient of a step."""
        W = theta * is_weight(self.layout, theta.dtype)
        added: NDArray[Any] = self.settings.penalties.add(np.zeros_like(theta), W)
        return added

    def shrinkage(self, rate: Any) -> NDArray[Any]:
        """Return the part of each parameter that decoupled decay takes in a step."""
        weights = is_weight(self.layout, self.settings.dtype_meant())
        return weights * (rate * self.optimizer.weight_decay)

    def key(self, number: int) -> NDArray[np.uint32] | None:
        """Return the key of a step's dropout, or None."""
        return dropout_key(self.settings.seed, number) if self.network.dropout else None

    def without(self, rows: NDArray[np.intp]) -> TrainerCourse:
        """Return the same steps, in which some examples have no weight."""
        weights = self.examples.weights.copy()
        weights[rows] = 0
        course = replace(self, examples=replace(self.examples, weights=weights))
        course.steps.prepared = self.steps.prepared  # weights are data of their programs
        return course
