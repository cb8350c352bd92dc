"""scikit-learn's checks of what every estimator promises."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from backlit.estimators import MLPClassifier, MLPRegressor


# As many epochs as scikit-learn takes for its own classes in these checks. With L-BFGS and a small
# alpha, a probability rounds to 1 on one check's examples, which then fails for scikit-learn too.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MLPClassifier(max_iter=100),
        MLPRegressor(max_iter=100),
        MLPClassifier(solver="lbfgs", max_iter=60, alpha=0.1),
        MLPRegressor(max_iter=100, loss="huber", activation="gelu", weight_decay=0.01),
    ],
)
def test_estimator_keeps_its_promises(estimator, check):
    check(estimator)
