"""A model predicts from raw numbers, and refuses others."""

import numpy as np
import pytest
from scipy.special import softmax

from backlit.networks import Model, Network, Standardisation

rng = np.random.default_rng(0)
x = rng.normal([5, 100], [1, 30], size=(20, 2))
inputs = Standardisation.fit(x)


def test_classes_are_predicted_by_name():
    network = Network(2, (), 3)
    parameters = network.parameters(seed=0, dtype=np.float64)
    model = Model(network, parameters, inputs, classes=["a", "b", "c"])
    logits = (x - x.mean(0)) / x.std(0) @ parameters["W1"] + parameters["b1"]
    assert np.allclose(model.predict_probability(x), softmax(logits, axis=1))
    assert model.predict(x).tolist() == ["abc"[k] for k in logits.argmax(axis=1)]


def test_numbers_are_predicted_in_the_units_of_the_target():
    network = Network(2, (), 1, loss="squared_loss")
    parameters = network.parameters(seed=0, dtype=np.float64)
    model = Model(network, parameters, inputs, Standardisation(np.array([50.0]), np.array([7.0])))
    linear = (x - x.mean(0)) / x.std(0) @ parameters["W1"] + parameters["b1"]
    assert np.allclose(model.predict(x), linear * 7 + 50)
    with pytest.raises(ValueError, match="predicts numbers, which have no probabilities"):
        model.predict_probability(x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (x[:, :1], r"a table with 2 columns, not an array of shape \(20, 1\)"),
        (x[0], r"shape \(2,\)"),
        (np.where(x == x[3, 1], np.nan, x), r"x\[3, 1\] is nan"),
    ],
)
def test_wrong_inputs_are_refused(wrong, message):
    network = Network(2, (), 2)
    model = Model(network, network.parameters(), inputs, classes=[0, 1])
    with pytest.raises(ValueError, match=message):
        model.predict(wrong)
