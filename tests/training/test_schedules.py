"""Schedules against their formulas, written out."""

import json
import math

import numpy as np
import pytest

from backlit.training import (
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
)  # fmt: skip
from backlit.training.schedules import SCHEDULES

EPOCHS = 40
AT = [0, 0.5, 1, 7.25, 9.999, 10, 12, 20, 33, 40]


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (Constant(), lambda t: 1),
        (StepDecay(10, 0.3), lambda t: 0.3 ** (t // 10)),
        (Cosine(), lambda t: math.cos(math.pi * t / 40 / 2) ** 2),  # (1 + cos u) / 2 = cos^2(u/2)
        (Cosine(0.2), lambda t: 0.2 + 0.8 * math.cos(math.pi * t / 80) ** 2),
        (InverseScaling(), lambda t: 1 / math.sqrt(1 + t)),
        (InverseScaling(1.0), lambda t: 1 / (1 + t)),
        (OneCycle(0.25, 0.1, 0.01),
         lambda t: 0.1 + 0.9 * math.sin(math.pi * t / 20) ** 2 if t < 10
         else 0.01 + 0.99 * math.cos(math.pi * (t - 10) / 60) ** 2),
    ],
)  # fmt: skip
def test_schedules_are_their_formulas(schedule, formula):
    ours = [schedule(t, EPOCHS) for t in AT]
    assert np.allclose(ours, [formula(t) for t in AT], rtol=1e-12, atol=1e-15)


def test_defaults_of_one_cycle_are_pytorchs():
    cycle = OneCycle()
    assert cycle(0, 100) == pytest.approx(1 / 25)
    assert cycle(30, 100) == pytest.approx(1)
    assert cycle(100, 100) == pytest.approx(1 / 25 / 10_000)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_stay_within_the_learning_rate(name):
    factors = [SCHEDULES[name]()(t, 100) for t in np.linspace(0, 100, 1001)]
    assert max(factors) == pytest.approx(1)
    assert min(factors) >= 0


def run(plateau, losses):
    state, factors = plateau.initial_state(), []
    for loss in losses:
        state = json.loads(json.dumps(plateau.after_epoch(state, loss)))  # as a checkpoint does
        factors.append(state["factor"])
    return factors


def test_plateau_drops_the_rate_after_its_patience():
    # Worse in epochs 3 to 5: two may be, the third drops. Then the count begins anew.
    losses = [1.0, 0.9, 0.9, 0.95, 0.91, 0.92, 0.93, 0.94, 0.5, 0.6]
    factors = run(ReduceOnPlateau(factor=0.5, patience=2), losses)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_plateau_wants_more_than_its_threshold():
    losses = [1.0, 0.95, 0.89, 0.85]  # of 10 % each time: no, yes, no
    plateau = ReduceOnPlateau(factor=0.5, patience=0, threshold=0.1)
    assert run(plateau, losses) == [1, 0.5, 0.5, 0.25]
    # Also of a negative loss, where a factor of best would point the wrong way.
    losses = [-1.0, -1.05, -1.11]
    assert run(plateau, losses) == [1, 0.5, 0.5]


def test_plateau_takes_nan_for_no_progress_and_keeps_the_smallest_factor():
    losses = [1.0] + [float("nan")] * 4
    factors = run(ReduceOnPlateau(factor=0.1, patience=0, smallest=0.05), losses)
    assert factors == pytest.approx([1, 0.1, 0.05, 0.05, 0.05])


@pytest.mark.parametrize(
    ("schedule", "settings", "message"),
    [
        (StepDecay, {"every": 0}, "every must be above 0, not 0"),
        (StepDecay, {"factor": -1.0}, "factor must be between 0 and 1, not -1.0"),
        (Cosine, {"end": -0.1}, "end must be 0 or more, not -0.1"),
        (OneCycle, {"warm": 1.0}, "warm must be between 0 and 1, not 1.0"),
        (InverseScaling, {"power": 0.0}, "power must be above 0, not 0.0"),
        (ReduceOnPlateau, {"factor": 1.0}, "factor must be between 0 and 1, not 1.0"),
        (ReduceOnPlateau, {"patience": -1}, "patience must be 0 or more and whole, not -1"),
    ],
)
def test_impossible_settings_are_refused(schedule, settings, message):
    with pytest.raises(ValueError, match=message):
        schedule(**settings)
