"""Every case of the table of rules is run by kernels too, or is said not to be."""

import re

import numpy as np
import pytest
from scipy import special
from tests.autodiff.cases import CASES

import backlit
from backlit import functions
from backlit.autodiff.recording import expand
from backlit.execution.native.calls import UnsupportedError
from backlit.execution.native.executor import Executable
from backlit.program import tree

# What no kernel runs, so that a program with it is run by NumPy.
WITHOUT_KERNEL = {
    function.__name__
    for function in (
        # Factorizations and what is made of them
        np.linalg.svd, np.linalg.eigh, np.linalg.eigvalsh, np.linalg.qr, np.linalg.cholesky,
        np.linalg.inv, np.linalg.pinv, np.linalg.solve, np.linalg.det, np.linalg.slogdet,
        # Order
        np.sort, np.partition,
        # Zeta, beta and incomplete gamma functions, Bessel functions
        special._ufuncs._zeta,
        special.beta, special.betaln, special.gammainc, special.gammaincc,
        special.j0, special.j1, special.jv, special.y0, special.y1, special.yv,
        special.i0, special.i1, special.iv,
    )
}  # fmt: skip

RECORDABLE = [case for case in CASES if case.recordable]


def programs(case):
    """Return the program of a case's value, and that of its backward pass, with arguments."""
    program = backlit.record(case.call, *case.arguments)
    outputs = program.output_values()
    yield program, case.arguments
    single = len(outputs) == 1 and outputs[0].dtype.kind == "f"
    if single:
        seeds = [] if outputs[0].shape == () else [np.cos(np.arange(np.prod(outputs[0].shape)))]
        seeds = [seed.reshape(outputs[0].shape) for seed in seeds]
        everything = tuple(range(len(case.arguments)))
        yield backlit.backward(program, everything), (*case.arguments, *seeds)


def check(case):
    """Compare both executors; return the function that no kernel runs, if there is one."""
    missing = None
    with np.errstate(all="ignore"):
        for program, arguments in programs(case):
            try:
                executable = Executable(expand(program))
            except UnsupportedError as error:
                missing = re.search(r"no native kernel runs (\w+)\(", str(error))[1]
                assert missing in WITHOUT_KERNEL, str(error)
                continue
            expected = tree.leaves(backlit.run(program, *arguments))
            found = tree.leaves(executable.run(*arguments))
            for ours, theirs in zip(found, expected, strict=True):
                agree(np.asarray(ours), np.asarray(theirs))
    return missing


def agree(ours, theirs):
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    finite = np.isfinite(theirs)
    assert np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
    largest = max(1e-3, np.max(np.abs(theirs[finite]), initial=0))
    assert np.max(np.abs(ours[finite] - theirs[finite]), initial=0) <= 1e-12 * largest


@pytest.mark.parametrize("case", RECORDABLE[:: len(RECORDABLE) // 40], ids=lambda c: c.label)
def test_some_cases_agree(case):
    check(case)


@pytest.mark.slow
def test_all_cases_agree_and_what_has_no_kernel_is_listed():
    wrong, missing = {}, set()
    for case in RECORDABLE:
        try:
            missing.add(check(case))
        except Exception as error:
            wrong[case.label] = f"{type(error).__name__}: {error}".splitlines()[0]
    assert not wrong
    assert missing - {None} == WITHOUT_KERNEL


def test_functions_without_a_kernel_are_named_by_the_error():
    with pytest.raises(UnsupportedError, match="svd"):
        Executable(expand(backlit.record(lambda x: np.linalg.norm(x, 2), np.eye(3))))


def test_a_composite_is_expanded_down_to_kernels():
    x = np.array([1.0, 2.0, 4.0])
    program = backlit.record(lambda x: functions.put(x, np.array([0, 0]), x[1:]), x)
    assert np.array_equal(Executable(expand(program)).run(x), [4.0, 2.0, 4.0])


# ----- What the cases do not reach ---------------------------------------------------------------

rng = np.random.default_rng(1)


def run_both(f, *arguments):
    program = backlit.record(f, *arguments)
    expected = tree.leaves(backlit.run(program, *arguments))
    for ours, theirs in zip(
        tree.leaves(Executable(expand(program)).run(*arguments)), expected, strict=True
    ):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12 if ours.dtype != np.float32 else 1e-5)


def test_reductions_of_whole_numbers_and_truth_values():
    x, k = rng.normal(size=(4, 5)), rng.integers(-9, 9, (4, 5))
    run_both(lambda x, k: (np.max(k, axis=0), np.min(k), np.sum(k, axis=1), np.prod(k)), x, k)
    run_both(lambda x: (np.any(x > 1, axis=0), np.all(x > -1, axis=1), np.all(x)), x)
    run_both(lambda x: (np.sum(x > 0), np.mean(x > 0, axis=0), np.count_nonzero(x > 0)), x)
    run_both(lambda x, k: (k % 4, k // 4, np.floor(k), np.fmax(k, 1)), x, k)


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3, 4, 5), (5, 6)),
        ((3, 4, 5), (2, 1, 5, 3)),
        ((5,), (2, 5, 3)),
        ((2, 4, 5), (5,)),
        ((4, 5), (3, 5, 2)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_stacks(shapes, dtype):
    a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    run_both(lambda a, b: a @ b, a, b)
    run_both(lambda a, b: (2 * a)[..., ::2] @ b[..., ::2, :] if b.ndim > 1 else a @ b[::-1], a, b)


def test_what_is_joined_may_be_computed_elsewhere():
    x = rng.normal(size=(4, 5))
    run_both(lambda x: np.concatenate([np.sum(x, axis=1, keepdims=True), x * 2], axis=1), x)
    run_both(lambda x: np.concatenate([np.cumsum(x, axis=0), x[:, [0, 0]]], axis=1), x)
    run_both(lambda x: np.concatenate([x[0] > 0, x[1]]), x)
    run_both(lambda x: (x[1, 2] + x[0], x[-1, -1]), x)


def test_a_reshape_in_columns_is_not_taken_for_one_in_rows():
    program = backlit.record(lambda x: np.reshape(x, (2, 6), order="F"), np.ones((3, 4)))
    with pytest.raises(UnsupportedError, match="reshape"):
        Executable(program)
    run_both(lambda x: np.reshape(x, (2, 6), order="F") + np.ravel(x, "F")[:6], np.ones((3, 4)))


def test_a_float32_program_stays_in_float32():
    x = rng.normal(size=(6, 5)).astype(np.float32)
    run_both(lambda x: (np.cumsum(x), np.cumprod(x, axis=1), np.var(x, axis=0), np.prod(x)), x)
    run_both(lambda x: (np.kron(x, x[:2]), np.linalg.norm(x), np.trace(x)), x)
