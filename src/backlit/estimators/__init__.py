"""Estimators: scikit-learn's multilayer perceptrons, trained by Backlit's programs.

`MLPClassifier` and `MLPRegressor` take the place of scikit-learn's classes of the same names: the
same parameters, random numbers and results. What they have beyond those is off unless asked for.
"""

from typing import TYPE_CHECKING, Any

from backlit.estimators.classifier import MLPClassifier
from backlit.estimators.descent import Step
from backlit.estimators.regressor import MLPRegressor
from backlit.estimators.weights import Weights, weights_of

__all__ = ["MLPClassifier", "MLPRegressor", "Step", "Weights", "load", "weights_of"]

if TYPE_CHECKING:
    from backlit.estimators.saving import load


def __getattr__(name: str) -> Any:
    if name == "load":  # what reads files takes time to import
        from backlit.estimators.saving import load

        return load
    raise AttributeError(f"module 'backlit.estimators' has no attribute {name!r}")
