"""A program as the step of a loop: batches, carried results, and what is kept."""

import platform

import numpy as np
import pytest
from scipy.sparse import csr_array

import backlit
from backlit.autodiff.recording import expand
from backlit.execution.native.executor import Executable
from backlit.execution.native.repeated import Repeated

rng = np.random.default_rng(0)


def test_results_are_carried_into_the_next_step():
    program = backlit.record(lambda a, b: (b, a + b), np.zeros(2), np.zeros(2))
    fibonacci = Repeated(program, carried={0: 0, 1: 1}, gathered=(), fed=(), kept=())
    a, b = np.array([0.0, 1.0]), np.array([1.0, 1.0])
    fibonacci.run({0: a, 1: b}, {}, np.zeros((10, 0), np.int64), 10)
    assert a.tolist() == [55, 89]
    assert b.tolist() == [89, 144]


def test_an_exchange_is_no_overwriting():
    program = backlit.record(lambda a, b: (b, a), np.zeros(3), np.zeros(3))
    exchange = Repeated(program, carried={0: 0, 1: 1}, gathered=(), fed=(), kept=())
    a, b = np.arange(3.0), np.arange(3.0, 6.0)
    exchange.run({0: a, 1: b}, {}, np.zeros((3, 0), np.int64), 3)
    assert a.tolist() == [3, 4, 5]
    assert b.tolist() == [0, 1, 2]


def test_a_carried_value_may_be_read_after_it_is_computed():
    def step(a):
        new = a * 2
        return new, a + new, a  # the old one, too

    program = backlit.record(step, np.zeros(4))
    repeated = Repeated(program, carried={0: 0}, gathered=(), fed=(), kept=(1, 2))
    a = np.arange(4.0)
    sums, olds = repeated.run({0: a}, {}, np.zeros((3, 0), np.int64), 3)
    assert a.tolist() == [0, 8, 16, 24]
    assert olds.tolist() == [[0, 1, 2, 3], [0, 2, 4, 6], [0, 4, 8, 12]]
    assert sums.tolist() == [[0, 3, 6, 9], [0, 6, 12, 18], [0, 12, 24, 36]]


def test_a_carried_value_that_is_read_as_a_whole_is_not_overwritten_too_early():
    program = backlit.record(lambda a: (a - np.sum(a) / 4, np.max(a) - a), np.zeros(4))
    repeated = Repeated(program, carried={0: 0}, gathered=(), fed=(), kept=(1,))
    a = np.array([1.0, 2.0, 3.0, 6.0])
    (kept,) = repeated.run({0: a}, {}, np.zeros((1, 0), np.int64), 1)
    assert a.tolist() == [-2, -1, 0, 3]
    assert kept.tolist() == [[5, 4, 3, 0]]


def test_a_carried_value_that_an_instruction_reads_later_is_not_overwritten_too_early():
    def step(a):
        new = a * 2
        total = np.sum(new)  # for which the new value must be in memory
        return new, a + total

    program = backlit.record(step, np.zeros(3))
    repeated = Repeated(program, carried={0: 0}, gathered=(), fed=(), kept=(1,))
    a = np.array([1.0, 2.0, 3.0])
    (kept,) = repeated.run({0: a}, {}, np.zeros((2, 0), np.int64), 2)
    assert a.tolist() == [4, 8, 12]
    assert kept.tolist() == [[13, 14, 15], [26, 28, 30]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_are_gathered_and_values_fed(dtype):
    data = rng.normal(size=(20, 3)).astype(dtype)
    labels = rng.integers(0, 5, 20)
    rates = rng.normal(size=6).astype(dtype)
    order = rng.permutation(20)[:18].reshape(6, 3)

    def step(total, x, k, rate):
        sums = rate * np.sum(x, axis=1)
        return total + rate * np.sum(x), sums + np.astype(k, dtype)

    program = expand(backlit.record(step, dtype(0), data[:3], labels[:3], dtype(1)))
    repeated = Repeated(program, carried={0: 0}, gathered=(1, 2), fed=(3,), kept=(1,))
    total = np.zeros((), dtype)
    (kept,) = repeated.run({0: total}, {1: data, 2: labels, 3: rates}, order, 6)
    sums = data[order].sum(axis=2) * rates[:, np.newaxis]
    assert np.allclose(kept, sums + labels[order], rtol=1e-5)
    assert np.allclose(total, sums.sum(), rtol=1e-5)


def test_numbers_too_small_to_be_normal_are_zero_in_steps_and_nowhere_else():
    tiny = np.full(40, 1e-22, np.float32)
    program = backlit.record(lambda x: x * x, tiny)
    normal = Executable(expand(program)).run(tiny)
    assert np.all((normal > 0) & (normal < np.finfo(np.float32).tiny))
    steps = Repeated(expand(program), carried={}, gathered=(), fed=(0,), kept=(0,))
    (flushed,) = steps.run({}, {0: tiny}, np.zeros((1, 0), np.int64), 1)
    if platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64"):
        assert np.all(flushed == 0)
    assert np.array_equal(tiny * tiny, normal)  # the mode of this thread is what it was


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", [
    lambda x, W: x @ W,
    lambda x, W: x.T @ (x @ W),
    lambda x, W: x * 2 + (x @ W)[:, :1],  # which needs the batch written out
])  # fmt: skip
def test_sparse_rows_are_read_where_they_are(f, dtype):
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(50, 30)) * (rng.random((50, 30)) < 0.1)
    whole[3] = 0
    array, W = csr_array(whole.astype(dtype)), rng.normal(size=(30, 7)).astype(dtype)
    order = rng.integers(0, 50, (4, 12))
    program = expand(backlit.record(f, np.zeros((12, 30), dtype), W))
    steps = Repeated(program, carried={}, gathered=(0,), fed=(), kept=(0,), sparse={0: array})
    (found,) = steps.run({1: W}, {0: array}, order, 4)
    for rows, ours in zip(order, found, strict=True):
        theirs = f(whole[rows].astype(dtype), W)
        assert np.max(np.abs(ours - theirs)) <= 20 * np.finfo(dtype).eps * np.max(np.abs(theirs))


def test_a_row_that_is_not_there_is_an_error_before_anything_runs():
    x = np.zeros((5, 3))
    program = expand(backlit.record(lambda x: x * 2, np.zeros((2, 3))))
    steps = Repeated(program, carried={}, gathered=(0,), fed=(), kept=(0,))
    with pytest.raises(IndexError, match=r"rows 0 to 5, and the data has rows 0 to 4"):
        steps.run({}, {0: x}, np.array([[0, 5]]), 1)
