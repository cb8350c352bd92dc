"""Losses against closed forms and scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

import backlit
from backlit.networks import log_loss, one_hot, squared_loss

rng = np.random.default_rng(0)
logits = rng.normal(size=(6, 4))
classes = np.array([0, 3, 1, 2, 2, 0])
probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_log_loss_is_scikit_learns():
    ours = log_loss(logits, classes)
    assert ours.shape == (6,)
    expected = metrics.log_loss(classes, probabilities, labels=range(4))
    assert ours.mean() == pytest.approx(expected, rel=1e-12)


def test_delta_of_log_loss_is_probability_minus_truth():
    weights = rng.normal(size=6)
    _, pullback = backlit.vjp(lambda logits: log_loss(logits, classes), logits)
    truth = np.array([[k == c for k in range(4)] for c in classes])
    assert np.allclose(pullback(weights)[0], weights[:, None] * (probabilities - truth))


def test_log_loss_survives_any_logits():
    extreme = np.array([[1000.0, -1000.0], [-1e30, 1e30]])
    assert np.array_equal(log_loss(extreme, np.array([1, 1])), [2000, 0])
    gradient = backlit.grad(lambda z: np.sum(log_loss(z, np.array([1, 1]))))(extreme)
    assert np.array_equal(gradient, [[1, -1], [0, 0]])


def test_small_log_losses_keep_their_digits():
    # log(1 + exp(-30)) = 9.4e-14, which a difference of two numbers near 1000 would lose.
    loss = log_loss(np.array([1000.0, 970.0]), np.array(0))
    assert loss == pytest.approx(0, abs=1e-13)
    assert log_loss(np.array([1000.0, 999.0]), np.array(0)) == pytest.approx(
        np.log1p(np.exp(-1.0)), rel=1e-14
    )


def test_losses_of_one_example_are_the_batchs():
    for n in range(6):
        assert log_loss(logits[n], classes[n]) == log_loss(logits, classes)[n]
        assert squared_loss(logits[n], probabilities[n]) == pytest.approx(
            squared_loss(logits, probabilities)[n]
        )


def test_squared_loss_is_half_the_sum_of_squares():
    prediction, target = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    assert np.array_equal(squared_loss(prediction, target), [2.5, 12.5])
    halves = metrics.mean_squared_error(target, prediction) * 2 / 2  # two outputs, and the half
    assert squared_loss(prediction, target).mean() == pytest.approx(halves)


def test_delta_of_squared_loss_is_the_error():
    prediction, target, weights = logits, probabilities, rng.normal(size=6)
    _, pullback = backlit.vjp(squared_loss, prediction, target)
    d_prediction, d_target = pullback(weights)
    assert np.allclose(d_prediction, weights[:, None] * (prediction - target))
    assert np.allclose(d_target, -d_prediction)


def test_losses_agree_with_differences_to_second_order():
    backlit.check_grads(lambda z: log_loss(z, classes), (logits,), order=2)
    backlit.check_grads(squared_loss, (logits, probabilities), order=2)


def test_classes_may_be_recorded():
    program = backlit.record(log_loss, logits, classes)
    others = np.array([1, 1, 1, 1, 1, 1])
    assert np.array_equal(backlit.run(program, logits, others), log_loss(logits, others))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_their_dtype(dtype):
    z, t = logits.astype(dtype), probabilities.astype(dtype)
    for loss in (lambda z: log_loss(z, classes), lambda z: squared_loss(z, t)):
        value, pullback = backlit.vjp(loss, z)
        assert value.dtype == dtype
        assert pullback(np.ones(6, dtype))[0].dtype == dtype


def test_one_hot_marks_the_class():
    assert np.array_equal(one_hot(classes, 4), np.eye(4, dtype=bool)[classes])
