"""Predictions of a fitted estimator for inputs of one shape, made ready once."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from backlit.estimators.outputs import HIDDEN, OUTPUT
from backlit.training.prepared import PreparedForward


class Predictor:
    """Predicts for inputs of one shape; made by the ``predictor`` method of a fitted estimator.

    It has the weights of the moment it was made; a later fit does not change it. It may be called
    in several threads, and pickled.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted.
    response_method : {"predict", "predict_proba"}
    rows : int or None
        How many rows an input has; None for a single row without an axis of its own.

    Attributes
    ----------
    shape : tuple of int
        Of an input: (n_features,) or (rows, n_features).
    engine : {"reference", "native"}
        Who runs it.

    Raises
    ------
    ValueError
        If the estimator has no such method, or ``rows`` is not a positive integer or None.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, np.newaxis]
    >>> regressor = MLPRegressor(solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> predict = regressor.predictor()
    >>> bool(np.isclose(predict(X[0]), regressor.predict(X[:1])[0]))
    True
    """

    def __init__(self, estimator: Any, response_method: str, rows: int | None) -> None:
        responses = estimator._responses()
        if response_method not in responses:
            raise ValueError(
                f"response_method of {type(estimator).__name__}.predictor must be one of "
                f"{', '.join(responses)}, not {response_method!r}"
            )
        if rows is not None and (type(rows) is not int or rows < 1):
            raise ValueError(f"rows must be None or a positive integer, not {rows!r}")
        self._made_of = copy.copy(estimator), response_method, rows
        self._respond = self._made_of[0]._responses()[response_method]
        functions, engine = {**HIDDEN, **OUTPUT}, estimator.engine
        self._forward = [
            PreparedForward([(W, b, functions[name]) for W, b, name in layers], rows, engine)
            for layers in estimator._networks()
        ]
        self._completed = self._made_of[0]._completed
        self.shape, self.engine = self._forward[0].shape, self._forward[0].engine

    def __call__(self, x: Any) -> Any:
        """Predict.

        Parameters
        ----------
        x : array of numbers, in the shape that was prepared

        Returns
        -------
        array or scalar
            What the method gives for these rows, up to the rounding of the weights' dtype; for a
            single row, what belongs to it.

        Raises
        ------
        ValueError
            If the shape is another, or a number is not finite.
        TypeError
            If ``x`` holds something other than real numbers.
        """
        first, *others = self._forward
        p = first(x)
        single = p.ndim == 1
        p = self._completed(p.reshape(1, -1) if single else p)
        if others:  # as the estimator takes the mean
            more = [self._completed(forward(x).reshape(p.shape)) for forward in others]
            p = np.mean([p, *more], axis=0)
        response = self._respond(p)
        if not single:
            return response
        return [of_one[0] for of_one in response] if type(response) is list else response[0]

    def __reduce__(self) -> Any:
        return Predictor, self._made_of
