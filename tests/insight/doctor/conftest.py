"""Small trainings that the doctor's tests share."""

from __future__ import annotations

import numpy as np
import pytest

from backlit.insight.doctor.attainable import attainable
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Adam, Settings


def points(count: int, seed: int = 0):
    """Two classes, divided by a circle, in the first two of four columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    return x, (np.hypot(x[:, 0], x[:, 1]) > 1.18).astype(int)


@pytest.fixture(scope="session")
def circle():
    """Training and held-out rows."""
    x, y = points(600)
    return (x[:400], y[:400]), (x[400:], y[400:])


SETTINGS = Settings(Adam(5e-3), epochs=40, engine="native", n_threads=1)


@pytest.fixture(scope="session")
def well(circle):
    """A training with which nothing is wrong."""
    _, recording = watch(Network(4, (32,), 2), *circle, SETTINGS)
    return recording


@pytest.fixture(scope="session")
def allowed(well):
    """What a plain network reaches on these rows."""
    return attainable(well)
