"""Whether other seeds agree."""

from __future__ import annotations

import numpy as np
import pytest

from backlit.insight.doctor import Plan, diagnose
from backlit.insight.doctor.seeds import try_seeds
from backlit.networks import Network
from backlit.training import Adam, Settings, train


def test_scores_are_those_of_trainings_with_these_seeds(circle, well, allowed):
    settings = Settings(Adam(5e-3), epochs=40, engine="native", n_threads=1)
    plan = Plan(Network(4, (32,), 2), *circle, settings)
    seeds = diagnose(well, reference=allowed, plan=plan, n_seeds=3).seeds
    assert seeds is not None
    x, y = circle[1]
    predicted = [
        np.argmax(
            plan.network.forward(train(plan.network, *circle, settings, seed=s).parameters, x), 1
        )
        for s in range(3)
    ]
    np.testing.assert_allclose(seeds.scores, [np.mean(p == y) for p in predicted], atol=1e-12)
    pairs = [np.mean(predicted[i] == predicted[j]) for i, j in ((1, 0), (2, 0), (2, 1))]
    assert seeds.agreement == pytest.approx(np.mean(pairs), abs=1e-12)
    assert str(seeds).startswith("With 3 seeds, the accuracy on held-out rows goes from 0.")


def test_seeds_that_cannot_be_compared_are_refused(circle, well):
    plan = Plan(Network(4, (32,), 2), *circle)
    with pytest.raises(ValueError, match="n_seeds must be 2 or more to compare them, not 1"):
        try_seeds(plan, well, 1)
    with pytest.raises(ValueError, match="needs plan= to say how it was made"):
        diagnose(well, n_seeds=3)
    alone = Plan(plan.network, circle[0], settings=Settings(epochs=1)).watch()
    with pytest.raises(ValueError, match="compared on held-out rows, and this training has none"):
        try_seeds(plan, alone, 3)
