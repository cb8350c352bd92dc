"""Losses of the estimators: several quantiles at once, a user's own, and label smoothing. Truth
comes from scikit-learn's losses and linear models, and from closed forms."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import d2_pinball_score, log_loss, mean_pinball_loss

from backlit import TraceError
from backlit.estimators import MLPClassifier, MLPRegressor, load
from backlit.estimators.outputs import Output

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
QUANTILES = [0.1, 0.5, 0.9]


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def numbers(rows=120, targets=1):
    random = np.random.RandomState(0)
    X = random.randn(rows, 4)
    noise = random.standard_exponential((rows, targets))
    y = X @ random.randn(4, targets) + (1 + np.abs(X[:, :1])) * noise
    return X, y.ravel() if targets == 1 else y


def regressor(loss, **settings):
    settings = {"hidden_layer_sizes": (8,), "max_iter": 8, "random_state": 0, **settings}
    return MLPRegressor(loss, **settings)


def classifier(**settings):
    settings = {"hidden_layer_sizes": (8,), "max_iter": 8, "random_state": 0, **settings}
    return MLPClassifier(**settings)


# ----- Several quantiles -------------------------------------------------------------------------


def test_the_loss_of_several_quantiles_is_the_sum_of_pinball_losses():
    random = np.random.RandomState(0)
    y, p = random.randn(5, 2), random.randn(5, 2, 3)
    output = Output("identity", "quantile", tuple(QUANTILES))
    losses = output.losses(p.reshape(5, 6), np.repeat(y, 3, axis=1))
    expected = [
        sum(
            mean_pinball_loss([y[row, target]], [p[row, target, k]], alpha=quantile)
            for target in range(2)
            for k, quantile in enumerate(QUANTILES)
        )
        for row in range(5)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-14)


def test_a_linear_network_finds_the_quantiles_that_linear_programming_finds():
    X, y = numbers()
    estimator = regressor(
        "quantile", quantile=QUANTILES, hidden_layer_sizes=(), alpha=0.0, learning_rate_init=0.02,
        max_iter=1500, tol=0.0, n_iter_no_change=np.inf, batch_size=len(X),
    ).fit(X, y)  # fmt: skip
    for k, quantile in enumerate(QUANTILES):
        best = QuantileRegressor(quantile=quantile, alpha=0.0).fit(X, y)
        least = mean_pinball_loss(y, best.predict(X), alpha=quantile)
        reached = mean_pinball_loss(y, estimator.predict(X)[:, k], alpha=quantile)
        assert least <= reached * (1 + 1e-12)  # it is the minimum
        # Steps of a constant learning rate go to and fro over the minimum's edges.
        assert reached < 1.01 * least


def test_quantiles_lie_along_the_last_axis_in_the_order_that_was_asked_for():
    X, y = numbers()
    one = regressor("quantile", quantile=[0.9, 0.1, 0.5]).fit(X, y)
    assert one.predict(X).shape == (120, 3)
    assert one.quantiles_ == [0.9, 0.1, 0.5]
    assert one.n_outputs_ == 3
    X, Y = numbers(targets=2)
    two = regressor("quantile", quantile=np.array([0.9, 0.1, 0.5])).fit(X, Y)
    p = two.predict(X)
    assert p.shape == (120, 2, 3)
    assert np.all(p[:, :, 0] >= p[:, :, 2])
    assert np.all(p[:, :, 2] >= p[:, :, 1])
    single = regressor("quantile", quantile=[0.5]).fit(X, Y[:, 0])
    plain = regressor("quantile", quantile=0.5).fit(X, Y[:, 0])
    np.testing.assert_array_equal(single.predict(X)[:, 0], plain.predict(X))
    assert plain.quantiles_ is None


def test_order_never_makes_the_loss_larger():
    X, y = numbers()
    estimator = regressor("quantile", quantile=QUANTILES).fit(X, y)
    raw, ordered = estimator._activations(X), estimator.predict(X)
    assert np.any(raw != ordered)  # some cross, after few epochs
    np.testing.assert_array_equal(np.sort(raw, axis=1), ordered)
    before, after = (
        sum(mean_pinball_loss(y, p[:, k], alpha=a) for k, a in enumerate(QUANTILES))
        for p in (raw, ordered)
    )
    assert after < before


@pytest.mark.parametrize("targets", [1, 2])
def test_the_score_of_quantiles_is_the_share_of_pinball_loss_explained(targets):
    X, y = numbers(targets=targets)
    weights = np.linspace(0.5, 1.5, len(X))
    estimator = regressor("quantile", quantile=QUANTILES)
    estimator.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)
    p = estimator.predict(X)
    expected = np.mean([
        d2_pinball_score(y, p[..., k], alpha=quantile, sample_weight=weights)
        for k, quantile in enumerate(QUANTILES)
    ])  # fmt: skip
    np.testing.assert_allclose(estimator.score(X, y, weights), expected, rtol=1e-12)
    np.testing.assert_allclose(estimator.validation_scores_[-1], expected, rtol=1e-12)


@pytest.mark.parametrize("quantile", [[0.1, 1.0], [], [[0.1, 0.2]], ["low"], [np.nan]])
def test_quantiles_are_between_0_and_1(quantile):
    message = "quantile must be a number between 0 and 1, or a sequence of such numbers, got"
    with pytest.raises(ValueError, match=message):
        regressor("quantile", quantile=quantile).fit(*numbers())


def test_quantiles_are_saved(tmp_path):
    X, y = numbers()
    estimator = regressor("quantile", quantile=QUANTILES).fit(X, y)
    estimator.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))
    assert again.quantiles_ == QUANTILES


# ----- A loss of one's own -----------------------------------------------------------------------


def half_square(prediction, y):
    return 0.5 * (prediction - y) ** 2


def surprise(p, y):
    return -np.sum(y * np.log(p), axis=1)


def surprise_at_labels(p, y):
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=1)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_squared_error_written_down_is_the_squared_error(solver):
    X, y = numbers()
    own = regressor(half_square, solver=solver).fit(X, y)
    known = regressor("squared_error", solver=solver).fit(X, y)
    np.testing.assert_allclose(flat(own), flat(known), rtol=1e-9)
    np.testing.assert_allclose(own.predict(X), known.predict(X), rtol=1e-9)


def test_a_loss_of_several_outputs_sees_them_all():
    X, Y = numbers(targets=2)
    price = np.array([1.0, 3.0])
    weighted = regressor(lambda p, y: ((p - y) ** 2) @ price, alpha=0.0).fit(X, Y)
    # The same as a larger error, of targets and predictions that are stretched.
    p, expected = weighted.predict(X), weighted.loss_curve_
    assert p.shape == (120, 2)
    again = regressor(lambda p, y: price[0] * (p - y)[:, 0] ** 2 + price[1] * (p - y)[:, 1] ** 2,
                      alpha=0.0).fit(X, Y)  # fmt: skip
    np.testing.assert_allclose(again.loss_curve_, expected, rtol=1e-12)


LABELS = np.stack([Y_IRIS > 0, Y_IRIS > 1], axis=1).astype(int)
SEVERAL = np.stack([Y_IRIS, np.arange(150) % 4], axis=1)


@pytest.mark.parametrize(
    ("y", "own"),
    [
        (Y_IRIS, surprise),
        (Y_IRIS == 1, surprise),
        (LABELS, surprise_at_labels),
        (SEVERAL, surprise),
    ],
    ids=["classes", "two classes", "labels", "several targets"],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_log_loss_written_down_is_the_log_loss(y, own, smoothing):
    weights = np.linspace(0.5, 1.5, 150)
    mine = classifier(loss=own, label_smoothing=smoothing).fit(X_IRIS, y, weights)
    known = classifier(label_smoothing=smoothing).fit(X_IRIS, y, weights)
    np.testing.assert_allclose(flat(mine), flat(known), rtol=1e-9)
    np.testing.assert_allclose(mine.loss_curve_, known.loss_curve_, rtol=1e-9)


def test_what_a_loss_reads_from_elsewhere_is_read_at_each_fit():
    X, y = numbers()
    factor = [1.0]

    def loss(p, y):
        return factor[0] * (p - y) ** 2

    first = regressor(loss).fit(X, y).loss_
    factor[0] = 0.0
    assert regressor(loss, alpha=0.0).fit(X, y).loss_ == 0.0 < first


def not_reduced(p, y):
    return (p - y) ** 2


def of_all_examples(p, y):
    return np.mean((p - y) ** 2)


def of_signs(p, y):
    return np.sum(np.sign(p - y), axis=1)


def of_logarithms(p, y):
    return np.sum(np.log(p - p), axis=1)


def of_roots(p, y):
    return np.sum(np.sqrt(p * 0), axis=1)


def of_lists(p, y):
    return [1.0] * len(p)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (not_reduced, r"not_reduced must return one number for each example, an array of shape "
         r"\(120,\), got shape \(120, 2\)"),
        (of_all_examples, r"of_all_examples must return one number .* got shape \(\)"),
        (of_lists, "of_lists must return one number .* got list"),
        (of_signs, "the loss of_signs does not change with the prediction"),
        (of_logarithms, "the loss of_logarithms must be finite, got -inf for example 0 with y="),
        (of_roots, r"the derivative of the loss of_roots must be finite, got \[nan nan\] for"),
        ("cubic", "The 'loss' parameter of MLPRegressor must be a str among .* or a callable"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_no_loss_is_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        regressor(loss).fit(*numbers(targets=2))


def test_what_cannot_be_differentiated_is_refused_at_its_line():
    def loss(p, y):
        return np.array([float(number) for number in p[:, 0]])

    with pytest.raises(TraceError, match=r"float\(number\)"):
        regressor(loss).fit(*numbers(targets=2))


def test_a_loss_of_ones_own_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match=r"loss=<function half_square.* cannot be saved"):
        regressor(half_square).fit(*numbers()).save(tmp_path / "model")


# ----- Label smoothing ---------------------------------------------------------------------------

# L-BFGS stops where a step makes the loss smaller by less than 2e-9 of itself. Around the minimum
# that is the square of the distance.
CONVERGED = 1e-4


@pytest.mark.parametrize("counts", [(20, 80), (20, 30, 50)])
def test_smoothed_probabilities_are_those_of_smoothed_frequencies(counts):
    """Where inputs say nothing, the best probabilities are the shares of the smoothed truth."""
    y = np.repeat(np.arange(len(counts)), counts)
    estimator = classifier(
        hidden_layer_sizes=(), alpha=0.0, solver="lbfgs", label_smoothing=0.3, max_iter=200,
        tol=1e-9,
    ).fit(np.zeros((100, 1)), y)  # fmt: skip
    expected = 0.7 * np.array(counts) / 100 + 0.3 / len(counts)
    np.testing.assert_allclose(estimator.predict_proba([[0.0]])[0], expected, atol=CONVERGED)


def test_smoothed_labels():
    Y = np.array([[1, 0], [1, 1], [1, 0], [1, 0]])
    estimator = classifier(
        hidden_layer_sizes=(), alpha=0.0, solver="lbfgs", label_smoothing=0.2, max_iter=200,
        tol=1e-9,
    ).fit(np.zeros((4, 1)), Y)  # fmt: skip
    np.testing.assert_allclose(estimator.predict_proba([[0.0]]), [[0.9, 0.3]], atol=CONVERGED)


def test_smoothed_targets_are_smoothed_over_their_own_classes():
    y = np.array([["a", "k"], ["a", "l"], ["b", "m"], ["b", "k"]])
    estimator = classifier(
        hidden_layer_sizes=(), alpha=0.0, solver="lbfgs", label_smoothing=0.4, max_iter=200,
        tol=1e-9,
    ).fit(np.zeros((4, 1)), y)  # fmt: skip
    first, second = estimator.predict_proba([[0.0]])
    np.testing.assert_allclose(first, [[0.5, 0.5]], atol=CONVERGED)
    expected = 0.6 * np.array([[0.5, 0.25, 0.25]]) + 0.4 / 3
    np.testing.assert_allclose(second, expected, atol=CONVERGED)


def test_the_smoothed_loss_is_that_of_the_smoothed_truth():
    estimator = classifier(label_smoothing=0.1).fit(X_IRIS, Y_IRIS, X_val=X_IRIS, y_val=Y_IRIS)
    p = estimator.predict_proba(X_IRIS)
    expected = 0.9 * log_loss(Y_IRIS, p) - 0.1 * np.mean(np.log(p))
    np.testing.assert_allclose(estimator.validation_loss_curve_[-1], expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [1.0, -0.1])
def test_label_smoothing_is_a_share(smoothing):
    with pytest.raises(ValueError, match="The 'label_smoothing' parameter of MLPClassifier"):
        classifier(label_smoothing=smoothing).fit(X_IRIS, Y_IRIS)


# ----- Engines -----------------------------------------------------------------------------------

# Rounding of one operation, over some tens of steps of some hundreds of operations.
CLOSE = {np.float64: 1e-11, np.float32: 2e-4}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "estimator",
    [
        regressor("quantile", quantile=QUANTILES),
        regressor(half_square),
        classifier(label_smoothing=0.1),
        classifier(loss=surprise),
    ],
    ids=["quantiles", "own, of numbers", "smoothing", "own, of classes"],
)
def test_engines_and_forms_of_data_agree(estimator, dtype):
    pytest.importorskip("numba")
    X, y = load_diabetes(return_X_y=True)
    X = X[:150] / X.std(axis=0)
    y = y[:150] / 100 if isinstance(estimator, MLPRegressor) else Y_IRIS
    X = np.where(np.abs(X) > 1, X, 0).astype(dtype)
    weights = np.linspace(0.5, 1.5, 150)
    estimator.set_params(batch_size=40)  # a short batch at the end
    expected = None
    for engine in ("reference", "native"):
        for data in (X, sparse.csr_array(X)):
            found = flat(estimator.set_params(engine=engine).fit(data, y, weights))
            assert estimator.engine_ == engine
            assert found.dtype == dtype
            expected = found if expected is None else expected
            assert np.max(np.abs(found - expected)) < CLOSE[dtype] * np.max(np.abs(expected))
