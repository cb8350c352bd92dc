"""The sizes of activations, deltas, gradients and updates are what one by one gives."""

import numpy as np
import pytest

from backlit.autodiff.derivatives import grad
from backlit.insight.doctor.signal import copies, follow, landing
from backlit.insight.doctor.steps import moments_at
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import GradientDescent, Penalties, Settings

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 5)), RNG.integers(0, 3, 60)
NETWORK = Network(5, (7, 6), 3, "tanh")
SETTINGS = Settings(
    GradientDescent(0.1), epochs=2, batch_size=60, dtype="float64", penalties=Penalties(l2=0.1)
)


@pytest.fixture(scope="module")
def recording():
    _, recording = watch(NETWORK, (X, Y), settings=SETTINGS)
    return recording


def test_noise_is_the_variance_of_single_gradients(recording):
    signal = follow(recording)
    layout = recording.subject.layout
    for look, moment in zip(signal.looks, moments_at(recording, [1, 2]), strict=True):
        parameters = layout.views(moment.theta)
        single = np.stack(
            [
                layout.flatten(
                    grad(lambda p, i=i: NETWORK.losses(p, X[i : i + 1], Y[i : i + 1])[0])(
                        parameters
                    )
                )
                for i in range(60)
            ]
        )
        variance = float(np.sum(np.var(single, axis=0, ddof=1)))
        mean = np.mean(single, axis=0)
        np.testing.assert_allclose(look.noise, variance, rtol=1e-9)
        np.testing.assert_allclose(look.squared_gradient, mean @ mean - variance / 60, rtol=1e-9)
        np.testing.assert_allclose(look.data_gradient, np.linalg.norm(mean), rtol=1e-9)
        W = np.concatenate([parameters[f"W{layer}"].ravel() for layer in (1, 2, 3)])
        np.testing.assert_allclose(look.penalty_gradient, 0.1 * np.linalg.norm(W), rtol=1e-9)


def test_sizes_of_layers_are_root_mean_squares_of_passes(recording):
    look, moment = follow(recording).looks[0], moments_at(recording, [1])[0]
    passes = recording.subject.passes(moment.theta, X, Y)
    for layer, a, z, d in zip(
        look.layers, passes.inputs, passes.pre_activations, passes.deltas, strict=True
    ):
        assert layer.activation == pytest.approx(np.sqrt(np.mean(a**2)), rel=1e-12)
        assert layer.pre_activation == pytest.approx(np.sqrt(np.mean(z**2)), rel=1e-12)
        assert layer.delta == pytest.approx(np.sqrt(np.mean(d**2)), rel=1e-12)
    update = np.sqrt(sum(layer.update**2 for layer in look.layers))
    assert update == pytest.approx(np.linalg.norm(moment.after - moment.theta), rel=1e-9)


@pytest.mark.parametrize(("rate", "alpha"), [(0.5, -0.5), (1.0, 0.0), (1.5, 0.5), (2.0, 1.0)])
def test_a_step_on_a_parabola_lands_where_its_length_says(rate, alpha):
    # With x = 1 and x = -1, the mean loss (w x + b - y)**2 / 2 is a parabola with curvature 1 in w
    # and in b; gradient descent with rate 1 lands in the minimum, and with 2 on the opposite wall.
    x = np.array([[1.0], [-1.0]])
    y = 3 * x + 2
    _, recording = watch(
        Network(1, (), 1, loss="squared_loss"), (x, y), optimizer=GradientDescent(rate),
        epochs=1, batch_size=2, dtype="float64",
    )  # fmt: skip
    moment = moments_at(recording, [1])[0]
    assert landing(recording, moment) == pytest.approx(alpha, abs=1e-6)


def test_silent_and_saturated_units_are_counted_and_dated():
    network = Network(5, (4,), 3, "relu")
    start = network.parameters(seed=0, dtype=np.float64)
    start["b1"] = np.array([-100.0, 0.0, -100.0, 0.0])
    _, recording = watch(
        network, (X, Y), optimizer=GradientDescent(0.01), epochs=2, batch_size=60, start=start
    )
    signal = follow(recording)
    assert signal.looks[0].layers[0].silent == 0.5
    assert signal.since("silent", 0) == 1
    assert signal.since("flat", 0) is None
    assert "50% dead" in signal.summary()
    bounded = Network(5, (4,), 3, "tanh")
    start["b1"] = np.array([100.0, 0.0, -100.0, 0.0])
    _, recording = watch(
        bounded, (X, Y), optimizer=GradientDescent(0.01), epochs=2, batch_size=60, start=start
    )
    assert follow(recording).looks[0].layers[0].flat == 0.5


def test_copies_are_found_however_large_they_are():
    z = RNG.normal(size=(50, 4))
    assert copies(z) == 0
    assert copies(np.stack([z[:, 0], z[:, 1], z[:, 0], z[:, 2]], axis=1)) == 0.5
    assert copies(1e-9 * z) == 0
    assert copies(z - 1000) == 0
    assert copies(np.zeros((50, 4))) == 1


def test_the_table_has_a_row_for_each_look_and_layer(recording):
    columns = follow(recording).columns()
    assert columns["step"] == [1, 1, 1, 2, 2, 2]
    assert columns["layer"] == [1, 2, 3, 1, 2, 3]


def test_the_picture_has_a_line_for_each_layer(recording):
    pytest.importorskip("matplotlib")
    axes = follow(recording).plot()
    assert len(axes.lines) == 3
