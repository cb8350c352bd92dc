"""The models that the demo compares with, all from scikit-learn.

Their settings are its defaults, but for enough iterations of logistic regression to converge.
"""

from __future__ import annotations

from typing import Any

from backlit.cli.datasets import Dataset
from backlit.networks import Standardisation


def predictions(data: Dataset, inputs: Standardisation) -> dict[str, Any]:
    """Train each model on the training part and predict the test part.

    Parameters
    ----------
    data : Dataset
    inputs : Standardisation
        The network's, so that all models see the same numbers.

    Returns
    -------
    dict of str to array
        Predictions by the name of the model.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    models: dict[str, Any]
    if data.classes is not None:
        models = {
            "always the commonest class": DummyClassifier(),
            "logistic regression": LogisticRegression(max_iter=1000),
            "boosted trees": HistGradientBoostingClassifier(random_state=0),
        }
    else:
        models = {
            "always the mean": DummyRegressor(),
            "ridge regression": Ridge(),
            "boosted trees": HistGradientBoostingRegressor(random_state=0),
        }
    x, y = inputs.apply(data.training[0]), data.training[1]
    test = inputs.apply(data.test[0])
    return {name: model.fit(x, y).predict(test) for name, model in models.items()}
