"""The dense layer: its value, and its derivatives written out by hand."""

import numpy as np
import pytest

import backlit
from backlit.networks import dense

rng = np.random.default_rng(0)
W, b = rng.normal(size=(3, 2)), rng.normal(size=2)


def test_pre_activation_is_a_weighted_sum_plus_bias():
    x = np.array([1.0, 2.0, 3.0])
    by_hand = [sum(x[i] * W[i, j] for i in range(3)) + b[j] for j in range(2)]
    assert np.allclose(dense(x, W, b), by_hand, rtol=1e-15)


def test_derivatives_of_a_batch_are_the_textbook_ones():
    x, delta = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    _, pullback = backlit.vjp(dense, x, W, b)
    d_x, d_W, d_b = pullback(delta)
    for n in range(5):
        assert np.allclose(d_x[n], [W[i] @ delta[n] for i in range(3)])
    assert np.allclose(d_W, sum(np.outer(x[n], delta[n]) for n in range(5)))
    assert np.allclose(d_b, sum(delta[n] for n in range(5)))


def test_one_example_and_stacks_of_batches_work_alike():
    x, delta = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 2))
    _, pullback = backlit.vjp(dense, x, W, b)
    d_x, d_W, d_b = pullback(delta)
    singles = [
        backlit.vjp(dense, x[i, j], W, b)[1](delta[i, j]) for i in range(4) for j in range(5)
    ]
    assert np.allclose(d_x.reshape(20, 3), [single[0] for single in singles])
    assert np.allclose(d_W, sum(single[1] for single in singles))
    assert np.allclose(d_b, sum(single[2] for single in singles))


@pytest.mark.parametrize("shape", [(3,), (5, 3)])
def test_derivatives_agree_with_differences_to_second_order(shape):
    backlit.check_grads(dense, (rng.normal(size=shape), W, b), order=2)


def test_it_is_one_instruction_of_a_program():
    program = backlit.record(dense, rng.normal(size=(5, 3)), W, b)
    assert [instruction.function.__name__ for instruction in program.instructions] == ["dense"]
