"""Wrong numbers are told from heavy tails."""

import numpy as np
import pytest

from backlit.insight.suspects_residuals import judge_residuals


def _drawn(rate, degrees, rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(2, 10, rows)
    given = truth + rng.standard_t(degrees, rows) * (1 + truth / 20)
    wrong = rng.random(rows) < rate
    given[wrong] = rng.permutation(given)[wrong]
    return truth, given, wrong


@pytest.mark.parametrize("degrees", [3, 100])
@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_the_number_of_wrong_ones_is_found(rate, degrees):
    truth, given, wrong = _drawn(rate, degrees)
    found = judge_residuals(truth, given)
    assert 0.5 < np.sum(found.wrong) / np.sum(wrong) < 2
    assert np.mean(wrong[found.wrong > 0.5]) > 0.5  # as "more likely wrong than right" says


@pytest.mark.parametrize("degrees", [3, 100])
def test_heavy_tails_are_not_called_wrong(degrees):
    truth, given, _ = _drawn(0, degrees)
    assert np.mean(judge_residuals(truth, given).wrong > 0.5) < 0.01


def test_residuals_are_in_units_of_those_at_similar_predictions():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, 20_000)
    given = truth + rng.normal(size=20_000) * np.where(truth < 0.5, 1, 3)
    z = judge_residuals(truth, given).standardised
    for part in (truth < 0.45, truth > 0.55):
        # The mean root over 1,000 rows has a standard error of 1.4 %; the deviation twice that.
        assert abs(np.std(z[part]) - 1) < 0.06


@pytest.mark.parametrize("given", [np.zeros(50), np.arange(50.0)])
def test_targets_that_are_met_exactly_are_not_wrong(given):
    found = judge_residuals(given, given)
    assert np.all(np.isfinite(found.wrong)) and np.all(found.wrong < 0.5)
