"""Scores against scikit-learn's, with and without weights."""

import math

import numpy as np
import pytest
from sklearn import metrics

from backlit.networks import Network
from backlit.networks.losses import LOSSES
from backlit.training import accuracy, label_accuracy, r_squared
from backlit.training.scores import score_name, scorer_of

rng = np.random.default_rng(0)
WEIGHTS = [None, rng.uniform(0.1, 2, 50)]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_accuracy_is_scikit_learns(weights):
    outputs, classes = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    expected = metrics.accuracy_score(classes, outputs.argmax(axis=1), sample_weight=weights)
    assert accuracy(outputs, classes, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_one_output_says_class_1_where_it_is_positive(weights):
    outputs, classes = rng.normal(size=(50, 1)), rng.integers(0, 2, 50)
    expected = metrics.accuracy_score(classes, outputs[:, 0] > 0, sample_weight=weights)
    assert accuracy(outputs, classes, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_label_accuracy_is_one_minus_the_hamming_loss(weights):
    outputs, labels = rng.normal(size=(50, 4)), rng.integers(0, 2, (50, 4))
    expected = 1 - metrics.hamming_loss(labels, outputs > 0, sample_weight=weights)
    assert label_accuracy(outputs, labels, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_r_squared_is_scikit_learns(weights):
    targets = rng.normal(size=(50, 1))
    outputs = targets + 0.5 * rng.normal(size=(50, 1))
    expected = metrics.r2_score(targets, outputs, sample_weight=weights)
    assert r_squared(outputs, targets, weights) == pytest.approx(expected)


def test_r_squared_of_several_columns_weighs_them_by_their_variance():
    targets = rng.normal(size=(50, 2)) * [1, 10]
    outputs = targets + rng.normal(size=(50, 2))
    expected = metrics.r2_score(targets, outputs, multioutput="variance_weighted")
    assert r_squared(outputs, targets) == pytest.approx(expected)


def test_r_squared_of_constant_targets_is_nan():
    assert math.isnan(r_squared(np.ones((3, 1)), np.ones((3, 1))))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_poisson_networks_are_scored_by_the_deviance_explained(weights):
    network = Network(1, (), 1, loss="poisson_loss")
    counts = rng.poisson(3.0, (50, 1)).astype(float)
    outputs = np.log(counts + 1) + 0.1 * rng.normal(size=(50, 1))
    expected = metrics.d2_tweedie_score(
        counts[:, 0], np.exp(outputs[:, 0]), power=1, sample_weight=weights
    )
    assert scorer_of(network)(outputs, counts, weights) == pytest.approx(expected)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_networks_are_scored_by_the_pinball_loss_explained(quantile):
    network = Network(1, (), 1, loss="quantile_loss", loss_options={"quantile": quantile})
    targets = rng.normal(size=(51, 1))  # 51, so that the quantile is one of them
    outputs = targets + 0.3 * rng.normal(size=(51, 1))
    expected = metrics.d2_pinball_score(targets[:, 0], outputs[:, 0], alpha=quantile)
    assert scorer_of(network)(outputs, targets, None) == pytest.approx(expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_a_score_with_a_name(loss):
    network = Network(1, (), 2 if loss == "log_loss" else 1, loss=loss)
    y = np.array([0, 1, 1]) if network.targets == "classes" else np.array([[0.0], [1.0], [1.0]])
    assert math.isfinite(scorer_of(network)(np.zeros((3, network.outputs)), y, None))
    assert score_name(network)
