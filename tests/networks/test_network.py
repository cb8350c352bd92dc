"""The multilayer perceptron: its shapes, its forward pass by hand, its specification."""

import numpy as np
import pytest
from scipy.special import softmax

import backlit
from backlit.networks import Network
from backlit.networks.activations import ACTIVATIONS

rng = np.random.default_rng(0)


def test_parameters_have_names_shapes_and_dtype():
    network = Network(4, (3, 5), 2)
    parameters = network.parameters(seed=0)
    shapes = {"W1": (4, 3), "b1": (3,), "W2": (3, 5), "b2": (5,), "W3": (5, 2), "b3": (2,)}
    assert {name: array.shape for name, array in parameters.items()} == shapes
    assert network.shapes == shapes
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}
    assert not any(parameters[name].any() for name in ("b1", "b2", "b3"))


def test_rectifiers_start_by_he_and_outputs_by_glorot():
    parameters = Network(200, (100,), 50, "relu").parameters(seed=0)
    assert parameters["W1"].var() == pytest.approx(2 / 200, rel=0.05)
    assert parameters["W2"].var() == pytest.approx(2 / 150, rel=0.05)
    parameters = Network(200, (100,), 50, "tanh").parameters(seed=0)
    assert parameters["W1"].var() == pytest.approx(2 / 300, rel=0.05)


def test_layers_start_from_different_numbers():
    parameters = Network(4, (4, 4), 4, "tanh").parameters(seed=0)
    drawn = np.concatenate([parameters[name].ravel() for name in ("W1", "W2", "W3")])
    assert len(np.unique(drawn)) == 48


def test_both_precisions_start_from_the_same_weights():
    single, double = (Network(4, (3,), 2).parameters(1, d) for d in (np.float32, np.float64))
    for name in single:
        assert np.array_equal(double[name].astype(np.float32), single[name])


def test_forward_pass_is_the_textbooks():
    network = Network(3, (4,), 2, "tanh")
    p = network.parameters(seed=0, dtype=np.float64)
    x = rng.normal(size=(5, 3))
    expected = np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    assert np.allclose(network.forward(p, x), expected, rtol=1e-14)
    assert np.allclose(network.predict(p, x), softmax(expected, axis=1), rtol=1e-13)
    assert np.allclose(network.forward(p, x[0]), expected[0], rtol=1e-13)


def test_network_without_hidden_layers_is_linear():
    network = Network(3, (), 1, loss="squared_loss")
    p = network.parameters(seed=0, dtype=np.float64)
    x = rng.normal(size=(5, 3))
    assert np.array_equal(network.predict(p, x), x @ p["W1"] + p["b1"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["log_loss", "squared_loss"])
def test_gradients_agree_with_differences(activation, loss):
    network = Network(3, (4, 3), 2, activation, loss)
    p = network.parameters(seed=1, dtype=np.float64)
    p = {name: array + 0.1 * rng.normal(size=array.shape) for name, array in p.items()}
    x = rng.normal(size=(5, 3))
    y = np.array([0, 1, 1, 0, 1]) if loss == "log_loss" else rng.normal(size=(5, 2))
    backlit.check_grads(lambda p: network.losses(p, x, y), (p,), order=1)


def test_specification_survives_json():
    network = Network(3, (4, 5), 2, "logistic")
    assert Network.from_json(network.to_json()) == network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "sizes of layers are integers from 1 on, not 0"),
        ({"hidden": (3, 2.5)}, "sizes of layers are integers from 1 on, not 2.5"),
        ({"outputs": True}, "not True"),
        ({"activation": "relo"}, "activation must be one of identity, .*, not 'relo'"),
        ({"loss": None}, "loss must be one of log_loss, squared_loss, not None"),
        ({"outputs": 1}, "2 classes or more"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network(**{"inputs": 2, "hidden": (3,), "outputs": 2, **arguments})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.pop("loss"), "lacks loss"),
        (lambda spec: spec.update(dropout=0.5), "has unknown dropout"),
        (lambda spec: spec.update(hidden=3), "hidden sizes are not a list"),
    ],
)
def test_damaged_specifications_are_refused(change, message):
    spec = Network(2, (3,), 2).to_json()
    change(spec)
    with pytest.raises(ValueError, match=message):
        Network.from_json(spec)


def test_specification_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="not a JSON object"):
        Network.from_json([1, 2])
