"""What cannot be differentiated says so: the user's line, what was done, what to write instead."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse
import scipy.special

import backlit
from backlit import TraceError

X = np.array([1.0, 2.0, 3.0])
TABLE = np.arange(5.0)
SPARSE = scipy.sparse.csr_array(np.eye(3))


def store(x):
    buffer = np.zeros(3)
    buffer[0] = x[0]
    return np.sum(buffer)


def store_row(x):
    buffer = np.zeros((2, 3))
    buffer[0] = x
    return np.sum(buffer)


def add_in_place(x):
    buffer = np.zeros(3)
    buffer += x
    return np.sum(buffer)


def add_to_part(x):
    buffer = np.zeros(3)
    buffer[1:] += x[1:]
    return np.sum(buffer)


def copy_into(x):
    buffer = np.zeros(3)
    np.copyto(buffer, x)
    return np.sum(buffer)


def assign_item(x):
    x[0] = 1.0
    return np.sum(x)


def assign_item_of_scalar(x):
    s = np.sum(x)
    s[0] = 1.0
    return s


def loop(x):
    total = 0.0
    for _ in range(x[0]):
        total = total + x[1]
    return total


# function, what is named of its line, the replacement
REFUSED = [
    (lambda x: np.sum(np.array([x[0], x[1]])), "np.array cannot see", "functions.array"),
    (lambda x: np.sum(np.array([x, x])), "np.array cannot see", "functions.array"),
    (lambda x: np.sum(np.asarray(x)), "np.asarray cannot see", "leave it out"),
    (lambda x: np.sum(np.full(3, x[0])), "np.full cannot see", "np.broadcast_to"),
    (lambda x: np.sum(np.full_like(TABLE, x[0])), "full_like(TABLE", "np.where"),
    (lambda x: np.sum(np.r_[x, 1.0]), "np.r_", "np.concatenate"),
    (lambda x: np.sum(np.c_[x, x]), "np.c_", "np.stack"),
    (lambda x: np.sum(np.vectorize(math.sin)(x)), "np.vectorize cannot see", "whole arrays"),
    (lambda x: np.sum(np.arange(x[0])), "np.arange cannot see", "start + step"),
    (lambda x: np.sum([x[0], x[1]]), "inside a list", "functions.array"),
    (lambda x: np.max([x[0], x[1]]), "inside a list", "functions.array"),
    (lambda x: np.dot([x[0], x[1]], [1.0, 2.0]), "inside a list", "functions.array"),
    (lambda x: np.sum(np.add([x[0], x[1]], [1.0, 2.0])), "inside a list", "functions.array"),
    (lambda x: TABLE[x], "cannot be indexed by a traced value", "np.take_along_axis"),
    (lambda x: TABLE[x[0]], "cannot be indexed by a traced value", "np.take_along_axis"),
    (lambda x: np.sum(np.add(x, 1, out=np.zeros(3))), "out=", "a = a + x"),
    (lambda x: np.sum(x, out=np.zeros(())), "out=", "use the result"),
    (lambda x: np.sum(x, where=x > 0), "where=", "np.where(mask, x, neutral)"),
    (lambda x: np.sum(np.add(x, x, where=X > 0)), "where=", "np.where(mask, x, neutral)"),
    (lambda x: scipy.special.logsumexp(x), "logsumexp cannot see", "functions.logsumexp"),
    (lambda x: scipy.special.softmax(x)[0], "softmax cannot see", "functions.softmax"),
    (lambda x: scipy.special.polygamma(1, x)[0], "polygamma cannot see", "zeta(2, x)"),
    (lambda x: scipy.optimize.rosen(x), "rosen cannot see", "write it in NumPy"),
    (lambda x: scipy.linalg.inv(np.outer(x, x))[0, 0], "scipy.linalg.inv asks", "custom_rule"),
    (lambda x: np.sum(x * Fraction(1, 2)), "combined with a Fraction", "float(...)"),
    (lambda x: np.gradient(x, X)[0], "np.gradient has a rule for", "np.diff"),
    (lambda x: np.max(x, None, None, False, 0.0), "does not cover initial=", "leave it out"),
    (lambda x: TABLE[:3].dot(x), "TABLE[:3].dot cannot see", "A @ x"),
    (lambda x: math.erf(x[0]), "math.erf takes plain numbers", "scipy.special.erf"),
    (lambda x: math.fsum(x), "math.fsum takes plain numbers", "functions of NumPy"),
    (lambda x: np.sum(SPARSE @ x), "a sparse matrix cannot see", "A.toarray() @ x"),
    (lambda x: math.sin(x[0]), "math.sin takes plain numbers", "use np.sin"),
    (lambda x: float(x[0]), "float cannot see", "leave it out"),
    (lambda x: int(x[0]), "int cannot see", "outside of the function"),
    (lambda x: x[0].item(), "x[0].item cannot see", "leave it out"),
    (lambda x: x.tolist()[0], "x.tolist cannot see", "leave it out"),
    (lambda x: x.sort(), "changed in place", "np.sort"),
    (lambda x: np.add.at(np.zeros(3), [0, 1, 1], x), "np.add.at", "custom_rule"),
    (lambda x: np.put(np.zeros(3), [0], x), "np.put writes", "functions.put"),
    (lambda x: np.unwrap(x)[0], "np.unwrap has no derivative rule", "custom_rule"),
    (lambda x: np.histogram(x)[0][0], "np.histogram has no derivative rule", "custom_rule"),
    (lambda x: np.max(x, initial=0.0), "does not cover initial=", "leave it out"),
    (lambda x: scipy.special.jv(x, 2.0)[0], "respect to its argument 0", "custom_rule"),
    (store, "`buffer[0] = x[0]`: a traced value cannot be stored", "functions.put"),
    (store_row, "`buffer[0] = x`: a traced value cannot be stored", "functions.put"),
    (add_in_place, "`buffer += x`", "a = a + x"),
    (add_to_part, "`buffer[1:] += x[1:]`", "a = a + x"),
    (copy_into, "`np.copyto(buffer, x)`", "functions.put"),
    (assign_item, "`x[0] = 1.0`: a traced value cannot be changed", "functions.put"),
    (assign_item_of_scalar, "`s[0] = 1.0`: a traced value cannot be changed", "functions.put"),
    (loop, "range cannot see", "loop count"),
]


@pytest.mark.parametrize(("function", "problem", "replacement"), REFUSED)
def test_refused_with_the_line_and_the_replacement(function, problem, replacement) -> None:
    with pytest.raises(TraceError) as caught:
        backlit.grad(function)(X)
    message = str(caught.value)
    assert problem in message
    assert replacement in message
    assert "of test_errors.py, `" in message
    line = int(message.split("line ")[1].split(" ")[0])
    first = function.__code__.co_firstlineno
    assert first <= line <= first + 6
    assert "\n" not in message


def test_integer_arguments() -> None:
    with pytest.raises(TraceError, match=r"grad: argument 0 is of type int.*write 2\.0 for 2"):
        backlit.grad(lambda x: x**2)(3)
    with pytest.raises(TraceError, match=r"argument 0 is of type int64 array.*x\.astype\(float\)"):
        backlit.grad(np.sum)(np.arange(3))
    with pytest.raises(TraceError, match=r"argument 1\['b'\] is of type bool"):
        backlit.grad(lambda x, p: x * p["a"], argnums=1)(1.0, {"a": 1.0, "b": True})


def test_arguments_of_other_kinds() -> None:
    with pytest.raises(TraceError, match="argument 0 is complex"):
        backlit.grad(np.sum)(np.ones(2) * 1j)
    with pytest.raises(TraceError, match=r"argument 0\[1\] is of type str; give a float"):
        backlit.grad(lambda p: p[0])([1.0, "a"])
    with pytest.raises(TraceError, match="argnums=1, but the call has 1 positional"):
        backlit.grad(np.sum, argnums=1)(np.ones(2))


def test_complex_intermediates_are_refused() -> None:
    with pytest.raises(TraceError, match="complex numbers"):
        backlit.grad(lambda x: np.sum(np.abs(x * 1j)))(X)


def test_results_without_a_gradient() -> None:
    with pytest.raises(
        TraceError, match=r"array of shape \(3,\).*jacobian, vjp or elementwise_grad"
    ):
        backlit.grad(np.sin)(X)
    with pytest.raises(TraceError, match=r"None \(is a return missing\?\)"):
        backlit.grad(lambda x: None)(X)
    with pytest.raises(TraceError, match="returned a tuple, and only a scalar"):
        backlit.grad(lambda x: (x[0], x[1]))(X)
    with pytest.raises(TraceError, match="returned a str"):
        backlit.grad(lambda x: "text")(X)
    with pytest.raises(TraceError, match=r"must return a pair \(result, aux\)"):
        backlit.grad(np.sum, has_aux=True)(X)


def test_wrong_adjoints_and_tangents() -> None:
    _, pullback = backlit.vjp(np.sin, X)
    with pytest.raises(TraceError, match=r"shape \(2,\) was given where \(3,\) is needed"):
        pullback(np.ones(2))
    _, pullback_of_pair = backlit.vjp(lambda x: (x, x), X)
    with pytest.raises(TraceError, match="differ in structure"):
        pullback_of_pair([X])
    with pytest.raises(TraceError, match=r"write\s+jvp\(f, \(x,\), \(t,\)\)"):
        backlit.jvp(np.sin, X, X)
    with pytest.raises(TraceError, match=r"shape \(1,\) was given"):
        backlit.jvp(np.sin, (X,), (np.ones(1),))
    with pytest.raises(TraceError, match=r"write hvp\(f, \(x,\), \(t,\)\)"):
        backlit.hvp(np.sum, X, X)


# ----- Escaped values ----------------------------------------------------------------------------


def test_an_escaped_value_is_an_error_when_used() -> None:
    kept = []

    def leak(x):
        kept.append(x)
        return np.sum(x)

    backlit.grad(leak)(X)
    for use in (lambda v: v + 1, lambda v: np.sin(v), lambda v: v[0], lambda v: bool(v[0]),
                lambda v: v > 0, lambda v: np.sum(v), lambda v: np.argmax(v)):  # fmt: skip
        with pytest.raises(TraceError, match="has left the function"):
            use(kept[0])


def test_an_escaped_value_used_inside_another_gradient_is_an_error() -> None:
    kept = []
    backlit.grad(lambda x: (kept.append(x), np.sum(x))[1])(X)
    with pytest.raises(TraceError, match="has left the function"):
        backlit.grad(lambda y: np.sum(y * kept[0]))(X)


def test_an_exception_in_the_function_leaves_nothing_behind() -> None:
    def fails(x):
        return np.sum(x) / undefined  # type: ignore[name-defined]  # noqa: F821

    for _ in range(3):
        with pytest.raises(NameError):
            backlit.grad(fails)(X)
        with pytest.raises(NameError):
            backlit.record(fails, X)
    np.testing.assert_array_equal(backlit.grad(lambda x: np.sum(x * x))(X), 2 * X)


# ----- Recording ---------------------------------------------------------------------------------


def branch(x):
    if x[0] > 0:
        return x[0]
    return x[1]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (branch, "`if x[0] > 0:`: a recorded program cannot branch on a value"),
        (lambda x: max(x), "cannot branch on a value"),
        (lambda x: np.sum(x[x > 0]), "the number of elements that a mask selects"),
        (lambda x: np.sum(np.nonzero(x)[0]) * x[0], "finds another number of elements"),
        (lambda x: np.sum(np.where(x > 0)[0]) * x[0], "finds another number of elements"),
        (lambda x: int(x[0]), "int cannot see"),
    ],
)
def test_recording_refuses_what_depends_on_values(function, problem) -> None:
    with pytest.raises(TraceError) as caught:
        backlit.record(function, X)
    assert problem in str(caught.value)
    assert "of test_errors.py, `" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda x: np.sum(np.ravel(x, "K")), "order 'K' depends on how the array lies in memory"),
        (lambda x: np.sum(np.pad(x, 1, "mean")), "np.pad has a rule for the modes constant"),
        (lambda x: np.sum(np.pad(x, 1, "reflect", reflect_type="odd")), "'reflect', odd"),
        (lambda x: np.quantile(x, 0.3, method="hazen"), "not for 'hazen'"),
        (lambda x: np.sum(np.linalg.qr(np.outer(x, x), mode="r")), "not for mode='r'"),
        (lambda x: np.sum(np.linalg.svd(np.outer(x, x)[:2])[0]), "use full_matrices=False"),
    ],
)
def test_variants_that_a_rule_does_not_cover_are_refused_and_not_guessed(function, problem) -> None:
    with pytest.raises(TraceError) as caught:
        backlit.grad(function)(X)
    assert problem in str(caught.value)


def test_recording_inside_a_gradient_is_refused() -> None:
    with pytest.raises(TraceError, match=r"record: an argument is itself being differentiated"):
        backlit.grad(lambda x: backlit.run(backlit.record(np.sum, x), x))(X)
    with pytest.raises(TraceError, match="uses a value of an outer gradient"):
        backlit.grad(lambda x: backlit.run(backlit.record(lambda y: np.sum(x * y), X), X))(X)


def test_a_program_says_what_it_was_recorded_for() -> None:
    program = backlit.record(lambda x: np.sum(x), X)
    with pytest.raises(ValueError, match=r"recorded for x of shape \(3,\) and dtype float64, and"):
        backlit.run(program, np.ones(2))
    with pytest.raises(ValueError, match=r"dtype float32 was given"):
        backlit.run(program, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="takes 1 arguments, and 2 were given"):
        backlit.run(program, X, X)
    with pytest.raises(ValueError, match="differ in structure"):
        backlit.run(backlit.record(lambda p: p["a"], {"a": X}), {"b": X})


def test_backward_of_an_integer_output_is_refused() -> None:
    program = backlit.record(lambda x: np.argmax(x), X)
    with pytest.raises(TraceError, match="output of dtype int64"):
        backlit.backward(program)


def test_custom_rule_needs_functions() -> None:
    with pytest.raises(TypeError, match=r"write\s+@custom_rule\(lambda g, ans, x: \.\.\.\)"):
        backlit.custom_rule(np.ones(2))
