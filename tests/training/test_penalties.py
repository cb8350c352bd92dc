"""Penalties, decay and clipping against their definitions."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression

import backlit
from backlit.networks import Network
from backlit.training import (
    Adam,
    AdamW,
    GradientDescent,
    Layout,
    Penalties,
    record_step,
    training_step,
)  # fmt: skip

rng = np.random.default_rng(0)
network = Network(3, (4,), 2, "tanh")
layout = Layout(network.shapes)
x, y = rng.normal(size=(8, 3)), rng.integers(0, 2, 8)
ones = np.ones(8)
theta = layout.flatten(network.parameters(0, np.float64)) + 0.1 * rng.normal(size=layout.size)


def change(penalties=None, optimizer=None, rate=1.0):
    """Return what one step changes, by the names of the parameters."""
    optimizer = GradientDescent() if optimizer is None else optimizer
    step = training_step(network, optimizer, penalties)
    new, _, _ = step(theta, optimizer.initial_state(theta), x, y, ones, rate, 1.0)
    return layout.views(new - theta)


def test_penalties_add_their_gradient_to_weights_and_leave_biases():
    plain, penalised = change(), change(Penalties(l1=0.3, l2=0.05))
    p = layout.views(theta)
    for name in ("W1", "W2"):
        expected = plain[name] - 0.3 * np.sign(p[name]) - 0.05 * p[name]
        assert np.allclose(penalised[name], expected, rtol=1e-12, atol=1e-15)
    for name in ("b1", "b2"):
        assert np.array_equal(penalised[name], plain[name])


def test_a_step_with_penalties_goes_down_the_gradient_of_the_whole_objective():
    penalties = Penalties(l1=0.3, l2=0.05)

    def objective(theta):
        p = layout.views(theta)
        size = sum(np.sum(np.abs(p[name])) for name in ("W1", "W2"))
        squares = sum(np.sum(p[name] ** 2) for name in ("W1", "W2"))
        return np.mean(network.losses(p, x, y)) + 0.3 * size + 0.05 / 2 * squares

    gradient = np.concatenate([np.ravel(array) for array in change(penalties).values()])
    for k in range(layout.size):
        shift = np.zeros(layout.size)
        shift[k] = 1e-6
        difference = (objective(theta + shift) - objective(theta - shift)) / 2e-6
        assert -gradient[k] == pytest.approx(difference, abs=1e-8)


def minimise(linear, optimizer, penalties, x, y, steps):
    program = record_step(linear, optimizer, len(x), np.float64, penalties)
    at = Layout(linear.shapes)
    theta = at.flatten(linear.parameters(0, np.float64))
    state = optimizer.initial_state(theta)
    for number in range(1, steps + 1):
        rate = np.float64(optimizer.learning_rate)
        theta, state, _ = backlit.run(
            program, theta, state, x, y, np.ones(len(x)), rate, np.float64(number)
        )
    return at.views(theta)


def test_l2_finds_scikit_learns_ridge_of_logistic_regression():
    x = rng.normal([3, 0], size=(50, 2))
    y = (x[:, 0] + rng.normal(size=50) > 3).astype(int)
    linear = Network(2, (), 1, loss="binary_log_loss")
    p = minimise(linear, GradientDescent(0.3), Penalties(l2=0.1), x, y, 3000)
    theirs = LogisticRegression(C=1 / (0.1 * 50), tol=1e-10).fit(x, y)
    assert np.allclose(p["W1"][:, 0], theirs.coef_[0], rtol=1e-4)
    assert np.allclose(p["b1"], theirs.intercept_, rtol=1e-4)


def test_l1_and_l2_find_scikit_learns_elastic_net():
    x = rng.normal(size=(60, 4))
    y = x @ [[2.0], [-1.0], [0.0], [0.0]] + 5 + 0.1 * rng.normal(size=(60, 1))
    linear = Network(4, (), 1, loss="squared_loss")
    p = minimise(linear, GradientDescent(0.002), Penalties(l1=0.2, l2=0.1), x, y, 8000)
    theirs = ElasticNet(alpha=0.3, l1_ratio=2 / 3, tol=1e-10).fit(x, y[:, 0])
    # Around 0 a weight goes to and fro by the rate times l1.
    assert np.allclose(p["W1"][:, 0], theirs.coef_, atol=1e-3)
    assert np.allclose(p["b1"], theirs.intercept_, rtol=1e-3)


def test_clipping_shortens_long_gradients_and_leaves_short_ones():
    gradient = np.concatenate([np.ravel(array) for array in change().values()])
    norm = np.linalg.norm(gradient)
    for largest in (0.1 * norm, 2 * norm):
        clipped = change(Penalties(clip_norm=largest))
        clipped = np.concatenate([np.ravel(array) for array in clipped.values()])
        assert np.linalg.norm(clipped) == pytest.approx(min(norm, largest), rel=1e-12)
        assert np.allclose(clipped / np.linalg.norm(clipped), gradient / norm, rtol=1e-9)
    assert np.array_equal(Penalties(clip_norm=1.0).clip(np.zeros(3)), np.zeros(3))


def test_clipping_comes_after_the_penalties():
    both = change(Penalties(l2=100.0, clip_norm=0.5))
    flat = np.concatenate([np.ravel(array) for array in both.values()])
    assert np.linalg.norm(flat) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("plain", "decaying"),
    [(Adam(), AdamW(weight_decay=0.2)), (GradientDescent(), GradientDescent(weight_decay=0.2))],
)
def test_decay_shrinks_weights_apart_from_the_gradient(plain, decaying):
    without, with_decay = change(optimizer=plain, rate=0.1), change(optimizer=decaying, rate=0.1)
    p = layout.views(theta)
    for name in ("W1", "W2"):
        expected = without[name] - 0.1 * 0.2 * p[name]
        assert np.allclose(with_decay[name], expected, rtol=1e-12, atol=1e-15)
    for name in ("b1", "b2"):
        assert np.array_equal(with_decay[name], without[name])


def test_a_step_with_everything_is_one_program_with_the_same_bits():
    full = Network(3, (4,), 2, dropout=0.2)
    optimizer, penalties = AdamW(), Penalties(l1=0.01, l2=0.01, clip_norm=0.1)
    program = record_step(full, optimizer, 8, np.float32, penalties)
    floats = {i.output.dtype for i in program.instructions if i.output.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}
    single = theta.astype(np.float32)
    arguments = (
        single, optimizer.initial_state(single), x.astype(np.float32), y,
        ones.astype(np.float32), np.float32(0.01), np.float32(1), np.array([5, 6], np.uint32),
    )  # fmt: skip
    recorded = backlit.run(program, *arguments)
    immediate = training_step(full, optimizer, penalties)(*arguments)
    assert np.array_equal(recorded[0], immediate[0])
    assert np.array_equal(recorded[2], immediate[2])
    text = str(program)
    for line in ("gradient_2 = gradient + gradient_product", "norm = np.sqrt(norm_total)"):
        assert f"\n    {line}\n" in text, line


def test_nothing_is_computed_for_penalties_that_are_not_asked_for():
    plain = record_step(network, GradientDescent(), 8)
    assert not plain.captured
    assert not {i.function for i in plain.instructions} & {np.sign, np.sqrt, np.maximum}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l1": -1}, "l1 must be 0 or more, not -1"),
        ({"l2": float("nan")}, "l2 must be 0 or more, not nan"),
        ({"clip_norm": 0}, "clip_norm must be above 0, not 0"),
    ],
)
def test_impossible_penalties_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Penalties(**settings)
