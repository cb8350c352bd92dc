"""Scores on other rows, with their intervals, beside scikit-learn's models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from backlit.insight.doctor.attainable import Evening
from backlit.insight.doctor.generalisation import _wilson, generalise
from backlit.insight.trained import watch
from backlit.networks import Network


def test_the_interval_is_wilsons():
    interval = binomtest(37, 50).proportion_ci(0.95, "wilson")
    # 1.96 is the quantile to three digits.
    np.testing.assert_allclose(_wilson(37 / 50, 50), interval, atol=1e-4)


def test_scores_are_those_of_scikit_learn(well, circle):
    (x, y), (held, held_y) = circle
    found = generalise(well)
    even = Evening.of(x)
    linear = LogisticRegression(max_iter=500).fit(even(x), y)
    assert found.others["a linear model"][0] == linear.score(even(held), held_y)
    assert found.others["the best constant"][0] == np.mean(held_y == np.bincount(y).argmax())
    assert found.rows == 200 and found.low < found.score < found.high
    # A circle is not to be told by a line.
    assert found.others["a linear model"][1] > 0
    assert "a linear model: " in str(found) and "the network is better" in str(found)
    assert found.frame()["model"].iloc[0] == "network"


@pytest.mark.parametrize("kind", ["squared_loss", "poisson_loss", "label_log_loss", "binary"])
def test_other_targets_are_compared_as_well(circle, kind):
    (x, _), (held, _) = circle
    loss = "binary_log_loss" if kind == "binary" else kind
    outputs = 1 if kind == "binary" else 2

    def targets(x):
        raw = np.stack([x[:, 0] + x[:, 1], x[:, 0] * x[:, 1]], axis=1)
        if kind == "squared_loss":
            return raw
        if kind == "poisson_loss":
            return np.round(np.exp(np.clip(raw, -1, 2)))
        return (raw[:, 0] > 0).astype(int) if kind == "binary" else (raw > 0).astype(float)

    network = Network(4, (16,), outputs, loss=loss)
    _, recording = watch(network, (x, targets(x)), (held, targets(held)), epochs=30)
    found = generalise(recording)
    assert found.score > found.others["the best constant"][0]
    assert all(score <= 1 for score, _, _ in found.others.values())


def test_pictures_can_be_drawn(well):
    pytest.importorskip("matplotlib")
    assert generalise(well).plot().get_xlabel() == "accuracy"
