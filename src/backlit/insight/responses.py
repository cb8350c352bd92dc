"""How the change that a step makes depends on its gradient and on the gradients before it.

Every optimizer here is linear in the gradients once its divisors are taken as given: it feeds a
memory, and moves by the memory and by the gradient,

    memory = keep * memory + feed * gradient
    change = carried * memory + direct * gradient

with numbers that depend on the step, and, where there is a divisor, on the parameter. So a change
can be split, without a rest, into what each gradient gave to it: of this step, and of the steps
before. A divisor itself (the root of a running mean of squares) is also made by the examples; for
that they get no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from backlit.training.optimizers import Adam, GradientDescent, Momentum, Nesterov, RMSProp, State


@dataclass(frozen=True, eq=False)
class Response:
    """The numbers by which a step answers gradients.

    Parameters
    ----------
    direct : float or array, shape (parameters,)
    carried, keep, feed : float or array, shape (parameters,), default 0
    memory : str, default ""
        The name of the memory in the optimizer's state; empty where it has none.
    """

    direct: Any
    carried: Any = 0.0
    keep: Any = 0.0
    feed: Any = 0.0
    memory: str = ""


@singledispatch
def response(optimizer: Any, state: State, rate: Any, number: int) -> Response:
    """Return how a step of an optimizer answers gradients.

    Parameters
    ----------
    optimizer : object
        One of `backlit.training.optimizers` but for Rprop, or an estimator's rule.
    state : dict of str to array
        Of the optimizer, after the step.
    rate : float scalar
        The learning rate of the step.
    number : int
        Of the step, counted from 1.

    Returns
    -------
    Response

    Raises
    ------
    ValueError
        For an optimizer whose steps are no sum over gradients.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.responses import response
    >>> from backlit.training import Momentum
    >>> found = response(Momentum(), {"velocity": np.zeros(1)}, np.float64(0.01), 1)
    >>> found.keep, found.feed, found.carried, found.direct
    (0.9, np.float64(-0.01), 1.0, 0.0)
    """
    raise ValueError(
        f"a step of {type(optimizer).__name__} is no sum over the gradients of examples, so that "
        "it cannot be booked to them; train with gradient descent, momentum, RMSProp or Adam"
    )


@response.register
def _(optimizer: GradientDescent, state: State, rate: Any, number: int) -> Response:
    return Response(direct=-rate)


@response.register
def _(optimizer: Momentum, state: State, rate: Any, number: int) -> Response:
    return Response(0.0, 1.0, optimizer.momentum, -rate, "velocity")


@response.register
def _(optimizer: Nesterov, state: State, rate: Any, number: int) -> Response:
    return Response(-rate, optimizer.momentum, optimizer.momentum, -rate, "velocity")


@response.register
def _(optimizer: RMSProp, state: State, rate: Any, number: int) -> Response:
    return Response(-rate / (np.sqrt(state["mean_square"]) + optimizer.epsilon))


@response.register
def _(optimizer: Adam, state: State, rate: Any, number: int) -> Response:
    count = np.asarray(rate).dtype.type(number)  # the step counts in its own dtype, and so rounds
    root = np.sqrt(1 - optimizer.beta2**count)
    divisor = np.sqrt(state["mean_square"]) + optimizer.epsilon * root
    carried = -(rate * root / (1 - optimizer.beta1**count)) / divisor
    return Response(0.0, carried, optimizer.beta1, 1 - optimizer.beta1, "mean")
