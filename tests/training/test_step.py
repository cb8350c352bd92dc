"""The recorded training step against backpropagation written by hand."""

import numpy as np
import pytest

import backlit
from backlit.networks import Network, dropout_key
from backlit.networks.dropout import spared
from backlit.training import Adam, GradientDescent, Layout, record_step, training_step
from backlit.training.optimizers import OPTIMIZERS

rng = np.random.default_rng(0)


def examples(network, count, dtype):
    x = rng.normal(size=(count, network.inputs)).astype(dtype)
    if network.loss == "log_loss":
        return x, rng.integers(0, network.outputs, count)
    return x, rng.normal(size=(count, network.outputs)).astype(dtype)


def test_step_follows_the_four_textbook_equations():
    network = Network(4, (5, 3), 2, "logistic", "squared_loss")
    layout = Layout(network.shapes)
    theta = rng.normal(size=layout.size)
    p = layout.views(theta)
    x, y = examples(network, 6, np.float64)
    weights = rng.uniform(0.5, 2, size=6)
    rate = 0.3

    # Forward, one example at a time; W[i, j] goes from unit i to unit j.
    d = {name: np.zeros(shape) for name, shape in network.shapes.items()}
    losses = []
    for n in range(6):
        a0 = x[n]
        a1 = 1 / (1 + np.exp(-(a0 @ p["W1"] + p["b1"])))
        a2 = 1 / (1 + np.exp(-(a1 @ p["W2"] + p["b2"])))
        z3 = a2 @ p["W3"] + p["b3"]
        losses.append(np.sum((z3 - y[n]) ** 2) / 2)
        share = weights[n] / weights.sum()
        delta3 = share * (z3 - y[n])  # 1: the error at the output
        delta2 = (p["W3"] @ delta3) * a2 * (1 - a2)  # 2: the error, propagated back
        delta1 = (p["W2"] @ delta2) * a1 * (1 - a1)
        for k, (a, delta) in enumerate(((a0, delta1), (a1, delta2), (a2, delta3)), start=1):
            d[f"b{k}"] += delta  # 3: the gradient of a bias
            d[f"W{k}"] += np.outer(a, delta)  # 4: the gradient of a weight

    program = record_step(network, GradientDescent(rate), batch_size=6, dtype=np.float64)
    new, _, ours = backlit.run(program, theta, {}, x, y, weights, np.float64(rate), np.float64(1))
    assert np.allclose(ours, losses, rtol=1e-13)
    for name, view in layout.views(new).items():
        assert np.allclose(view, p[name] - rate * d[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [optimizer() for optimizer in OPTIMIZERS.values()])
@pytest.mark.parametrize(
    "network",
    [Network(4, (5,), 3), Network(4, (5, 6), 2, "tanh", "squared_loss"), Network(4, (), 3)],
)
def test_recorded_step_is_the_immediate_one_to_the_bit(network, optimizer, dtype):
    layout = Layout(network.shapes)
    theta = layout.flatten(network.parameters(0, dtype))
    x, y = examples(network, 7, dtype)
    arguments = (
        theta, optimizer.initial_state(theta), x, y, np.ones(7, dtype), dtype(0.01), dtype(1),
    )  # fmt: skip
    recorded = backlit.run(record_step(network, optimizer, 7, dtype), *arguments)
    immediate = training_step(network, optimizer)(*arguments)
    for ours, theirs in zip(recorded[::2], immediate[::2], strict=True):
        assert ours.dtype == dtype
        assert np.array_equal(ours, theirs)
    assert recorded[1].keys() == immediate[1].keys()
    for name, array in recorded[1].items():
        assert np.array_equal(array, immediate[1][name])


@pytest.mark.parametrize("optimizer", [optimizer() for optimizer in OPTIMIZERS.values()])
def test_no_value_of_a_float32_step_is_float64(optimizer):
    program = record_step(Network(4, (5,), 3), optimizer, batch_size=7)
    floats = {i.output.dtype for i in program.instructions if i.output.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}


def test_weight_two_is_the_example_twice():
    network = Network(3, (4,), 2)
    theta = Layout(network.shapes).flatten(network.parameters(0, np.float64))
    x, y = examples(network, 3, np.float64)
    step = training_step(network, GradientDescent())
    weighted, _, _ = step(theta, {}, x, y, np.array([1.0, 2.0, 1.0]), 0.1, 1.0)
    twice = [0, 1, 1, 2]
    repeated, _, _ = step(theta, {}, x[twice], y[twice], np.ones(4), 0.1, 1.0)
    assert np.allclose(weighted, repeated, rtol=1e-13)


def test_step_is_one_short_program_in_the_fields_words():
    program = record_step(Network(4, (5,), 3), Adam(), batch_size=7)
    assert len(program.instructions) < 60
    text = str(program)
    for line in (
        "z = dense(x, W1, b1)",
        "a = relu(z)",
        "output = dense(a, W2, b2)",
        "losses = log_loss(output, y)",
        "d_a = d_output @ W2.T",
        "d_W1 = x.T @ d_z",
        "# mean_factor = 1 - self.beta1**step_number",
        "theta_2 = theta - theta_quotient",
    ):
        assert f"\n    {line}\n" in text, line


def test_printed_step_runs_by_itself_to_the_same_bits():
    network, adam = Network(4, (5,), 3), Adam()
    program = record_step(network, adam, batch_size=7)
    theta = Layout(network.shapes).flatten(network.parameters(0))
    x, y = examples(network, 7, np.float32)
    state = adam.initial_state(theta)
    rest = (np.ones(7, np.float32), np.float32(0.01), np.float32(1))
    names: dict = {}
    exec(str(program), names)
    printed = names["step"](theta, *state.values(), x, y, *rest)
    ours = backlit.run(program, theta, state, x, y, *rest)
    assert np.array_equal(printed[0], ours[0])
    assert np.array_equal(printed[2], ours[2])


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [("binary_log_loss", 1), ("label_log_loss", 3), ("huber_loss", 2), ("poisson_loss", 1)],
)
def test_steps_of_other_losses_go_down_their_mean(loss, outputs):
    network = Network(3, (4,), outputs, "tanh", loss)
    layout = Layout(network.shapes)
    theta = layout.flatten(network.parameters(0, np.float64))
    x = rng.normal(size=(6, 3))
    y = rng.integers(0, 2, 6) if outputs == 1 and loss == "binary_log_loss" else None
    y = rng.integers(0, 2, (6, outputs)).astype(float) if y is None else y
    program = record_step(network, GradientDescent(), 6, np.float64)
    rest = (np.ones(6), np.float64(1.0), np.float64(1))
    new, _, losses = backlit.run(program, theta, {}, x, y, *rest)
    assert np.allclose(losses, network.losses(layout.views(theta), x, y), rtol=1e-14)
    direction = rng.normal(size=theta.size)
    ahead, behind = (
        network.losses(layout.views(theta + h * direction), x, y).mean() for h in (1e-5, -1e-5)
    )
    assert (theta - new) @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)


def test_step_with_dropout_is_backpropagation_through_the_spared_units():
    network = Network(3, (20,), 2, "tanh", "squared_loss", dropout=0.4)
    layout = Layout(network.shapes)
    theta = rng.normal(size=layout.size)
    p = layout.views(theta)
    x, y = examples(network, 5, np.float64)
    key = dropout_key(seed=3, step_number=8)
    factors = spared(key, 1, (5, 20), 0.4) / 0.6

    a = np.tanh(x @ p["W1"] + p["b1"])
    delta2 = (a * factors @ p["W2"] + p["b2"] - y) / 5
    delta1 = delta2 @ p["W2"].T * factors * (1 - a**2)
    expected = {
        "W1": x.T @ delta1, "b1": delta1.sum(0), "W2": (a * factors).T @ delta2, "b2": delta2.sum(0)
    }  # fmt: skip

    program = record_step(network, GradientDescent(), 5, np.float64)
    rest = (np.ones(5), np.float64(1), np.float64(8))
    new, _, _ = backlit.run(program, theta, {}, x, y, *rest, key)
    for name, view in layout.views(theta - new).items():
        assert np.allclose(view, expected[name], rtol=1e-10, atol=1e-13)
    again, _, _ = backlit.run(program, theta, {}, x, y, *rest, key)
    other, _, _ = backlit.run(program, theta, {}, x, y, *rest, dropout_key(3, 9))
    assert np.array_equal(again, new)
    assert not np.array_equal(other, new)


def test_step_with_dropout_needs_a_key():
    network = Network(3, (4,), 2, dropout=0.4)
    theta = Layout(network.shapes).flatten(network.parameters(0))
    x, y = examples(network, 5, np.float32)
    with pytest.raises(ValueError, match="needs a key; see dropout_key"):
        training_step(network, GradientDescent())(theta, {}, x, y, np.ones(5), 0.1, 1.0)
