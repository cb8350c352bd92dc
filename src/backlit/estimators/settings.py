"""The parameters that the classifier and the regressor share, and what is allowed for them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions

from backlit.estimators.outputs import HIDDEN
from backlit.estimators.schedules import NAMED
from backlit.training.schedules import ReduceOnPlateau


class Settings(BaseEstimator):
    """An estimator that holds these parameters, untouched, as scikit-learn asks.

    What they mean stands with `MLPClassifier` and `MLPRegressor`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(HIDDEN)), list, tuple],
        "solver": [StrOptions({"lbfgs", "sgd", "adam", "adamw", "rmsprop", "rprop"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions({"constant", "invscaling", "adaptive", *NAMED}),
            callable,
            ReduceOnPlateau,
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose", StrOptions({"progress"})],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "engine": [StrOptions({"auto", "reference", "native"})],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "scoring": [str, callable, None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "callbacks": [callable, list, tuple, None],
        "restore_best": ["boolean"],
        "keep_optimizer": ["boolean"],
        "keep_random_state": ["boolean"],
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "record": [StrOptions({"off", "light"})],
        "seed_choice": [StrOptions({"best", "average"})],
        "start": "no_validation",  # it is looked at with the shapes, in a sentence of its own
    }

    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: Any
    learning_rate_init: float
    power_t: float
    max_iter: int
    loss: Any
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    engine: str
    dropout: Any
    clip_norm: float | None
    weight_decay: float | None
    scoring: Any
    n_threads: int | None
    callbacks: Any
    restore_best: bool
    keep_optimizer: bool
    keep_random_state: bool
    n_seeds: int
    record: str
    seed_choice: str
    start: Any

    def _store(self, settings: dict[str, Any]) -> None:
        for name in self._get_param_names():
            setattr(self, name, settings[name])


def per_layer(name: str, given: Any, layers: int, single: Any) -> tuple[Any, ...]:
    """Return one value for each hidden layer, from one for all or a sequence.

    Parameters
    ----------
    name : str
        The parameter, for errors.
    given : single value or sequence
    layers : int
        The number of hidden layers.
    single : type or tuple of types
        Of a single value.

    Returns
    -------
    tuple

    Raises
    ------
    ValueError
        If there are not as many values as layers.

    Examples
    --------
    >>> from backlit.estimators.settings import per_layer
    >>> per_layer("activation", "relu", 2, str)
    ('relu', 'relu')
    """
    if isinstance(given, single):
        return (given,) * layers
    values = tuple(given)
    if len(values) != layers:
        raise ValueError(
            f"{name} must be one value or have one for each of the {layers} hidden layers, got "
            f"{given!r}"
        )
    return values
