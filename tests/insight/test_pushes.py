"""An account of pushes balances, and says of each row what its gradients did."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from tests.insight.accounted import (
    CLASSES,
    OPTIMIZERS,
    WEIGHTS,
    X,
    gradient_of_one,
    split,
    watched,
)

import backlit.insight.backwards as backwards_module
import backlit.insight.pushes as pushes_module
from backlit.autodiff.derivatives import grad
from backlit.insight.backwards import backwards, ensure_memory, kept_steps
from backlit.insight.goals import Prediction, goal_of
from backlit.insight.neighbours import neighbours
from backlit.insight.pushes import pushes
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Rprop, Settings

CASES = [
    ("gradient descent", {}),
    ("gradient descent", {"dropout": 0.3, "weights": WEIGHTS, "everything": True}),
    ("momentum", {"everything": True}),
    ("nesterov", {"weights": WEIGHTS}),
    ("nesterov", {"everything": True, "dropout": 0.3}),
    ("rmsprop", {"everything": True}),
    ("adam", {"loss": "squared_loss"}),
    ("adam", {"everything": True, "activation": "relu"}),
    ("adamw", {"dropout": 0.3, "weights": WEIGHTS, "everything": True}),
]


def _balance(account):
    others = account.penalty + account.decay + account.earlier + account.residual
    return account.before + np.sum(account.pushes) + others - account.after


@pytest.mark.parametrize(("optimizer", "more"), CASES)
def test_the_account_balances_but_for_rounding(optimizer, more):
    account = pushes(watched(optimizer, **more))
    size = np.sum(np.abs(account.pushes)) + abs(account.before)
    assert abs(_balance(account)) <= 1e-13 * size
    assert account.rounding == pytest.approx(-_balance(account), abs=1e-15 * size)
    assert account.residual == pytest.approx(np.sum(account.residuals))
    assert np.sum(account.changes) == pytest.approx(account.after - account.before, rel=1e-9)
    assert (account.penalty != 0) == ("everything" in more)
    assert (account.decay != 0) == (optimizer != "adam")


@pytest.mark.parametrize(("optimizer", "more"), CASES)
def test_pushes_are_those_of_gradients_written_out_one_by_one(optimizer, more, monkeypatch):
    monkeypatch.setattr(pushes_module, "HALVINGS", 0)  # the trapezoid rule alone
    recording = watched(optimizer, **more)
    loss = more.get("loss", "log_loss")
    held, layout, steps = recording.held_out, recording.subject.layout, kept_steps(recording)
    network = Network(4, (6, 5), recording.subject.sizes[-1], more.get("activation", "tanh"), loss)

    def gradient_of_goal(theta):
        of_mean = grad(lambda p: np.mean(network.losses(p, held.x, held.y)))
        return layout.flatten(of_mean(layout.views(theta)))

    found = pushes(recording)
    made = split(recording, OPTIMIZERS[optimizer], steps, gradient_of_one(loss, recording))
    pushed, penalty, decay = np.zeros(42), 0.0, 0.0
    for step, moment in enumerate(recording.replay(last=steps)):
        V = (gradient_of_goal(moment.theta) + gradient_of_goal(moment.after)) / 2
        pushed += made.examples[step] @ V
        penalty += made.penalty[step] @ V
        decay += made.decay[step] @ V
    scale = np.max(np.abs(pushed))
    np.testing.assert_allclose(found.pushes, pushed, rtol=1e-9, atol=1e-11 * scale)
    assert found.penalty == pytest.approx(penalty, rel=1e-9, abs=1e-12 * scale)
    assert found.decay == pytest.approx(decay, rel=1e-9, abs=1e-12 * scale)


def test_halving_comes_near_the_mean_gradient_along_each_step():
    recording = watched("gradient descent", activation="tanh", epochs=3)
    goal, found = goal_of(recording, "validation loss"), pushes(recording)
    pushed = np.zeros(42)
    for moment in recording.replay(last=kept_steps(recording)):
        step = moment.after - moment.theta
        # Gauss' rule with 8 nodes: exact to polynomials of degree 15.
        nodes, weights = np.polynomial.legendre.leggauss(8)
        along = [goal.value_and_gradient(moment.theta + (s + 1) / 2 * step)[1] for s in nodes]
        mean = np.average(along, axis=0, weights=weights)
        part = recording.training
        passes = recording.subject.passes(
            moment.theta, part.x[moment.rows], part.y[moment.rows], moment.key
        )
        shares = recording.course.shares(moment.rows)
        given = -moment.learning_rate * shares * recording.subject.products(passes, mean)
        np.add.at(pushed, moment.rows, given)
    largest = np.max(np.abs(pushed))
    np.testing.assert_allclose(found.pushes, pushed, atol=0.03 * largest)


@pytest.mark.parametrize("optimizer", ["gradient descent", "adam"])
def test_residuals_stay_within_what_is_allowed(optimizer, monkeypatch):
    recording = watched(optimizer, activation="relu", epochs=30)
    fine = pushes(recording)
    monkeypatch.setattr(pushes_module, "HALVINGS", 0)
    coarse = pushes(recording)
    assert fine.missed < coarse.missed
    assert fine.missed < 0.03
    assert 1.3 < fine.evaluations < 2.6
    np.testing.assert_allclose(fine.changes, coarse.changes, atol=1e-15)


def test_momentum_from_before_has_a_line_of_its_own():
    recording = watched("momentum")
    course = recording.course
    velocity = {"velocity": np.random.default_rng(0).normal(size=recording.theta.size) * 0.01}

    class GoingOn(type(course)):
        def begin(self):
            return course.begin()[0], velocity

    steps = kept_steps(recording)
    on = GoingOn(course.network, course.optimizer, course.settings, course.examples)
    recording = replace(recording, course=on)
    *_, last = recording.replay(last=steps)
    recording = replace(recording, theta=last.after)
    account = pushes(recording)
    assert abs(_balance(account)) < 1e-13
    # What the velocity does by itself: 0.9, 0.81 ... of it, along the slopes that were met.
    goal, expected = goal_of(recording, "validation loss"), 0.0
    for moment in recording.replay(last=steps):
        slopes = [goal.value_and_gradient(t)[1] for t in (moment.theta, moment.after)]
        expected += 0.9**moment.number * velocity["velocity"] @ (slopes[0] + slopes[1]) / 2
    assert account.earlier == pytest.approx(expected, rel=0.02)


def test_only_steps_that_led_to_the_kept_parameters_count():
    recording = watched("adam", epochs=40)
    assert 0 < recording.figures.best_epoch < 40
    account = pushes(recording)
    assert len(account.changes) == 4 * recording.figures.best_epoch
    best = recording.figures.validation_loss[recording.figures.best_epoch - 1]
    assert account.after == pytest.approx(best, rel=1e-12)


def test_pieces_of_a_replay_give_the_same_account(monkeypatch):
    recording = watched("adamw", dropout=0.2, epochs=5)
    whole, forth = pushes(recording), [m.after.tobytes() for m in recording.replay(last=19)]
    monkeypatch.setattr(backwards_module, "PLENTY", 0)
    pieces = pushes(recording)
    assert whole.pushes.tobytes() == pieces.pushes.tobytes()
    recording = replace(recording, theta=np.frombuffer(forth[-1]))
    back = [m.after.tobytes() for m in backwards(recording, 19)]
    assert back == forth[::-1]


def test_float32_and_sparse_inputs_balance_to_their_rounding():
    from scipy.sparse import csr_array

    network = Network(4, (6,), 3)
    some = csr_array(np.where(np.abs(X) > 0.5, X, 0))
    data, held = (some[:42], CLASSES[:42]), (some[42:], CLASSES[42:])
    _, recording = watch(network, data, held, Settings(epochs=5, engine="reference"))
    account = pushes(recording)
    assert abs(account.rounding) < 1e-6 * np.sum(np.abs(account.pushes))
    _, dense = watch(
        network, (some[:42].toarray(), data[1]), (some[42:].toarray(), held[1]),
        Settings(epochs=5, engine="reference"),
    )  # fmt: skip
    np.testing.assert_allclose(account.pushes, pushes(dense).pushes, rtol=1e-3, atol=1e-7)


def _outputs(recording, x):
    network = Network(4, (6, 5), recording.subject.sizes[-1], "tanh", "log_loss")
    return network.forward(recording.subject.layout.views(recording.theta), x)


def test_a_prediction_is_what_the_network_says():
    recording = watched("adam")
    z = _outputs(recording, X[3:5])
    p = softmax(z, axis=1)
    for number in range(3):
        asked = Prediction(X[3:5], number)
        log_odds = np.mean(np.log(p[:, number] / (1 - p[:, number])))
        assert goal_of(recording, asked).value(recording.theta) == pytest.approx(log_odds)
        margin = np.mean(z[:, number] - np.max(np.delete(z, number, axis=1), axis=1))
        asked = Prediction(X[3:5], f"class {number}", "margin")
        assert goal_of(recording, asked).value(recording.theta) == pytest.approx(margin)
        asked = Prediction(X[3:5], number, "output")
        assert goal_of(recording, asked).value(recording.theta) == pytest.approx(
            np.mean(z[:, number])
        )
    likely = int(np.argmax(_outputs(recording, X[50:51])))
    others = np.delete(_outputs(recording, X[50:51])[0], likely)
    account = pushes(recording, of=50)  # held out
    assert account.goal == f"the log-odds of class {likely} for row 50"
    expected = _outputs(recording, X[50:51])[0, likely] - logsumexp(others)
    assert account.after == pytest.approx(expected)
    assert abs(_balance(account)) < 1e-12


def test_one_output_for_two_classes_and_single_labels_are_log_odds():
    network = Network(4, (5,), 1, loss="binary_log_loss")
    _, recording = watch(network, (X, (CLASSES > 0).astype(int)), epochs=3, dtype="float64")
    z = recording.subject.outputs(recording.theta, X[:1])[0, 0]
    for number, sign in ((0, -1), (1, 1)):
        assert goal_of(recording, Prediction(X[:1], number)).value(recording.theta) == sign * z
    assert goal_of(recording, 0).value(recording.theta) == abs(z)
    network = Network(4, (5,), 2, loss="label_log_loss")
    labels = np.stack([CLASSES > 0, X[:, 3] > 0], axis=1).astype(float)
    _, recording = watch(network, (X, labels), epochs=3, dtype="float64")
    account = pushes(recording, of=Prediction(X[0], "label 2"))
    assert account.after == recording.subject.outputs(recording.theta, X[:1])[0, 1]
    assert set(account.labels) <= {"none", "label 1", "label 2", "label 1, label 2"}


def test_a_row_pulls_its_own_prediction_up():
    recording = watched("adam", epochs=12, validate=False)
    for row in (0, 7, 20):
        account = pushes(recording, of=Prediction(X[row], int(CLASSES[row])))
        assert account.columns()["row"][0] == row or account.pushes[row] > 0


def test_neighbours_are_those_of_a_plain_search():
    recording = watched("adam")
    found = neighbours(recording, X[50:53])
    scaled = X / X[:42].std(axis=0)
    np.testing.assert_allclose(
        found.by_inputs, cdist(scaled[:42], scaled[50:53]).min(axis=1), rtol=1e-9
    )
    p = recording.subject.layout.views(recording.theta)
    h = np.tanh(np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
    h = h / h[:42].std(axis=0)
    np.testing.assert_allclose(found.by_hidden, cdist(h[:42], h[50:53]).min(axis=1), rtol=1e-9)
    assert found.nearest(3, "hidden").tolist() == np.argsort(found.by_hidden)[:3].tolist()


def test_summary_frame_and_plot_hold_the_account():
    account = pushes(watched("adamw", everything=True))
    text = account.summary()
    best = int(np.argmax(account.pushes))
    assert text.startswith("The validation loss went from ")
    assert f"Pushed up most: row {best} (class {CLASSES[best]}) {account.pushes[best]:+.3g}" in text
    assert f"weight decay {account.decay:+.4g}" in text
    assert "without it, only a removal can tell" in text
    frame = account.frame()
    assert list(frame) == ["row", "label", "push", "input_distance", "hidden_distance"]
    assert np.all(np.diff(np.abs(frame["push"])) <= 0)
    axes = account.plot()
    assert axes.get_xlabel() == "pushed the validation loss by"
    assert len(axes.patches) == 20


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("loss", "of='loss' is nothing that can be asked about; give \"validation loss\""),
        ([3, 4], r"of=\[3, 4\] is nothing that can be asked about"),
        (60, "of: row 60 is neither in the training nor in the held-out part; .* from 0 to 59"),
        (Prediction(X[0, :3]), r"finite numbers of shape \(rows, 4\).* shape \(1, 3\)"),
        (
            Prediction(X[0], 3),
            r"output must be a name \(class 0, class 1, class 2\) or from 0 to 2, not 3",
        ),
        (
            Prediction(X[0], "cat"),
            r"must be a name \(class 0, .*\) or from 0 to 2, not 'cat'",
        ),
        (Prediction(X[0], 0, "odds"), "of classes there is log-odds or margin or output, and no"),
    ],
)
def test_what_cannot_be_asked_is_said(of, text):
    with pytest.raises(ValueError, match=text):
        pushes(watched("adam"), of=of)


def test_several_targets_need_a_choice():
    with pytest.raises(ValueError, match="several numbers needs its output; give one of target 1"):
        pushes(watched("adam", "squared_loss"), of=3)


def test_a_validation_loss_needs_a_held_out_part():
    with pytest.raises(ValueError, match="this training had no held-out part"):
        pushes(watched("adam", validate=False))


def test_other_parameters_than_the_trainings_are_refused():
    recording = watched("adam")
    with pytest.raises(ValueError, match=r"came to other parameters than it did \(up to 1 apart"):
        pushes(replace(recording, theta=recording.theta + 1))


def test_steps_that_are_no_sum_are_refused():
    network = Network(4, (3,), 3)
    _, recording = watch(network, (X, CLASSES), optimizer=Rprop(), epochs=2, batch_size=60)
    with pytest.raises(ValueError, match="a step of Rprop is no sum"):
        pushes(recording, of=0)


def test_a_replay_that_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch):
    recording = watched("adam")
    monkeypatch.setattr(backwards_module.os, "sysconf", lambda name: 100)  # pages of 100 bytes
    monkeypatch.setattr(type(recording), "replay", None)
    with pytest.raises(MemoryError, match="a replay from the end of the training needs about"):
        pushes(recording)
    with pytest.raises(MemoryError, match=r"it needs about 3\.2 GB, and this machine has 0 MB; do"):
        ensure_memory(3_210_000_000, "it", "do less")


def test_initial_parameters_have_an_account_without_steps():
    recording = watched("adam")
    theta, _ = recording.course.begin()
    figures = replace(recording.figures, best_epoch=0)
    account = pushes(replace(recording, theta=theta, figures=figures))
    assert account.before == account.after and not np.any(account.pushes)
    assert "in 0 steps" in account.summary()
