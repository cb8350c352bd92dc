"""Single rows are predicted as tables are."""

import numpy as np
import pytest

from backlit.networks import Network
from backlit.runs import Model
from backlit.tables import Preparation, Table, Task

rng = np.random.default_rng(0)
TABLE = {
    "age": [30, 50, None, 41, 28, 30],
    "height": [1.5, 1.75, 1.9, 2.0, 1.61, 1.7],
    "sex": ["f", "m", "f", None, "m", "f"],
    "code": ["1", "b", "2", "1", "b", "2"],
}


def model(loss, classes=None, dtype=np.float64):
    preparation, _ = Preparation.fit(Table.from_columns(TABLE), list(TABLE))
    outputs = len(classes) if loss == "log_loss" else 1
    network = Network(len(preparation.inputs), (6, 5), outputs, activation="tanh", loss=loss)
    task = Task("y", "classes" if classes else "numbers", tuple(classes or ()))
    scale = {} if classes else {"target_mean": 3.0, "target_scale": 10.0}
    return Model(network, network.parameters(1, dtype), preparation, task, **scale)


MODELS = [
    model("log_loss", ["x", "y", "z"]),
    model("binary_log_loss", [4, 7]),
    model("squared_loss"),
    model("poisson_loss"),
    model("log_loss", ["x", "y", "z"], np.float32),
]
ROWS = [
    *({name: values[k] for name, values in TABLE.items()} for k in range(6)),
    {"age": 31.5, "height": 2, "sex": " f ", "code": 1, "more": "passed over"},
    {"age": np.float32(31), "height": np.int64(2), "sex": "never met", "code": "1.0"},
    {"age": None, "height": float("nan"), "sex": "NA", "code": "b"},
    {"age": "31", "height": "1.5", "sex": "", "code": 2.0},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.network.loss)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_is_predicted_as_a_table_of_one_row_is(row, model):
    predict, table = model.predictor(), {name: [value] for name, value in row.items()}
    tolerance = 1e-12 if model.parameters["W1"].dtype == np.float64 else 1e-6  # rounding
    if model.task.kind == "classes":
        assert predict(row) == model.predict(table)[0]
        expected = model.predict_probability(table)[0]
        np.testing.assert_allclose(predict.probability(row), expected, atol=tolerance)
    else:
        np.testing.assert_allclose(predict(row), model.predict(table)[0], rtol=tolerance)


def test_what_is_wrong_with_a_row_is_said_as_of_a_table():
    predict = MODELS[2].predictor()
    for row, message in (
        ({"age": 3, "height": 1.5, "sex": "f"}, "lacks the column 'code'"),
        ({**ROWS[0], "age": "old"}, "age"),
        ({**ROWS[0], "age": float("inf")}, "age"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(row)
    with pytest.raises(ValueError, match="predicts numbers, which have no probabilities"):
        predict.probability(ROWS[0])


def test_far_numbers_are_refused_in_float32_as_in_a_table():
    far = {**ROWS[0], "age": 1e300}
    with pytest.raises(ValueError, match="too far from what the model was trained on"):
        MODELS[4].predictor()(far)
