"""Steps made many at once are the steps of the training."""

import numpy as np
import pytest

from backlit.insight.doctor.steps import advance, batches_of, moments_at
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Adam

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(90, 5)), RNG.integers(0, 3, 90)


@pytest.fixture(scope="module", params=["reference", "native"])
def recording(request):
    network = Network(5, (7,), 3, dropout=0.2)
    _, recording = watch(
        network, (X, Y), optimizer=Adam(), epochs=3, batch_size=16, engine=request.param
    )
    return recording


def test_moments_are_those_of_the_replay(recording):
    numbers = [1, 2, 6, 7, 18]
    replayed = [m for m in recording.replay() if m.number in numbers]
    for ours, theirs in zip(moments_at(recording, numbers), replayed, strict=True):
        assert (ours.number, ours.epoch) == (theirs.number, theirs.epoch)
        assert ours.theta.tobytes() == theirs.theta.tobytes()
        assert ours.after.tobytes() == theirs.after.tobytes()
        for name, array in theirs.state_after.items():
            assert ours.state_after[name].tobytes() == array.tobytes()


def test_a_course_that_makes_single_steps_only_comes_to_the_same(recording):
    class Single:
        def __init__(self, course):
            self.begin, self.step = course.begin, course.step

    theta, state = recording.course.begin()
    batches, rates = batches_of(recording, 0, 8), recording.learning_rate[:8]
    many, _ = advance(recording.course, theta, state, batches, rates, 1)
    single, _ = advance(Single(recording.course), theta, state, batches, rates, 1)
    assert many.tobytes() == single.tobytes()
