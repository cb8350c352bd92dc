"""Compiled kernels compute what the reference executor does."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import backlit
from backlit.autodiff.recording import expand
from backlit.execution.native import library, phases
from backlit.execution.native.calls import UnsupportedError
from backlit.execution.native.elementwise import EXPRESSIONS
from backlit.execution.native.executor import Executable
from backlit.functions import log_softmax, logsumexp, softmax
from backlit.program import tree

rng = np.random.default_rng(0)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # of the largest magnitude


def both(f, *arguments, together=False):
    """Run a function by both executors, and compare.

    The results are compared to the largest magnitude of each; or of all ``together``, where some
    are differences of others, whose rounding they show.
    """
    program = backlit.record(f, *arguments)
    with np.errstate(all="ignore"):
        expected = tree.leaves(backlit.run(program, *arguments))
    found = tree.leaves(Executable(expand(program)).run(*arguments))
    agree(found, expected, arguments, together)
    with finely_cut():
        executable = Executable(expand(program))
    found = tree.leaves(executable.run(*arguments, n_threads=3))
    agree(found, expected, arguments, together)
    again = tree.leaves(executable.run(*arguments))
    for ours, theirs in zip(found, again, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=np.asarray(ours).dtype.kind == "f")


@contextmanager
def finely_cut():
    """Cut whatever can be cut, however small."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENOUGH_SECONDS", "PART_SECONDS", "CALL_SECONDS", "MEETING_SECONDS"):
            patch.setattr(phases, name, 1e-12)
        patch.setattr(phases, "NARROW", 1)
        yield


def agree(found, expected, arguments, together):
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        if ours.dtype.kind != "f":
            assert np.array_equal(ours, theirs)
            continue
        finite = np.isfinite(theirs)
        assert np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
        largest = np.max(np.abs(theirs[finite]), initial=1e-300)
        if together:
            known = [*arguments, *expected]
            largest = max(float(np.max(np.abs(array), initial=0)) for array in known)
        assert np.max(np.abs(ours[finite] - theirs[finite]), initial=0) <= (
            TOLERANCE[ours.dtype.name] * largest
        )


# ----- Elementwise -------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.75, 20.0, -20.0, np.inf, -np.inf, np.nan]
INTEGERS = (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [f for f in EXPRESSIONS if f not in INTEGERS])
def test_every_elementwise_function_agrees_also_at_special_points(function, dtype):
    x = np.array(SPECIAL + rng.normal(size=50).tolist(), dtype)
    if function in (special.erf, special.erfc, special.expit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both(function, x)
        return
    with np.errstate(all="ignore"):
        if function.nin == 1:
            both(lambda x: function(x), x)
        else:
            y = np.roll(x, 5)
            if function is np.power:
                x = np.abs(x)
            both(lambda x, y: function(x, y), x, y)


@pytest.mark.parametrize("function", INTEGERS)
def test_functions_of_bits_agree(function):
    x, y = rng.integers(0, 20, (2, 30)).astype(np.uint32)
    if function.nin == 1:
        both(lambda x: function(x) + np.uint32(0), x)
    else:
        both(lambda x, y: function(x, y) + np.uint32(0), x, y)


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((2, 3, 4), (3, 1)),
        ((), (5,)),
        ((1, 1), (6, 7)),
        ((5,), ()),
    ],
)
def test_operands_are_broadcast(shapes):
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    both(lambda x, y: x * y + np.exp(x), x, y)


def test_operands_may_lie_in_any_order():
    x = rng.normal(size=(4, 5, 6))
    both(lambda x: np.transpose(x) + np.transpose(x, (2, 1, 0)), x)
    both(lambda x: x[1] * x[::2, 1:2, ::-1][0] + x[:, :, 2:3][3], x)
    both(lambda x: np.reshape(np.transpose(x), (6, 20)) * 2, x)
    both(lambda x: np.tanh(x), np.asfortranarray(x))


def test_numbers_of_python_take_the_dtype_they_meet():
    x = rng.normal(size=7).astype(np.float32)
    both(lambda x: (0.1 * x + 1 / 3) ** 2 - x**0.5 + np.where(x > 0, x, 2.0) + x**3, np.abs(x))


def test_truth_values_and_integers():
    x = rng.normal(size=9)
    k = rng.integers(0, 4, 9)
    both(lambda x, k: (x > 0) & (k == 2), x, k)
    both(lambda x, k: x * (k >= 1) + (k - 1), x, k)
    both(lambda x, k: np.where(np.logical_not(x > 0), x, k), x, k)


# ----- Others ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (1, 2)])
def test_reductions(dtype, axis):
    x = rng.normal(size=(5, 6, 7)).astype(dtype)
    both(lambda x: (np.sum(x, axis=axis), np.max(x, axis=axis), np.min(x, axis=axis)), x)
    both(lambda x: np.mean(x, axis=axis) * 2, x)
    both(lambda x: x - np.max(x, axis=axis, keepdims=True), x)


def test_a_long_sum_in_float32_keeps_its_digits():
    x = np.full(1_000_000, 0.1, np.float32)
    program = backlit.record(lambda x: np.sum(x), x)
    assert Executable(program).run(x) == pytest.approx(100_000, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 5)), ((1, 4), (4, 1)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,))]
)
def test_products(dtype, shapes):
    a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    both(lambda a, b: a @ b, a, b)
    both(lambda a, b: (2 * b).T @ a.T, a, b)


def test_products_of_parts():
    a, b = rng.normal(size=(6, 8)), rng.normal(size=(8, 8))
    both(lambda a, b: a[::2, 1:5] @ b[1:5, ::3] + a[1:4, ::4] @ b[::4, :3], a, b)
    both(lambda a, b: (a @ b)[:, 2:3] @ (a.T @ a)[:1], a, b)


def test_concatenate_copies_and_constants():
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    both(lambda a, b: np.concatenate([a, 2 * b, a], axis=1), a, b)
    both(lambda a, b: np.concatenate([np.ravel(a), np.ravel(b)]) * 2, a, b)
    both(lambda a: (a, a, np.ones_like(a), a[0], np.broadcast_to(a[0], (4, 3))), a)


@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp])
def test_composites_are_run_as_their_bodies(function):
    x = rng.normal(size=(4, 5)) * 100
    both(lambda x: function(x, -1), x)
    both(lambda x: backlit.vjp(lambda x: function(x, -1), x)[0], x)


def test_a_gradient_of_a_gradient():
    x = rng.normal(size=6)
    both(
        lambda x: backlit.grad(
            lambda x: np.sum(backlit.grad(lambda x: np.sum(np.tanh(x) ** 3))(x))
        )(x),
        x,
    )


STEPS = (
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: np.tanh(x) - y,
    lambda x, y: np.maximum(x, y),
    lambda x, y: np.where(x > y, x, -y),
    lambda x, y: x - np.sum(y, axis=-1, keepdims=True),
    lambda x, y: np.max(x, axis=0) + y,
    lambda x, y: (x @ np.transpose(y)) @ x,
    lambda x, y: np.transpose(np.transpose(x) * 2),
    lambda x, y: np.concatenate([x[1:], y[:1]]),
    lambda x, y: np.reshape(np.ravel(x)[::-1], x.shape) / 2,
    lambda x, y: x[:, :1] + y,
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(range(len(STEPS))), st.integers(0, 5), st.integers(0, 5)),
             min_size=1, max_size=8),
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
)  # fmt: skip
def test_random_programs_agree(plan, dtype, shape):
    generator = np.random.default_rng(len(plan))
    x, y = generator.normal(size=(2, *shape)).astype(dtype)

    def program(x, y):
        values = [x, y]
        for kind, left, right in plan:
            a, b = values[left % len(values)], values[right % len(values)]
            values.append(STEPS[kind](a, b) * 0.5)
        return tuple(values[2:])

    both(program, x, y, together=True)


# ----- Promises ----------------------------------------------------------------------------------


def test_other_sizes_compile_nothing():
    def f(x, W):
        return np.sum(np.tanh(x @ W) * 1.25, axis=0)

    both(f, rng.normal(size=(4, 5)), rng.normal(size=(5, 6)))
    before = library.compilations()
    for rows, inner, columns in ((7, 8, 9), (1, 3, 2), (40, 50, 60)):
        both(f, rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns)))
    assert library.compilations() == before


def test_what_no_kernel_runs_is_named():
    x = rng.normal(size=(3, 3))
    with pytest.raises(UnsupportedError, match=r"no native kernel runs inv\(float64 \(3, 3\)\)"):
        Executable(backlit.record(np.linalg.inv, x))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i8"])
def test_numbers_in_the_other_order_of_bytes_are_taken(dtype):
    x, captured = (rng.integers(-9, 9, (3, 4)).astype(dtype) for _ in range(2))
    executable = Executable(backlit.record(lambda x: (x * captured + 1, x.T), x))
    product, turned = executable.run(x)
    assert np.array_equal(product, x * captured + 1) and np.array_equal(turned, x.T)


def test_numbers_that_kernels_do_not_have_are_named():
    program = backlit.record(lambda x: x * 2, np.ones(3, np.float16))
    with pytest.raises(UnsupportedError, match="no kernel has numbers of float16"):
        Executable(program)
    with pytest.warns(UserWarning, match="no kernel has numbers of float16"):
        assert backlit.run(program, np.ones(3, np.float16), engine="native").tolist() == [2] * 3


def test_arguments_are_checked_as_by_the_reference_executor():
    executable = Executable(backlit.record(lambda x: x * 2, np.ones(3)))
    with pytest.raises(ValueError, match="was recorded for x of shape"):
        executable.run(np.ones(4))


def test_results_are_arrays_of_their_own():
    executable = Executable(backlit.record(lambda x: (x * 2, x), np.ones(3)))
    first = executable.run(np.array([1.0, 2.0, 3.0]))
    executable.run(np.array([4.0, 5.0, 6.0]))
    assert first[0].tolist() == [2.0, 4.0, 6.0]
    assert first[1].tolist() == [1.0, 2.0, 3.0]
