"""Initial weights against the papers' variances."""

import numpy as np
import pytest

from backlit.networks import glorot_uniform, he_uniform


@pytest.mark.parametrize(
    ("draw", "variance"),
    # A uniform number in [-limit, limit) has variance limit**2 / 3.
    [(glorot_uniform, 2 / (300 + 100)), (he_uniform, 2 / 300)],
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


def test_they_are_a_function_of_the_seed():
    assert np.array_equal(he_uniform(5, 4, seed=2), he_uniform(5, 4, seed=2))
    assert not np.array_equal(he_uniform(5, 4, seed=2), he_uniform(5, 4, seed=3))
