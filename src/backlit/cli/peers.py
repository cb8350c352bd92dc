"""The models that the demo compares with, all from scikit-learn.

Their settings are its defaults, but for enough iterations of logistic regression to converge.
"""

from __future__ import annotations

from typing import Any

from backlit.cli.datasets import TARGET, Dataset
from backlit.runs import Model
from backlit.tables import Numbers, Table


def predictions(data: Dataset, model: Model) -> dict[str, Any]:
    """Train each model on the training part and predict the test part.

    Parameters
    ----------
    data : Dataset
    model : Model
        The network's, so that all models see the same numbers.

    Returns
    -------
    dict of str to array
        Predictions by the name of the model: places of classes, or numbers.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    models: dict[str, Any]
    if data.kind == "classes":
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
    x, test = (model.preparation.apply(part, float) for part in (data.training, data.test))
    y = true(data.training, model)
    return {name: peer.fit(x, y).predict(test) for name, peer in models.items()}


def true(table: Table, model: Model) -> Any:
    """Return the targets of a table: places of classes, or numbers; shape (rows,)."""
    column = table[TARGET]
    if model.task.kind == "classes" or not isinstance(column, Numbers):
        return model.task.codes(table)
    return column.values
