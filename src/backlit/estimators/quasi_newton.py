"""L-BFGS: SciPy's minimiser on a recorded program for the objective and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import record
from backlit.estimators.compatible import Model, objective
from backlit.estimators.engines import Data
from backlit.estimators.programs import first_weights, straight_gradient, straight_update
from backlit.estimators.straight import straight


def minimise(
    model: Model,
    data: Data,
    theta: NDArray[Any],
    options: dict[str, Any],
    after_iteration: Callable[[NDArray[Any]], None] | None = None,
) -> tuple[NDArray[np.float64], Any]:
    """Minimise a model's objective.

    Parameters
    ----------
    model : Model
    data : Data
        Dense inputs in float64.
    theta : array, shape (parameters,)
        Where to start.
    options : dict
        Of SciPy's L-BFGS-B.
    after_iteration : callable, optional
        Is given the parameters after each iteration; ends with them by raising StopIteration.

    Returns
    -------
    theta : array of float64, shape (parameters,)
        SciPy works in float64, whatever the dtype of the data, and so does scikit-learn.
    result : OptimizeResult

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.compatible import Model
    >>> from backlit.estimators.engines import Data
    >>> from backlit.estimators.outputs import Output
    >>> from backlit.estimators.quasi_newton import minimise
    >>> line = Model((1, 1), (), Output("identity", "squared_error"))
    >>> x = np.array([[0.0], [1.0]])
    >>> theta, _ = minimise(line, Data(x, 2 * x + 1), np.zeros(2), {})
    >>> theta.round(3)
    array([2., 1.])
    """
    from scipy.optimize import minimize

    function = _dense(model, data) if isinstance(data.x, np.ndarray) else _sparse(model, data)
    result = minimize(
        function, theta.astype(np.float64), method="L-BFGS-B", jac=True, options=options,
        callback=after_iteration,
    )  # fmt: skip
    return result.x, result


def _dense(model: Model, data: Data) -> Any:
    weights = () if data.weights is None else (data.weights,)
    theta = np.zeros(model.layout.size)
    function = straight(record(objective(model), theta, data.x, data.y, data.weights))
    return lambda theta: function(theta, data.x, data.y, *weights)


def _sparse(model: Model, data: Data) -> Any:
    weights = () if data.weights is None else (data.weights,)
    dtype = np.dtype(np.float64)
    of_data = straight_gradient(model, len(data), dtype, data.y.dtype, bool(weights), True)
    finish = straight_update(model, None, dtype)

    def loss_and_gradient(theta: Any) -> Any:
        product = np.asarray(data.x @ first_weights(model, theta))
        loss, total, *rest, delta = of_data(theta, product, data.y, *weights)
        return finish(theta, loss, np.float64(total), data.x.T @ delta, *rest)

    return loss_and_gradient
