"""A fit that scikit-learn has made is made again, and explained."""

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backlit
from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1},
        {"early_stopping": True, "activation": "tanh", "batch_size": 20},
        {"solver": "sgd", "nesterovs_momentum": False, "shuffle": False, "alpha": 0.1},
    ],
)
@pytest.mark.parametrize("module", [neural_network, backlit])
def test_a_classifier_is_made_again(module, settings):
    fitted = module.MLPClassifier((6, 5), max_iter=30, random_state=7, **settings).fit(X, Y)
    insight = backlit.explain(fitted, X, Y)
    assert "made again" in insight.told
    recording = insight.recording
    views = recording.subject.layout.views(recording.theta)
    for layer, W in enumerate(fitted.coefs_, 1):
        # Rounding of a few dozen steps, whatever BLAS scikit-learn calls.
        np.testing.assert_allclose(views[f"W{layer}"], W, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(recording.figures.train_loss, fitted.loss_curve_, rtol=1e-9)
    assert recording.epochs == fitted.n_iter_


def test_a_regressor_with_weights_is_made_again():
    x, y = load_diabetes(return_X_y=True)
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    fitted = neural_network.MLPRegressor(hidden_layer_sizes=(9,), max_iter=20, random_state=0)
    fitted.fit(x, y, sample_weight=weights)
    insight = backlit.explain(fitted, x, y, weights)
    assert insight.recording.subject.targets == "numbers"
    with pytest.raises(ValueError, match=r"explain made the fit again and came to other weights"):
        backlit.explain(fitted, x, y)


def test_float32_is_made_again():
    x = X.astype(np.float32)
    fitted = neural_network.MLPClassifier((6,), max_iter=20, random_state=0).fit(x, Y)
    assert "rounding" in backlit.explain(fitted, x, Y).told


def test_what_is_inside_of_a_pipeline_and_a_search_is_explained():
    x, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(
        StandardScaler(), neural_network.MLPClassifier(max_iter=15, random_state=0)
    )
    search = GridSearchCV(pipeline, {"mlpclassifier__hidden_layer_sizes": [(3,), (4,)]}, cv=2)
    insight = backlit.explain(search.fit(x, y), x, y)
    assert insight.recording.subject.sizes[1] in (3, 4)
    np.testing.assert_allclose(insight.recording.training.x.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"random_state": None}, "random_state is None; fit with an integer, random_state=0 say"),
        ({"random_state": np.random.RandomState(0)}, "its random numbers are gone"),
        ({"solver": "lbfgs"}, "solver='lbfgs' makes none of single batches"),
    ],
)
def test_what_cannot_be_made_again_is_said(settings, message):
    settings = {"random_state": 0, **settings}
    fitted = neural_network.MLPClassifier((4,), max_iter=10, **settings).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        backlit.explain(fitted, X, Y)


def test_a_fit_in_several_calls_is_refused():
    fitted = neural_network.MLPClassifier((4,), max_iter=5, random_state=0, warm_start=True)
    fitted.fit(X, Y).fit(X, Y)
    with pytest.raises(ValueError, match="it came about in several calls"):
        backlit.explain(fitted, X, Y)
    partial = neural_network.MLPClassifier((4,), random_state=0)
    partial.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    with pytest.raises(ValueError, match="2 epochs are on record, and the last call made 1"):
        backlit.explain(partial, X, Y)


def test_other_data_and_other_models_are_refused():
    fitted = neural_network.MLPClassifier((4,), max_iter=10, random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="X, y or sample_weight are not those"):
        backlit.explain(fitted, X + 0.1, Y)
    with pytest.raises(
        ValueError, match=r"explain came to a network of 31 parameters, and the model has 35"
    ):
        backlit.explain(fitted, X[:, :3], Y)
    with pytest.raises(TypeError, match="not a LogisticRegression"):
        backlit.explain(LogisticRegression(max_iter=500).fit(X, Y), X, Y)
    with pytest.raises(NotFittedError):
        backlit.explain(MLPRegressor(), X, Y)
    assert isinstance(fitted, neural_network.MLPClassifier)
    assert not isinstance(fitted, MLPClassifier)


def test_the_weights_alone_can_be_explained():
    fitted = neural_network.MLPClassifier((4,), max_iter=10, solver="lbfgs").fit(X, Y)
    insight = backlit.explain(fitted, X, Y, replay=False)
    assert "The weights alone" in insight.told
    recording = insight.recording
    outputs = recording.subject.outputs(recording.theta, recording.training.x)
    np.testing.assert_array_equal(np.argmax(outputs, axis=1), fitted.predict(X))
    linear = insight.linear_map(3)
    assert linear.row == 3
    for question in (insight.pushes, lambda: insight.example(3)):
        with pytest.raises(ValueError, match="needs the steps of the training, and here are only"):
            question()
