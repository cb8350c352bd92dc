"""Fits that start from the weights of a fitted model: ours, scikit-learn's, PyTorch's, Keras'."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.neural_network import MLPRegressor as TheirRegressor

from backlit import load
from backlit.estimators import MLPClassifier, MLPRegressor, weights_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Keras' own arrays, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

X, Y = load_iris(return_X_y=True)
SETTINGS = {"hidden_layer_sizes": (7, 5), "max_iter": 30, "random_state": 0}


def started(weights, y=Y, x=X, cls=MLPClassifier, **settings):
    """Return an estimator that has `weights`, and made one step too small to be seen."""
    still = {"learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0.0}
    estimator = cls(**{**SETTINGS, **still, "start": weights, **settings})
    return estimator.fit(x, y)


# ----- Where weights come from -------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Theirs, MLPClassifier, TheirRegressor, MLPRegressor])
def test_a_fit_starts_where_an_estimator_ended(cls):
    fitted = cls(activation="tanh", **SETTINGS).fit(X, Y)
    ours = MLPClassifier if hasattr(fitted, "classes_") else MLPRegressor
    again = started(weights_of(fitted), cls=ours, activation="tanh")
    for one, other in zip(
        again.coefs_ + again.intercepts_, fitted.coefs_ + fitted.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(again.predict(X), fitted.predict(X), rtol=1e-13)
    assert again.output_is_new_ is False


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_training_goes_on_from_there(solver):
    fitted = Theirs(solver="lbfgs", **{**SETTINGS, "max_iter": 500}).fit(X, Y)
    weights = weights_of(fitted)
    found = MLPClassifier(solver=solver, start=weights, **SETTINGS).fit(X, Y)
    fresh = MLPClassifier(solver=solver, **SETTINGS).fit(X, Y)
    assert found.loss_ < 0.1 < fresh.loss_ or (solver == "lbfgs" and found.loss_ <= fitted.loss_)


def test_plain_arrays():
    fitted = Theirs(**SETTINGS).fit(X, Y)
    found = started(weights_of((fitted.coefs_, fitted.intercepts_)), activation="tanh")
    np.testing.assert_array_equal(found.coefs_[1], fitted.coefs_[1])


TORCH = {
    "ReLU": "relu", "Tanh": "tanh", "Sigmoid": "logistic", "GELU": "gelu", "SiLU": "silu",
    "Mish": "mish", "Softplus": "softplus", "ELU": "elu", "SELU": "selu",
    "LeakyReLU": "leaky_relu", "Identity": "identity",
}  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), TORCH.items())
def test_a_torch_network_predicts_the_same_here(theirs, ours):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    hidden = nn.Sequential(nn.Linear(7, 5, bias=False), getattr(nn, theirs)(), nn.Dropout(0.5))
    model = nn.Sequential(
        nn.Linear(4, 7), getattr(nn, theirs)(), nn.Dropout(0.5), hidden, nn.Linear(5, 3)
    ).double()
    weights = weights_of(model)
    assert weights.activations == (ours, ours)
    found = started(weights, activation=ours)
    with torch.no_grad():
        expected = torch.softmax(model.eval()(torch.from_numpy(X)), 1).numpy()
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-7)  # softplus: 20 is much


def test_a_torch_network_of_two_outputs_serves_two_classes():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 2), nn.LogSoftmax(1)).double()
    found = started(weights_of(model), Y == 1, hidden_layer_sizes=(7,), activation="tanh")
    assert not found.output_is_new_
    with torch.no_grad():
        expected = model(torch.from_numpy(X)).exp().numpy()
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-13)


def test_torch_networks_that_are_none_of_ours():
    nn = pytest.importorskip("torch").nn
    for layers, message in (
        ([nn.Linear(4, 3), nn.BatchNorm1d(3)], "the model has a layer BatchNorm1d, which the est"),
        ([nn.Linear(4, 3), nn.LeakyReLU(0.2)], r"a layer LeakyReLU with negative_slope=0\.2"),
        ([nn.Linear(4, 3), nn.GELU("tanh")], "a layer GELU with approximate='tanh'"),
        ([nn.Linear(4, 3), nn.ReLU(), nn.Tanh()], "tanh of the model does not follow a layer with"),
        ([nn.Tanh(), nn.Linear(4, 3)], "tanh of the model does not follow a layer with weights"),
        ([nn.Linear(4, 3), nn.Softmax(1), nn.Linear(3, 3)], "softmax in a hidden layer"),
        ([nn.Dropout()], "the model has no weights; they are taken from Linear, Dropout"),
    ):
        with pytest.raises(TypeError, match=message):
            weights_of(nn.Sequential(*layers))


KERAS = {
    "relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "gelu": "gelu", "silu": "silu",
    "mish": "mish", "softplus": "softplus", "elu": "elu", "selu": "selu", "linear": "identity",
}  # fmt: skip


@pytest.fixture(scope="module")
def keras():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import keras
        except Exception as error:  # without a backend, it cannot be imported
            pytest.skip(f"Keras cannot be imported: {error}")
    return keras


@pytest.mark.parametrize(("theirs", "ours"), KERAS.items())
def test_a_keras_network_predicts_the_same_here(theirs, ours, keras):
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(7, activation=theirs),
            layers.Dropout(0.5),
            layers.Dense(5, use_bias=False),
            layers.Activation(theirs),
            layers.Dense(3, activation="softmax"),
        ]
    )
    weights = weights_of(model)
    assert weights.activations == (ours, ours)
    found = started(weights, activation=ours)
    assert not found.output_is_new_
    expected = np.asarray(model(X.astype(np.float32)))
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=2e-6)  # float32 there


def test_keras_networks_that_are_none_of_ours(keras):
    layers = keras.layers
    for added, message in (
        (layers.BatchNormalization(), "the model has a layer BatchNormalization"),
        (layers.LeakyReLU(negative_slope=0.3), r"a layer LeakyReLU with negative_slope=0\.3"),
        (layers.Dense(3, activation="leaky_relu"), "the model has the activation leaky_relu"),
    ):
        with pytest.raises(TypeError, match=message):
            weights_of(keras.Sequential([keras.Input((4,)), layers.Dense(3), added]))


def test_what_has_no_weights():
    with pytest.raises(NotFittedError):
        weights_of(Theirs())
    with pytest.raises(NotFittedError):
        weights_of(MLPClassifier())
    with pytest.raises(TypeError, match="not from an object of type str"):
        weights_of("model")
    good = [np.ones((4, 3)), np.ones((3, 1))]
    for coefs, intercepts in (
        (good, [np.ones(3)]),
        (good, [np.ones(3), np.ones(2)]),
        ([np.ones((4, 3)), np.ones((2, 1))], [np.ones(3), np.ones(1)]),
        ([np.ones(4)], [np.ones(1)]),
        ([], []),
    ):
        with pytest.raises(ValueError, match="for each layer there must be weights of shape"):
            weights_of((coefs, intercepts))
    with pytest.raises(ValueError, match="must be finite, and some are not"):
        weights_of((good, [np.ones(3), np.full(1, np.nan)]))


# ----- Other data --------------------------------------------------------------------------------


def test_another_number_of_classes_draws_the_output_layer():
    weights = weights_of(Theirs(**SETTINGS).fit(X, Y))
    found = started(weights, Y + (X[:, 0] > 5))
    assert found.output_is_new_
    assert found.coefs_[-1].shape == (5, 4)
    np.testing.assert_array_equal(found.coefs_[0], weights.coefs[0])
    np.testing.assert_array_equal(found.intercepts_[1], weights.intercepts[1])
    drawn = started(None, Y + (X[:, 0] > 5))
    np.testing.assert_array_equal(found.coefs_[-1], drawn.coefs_[-1])  # the same draws as ever


def test_the_output_layer_of_a_regressor_is_none_of_a_classifier():
    weights = weights_of(TheirRegressor(**SETTINGS).fit(X, np.eye(3)[Y]))
    assert started(weights).output_is_new_
    assert not started(weights, np.eye(3)[Y], cls=MLPRegressor).output_is_new_


def test_weights_take_the_dtype_of_the_data():
    found = started(weights_of(Theirs(**SETTINGS).fit(X, Y)), x=X.astype(np.float32))
    assert {array.dtype for array in found.coefs_} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("x", "settings", "message"),
    [
        (X[:, :3], {}, "X has 3 features, and the weights in start are for 4; give the same"),
        (X, {"hidden_layer_sizes": (7,)}, r"hidden_layer_sizes=\(7,\), and the weights in start "
         r"are for \(7, 5\); set it to that"),
        (X, {"activation": "tanh"}, r"activations \('tanh', 'tanh'\), and those in start "
         r"\('relu', 'relu'\); set activation to these"),
        (X, {"start": Theirs()}, r"start must be None or what backlit.estimators.weights_of\(model"
         r"\) returns, got MLPClassifier\(\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(x, settings, message):
    weights = weights_of(Theirs(**SETTINGS).fit(X, Y))
    with pytest.raises(ValueError, match=message):
        started(weights, x=x, **settings)


def test_a_warm_start_goes_on_from_its_own_weights():
    weights = weights_of(Theirs(**SETTINGS).fit(X, Y))
    found = MLPClassifier(start=weights, warm_start=True, **SETTINGS).fit(X, Y)
    loss = found.loss_
    assert found.fit(X, Y).loss_curve_[-1] < loss


# ----- In the company of scikit-learn's tools ----------------------------------------------------


def test_clones_searches_pickles_and_texts():
    weights = weights_of(Theirs(**SETTINGS).fit(X, Y))
    estimator = MLPClassifier(start=weights, **SETTINGS)
    assert "start=Weights(4-7-5-3, relu)" in repr(estimator)
    assert clone(estimator).start is weights  # which cannot be written to
    with pytest.raises(ValueError, match="read-only"):
        weights.coefs[0][0, 0] = 1
    search = GridSearchCV(estimator, {"start": [None, weights]}, cv=3).fit(X, Y)
    assert search.best_params_["start"] is weights
    again = pickle.loads(pickle.dumps(estimator)).fit(X, Y)
    np.testing.assert_array_equal(again.coefs_[0], estimator.fit(X, Y).coefs_[0])


def test_a_file_holds_what_was_fitted_and_not_its_start(tmp_path):
    estimator = started(weights_of(Theirs(**SETTINGS).fit(X, Y)))
    estimator.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.start is None
    assert again.output_is_new_ is False
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
