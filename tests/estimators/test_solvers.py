"""Solvers and schedules that scikit-learn's classes do not have. Truth comes from the rules,
written down for a linear model, and from a loss whose slope is 1 everywhere, so that steps are
rates."""

import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

from backlit.estimators import MLPClassifier, MLPRegressor, load
from backlit.training import Cosine, OneCycle, ReduceOnPlateau, StepDecay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


# ----- Solvers -----------------------------------------------------------------------------------


def adamw(theta, gradient, state, t, decay):
    m, v = state.get("m", 0), state.get("v", 0)
    state["m"] = m = 0.8 * m + 0.2 * gradient
    state["v"] = v = 0.95 * v + 0.05 * gradient**2
    theta = theta - 0.01 * decay * theta
    return theta - 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)


def rmsprop(theta, gradient, state, t, decay):
    state["v"] = v = 0.9 * state.get("v", 0) + 0.1 * gradient**2
    theta = theta - 0.01 * decay * theta
    return theta - 0.01 * gradient / (np.sqrt(v) + 1e-3)


def rprop(theta, gradient, state, t, decay):
    length, before = state.get("length", np.full(len(theta), 0.01)), state.get("before", 0)
    same = gradient * before
    length = np.where(same > 0, 1.2 * length, np.where(same < 0, 0.5 * length, length))
    gradient = np.where(same < 0, 0, gradient)
    state["length"], state["before"] = length, gradient
    return theta - 0.01 * decay * theta - np.sign(gradient) * length


@pytest.mark.parametrize(
    ("solver", "rule", "weight_decay", "decay"),
    [
        ("adamw", adamw, None, 0.01),
        ("adamw", adamw, 0.5, 0.5),
        ("rmsprop", rmsprop, None, 0.0),
        ("rmsprop", rmsprop, 0.5, 0.5),
        ("rprop", rprop, None, 0.0),
    ],
    ids=str,
)
def test_solvers_make_the_steps_of_their_rules(solver, rule, weight_decay, decay):
    random = np.random.RandomState(0)
    X, y = random.randn(40, 3), random.randn(40)
    settings = {
        "hidden_layer_sizes": (), "solver": solver, "alpha": 0.0, "batch_size": 40,
        "shuffle": False, "learning_rate_init": 0.01, "beta_1": 0.8, "beta_2": 0.95,
        "epsilon": 1e-3, "weight_decay": weight_decay, "random_state": 0, "tol": 0.0,
        "n_iter_no_change": np.inf,
    }  # fmt: skip
    start = MLPRegressor(**{**settings, "learning_rate_init": 1e-300, "solver": "sgd"}, max_iter=1)
    theta, state = flat(start.fit(X, y)), {}
    decays = np.array([decay] * 3 + [0.0])  # not of the bias
    for t in range(1, 41):
        error = X @ theta[:3] + theta[3] - y
        gradient = np.append(X.T @ error, error.sum()) / 40
        theta = rule(theta, gradient, state, t, decays)
    found = flat(MLPRegressor(**settings, max_iter=40).fit(X, y))
    np.testing.assert_allclose(found, theta, rtol=1e-10)


def test_rprop_takes_all_examples_at_once():
    estimator = MLPClassifier(solver="rprop", max_iter=5, random_state=0)
    X, y = np.tile(X_IRIS, (3, 1)), np.tile(Y_IRIS, 3)  # more than the 200 of other solvers
    assert estimator.fit(X, y)._optimizer.t == 5
    assert estimator.set_params(batch_size=90).fit(X, y)._optimizer.t == 25


@pytest.mark.parametrize("solver", ["adamw", "rmsprop", "rprop"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_engines_and_forms_of_data_agree(solver, dtype):
    pytest.importorskip("numba")
    data = np.where(X_IRIS > 2, X_IRIS, 0).astype(dtype)
    weights = np.linspace(0.5, 1.5, 150)
    expected = None
    for engine in ("reference", "native"):
        for form in (np.asarray, sparse.csr_array):
            estimator = MLPClassifier(
                (8,), solver=solver, max_iter=8, batch_size=40, random_state=0, engine=engine,
                activation="tanh", learning_rate="one_cycle",
            ).fit(form(data), Y_IRIS, weights)  # fmt: skip
            assert estimator.engine_ == engine
            found = flat(estimator)
            assert found.dtype == dtype
            expected = found if expected is None else expected
            # Rounding, over 32 steps; what is divided by its own size makes more of it.
            close = 1e-9 if dtype == np.float64 else 2e-3
            assert np.max(np.abs(found - expected)) < close * np.max(np.abs(expected))


@pytest.mark.parametrize("solver", ["adamw", "rmsprop", "rprop"])
def test_partial_fit_goes_on_where_it_was(solver):
    settings = {"solver": solver, "batch_size": 150, "random_state": 0, "shuffle": False}
    whole = MLPClassifier(**settings, max_iter=4, learning_rate="cosine").fit(X_IRIS, Y_IRIS)
    parts = MLPClassifier(**settings, max_iter=4, learning_rate="cosine")
    for _ in range(4):
        parts.partial_fit(X_IRIS, Y_IRIS, classes=[0, 1, 2])
    np.testing.assert_array_equal(flat(whole), flat(parts))


# ----- Schedules ---------------------------------------------------------------------------------


def rates(batches=1, loss=lambda p, y: p, epochs=40, **settings):
    """Return by how much the bias went down in each epoch but the first, in initial rates."""
    X = np.zeros((4, 1))
    estimator = MLPRegressor(
        loss, (), alpha=0.0, momentum=0.0, batch_size=4 // batches, learning_rate_init=0.01,
        max_iter=epochs, n_iter_no_change=np.inf, random_state=0,
        **{"solver": "sgd", "epsilon": 1e-300, "weight_decay": 0.0, **settings},
    )  # fmt: skip
    estimator.set_params(scoring=lambda e, X, y: e.intercepts_[0][0])
    estimator.fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
    return -np.diff(estimator.validation_scores_) / 0.01


def along(schedule, batches=1, epochs=40):
    """Return the sum of the factors of each epoch's steps, but for the first epoch's."""
    each = [schedule(step / batches, epochs) for step in range(epochs * batches)]
    return np.sum(np.reshape(each, (epochs, batches)), axis=1)[1:]


def half_a_cosine(start, end, done):
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def one_cycle(epoch, epochs):
    done = epoch / epochs
    if done < 0.3:
        return half_a_cosine(1 / 25, 1, done / 0.3)
    return half_a_cosine(1, 1 / 25 / 10_000, (done - 0.3) / 0.7)


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(
    ("learning_rate", "expected"),
    [
        ("constant", lambda epoch, epochs: 1.0),
        ("cosine", lambda epoch, epochs: half_a_cosine(1, 0, epoch / epochs)),
        ("one_cycle", one_cycle),
        ("step", lambda epoch, epochs: 0.1 ** (epoch // 30)),
        (Cosine(end=0.5), lambda epoch, epochs: half_a_cosine(1, 0.5, epoch / epochs)),
        (OneCycle(), one_cycle),
        (StepDecay(every=1, factor=0.9), lambda epoch, epochs: 0.9 ** (epoch // 1)),
        (lambda epoch, epochs: 1 / (1 + epoch), lambda epoch, epochs: 1 / (1 + epoch)),
    ],
    ids=["constant", "cosine", "one_cycle", "step", "Cosine", "OneCycle", "StepDecay", "function"],
)
def test_rates_follow_the_schedule(learning_rate, expected, batches):
    found = rates(batches, learning_rate=learning_rate)
    np.testing.assert_allclose(found, along(expected, batches), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_schedules_are_for_all_solvers_and_engines(solver, engine):
    if engine == "native":
        pytest.importorskip("numba")
    # A gradient of 1 makes a step of the learning rate with Adam, too.
    found = rates(2, solver=solver, engine=engine, learning_rate="cosine")
    expected = along(lambda epoch, epochs: half_a_cosine(1, 0, epoch / epochs), 2)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("learning_rate", "levels"),
    [
        ("plateau", [1.0] * 7 + [0.3] * 6 + [0.09] * 6 + [0.027]),
        (ReduceOnPlateau(factor=0.5, patience=2), [1.0] * 4 + [0.5] * 3 + [0.25] * 3),
    ],
    ids=["plateau", "ReduceOnPlateau"],
)
def test_a_plateau_lowers_the_rate(learning_rate, levels):
    # All of a fit makes this loss smaller by less than the share that would be progress.
    found = rates(loss=lambda p, y: p + 1e6, epochs=len(levels), learning_rate=learning_rate)
    np.testing.assert_allclose(found, levels[1:], rtol=1e-9)
    # With progress, nothing happens.
    found = rates(loss=lambda p, y: p, epochs=len(levels), learning_rate=learning_rate)
    np.testing.assert_allclose(found, np.ones(len(levels) - 1), rtol=1e-9)


def test_without_validation_a_plateau_is_of_the_training_loss():
    X = np.zeros((4, 1))
    estimator = MLPRegressor(
        lambda p, y: p + 1e6, (), solver="sgd", learning_rate=ReduceOnPlateau(0.5, patience=2),
        learning_rate_init=0.01, max_iter=10, n_iter_no_change=np.inf, random_state=0,
    ).fit(X, X[:, 0])  # fmt: skip
    assert estimator._optimizer.learning_rate == 0.25 * 0.01


def test_scikit_learns_ways_are_for_new_solvers_too():
    X = np.zeros((4, 1))
    estimator = MLPRegressor(
        lambda p, y: p, (), solver="adamw", learning_rate="invscaling", power_t=1.0, max_iter=6,
        learning_rate_init=0.01, random_state=0,
    ).fit(X, X[:, 0])  # fmt: skip
    assert estimator._optimizer.learning_rate == 0.01 / (4 * 6 + 1)


def test_whoever_goes_on_beyond_the_last_epoch_stays_at_the_end():
    estimator = MLPClassifier(learning_rate="cosine", max_iter=2, random_state=0)
    for _ in range(2):
        estimator.partial_fit(X_IRIS, Y_IRIS, classes=[0, 1, 2])
    before = flat(estimator)
    np.testing.assert_array_equal(flat(estimator.partial_fit(X_IRIS, Y_IRIS)), before)


@pytest.mark.parametrize(
    "learning_rate", ["one_cycle", Cosine(end=0.5), ReduceOnPlateau(patience=3)]
)
def test_schedules_are_saved(learning_rate, tmp_path):
    MLPClassifier(learning_rate=learning_rate, max_iter=2).fit(X_IRIS, Y_IRIS).save(tmp_path / "m")
    assert load(tmp_path / "m").learning_rate == learning_rate


# ----- Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "newton"}, "The 'solver' parameter of MLPClassifier must be a str among "
         r"\{.*'adamw'.*\}. Got 'newton' instead"),
        ({"learning_rate": "fast"}, "The 'learning_rate' parameter of MLPClassifier must be a str "
         r"among \{.*'one_cycle'.*\}, a callable or an instance of .*ReduceOnPlateau"),
        ({"learning_rate": Cosine}, r"got the class Cosine; write Cosine\(\) with its settings"),
        ({"learning_rate": lambda epoch, epochs: -1.0}, r"learning_rate as a function of \(epoch, "
         r"epochs\) must return a factor of 0 or more, got -1.0 for epoch 0 of 5"),
        ({"learning_rate": lambda epoch, epochs: "low"}, "a factor of 0 or more, got 'low'"),
        ({"weight_decay": -1.0}, "The 'weight_decay' parameter of MLPClassifier"),
    ],
    ids=["solver", "learning_rate", "class", "negative", "text", "weight_decay"],
)  # fmt: skip
def test_wrong_solvers_and_schedules(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(max_iter=5, **settings).fit(X_IRIS, Y_IRIS)


def test_a_schedule_of_ones_own_cannot_be_saved(tmp_path):
    estimator = MLPClassifier(max_iter=1, learning_rate=lambda epoch, epochs: 1.0)
    with pytest.raises(ValueError, match=r"learning_rate=<function.* cannot be saved"):
        estimator.fit(X_IRIS, Y_IRIS).save(tmp_path / "model")
