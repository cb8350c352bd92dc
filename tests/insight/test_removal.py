"""A removal is a training without the rows, and nothing else."""

import numpy as np
import pytest
from tests.insight.accounted import CLASSES, X, watched

from backlit.insight.goals import Prediction, goal_of
from backlit.insight.removal import removal
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import GradientDescent, Settings, train


def test_a_removal_is_the_training_of_the_others():
    # With all rows in each batch, their order is of no account, and train() can leave them out.
    settings = Settings(GradientDescent(0.3), epochs=20, batch_size=60, dtype="float64")
    network, gone, others = Network(4, (6,), 3, "tanh"), [3, 17, 40], np.ones(60, bool)
    others[gone] = False
    _, recording = watch(network, (X, CLASSES), settings=settings)
    found = removal(recording, gone, of=Prediction(X[3], 0))
    plain = train(network, (X[others], CLASSES[others]), settings=settings)
    goal = goal_of(recording, Prediction(X[3], 0))
    theta = recording.subject.layout.flatten(plain.parameters)
    assert found.after == pytest.approx(goal.value(theta), rel=1e-9)
    assert found.before == goal.value(recording.theta)
    way = np.linalg.norm(recording.theta - recording.course.begin()[0])
    assert found.moved == pytest.approx(np.linalg.norm(theta - recording.theta) / way, rel=1e-9)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_steps_before_the_first_with_the_row_are_the_same_to_the_bit(engine):
    network, settings = Network(4, (6,), 3, dropout=0.2), Settings(batch_size=8, epochs=2)
    _, recording = watch(network, (X, CLASSES), settings=settings, engine=engine)
    row = recording.row[20]  # in the third batch
    changed = recording.course.without(np.array([row]))
    theta, state = changed.begin()
    for moment in recording.replay(last=3):
        theta, state = changed.step(theta, state, moment.rows, moment.learning_rate, moment.number)
        assert (theta.tobytes() == moment.after.tobytes()) == (moment.number < 3)
    assert recording.course.examples.weights[row] == 1


def test_summary_frame_and_plot_say_what_changed():
    recording = watched("adam")
    found = removal(recording, 5)
    text = found.summary()
    assert text.startswith("Trained again without row 5, with the same seed")
    assert f"came to {found.after:.4g} in place of {found.before:.4g}" in text
    assert "without 2 rows" in removal(recording, [5, 6]).summary()
    assert found.frame()["value"].tolist() == [found.before, found.after]
    assert found.plot().get_xlabel() == "the validation loss"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([3, 50], "row 50 is not in the training part; give some of its 42 rows.* 0 to 41"),
        ([], "no row is given; give some"),
        (range(42), "the batch of step 1 would have no row left; remove fewer than these 42"),
    ],
)
def test_rows_that_cannot_be_removed_are_said(rows, text):
    with pytest.raises(ValueError, match=text):
        removal(watched("adam"), rows)
