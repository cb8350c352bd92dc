"""L-BFGS: the loss over all examples at once, minimised by SciPy.

For small tables: each iteration takes all examples, and a step as long as a search along its line
finds best. SciPy keeps the memory of curvature to itself, so that training can go on only from the
parameters of an iteration, not to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from backlit.autodiff.derivatives import vjp
from backlit.autodiff.recording import record
from backlit.execution.reference import run
from backlit.networks.network import Network, Parameters
from backlit.training.examples import as_examples
from backlit.training.parameters import Layout
from backlit.training.penalties import Penalties, is_weight


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where L-BFGS came to.

    Attributes
    ----------
    parameters : dict of str to array of float64
    objective : float
        The mean loss, and half of ``l2`` times the sum of the squared weights.
    iterations : int
    converged : bool
        Whether it stopped by itself, and not after the last iteration allowed.
    message : str
        SciPy's words for why it stopped.
    """

    parameters: Parameters
    objective: float
    iterations: int
    converged: bool
    message: str


def minimise(
    network: Network,
    examples: tuple[Any, Any],
    *,
    weights: ArrayLike | None = None,
    penalties: Penalties | None = None,
    start: Parameters | None = None,
    seed: int = 0,
    iterations: int = 200,
    tolerance: float = 1e-5,
    after_iteration: Callable[[int, float, Parameters], None] | None = None,
) -> Minimum:
    """Minimise the mean loss over all examples by L-BFGS, in float64.

    Parameters
    ----------
    network : Network
        Without dropout.
    examples : pair of array
        Inputs of shape (examples, inputs), and targets as for `train`.
    weights : array, shape (examples,), optional
        How much each example counts in the mean; all the same by default.
    penalties : Penalties, optional
        Only ``l2``: the others are not smooth, or not of an objective.
    start : dict of str to array, optional
        Parameters to start from; by default the network's initial weights.
    seed : int, default 0
        Of the initial weights.
    iterations : int, default 200
        The most that are made.
    tolerance : float, default 1e-5
        Enough is when no entry of the gradient is larger.
    after_iteration : callable, optional
        Called with the number of the iteration, the objective and the parameters.

    Returns
    -------
    Minimum

    Raises
    ------
    ValueError
        If the examples do not fit the network, or the objective would not be smooth.

    Notes
    -----
    R. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained
    optimization", 1995, in SciPy's ``minimize(method="L-BFGS-B")``. The objective and its gradient
    are one recorded program.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> from backlit.training import minimise
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> found = minimise(Network(1, (), 1, loss="squared_loss"), (x, 3 * x + 1))
    >>> found.parameters["W1"].round(3), found.parameters["b1"].round(3)
    (array([[3.]]), array([1.]))
    """
    from scipy.optimize import minimize

    penalties = Penalties() if penalties is None else penalties
    if penalties.l1 or penalties.clip_norm is not None:
        raise ValueError("L-BFGS needs a smooth objective: neither l1 nor clip_norm, only l2")
    if network.dropout:
        raise ValueError("L-BFGS needs the same objective at each step, and dropout changes it")
    x, y = as_examples(network, *examples, np.float64, "training")
    weights = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != (len(x),) or not np.all(weights >= 0) or not 0 < weights.sum() < np.inf:
        raise ValueError(
            f"the example weights must be {len(x)} numbers from 0 on, finite and not all 0"
        )
    layout = Layout(network.shapes)
    parameters = network.parameters(seed, np.float64) if start is None else start
    theta = layout.flatten(parameters).astype(np.float64)
    program = record(objective_and_gradient(network, penalties), theta, x, y, weights)

    count = 0

    def callback(intermediate_result: Any) -> None:
        nonlocal count
        count += 1
        if after_iteration is not None:
            at = layout.views(intermediate_result.x.copy())
            after_iteration(count, float(intermediate_result.fun), at)

    found = minimize(
        lambda theta: run(program, theta, x, y, weights), theta, jac=True, method="L-BFGS-B",
        callback=callback, options={"maxiter": iterations, "gtol": tolerance, "ftol": 0.0},
    )  # fmt: skip
    return Minimum(
        parameters=layout.views(found.x),
        objective=float(found.fun),
        iterations=int(found.nit),
        converged=bool(found.success),
        message=str(found.message),
    )


def objective_and_gradient(network: Network, penalties: Penalties) -> Callable[..., Any]:
    """Return the function that computes the objective and its gradient over all examples.

    Parameters
    ----------
    network : Network
    penalties : Penalties
        Only ``l2`` is used.

    Returns
    -------
    callable
        ``(theta, x, y, weights)`` to a scalar and an array of theta's shape.
    """
    layout = Layout(network.shapes)

    def objective(theta: Any, x: Any, y: Any, weights: Any) -> Any:
        parameters = layout.views(theta)
        losses, pullback = vjp(lambda parameters: network.losses(parameters, x, y), parameters)
        d_losses = weights / np.sum(weights)
        (gradients,) = pullback(d_losses)
        W = theta * is_weight(layout, theta.dtype)
        value = np.sum(d_losses * losses) + 0.5 * penalties.l2 * np.sum(W**2)
        return value, penalties.add(layout.flatten(gradients), W)

    return objective
