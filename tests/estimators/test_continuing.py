"""Fits that go on: after Ctrl-C, with the optimizer of the fit before, with its random numbers.

Truth is the fit that was not interrupted, bit for bit, and one fit in the place of two.
"""

import pickle
import signal
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.utils import check_random_state

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.engines import NativeSteps, ReferenceSteps, SparseSteps
from backlit.estimators.validation import Validation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def quick(cls=MLPClassifier, **settings):
    settings = {"random_state": 3, "max_iter": 5, "batch_size": 40, **settings}
    return cls(hidden_layer_sizes=(6,), **settings)


def interrupt(monkeypatch, owner, name, at):
    """Have Ctrl-C pressed inside the call with this number, counted from 1, of a method."""
    method, calls = getattr(owner, name), []

    def pressed(*arguments):
        calls.append(None)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return method(*arguments)

    monkeypatch.setattr(owner, name, pressed)


def same_course(one, other):
    np.testing.assert_array_equal(flat(one), flat(other))
    for name in (
        "loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "n_iter_",
        "t_", "best_epoch_", "_no_improvement_count", "validation_loss_curve_",
    ):  # fmt: skip
        assert getattr(one, name, None) == getattr(other, name, None), name
    assert one._optimizer.t == other._optimizer.t
    assert one._optimizer.learning_rate == other._optimizer.learning_rate


# ----- Interrupted ------------------------------------------------------------------------------

SETTINGS = [
    {},
    {"early_stopping": True, "tol": 0.1, "n_iter_no_change": 2},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    {"solver": "sgd", "learning_rate": "invscaling", "shuffle": False},
    {"dropout": 0.3, "restore_best": True},
]


def fit_interrupted(estimator, *data, **more):
    with pytest.warns(UserWarning, match=r"interrupted by user\. With the same data, resume goes"):
        return estimator.fit(*data, **more)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("at", [1, 2, 4, 5, 11, 16])
def test_an_interrupted_fit_goes_on_to_the_same_bits(settings, at, monkeypatch):
    whole = quick(**settings).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", at)
        estimator = fit_interrupted(quick(**settings), X, Y)
    assert estimator.n_iter_ < whole.n_iter_
    same_course(estimator.resume(X, Y), whole)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_kernels_go_on_to_the_same_bits(settings, monkeypatch):
    pytest.importorskip("numba")
    whole = quick(engine="native", **settings).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, NativeSteps, "_run", 4)
        estimator = fit_interrupted(quick(engine="native", **settings), X, Y)
    same_course(estimator.resume(X, Y), whole)


def test_sparse_data_and_weights_go_on_to_the_same_bits(monkeypatch):
    data = sparse.csr_array(X), X[:, :2], np.linspace(0.5, 1, 150)
    whole = quick(MLPRegressor).fit(*data)
    with monkeypatch.context() as patch:
        interrupt(patch, SparseSteps, "_step", 7)
        estimator = fit_interrupted(quick(MLPRegressor), *data)
    same_course(estimator.resume(*data), whole)


@pytest.mark.parametrize("at", [1, 3])
def test_a_fit_interrupted_while_it_is_validated_goes_on_to_the_same_bits(at, monkeypatch):
    given = {"X_val": X[::3], "y_val": Y[::3]}
    whole = quick(restore_best=True).fit(X, Y, **given)
    with monkeypatch.context() as patch:
        interrupt(patch, Validation, "score", at)
        estimator = fit_interrupted(quick(restore_best=True), X, Y, **given)
    assert len(estimator.loss_curve_) == len(estimator.validation_loss_curve_) == at - 1
    same_course(estimator.resume(X, Y, **given), whole)


def test_a_fit_may_be_interrupted_often_and_go_on_in_another_process(monkeypatch):
    whole = quick(early_stopping=True).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 3)
        estimator = fit_interrupted(quick(early_stopping=True), X, Y)
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="interrupted"):
        interrupt(patch, ReferenceSteps, "_step", 2)
        estimator.resume(X, Y)
    estimator = pickle.loads(pickle.dumps(estimator))
    same_course(estimator.resume(X, Y), whole)


@pytest.mark.parametrize("random_state", [None, "instance"])
def test_random_numbers_without_a_seed_are_kept(random_state, monkeypatch):
    def given():
        return np.random.RandomState(5) if random_state else None

    numpys_own = check_random_state(None)
    state = numpys_own.get_state()
    whole = quick(random_state=given()).fit(X, Y)
    numpys_own.set_state(state)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 5)
        estimator = fit_interrupted(quick(random_state=given()), X, Y)
    numpys_own.seed(0)
    same_course(estimator.resume(X, Y), whole)
    assert numpys_own.uniform() == np.random.RandomState(0).uniform()  # they were left alone


def test_warm_starts_go_on_after_an_interruption(monkeypatch):
    whole = quick(warm_start=True).fit(X, Y).fit(X, Y)
    estimator = quick(warm_start=True).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 6)
        fit_interrupted(estimator, X, Y)
    same_course(estimator.resume(X, Y), whole)


def test_max_iter_may_be_raised_for_the_rest(monkeypatch):
    whole = quick(max_iter=8).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 6)
        estimator = fit_interrupted(quick(), X, Y)
    same_course(estimator.set_params(max_iter=8).resume(X, Y), whole)


def test_an_interruption_leaves_whole_steps(monkeypatch):
    """Ctrl-C inside a step comes into effect after it: all parameters are of one moment."""
    steps = []
    quick(callbacks=lambda step: steps.append(step.theta)).fit(X, Y)
    interrupt(monkeypatch, ReferenceSteps, "_step", 7)
    estimator = fit_interrupted(quick(), X, Y)
    np.testing.assert_array_equal(flat(estimator), steps[6])


def test_a_second_ctrl_c_is_not_held_back(monkeypatch):
    def pressed_twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not interrupted")

    monkeypatch.setattr(ReferenceSteps, "_step", pressed_twice)
    before = signal.getsignal(signal.SIGINT)
    fit_interrupted(quick(), X, Y)
    assert signal.getsignal(signal.SIGINT) is before


def test_resume_needs_an_interrupted_fit_and_its_data(monkeypatch):
    with pytest.raises(ValueError, match="there is no interrupted fit to resume; call fit"):
        quick().fit(X, Y).resume(X, Y)
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 6)
        estimator = fit_interrupted(quick(), X, Y)
    message = "resume needs the data of the fit that was interrupted, .* and these are others"
    for others in ((X[::-1], Y), (X, Y[::-1]), (X, Y, np.ones(150))):
        with pytest.raises(ValueError, match=message):
            estimator.resume(*others)
    same_course(estimator.resume(X, Y), quick().fit(X, Y))  # the errors changed nothing
    with pytest.raises(ValueError, match="no interrupted fit"):
        estimator.resume(X, Y)


def test_a_new_fit_forgets_the_interrupted_one(monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, ReferenceSteps, "_step", 6)
        estimator = fit_interrupted(quick(), X, Y)
    with pytest.raises(ValueError, match="no interrupted fit"):
        estimator.fit(X, Y).resume(X, Y)


def test_an_interrupted_partial_fit_is_kept_and_not_resumed(monkeypatch):
    estimator = quick().partial_fit(X, Y, classes=[0, 1, 2])
    interrupt(monkeypatch, ReferenceSteps, "_step", 2)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\.$"):
        estimator.partial_fit(X, Y)
    with pytest.raises(ValueError, match="no interrupted fit"):
        estimator.resume(X, Y)


# ----- Continued --------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [
    {"solver": "adam"}, {"solver": "sgd"}, {"solver": "sgd", "learning_rate": "invscaling"}
], ids=str)  # fmt: skip
def test_with_the_optimizer_kept_two_fits_are_one(settings):
    settings = {"shuffle": False, **settings}
    whole = quick(max_iter=10, **settings).fit(X, Y)
    estimator = quick(warm_start=True, keep_optimizer=True, **settings).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(flat(estimator), flat(whole))
    assert estimator.loss_curve_ == whole.loss_curve_
    other = quick(warm_start=True, **settings).fit(X, Y).fit(X, Y)
    assert not np.array_equal(flat(other), flat(whole))


def test_a_seed_whose_numbers_are_kept_is_an_instance():
    """scikit-learn's numbers go on where it is given a RandomState; ours, with a seed."""
    theirs = neural_network.MLPClassifier(
        (6,), batch_size=40, random_state=np.random.RandomState(3)
    )
    estimator = quick(keep_random_state=True, keep_optimizer=True)  # pickles have it then
    for _ in range(4):
        theirs.partial_fit(X, Y, classes=[0, 1, 2])
        estimator.partial_fit(X, Y, classes=[0, 1, 2])
        estimator = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_allclose(flat(estimator), flat(theirs), rtol=1e-9)
    theirs.set_params(warm_start=True, max_iter=5).fit(X, Y).fit(X, Y)
    estimator.set_params(warm_start=True, keep_optimizer=False).fit(X, Y).fit(X, Y)
    np.testing.assert_allclose(flat(estimator), flat(theirs), rtol=1e-9)


@pytest.mark.parametrize("keep", [False, True])
def test_partial_fits_take_the_same_order_unless_random_numbers_are_kept(keep):
    orders = []
    estimator = quick(callbacks=lambda step: orders.append(step.rows), batch_size=150)
    for _ in range(3):
        estimator.set_params(keep_random_state=keep).partial_fit(X, Y, classes=[0, 1, 2])
    assert np.array_equal(orders[1], orders[2]) is not keep


def test_a_kept_optimizer_takes_new_settings():
    settings = {"warm_start": True, "keep_optimizer": True, "solver": "sgd"}
    estimator = quick(**settings).fit(X, Y)
    velocity = estimator._optimizer.state["velocity"].copy()
    before = flat(estimator)
    estimator.set_params(learning_rate_init=1e-300, momentum=0.5, max_iter=1, batch_size=150)
    estimator.fit(X, Y)
    # A step without a gradient goes on with the velocity; Nesterov's looks ahead once more.
    np.testing.assert_allclose(flat(estimator), before + 0.25 * velocity, rtol=1e-12)


def test_another_network_begins_with_another_optimizer():
    estimator = quick(warm_start=True, keep_optimizer=True).fit(X, Y)
    estimator.set_params(solver="sgd").fit(X, Y)
    assert list(estimator._optimizer.state) == ["velocity"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.set_params(warm_start=False, hidden_layer_sizes=(9,)).fit(X, Y)
    assert estimator._optimizer.state["velocity"].shape == flat(estimator).shape


@pytest.mark.parametrize("name", ["keep_optimizer", "keep_random_state"])
def test_switches_are_checked(name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
        quick(**{name: "yes"}).fit(X, Y)
