"""What inputs contribute: the linear map is the network, and contributions sum to the change."""

import re

import numpy as np
import pytest

import backlit
from backlit.insight.inputs import integrated_gradients, linear_map
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.networks.activations import ACTIVATIONS
from backlit.training import Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = {
    "log_loss": RNG.integers(0, 3, 60),
    "binary_log_loss": RNG.integers(0, 2, 60),
    "label_log_loss": RNG.integers(0, 2, (60, 2)).astype(float),
    "squared_loss": RNG.normal(size=(60, 2)),
    "poisson_loss": RNG.integers(0, 4, (60, 1)).astype(float),
}
OUTPUTS = {"log_loss": 3, "label_log_loss": 2, "squared_loss": 2}


def trained(activation="relu", loss="squared_loss", hidden=(7, 6), **more):
    network = Network(4, hidden, OUTPUTS.get(loss, 1), activation, loss)
    y = Y[loss]
    how = {"epochs": 20, "batch_size": 20, "dtype": "float64", "optimizer": Adam(0.01)} | more
    return watch(network, (X[:50], y[:50]), (X[50:], y[50:]), **how)[1]


def pattern(recording, x):
    """Which side of its kink each unit is on, for one example or several."""
    rows = np.atleast_2d(x)
    y = np.repeat(recording.training.y[:1], len(rows), axis=0)
    passes = recording.subject.passes(recording.theta, rows, y)
    sides = np.hstack([z > 0 for z in passes.pre_activations[:-1]])
    return sides if x.ndim == 2 else sides[0]


# ----- The linear map ----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (9,), (7, 6), (8, 8, 8)])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "identity"])
def test_the_map_is_the_network(activation, hidden):
    recording = trained(activation, hidden=hidden)
    for row in (0, 7, 55):
        found = linear_map(recording, row)
        outputs = recording.subject.outputs(recording.theta, X[row : row + 1])[0]
        size = np.max(np.abs(outputs))
        mapped = X[row] @ found.weights + found.biases
        np.testing.assert_allclose(mapped, outputs, rtol=0, atol=1e-14 * max(size, 1))
        total = found.start + np.sum(found.contributions)
        np.testing.assert_allclose(total + found.residual, outputs[0], rtol=1e-15)
        assert abs(found.residual) < 1e-14 * max(size, 1)


def test_the_map_is_the_jacobian():
    recording = trained()
    jacobian = backlit.jacobian(lambda x: recording.subject.outputs(recording.theta, x[None])[0])
    found = linear_map(recording, 3)
    np.testing.assert_allclose(found.weights.T, jacobian(X[3]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_no_unit_passes_its_kink_within_the_radius(activation):
    recording = trained(activation)
    for row in range(10):
        found = linear_map(recording, row)
        here = pattern(recording, X[row])
        directions = RNG.normal(size=(1000, 4))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        moved = X[row] + 0.999 * found.radius * directions
        np.testing.assert_array_equal(pattern(recording, moved), np.tile(here, (1000, 1)))


def test_the_named_unit_passes_its_kink_just_beyond_the_radius():
    recording = trained()
    sizes = recording.subject.sizes
    for row in range(10):
        found = linear_map(recording, row)
        layer, unit = found.kink

        def of_unit(x, layer=layer, unit=unit):
            parameters = recording.subject.layout.views(recording.theta)
            for k in range(1, layer + 1):
                z = x @ parameters[f"W{k}"] + parameters[f"b{k}"]
                x = np.maximum(z, 0)
            return z[unit]

        normal = backlit.grad(of_unit)(X[row])
        toward = -np.sign(of_unit(X[row])) * normal / np.linalg.norm(normal)
        changed = pattern(recording, X[row] + 1.001 * found.radius * toward)
        differs = np.flatnonzero(changed != pattern(recording, X[row]))
        assert sum(sizes[1:layer]) + unit in differs


def test_each_input_may_go_alone_to_its_bounds():
    recording = trained()
    for row in range(10):
        found = linear_map(recording, row)
        here = pattern(recording, X[row])
        for k in range(4):
            for bound in (found.lower[k], found.upper[k]):
                if np.isinf(bound):
                    bound = X[row, k] + 1e6 * np.sign(bound)
                    crossed = False
                else:
                    crossed = True
                for beyond in (0.999, 1.001):
                    moved = X[row].copy()
                    moved[k] += beyond * (bound - X[row, k])
                    same = np.array_equal(pattern(recording, moved), here)
                    assert same == (beyond < 1 or not crossed)


def test_a_network_without_kinks_is_one_map():
    recording = trained("identity")
    found = linear_map(recording, 3)
    assert found.radius == np.inf and found.kink is None
    assert np.all(np.isinf(found.upper)) and np.all(np.isinf(found.lower))
    assert found.summary().endswith("It holds for all inputs: no unit has a kink.")


def test_other_activations_have_no_map():
    with pytest.raises(ValueError, match="layer 1 has tanh units, and only networks of identity"):
        linear_map(trained("tanh", epochs=1), 0)


# ----- Integrated gradients ----------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_integrated_gradients_of_one_hidden_layer_are_the_closed_form(activation):
    # Along the way, a unit's pre-activation goes evenly from z0 to z1, so that the mean of its
    # slope is (f(z1) - f(z0)) / (z1 - z0).
    recording = trained(activation, hidden=(9,))
    p = recording.subject.layout.views(recording.theta)
    baseline = RNG.normal(size=4)
    found = integrated_gradients(recording, 3, output=1, baseline=baseline, tolerance=1e-6)
    z0, z1 = (x @ p["W1"] + p["b1"] for x in (baseline, X[3]))
    f = ACTIVATIONS[activation]
    slopes = (f(z1) - f(z0)) / (z1 - z0)
    expected = (X[3] - baseline) * (p["W1"] @ (slopes * p["W2"][:, 1]))
    size = np.sum(np.abs(expected))
    np.testing.assert_allclose(found.contributions, expected, rtol=0, atol=1e-6 * size)
    assert found.error <= 1e-6 * size * 1.001


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("loss", Y)
def test_contributions_sum_to_the_change_from_the_mean(loss, activation):
    recording = trained(activation, loss)
    mean = np.mean(X[:50], axis=0)
    for row in (3, 52):
        found = integrated_gradients(recording, row)
        np.testing.assert_allclose(found.baseline, mean, rtol=1e-12, atol=1e-15)
        total = found.start + np.sum(found.contributions)
        np.testing.assert_allclose(total + found.residual, found.value, rtol=1e-14)
        assert abs(found.residual) <= 1e-4 * np.sum(np.abs(found.contributions))
        assert abs(found.residual) <= found.error * 1.001


def test_a_smaller_tolerance_takes_more_pieces():
    recording = trained("relu", hidden=(30, 30))
    loose = integrated_gradients(recording, 3, tolerance=1e-2)
    tight = integrated_gradients(recording, 3, tolerance=1e-8)
    assert tight.pieces > loose.pieces
    size = np.sum(np.abs(tight.contributions))
    assert tight.error <= 1e-8 * size * 1.001
    assert np.sum(np.abs(tight.contributions - loose.contributions)) <= 1e-2 * size


def test_an_example_at_the_baseline_has_no_contributions():
    found = integrated_gradients(trained(), X[5], baseline=X[5])
    np.testing.assert_array_equal(found.contributions, 0)
    assert found.row is None and found.summary().startswith("The example: ")


def test_what_cannot_be_reached_is_said():
    with pytest.raises(ValueError, match=r"tolerance of 1e-18 is not reached with 5,000 pieces"):
        integrated_gradients(trained(), 3, tolerance=1e-18)


# ----- What is explained -------------------------------------------------------------------------


def test_a_class_is_explained_against_the_strongest_other():
    recording = trained("tanh", "log_loss")
    outputs = recording.subject.outputs(recording.theta, X[:1])[0]
    third, second, first = np.argsort(outputs)
    found = integrated_gradients(recording, 0)
    assert found.quantity == f"the log-odds of class {first} against class {second}"
    np.testing.assert_allclose(found.value, outputs[first] - outputs[second], rtol=1e-14)
    chosen = integrated_gradients(recording, 0, output=int(third), against=f"class {second}")
    np.testing.assert_allclose(chosen.value, outputs[third] - outputs[second], rtol=1e-14)


def test_of_two_classes_each_is_explained():
    recording = trained("tanh", "binary_log_loss")
    (logit,) = recording.subject.outputs(recording.theta, X[:1])[0]
    for name, value in (("class 1", logit), ("class 0", -logit)):
        found = integrated_gradients(recording, 0, output=name)
        np.testing.assert_allclose(found.value, value, rtol=1e-14)
        assert found.quantity.startswith(f"the log-odds of {name} against class ")


@pytest.mark.parametrize(
    ("loss", "quantity"),
    [
        ("label_log_loss", "the log-odds of label [12]"),
        ("squared_loss", "target 1"),
        ("poisson_loss", "the logarithm of the expected target 1"),
    ],
)
def test_other_outputs_are_explained_by_themselves(loss, quantity):
    assert re.fullmatch(quantity, linear_map(trained("relu", loss), 0).quantity)


@pytest.mark.parametrize(
    ("loss", "ask", "error"),
    [
        ("log_loss", {"row": 60}, "linear_map: row 60 is neither in the training nor in the held"),
        ("log_loss", {"row": [1.0]}, r"or 4 finite inputs, not an array of shape \(1,\)$"),
        ("log_loss", {"row": [np.nan] * 4}, r"shape \(4,\) with numbers that are not finite"),
        ("log_loss", {"row": 0, "output": "no"}, r"output must be a name \(class 0, class 1, clas"),
        ("log_loss", {"row": 0, "output": 3}, "or from 0 to 2, not 3"),
        ("log_loss", {"row": 0, "output": 1, "against": 1}, "output and against are both class 1"),
        ("squared_loss", {"row": 0, "against": 1}, "against is for classes, and the outputs are n"),
    ],
)
def test_what_there_is_not_is_refused(loss, ask, error):
    with pytest.raises(ValueError, match=error):
        linear_map(trained("relu", loss, epochs=1), **ask)


def test_a_wrong_baseline_or_tolerance_is_refused():
    recording = trained(epochs=1)
    with pytest.raises(ValueError, match="integrated_gradients, baseline: give the number of a r"):
        integrated_gradients(recording, 0, baseline=np.zeros(3))
    with pytest.raises(ValueError, match="tolerance must be above 0, not 0"):
        integrated_gradients(recording, 0, tolerance=0)


# ----- Words, columns, pictures ------------------------------------------------------------------


def test_inputs_made_of_one_column_are_summed():
    found = linear_map(trained(), 3)
    grouped = found.by_column(["age", "colour", "colour", "age"])
    assert grouped.names == ("age", "colour")
    a, b, c, d = found.contributions
    np.testing.assert_allclose(grouped.contributions, [a + d, b + c])
    assert (grouped.value, grouped.start) == (found.value, found.start)
    assert "colour" in grouped.summary() and list(grouped.columns()) == ["input", "contribution"]
    with pytest.raises(ValueError, match="there are 4 inputs, and 2 columns were given"):
        found.by_column(["age", "colour"])


def test_the_strongest_inputs_are_told_first_and_the_others_are_summed():
    x = RNG.normal(size=(40, 15))
    network = Network(15, (), 1, loss="squared_loss")
    _, recording = watch(network, (x, x[:, :1]), epochs=2, dtype="float64")
    found = linear_map(recording, 3)
    _, start, *lines, total, _ = found.summary().splitlines()
    assert start.split()[:4] == ["bias", "of", "the", "map"]
    numbers = [float(line.split()[-1]) for line in lines]
    assert len(numbers) == 11 and lines[-1].split()[:2] == ["5", "others"]
    assert np.all(np.diff(np.abs(numbers[:10])) <= 0)
    assert abs(float(start.split()[-1]) + sum(numbers) - float(total.split()[-1])) < 12 * 5e-4
    pytest.importorskip("matplotlib")
    labels = [tick.get_text() for tick in found.plot().get_yticklabels()]
    assert labels[0] == "5 others" and len(labels) == 11
    assert list(found.columns()) == ["input", "value", "contribution", "lower", "upper"]
    assert "baseline" in integrated_gradients(recording, 3).columns()
