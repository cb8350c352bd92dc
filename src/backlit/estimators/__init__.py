"""Estimators: scikit-learn's multilayer perceptrons, trained by Backlit's programs.

`MLPClassifier` and `MLPRegressor` take the place of scikit-learn's classes of the same names: the
same parameters, random numbers and results. What they have beyond those is off unless asked for.
"""

from backlit.estimators.classifier import MLPClassifier
from backlit.estimators.descent import Step
from backlit.estimators.regressor import MLPRegressor
from backlit.estimators.saving import load

__all__ = ["MLPClassifier", "MLPRegressor", "Step", "load"]
