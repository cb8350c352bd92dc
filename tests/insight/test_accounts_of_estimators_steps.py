"""Accounts hold for steps in scikit-learn's order of computation, whoever makes them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import backlit.estimators.responses  # noqa: F401  (which adds the estimators' rules)
from backlit.estimators.compatible import Model, training_step
from backlit.estimators.optimizers import Adam, Momentum, Optimizer
from backlit.estimators.outputs import Output
from backlit.insight.goals import Prediction
from backlit.insight.pushing import pushes
from backlit.insight.recording import Figures, Part, Recording
from backlit.insight.subject import Subject
from backlit.insight.weight_ledger import ledger
from backlit.networks import squared_loss

RNG = np.random.default_rng(2)
X = RNG.normal(size=(48, 3))
Y = np.sin(X[:, :1]) + X[:, 1:2] ** 2
MODEL = Model(
    (3, 7, 1), ("tanh",), Output("identity", "squared_error"), alpha=0.5, clip_norm=0.8,
    weight_decay=0.1,
)  # fmt: skip
RULES = [Momentum(0.9, True), Momentum(0.7, False), Adam(0.9, 0.999, 1e-8)]


@dataclass
class EstimatorsCourse:
    """The steps of `backlit.estimators`, as a course of them is to be."""

    optimizer: Any
    clip_norm = MODEL.clip_norm

    def begin(self):
        theta = np.random.default_rng(0).uniform(-0.7, 0.7, MODEL.layout.size)
        return theta, self.optimizer.initial_state(theta)

    def step(self, theta, state, rows, rate, number):
        step = training_step(MODEL, self.optimizer)
        return step(theta, state, X[rows], Y[rows], None, rate, None)[:2]

    def shares(self, rows):
        return np.full(len(rows), 1 / len(rows))

    def penalty(self, theta, rows):
        return MODEL.alpha / len(rows) * theta * (np.arange(theta.size) < MODEL.weights)

    def shrinkage(self, rate):
        return rate * MODEL.weight_decay * (np.arange(MODEL.layout.size) < MODEL.weights)

    def key(self, number):
        return None


def _recording(rule):
    course, steps = EstimatorsCourse(rule), 24
    rows = np.concatenate([RNG.permutation(48) for _ in range(steps // 3)])
    rates = Optimizer(rule, 0.02).rates(steps)
    theta, state = course.begin()
    for number, (batch, rate) in enumerate(zip(rows.reshape(-1, 16), rates, strict=True), 1):
        theta, state = course.step(theta, state, batch, rate, number)
    none = np.zeros(0)
    subject = Subject(MODEL.layout, (np.tanh,), ("tanh",), squared_loss, "numbers")
    figures = Figures(none, none, none, steps // 3, "finished")
    return Recording(
        subject, course, Part(X, Y, np.ones(48), np.arange(48)), None, figures, theta,
        np.repeat(np.arange(1, steps // 3 + 1), 3), rates, np.arange(0, 16 * steps + 1, 16), rows,
        none, none, none, none, none, ("a", "b", "c"), ("y",),
    )  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_ledger_sums_to_the_weights(rule):
    recording = _recording(rule)
    account = ledger(recording, "row")
    views = MODEL.layout.views(recording.theta)
    largest = min(np.max(np.abs(views[name])) for name in ("W1", "W2"))
    assert np.max(np.abs(account.rounding)) < 1e-12 * largest
    assert np.any(account.penalty) and np.any(account.decay)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_account_of_a_prediction_balances_but_for_rounding(rule):
    account = pushes(_recording(rule), of=Prediction(X[0]))
    assert abs(account.rounding) < 1e-13
    assert account.missed < 0.03
    assert account.penalty != 0 and account.decay != 0
