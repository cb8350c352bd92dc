"""A program compiled to a Python function computes what the reference executor computes."""

import numpy as np
import pytest

import backlit
from backlit.estimators.compatible import Model
from backlit.estimators.optimizers import Adam, Momentum
from backlit.estimators.outputs import Output
from backlit.estimators.programs import record_step
from backlit.estimators.straight import straight

OUTPUTS = [
    Output("softmax", "log_loss"),
    Output("logistic", "binary_log_loss"),
    Output("exp", "poisson"),
    Output("identity", "huber", 0.5),
]


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("rule", [Momentum(0.9, True), Adam(0.9, 0.999, 1e-8)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_have_the_bits_of_the_reference_executor(output, rule, weighted, dtype):
    model = Model(
        (3, 5, 4, 2), ("relu", "silu"), output, alpha=0.1, dropout=(0.0, 0.3), clip_norm=0.5,
        weight_decay=0.01,
    )  # fmt: skip
    random = np.random.RandomState(0)
    theta = random.randn(model.layout.size).astype(dtype)
    state = {k: np.abs(v + 0.1) for k, v in rule.initial_state(theta).items()}
    x = random.randn(6, 3).astype(dtype)
    y = random.randint(2, size=(6, 2)).astype(bool)
    if output.loss in ("poisson", "huber"):
        y = y.astype(dtype)
    weights = random.uniform(size=6).astype(dtype) if weighted else None
    key = np.array([3, 4], np.uint32)
    program = record_step(model, rule, 6, dtype, y.dtype, weighted)
    before = [a.copy() for a in (theta, *state.values(), x, y)]
    expected, moved, loss = backlit.run(program, theta, state, x, y, weights, dtype(0.01), key)
    given = [theta, *state.values(), x, y, *([weights] if weighted else []), dtype(0.01), key]
    results = straight(program)(*given)
    for one, other in zip(results, [expected, *moved.values(), loss], strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)
    for one, other in zip(given, before, strict=False):
        np.testing.assert_array_equal(one, other)  # the arguments stay


@pytest.mark.parametrize("rule", [Momentum(0.9, True), Adam(0.9, 0.999, 1e-8)], ids=str)
def test_what_is_given_away_is_written_over_and_nothing_else(rule):
    model = Model((3, 5, 2), ("tanh",), OUTPUTS[0], alpha=0.1, weight_decay=0.01)
    random = np.random.RandomState(0)
    theta = random.randn(model.layout.size)
    state = {k: np.abs(v + 0.1) for k, v in rule.initial_state(theta).items()}
    x, y = random.randn(6, 3), np.eye(2, dtype=bool)[random.randint(2, size=6)]
    program = record_step(model, rule, 6, float, bool, False)
    rate = np.float64(0.01)
    expected, moved, loss = backlit.run(program, theta, state, x, y, None, rate, None)
    step = straight(program, given_away=range(1 + len(state)))
    kept = x.copy(), y.copy()
    results = step(theta, *state.values(), x, y, rate)
    for one, other in zip(results, [expected, *moved.values(), loss], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    assert np.shares_memory(results[0], theta)
    assert all(np.shares_memory(a, b) for a, b in zip(results[1:-1], state.values(), strict=True))


def test_what_is_read_again_is_not_written_over():
    def f(x):
        a = x + 1.0
        b = a * 2.0
        c = np.reshape(b, (2, 2))
        d = b + 1.0  # b is free here, but c looks at it
        return a - d, c * 1.0, a

    x = np.arange(4.0)
    for one, other in zip(straight(backlit.record(f, x))(x), f(x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_argument_is_not_written_over():
    x = np.arange(3.0)
    (doubled,) = straight(backlit.record(lambda x: x + 1.0, x))(x)
    np.testing.assert_array_equal(doubled, [1, 2, 3])
    np.testing.assert_array_equal(x, [0, 1, 2])


def test_infinite_constants_and_whole_sums():
    def f(x):
        return np.minimum(x, np.inf) + np.sum(x)

    x = np.arange(4.0).reshape(2, 2)
    (found,) = straight(backlit.record(f, x))(x)
    np.testing.assert_array_equal(found, f(x))
