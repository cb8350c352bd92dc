"""A fit by batches: what it is made of, and what the estimator has afterwards."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from backlit.estimators.compatible import Model
from backlit.estimators.course import INTERRUPTED, Course, Note
from backlit.estimators.descent import Epochs, batch_size_for
from backlit.estimators.engines import (
    Data,
    NativeSteps,
    ReferenceSteps,
    SparseSteps,
    Steps,
    choose_engine,
)
from backlit.estimators.interruption import HeldBack, Interrupted, digest
from backlit.estimators.optimizers import Optimizer, Rule
from backlit.estimators.reports import report_for
from backlit.estimators.tasks import Tasks
from backlit.estimators.validation import given_or_held_out


def fit_by_batches(
    estimator: Any,
    model: Model,
    examples: tuple[Any, Any, Any],
    validation: tuple[Any, Any, Any],
    random: np.random.RandomState,
    tasks: Tasks,
    *,
    incremental: bool,
    fresh: bool,
    interrupted: Interrupted | None = None,
) -> list[Note]:
    """Fit an estimator that has parameters and a record.

    Parameters
    ----------
    estimator : BaseMLP
    model : Model
    examples : (X, y, sample_weight)
        Checked.
    validation : (X_val, y_val, sample_weight_val)
        As the user gave them; each may be None.
    random : RandomState
        Holds examples out, seeds dropout and shuffles.
    tasks : Tasks
    incremental : bool
        Whether this is a partial fit.
    fresh : bool
        Whether the parameters were drawn for this fit.
    interrupted : Interrupted, optional
        Where to go on.

    Returns
    -------
    list of (str, type of Warning)
        What the user is to be warned of.

    Raises
    ------
    ValueError
        If nothing that is finite can be kept, or the data are not those of the interrupted fit.
    """
    if interrupted is not None:
        random.set_state(interrupted.before_split)
    before_split = random.get_state()
    (X, y, sample_weight), rows, watched = given_or_held_out(
        estimator, *examples, validation, random
    )
    theta = flat(estimator) if interrupted is None else interrupted.theta.copy()
    data = examples_for(X, y, sample_weight, theta.dtype)
    arrays = [data.x, data.y, data.weights]
    if watched is not None:
        arrays += [watched.x, watched.targets, watched.weights]
    if interrupted is not None and digest(arrays) != interrupted.data:
        raise ValueError(
            "resume needs the data of the fit that was interrupted, bit for bit and in their "
            "order, and these are others; give those, or call fit"
        )
    estimator.__dict__.pop("_interrupted", None)
    tasks.train_on(rows, X)
    optimizer = _optimizer_for(estimator, theta, incremental or interrupted is not None)
    # The sign of a small batch's derivative is chance, and Rprop goes by signs.
    whole = estimator.solver == "rprop" and estimator.batch_size == "auto"
    size = len(data) if whole else batch_size_for(estimator.batch_size, len(data))
    most = 1 if incremental else estimator.max_iter
    estimator.engine_ = choose_engine(
        estimator.engine, model, optimizer.rule, data, size, most, theta.dtype
    )
    seed = int(random.randint(2**31)) if model.dropout else 0
    steps = _steps_for(estimator, model, optimizer.rule, data, theta, optimizer.state, seed)
    watching = None if interrupted is None else interrupted.watching
    if estimator.record != "off" and watching is None:
        watching = _watching(estimator, model, optimizer, data, theta, seed)
    if watching is not None:
        watching.watch(steps)
    hooks = _hooks(estimator.callbacks)
    with HeldBack() as ctrl_c, report_for(estimator) as report:
        epochs = Epochs(
            steps, optimizer, data, size, random if estimator.shuffle else None, ctrl_c, hooks,
            getattr(estimator, "_asked_to_stop", None),
        )  # fmt: skip
        course = Course(estimator, model, epochs, watched, tasks, report)
        if interrupted is None:
            estimator.n_iter_ = 0
        else:
            random.set_state(interrupted.now)
            epochs.go_on_from(interrupted.epochs)
            course.go_on_from(interrupted.kept)
        before = estimator.coefs_, estimator.intercepts_
        try:
            course.run(most, incremental)
        except KeyboardInterrupt:
            tasks.end(None)
            course.notes.append((INTERRUPTED, UserWarning))
            if not incremental:
                course.notes[-1] = (
                    f"{INTERRUPTED} With the same data, resume goes on.",
                    UserWarning,
                )
                estimator._interrupted = Interrupted(
                    steps.theta.copy(), epochs.position(), before_split, random.get_state(),
                    course.kept(), digest(arrays), watching,
                )  # fmt: skip
        finally:
            estimator._set_parameters(model, steps.theta)
        _conclude(estimator, course, None if fresh else before)
    estimator.__dict__.pop("insight_", None)  # of another fit
    if watching is not None and watching.probe.taken:
        from backlit.insight.insight import Insight

        estimator.insight_ = Insight(watching.recording(estimator, rows, watched))
    return course.notes


def _conclude(estimator: Any, course: Course, before: tuple[Any, Any] | None) -> None:
    """Set the parameters that are kept; those from before the fit, if there is nothing better."""
    if course.diverged:
        estimator._optimizer = estimator._make_optimizer()  # what it remembers is not finite either
        if course.best is not None or before is not None:
            course.explain_divergence(before=course.best is None)
        if course.best is None and before is not None:
            estimator.coefs_, estimator.intercepts_ = before
        if course.best is None:
            return
    theta, epoch = course.result()
    estimator._set_parameters(course.model, theta)
    if estimator.restore_best or estimator.early_stopping or course.diverged:
        estimator.best_epoch_ = epoch
    estimator._best = None


def examples_for(X: Any, y: Any, sample_weight: Any, dtype: Any) -> Data:
    """Bring examples to the dtype of the parameters. Booleans stay booleans.

    Parameters
    ----------
    X : array or sparse matrix, shape (examples, inputs)
    y : array, shape (examples, outputs)
    sample_weight : array, shape (examples,), or None
    dtype : float32 or float64

    Returns
    -------
    Data
        Sparse inputs as csr.
    """
    y = y if y.dtype == bool else np.ascontiguousarray(y, dtype)
    weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype)
    if isinstance(X, np.ndarray):
        return Data(np.ascontiguousarray(X, dtype), y, weights)
    return Data(X.astype(dtype, copy=False).tocsr(), y, weights)


def random_for(estimator: Any, first: bool, going_on: bool = False) -> np.random.RandomState:
    """Return the random numbers of a fit, at its start or where the last one stopped.

    Parameters
    ----------
    estimator : BaseMLP
    first : bool
        Whether parameters are drawn.
    going_on : bool, default False
        Whether its state is going to be set to that of an interrupted fit.

    Returns
    -------
    RandomState
    """
    if going_on and estimator.random_state is None:
        return np.random.RandomState()  # NumPy's own is not to be set back
    # An instance, and NumPy's own, go on by themselves.
    if not (estimator.keep_random_state and isinstance(estimator.random_state, Integral)):
        random: np.random.RandomState = check_random_state(estimator.random_state)
        return random
    if first or not hasattr(estimator, "_random"):
        estimator._random = check_random_state(estimator.random_state)
    found: np.random.RandomState = estimator._random
    return found


def flat(estimator: Any) -> NDArray[Any]:
    """Return an estimator's parameters, all weights and then all biases, in new memory."""
    arrays = (*estimator.coefs_, *estimator.intercepts_)
    theta: NDArray[Any] = np.concatenate([np.ravel(array) for array in arrays])
    return theta


def _optimizer_for(estimator: Any, theta: NDArray[Any], goes_on: bool) -> Optimizer:
    """Return the optimizer of a fit, new or that of the fit before."""
    known, made = getattr(estimator, "_optimizer", None), estimator._make_optimizer()
    if not goes_on and known is not None and estimator.warm_start and estimator.keep_optimizer:
        goes_on = type(known.rule) is type(made.rule)
        if goes_on:  # with the settings of today
            known.rule = made.rule
            if known.learning_rate_init != made.learning_rate_init:
                known.learning_rate_init = made.learning_rate_init
                known.learning_rate = made.learning_rate
    optimizer: Optimizer = known if known is not None and goes_on else made
    initial = optimizer.rule.initial_state(theta)
    if optimizer.state is None or _shapes(optimizer.state) != _shapes(initial):
        optimizer.state = initial
    optimizer.state = {k: a.astype(theta.dtype, copy=False) for k, a in optimizer.state.items()}
    estimator._optimizer = optimizer
    return optimizer


def _hooks(given: Any) -> list[Any]:
    hooks = [given] if callable(given) else list(given or ())
    for hook in hooks:
        if not callable(hook):
            raise ValueError(
                f"callbacks must be functions of a step, got {hook!r}; scikit-learn's callbacks "
                "are given to set_callbacks"
            )
    return hooks


def _shapes(state: Any) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in state.items()}


def _steps_for(
    estimator: Any, model: Model, rule: Rule, data: Data, theta: NDArray[Any], state: Any, seed: int
) -> Steps:
    parts = (model, rule, data, theta, state, seed)
    if estimator.engine_ == "native":
        return NativeSteps(*parts, n_threads=estimator.n_threads)
    kind = ReferenceSteps if isinstance(data.x, np.ndarray) else SparseSteps
    return kind(*parts)


def _watching(
    estimator: Any, model: Model, optimizer: Optimizer, data: Data, theta: NDArray[Any], seed: int
) -> Any:
    from backlit.estimators.watching import Watching, targets_of

    rule, state = optimizer.rule, optimizer.state
    assert state is not None

    def make(data: Data, theta: NDArray[Any], state: Any) -> Steps:
        return _steps_for(estimator, model, rule, data, theta, state, seed)

    targets = targets_of(estimator, model.output)
    return Watching(model, rule, data, targets, seed, make, theta, state)
