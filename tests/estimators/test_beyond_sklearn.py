"""What scikit-learn's classes do not have. Truth comes from scikit-learn in other ways, from closed
forms, and from what the parameters promise."""

import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.compatible import Model, objective
from backlit.estimators.outputs import HIDDEN, Output

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def quick(**settings):
    return MLPClassifier(hidden_layer_sizes=(8,), max_iter=8, random_state=0, **settings)


# ----- Weights of classes ------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weight_is_a_sample_weight(class_weight):
    X, y = X_IRIS[20:], Y_IRIS[20:]
    weights = compute_sample_weight(class_weight, y)
    own = np.linspace(0.5, 1.5, len(y))
    theirs = neural_network.MLPClassifier(hidden_layer_sizes=(8,), max_iter=8, random_state=0)
    ours = quick(class_weight=class_weight).fit(X, y)
    np.testing.assert_allclose(flat(ours), flat(theirs.fit(X, y, weights)), rtol=1e-9)
    ours.fit(X, y, own)
    np.testing.assert_allclose(flat(ours), flat(theirs.fit(X, y, weights * own)), rtol=1e-9)


def test_class_weight_helps_the_rare_class():
    random = np.random.RandomState(0)
    y = (random.uniform(size=600) < 0.05).astype(int)
    X = random.randn(600, 3) + y[:, np.newaxis]
    plain, weighted = (
        MLPClassifier(hidden_layer_sizes=(), max_iter=300, random_state=0, class_weight=w).fit(X, y)
        for w in (None, "balanced")
    )
    better, worse = (balanced_accuracy_score(y, e.predict(X)) for e in (weighted, plain))
    assert better > worse + 0.1


def test_partial_fit_cannot_balance():
    with pytest.raises(ValueError, match="counts the classes of all examples"):
        quick(class_weight="balanced").partial_fit(X_IRIS, Y_IRIS, classes=[0, 1, 2])


# ----- Validation --------------------------------------------------------------------------------


def test_given_validation_data_are_scored_after_each_epoch():
    held_out = np.arange(0, 150, 3)
    X, y = np.delete(X_IRIS, held_out, axis=0), np.delete(Y_IRIS, held_out)
    estimator = quick().fit(X, y, X_val=X_IRIS[held_out], y_val=Y_IRIS[held_out])
    assert len(estimator.validation_scores_) == len(estimator.validation_loss_curve_) == 8
    assert estimator.validation_scores_[-1] == estimator.score(X_IRIS[held_out], Y_IRIS[held_out])
    loss = log_loss(Y_IRIS[held_out], estimator.predict_proba(X_IRIS[held_out]))
    np.testing.assert_allclose(estimator.validation_loss_curve_[-1], loss, rtol=1e-12)
    # They do not change the fit, and nothing is held out for them.
    np.testing.assert_array_equal(flat(estimator), flat(quick().fit(X, y)))


def test_early_stopping_goes_by_given_validation_data():
    estimator = MLPClassifier(
        hidden_layer_sizes=(8,), early_stopping=True, n_iter_no_change=3, random_state=0
    )
    estimator.fit(X_IRIS, Y_IRIS, X_val=X_IRIS[::4], y_val=Y_IRIS[::4])
    assert estimator.n_iter_ < 200
    assert estimator.t_ == 150 * estimator.n_iter_  # all examples were trained on
    # The best epoch's parameters are back.
    assert estimator.score(X_IRIS[::4], Y_IRIS[::4]) == max(estimator.validation_scores_)


def test_weights_of_validation_data_count():
    weights = np.linspace(0, 1, 150)
    estimator = quick().fit(X_IRIS, Y_IRIS, X_val=X_IRIS, y_val=Y_IRIS, sample_weight_val=weights)
    expected = estimator.score(X_IRIS, Y_IRIS, weights)
    np.testing.assert_allclose(estimator.validation_scores_[-1], expected, rtol=1e-12)


def test_validation_of_labels_and_numbers():
    X, Y = make_multilabel_classification(80, random_state=0)
    estimator = quick().fit(X, Y, X_val=X, y_val=Y)
    assert estimator.validation_scores_[-1] == estimator.score(X, Y)
    estimator = MLPRegressor(max_iter=5, random_state=0).fit(X, Y, X_val=X, y_val=Y)
    np.testing.assert_allclose(estimator.validation_scores_[-1], estimator.score(X, Y), rtol=1e-12)


def test_early_stopping_by_another_score():
    y = Y_IRIS == 1
    estimator = MLPClassifier(
        max_iter=10, early_stopping=True, scoring="roc_auc", random_state=0
    ).fit(X_IRIS, y, X_val=X_IRIS, y_val=y)
    expected = roc_auc_score(y, estimator.predict_proba(X_IRIS)[:, 1])
    assert estimator.best_validation_score_ == expected == max(estimator.validation_scores_)


def test_early_stopping_by_the_loss():
    estimator = quick(early_stopping=True, scoring="loss").fit(X_IRIS, Y_IRIS)
    np.testing.assert_array_equal(
        estimator.validation_scores_, -np.array(estimator.validation_loss_curve_)
    )


def test_a_scorer_may_be_a_function_and_sees_feature_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_IRIS, columns=list("abcd"))
    quick(early_stopping=True, scoring=lambda e, X, y: e.score(X, y)).fit(frame, Y_IRIS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X_IRIS}, "give both X_val and y_val"),
        ({"y_val": Y_IRIS}, "give both X_val and y_val"),
        ({"sample_weight_val": Y_IRIS}, "give both X_val and y_val"),
        ({"X_val": X_IRIS, "y_val": Y_IRIS + 1}, "classes not in"),
        ({"X_val": X_IRIS[:, :2], "y_val": Y_IRIS}, "2 features"),
    ],
)
def test_validation_data_must_fit(given, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X_IRIS, Y_IRIS, **given)


def test_warm_start_takes_validation_data_without_some_classes():
    estimator = quick(warm_start=True).fit(X_IRIS, Y_IRIS)
    estimator.fit(X_IRIS, Y_IRIS, X_val=X_IRIS[:50], y_val=Y_IRIS[:50])
    assert len(estimator.validation_scores_) == 8


# ----- Layers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", sorted(HIDDEN))
def test_predictions_use_the_activation_of_training(activation):
    """The objective of the program at the fitted parameters is the loss of what is predicted."""
    random = np.random.RandomState(0)
    X, y = random.randn(30, 3), random.randn(30, 1)
    estimator = MLPRegressor(
        hidden_layer_sizes=(6, 5), activation=activation, max_iter=3, random_state=0, alpha=0.0
    ).fit(X, y.ravel())
    model = Model((3, 6, 5, 1), (activation,) * 2, Output("identity", "squared_error"))
    loss, _ = objective(model)(flat(estimator), X, y, None)
    expected = 0.5 * np.mean((estimator.predict(X) - y.ravel()) ** 2)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_an_activation_for_each_layer():
    one = MLPClassifier((6, 5), "tanh", max_iter=5, random_state=0).fit(X_IRIS, Y_IRIS)
    two = MLPClassifier((6, 5), ["tanh", "tanh"], max_iter=5, random_state=0).fit(X_IRIS, Y_IRIS)
    np.testing.assert_array_equal(flat(one), flat(two))
    other = MLPClassifier((6, 5), ["tanh", "mish"], max_iter=5, random_state=0).fit(X_IRIS, Y_IRIS)
    assert not np.allclose(flat(one), flat(other))


def test_dropout_silences_in_training_only():
    estimator = quick(dropout=0.5).fit(X_IRIS, Y_IRIS)
    np.testing.assert_array_equal(estimator.predict_proba(X_IRIS), estimator.predict_proba(X_IRIS))
    again = quick(dropout=0.5).fit(X_IRIS, Y_IRIS)
    np.testing.assert_array_equal(flat(estimator), flat(again))
    assert not np.allclose(flat(estimator), flat(quick().fit(X_IRIS, Y_IRIS)))
    np.testing.assert_array_equal(
        flat(quick(dropout=[0.0]).fit(X_IRIS, Y_IRIS)), flat(quick().fit(X_IRIS, Y_IRIS))
    )


# ----- Steps -------------------------------------------------------------------------------------


def one_step(**settings):
    """Return parameters before and after a step of plain gradient descent."""
    settings = {
        "hidden_layer_sizes": (8,), "solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1,
        "alpha": 0.0, "random_state": 0, "batch_size": 150, "max_iter": 1, **settings,
    }  # fmt: skip
    before = MLPClassifier(**{**settings, "learning_rate_init": 1e-300}).fit(X_IRIS, Y_IRIS)
    return before, flat(MLPClassifier(**settings).fit(X_IRIS, Y_IRIS))


def test_clip_norm_shortens_the_step_and_keeps_its_direction():
    before, free = one_step()
    before, clipped = one_step(clip_norm=0.25)
    start = flat(before)
    assert np.linalg.norm(free - start) > 0.1 * 0.25
    np.testing.assert_allclose(np.linalg.norm(clipped - start), 0.1 * 0.25)
    np.testing.assert_allclose(
        (clipped - start) / np.linalg.norm(clipped - start),
        (free - start) / np.linalg.norm(free - start),
        atol=1e-12,
    )


def test_weight_decay_shrinks_weights_and_not_biases():
    before, free = one_step()
    before, decayed = one_step(weight_decay=0.5)
    weights = 4 * 8 + 8 * 3
    start = flat(before)
    np.testing.assert_allclose(decayed[:weights], (free - 0.1 * 0.5 * start)[:weights], rtol=1e-12)
    np.testing.assert_array_equal(decayed[weights:], free[weights:])


# ----- Losses ------------------------------------------------------------------------------------

SKEWED = np.random.RandomState(0).exponential(size=400)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"loss": "absolute_error"}, np.median(SKEWED)),
        ({"loss": "quantile", "quantile": 0.9}, np.quantile(SKEWED, 0.9)),
        ({"loss": "huber", "delta": 1e-3}, np.median(SKEWED)),
        ({"loss": "huber", "delta": 1e3}, np.mean(SKEWED)),
    ],
    ids=str,
)
def test_losses_have_their_least_mean_where_they_promise(settings, expected):
    """Where the inputs say nothing, the best prediction is one number, known for each loss."""
    estimator = MLPRegressor(
        hidden_layer_sizes=(), alpha=0.0, learning_rate_init=0.01, max_iter=3000, tol=0.0,
        n_iter_no_change=np.inf, random_state=0, **settings,
    ).fit(np.zeros((400, 1)), SKEWED)  # fmt: skip
    np.testing.assert_allclose(estimator.predict([[0.0]]), expected, atol=0.03)


# ----- Errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": ["relu", "tanh"]}, "activation must be one value or have one for each"),
        ({"activation": ["swish"]}, "activation must have names of identity, .*'swish'"),
        ({"dropout": [1.0]}, "dropout must be from 0 to below 1 in each layer, got 1.0"),
        ({"dropout": 1.0}, "The 'dropout' parameter of MLPClassifier"),
        ({"clip_norm": 0.0}, "The 'clip_norm' parameter of MLPClassifier"),
        ({"solver": "lbfgs", "dropout": 0.5}, "dropout acts on single steps"),
        ({"solver": "lbfgs", "weight_decay": 0.5}, "weight_decay acts on single steps"),
        ({"engine": "gpu"}, "The 'engine' parameter of MLPClassifier"),
    ],
)
def test_new_parameters_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(X_IRIS, Y_IRIS)


def test_partial_fit_needs_as_many_outputs_as_before():
    estimator = MLPRegressor(random_state=0).partial_fit(X_IRIS, X_IRIS[:, :2])
    with pytest.raises(ValueError, match=r"y has 3 outputs, and the network .* has 2"):
        estimator.partial_fit(X_IRIS, X_IRIS[:, :3])


def test_what_has_no_kernel_is_fitted_by_the_reference_engine_with_a_warning(monkeypatch):
    from backlit.execution.native.elementwise import EXPRESSIONS

    monkeypatch.delitem(EXPRESSIONS, np.exp)
    why = "cannot run this fit, and the reference engine does: line .*: no native kernel runs exp"
    with pytest.warns(UserWarning, match=why):
        estimator = quick(engine="native").fit(X_IRIS, Y_IRIS)
    assert estimator.engine_ == "reference"


def test_kernels_fit_sparse_data_as_dense():
    from scipy import sparse

    dense = quick(engine="native").fit(X_IRIS, Y_IRIS)
    same = quick(engine="native").fit(sparse.csr_array(X_IRIS), Y_IRIS)
    assert same.engine_ == "native"
    assert np.allclose(same.loss_curve_, dense.loss_curve_, rtol=1e-12)  # roundings add up


def test_prediction_needs_a_fit():
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(X_IRIS)


def test_an_interrupted_fit_keeps_its_epochs(monkeypatch):
    from backlit.estimators.descent import Epochs

    run, epochs = Epochs.run, []

    def interrupted(self):
        epochs.append(None)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        return run(self)

    monkeypatch.setattr(Epochs, "run", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator = quick().fit(X_IRIS, Y_IRIS)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        three = quick().set_params(max_iter=3).fit(X_IRIS, Y_IRIS)
    np.testing.assert_array_equal(flat(estimator), flat(three))
