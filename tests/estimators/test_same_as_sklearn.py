"""Fits are those of the installed scikit-learn, number by number.

In float64 the order of operations is scikit-learn's, so that parameters are mostly equal bit for
bit. The tolerance of 1e-9, relative to the largest magnitude, leaves room for products of matrices
that another BLAS sums in another order, and for the loss, whose sums are ordered differently.
float32 has 2**-24 for the rounding of each operation; scikit-learn, besides, does a part of its
work on float32 data in float64 (Adam's update, and the backward pass of its regressor), and ours
does not. Ten epochs carry such differences to some 1e-6 of the largest magnitude.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from backlit import estimators

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLOSE = 1e-9
CLOSE_FLOAT32 = 3e-6
NAMES = ("MLPClassifier", "MLPRegressor")


def pair(name, **settings):
    """Return scikit-learn's estimator and ours, unfitted."""
    settings.setdefault("random_state", 3)
    ours = {key: settings.pop(key) for key in ("engine",) if key in settings}
    return (
        getattr(neural_network, name)(**settings),
        getattr(estimators, name)(**settings, **ours),
    )


def distance(theirs, ours):
    """Return the largest difference, relative to the largest magnitude."""
    theirs, ours = np.asarray(theirs, float), np.asarray(ours, float)
    assert theirs.shape == ours.shape
    return np.max(np.abs(theirs - ours), initial=0.0) / max(np.max(np.abs(theirs)), 1e-300)


def assert_same(theirs, ours, X, close=CLOSE):
    assert distance(
        np.concatenate([a.ravel() for a in theirs.coefs_ + theirs.intercepts_]),
        np.concatenate([a.ravel() for a in ours.coefs_ + ours.intercepts_]),
    ) < close  # fmt: skip
    for name in ("loss_curve_", "validation_scores_"):
        if getattr(theirs, name, None) is not None:
            assert distance(getattr(theirs, name), getattr(ours, name)) < close
            # The tolerance holds for each epoch, not only relative to the largest loss.
            each = np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name))
            np.testing.assert_allclose(*each, rtol=close, atol=1e-300)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(theirs, name) == getattr(ours, name), name
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        if getattr(theirs, name, None) is not None:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=close)
    assert {a.dtype for a in theirs.coefs_} == {a.dtype for a in ours.coefs_}
    if hasattr(theirs, "classes_"):
        np.testing.assert_array_equal(theirs.classes_, ours.classes_)
        assert distance(theirs.predict_proba(X), ours.predict_proba(X)) < 10 * close
    elif np.isfinite(theirs.predict(X)).all():
        assert distance(theirs.predict(X), ours.predict(X)) < 10 * close


def examples(random, task, rows=80, columns=5):
    X = random.randn(rows, columns)
    if task == "binary":
        return X, np.array(["no", "yes"])[(X[:, 0] + 0.3 * random.randn(rows) > 0).astype(int)]
    if task == "classes":
        return X, np.arange(rows) % 3
    if task == "labels":
        return X, (X @ random.randn(columns, 3) > 0).astype(int)
    if task == "counts":
        return X, random.poisson(np.exp(0.3 * X[:, 0])).astype(float)
    if task == "outputs":
        return X, X @ random.randn(columns, 2) + 0.1 * random.randn(rows, 2)
    return X, X @ random.randn(columns) + 0.1 * random.randn(rows)


TASKS = {
    "MLPClassifier": ("binary", "classes", "labels"),
    "MLPRegressor": ("number", "outputs", "counts"),
}


def draw(seed):
    """Draw an estimator's name, its settings, and its data."""
    random = np.random.RandomState(seed)

    def choose(*options):
        return options[random.randint(len(options))]

    name = choose(*NAMES)
    task = choose(*TASKS[name])
    settings = {
        "activation": choose("identity", "logistic", "tanh", "relu"),
        "hidden_layer_sizes": choose((), (7,), (6, 5), 9),
        "solver": choose("sgd", "sgd", "adam", "adam", "lbfgs"),
        "alpha": choose(0.0, 1e-4, 0.5),
        "batch_size": choose("auto", 16, 30, 80),
        "learning_rate": choose("constant", "invscaling", "adaptive"),
        "learning_rate_init": choose(1e-3, 1e-2),
        "power_t": choose(0.25, 0.5),
        "max_iter": 10,
        "shuffle": choose(True, True, False),
        "random_state": seed,
        "tol": choose(1e-4, 1e-2),
        "momentum": choose(0.0, 0.5, 0.9),
        "nesterovs_momentum": choose(True, False),
        "early_stopping": choose(False, False, True),
        "validation_fraction": choose(0.1, 0.3),
        "beta_1": choose(0.9, 0.5),
        "beta_2": choose(0.999, 0.9),
        "epsilon": choose(1e-8, 1e-3),
        "n_iter_no_change": choose(2, 10),
    }
    if name == "MLPRegressor":
        settings["loss"] = "poisson" if task == "counts" else "squared_error"
    if settings["early_stopping"] and settings["batch_size"] == 80:
        settings["batch_size"] = "auto"
    X, y = examples(random, task)
    sample_weight = choose(None, None, random.uniform(0.1, 2.0, len(X)))
    X = choose(np.asarray, np.asarray, sparse.csr_array, sparse.csc_matrix)(X)
    return name, settings, X, y, sample_weight


@pytest.mark.parametrize("seed", range(80))
def test_settings_drawn_at_random(seed):
    name, settings, X, y, sample_weight = draw(seed)
    theirs, ours = pair(name, **settings)
    theirs.fit(X, y, sample_weight)
    ours.fit(X, y, sample_weight)
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("seed", range(80, 110))
def test_settings_drawn_at_random_in_float32(seed):
    name, settings, X, y, sample_weight = draw(seed)
    if settings["solver"] == "lbfgs":
        settings["solver"] = "adam"  # which is float64 in either, and tested above
    settings["early_stopping"] = False  # one rounding may turn a prediction, and so a score
    theirs, ours = pair(name, **settings)
    theirs.fit(X.astype(np.float32), y, sample_weight)
    ours.fit(X.astype(np.float32), y, sample_weight)
    assert_same(theirs, ours, X.astype(np.float32), CLOSE_FLOAT32)


@pytest.mark.parametrize("seed", range(110, 122))
def test_settings_drawn_at_random_with_compiled_kernels(seed):
    pytest.importorskip("numba")
    name, settings, X, y, sample_weight = draw(seed)
    if settings["solver"] == "lbfgs":
        settings["solver"] = "sgd"
    theirs, ours = pair(name, engine="native", **settings)
    theirs.fit(X, y, sample_weight)
    ours.fit(X, y, sample_weight)
    assert ours.engine_ == "native"
    assert_same(theirs, ours, X)


# ----- One by one --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1},
        {"solver": "sgd", "momentum": 0.0},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "adam", "beta_1": 0.0},
        {"solver": "adam", "early_stopping": True, "n_iter_no_change": 2},
        {"solver": "lbfgs"},
    ],
    ids=str,
)
def test_solvers_and_schedules(name, settings):
    X, y = examples(np.random.RandomState(0), TASKS[name][0])
    theirs, ours = pair(name, hidden_layer_sizes=(8,), max_iter=30, **settings)
    assert_same(theirs.fit(X, y), ours.fit(X, y), X)
    if settings["solver"] != "lbfgs":
        assert theirs._optimizer.learning_rate == ours._optimizer.learning_rate


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_the_same_bits(name):
    X, y = examples(np.random.RandomState(0), TASKS[name][1])
    theirs, ours = pair(name, hidden_layer_sizes=(8, 4), max_iter=10, activation="tanh")
    theirs.fit(X, y)
    ours.fit(X, y)
    for one, other in zip(
        theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start(name, solver):
    X, y = examples(np.random.RandomState(1), TASKS[name][0])
    theirs, ours = pair(name, hidden_layer_sizes=(8,), max_iter=4, warm_start=True, solver=solver)
    for _ in range(3):
        theirs.fit(X, y)
        ours.fit(X, y)
        assert_same(theirs, ours, X)


@pytest.mark.parametrize("name", NAMES)
def test_warm_start_with_early_stopping(name):
    X, y = examples(np.random.RandomState(1), TASKS[name][0])
    theirs, ours = pair(name, max_iter=4, warm_start=True, early_stopping=True)
    for _ in range(3):
        theirs.fit(X, y)
        ours.fit(X, y)
        assert_same(theirs, ours, X)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [
    {"solver": "adam"}, {"solver": "sgd", "learning_rate": "invscaling"}
], ids=str)  # fmt: skip
def test_partial_fit(name, settings):
    X, y = examples(np.random.RandomState(2), TASKS[name][0])
    theirs, ours = pair(name, hidden_layer_sizes=(8,), batch_size=20, **settings)
    classes = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    for part in range(8):
        rows = slice(part * 10, part * 10 + 30)
        with warnings.catch_warnings():  # that a batch is longer than the examples
            warnings.simplefilter("ignore", UserWarning)
            theirs.partial_fit(X[rows], y[rows], **classes)
            ours.partial_fit(X[rows], y[rows], **classes)
        assert_same(theirs, ours, X)


def test_partial_fit_after_fit_keeps_the_optimizer():
    X, y = examples(np.random.RandomState(2), "classes")
    theirs, ours = pair("MLPClassifier", hidden_layer_sizes=(8,), max_iter=3)
    for estimator in (theirs, ours):
        estimator.fit(X, y)
        estimator.set_params(learning_rate_init=0.5)  # of the next optimizer, not of this one
        estimator.partial_fit(X, y)
    assert_same(theirs, ours, X)


def test_partial_fit_of_labels():
    X, y = examples(np.random.RandomState(2), "labels")
    theirs, ours = pair("MLPClassifier", hidden_layer_sizes=(8,))
    for _ in range(3):
        theirs.partial_fit(X, y, classes=[0, 1, 2])
        ours.partial_fit(X, y, classes=[0, 1, 2])
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_sparse_data(name, form, solver):
    random = np.random.RandomState(4)
    X, y = examples(random, TASKS[name][0], columns=30)
    X = form(X * (random.uniform(size=X.shape) < 0.1))
    theirs, ours = pair(name, hidden_layer_sizes=(8,), max_iter=10, solver=solver, batch_size=30)
    assert_same(theirs.fit(X, y), ours.fit(X, y), X)


def test_a_fit_that_converges_predicts_the_same():
    X, y = examples(np.random.RandomState(5), "classes")
    theirs, ours = pair("MLPClassifier", hidden_layer_sizes=(20,), max_iter=2000, tol=1e-3)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert theirs.n_iter_ == ours.n_iter_ < 2000
    assert_same(theirs, ours, X)
    np.testing.assert_array_equal(theirs.predict(X), ours.predict(X))


def test_sure_predictions_cost_what_they_cost_there():
    X = np.array([[1000.0], [-1000.0], [1000.0]])
    y = np.array([1, 0, 0])  # the last one is wrong, and surely so: its loss is cut at 36
    theirs, ours = pair(
        "MLPClassifier", hidden_layer_sizes=(), max_iter=5, learning_rate_init=1.0, solver="sgd"
    )
    assert_same(theirs.fit(X, y), ours.fit(X, y), X)
    assert max(ours.loss_curve_) > 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_partial_fit_is_there_where_it_is_there(name, solver):
    theirs, ours = pair(name, solver=solver)
    assert hasattr(theirs, "partial_fit") == hasattr(ours, "partial_fit")


# ----- Errors and warnings -----------------------------------------------------------------------


def _said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except Exception as error:
            return type(error), str(error), None
    return None, None, [(w.category, str(w.message)) for w in caught]


X_SMALL, Y_SMALL = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("settings", "call"),
    [
        ({"hidden_layer_sizes": (3, 0)}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"alpha": -1}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"max_fun": 0}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"momentum": 2}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"max_iter": 2}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"max_iter": 2, "solver": "lbfgs"}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"batch_size": 50, "max_iter": 1}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({}, lambda e: e.fit(X_SMALL, Y_SMALL[:3])),
        ({}, lambda e: e.fit(X_SMALL * np.nan, Y_SMALL)),
        ({"max_iter": 1}, lambda e: e.fit(X_SMALL, Y_SMALL[:, np.newaxis])),
        ({}, lambda e: e.predict(X_SMALL)),
        ({"early_stopping": True, "validation_fraction": 0.1}, lambda e: e.fit(X_SMALL, Y_SMALL)),
        ({"early_stopping": True}, lambda e: e.partial_fit(X_SMALL, Y_SMALL)),
        ({"batch_size": 2}, lambda e: e.fit(X_SMALL, Y_SMALL, [0, 0, 0, 0, 0, 0])),
        ({"max_iter": 1}, lambda e: e.fit(X_SMALL, Y_SMALL).predict(X_SMALL[:, :1])),
        ({"max_iter": 1}, lambda e: e.fit(X_SMALL, Y_SMALL, [1, 1])),
    ],
)
def test_the_same_is_said(name, settings, call):
    theirs, ours = pair(name, **settings)
    theirs, ours = _said(lambda: call(theirs)), _said(lambda: call(ours))
    for k, (_, text) in enumerate(theirs[2] or []):
        if "Stochastic Optimizer: Maximum iterations" in text:  # and then what to do about it
            assert ours[2][k][1].startswith(f"{text} ")
            ours[2][k] = (ours[2][k][0], text)
    assert theirs == ours
    assert theirs != (None, None, [])  # something was


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("settings", [
    {"early_stopping": False}, {"early_stopping": True}, {"learning_rate": "adaptive"}
], ids=str)  # fmt: skip
def test_the_same_is_printed(solver, settings, capsys):
    X, y = examples(np.random.RandomState(6), "binary")
    printed = []
    for estimator in pair(
        "MLPClassifier", solver=solver, verbose=True, max_iter=9, tol=1.0, n_iter_no_change=2,
        **settings,
    ):  # fmt: skip
        estimator.fit(X, y)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Iteration 1, loss = " in printed[1]


def test_the_warning_is_that_of_convergence():
    ours = estimators.MLPClassifier(max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(1\) reached"):
        ours.fit(X_SMALL, Y_SMALL)
