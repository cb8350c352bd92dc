"""Settings: what they may be, what is chosen for them, and that JSON keeps them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from backlit.training import (
    LBFGS,
    Adam,
    AdamW,
    Constant,
    Cosine,
    GradientDescent,
    InverseScaling,
    Momentum,
    Nesterov,
    OneCycle,
    Penalties,
    ReduceOnPlateau,
    RMSProp,
    Rprop,
    Settings,
    StepDecay,
)
from backlit.training.settings import ALL_OPTIMIZERS, ALL_SCHEDULES, make

OPTIMIZERS = [
    GradientDescent(0.3), Momentum(0.1, 0.5), Nesterov(0.1), RMSProp(decay=0.8), Adam(beta1=0.5),
    AdamW(weight_decay=0.1 + 0.2), Rprop(shrink=0.4),
]  # fmt: skip
SCHEDULES = [
    Constant(), StepDecay(3, 0.5), Cosine(0.1), OneCycle(0.2), InverseScaling(0.7),
    ReduceOnPlateau(0.3, 5),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_json_keeps_every_setting(optimizer, schedule):
    settings = Settings(
        optimizer, schedule, Penalties(0.1, 0.2, 0.3), 7, 8, 9, "score", 10, "float64"
    )
    document = json.loads(json.dumps(settings.to_json()))
    assert Settings.from_json(document) == settings


def test_json_keeps_lbfgs_and_what_is_left_to_choose():
    settings = Settings(LBFGS(memory=3))
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert {type(optimizer) for optimizer in [*OPTIMIZERS, LBFGS()]} == {*ALL_OPTIMIZERS.values()}
    assert {type(schedule) for schedule in SCHEDULES} == {*ALL_SCHEDULES.values()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": "7"}, "epochs must be 1 or more and whole, not '7'"),
        ({"epochs": True}, "epochs must be 1 or more and whole, not True"),
        ({"seed": 0.5}, r"seed must be an integer from 0 to 2\*\*32 - 1, not 0.5"),
        ({"optimizer": {"name": "adm"}}, "optimizer must be one of .*, not 'adm'"),
        ({"optimizer": {"learning_rate": 1}}, "the optimizer has no name"),
        ({"optimizer": {"name": "adam", "rate": 1}}, "adam has no setting 'rate', but le"),
        ({"optimizer": {"name": "adam", "beta1": "x"}}, "beta1 must be from 0 to below 1, not 'x'"),
        ({"schedule": {"name": "constant", "x": 1}}, "constant has no setting 'x', but none"),
        ({"penalties": {"l1": 0.0}}, "the penalties lack clip_norm, l2"),
        ({"more": 1}, "the training's settings have unknown more"),
        ({"dtype": "float16"}, "dtype must be float32 or float64, not float16"),
    ],
)  # fmt: skip
def test_damaged_json_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Settings.from_json({**Settings().to_json(), **change})
    with pytest.raises(ValueError, match="the training's settings are not a JSON object"):
        Settings.from_json([])


def test_an_optimizer_of_ones_own_cannot_be_saved():
    class Mine(GradientDescent):
        pass

    with pytest.raises(ValueError, match=r"Mine is not one of .*, and cannot be saved"):
        Settings(Mine()).to_json()


@pytest.mark.parametrize("kind", ALL_OPTIMIZERS)
def test_optimizers_are_made_by_name_with_their_own_defaults(kind):
    assert make("optimizer", {"name": kind}, ALL_OPTIMIZERS) == ALL_OPTIMIZERS[kind]()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Adam(0.0), "learning_rate must be above 0, not 0.0"),
        (lambda: Adam(float("nan")), "learning_rate must be above 0, not nan"),
        (lambda: Adam(float("inf")), "learning_rate must be above 0, not inf"),
        (lambda: Adam(beta2=1.0), "beta2 must be from 0 to below 1, not 1.0"),
        (lambda: Momentum(momentum=-0.1), "momentum must be from 0 to below 1, not -0.1"),
        (lambda: AdamW(weight_decay=-1), "weight_decay must be 0 or more, not -1"),
        (lambda: Rprop(grow=1.0), "grow must be above 1, not 1.0"),
        (lambda: Rprop(shrink=1.0), "shrink must be between 0 and 1, not 1.0"),
        (lambda: LBFGS(memory=2.5), "memory must be 1 or more and whole, not 2.5"),
        (lambda: GradientDescent("fast"), "learning_rate must be above 0, not 'fast'"),
    ],
)
def test_optimizers_refuse_what_they_cannot_do(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_batches_grow_with_the_number_of_examples():
    sizes = [Settings().batch_size_for(n) for n in (5, 100, 2_000, 2_001, 50_000, 200_000, 10**6)]
    assert sizes == [5, 16, 16, 32, 64, 128, 256]
    assert Settings(batch_size=10).batch_size_for(5) == 5
    assert Settings(Rprop()).batch_size_for(1_000) == 1_000
    assert Settings(Rprop(), batch_size=10).batch_size_for(1_000) == 10
    assert Settings(LBFGS()).batch_size_for(1_000) == 1_000


def test_the_dtype_is_float32_unless_it_must_be_float64():
    assert Settings().dtype_meant() == np.float32
    assert Settings(dtype=np.float64).dtype_meant() == np.float64
    assert Settings(LBFGS()).dtype_meant() == np.float64
    assert replace(Settings(dtype="float32"), epochs=3).dtype == "float32"
