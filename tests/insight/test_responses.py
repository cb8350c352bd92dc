"""A step is the answer to its gradient and to those before it, number by number."""

import numpy as np
import pytest

import backlit.estimators.responses  # noqa: F401  (which adds the estimators' rules)
from backlit.estimators import optimizers as rules
from backlit.insight.responses import response
from backlit.training import Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp, Rprop

RNG = np.random.default_rng(1)
GRADIENTS = RNG.normal(size=(30, 8)) * RNG.uniform(1e-4, 10, size=8)
TRAINERS = [GradientDescent(), Momentum(), Nesterov(), RMSProp(), Adam(), AdamW()]
RULES = [
    rules.Momentum(0.9, nesterov=True), rules.Momentum(0.8, nesterov=False),
    rules.Adam(0.9, 0.999, 1e-8),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", TRAINERS + RULES, ids=repr)
def test_responses_add_up_to_the_optimizers_changes(optimizer):
    theta = np.zeros(8)
    state, memory = optimizer.initial_state(theta), np.zeros(8)
    for number, gradient in enumerate(GRADIENTS, 1):
        rate = np.float64(0.01 / number)
        numbers = () if optimizer in RULES else (np.float64(number),)
        after, state = optimizer.update(theta, gradient, state, rate, *numbers)
        change, theta = after - theta, after
        found = response(optimizer, state, rate, number)
        memory = found.keep * memory + found.feed * gradient
        if found.memory:
            np.testing.assert_allclose(memory, state[found.memory], rtol=1e-12)
        expected = found.carried * memory + found.direct * gradient
        # A change is the difference of two thetas, and so has their rounding.
        np.testing.assert_allclose(change, expected, rtol=1e-11, atol=1e-15)


def test_bias_correction_in_float32_is_that_of_the_step():
    # 1 - 0.999 in float32 is 1.00005e-3: in float64, the first steps would be 2e-5 off.
    adam, gradient = Adam(), np.array([0.3, -2.0], np.float32)
    state, rate = adam.initial_state(gradient), np.float32(0.01)
    after, state = adam.update(np.zeros_like(gradient), gradient, state, rate, np.float32(1))
    found = response(adam, state, rate, 1)
    np.testing.assert_allclose(after, found.carried * state["mean"], rtol=2e-7)


def test_steps_by_signs_are_refused():
    with pytest.raises(ValueError, match="a step of Rprop is no sum over the gradients of exam"):
        response(Rprop(), {}, 0.1, 1)
