"""Scores against scikit-learn's."""

import math

import numpy as np
import pytest
from sklearn import metrics

from backlit.training import accuracy, r_squared

rng = np.random.default_rng(0)


def test_accuracy_is_scikit_learns():
    outputs, classes = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    expected = metrics.accuracy_score(classes, outputs.argmax(axis=1))
    assert accuracy(outputs, classes) == pytest.approx(expected)


def test_r_squared_is_scikit_learns():
    targets = rng.normal(size=(50, 1))
    outputs = targets + 0.5 * rng.normal(size=(50, 1))
    assert r_squared(outputs, targets) == pytest.approx(metrics.r2_score(targets, outputs))


def test_r_squared_of_several_columns_weighs_them_by_their_variance():
    targets = rng.normal(size=(50, 2)) * [1, 10]
    outputs = targets + rng.normal(size=(50, 2))
    expected = metrics.r2_score(targets, outputs, multioutput="variance_weighted")
    assert r_squared(outputs, targets) == pytest.approx(expected)


def test_r_squared_of_constant_targets_is_nan():
    assert math.isnan(r_squared(np.ones((3, 1)), np.ones((3, 1))))
