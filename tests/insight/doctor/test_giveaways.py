"""Columns that tell the target, and rows on both sides."""

import numpy as np
import pytest

from backlit.insight.doctor.giveaways import told_by_columns, twins

RNG = np.random.default_rng(0)


def test_a_copy_of_the_target_tells_all_and_noise_nothing():
    y = RNG.integers(0, 5, 1000)
    x = np.stack([y, RNG.normal(size=1000), np.ones(1000)], axis=1)
    told = told_by_columns(x, y, classes=True)
    assert told[0] == 1 and told[2] == 0
    # Predicting 500 rows at random is right 100 times, give or take 9.
    assert abs(told[1]) < 4 * 9 / 400


def test_a_column_tells_as_much_of_a_number_as_its_correlation_says():
    x = RNG.normal(size=(4000, 1))
    y = x[:, 0] + RNG.normal(size=4000)
    # R2 is 1/2. Of 2,000 rows it is known to 0.02; 64 bins lose a little.
    assert told_by_columns(x, y, classes=False)[0] == pytest.approx(0.5, abs=0.06)


def test_twins_are_those_that_share_inputs_and_target():
    x, y = RNG.normal(size=(20, 3)), RNG.integers(0, 2, 20)
    other, targets = x[[3, 4, 5]].copy(), y[[3, 4, 5]].copy()
    targets[1] = 1 - targets[1]
    other[2, 0] += 1
    shared, natural = twins(x, y, other, targets)
    assert shared.tolist() == [True, False, False]
    assert natural == 0
    _, natural = twins(np.concatenate([x, x[:5]]), np.concatenate([y, y[:5]]), other, targets)
    assert natural == 10 / 25
