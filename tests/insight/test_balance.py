"""The update of a step as a balance: what moved each parameter sums to the new parameter."""

from dataclasses import replace

import numpy as np
import pytest

from backlit.estimators.compatible import Model, training_step
from backlit.estimators.optimizers import Adam as EstimatorAdam
from backlit.estimators.optimizers import Momentum as EstimatorMomentum
from backlit.estimators.outputs import Output
from backlit.insight.balance import balance
from backlit.insight.example import example
from backlit.insight.naming import Naming
from backlit.insight.recording import Moment
from backlit.insight.subject import Subject
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import (
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    Penalties,
    RMSProp,
    Rprop,
)

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(60, 4)), RNG.integers(0, 3, 60)
WEIGHTS = RNG.uniform(0.5, 2, 60)
OPTIMIZERS = [
    GradientDescent(0.3, weight_decay=0.05),
    Momentum(0.05, weight_decay=0.05),
    Nesterov(0.05, weight_decay=0.05),
    RMSProp(0.01, weight_decay=0.05),
    Adam(0.01),
    AdamW(0.01),
    Rprop(weight_decay=0.05),
]
# Relative to the largest weight of a network.
ROUNDING = {"float64": 1e-12, "float32": 1e-5}


def trained(optimizer, dtype="float64", **settings):
    network = Network(4, (6, 5), 3, "relu", dropout=0.2)
    settings = {"penalties": Penalties(l1=0.01, l2=0.02, clip_norm=0.5)} | settings
    _, recording = watch(
        network, (X, Y, WEIGHTS), optimizer=optimizer, epochs=4, batch_size=16, dtype=dtype,
        schedule="cosine", **settings,
    )  # fmt: skip
    return recording


def seen(recording, step):
    """A row of a step's batch."""
    return example(recording, int(recording.row[recording.starts[step - 1]]), step=step)


def at_step(optimizer, step, **settings):
    recording = trained(optimizer, **settings)
    return recording, seen(recording, step)


@pytest.mark.parametrize(
    ("optimizer", "dtype", "engine"),
    [
        *((optimizer, "float64", "reference") for optimizer in OPTIMIZERS),
        *((optimizer, "float32", "reference") for optimizer in OPTIMIZERS),
        (Nesterov(0.05, weight_decay=0.05), "float32", "native"),
        (AdamW(0.01), "float64", "native"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_lines_sum_to_the_new_weights(optimizer, dtype, engine):
    recording = trained(optimizer, dtype, engine=engine)
    for step in (1, 9):
        sheet = seen(recording, step).balance
        moment = next(m for m in recording.replay() if m.number == step)
        np.testing.assert_array_equal(sheet.old, moment.theta)
        np.testing.assert_array_equal(sheet.new, moment.after)
        largest = np.max(np.abs(moment.after))
        known = [values for name, values in sheet.lines.items() if name != "rounding"]
        np.testing.assert_allclose(
            sheet.old + sum(known), sheet.new, rtol=0, atol=ROUNDING[dtype] * largest
        )
        # What a step moves is much more than rounding, so that no line can be missing.
        assert np.max(np.abs(sheet.new - sheet.old)) > 20 * ROUNDING[dtype] * largest
        total = sheet.old + sum(sheet.lines.values())
        np.testing.assert_allclose(total, sheet.new, rtol=1e-15, atol=1e-16)
        expected = {"penalty", "decay", "rounding", "this row", "other rows", "memory"}
        if isinstance(optimizer, GradientDescent | RMSProp):
            expected -= {"memory"}
        if isinstance(optimizer, Rprop):
            expected = {"step", "decay", "rounding"}
        if not optimizer.weight_decay:
            expected -= {"decay"}
        if step == 1:  # nothing is remembered yet
            expected, found = expected - {"memory"}, set(sheet.lines) - {"memory"}
            assert not np.any(sheet.lines.get("memory", 0))
        else:
            found = set(sheet.lines)
        assert found == expected


def test_a_row_moves_by_its_share_under_gradient_descent():
    recording, one = at_step(GradientDescent(0.3), 5, penalties=Penalties())
    share = one.batch.shares[one.place]
    rate = float(recording.learning_rate[4])
    np.testing.assert_allclose(one.balance.lines["this row"], -rate * share * one.gradient)
    others = one.balance.lines["this row"] + one.balance.lines["other rows"]
    np.testing.assert_allclose(others, -rate * one.batch.mean_gradient, rtol=1e-12, atol=1e-16)


def test_adams_parts_are_those_of_the_textbook():
    recording, one = at_step(Adam(0.01), 3, penalties=Penalties())
    m = v = np.zeros(recording.theta.size)
    for step in (1, 2, 3):  # algorithm 1 of Kingma and Ba
        gradient = example(recording, one.row, step=step).batch.mean_gradient
        before, m = m, 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
    unbiased, root = 1 - 0.9**3, np.sqrt(v / (1 - 0.999**3)) + 1e-8
    rate = float(recording.learning_rate[2]) / unbiased / root
    lines = one.balance.lines
    np.testing.assert_allclose(lines["memory"], -rate * 0.9 * before, rtol=1e-6, atol=1e-12)
    share = one.batch.shares[one.place]
    expected = -rate * 0.1 * share * one.gradient
    np.testing.assert_allclose(lines["this row"], expected, rtol=1e-6, atol=1e-12)


def test_clipping_and_penalties_are_in_the_gradient_of_the_step():
    recording, one = at_step(GradientDescent(0.3), 5, penalties=Penalties(l2=0.5, clip_norm=0.1))
    sheet = one.balance
    W = np.where([name.startswith("W") for name in one.naming.parameters()], one.theta, 0)
    whole = one.batch.mean_gradient + 0.5 * W
    np.testing.assert_allclose(sheet.gradient, whole * 0.1 / np.linalg.norm(whole), rtol=1e-12)
    assert sheet.clipping < 1
    assert "The gradient was clipped: multiplied by 0." in sheet.summary()
    rate = float(recording.learning_rate[4])
    np.testing.assert_allclose(sheet.lines["penalty"], -rate * sheet.clipping * 0.5 * W)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_the_rule_is_named(optimizer):
    kind = type(optimizer).__name__
    said = {
        "GradientDescent": "gradient descent, learning rate",
        "Momentum": "momentum 0.9, learning rate",
        "Nesterov": "Nesterov's momentum 0.9, learning rate",
        "Rprop": "Rprop (which goes by signs, so that rows are not told apart)",
    }.get(kind, f"{kind}, learning rate")
    _, one = at_step(optimizer, 2)
    assert one.balance.summary().startswith(f"The update by {said}")
    assert ("divisor" in one.balance.columns()) == (kind in ("RMSProp", "Adam", "AdamW"))


def test_a_sheet_that_does_not_balance_says_so():
    _, one = at_step(Adam(0.01), 5)
    assert "misses" not in one.balance.summary()
    lines = {**one.balance.lines, "rounding": np.full(one.theta.size, 0.01)}
    wrong = replace(one.balance, lines=lines)
    assert "The sum misses the new value by up to 0.01." in wrong.summary()


# ----- The rules of the estimators ---------------------------------------------------------------


class EstimatorCourse:
    """The objective of `Model`, as a course; only what a balance asks."""

    def __init__(self, model, rule):
        self.model, self.optimizer, self.clip_norm = model, rule, model.clip_norm

    def penalty(self, theta, rows):
        return np.where(np.arange(theta.size) < self.model.weights, theta, 0) * (
            self.model.alpha / len(rows)
        )

    def shrinkage(self, rate):
        weights = np.arange(self.model.layout.size) < self.model.weights
        return weights * rate * self.model.weight_decay


@pytest.mark.parametrize(
    "rule",
    [EstimatorMomentum(0.9, True), EstimatorMomentum(0.5, False), EstimatorAdam(0.9, 0.999, 1e-8)],
)
@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_lines_sum_to_the_new_weights_of_an_estimator(rule, clip_norm):
    output = Output("identity", "squared_error")
    model = Model((4, 5, 1), ("tanh",), output, 0.1, clip_norm=clip_norm, weight_decay=0.02)
    layout = model.layout
    subject = Subject(
        layout, (np.tanh,), ("tanh",), lambda z, y: 0.5 * np.sum((z - y) ** 2, axis=1), "numbers"
    )
    naming = Naming(subject, tuple("abcd"), ("y",))
    theta = RNG.normal(size=layout.size)
    state = rule.initial_state(theta)
    step, rows = training_step(model, rule), np.arange(16)
    x, y = X[:16], RNG.normal(size=(16, 1))
    for number in (1, 2, 3):
        after, state_after, _ = step(theta, state, x, y, None, 0.05, None)
        moment = Moment(1, number, rows, 0.05, theta, state, after, state_after, None)
        passes = subject.passes(theta, x, y)
        data = subject.gradient(passes, np.full(16, 1 / 16))
        of_row = subject.gradient(passes, (rows == 3) / 16)
        course = EstimatorCourse(model, rule)
        sheet = balance(moment, course, naming, data, of_row, np.arange(3))
        limit = 1e-12 * np.max(np.abs(after))
        assert np.max(np.abs(sheet.lines["rounding"])) < limit
        assert set(sheet.lines) == {
            "this row", "other rows", "penalty", "memory", "decay", "rounding",
        }  # fmt: skip
        theta, state = after, state_after


def test_an_unknown_rule_is_refused():
    recording, _ = at_step(GradientDescent(0.3), 1)
    moment = next(recording.replay())
    naming = Naming.of(recording)

    class Other(EstimatorCourse):
        optimizer = object()
        clip_norm = None

        def __init__(self):
            pass

        penalty = staticmethod(lambda theta, rows: np.zeros_like(theta))

    with pytest.raises(TypeError, match="the balance of object is not known"):
        balance(moment, Other(), naming, recording.theta, None, np.arange(3))
