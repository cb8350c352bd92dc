"""Activations against SciPy's and closed forms, and their slopes."""

import numpy as np
import pytest
from scipy.special import expit, log_ndtr, ndtr

import backlit
from backlit.networks import (
    elu,
    gelu,
    identity,
    leaky_relu,
    logistic,
    mish,
    relu,
    selu,
    silu,
    softplus,
)  # fmt: skip
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
        (leaky_relu, np.array([0.01, 0.01, 1.0, 1.0])),
        (elu, np.array([np.exp(-3), np.exp(-0.5), 1.0, 1.0])),
        (selu, 1.0507009873554805 * np.array([*1.6732632423543772 * np.exp(z[:2]), 1.0, 1.0])),
        (softplus, expit(z)),
        (gelu, ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)),
        (silu, expit(z) * (1 + z * (1 - expit(z)))),
        # The paper's form, with omega = 4 (z + 1) + 4 exp(2z) + exp(3z) + exp(z) (4z + 6) and
        # delta = 2 exp(z) + exp(2z) + 2: exp(z) omega / delta^2.
        (mish, np.exp(z) * (4 * (z + 1) + 4 * np.exp(2 * z) + np.exp(3 * z)
                            + np.exp(z) * (4 * z + 6)) / (2 * np.exp(z) + np.exp(2 * z) + 2) ** 2),
    ],
)  # fmt: skip
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
    assert np.allclose(value, ACTIVATIONS[name](z), rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        (leaky_relu, np.array([-0.03, -0.005, 0.7, 2.0])),
        (elu, np.array([np.exp(-3) - 1, np.exp(-0.5) - 1, 0.7, 2.0])),
        (softplus, np.log(1 + np.exp(z))),
        (gelu, z * ndtr(z)),
        (silu, z / (1 + np.exp(-z))),
        # tanh(log(u)) = (u^2 - 1) / (u^2 + 1)
        (mish, z * ((1 + np.exp(z)) ** 2 - 1) / ((1 + np.exp(z)) ** 2 + 1)),
    ],
)
def test_values_are_the_closed_forms(activation, values):
    assert np.allclose(activation(z), values, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "left", "right"),
    # value and slope far on the left; far on the right, the slope (each value is slope times z)
    [
        ("relu", (0, 0), 1),
        ("elu", (-1, 0), 1),
        ("selu", (-1.0507009873554805 * 1.6732632423543772, 0), 1.0507009873554805),
        ("softplus", (0, 0), 1),
        ("gelu", (0, 0), 1),
        ("silu", (0, 0), 1),
        ("mish", (0, 0), 1),
    ],
)
def test_rectifiers_overflow_nowhere(name, left, right, dtype):
    activation = ACTIVATIONS[name]
    far = np.array([-1e30, -1e4, 1e4, 1e30], dtype)
    expected = np.array([left[0], left[0], right * 1e4, right * 1e30])
    assert np.allclose(activation(far), expected, rtol=1e-6)  # warnings are errors here
    slopes = backlit.elementwise_grad(activation)(far)
    assert np.allclose(slopes, [left[1], left[1], right, right], rtol=1e-6)
    program = backlit.backward(backlit.record(activation, far))
    assert np.array_equal(backlit.run(program, far, np.ones_like(far))[1], slopes)


def test_small_values_and_slopes_keep_their_digits():
    tail = np.array([-30.0, -20.0, -10.0])
    assert np.allclose(softplus(tail), np.exp(tail) - np.exp(2 * tail) / 2, rtol=1e-9, atol=0)
    assert np.allclose(gelu(tail), tail * np.exp(log_ndtr(tail)), rtol=1e-12, atol=0)
    assert np.allclose(backlit.elementwise_grad(elu)(tail), np.exp(tail), rtol=1e-14, atol=0)
    near = np.array([-1e-10, 1e-10])
    assert np.allclose(elu(near), near, rtol=1e-9, atol=0)


def test_selu_keeps_mean_zero_and_variance_one():
    # The fixed point that defines its two constants: integrals over the standard normal density.
    points = np.linspace(-12, 12, 200_001)
    density = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    assert np.trapezoid(selu(points) * density, points) == pytest.approx(0, abs=1e-8)
    assert np.trapezoid(selu(points) ** 2 * density, points) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("leaky_relu", 0.01),
        ("elu", 1.0),
        ("selu", 1.0507009873554805 * 1.6732632423543772),
        ("softplus", 0.5),
        ("gelu", 0.5),
        ("silu", 0.5),
        ("mish", 0.6),
    ],
)
def test_slopes_at_zero_are_as_stated(name, slope):
    slopes = backlit.elementwise_grad(ACTIVATIONS[name])(np.array([0.0, -0.0]))
    assert np.allclose(slopes, slope, rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_value_of_a_float32_program_is_float64(name):
    single = z.astype(np.float32)
    program = backlit.backward(backlit.record(lambda z: ACTIVATIONS[name](1.0 * z), single))
    floats = {i.output.dtype for i in program.instructions if i.output.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}


def test_relu_has_slope_zero_at_zero():
    assert relu(0.0) == 0
    assert np.array_equal(backlit.elementwise_grad(relu)(np.array([0.0, -0.0])), [0, 0])


def test_relu_lets_nan_through():
    assert np.isnan(relu(np.array([np.nan]))[0])
