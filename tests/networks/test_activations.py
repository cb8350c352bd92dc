"""Activations against SciPy's and closed forms, and their slopes."""

import numpy as np
import pytest
from scipy.special import expit

import backlit
from backlit.networks import identity, logistic, relu
from backlit.networks.activations import ACTIVATIONS

z = np.array([-3.0, -0.5, 0.7, 2.0])


def test_logistic_is_scipys_expit():
    wide = np.linspace(-700, 700, 2001)
    assert np.allclose(logistic(wide), expit(wide), rtol=1e-14, atol=0)
    assert logistic(0.0) == 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_overflows_nowhere(dtype):
    extremes = np.array([-np.inf, -1e30, 1e30, np.inf], dtype)
    values = logistic(extremes)  # warnings are errors here
    assert np.array_equal(values, [0, 0, 1, 1])
    assert values.dtype == dtype
    assert np.array_equal(backlit.elementwise_grad(logistic)(extremes), [0, 0, 0, 0])


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        (identity, np.ones_like(z)),
        (logistic, np.exp(-z) / (1 + np.exp(-z)) ** 2),
        (np.tanh, 1 / np.cosh(z) ** 2),
        (relu, np.array([0.0, 0.0, 1.0, 1.0])),
    ],
)
def test_slopes_are_the_closed_forms(activation, slope):
    assert np.allclose(backlit.elementwise_grad(activation)(z), slope, rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_agree_with_differences_to_second_order(name):
    backlit.check_grads(lambda z: 1.0 * ACTIVATIONS[name](z), (z,), order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32(name):
    single = z.astype(np.float32)
    value, pullback = backlit.vjp(ACTIVATIONS[name], single)
    assert value.dtype == np.float32
    assert pullback(np.ones_like(single))[0].dtype == np.float32


def test_relu_has_slope_zero_at_zero():
    assert relu(0.0) == 0
    assert np.array_equal(backlit.elementwise_grad(relu)(np.array([0.0, -0.0])), [0, 0])


def test_relu_lets_nan_through():
    assert np.isnan(relu(np.array([np.nan]))[0])
