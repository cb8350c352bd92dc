"""A trained network predicts the rows of a table, and says how well."""

import numpy as np
import pytest
from sklearn import metrics

from backlit.networks import Network
from backlit.runs import Model
from backlit.runs import model as module
from backlit.runs.model import class_scores, number_scores
from backlit.tables import Preparation, Table, Task
from backlit.tables.preparation import NumberColumn

rng = np.random.default_rng(0)
PREPARATION = Preparation((NumberColumn("x", 10.0, 2.0, indicator=False),))


def linear(weights, biases, classes=None, loss=None, **scale):
    """Return a model without hidden layers, whose outputs can be worked out by hand."""
    loss = loss or ("squared_loss" if classes is None else "log_loss")
    network = Network(1, (), len(biases), loss=loss)
    parameters = {"W1": np.array([weights], np.float64), "b1": np.array(biases, np.float64)}
    kind = "numbers" if classes is None else "classes"
    task = Task("y", kind, tuple(classes or ()))
    return Model(network, parameters, PREPARATION, task, **scale)


# ----- Predictions -------------------------------------------------------------------------------


def test_numbers_are_predicted_in_their_units():
    model = linear([3.0], [0.5], target_mean=100.0, target_scale=4.0)
    # x = 12 is one deviation above the mean: 3 * 1 + 0.5 deviations of the target.
    assert model.predict({"x": [12.0, 10.0]}).tolist() == [114.0, 102.0]
    assert model.outputs({"x": [12.0]}).tolist() == [[114.0]]


def test_classes_are_predicted_by_their_names_with_probabilities():
    model = linear([np.log(3), 0.0, -np.log(3)], [0.0] * 3, ["a", "b", "c"])
    rows = {"x": [12.0, 10.0, 8.0]}
    expected = np.array([[9, 3, 1], [13 / 3] * 3, [1, 3, 9]]) / 13
    assert np.allclose(model.predict_probability(rows), expected, rtol=1e-12)
    assert model.predict(rows).tolist() == ["a", "a", "c"]


def test_one_output_stands_for_the_second_class():
    model = linear([np.log(3)], [0.0], [4, 7], loss="binary_log_loss")
    rows = {"x": [12.0, 8.0]}
    assert np.allclose(model.predict_probability(rows), [[0.25, 0.75], [0.75, 0.25]], rtol=1e-12)
    assert model.predict(rows).tolist() == [7, 4]


def test_counts_are_exponentials():
    model = linear([np.log(5)], [0.0], loss="poisson_loss")
    assert np.allclose(model.predict({"x": [12.0, 10.0]}), [5.0, 1.0], rtol=1e-12)


def test_many_rows_are_predicted_as_few_are(monkeypatch):
    model = linear([3.0, -1.0], [0.5, 0.0], ["a", "b"])
    rows = {"x": rng.normal(10, 2, size=10)}
    at_once = model.outputs(rows)
    monkeypatch.setattr(module, "block_rows", lambda shapes: 3)
    assert np.array_equal(model.outputs(rows), at_once)


def test_no_rows_have_no_predictions():
    model = linear([3.0, -1.0], [0.5, 0.0], ["a", "b"])
    assert model.outputs({"x": np.array([])}).shape == (0, 2)
    assert model.predict({"x": np.array([])}).shape == (0,)


def test_columns_may_stand_in_any_order_and_must_be_there():
    model = linear([3.0], [0.5])
    expected = model.predict({"x": [12.0]})
    assert model.predict({"other": ["text"], "x": [12.0]}) == expected
    with pytest.raises(ValueError, match="the table lacks the column 'x'"):
        model.predict({"z": [1.0]})


def test_numbers_have_no_probabilities():
    with pytest.raises(ValueError, match="predicts numbers, which have no probabilities"):
        linear([3.0], [0.5]).predict_probability({"x": [12.0]})


# ----- Scores ------------------------------------------------------------------------------------


def test_scores_of_classes_are_those_of_scikit_learn():
    probabilities = rng.dirichlet(np.ones(3), size=50)
    codes = rng.integers(3, size=50)
    scores = class_scores(probabilities, codes)
    assert scores["accuracy"] == metrics.accuracy_score(codes, probabilities.argmax(axis=1))
    assert scores["log loss"] == pytest.approx(metrics.log_loss(codes, probabilities), rel=1e-12)


def test_scores_of_numbers_are_those_of_scikit_learn():
    predicted, true = rng.normal(size=(2, 50))
    assert number_scores(predicted, true) == pytest.approx(
        {
            "RMSE": np.sqrt(metrics.mean_squared_error(true, predicted)),
            "MAE": metrics.mean_absolute_error(true, predicted),
            "R2": metrics.r2_score(true, predicted),
        },
        rel=1e-12,
    )


def test_a_class_that_the_model_does_not_know_is_predicted_wrongly():
    scores = class_scores(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, -1]))
    assert scores["accuracy"] == 0.5
    # The smallest float64 above zero that keeps its precision is 2**-1022.
    assert scores["log loss"] == pytest.approx(1022 * np.log(2) / 2)


def test_true_numbers_that_are_all_the_same_have_no_r2():
    assert number_scores(np.array([1.0, 2.0]), np.array([2.0, 2.0])).keys() == {"RMSE", "MAE"}


def test_without_rows_there_are_no_scores():
    assert class_scores(np.empty((0, 2)), np.empty(0, np.intp)) == {}
    assert number_scores(np.empty(0), np.empty(0)) == {}


def test_rows_without_a_target_do_not_count():
    numbers = linear([1.0], [0.0])
    table = Table.from_columns({"x": [12.0, 10.0, 8.0], "y": [2.0, np.nan, -1.0]})
    assert numbers.scores(table, numbers.outputs(table))["MAE"] == 0.5
    classes = linear([1.0, 0.0], [0.0, 0.0], ["up", "down"])
    table = Table.from_columns({"x": [12.0, 10.0, 8.0], "y": ["up", None, "up"]})
    assert classes.scores(table, classes.outputs(table))["accuracy"] == 0.5


def test_texts_in_place_of_numbers_have_no_scores():
    model = linear([1.0], [0.0])
    table = Table.from_columns({"x": [12.0, 10.0], "y": ["many", "few"]})
    assert model.scores(table, model.outputs(table)) == {}


# ----- Parts that do not fit ---------------------------------------------------------------------

CLASSES = Task("y", "classes", ("a", "b"))
NUMBERS = Task("y", "numbers")
TWO = Network(1, (), 2)


@pytest.mark.parametrize(
    ("network", "task", "message"),
    [
        (Network(2, (), 2), CLASSES, "makes 1 input, and the network takes 2"),
        (TWO, NUMBERS, "log_loss is not for a target that holds numbers"),
        (Network(1, (), 1, loss="huber_loss"), CLASSES, "huber_loss is not for .* holds classes"),
        (Network(1, (), 3), CLASSES, "tells 3 classes apart, and the task has 2"),
        (
            Network(1, (), 1, loss="binary_log_loss"),
            Task("y", "classes", ("a", "b", "c")),
            "tells 2 classes apart, and the task has 3",
        ),
        (Network(1, (), 2, loss="squared_loss"), NUMBERS, "does not predict one number"),
        (Network(1, (), 1, loss="label_log_loss"), NUMBERS, "does not predict one number"),
        (
            Network(1, (), 1, loss="squared_loss"),
            Task("y", "numbers", ("a",)),
            "does not predict one number",
        ),
    ],
)
def test_a_network_for_another_task_is_refused(network, task, message):
    with pytest.raises(ValueError, match=message):
        Model(network, network.parameters(), PREPARATION, task)


def test_parameters_of_another_network_are_refused():
    with pytest.raises(ValueError, match=r"have the shapes .*'W2'.*, not .*'W1': \(1, 2\)"):
        Model(TWO, Network(1, (3,), 2).parameters(), PREPARATION, CLASSES)


@pytest.mark.parametrize(
    "scale",
    [{"target_scale": 0.0}, {"target_scale": np.inf}, {"target_scale": -1.0},
     {"target_scale": np.nan}, {"target_mean": np.nan}, {"target_mean": -np.inf}],
)  # fmt: skip
def test_a_scale_that_is_no_positive_number_is_refused(scale):
    with pytest.raises(ValueError, match="are not a finite and a positive number"):
        linear([1.0], [0.0], **scale)
