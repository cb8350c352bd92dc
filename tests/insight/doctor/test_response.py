"""The same steps with the same rate are the training; with others they come elsewhere."""

import numpy as np

from backlit.insight.doctor.response import respond
from backlit.insight.doctor.signal import follow
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import GradientDescent

X = np.random.default_rng(0).normal(size=(64, 3))
Y = X @ np.array([[1.0], [2.0], [3.0]])


def _respond(rate):
    _, recording = watch(
        Network(3, (), 1, loss="squared_loss"), (X, Y), optimizer=GradientDescent(rate),
        epochs=20, batch_size=64, dtype="float64",
    )  # fmt: skip
    return recording, respond(recording, follow(recording).last)


def test_with_the_own_rate_the_first_steps_are_the_training():
    recording, response = _respond(0.05)
    assert response.steps == 20
    assert response.first[1.0] == response.final == response.kept
    np.testing.assert_allclose(response.initial, np.mean(recording.loss[:64]), rtol=1e-12)


def test_a_rate_that_is_too_high_does_better_with_less_and_one_too_low_with_more():
    # On this parabola the best rate is near 1 and everything above 2 grows.
    assert _respond(30.0)[1].better_factor < 0.1
    assert _respond(0.005)[1].better_factor == 100
    assert _respond(0.7)[1].better_factor == 1
