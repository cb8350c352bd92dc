"""Accounts of fits of the estimators: they balance, and removals leave rows out."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.insight.goals import Prediction
from backlit.insight.ledger import ledger
from backlit.insight.pushes import pushes
from backlit.insight.removal import removal

FITS = [
    (MLPClassifier, load_wine, {"solver": "adam", "alpha": 0.3, "weight_decay": 0.1}),
    (MLPClassifier, load_wine, {"solver": "sgd", "clip_norm": 0.5, "class_weight": "balanced"}),
    (MLPClassifier, load_breast_cancer, {"dropout": 0.2, "early_stopping": True}),
    (MLPClassifier, load_breast_cancer, {
        "solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling",
        "learning_rate_init": 0.05, "power_t": 0.2,
    }),
    (MLPRegressor, load_diabetes, {"early_stopping": True, "loss": "huber"}),
]  # fmt: skip


def _fitted(kind, load, options):
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    if kind is MLPRegressor:
        y = (y - y.mean()) / y.std()
    options = {"max_iter": 12, "batch_size": 40, "tol": 0, "random_state": 0, **options}
    estimator = kind(hidden_layer_sizes=(6,), activation="tanh", record="light", **options)
    with np.errstate(all="ignore"):
        return X, y, estimator.fit(X, y)


@pytest.mark.parametrize(("kind", "load", "options"), FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_accounts_of_a_fit_balance_but_for_rounding(kind, load, options):
    X, _, estimator = _fitted(kind, load, options)
    recording = estimator.insight_.recording
    sheet = ledger(recording, "row")
    layout = recording.subject.layout
    largest = min(np.max(np.abs(W)) for W in estimator.coefs_)
    assert np.max(np.abs(sheet.rounding)) < 1e-12 * largest
    kept = layout.flatten(layout.views(recording.theta))
    np.testing.assert_array_equal(sheet.final, kept[sheet.places])

    account = pushes(recording, of=Prediction(X[5]))
    said = estimator.predict(X[5:6])[0]
    if kind is MLPClassifier:
        p = estimator.predict_proba(X[5:6])[0, said]
        assert expit(account.after) == pytest.approx(p, rel=1e-9)
    else:
        assert account.after == pytest.approx(said, rel=1e-9)
    assert abs(account.rounding) < 1e-12
    assert account.missed < 0.03
    if recording.held_out is not None:
        of_loss = pushes(recording)
        best = recording.figures.validation_loss[recording.figures.best_epoch - 1]
        assert of_loss.after == pytest.approx(best, rel=1e-9)
        assert of_loss.missed < 0.03


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_removal_is_a_fit_with_weights_of_zero(engine):
    # With all rows in each batch, their order is of no account.
    options = {"batch_size": 178, "solver": "sgd", "learning_rate_init": 0.2, "engine": engine}
    X, y, estimator = _fitted(MLPClassifier, load_wine, options)
    weights = np.ones(178)
    weights[[60, 61, 62]] = 0
    found = removal(estimator.insight_.recording, [60, 61, 62], of=Prediction(X[60], 1))
    again = MLPClassifier(**estimator.get_params()).fit(X, y, weights)
    p = again.predict_proba(X[60:61])[0, 1]
    assert expit(found.after) == pytest.approx(p, rel=1e-9)
    assert expit(found.before) == pytest.approx(estimator.predict_proba(X[60:61])[0, 1], rel=1e-9)
