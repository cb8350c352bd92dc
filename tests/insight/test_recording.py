"""A recording is of the training that was made, and can be made again."""

import numpy as np
import pytest

from backlit.autodiff.derivatives import grad
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Adam, AdamW, Nesterov, Penalties, RMSProp, Settings, train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
Y = {
    "log_loss": RNG.integers(0, 3, 90),
    "binary_log_loss": RNG.integers(0, 2, 90),
    "label_log_loss": RNG.integers(0, 2, (90, 3)).astype(float),
    "squared_loss": RNG.normal(size=(90, 2)),
    "poisson_loss": RNG.integers(0, 4, (90, 1)).astype(float),
}
OUTPUTS = {"log_loss": 3, "label_log_loss": 3, "squared_loss": 2}
CASES = [
    ("log_loss", "relu", Adam(), {}),
    ("binary_log_loss", "tanh", Nesterov(0.05), {"penalties": Penalties(l2=0.01)}),
    ("label_log_loss", "gelu", AdamW(), {}),
    ("squared_loss", "relu", RMSProp(), {"penalties": Penalties(l1=0.01, clip_norm=1.0)}),
    ("poisson_loss", "logistic", Adam(), {}),
]


def _watched(loss, activation, optimizer, more, engine="reference", dropout=0.0, weights=None):
    network = Network(5, (7, 6), OUTPUTS.get(loss, 1), activation, loss, dropout=dropout)
    settings = Settings(optimizer, epochs=3, batch_size=16, dtype="float64", engine=engine, **more)
    y = Y[loss]
    training = (X[:70], y[:70]) if weights is None else (X[:70], y[:70], weights)
    validation = (X[70:], y[70:])
    return network, settings, training, validation, watch(network, training, validation, settings)


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize(("loss", "activation", "optimizer", "more"), CASES)
def test_a_watched_training_is_the_same_training(loss, activation, optimizer, more, engine):
    network, settings, training, validation, (watched, recording) = _watched(
        loss, activation, optimizer, more, engine, dropout=0.2
    )
    plain = train(network, training, validation, settings)
    for name, array in plain.parameters.items():
        assert array.tobytes() == watched.parameters[name].tobytes()
    figures = [(e.train_loss, e.validation_loss) for e in plain.epochs]
    assert figures == [(e.train_loss, e.validation_loss) for e in watched.epochs]
    assert recording.epochs == 3


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_replay_comes_to_the_same_parameters(engine):
    *_, (watched, recording) = _watched("log_loss", "relu", Adam(), {}, engine, dropout=0.2)
    moments = list(recording.replay())
    assert moments[-1].after.tobytes() == watched.state.theta.tobytes()
    assert [m.number for m in moments] == list(range(1, 16))
    assert {m.epoch for m in moments} == {1, 2, 3}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("loss", "activation", "optimizer", "more"), CASES)
def test_what_was_seen_is_true_of_each_example(loss, activation, optimizer, more, engine, dropout):
    weights = RNG.uniform(0.5, 2, 70)
    weights[7] = 0  # is left out
    network, *_, (_, recording) = _watched(
        loss, activation, optimizer, more, engine, dropout, weights
    )
    x, y = recording.training.x, recording.training.y
    assert len(x) == 69 and 7 not in recording.training.rows
    norms = recording.squared_norms()
    for moment, start in zip(recording.replay(), recording.starts, strict=False):
        if moment.number % 4:
            continue
        parameters = recording.subject.layout.views(moment.theta)
        # Dropout draws by the place in the batch: an example alone has other units silent.
        passes = recording.subject.passes(moment.theta, x[moment.rows], y[moment.rows], moment.key)
        for place, row in enumerate(moment.rows):
            if not dropout:
                one = slice(row, row + 1)

                def loss_of(p, one=one):
                    return network.losses(p, x[one], y[one])[0]

                gradient = grad(loss_of)(parameters)
                expected = sum(np.sum(g**2) for g in gradient.values())
                np.testing.assert_allclose(norms[start + place], expected, rtol=1e-9, atol=1e-18)
                np.testing.assert_allclose(
                    recording.loss[start + place], loss_of(parameters), rtol=1e-9, atol=1e-15
                )
            expected = sum(
                np.sum(d[place] ** 2) * (np.sum(a[place] ** 2) + 1)
                for a, d in zip(passes.inputs, passes.deltas, strict=True)
            )
            np.testing.assert_allclose(norms[start + place], expected, rtol=1e-9, atol=1e-18)
        gradient = recording.subject.gradient(passes, recording.course.shares(moment.rows))
        parts = recording.subject.layout.views(gradient)
        for layer in (1, 2, 3):
            expected = np.sum(parts[f"W{layer}"] ** 2) + np.sum(parts[f"b{layer}"] ** 2)
            found = recording.squared_gradient[moment.number - 1, layer - 1]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-18)


def test_shares_and_penalties_make_the_gradient_of_a_step():
    penalties = Penalties(l1=0.02, l2=0.05)
    weights = RNG.uniform(0.5, 2, 70)
    network, _, (x, y, weights), _, (_, recording) = _watched(
        "log_loss", "tanh", Adam(), {"penalties": penalties}, weights=weights
    )
    moment = next(iter(recording.replay()))
    rows = moment.rows

    def objective(p):
        data = np.sum(network.losses(p, x[rows], y[rows]) * weights[rows]) / np.sum(weights[rows])
        layers = [p[f"W{layer}"] for layer in (1, 2, 3)]
        return data + sum(0.02 * np.sum(np.abs(W)) + 0.025 * np.sum(W**2) for W in layers)

    layout = recording.subject.layout
    expected = layout.flatten(grad(objective)(layout.views(moment.theta)))
    passes = recording.subject.passes(moment.theta, x[rows], y[rows])
    found = recording.subject.gradient(passes, recording.course.shares(rows))
    found = found + recording.course.penalty(moment.theta, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_products_are_those_of_each_gradient():
    network, _, (x, y), _, (_, recording) = _watched("squared_loss", "tanh", Adam(), {})
    subject, theta = recording.subject, recording.theta
    vector = RNG.normal(size=theta.size)
    found = subject.products(subject.passes(theta, x, y), vector)
    parameters = subject.layout.views(theta)
    for row in range(0, 70, 13):
        one = slice(row, row + 1)
        gradient = grad(lambda p, one=one: network.losses(p, x[one], y[one])[0])(parameters)
        np.testing.assert_allclose(found[row], subject.layout.flatten(gradient) @ vector, rtol=1e-9)


def test_visits_by_row_has_an_entry_for_each_epoch():
    *_, (_, recording) = _watched("log_loss", "relu", Adam(), {})
    table = recording.visits_by_row(recording.loss)
    assert table.shape == (70, 3)
    assert not np.isnan(table).any()
    first = np.flatnonzero(recording.row == 5)
    np.testing.assert_array_equal(table[5], recording.loss[first])


def test_lbfgs_is_refused():
    with pytest.raises(ValueError, match="L-BFGS makes no steps of single batches to look at"):
        watch(Network(5, (3,), 3), (X, Y["log_loss"]), optimizer="lbfgs")
