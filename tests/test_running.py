"""A program is run by the engine that is asked for, and told about."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

import backlit
from backlit.execution.native.literals import unsupported
from backlit.functions import softmax
from backlit.program import tree

rng = np.random.default_rng(0)
x = rng.normal(size=(6, 5))
W = rng.normal(size=(5, 4))


def layer(x, W):
    return {"shares": softmax(x @ W, -1), "largest": (np.max(x), [x[0] + 1])}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_threads", [None, 1, 3])
def test_both_engines_agree_in_structure_dtype_and_numbers(dtype, n_threads):
    given = x.astype(dtype), W.astype(dtype)
    program = backlit.record(layer, *given)
    expected = backlit.run(program, *given)
    found = backlit.run(program, *given, engine="native", n_threads=n_threads)
    assert found.keys() == expected.keys() and type(found["largest"][1]) is list
    for ours, theirs in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        assert (type(ours), ours.dtype, ours.shape) == (type(theirs), theirs.dtype, theirs.shape)
        # A product of 5 numbers and an exponential: some units in the last place.
        assert np.allclose(ours, theirs, rtol=50 * np.finfo(dtype).eps, atol=0)


def test_one_element_of_a_matrix_is_read():
    for f in (lambda x: x[2, 3] * 2, lambda x: x - x[-1, 0], lambda x: x[1][2] + x[0]):
        program = backlit.record(f, x)
        assert np.allclose(backlit.run(program, x, engine="native"), f(x), rtol=1e-15)


def test_truth_values_are_inverted():
    program = backlit.record(lambda x: np.where(~(x > 0), x, 2.0) + np.invert(x < 1), x)
    found = backlit.run(program, x, engine="native")
    assert np.allclose(found, np.where(x > 0, 2.0, x) + (x >= 1), rtol=1e-15)


def test_the_native_engine_runs_again_on_other_numbers():
    program = backlit.record(layer, x, W)
    first = backlit.run(program, x, W, engine="native")
    kept = first["shares"].copy()
    second = backlit.run(program, -x, W, engine="native")
    assert np.array_equal(first["shares"], kept)
    assert np.allclose(second["shares"], layer(-x, W)["shares"], rtol=1e-13)


def test_arguments_may_lie_in_any_way():
    program = backlit.record(lambda x: x * 2 + 1, x)
    strided = np.zeros((12, 10))[::2, ::2]
    strided[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for given in (strided, read_only, np.asfortranarray(x)):
        assert np.array_equal(backlit.run(program, given, engine="native"), x * 2 + 1)


def test_what_is_captured_is_taken_as_it_is_at_the_first_run():
    scale = np.ones(5)
    program = backlit.record(lambda x: x * scale, x)
    scale[:] = 7  # a recording has copied it
    assert np.array_equal(backlit.run(program, x, engine="native"), x)


def test_the_native_engine_warns_once_for_a_program_it_cannot_run_and_the_other_runs_it():
    def f(A):
        return np.linalg.inv(A) * 2

    program, line = backlit.record(f, np.eye(3)), f.__code__.co_firstlineno + 1
    A = np.diag([1.0, 2.0, 4.0])
    with pytest.warns(UserWarning) as warned:
        found = backlit.run(program, A, engine="native")
    assert [str(warning.message) for warning in warned] == [
        f"the native engine cannot run f, and the reference engine does: line {line} of "
        "test_running.py, `return np.linalg.inv(A) * 2`: no native kernel runs inv(float64 (3, 3))"
    ]
    assert warned[0].filename == __file__
    assert np.array_equal(found, np.diag([2.0, 1.0, 0.5]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(backlit.run(program, A, engine="native"), found)


def test_an_unknown_engine_is_refused():
    program = backlit.record(np.tanh, x)
    for engine in ("gpu", None, "Native"):
        with pytest.raises(ValueError) as error:
            backlit.run(program, x, engine=engine)
        assert str(error.value) == (f"run: engine must be 'reference' or 'native', not {engine!r}")


@pytest.mark.parametrize(
    "arguments", [(), (x,), (x, W, W), (x[:2], W), (x.astype(np.float32), W), ([x], W)]
)
def test_wrong_arguments_are_refused_in_the_same_words_by_both_engines(arguments):
    program = backlit.record(layer, x, W)
    texts = []
    for engine in ("reference", "native"):
        with pytest.raises((ValueError, TypeError)) as error:
            backlit.run(program, *arguments, engine=engine)
        texts.append(f"{type(error.value).__name__}: {error.value}")
    assert texts[0] == texts[1]
    assert "layer" in texts[0]


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "two"])
def test_a_number_of_threads_that_is_none_is_refused(n_threads):
    program = backlit.record(np.tanh, x)
    with pytest.raises(ValueError, match="n_threads"):
        backlit.run(program, x, engine="native", n_threads=n_threads)


# ----- Explanations ------------------------------------------------------------------------------


def test_a_program_is_explained():
    explanation = backlit.explain_engine(backlit.record(layer, x, W))
    assert (explanation.engine, explanation.reason) == ("native", "")
    assert list(explanation.programs) == [
        "recorded", "with composites written out", "with constants folded"
    ]  # fmt: skip
    recorded, expanded, _ = explanation.programs.values()
    assert len(recorded.instructions) < len(expanded.instructions)
    assert "softmax(" in str(recorded) and "np.exp(" in str(expanded)
    assert explanation.kernels["product"] == 1
    assert explanation.phases == [1]
    assert 0 < explanation.seconds < 1e-4
    lines = str(explanation).splitlines()
    assert lines[0] == "native engine"
    assert re.fullmatch(
        r"  instructions  5 recorded, \d+ with composites written out, "
        r"\d+ with constants folded", lines[1]
    )  # fmt: skip
    assert "1 product" in lines[2] and lines[2].startswith("  kernels       ")
    assert lines[3] == "  threads       one thread: the work is too little for more"
    assert re.fullmatch(r"  memory        \d+ bytes beside inputs and outputs", lines[4])
    assert re.fullmatch(r"  time          about [\d.]+ microseconds on one core", lines[5])
    assert len(lines) == 6


def test_a_function_is_recorded_and_explained():
    explanation = backlit.explain_engine(lambda x, W: np.tanh(x @ W), x, W)
    assert explanation.kernels == {"product": 1, "loop": 1}


def test_more_work_is_told_with_its_phases():
    def f(x):
        h = np.tanh(x)
        return h @ h.T

    explanation = backlit.explain_engine(f, np.ones((500, 500)))
    assert len(explanation.phases) == 2
    assert f"2 phases, of {explanation.phases[0]}, {explanation.phases[1]} parts" in str(
        explanation
    )


def test_what_cannot_be_run_is_explained_by_its_instruction_and_line():
    def f(A):
        B = np.tanh(A)
        return np.linalg.inv(B) @ A

    line = f.__code__.co_firstlineno + 2
    explanation = backlit.explain_engine(f, np.eye(3))
    assert explanation.engine == "reference"
    assert str(explanation) == (
        f"reference engine: line {line} of test_running.py, `return np.linalg.inv(B) @ A`: "
        "no native kernel runs inv(float64 (3, 3))"
    )
    assert explanation.executable is None and explanation.kernels == {}


def test_a_longer_function_is_explained_by_the_line_that_calls_it():
    def f(A):
        return 2 * np.linalg.cond(A)

    line = f.__code__.co_firstlineno + 1
    explanation = backlit.explain_engine(f, np.eye(3))
    assert explanation.reason == (
        f"line {line} of test_running.py, `return 2 * np.linalg.cond(A)`: "
        "no native kernel runs svd(float64 (3, 3))"
    )


def test_what_cannot_be_run_in_a_backward_pass_is_explained_by_the_line_it_derives():
    def f(A):
        return np.sum(np.linalg.inv(A))

    line = f.__code__.co_firstlineno + 1
    program = backlit.backward(backlit.record(f, np.eye(3)))
    step = next(i for i in program.instructions if i.derives)
    assert str(unsupported(step)).startswith(
        f"the backward pass of line {line} of test_running.py, `return np.sum(np.linalg.inv(A))`: "
        "no native kernel runs "
    )


def test_without_numba_the_reference_engine_runs_it_and_says_why():
    code = (
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'numba' else found(name, *a)\n"
        "import numpy as np, backlit\n"
        "program = backlit.record(lambda x: x * 2, np.ones(2))\n"
        "print(backlit.explain_engine(program))\n"
        "print(backlit.run(program, np.ones(2), engine='native'))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == "reference engine: Numba is not installed\n[2. 2.]\n"
    assert result.stderr.count("the reference engine does: Numba is not installed") == 1
