"""Fits can be watched: they stay the same, and what is seen of them is true."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_classification, make_multilabel_classification

from backlit.autodiff.derivatives import grad
from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
LABELS = make_multilabel_classification(90, 6, n_classes=3, random_state=0)[1]
NUMBERS = np.stack([X[:, 0] - X[:, 1] ** 2, np.sin(X[:, 2])], axis=1)
COUNTS = np.random.default_rng(0).poisson(np.exp(X[:, 0] / 2))
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2, 90)

CASES = {
    "classes": (MLPClassifier((8, 5), alpha=0.1), Y),
    "two classes": (MLPClassifier((8,), solver="sgd", activation="tanh"), Y > 0),
    "labels": (MLPClassifier((8,), dropout=0.2, activation="gelu"), LABELS),
    "numbers": (
        MLPRegressor(hidden_layer_sizes=(8,), solver="sgd", learning_rate_init=0.01),
        NUMBERS,
    ),
    "clipped": (
        MLPRegressor(hidden_layer_sizes=(8,), clip_norm=0.5, weight_decay=0.1),
        NUMBERS[:, 0],
    ),
    "counts": (
        MLPRegressor(hidden_layer_sizes=(8,), loss="poisson", activation="logistic"),
        COUNTS,
    ),
    "huber": (
        MLPRegressor(hidden_layer_sizes=(8,), loss="huber", early_stopping=True),
        NUMBERS[:, 0],
    ),
}


def _fits(name, record, engine, weights=None):
    estimator, y = CASES[name]
    estimator = type(estimator)(**{**estimator.get_params(), "record": record, "engine": engine,
                                   "max_iter": 4, "batch_size": 32, "random_state": 3})  # fmt: skip
    return estimator.fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("name", CASES)
def test_a_watched_fit_is_the_same_fit_and_can_be_made_again(name, engine):
    plain, watched = (_fits(name, record, engine) for record in ("off", "light"))
    assert plain.loss_curve_ == watched.loss_curve_
    for a, b in zip(plain.coefs_, watched.coefs_, strict=True):
        assert a.tobytes() == b.tobytes()
    recording = watched.insight_.recording
    assert recording.epochs == 4
    *_, last = recording.replay()
    if name != "huber":  # which keeps its best epoch
        assert last.after.tobytes() == recording.theta.tobytes()
    assert not hasattr(plain, "insight_")


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", CASES)
def test_what_was_seen_is_true(name, engine, weights):
    estimator = _fits(name, "light", engine, weights)
    recording = estimator.insight_.recording
    subject, course, part = recording.subject, recording.course, recording.training
    moment = list(recording.replay())[4]
    start = recording.starts[4]
    x, y = part.x[moment.rows], part.y[moment.rows]
    passes = subject.passes(moment.theta, x, y, moment.key)
    norms = sum(
        np.sum(d**2, axis=1) * (np.sum(a**2, axis=1) + 1)
        for a, d in zip(passes.inputs, passes.deltas, strict=True)
    )
    here = slice(start, start + len(moment.rows))
    np.testing.assert_allclose(recording.squared_norms()[here], norms, rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(recording.loss[here], passes.losses, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(part.x, X[part.rows])
    # The gradient of the step, put together from the examples', makes the step.
    gradient = subject.gradient(passes, course.shares(moment.rows))
    gradient += course.penalty(moment.theta, moment.rows)
    if course.clip_norm is not None:
        gradient *= min(1, course.clip_norm / np.linalg.norm(gradient))
    theta = moment.theta * (1 - course.shrinkage(moment.learning_rate))
    after, _ = course.optimizer.update(theta, gradient, moment.state, moment.learning_rate)
    np.testing.assert_allclose(moment.after, after, rtol=1e-9, atol=1e-12)


def test_deltas_are_those_of_what_is_descended():
    # scikit-learn's loss of several numbers is their mean, and what is descended is their sum.
    recording = _fits("numbers", "light", "reference").insight_.recording
    subject, part = recording.subject, recording.training
    passes = subject.passes(recording.theta, part.x[:1], part.y[:1])
    gradient = grad(lambda theta: subject.losses(subject.outputs(theta, part.x[:1]), part.y[:1])[0])
    summed = 2 * gradient(recording.theta)
    np.testing.assert_allclose(subject.gradient(passes, np.ones(1)), summed, rtol=1e-9, atol=1e-15)


def test_held_out_rows_are_where_they_are_said_to_be():
    recording = _fits("huber", "light", "reference").insight_.recording
    assert len(recording.training) + len(recording.held_out) == 90
    np.testing.assert_array_equal(X[recording.held_out.rows], recording.held_out.x)
    given = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, record="light", random_state=0)
    given.fit(X, NUMBERS[:, 0], X_val=X[:10], y_val=NUMBERS[:10, 0])
    np.testing.assert_array_equal(given.insight_.recording.held_out.rows, np.arange(90, 100))


def test_sparse_data_are_watched_by_kernels():
    fits = [
        MLPClassifier((5,), max_iter=3, random_state=0, record="light", engine="native", alpha=0)
        .fit(data, Y).insight_.recording
        for data in (X, sparse.csr_array(X))
    ]  # fmt: skip
    np.testing.assert_allclose(fits[0].squared_norms(), fits[1].squared_norms(), rtol=1e-9)
    with pytest.raises(ValueError, match="in the native engine only; set engine='native', or give"):
        MLPClassifier((5,), record="light").fit(sparse.csr_array(X), Y)


def test_names_come_from_the_data():
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcdef"))
    names = np.array(["ant", "bee", "cat"])[Y]
    fitted = MLPClassifier((4,), max_iter=2, record="light").fit(frame, names)
    recording = fitted.insight_.recording
    assert recording.input_names == tuple("abcdef")
    assert recording.output_names == ("ant", "bee", "cat")


def test_a_fit_that_is_resumed_is_watched_from_its_beginning():
    plain = MLPClassifier((5,), max_iter=6, random_state=0, record="light").fit(X, Y)

    def interrupt(step):
        if step.number == 3:
            raise KeyboardInterrupt

    stopped = MLPClassifier((5,), max_iter=6, random_state=0, record="light", callbacks=interrupt)
    with pytest.warns(UserWarning, match="resume goes on"):
        stopped.fit(X, Y)
    stopped.set_params(callbacks=None).resume(X, Y)
    ours, theirs = stopped.insight_.recording, plain.insight_.recording
    np.testing.assert_array_equal(ours.margin, theirs.margin)
    np.testing.assert_array_equal(ours.epoch, theirs.epoch)


def test_what_cannot_be_recorded_is_said():
    with pytest.raises(ValueError, match="The 'record' parameter of MLPClassifier must be a str"):
        MLPClassifier(record="loud").fit(X, Y)
    with pytest.raises(ValueError, match="record watches steps of single batches, and solver='lb"):
        MLPClassifier(solver="lbfgs", record="light").fit(X, Y)
