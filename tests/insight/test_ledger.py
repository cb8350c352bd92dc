"""A ledger sums to the weights, and books to each row what its gradients added."""

from dataclasses import replace

import numpy as np
import pytest
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
from backlit.insight.backwards import kept_steps
from backlit.insight.ledger import ledger
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Momentum, Rprop

CASES = [
    ("gradient descent", {"dropout": 0.3, "weights": WEIGHTS, "everything": True}),
    ("momentum", {}),
    ("momentum", {"everything": True}),
    ("nesterov", {"everything": True, "dropout": 0.3}),
    ("rmsprop", {"weights": WEIGHTS}),
    ("adam", {"everything": True, "activation": "relu"}),
    ("adamw", {"dropout": 0.3, "weights": WEIGHTS, "everything": True}),
    ("adamw", {"loss": "squared_loss"}),
]


def _largest_of_layers(account, recording):
    """Return the largest weight of each weight's layer."""
    layout = recording.subject.layout
    views = layout.views(recording.theta)
    found = {
        name: np.full(layout.shapes[name], np.max(np.abs(views[f"W{name[1:]}"])))
        for name in layout.shapes
    }
    return layout.flatten(found)[account.places]


def _sum(account):
    others = account.penalty + account.decay + account.earlier
    return account.initial + np.sum(account.contributions, axis=0) + others


@pytest.mark.parametrize(("optimizer", "more"), CASES)
@pytest.mark.parametrize("by", ["row", "class", "epoch"])
def test_ledger_sums_to_the_weights(optimizer, more, by):
    if by == "class" and "loss" in more:
        by = list(range(3)) * 20
    recording = watched(optimizer, epochs=8, **more)
    account = ledger(recording, by)
    largest = _largest_of_layers(account, recording)
    assert np.max(np.abs(account.final - _sum(account)) / largest) < 1e-12
    np.testing.assert_allclose(account.rounding, account.final - _sum(account), atol=1e-15)
    np.testing.assert_array_equal(account.final, recording.theta[account.places])
    np.testing.assert_array_equal(account.initial, recording.course.begin()[0][account.places])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ledger_sums_to_the_weights_in_float32(optimizer):
    # Four hundred steps, each of which rounds the weights to 6e-8 of themselves.
    recording = watched(
        optimizer, dtype="float32", everything=True, dropout=0.2, epochs=100, validate=False
    )
    account = ledger(recording, "class")
    assert account.contributions.dtype == np.float64
    assert np.max(np.abs(account.rounding) / _largest_of_layers(account, recording)) < 1e-5


@pytest.mark.parametrize(("optimizer", "more"), CASES)
def test_contributions_are_those_of_gradients_written_out_one_by_one(optimizer, more):
    recording = watched(optimizer, **more)
    loss, steps = more.get("loss", "log_loss"), kept_steps(recording)
    made = split(recording, OPTIMIZERS[optimizer], steps, gradient_of_one(loss, recording))
    account = ledger(recording, "row")
    rows = np.argsort(account.places)
    scale = np.max(np.abs(account.contributions))
    # Adam divides by roots of squares near 0, where the last bits of a gradient count.
    tolerance = {"rtol": 1e-7, "atol": 1e-9 * scale}
    np.testing.assert_allclose(
        account.contributions[:, rows], made.examples.sum(axis=0), **tolerance
    )
    np.testing.assert_allclose(account.penalty[rows], made.penalty.sum(axis=0), **tolerance)
    np.testing.assert_allclose(account.decay[rows], made.decay.sum(axis=0), **tolerance)


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_a_gradient_is_booked_to_its_epoch_though_it_works_on(optimizer):
    recording = watched(optimizer, validate=False)
    account = ledger(recording, "epoch", layer=2)
    gradient = gradient_of_one("log_loss", recording)
    assert account.groups == ("1", "2", "3", "4")
    for epoch in (1, 4):
        made = split(recording, OPTIMIZERS[optimizer], 16, gradient, epoch)
        expected = made.examples.sum(axis=(0, 1))[account.places]
        np.testing.assert_allclose(account.contributions[epoch - 1], expected, atol=1e-12)


def test_groups_are_sums_over_their_rows():
    recording = watched("adam")
    by_row = ledger(recording, "row").contributions
    by_class = ledger(recording, "class")
    assert by_class.groups == ("0", "1", "2")
    side = np.where(X[:, 0] > 0, "right", "left")
    by_side = ledger(recording, side)
    assert by_side.groups == ("left", "right")
    for found, of in ((by_class, CLASSES), (by_side, side)):
        for line, name in zip(found.contributions, found.groups, strict=True):
            own = np.sum(by_row[of[:42].astype(str) == name], axis=0)
            np.testing.assert_allclose(line, own, atol=1e-14)


def test_a_layer_a_unit_and_a_weight_are_parts_of_the_network():
    recording = watched("nesterov")
    whole = ledger(recording)
    assert whole.name == "the network"
    assert sorted(whole.places) == list(range(recording.theta.size))
    views = recording.subject.layout.views(recording.theta)
    for asked, name, values in (
        ({"layer": 2}, "layer 2", [*views["W2"].ravel(), *views["b2"]]),
        ({"layer": 2, "unit": 5}, "unit 5 of layer 2", [*views["W2"][:, 4], views["b2"][4]]),
        ({"layer": 3, "unit": 1}, "class 0", [*views["W3"][:, 0], views["b3"][0]]),
        (
            {"layer": 1, "unit": 2, "source": "input 3"},
            "the weight from input 3 to unit 2 of layer 1",
            [views["W1"][2, 1]],
        ),
        (
            {"layer": 2, "unit": 2, "source": 6},
            "the weight from unit 6 to unit 2 of layer 2",
            [views["W2"][5, 1]],
        ),
        (
            {"layer": 1, "unit": 6, "source": "bias"},
            "the bias of unit 6 of layer 1",
            [views["b1"][5]],
        ),
    ):
        part = ledger(recording, **asked)
        assert part.name == name
        np.testing.assert_array_equal(part.final, values)
        assert len(part.parameters) == len(values)
        order = [int(np.flatnonzero(whole.places == place)[0]) for place in part.places]
        assert [whole.parameters[k] for k in order] == part.parameters
        np.testing.assert_allclose(part.contributions, whole.contributions[:, order], atol=1e-14)


def test_momentum_from_before_has_a_line_of_its_own():
    recording = watched("momentum")
    course, size = recording.course, recording.theta.size
    velocity = np.random.default_rng(0).normal(size=size) * 0.01

    class GoingOn(type(course)):
        def begin(self):
            return course.begin()[0], {"velocity": velocity}

    steps = kept_steps(recording)
    on = GoingOn(course.network, course.optimizer, course.settings, course.examples)
    *_, last = replace(recording, course=on).replay(last=steps)
    account = ledger(replace(recording, course=on, theta=last.after))
    momentum = course.optimizer.momentum
    geometric = momentum * (1 - momentum**steps) / (1 - momentum)
    np.testing.assert_allclose(account.earlier, geometric * velocity[account.places], rtol=1e-12)
    assert np.max(np.abs(account.rounding)) < 1e-13


def test_summary_frame_and_plot_of_one_weight_are_a_sheet_that_balances():
    account = ledger(watched("adamw", everything=True), layer=1, unit=2, source=3)
    frame = account.frame()
    assert frame["line"].tolist() == [
        "initial", "class 0", "class 1", "class 2", "penalties", "weight decay",
        "earlier momentum", "rounding", "final",
    ]  # fmt: skip
    assert frame["added"][:-1].sum() == pytest.approx(frame["added"].iloc[-1], abs=1e-15)
    text = account.summary()
    start, end = account.initial[0], account.final[0]
    assert text.startswith(
        f"The weight from input 3 to unit 2 of layer 1 began as {start:.4g} and became {end:.4g}."
    )
    assert f"class 1: {account.contributions[1, 0]:+.4g}" in text
    assert f"weight decay: {account.decay[0]:+.4g}" in text
    axes = account.plot()
    assert axes.get_xlabel() == "added to the weight from input 3 to unit 2 of layer 1"


def test_shares_of_several_weights_add_up_to_one():
    account = ledger(watched("adam"), "row", layer=1)
    frame = account.frame()
    assert frame["share"].sum() == pytest.approx(1, abs=1e-12)
    way = account.final - account.initial
    expected = account.contributions[7] @ way / (way @ way)
    assert frame["share"][7] == pytest.approx(expected)
    assert frame["length"][7] == pytest.approx(np.linalg.norm(account.contributions[7]))
    text = account.summary()
    assert "The 30 weights and biases of layer 1 went a way of length" in text
    assert "the other 32:" in text
    assert "rounding" not in text  # which is less than what is shown
    assert len(account.plot().patches) == 24  # the twenty largest rows, and all other lines


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"layer": 4}, "there is no layer 4: the network has layers 1 to 3"),
        ({"layer": 0}, "there is no layer 0: the network has layers 1 to 3"),
        ({"layer": 2, "unit": 6}, "there is no unit 6: layer 2 has units 1 to 5"),
        ({"layer": 2, "unit": 1, "source": 7}, "no source 7: a unit of layer 2 has sources 1 to 6"),
        ({"layer": 1, "unit": 1, "source": "age"}, r"no source 'age': .* \(input 1, input 2, inp"),
        ({"unit": 1}, "a unit or a source needs its layer; give layer"),
        ({"layer": 1, "source": 1}, "a source needs the unit that it goes to; give unit"),
        ({"by": "colour"}, 'by=\'colour\' is no grouping; give "row", "class", "epoch"'),
        ({"by": [1, 2]}, r"by has shape \(2,\), .* the training part reaches to row 41"),
    ],
)
def test_what_cannot_be_asked_is_said(asked, text):
    with pytest.raises(ValueError, match=text):
        ledger(watched("adam"), **asked)


def test_numbers_have_no_classes_to_group_by():
    with pytest.raises(ValueError, match="predicts numbers and has no classes to group by; give"):
        ledger(watched("adam", "squared_loss"))


def test_a_ledger_that_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch):
    recording = watched("adam")
    monkeypatch.setattr(backwards_module.os, "sysconf", lambda name: 150)  # pages of 150 bytes
    monkeypatch.setattr(type(recording), "replay", None)
    with pytest.raises(MemoryError, match="a ledger of 83 weights by 42 rows needs about"):
        ledger(recording, "row")


def test_a_step_that_is_no_sum_is_refused():
    network = Network(4, (3,), 3)
    _, recording = watch(network, (X, CLASSES), optimizer=Rprop(), epochs=2, batch_size=60)
    with pytest.raises(ValueError, match="a step of Rprop is no sum"):
        ledger(recording)


def test_the_account_of_a_network_of_one_layer_is_a_sum_of_outer_products():
    # Squared loss, gradient descent, one batch: w1 - w0 = -rate * mean of delta times input.
    network = Network(4, (), 1, loss="squared_loss")
    y = X[:, :1] * 2
    _, recording = watch(
        network, (X, y), optimizer=Momentum(0.1), epochs=1, batch_size=60, dtype="float64"
    )
    theta, _ = recording.course.begin()
    views = recording.subject.layout.views(theta)
    delta = X @ views["W1"] + views["b1"] - y
    account = ledger(recording, "row", layer=1, unit=1)
    expected = -0.1 / 60 * np.column_stack([delta * X, delta])
    np.testing.assert_allclose(account.contributions, expected, rtol=1e-12, atol=1e-16)
