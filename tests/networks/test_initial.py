"""Initial weights against the papers' variances."""

import numpy as np
import pytest

from backlit.networks import glorot_uniform, he_uniform, lecun_uniform, plain_uniform, selu


@pytest.mark.parametrize(
    ("draw", "variance"),
    # A uniform number in [-limit, limit) has variance limit**2 / 3.
    [
        (glorot_uniform, 2 / (300 + 100)),
        (he_uniform, 2 / 300),
        (lecun_uniform, 1 / 300),
        (lambda *sizes, seed: plain_uniform(*sizes, seed, scale=0.2), 0.2**2 / 3),
    ],
)
def test_weights_have_the_published_mean_and_variance(draw, variance):
    W = draw(300, 100, seed=0)
    assert W.shape == (300, 100)
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
    assert W.var() == pytest.approx(variance, rel=0.03)
    assert np.abs(W).max() <= np.sqrt(3 * variance)


def test_layers_draw_different_numbers():
    first = glorot_uniform(10, 10, seed=0)
    second = glorot_uniform(10, 10, seed=0, first=100)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.5
    assert not np.isin(first, second).any()


def test_lecuns_weights_carry_variance_one_through_ten_selu_layers():
    # Klambauer and others, 2017: mean 0 and variance 1 are a fixed point, and an attracting one.
    x = np.random.default_rng(0).normal(size=(1000, 200))
    for layer in range(10):
        x = selu(x @ lecun_uniform(200, 200, seed=0, first=200 * 200 * layer))
    assert abs(x.mean()) < 0.1
    assert x.var() == pytest.approx(1, abs=0.15)


def test_they_are_a_function_of_the_seed():
    assert np.array_equal(he_uniform(5, 4, seed=2), he_uniform(5, 4, seed=2))
    assert not np.array_equal(he_uniform(5, 4, seed=2), he_uniform(5, 4, seed=3))
