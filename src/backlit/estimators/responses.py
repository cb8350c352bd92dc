"""How a step by scikit-learn's optimizers answers gradients; see `backlit.insight.responses`."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlit.estimators.optimizers import Adam, Counted, Momentum, State
from backlit.insight.responses import Response, response


@response.register
def _(rule: Momentum, state: State, rate: Any, number: int) -> Response:
    if rule.nesterov:
        return Response(-rate, rule.momentum, rule.momentum, -rate, "velocity")
    return Response(0.0, 1.0, rule.momentum, -rate, "velocity")


@response.register
def _(rule: Adam, state: State, rate: Any, number: int) -> Response:
    carried = -rate / (np.sqrt(state["mean_square"]) + rule.epsilon)
    return Response(0.0, carried, rule.beta_1, 1 - rule.beta_1, "mean")


@response.register
def _(rule: Counted, state: State, rate: Any, number: int) -> Response:
    return response(rule.of_trainer, state, rate, int(state["steps"][0]))
