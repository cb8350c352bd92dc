"""Whether a minimum was found, against closed forms."""

import numpy as np
import pytest

from backlit.insight.doctor.minimum import find_minimum
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import GradientDescent, Penalties

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)) @ np.diag([1.0, 2.0, 0.5])
Y = X @ np.array([[1.0], [2.0], [3.0]]) + RNG.normal(size=(50, 1))


def _watch(epochs, l2=0.0, **more):
    return watch(
        Network(3, (), 1, loss="squared_loss"), (X, Y), optimizer=GradientDescent(0.2),
        epochs=epochs, batch_size=50, dtype="float64", penalties=Penalties(l2=l2), **more,
    )[1]  # fmt: skip


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_curvatures_of_a_linear_model_are_those_of_its_design(l2):
    minimum = find_minimum(_watch(5, l2))
    design = np.concatenate([X, np.ones((50, 1))], axis=1)
    hessian = design.T @ design / 50 + l2 * np.diag([1, 1, 1, 0])
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert minimum.largest == pytest.approx(eigenvalues[-1], rel=1e-6)
    assert minimum.smallest == pytest.approx(eigenvalues[0], rel=1e-6)


def test_the_gain_along_the_gradient_is_what_a_line_search_gains():
    recording = _watch(5)
    minimum = find_minimum(recording)
    design = np.concatenate([X, np.ones((50, 1))], axis=1)
    w = np.concatenate([recording.subject.layout.views(recording.theta)[k].ravel()
                        for k in ("W1", "b1")])  # fmt: skip

    def loss(w):
        return np.mean((design @ w - Y[:, 0]) ** 2) / 2

    gradient = design.T @ (design @ w - Y[:, 0]) / 50
    lengths = np.linspace(0, 2, 20001)
    best = min(loss(w - length * gradient) for length in lengths)
    assert minimum.gradient == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
    # A parabola, searched on a grid of 1e-4, is missed by at most curvature * (5e-5 * g)**2 / 2.
    assert minimum.to_gain == pytest.approx(loss(w) - best, rel=1e-5)


def test_gradient_descent_comes_to_a_minimum_in_time():
    assert not find_minimum(_watch(3)).found
    late = find_minimum(_watch(500))
    assert late.found and "A minimum was found" in late.summary()


def test_a_saddle_is_none():
    # Between two equal units with opposite signs lies a saddle: all weights 0.
    network = Network(1, (2,), 1, "tanh", "squared_loss")
    x = np.linspace(-1, 1, 20)[:, np.newaxis]
    start = {k: np.zeros(s) for k, s in network.shapes.items()}
    _, recording = watch(
        network, (x, x), optimizer=GradientDescent(0.1), epochs=3, batch_size=20, start=start,
        dtype="float64",
    )  # fmt: skip
    minimum = find_minimum(recording)
    assert minimum.gradient < 1e-12
    assert minimum.smallest < -0.1 and not minimum.found
    assert "curves down in some direction" in minimum.summary()
