"""Watch the fit of an estimator: what `backlit.insight` needs to know of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backlit.estimators.responses  # noqa: F401  (of these optimizers, which insight asks for)
from backlit.estimators.compatible import Model
from backlit.estimators.engines import Data, SparseSteps, Steps
from backlit.estimators.optimizers import Rule
from backlit.estimators.outputs import HIDDEN, OUTPUT, Output
from backlit.estimators.validation import Validation
from backlit.execution.blas import one_thread
from backlit.insight.probes import LightProbe
from backlit.insight.recording import Figures, Names, Part, Recording, State, counted_names
from backlit.insight.subject import Subject, Targets
from backlit.networks.dropout import dropout_key

MakeSteps = Callable[[Data, NDArray[Any], State], Steps]


def subject_of(model: Model, targets: Targets) -> Subject:
    """Return an estimator's network as insight sees it.

    Parameters
    ----------
    model : Model
    targets : {"classes", "labels", "numbers", "counts"}

    Returns
    -------
    Subject
    """
    output = model.output

    def losses(outputs: Any, y: Any) -> Any:
        p = OUTPUT[output.activation](outputs)
        return output.losses(p, _encoded(y, outputs.shape[1], targets))

    def delta_of(outputs: Any, y: Any) -> Any:
        return output.losses_and_delta(outputs, _encoded(y, outputs.shape[1], targets))[1]

    return Subject(
        model.layout, tuple(HIDDEN[name] for name in model.activations), model.activations,
        losses, targets, model.dropout, delta_of,
    )  # fmt: skip


def _encoded(y: Any, outputs: int, targets: Targets) -> Any:
    """Return targets as the losses of estimators take them: classes and labels as booleans."""
    if targets == "classes" and y.ndim == 1:
        column = np.expand_dims(y, -1)
        return column > 0 if outputs == 1 else column == np.arange(outputs)
    if targets == "labels" and y.dtype != bool:
        return y > 0
    return y


def targets_of(estimator: Any, output: Output) -> Targets:
    """Return what an estimator's targets are.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Whose targets have been checked.
    output : Output

    Raises
    ------
    ValueError
        If they are several columns of classes, which insight does not know.
    """
    if not hasattr(estimator, "_label_binarizer"):
        return "counts" if output.activation == "exp" else "numbers"
    kind = estimator._label_binarizer.y_type_
    if kind == "multilabel-indicator":
        return "labels"
    if kind in ("binary", "multiclass"):
        return "classes"
    raise ValueError(
        "record watches one target of classes, several labels or numbers, and y has several "
        "columns of classes; set record='off', or fit one estimator for each column"
    )


@dataclass(eq=False)
class Watching:
    """Watches one fit.

    Parameters
    ----------
    model : Model
    rule : Rule
    data : Data
        The training part.
    targets : {"classes", "labels", "numbers", "counts"}
    seed : int
        Of dropout.
    make_steps : callable
        ``make_steps(data, theta, state)`` returns steps by the engine of the fit.
    theta, state
        Before the first step; neither is changed.
    """

    model: Model
    rule: Rule
    data: Data
    targets: Targets
    seed: int
    make_steps: MakeSteps
    theta: NDArray[Any]
    state: State

    def __post_init__(self) -> None:
        self.theta = self.theta.copy()
        self.state = {name: array.copy() for name, array in self.state.items()}
        self.subject = subject_of(self.model, self.targets)
        self.probe = LightProbe(self.subject)

    def watch(self, steps: Steps) -> None:
        """Let the probe look at steps.

        Parameters
        ----------
        steps : Steps
            None of which has been made.

        Raises
        ------
        ValueError
            If the data are sparse, and NumPy runs the steps.
        """
        if isinstance(steps, SparseSteps):
            raise ValueError(
                "record watches fits on sparse data in the native engine only; set "
                "engine='native', or give a dense X"
            )
        steps.probe = self.probe

    def recording(
        self, estimator: Any, rows: NDArray[np.intp] | None, watched: Validation | None
    ) -> Recording:
        """Return what was seen of a fit that has ended.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
        rows : array of int, or None
            Where the training part was in the data; None for all of them in their order.
        watched : Validation or None

        Returns
        -------
        Recording
            The rows of a validation part that was given apart are counted after those of the data.
        """
        count = len(self.data)
        weights = self.data.weights
        training = Part(
            self.data.x, self._targets(self.data.y),
            np.ones(count, self.theta.dtype) if weights is None else weights,
            np.arange(count) if rows is None else rows,
        )  # fmt: skip
        return Recording.of(
            self.probe,
            EstimatorCourse(self),
            training,
            None if watched is None else self._held_out(watched, count),
            figures_of(estimator),
            np.concatenate([np.ravel(a) for a in (*estimator.coefs_, *estimator.intercepts_)]),
            names_of(estimator, self.subject),
        )

    def _held_out(self, watched: Validation, count: int) -> Part:
        length = watched.targets.shape[0]
        rows = count + np.arange(length) if watched.rows is None else watched.rows
        dtype = self.theta.dtype
        weights = np.ones(length, dtype) if watched.weights is None else watched.weights
        return Part(
            watched.x.astype(dtype, copy=False), self._targets(watched.targets), weights, rows
        )

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return targets as insight has them: class numbers, or columns of numbers."""
        if self.targets == "classes":
            return y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(np.int64)
        return y.astype(self.theta.dtype, copy=False)


class EstimatorCourse:
    """The steps of an estimator's fit; see `backlit.insight.recording.Course`.

    Parameters
    ----------
    watching : Watching
        Of the fit.
    """

    def __init__(self, watching: Watching) -> None:
        self.watching, self.model, self.optimizer = watching, watching.model, watching.rule
        self._steps: Steps | None = None

    @property
    def clip_norm(self) -> float | None:
        """The largest norm of a step's gradient."""
        return self.model.clip_norm

    def begin(self) -> tuple[NDArray[Any], State]:
        """Return the parameters and the optimizer's state before the first step."""
        return self.watching.theta, self.watching.state

    def step(
        self, theta: NDArray[Any], state: State, rows: NDArray[np.intp], rate: Any, number: int
    ) -> tuple[NDArray[Any], State]:
        """Make one step."""
        theta = theta.copy()  # steps write over what they are given
        state = {name: array.copy() for name, array in state.items()}
        if self._steps is None:
            self._steps = self.watching.make_steps(self.watching.data, theta, state)
        steps = self._steps
        steps.theta, steps.state, steps.made = theta, state, number - 1
        losses = np.empty(1, theta.dtype)
        with one_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            steps.run(rows, len(rows), 0, np.array([rate]), losses, lambda: None)
        return steps.theta, steps.state

    def shares(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the weight of each example's gradient in the gradient of a step."""
        factors = self.factors(rows)
        shares: NDArray[Any] = factors / np.sum(factors)
        return shares

    def factors(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what the deltas are multiplied by in the step's program: the weights."""
        weights = self.watching.data.weights
        if weights is None:
            return np.ones(len(rows), self.watching.theta.dtype)
        found: NDArray[Any] = weights[rows]
        return found

    def penalty(self, theta: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what the L2 term adds to the gradient of a step."""
        added = np.zeros_like(theta)
        weights = self.model.weights  # which come first
        added[:weights] = self.model.alpha * theta[:weights] / np.sum(self.factors(rows))
        return added

    def shrinkage(self, rate: Any) -> NDArray[Any]:
        """Return the part of each parameter that decoupled decay takes in a step."""
        part = np.zeros(self.model.layout.size, self.watching.theta.dtype)
        part[: self.model.weights] = rate * self.model.weight_decay
        return part

    def key(self, number: int) -> NDArray[np.uint32] | None:
        """Return the key of a step's dropout, or None."""
        return dropout_key(self.watching.seed, number) if self.model.dropout else None

    def without(self, rows: NDArray[np.intp]) -> EstimatorCourse:
        """Return the same steps, in which some examples have no weight."""
        data = self.watching.data
        given = data.weights
        weights = np.ones(len(data), self.watching.theta.dtype) if given is None else given.copy()
        weights[rows] = 0
        return EstimatorCourse(replace(self.watching, data=replace(data, weights=weights)))


def figures_of(estimator: Any) -> Figures:
    """Return the figures of an estimator's last fit.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    """
    count = estimator.n_iter_

    def last(name: str) -> NDArray[np.float64]:
        curve = getattr(estimator, name, None) or []
        missing = [np.nan] * (count - len(curve))
        return np.array([*missing, *curve[len(curve) - min(count, len(curve)) :]], np.float64)

    if count == estimator.max_iter:
        stopped = f"stopped at max_iter={count}"
    else:
        stopped = f"stopped after epoch {count}"
    return Figures(
        last("loss_curve_"),
        last("validation_loss_curve_"),
        last("validation_scores_"),
        getattr(estimator, "best_epoch_", count),
        stopped,
    )


def names_of(estimator: Any, subject: Subject) -> Names:
    """Return the names of an estimator's inputs and outputs, counted where it has none.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    subject : Subject
    """
    inputs, outputs = counted_names(subject)
    if hasattr(estimator, "feature_names_in_"):
        inputs = tuple(map(str, estimator.feature_names_in_))
    if subject.targets == "classes":
        outputs = tuple(map(str, estimator.classes_))
    return inputs, outputs
