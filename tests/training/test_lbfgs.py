"""L-BFGS against closed forms and scikit-learn's minima."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from backlit.networks import Network
from backlit.training import Penalties, minimise

rng = np.random.default_rng(0)
x = rng.normal(size=(80, 3)) * [1, 2, 0.5] + [0, 1, -1]
classes = np.argmax(x @ rng.normal(size=(3, 3)) + rng.normal(size=(80, 3)), axis=1)
numbers = x @ [[1.0], [-2.0], [0.5]] + 3 + 0.1 * rng.normal(size=(80, 1))


def test_linear_network_finds_the_weighted_ridge_regression():
    weights = rng.uniform(0, 2, 80)
    linear = Network(3, (), 1, loss="squared_loss")
    found = minimise(linear, (x, numbers, weights), penalties=Penalties(l2=0.3),
                     tolerance=1e-9)  # fmt: skip
    theirs = Ridge(alpha=0.3 * weights.sum()).fit(x, numbers[:, 0], sample_weight=weights)
    assert found.converged
    assert np.allclose(found.parameters["W1"][:, 0], theirs.coef_, rtol=1e-6)
    assert np.allclose(found.parameters["b1"], theirs.intercept_, rtol=1e-6)


def test_linear_network_finds_scikit_learns_logistic_regression():
    linear = Network(3, (), 3)
    found = minimise(linear, (x, classes), penalties=Penalties(l2=0.05), tolerance=1e-8)
    theirs = LogisticRegression(C=1 / (0.05 * 80), tol=1e-10, max_iter=1000).fit(x, classes)
    assert np.allclose(linear.predict(found.parameters, x), theirs.predict_proba(x), atol=1e-6)


def test_hidden_layers_come_to_a_stationary_point():
    network = Network(3, (5,), 3, "tanh")
    penalties = Penalties(l2=0.01)
    found = minimise(network, (x, classes), penalties=penalties, iterations=2000, tolerance=1e-6)
    assert found.converged

    def objective(p):
        squares = sum(np.sum(p[name] ** 2) for name in ("W1", "W2"))
        return network.losses(p, x, classes).mean() + 0.01 / 2 * squares

    assert found.objective == pytest.approx(objective(found.parameters), rel=1e-12)
    for name, array in found.parameters.items():
        for k in np.ndindex(array.shape):
            shift = np.zeros(array.shape)
            shift[k] = 1e-3
            around = [objective({**found.parameters, name: array + s}) for s in (shift, -shift)]
            assert (around[0] - around[1]) / 2e-3 == pytest.approx(0, abs=1e-5)


def test_iterations_are_reported_and_can_be_started_from():
    network = Network(3, (4,), 3, "tanh")
    seen = []
    found = minimise(network, (x, classes), iterations=8,
                     after_iteration=lambda *figures: seen.append(figures))  # fmt: skip
    assert [number for number, _, _ in seen] == list(range(1, found.iterations + 1))
    objectives = [objective for _, objective, _ in seen]
    assert objectives == sorted(objectives, reverse=True)
    for _, objective, parameters in seen:
        losses = network.losses(parameters, x, classes)
        assert objective == pytest.approx(losses.mean(), rel=1e-12)
    assert not found.converged
    for name, array in found.parameters.items():
        assert np.array_equal(seen[-1][2][name], array)
    further = minimise(network, (x, classes), start=found.parameters, iterations=8)
    assert further.objective < found.objective


def test_the_same_call_gives_the_same_bits():
    network = Network(3, (4,), 3)
    first, second = (minimise(network, (x, classes), iterations=20, seed=3) for _ in range(2))
    for name, array in first.parameters.items():
        assert np.array_equal(array, second.parameters[name])


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        (Network(3, (4,), 3), {"penalties": Penalties(l1=0.1)}, "neither l1 nor clip_norm"),
        (Network(3, (4,), 3), {"penalties": Penalties(clip_norm=1.0)}, "neither l1 nor clip_norm"),
        (Network(3, (4,), 3, dropout=0.1), {}, "and dropout changes it"),
        (Network(3, (4,), 3), {"start": {"W1": np.zeros((3, 4))}}, "the parameters have shapes"),
        (Network(2, (4,), 3), {}, "training inputs have shape"),
    ],
)
def test_what_it_cannot_minimise_is_refused(network, settings, message):
    with pytest.raises(ValueError, match=message):
        minimise(network, (x, classes), **settings)
