"""Every rule, at ordinary points: against differences, complex steps, and in both precisions."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import backlit
from backlit.autodiff.rules import special  # noqa: F401  (enters the rules of scipy.special)
from backlit.autodiff.table import REWRITES, RULES
from backlit.program import tree
from tests.autodiff.cases import CASES, Case

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)


@each_case
def test_agrees_with_central_differences(case: Case) -> None:
    # 2e-5: a central difference of step 6e-6 is good to about 4e-11 times third derivatives, plus
    # rounding of 1e-16 / 6e-6; both modes, and the derivative of the derivative.
    backlit.check_grads(case.call, case.arguments, order=case.order, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c.analytic], ids=lambda case: case.label)
def test_agrees_with_a_complex_step(case: Case) -> None:
    # Im f(x + ih) / h has no cancellation: exact to rounding (Squire and Trapp, 1998).
    rng = np.random.default_rng(1)
    direction = tuple(rng.standard_normal(a.shape) for a in case.arguments)
    step = 1e-30
    moved = [a + 1j * step * t for a, t in zip(case.arguments, direction, strict=True)]
    truth = np.imag(case.call(*moved)) / step
    value, pullback = backlit.vjp(case.call, *case.arguments)
    _, tangent = backlit.jvp(case.call, case.arguments, direction)
    np.testing.assert_allclose(tangent, truth, rtol=1e-12, atol=1e-12)
    adjoint = rng.standard_normal(np.shape(value))
    product = sum(np.sum(d * t) for d, t in zip(pullback(adjoint), direction, strict=True))
    np.testing.assert_allclose(product, np.sum(adjoint * truth), rtol=1e-12, atol=1e-12)


@each_case
def test_value_and_gradient_keep_float32(case: Case) -> None:
    single = [a.astype(np.float32) for a in case.arguments]
    value, pullback = backlit.vjp(case.call, *single)
    gradients = pullback(tree.map_leaves(np.ones_like, value))
    double, pullback64 = backlit.vjp(case.call, *case.arguments)
    gradients64 = pullback64(tree.map_leaves(np.ones_like, double))
    for found, truth, given in zip(gradients, gradients64, case.arguments, strict=True):
        assert found.dtype == np.float32
        assert found.shape == given.shape
        # 2e-3: float32 has 1e-7; inverses and roots of differences lose up to four digits.
        scale = max(1.0, float(np.max(np.abs(truth), initial=0)))
        np.testing.assert_allclose(found, truth, atol=2e-3 * scale)


@each_case
def test_second_derivatives_keep_float32(case: Case) -> None:
    if case.order < 2:
        pytest.skip("a singular matrix: only the first derivative is defined by a limit")
    found, truth = (
        _second_derivative(case.call, [a.astype(dtype) for a in case.arguments])
        for dtype in (np.float32, np.float64)
    )
    for single, double in zip(found, truth, strict=True):
        assert single.dtype == np.float32
        # 2e-2: differences of float32 gradients, which are themselves good to 2e-3 at worst.
        scale = max(1.0, float(np.max(np.abs(double), initial=0)))
        np.testing.assert_allclose(single, double, atol=2e-2 * scale)


def _second_derivative(call, arguments):
    """The gradient of the gradient along a fixed direction."""

    def along(*arguments):
        value, pullback = backlit.vjp(call, *arguments)
        gradients = pullback(tree.map_leaves(np.ones_like, value))
        return sum(np.sum(0.5 * gradient) for gradient in gradients)

    return backlit.grad(along, argnums=tuple(range(len(arguments))))(*arguments)


@each_case
def test_the_value_is_numpys_to_the_bit(case: Case) -> None:
    value, _ = backlit.vjp(case.call, *case.arguments)
    for found, truth in zip(
        tree.leaves(value), tree.leaves(case.call(*case.arguments)), strict=True
    ):
        np.testing.assert_array_equal(found, truth, strict=True)


@each_case
def test_the_recorded_backward_pass_gives_the_immediate_bits(case: Case) -> None:
    if not case.recordable:  # the refusal is tested in test_errors.py
        pytest.skip("a mask that depends on the values cannot be recorded")
    positions = tuple(range(len(case.arguments)))
    value, pullback = backlit.vjp(case.call, *case.arguments)
    adjoint = tree.map_leaves(np.ones_like, value)
    program = backlit.backward(backlit.record(case.call, *case.arguments), positions)
    seed = () if np.shape(value) == () else (adjoint,)
    recorded_value, recorded = backlit.run(program, *case.arguments, *seed)
    np.testing.assert_array_equal(recorded_value, value)
    for found, truth in zip(recorded, pullback(adjoint), strict=True):
        np.testing.assert_array_equal(found, truth)


def test_every_rule_has_a_case() -> None:
    covered = {inspect.unwrap(case.function) for case in CASES}
    helpers = {"add_at", "add_along_axis", "cofactors", "root_of_squares", "cast", "put_back"}
    missing = [
        f.__name__
        for f in (*RULES, *REWRITES)
        if inspect.unwrap(f) not in covered
        and not (f in RULES and RULES[f].constant)
        and f.__name__ not in {*helpers, "shape", "ndim", "size"}
        and (
            isinstance(f, np.ufunc)
            or f.__module__.startswith(("numpy", "_operator", "backlit.functions"))
        )
    ]
    assert missing == []
