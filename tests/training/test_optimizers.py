"""Optimizers against their published updates, written out number by number."""

import math

import numpy as np
import pytest

from backlit.training import Adam, GradientDescent

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


@pytest.mark.parametrize("optimizer", [GradientDescent(), Adam()])
def test_float32_stays_float32_and_near_float64(optimizer):
    single, state = steps_of(optimizer, 20, np.float32)
    double, _ = steps_of(optimizer, 20)
    assert single.dtype == np.float32
    assert all(array.dtype == np.float32 for array in state.values())
    assert np.allclose(single, double, rtol=1e-5)


@pytest.mark.parametrize("optimizer", [GradientDescent(), Adam()])
def test_update_leaves_its_arguments_as_they_were(optimizer):
    theta = np.array(START)
    state = optimizer.initial_state(theta)
    optimizer.update(theta, gradient_at(theta), state, 0.1, 1.0)
    assert np.array_equal(theta, START)
    assert not any(array.any() for array in state.values())
