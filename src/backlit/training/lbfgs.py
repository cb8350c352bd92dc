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

from backlit.autodiff.derivatives import vjp
from backlit.autodiff.recording import record
from backlit.execution.reference import run
from backlit.networks.network import Network, Parameters
from backlit.training.checks import Checked
from backlit.training.examples import Examples
from backlit.training.parameters import Layout
from backlit.training.penalties import Penalties, is_weight


@dataclass(frozen=True)
class LBFGS(Checked):
    """Settings of L-BFGS, for `train`.

    Parameters
    ----------
    memory : int, default 10
        How many of the last steps the estimate of the curvature is made of.
    tolerance : float, default 1e-5
        Enough is when no entry of the gradient is larger.

    Examples
    --------
    >>> from backlit.training import LBFGS
    >>> LBFGS().memory
    10
    """

    memory: int = 10
    tolerance: float = 1e-5


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
    examples: tuple[Any, ...],
    *,
    penalties: Penalties | None = None,
    start: Parameters | None = None,
    seed: int = 0,
    iterations: int = 200,
    memory: int = 10,
    tolerance: float = 1e-5,
    after_iteration: Callable[[int, float, Parameters], None] | None = None,
) -> Minimum:
    """Minimise the mean loss over all examples by L-BFGS, in float64.

    Parameters
    ----------
    network : Network
        Without dropout.
    examples : (x, y) or (x, y, weights)
        As for `train`.
    penalties : Penalties, optional
        Only ``l2``: the others are not smooth, or not of an objective.
    start : dict of str to array, optional
        Parameters to start from; by default the network's initial weights.
    seed : int, default 0
        Of the initial weights.
    iterations : int, default 200
        The most that are made.
    memory : int, default 10
    tolerance : float, default 1e-5
        As for `LBFGS`.
    after_iteration : callable, optional
        Called with the number of the iteration, the objective and the parameters. It may raise
        ``StopIteration`` to end the search.

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
    part = Examples.of(network, examples, np.float64, "training")
    layout = Layout(network.shapes)
    parameters = network.parameters(seed, np.float64) if start is None else start
    theta = layout.checked(parameters, np.float64)
    data = part.x, part.y, part.weights
    program = record(objective_and_gradient(network, penalties), theta, *data)

    count = 0

    def callback(intermediate_result: Any) -> None:
        nonlocal count
        count += 1
        if after_iteration is not None:
            at = layout.views(intermediate_result.x.copy())
            after_iteration(count, float(intermediate_result.fun), at)

    found = minimize(
        lambda theta: run(program, theta, *data), theta, jac=True, method="L-BFGS-B",
        callback=callback,
        options={"maxiter": iterations, "maxcor": memory, "gtol": tolerance, "ftol": 0.0},
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
