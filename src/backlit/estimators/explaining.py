"""Explain a fit that has been made already, also one that scikit-learn made.

A fit with an integer as its seed can be made again: `MLPClassifier` and `MLPRegressor` take the
steps of scikit-learn's. So the fit is repeated, watched, and compared with the one that is there.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from backlit.estimators.classifier import MLPClassifier
from backlit.estimators.regressor import MLPRegressor
from backlit.insight.insight import Insight
from backlit.insight.recording import Figures, Recording

OURS: dict[type[Any], type[Any]] = {
    MLPClassifier: MLPClassifier,
    MLPRegressor: MLPRegressor,
    neural_network.MLPClassifier: MLPClassifier,
    neural_network.MLPRegressor: MLPRegressor,
}
# How far the largest difference of two weights may be, in parts of the largest weight. Rounding
# grows from step to step; another seed or other data end up as far as the weights are large.
NEAR = {"float64": 1e-6, "float32": 1e-2}


def explain(
    model: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    replay: bool = True,
) -> Insight:
    """Make a fit again, watched, and tell what backpropagation did in it.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor of scikit-learn or Backlit, fitted
        Or a pipeline that ends with one, or a search that has refitted one.
    X, y, sample_weight, X_val, y_val
        What it was fitted on.
    replay : bool, default True
        Whether to make the fit again. If not, or if that cannot be, the weights alone still answer
        what asks nothing of the steps: what units respond to, why a prediction came about.

    Returns
    -------
    Insight
        Its ``told`` says how near the fit that was made again comes to the one that is there.

    Raises
    ------
    ValueError
        If the fit cannot be made again, and why: it was not seeded with an integer, came about in
        several calls, or was made by L-BFGS; or if the data are others.
    NotFittedError
        If the model has not been fitted.
    TypeError
        If it is another model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> import backlit
    >>> X, y = load_iris(return_X_y=True)
    >>> fitted = MLPClassifier((8,), learning_rate_init=0.05, max_iter=500, random_state=0)
    >>> insight = backlit.explain(fitted.fit(X, y), X, y)
    >>> insight.recording.epochs == fitted.n_iter_
    True
    """
    model, X = _inner(model, X)
    kind = OURS.get(type(model))
    if kind is None:
        raise TypeError(
            f"explain takes a multilayer perceptron of scikit-learn or Backlit, a pipeline that "
            f"ends with one or a search for one, not a {type(model).__name__}"
        )
    check_is_fitted(model)
    if not replay:
        return Insight(_weights_alone(model, kind, X, y, sample_weight), WEIGHTS_ALONE)
    _check_repeatable(model)
    twin = kind(**{**model.get_params(deep=False), "record": "light", "verbose": False})
    if X_val is not None and not hasattr(model, "validation_loss_curve_"):
        X_val = y_val = None
    validation = {} if X_val is None else {"X_val": X_val, "y_val": y_val}
    with warnings.catch_warnings():
        # They were given when the model was fitted.
        warnings.simplefilter("ignore", ConvergenceWarning)
        twin.fit(X, y, sample_weight, **validation)
    return Insight(twin.insight_.recording, _agreement(model, twin))


def _inner(model: Any, X: Any) -> tuple[Any, Any]:
    """Return the estimator inside of searches and pipelines, and what it was given for X."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "steps"):
            check_is_fitted(model)
            if len(model.steps) > 1:
                X = model[:-1].transform(X)
            model = model.steps[-1][1]
        else:
            return model, X


WEIGHTS_ALONE = "The weights alone are known, and not the steps that made them."


def _weights_alone(model: Any, kind: Any, X: Any, y: Any, sample_weight: Any) -> Recording:
    """Return a recording of no steps, with the model's weights.

    One epoch of another fit brings the data into the form that the network takes.
    """
    names = ("hidden_layer_sizes", "activation", "loss", "quantile", "delta")
    settings = {k: v for k, v in model.get_params(deep=False).items() if k in names}
    other = kind(**settings, max_iter=1, random_state=0, record="light", engine="reference")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        seen = other.fit(X, y, sample_weight).insight_.recording
    theta = _flat(model)
    if theta.shape != seen.theta.shape:
        raise ValueError(_other_data(seen.theta.size, theta.size))
    nothing = {
        name: getattr(seen, name)[:0]
        for name in ("epoch", "learning_rate", "row", "loss", "margin", "squared_delta",
                     "squared_input", "squared_gradient")
    }  # fmt: skip
    curve = np.array(getattr(model, "loss_curve_", []), np.float64)
    unknown = np.full(len(curve), np.nan)
    figures = Figures(curve, unknown, unknown, len(curve), "the end is not known")
    return replace(seen, theta=theta, starts=seen.starts[:1], figures=figures, **nothing)


def _other_data(made: int, own: int) -> str:
    return (
        f"explain came to a network of {made:,} parameters, and the model has {own:,}: X or y are "
        "not those that it was fitted on"
    )


def _check_repeatable(model: Any) -> None:
    """Refuse a fit whose steps cannot be made again."""
    seed = model.random_state
    if model.solver == "lbfgs":
        raise ValueError(
            "explain makes the steps of a fit again, and solver='lbfgs' makes none of single "
            "batches; fit with solver='adam' or 'sgd', or ask the weights alone by replay=False"
        )
    if not isinstance(seed, Integral):
        raise ValueError(
            f"explain cannot make this fit again, since its random numbers are gone: random_state "
            f"is {seed!r}; fit with an integer, random_state=0 say, or ask the weights alone by "
            "replay=False"
        )
    # Each fit begins t_ anew, and counts the examples of all its epochs.
    if model.n_iter_ != len(model.loss_curve_):
        raise ValueError(
            f"explain cannot make this fit again, since it came about in several calls (partial_fit"
            f" or warm_start): {len(model.loss_curve_)} epochs are on record, and the last call "
            f"made {model.n_iter_}; fit in one call, or ask the weights alone by replay=False"
        )


def _agreement(model: Any, twin: Any) -> str:
    """Return how near two fits are, as a sentence.

    Raises
    ------
    ValueError
        If they are not the same fit.
    """
    own, made = _flat(model), _flat(twin)
    dtype = own.dtype.name
    if own.shape != made.shape:
        raise ValueError(_other_data(made.size, own.size))
    if own.dtype == made.dtype and own.tobytes() == made.tobytes():
        return "The fit was made again, to the same bits."
    largest = float(np.max(np.abs(own)))
    apart = float(np.max(np.abs(own.astype(np.float64) - made))) / largest
    if not math.isfinite(apart) or apart > NEAR.get(dtype, 1e-2):
        raise ValueError(
            f"explain made the fit again and came to other weights: they differ by {apart:.2g} of "
            "the largest one. X, y or sample_weight are not those that the model was fitted on "
            "(bit for bit, in the same order), or it was fitted by another version of scikit-learn"
        )
    return (
        f"The fit was made again; no weight differs by more than {apart:.1g} of the largest one, "
        "which is rounding."
    )


def _flat(model: Any) -> NDArray[Any]:
    return np.concatenate([np.ravel(array) for array in (*model.coefs_, *model.intercepts_)])
