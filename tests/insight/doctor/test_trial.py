"""A plan is changed as a fix says, and nothing else of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backlit.insight.doctor import Change, Finding, Fix, Plan, try_fix
from backlit.insight.doctor.trial import CHANGES
from backlit.networks import Network
from backlit.training import Adam, Constant, Cosine, Penalties, Settings

NETWORK = Network(3, (8,), 2, dropout=0.3)
SETTINGS = Settings(
    Adam(0.01), Cosine(), Penalties(0.1, 0.2, 1.0), epochs=4, batch_size=8, patience=3
)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)) * [1, 10, 100], RNG.integers(0, 2, 40)
PLAN = Plan(NETWORK, (X, Y), (X + 1, Y), SETTINGS, start=NETWORK.parameters(seed=3))


def changed(what, value=None):
    return PLAN.changed([Change(what, value)])


def test_settings_are_changed():
    assert changed("learning rate", 0.1).settings.optimizer == Adam(0.001)
    assert changed("optimizer", "gradient_descent").settings.optimizer.learning_rate == 0.1
    assert changed("seed", 3).settings.seed == 3
    assert changed("schedule").settings.schedule == Constant()
    assert changed("epochs", 2.5).settings.epochs == 10
    assert changed("patience", 9).settings.patience == 9
    assert changed("batch size", 4).settings.batch_size == 4
    assert changed("penalties", 0.5).settings.penalties == Penalties(0.05, 0.1, 1.0)
    assert changed("clip norm").settings.penalties == Penalties(0.1, 0.2)


def test_the_network_is_changed_and_weights_that_no_longer_fit_are_drawn_anew():
    assert changed("dropout", 0.0).network == replace(NETWORK, dropout=0.0)
    assert changed("dropout", 0.0).start is PLAN.start
    for what, value, name in (
        ("hidden", (4, 4), "hidden"), ("activation", "tanh", "activation"),
        ("initial weights", "automatic", "initial"),
    ):  # fmt: skip
        plan = changed(what, value)
        assert plan.network == replace(NETWORK, **{name: value}) and plan.start is None


def test_inputs_are_standardised_by_the_training_rows():
    plan = changed("inputs", "standardise")
    np.testing.assert_allclose(plan.training[0], (X - X.mean(0)) / X.std(0), rtol=1e-12)
    np.testing.assert_allclose(plan.validation[0], (X + 1 - X.mean(0)) / X.std(0), rtol=1e-12)
    recording = plan.watch()
    np.testing.assert_array_equal(
        plan.outputs(recording, X[:5]),
        recording.subject.outputs(recording.theta, recording.training.x[:5]),
    )


def test_far_inputs_are_drawn_in():
    far = X.copy()
    far[0, 0] = 1e6
    plan = replace(PLAN, training=(far, Y)).changed([Change("inputs", "even out")])
    assert np.max(plan.training[0]) == 6


def test_columns_and_rows_are_left_out():
    plan = changed("drop inputs", (1,))
    np.testing.assert_array_equal(plan.training[0], X[:, [0, 2]])
    np.testing.assert_array_equal(plan.validation[0], X[:, [0, 2]] + 1)
    assert plan.network.inputs == 2
    np.testing.assert_array_equal(changed("drop rows", (0, 5)).training[1], np.delete(Y, [0, 5]))


def test_rows_are_shuffled_together():
    x, y = changed("order").training
    assert not np.array_equal(x, X)
    places = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in x]
    assert sorted(places) == list(range(40))
    np.testing.assert_array_equal(y, Y[places])


def test_classes_are_balanced():
    _, y, weights = changed("weights", "balance").training
    assert np.sum(weights[y == 0]) == pytest.approx(np.sum(weights[y == 1]))
    assert np.sum(weights) == pytest.approx(40)


def test_targets_are_standardised_and_predictions_turned_back():
    y = 100 + 20 * RNG.normal(size=(40, 1))
    plan = Plan(Network(3, (8,), 1, loss="squared_loss"), (X, y), (X, y), SETTINGS)
    plan = plan.changed([Change("targets", "standardise")])
    np.testing.assert_allclose(plan.training[1], (y - y.mean()) / y.std(), rtol=1e-12)
    recording = plan.watch()
    raw = recording.subject.outputs(recording.theta, X.astype(np.float32))
    np.testing.assert_allclose(plan.outputs(recording, X), raw * y.std() + y.mean(), rtol=1e-12)


def test_numbers_become_classes():
    y = RNG.choice([3.0, 5.0, 9.0], (40, 1))
    plan = Plan(Network(3, (8,), 1, loss="squared_loss"), (X, y), settings=SETTINGS)
    plan = plan.changed([Change("loss", "log_loss")])
    assert (plan.network.loss, plan.network.outputs) == ("log_loss", 3)
    np.testing.assert_array_equal(np.array([3.0, 5.0, 9.0])[plan.training[1]], y[:, 0])


def test_a_change_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match=r"a change must be one of learning .*, not 'luck'"):
        changed("luck")


def test_every_change_that_is_listed_can_be_made():
    values = {
        "learning rate": 0.1, "optimizer": "adam", "seed": 3, "epochs": 2.0, "patience": 5,
        "batch size": 16,
        "penalties": 0.0, "dropout": 0.0, "hidden": (4,), "activation": "tanh",
        "initial weights": "automatic", "inputs": "standardise", "loss": "log_loss",
        "drop inputs": (0,), "drop rows": (0,), "weights": "balance",
    }  # fmt: skip
    for what in CHANGES:
        if what != "targets":  # of numbers
            changed(what, values.get(what)).watch()


def _finding(*alternatives):
    return Finding("It is slow.", "cause", "where", {}, Fix("do this", alternatives), 0.5)


def test_of_several_changes_the_best_is_kept(circle):
    plan = Plan(
        Network(4, (16,), 2), *circle,
        Settings(Adam(1e-6), epochs=10, engine="native", n_threads=1),
    )  # fmt: skip
    recording = plan.watch()
    rates = [(Change("learning rate", factor),) for factor in (1.0, 1e4, 1e7)]
    tried = try_fix(plan, _finding(*rates), recording)
    assert tried.changes == rates[1]
    assert tried.before < 0.7 < tried.after
    assert tried.summary().startswith("Tried on a copy: learning rate 10000.0. The score on held-")
    assert plan.settings.optimizer == Adam(1e-6)


def test_what_cannot_be_tried_is_refused(circle):
    recording = PLAN.watch()
    with pytest.raises(ValueError, match="no program can fix 'cause'; what to do: do this"):
        try_fix(PLAN, _finding(), recording)
    alone = replace(PLAN, validation=None, settings=replace(SETTINGS, patience=None))
    with pytest.raises(ValueError, match="judged on held-out rows, and this training has none"):
        try_fix(alone, _finding((Change("order"),)), alone.watch())
