"""Dropout: its chances, its scaling, its gradient, and the same bits wherever it is computed."""

import numpy as np
import pytest
from scipy import stats

import backlit
from backlit.networks import Network, dropout, dropout_key
from backlit.networks.dropout import spared
from backlit.networks.randomness import threefry

rng = np.random.default_rng(0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_each_unit_falls_silent_with_the_rate(rate):
    kept = spared(dropout_key(0, 1), 1, (1000, 100), rate)
    share = stats.binomtest(int((~kept).sum()), kept.size, rate)
    assert share.pvalue > 1e-4
    for axis in (0, 1):  # neither examples nor units are favoured
        count = kept.shape[axis]
        expected = count * (1 - rate)
        statistic = ((kept.sum(axis=axis) - expected) ** 2).sum() / (count * rate * (1 - rate))
        assert stats.chi2.sf(statistic, kept.shape[1 - axis]) > 1e-4


def test_a_rate_of_zero_spares_all():
    assert spared(dropout_key(0, 1), 1, (100, 100), 0.0).all()


@pytest.mark.parametrize("changed", ["seed", "step", "layer"])
def test_seeds_steps_and_layers_draw_independently(changed):
    draw = {"seed": 0, "step": 1, "layer": 1}
    first, second = (
        spared(dropout_key(d["seed"], d["step"]), d["layer"], (200, 100), 0.5)
        for d in (draw, {**draw, changed: draw[changed] + 1})
    )
    table = np.histogram2d(first.ravel(), second.ravel(), bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_draws_are_the_published_hash():
    # 32 bits a unit, counted along the rows; tests/networks/test_randomness.py has its answers.
    kept = spared(dropout_key(seed=5, step_number=9), 2, (3, 4), 0.3)
    for n in range(3):
        for j in range(4):
            k0, k1, x0, x1 = np.array([[5], [3 + 256 * 2], [9], [4 * n + j]], np.uint32)
            bits, _ = threefry((k0, k1), (x0, x1))
            assert kept[n, j] == (int(bits[0]) >= 0.3 * 2**32)


def test_rows_of_a_batch_do_not_depend_on_its_length():
    key = dropout_key(1, 7)
    assert np.array_equal(spared(key, 1, (32, 10), 0.4)[:5], spared(key, 1, (5, 10), 0.4))


def test_expectation_stays():
    a = rng.normal(size=(1, 20)) + 3
    rate, draws = 0.3, 4000
    mean = dropout(np.repeat(a, draws, axis=0), dropout_key(0, 1), 1, rate).mean(axis=0)
    error = np.abs(a[0]) * np.sqrt(rate / (1 - rate) / draws)
    assert np.all(np.abs(mean - a[0]) < 5 * error)


def test_gradient_flows_through_the_spared_units_only():
    a, key, g = rng.normal(size=(6, 5)), dropout_key(0, 3), rng.normal(size=(6, 5))
    out, pullback = backlit.vjp(lambda a: dropout(a, key, 1, 0.4), a)
    kept = spared(key, 1, (6, 5), 0.4)
    assert 0 < kept.sum() < kept.size
    assert np.allclose(out, np.where(kept, a / 0.6, 0), rtol=1e-15)
    assert np.allclose(pullback(g)[0], np.where(kept, g / 0.6, 0), rtol=1e-15)


def test_training_differs_from_prediction():
    network = Network(3, (20,), 2, "tanh", dropout=0.5)
    p = network.parameters(seed=0, dtype=np.float64)
    x = rng.normal(size=(4, 3))
    a = np.tanh(x @ p["W1"] + p["b1"])
    key = dropout_key(0, 1)
    a_spared = np.where(spared(key, 1, (4, 20), 0.5), 2 * a, 0)
    assert np.allclose(network.forward(p, x), a @ p["W2"] + p["b2"], rtol=1e-13)
    assert np.allclose(network.forward(p, x, key), a_spared @ p["W2"] + p["b2"], rtol=1e-13)


def test_recorded_program_draws_for_any_key():
    network = Network(3, (20, 10), 2, dropout=0.2)
    p = network.parameters(seed=0)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    program = backlit.record(network.forward, p, x, dropout_key(0, 1))
    outputs = []
    for key in (dropout_key(0, 1), dropout_key(0, 2), dropout_key(2**32 - 1, 2**32 - 1)):
        outputs.append(backlit.run(program, p, x, key))
        assert np.array_equal(outputs[-1], network.forward(p, x, key))
        assert outputs[-1].dtype == np.float32
    assert not np.array_equal(outputs[0], outputs[1])


def test_printed_program_draws_the_same_units_by_itself():
    a = rng.normal(size=(4, 3))
    program = backlit.record(lambda a, key: dropout(a, key, 1, 0.3), a, dropout_key(0, 1))
    names: dict = {}
    exec(str(program), names)
    assert np.array_equal(
        names["program"](a, dropout_key(3, 4)), dropout(a, dropout_key(3, 4), 1, 0.3)
    )


@pytest.mark.parametrize(("seed", "step", "name"), [(-1, 1, "seed"), (0, 2**32, "step_number")])
def test_keys_out_of_range_are_refused(seed, step, name):
    with pytest.raises(ValueError, match=f"{name} must be an integer from 0 to"):
        dropout_key(seed, step)
