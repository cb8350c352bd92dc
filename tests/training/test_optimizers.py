"""Optimizers against their published updates, written out number by number."""

import math

import numpy as np
import pytest

from backlit.training import Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp, Rprop
from backlit.training.optimizers import OPTIMIZERS

ALL = [optimizer() for optimizer in OPTIMIZERS.values()]

START = [1.0, -2.0, 0.5]


def gradient_at(theta):
    """Return the gradient of sum(k * theta_k**2 / 2) + theta_0."""
    return np.array([1.0, 2.0, 3.0], theta.dtype) * theta + np.array([1.0, 0, 0], theta.dtype)


def steps_of(optimizer, count, dtype=np.float64):
    theta = np.array(START, dtype)
    state = optimizer.initial_state(theta)
    rate = dtype(optimizer.learning_rate)
    for number in range(1, count + 1):
        theta, state = optimizer.update(theta, gradient_at(theta), state, rate, dtype(number))
    return theta, state


def test_gradient_descent_is_the_closed_form():
    # On a parabola each coordinate shrinks by (1 - rate * curvature) around its minimum.
    theta, state = steps_of(GradientDescent(0.1), 10)
    expected = [-1 + 2 * 0.9**10, -2 * 0.8**10, 0.5 * 0.7**10]
    assert np.allclose(theta, expected, rtol=1e-13)
    assert state == {}


def test_adam_is_the_published_algorithm():
    alpha, beta1, beta2, epsilon = 0.01, 0.8, 0.95, 1e-6
    theta, m, v = list(START), [0.0] * 3, [0.0] * 3
    for t in range(1, 21):
        for k in range(3):
            g = (k + 1) * theta[k] + (1 if k == 0 else 0)
            m[k] = beta1 * m[k] + (1 - beta1) * g
            v[k] = beta2 * v[k] + (1 - beta2) * g * g
            m_hat, v_hat = m[k] / (1 - beta1**t), v[k] / (1 - beta2**t)
            theta[k] -= alpha * m_hat / (math.sqrt(v_hat) + epsilon)
    ours, state = steps_of(Adam(alpha, beta1, beta2, epsilon), 20)
    assert np.allclose(ours, theta, rtol=1e-13)
    assert np.allclose(state["mean"], m, rtol=1e-13)
    assert np.allclose(state["mean_square"], v, rtol=1e-13)


def test_adams_first_step_is_the_learning_rate_whatever_the_scale():
    adam = Adam(epsilon=0.0)
    for scale in (1e-6, 1.0, 1e6):
        theta = np.zeros(2)
        gradient = scale * np.array([1.0, -3.0])
        theta, _ = adam.update(theta, gradient, adam.initial_state(theta), 0.01, 1.0)
        assert np.allclose(theta, [-0.01, 0.01], rtol=1e-12)


def derivative(theta, k):
    """Return the k-th entry of `gradient_at`."""
    return (k + 1) * theta[k] + (1 if k == 0 else 0)


def test_momentum_is_the_published_update():
    rate, mu = 0.05, 0.8
    theta, v = list(START), [0.0] * 3
    for _ in range(20):
        for k in range(3):
            v[k] = mu * v[k] - rate * derivative(theta, k)
            theta[k] += v[k]
    ours, state = steps_of(Momentum(rate, mu), 20)
    assert np.allclose(ours, theta, rtol=1e-12)
    assert np.allclose(state["velocity"], v, rtol=1e-12)


def test_nesterov_is_the_published_update_seen_from_where_it_looks():
    rate, mu = 0.05, 0.8
    theta, v = list(START), [0.0] * 3
    for _ in range(20):
        ahead = [theta[k] + mu * v[k] for k in range(3)]
        for k in range(3):
            v[k] = mu * v[k] - rate * derivative(ahead, k)
            theta[k] += v[k]
    ours, state = steps_of(Nesterov(rate, mu), 20)
    assert np.allclose(state["velocity"], v, rtol=1e-12)
    assert np.allclose(ours, [theta[k] + mu * v[k] for k in range(3)], rtol=1e-12)


def test_momentum_of_zero_is_gradient_descent():
    plain, _ = steps_of(GradientDescent(0.05), 10)
    for optimizer in (Momentum(0.05, 0.0), Nesterov(0.05, 0.0)):
        assert np.allclose(steps_of(optimizer, 10)[0], plain, rtol=1e-13)


def test_rmsprop_is_the_published_update():
    rate, rho, epsilon = 0.01, 0.8, 1e-6
    theta, r = list(START), [0.0] * 3
    for _ in range(20):
        for k in range(3):
            g = derivative(theta, k)
            r[k] = rho * r[k] + (1 - rho) * g * g
            theta[k] -= rate * g / (math.sqrt(r[k]) + epsilon)
    ours, state = steps_of(RMSProp(rate, rho, epsilon), 20)
    assert np.allclose(ours, theta, rtol=1e-12)
    assert np.allclose(state["mean_square"], r, rtol=1e-12)


def test_rprop_is_the_published_irprop_minus():
    # Igel and Huesken's pseudocode, weight by weight. The bounds are met, too.
    first, grow, shrink, least, most = 0.3, 1.2, 0.5, 0.02, 0.5
    theta, length, before = list(START), [first] * 3, [0.0] * 3
    lengths = set()
    for _ in range(30):
        for k in range(3):
            g = derivative(theta, k)
            if before[k] * g > 0:
                length[k] = min(length[k] * grow, most)
            elif before[k] * g < 0:
                length[k] = max(length[k] * shrink, least)
                g = 0.0
            theta[k] -= math.copysign(length[k], g) if g else 0.0
            before[k] = g
        lengths |= set(length)
    assert {least, most} <= lengths
    ours, state = steps_of(Rprop(first, grow, shrink, least, most), 30)
    assert np.allclose(ours, theta, rtol=1e-12, atol=1e-15)
    assert np.allclose(state["length"], length, rtol=1e-12)
    assert np.array_equal(state["sign"], np.sign(before))


def test_rprop_sees_derivatives_of_any_size():
    # Their product, 1e-60, is 0 in float32.
    rprop, theta = Rprop(), np.zeros(2, np.float32)
    state = rprop.initial_state(theta)
    for _ in range(3):
        theta, state = rprop.update(theta, np.array([1e-30, -1e30], "f4"), state, 0.1, 1)
    expected = 0.1 + 0.12 + 0.144
    assert np.allclose(theta, [-expected, expected], rtol=1e-6)


def test_adamw_updates_as_adam_and_leaves_the_decay_to_the_step():
    assert np.array_equal(steps_of(AdamW(0.01), 10)[0], steps_of(Adam(0.01), 10)[0])
    assert AdamW().weight_decay == 0.01
    assert {optimizer.weight_decay for optimizer in ALL if type(optimizer) is not AdamW} == {0.0}


@pytest.mark.parametrize(
    "optimizer",
    [GradientDescent(0.2), Momentum(0.05), Nesterov(0.05), Adam(0.1), RMSProp(0.002), Rprop()],
)
def test_each_comes_to_the_minimum(optimizer):
    theta, _ = steps_of(optimizer, 3000)
    assert np.allclose(theta, [-1, 0, 0], atol=2e-3)


@pytest.mark.parametrize("optimizer", ALL)
def test_float32_stays_float32_and_near_float64(optimizer):
    single, state = steps_of(optimizer, 20, np.float32)
    double, _ = steps_of(optimizer, 20)
    assert single.dtype == np.float32
    assert all(array.dtype == np.float32 for array in state.values())
    assert np.allclose(single, double, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ALL)
def test_update_leaves_its_arguments_as_they_were(optimizer):
    theta = np.array(START)
    state = optimizer.initial_state(theta)
    before = {name: array.copy() for name, array in state.items()}
    optimizer.update(theta, gradient_at(theta), state, 0.1, 1.0)
    assert np.array_equal(theta, START)
    assert state.keys() == before.keys()
    assert all(np.array_equal(array, before[name]) for name, array in state.items())
