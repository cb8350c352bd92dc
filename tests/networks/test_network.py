"""The multilayer perceptron: its shapes, its forward pass by hand, its specification."""

import json

import numpy as np
import pytest
from scipy.special import expit, softmax

import backlit
from backlit.networks import Network, dropout_key
from backlit.networks.activations import ACTIVATIONS
from backlit.networks.losses import LOSSES

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
    parameters = Network(200, (100,), 50, "selu").parameters(seed=0)
    assert parameters["W1"].var() == pytest.approx(1 / 200, rel=0.05)


def test_initial_weights_may_be_named_or_an_interval():
    for initial, variances in (
        ("lecun_uniform", (1 / 200, 1 / 100)),
        ("he_uniform", (2 / 200, 2 / 100)),
        (0.3, (0.03, 0.03)),
    ):
        parameters = Network(200, (100,), 50, initial=initial).parameters(seed=0)
        assert parameters["W1"].var() == pytest.approx(variances[0], rel=0.05)
        assert parameters["W2"].var() == pytest.approx(variances[1], rel=0.05)


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
    network = Network(3, (4, 3), 2, activation, loss, dropout=0.3)
    p = network.parameters(seed=1, dtype=np.float64)
    p = {name: array + 0.1 * rng.normal(size=array.shape) for name, array in p.items()}
    x = rng.normal(size=(5, 3))
    y = np.array([0, 1, 1, 0, 1]) if loss == "log_loss" else rng.normal(size=(5, 2))
    for key in (None, dropout_key(0, 1)):
        backlit.check_grads(lambda p, key=key: network.losses(p, x, y, key), (p,), order=1)


@pytest.mark.parametrize(
    ("loss", "outputs", "options"),
    [("huber_loss", 2, {"delta": 0.3}), ("log_loss", 3, {"smoothing": 0.1}),
     ("binary_log_loss", 1, {}), ("poisson_loss", 2, {}), ("label_log_loss", 2, {})],
)  # fmt: skip
def test_losses_are_those_of_the_outputs_with_the_options(loss, outputs, options):
    network = Network(3, (4,), outputs, loss=loss, loss_options=options)
    p = network.parameters(seed=0, dtype=np.float64)
    x = rng.normal(size=(5, 3))
    y = {
        "classes": np.array([0, 1, 1, 0, 1]),
        "labels": rng.integers(0, 2, (5, outputs)),
        "numbers": rng.normal(size=(5, outputs)),
        "counts": rng.poisson(2.0, (5, outputs)).astype(float),
    }[network.targets]
    expected = LOSSES[loss](network.forward(p, x), y, **options)
    assert np.array_equal(network.losses(p, x, y), expected)


def test_predictions_are_on_the_scale_of_the_targets():
    x = rng.normal(size=(5, 3))
    for loss, expected in (
        ("label_log_loss", expit),
        ("binary_log_loss", lambda z: np.column_stack([1 - expit(z), expit(z)])),
        ("poisson_loss", np.exp),
        ("huber_loss", lambda z: z),
    ):
        network = Network(3, (4,), 1, loss=loss)
        p = network.parameters(seed=0, dtype=np.float64)
        assert np.allclose(network.predict(p, x), expected(network.forward(p, x)), rtol=1e-13)


@pytest.mark.parametrize(
    "network",
    [
        Network(3, (4, 5), 2, "logistic"),
        Network(3, (), 2, "selu", "huber_loss", {"delta": 0.5}, 0.25, "lecun_uniform"),
        Network(3, (4,), 2, loss_options={"smoothing": 0.1}, initial=0.05),
    ],
)
def test_specification_survives_json(network):
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
    assert hash(network) == hash(Network.from_json(network.to_json()))


def test_options_cannot_change_a_network_afterwards():
    options = {"delta": 0.5}
    network = Network(3, (4,), 1, loss="huber_loss", loss_options=options)
    options["delta"] = 2.0
    assert network.loss_options == {"delta": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "sizes of layers are integers from 1 on, not 0"),
        ({"hidden": (3, 2.5)}, "sizes of layers are integers from 1 on, not 2.5"),
        ({"outputs": True}, "not True"),
        ({"activation": "relo"}, "activation must be one of identity, .*, not 'relo'"),
        ({"loss": None}, "loss must be one of log_loss, .*, not None"),
        ({"outputs": 1}, "2 classes or more"),
        ({"loss": "binary_log_loss"}, "binary_log_loss has one output, not 2"),
        ({"loss_options": {"delta": 1.0}}, "log_loss has no option 'delta', but smoothing"),
        ({"loss_options": None}, "options of a loss are a dict of numbers, not None"),
        ({"dropout": 1.0}, "dropout must be a number from 0 to below 1, not 1.0"),
        ({"dropout": "0.1"}, "dropout must be .*, not '0.1'"),
        ({"initial": "normal"}, "initial must be one of automatic, .*, not 'normal'"),
        ({"initial": 0.0}, "interval above 0, not 0.0"),
        ({"initial": None}, "initial must be one of automatic, .*, not None"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network(**{"inputs": 2, "hidden": (3,), "outputs": 2, **arguments})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.pop("loss"), "lacks loss"),
        (lambda spec: spec.update(depth=3), "has unknown depth"),
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
