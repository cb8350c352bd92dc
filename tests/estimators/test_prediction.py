"""Prediction: in blocks, of one row, and made ready once."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier as Theirs

from backlit.estimators import MLPClassifier, MLPRegressor, prediction
from backlit.training import forward

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
LABELS = make_multilabel_classification(150, random_state=0)[1]
MANY = np.random.default_rng(0).normal(size=(9000, 4))


def fitted(y=Y, dtype=np.float64, cls=MLPClassifier, **settings):
    estimator = cls(hidden_layer_sizes=(30, 20), max_iter=5, random_state=0, **settings)
    return estimator.fit(X.astype(dtype), y)


# ----- Many rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, sparse.csc_array, np.rint])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_give_what_one_product_gives(convert, dtype):
    ours = fitted(dtype=dtype)
    theirs = Theirs((30, 20), max_iter=5, random_state=0).fit(X.astype(dtype), Y)
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    rows = convert(MANY).astype(int) if convert is np.rint else convert(MANY.astype(dtype))
    assert len(MANY) > 2 * forward.block_rows([W.shape for W in ours.coefs_])
    found, expected = ours.predict_proba(rows), theirs.predict_proba(rows)
    assert found.dtype == expected.dtype
    # Rounding: some hundred additions of numbers that go up to 4.
    np.testing.assert_allclose(found, expected, atol=1e-15 if dtype is np.float64 else 2e-6)
    np.testing.assert_array_equal(ours.predict(rows), ours.classes_[found.argmax(axis=1)])


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(forward, "MANY", 0)
    found = []
    for threads in (1, 2, 3, 8):
        monkeypatch.setattr(forward, "default_threads", lambda threads=threads: threads)
        found.append(fitted().predict_proba(MANY))
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_threads_warn_as_the_caller_wants(monkeypatch):
    monkeypatch.setattr(forward, "MANY", 0)
    monkeypatch.setattr(forward, "default_threads", lambda: 2)
    layers = [(np.full((4, 30), 1e300), np.ones(30), "exp")]
    with np.errstate(over="ignore"):
        assert np.isinf(prediction.outputs(np.abs(MANY), layers)).all()


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(forward, "MANY", 0)
    monkeypatch.setattr(forward, "default_threads", lambda: 2)
    monkeypatch.setattr(prediction, "activate", lambda name, z: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prediction.outputs(MANY, [(np.ones((4, 30)), np.ones(30), "relu")])


@pytest.mark.parametrize("y", [Y, np.array(["a", "b", "c"])[Y], Y == 1, Y == 5, LABELS])
def test_classes_are_those_of_the_binarizer(y):
    estimator = fitted(y)
    p = estimator._activations(MANY)
    expected = estimator._label_binarizer.inverse_transform(p.ravel() if p.shape[1] == 1 else p)
    found = estimator.predict(MANY)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_as_there(bad):
    rows = X.copy()
    rows[7, 2] = bad
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        fitted().predict(rows)
    with config_context(assume_finite=True), np.errstate(invalid="ignore"):
        assert fitted().predict_proba(rows).shape == (150, 3)


def test_numbers_whose_sum_overflows_are_predicted():
    rows = np.full((3, 4), 1e308)
    with np.errstate(over="ignore", invalid="ignore"):
        assert fitted(Y, cls=MLPRegressor).predict(rows).shape == (3,)


# ----- Made ready once ---------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [Y, np.array(["a", "b", "c"])[Y], Y == 1, LABELS])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_predictor_says_what_the_estimator_says(method, y, dtype, engine):
    estimator = fitted(y, dtype, engine=engine)
    rows = X.astype(dtype)
    expected = getattr(estimator, method)(rows)
    one, many = estimator.predictor(method), estimator.predictor(method, rows=50)
    tolerance = 1e-6 if dtype is np.float32 else 1e-14  # rounding, in another order of sums
    for k in (0, 60, 120):
        found = one(rows[k])
        assert np.shape(found) == np.shape(expected[k])
        if method == "predict":
            np.testing.assert_array_equal(found, expected[k])
        else:
            np.testing.assert_allclose(found, expected[k], atol=tolerance)
    found = many(rows[50:100])
    if method == "predict":
        np.testing.assert_array_equal(found, expected[50:100])
    else:
        np.testing.assert_allclose(found, expected[50:100], atol=tolerance)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "identity", "gelu"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_predictor_of_numbers(activation, loss):
    for y in (Y, np.column_stack([Y, 2 * Y])):
        estimator = fitted(y, cls=MLPRegressor, activation=activation, loss=loss)
        predictor = estimator.predictor()
        expected = estimator.predict(X[:1])[0]
        np.testing.assert_allclose(predictor(X[0]), expected, rtol=1e-13)
        assert predictor(list(X[0])).shape == expected.shape


def test_a_predictor_has_the_weights_of_the_moment_it_was_made():
    estimator = fitted()
    predictor, before = estimator.predictor("predict_proba"), estimator.predict_proba(X[:1])[0]
    estimator.partial_fit(X, Y)
    np.testing.assert_allclose(predictor(X[0]), before, atol=1e-14)


def test_results_of_a_predictor_are_not_written_over():
    predictor = fitted().predictor("predict_proba")
    first = predictor(X[0])
    kept = first.copy()
    predictor(X[100])
    np.testing.assert_array_equal(first, kept)


def test_a_predictor_serves_several_threads():
    predictor = fitted().predictor("predict_proba")
    expected = [predictor(row) for row in X]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            np.testing.assert_array_equal(list(pool.map(predictor, X)), expected)


def test_a_predictor_can_be_pickled():
    predictor = fitted().predictor("predict_proba", rows=2)
    again = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(again(X[:2]), predictor(X[:2]))


def test_what_a_predictor_refuses():
    predictor = fitted().predictor()
    with pytest.raises(
        ValueError,
        match=r"inputs of shape \(4,\), and the shape of this one is \(1, 4\); reshape",
    ):
        predictor(X[:1])
    with pytest.raises(TypeError, match="must be real numbers, and this one has the dtype <U1"):
        predictor(["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="holds NaN, or a number that is not finite in float64; "):
        predictor([1, 2, np.nan, 4])
    assert predictor([1e200, 1, 1, 1]) in (0, 1, 2)  # whose square overflows


def test_what_cannot_be_prepared():
    with pytest.raises(NotFittedError):
        MLPClassifier().predictor()
    with pytest.raises(
        ValueError,
        match=r"of MLPRegressor.predictor must be one of predict, not 'predict_proba'",
    ):
        fitted(cls=MLPRegressor).predictor("predict_proba")
    for rows in (0, 1.0, True):
        with pytest.raises(ValueError, match="rows must be None or a positive integer, not"):
            fitted().predictor(rows=rows)
