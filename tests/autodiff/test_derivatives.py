"""`grad` and its family: signatures, structures, orders, and closed forms."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize, special

import backlit
from backlit.autodiff.table import RULES

RNG = np.random.default_rng(7)
X = RNG.standard_normal(5)


def close(found, truth) -> None:
    # 1e-12: both are float64 formulas of a few dozen operations.
    np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-12)


def rosen(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


# ----- Closed forms ------------------------------------------------------------------------------


def test_rosenbrock_gradient_hessian_and_products() -> None:
    close(rosen(X), optimize.rosen(X))
    close(backlit.grad(rosen)(X), optimize.rosen_der(X))
    close(backlit.hessian(rosen)(X), optimize.rosen_hess(X))
    v = RNG.standard_normal(5)
    close(backlit.hvp(rosen, (X,), (v,)), optimize.rosen_hess_prod(X, v))
    close(backlit.jvp(backlit.grad(rosen), (X,), (v,))[1], optimize.rosen_hess_prod(X, v))


def test_logistic_regression() -> None:
    # d/dw sum log(1 + exp(-s w.a)) = -A^T (s expit(-s A w)), Hessian A^T diag(p (1-p)) A
    A, s, w = RNG.standard_normal((20, 5)), np.sign(RNG.standard_normal(20)), X

    def loss(w):
        return np.sum(np.logaddexp(0, -s * (A @ w)))

    p = special.expit(s * (A @ w))
    close(backlit.grad(loss)(w), -A.T @ (s * (1 - p)))
    close(backlit.hessian(loss)(w), (A.T * (p * (1 - p))) @ A)


def test_ridge_regression_has_zero_gradient_at_its_closed_form() -> None:
    A, b = RNG.standard_normal((20, 5)), RNG.standard_normal(20)

    def loss(w):
        return np.sum((A @ w - b) ** 2) + 0.7 * np.sum(w**2)

    best = np.linalg.solve(A.T @ A + 0.7 * np.eye(5), A.T @ b)
    np.testing.assert_allclose(backlit.grad(loss)(best), 0, atol=1e-12)
    close(backlit.hessian(loss)(best), 2 * (A.T @ A + 0.7 * np.eye(5)))


def test_network_obeys_the_four_textbook_equations() -> None:
    sizes, rng = (4, 6, 5, 3), np.random.default_rng(0)
    parameters = [(rng.standard_normal((m, n)), rng.standard_normal(n)) for m, n in pairwise(sizes)]
    x, t = rng.standard_normal((7, 4)), rng.standard_normal((7, 3))

    def loss(parameters):
        a = x
        for W, b in parameters:
            a = np.tanh(a @ W + b)
        return 0.5 * np.sum((a - t) ** 2)

    # Nielsen, "Neural networks and deep learning", chapter 2, BP1 to BP4, in rows.
    activations = [x]
    for W, b in parameters:
        activations.append(np.tanh(activations[-1] @ W + b))
    slope = [1 - a**2 for a in activations[1:]]
    delta = (activations[-1] - t) * slope[-1]  # BP1
    truth = []
    for layer in reversed(range(3)):
        truth.insert(0, (activations[layer].T @ delta, delta.sum(axis=0)))  # BP4, BP3
        if layer:
            delta = (delta @ parameters[layer][0].T) * slope[layer - 1]  # BP2
    found = backlit.grad(loss)(parameters)
    assert isinstance(found, list)
    for (dW, db), (tW, tb) in zip(found, truth, strict=True):
        close(dW, tW)
        close(db, tb)


def test_orders_up_to_eight() -> None:
    # The k-th derivative of exp(2x) is 2^k exp(2x); of sin it turns by a quarter.
    f, g = (lambda x: np.exp(2 * x)), np.sin
    for order in range(1, 9):
        f, g = backlit.grad(f), backlit.grad(g)
        np.testing.assert_allclose(f(0.3), 2.0**order * np.exp(0.6), rtol=1e-12)
        if order <= 4:
            np.testing.assert_allclose(g(0.3), np.sin(0.3 + order * np.pi / 2), rtol=1e-12)


def test_nested_gradients_do_not_confuse_their_perturbations() -> None:
    # d/dx [x * d/dy (x + y)] = 1 (Siskind and Pearlmutter, 2005); a confused engine says 2.
    assert backlit.grad(lambda x: x * backlit.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    # d/dx [x * d/dy (x * y^2)] = d/dx [x * 2 x y] = 4 x y
    assert backlit.grad(lambda x: x * backlit.grad(lambda y: x * y**2)(3.0))(5.0) == 60.0


# ----- Structures --------------------------------------------------------------------------------


def test_arguments_may_be_nested() -> None:
    parameters = {"W": np.ones((2, 2)), "rest": [1.5, (np.zeros(2), None)]}

    def f(p, scale):
        return scale * (np.sum(p["W"] ** 2) + p["rest"][0] ** 3 + np.sum(p["rest"][1][0]))

    gradient, slope = backlit.grad(f, argnums=(0, 1))(parameters, 2.0)
    close(gradient["W"], 4 * np.ones((2, 2)))
    close(gradient["rest"][0], 2 * 3 * 1.5**2)
    close(gradient["rest"][1][0], [2.0, 2.0])
    assert gradient["rest"][1][1] is None
    assert isinstance(gradient["rest"], list)
    assert isinstance(gradient["rest"][1], tuple)
    close(slope, 4 + 1.5**3)


def test_argnums_keywords_and_aux() -> None:
    def f(x, y, *, power=2):
        return np.sum(x * y**power), {"y": y, "double": 2 * x}

    gradient, aux = backlit.grad(f, argnums=1, has_aux=True)(2.0, 3.0, power=3)
    close(gradient, 54.0)
    assert aux["y"] == 3.0 and type(aux["y"]) is np.float64  # plain values, nothing traced
    (value, aux), gradients = backlit.value_and_grad(f, argnums=(1, 0), has_aux=True)(2.0, 3.0)
    close(value, 18.0)
    close(gradients, (12.0, 9.0))
    assert aux["y"] == 3.0
    close(backlit.grad(lambda x, y: x * y, argnums=-1)(2.0, 3.0), 2.0)


def test_what_the_result_does_not_depend_on_has_gradient_zero() -> None:
    gradient = backlit.grad(lambda p: p["a"] ** 2)({"a": 3.0, "b": np.ones((2, 3), np.float32)})
    assert gradient["b"].shape == (2, 3) and gradient["b"].dtype == np.float32
    assert not gradient["b"].any()
    assert backlit.grad(lambda x: 5.0)(2.0) == 0
    assert backlit.grad(lambda x: np.argmax(x))(X).tolist() == [0.0] * 5
    assert backlit.jacobian(lambda x: np.ones(2))(X).shape == (2, 5)
    assert not backlit.jacobian(lambda x: np.ones(2))(X).any()


def test_vjp_gives_value_pullback_and_aux() -> None:
    value, pullback, aux = backlit.vjp(lambda x, y: ((x * y, [x]), x + y), 2.0, 3.0, has_aux=True)
    close(value[0], 6.0)
    close(pullback((1.0, [10.0])), (13.0, 2.0))
    close(pullback((0.0, [1.0])), (1.0, 0.0))  # may be called again
    assert aux == 5.0


def test_jacobian_of_structures() -> None:
    def f(p):
        return {"sum": np.sum(p["x"]), "outer": np.outer(p["x"], p["y"])}

    p = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 4.0, 5.0])}
    found = backlit.jacobian(f)(p)
    close(found["sum"]["x"], [1.0, 1.0])
    close(found["sum"]["y"], [0.0, 0.0, 0.0])
    close(found["outer"]["x"], np.einsum("ik,j->ijk", np.eye(2), p["y"]))
    close(found["outer"]["y"], np.einsum("i,jk->ijk", p["x"], np.eye(3)))


def test_jacobian_of_an_empty_result() -> None:
    assert backlit.jacobian(lambda x: x[:0])(X).shape == (0, 5)
    assert backlit.grad(lambda x: np.sum(x))(np.zeros(0)).shape == (0,)


def test_elementwise_grad() -> None:
    close(backlit.elementwise_grad(np.tanh)(X), 1 / np.cosh(X) ** 2)
    second = backlit.elementwise_grad(backlit.elementwise_grad(np.sin))
    close(second(X), -np.sin(X))


def test_float_types_are_kept() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        gradient = backlit.grad(lambda x: np.sum(x * np.float64(2.0)) * 3.0)(np.ones(3, dtype))
        assert gradient.dtype == dtype
    assert type(backlit.grad(np.sin)(np.float32(1))) is np.float32


# ----- Compositions against each other -----------------------------------------------------------

FUNCTIONS = [
    lambda x: np.tanh(x) * np.sum(x**2),
    lambda x: np.outer(x, np.sin(x)) @ x,
    lambda x: np.cumprod(1 + 0.1 * x),
    lambda x: np.linalg.solve(np.eye(5) * 4 + np.outer(x, x), np.exp(x)),
    lambda x: backlit.functions.softmax(x) * x[::-1],
    lambda x: np.where(x > 0, np.exp(x), x**3),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_jvp_against_vjp(f) -> None:
    t, v = RNG.standard_normal(5), RNG.standard_normal(5)
    value, tangent = backlit.jvp(f, (X,), (t,))
    value_again, pullback = backlit.vjp(f, X)
    np.testing.assert_array_equal(value, value_again)
    close(v @ tangent, pullback(v)[0] @ t)
    jacobian = backlit.jacobian(f)(X)
    close(jacobian @ t, tangent)
    close(v @ jacobian, pullback(v)[0])


@pytest.mark.parametrize("f", FUNCTIONS)
def test_hessian_by_several_routes(f) -> None:
    def scalar(x):
        return np.sum(f(x) * np.arange(1.0, 6.0))

    hessian = backlit.hessian(scalar)(X)
    close(hessian, hessian.T)
    close(hessian, backlit.jacobian(backlit.grad(scalar))(X))
    identity = np.eye(5)
    close(hessian, [backlit.hvp(scalar, (X,), (e,)) for e in identity])
    close(hessian, [backlit.jvp(backlit.grad(scalar), (X,), (e,))[1] for e in identity])
    close(hessian, [backlit.grad(lambda x, e=e: backlit.grad(scalar)(x) @ e)(X) for e in identity])


@pytest.mark.parametrize("f", FUNCTIONS)
def test_gradient_of_a_tangent(f) -> None:
    t = RNG.standard_normal(5)
    mixed = backlit.grad(lambda x: np.sum(backlit.jvp(f, (x,), (t,))[1]))(X)
    close(mixed, backlit.hvp(lambda x: np.sum(f(x)), (X,), (t,)))


# ----- Control flow, size, threads ---------------------------------------------------------------


def test_any_python_control_flow() -> None:
    def newton_square_root(a):
        x, steps = a, 0
        while abs(x * x - a) > 1e-14 and steps < 50:
            x, steps = (x + a / x) / 2, steps + 1
        return x if x > 0 else -x

    np.testing.assert_allclose(backlit.grad(newton_square_root)(2.0), 0.5 / np.sqrt(2), rtol=1e-9)

    def recursive(x, n):
        return x if n == 0 else np.sin(recursive(x, n - 1))

    close(backlit.grad(recursive)(0.5, 1), np.cos(0.5))


def test_ten_thousand_operations_need_no_recursion() -> None:
    def chain(x):
        for _ in range(10_000):
            x = x * 1.0001
        return x

    np.testing.assert_allclose(backlit.grad(chain)(1.0), 1.0001**10_000, rtol=1e-10)
    program = backlit.backward(backlit.record(chain, 1.0))
    np.testing.assert_allclose(backlit.run(program, 1.0)[1], 1.0001**10_000, rtol=1e-10)


def test_a_value_used_many_times_is_visited_once() -> None:
    def doubled(x):  # 2^n paths from the result to x
        for _ in range(60):
            x = x + x
        return x

    assert backlit.grad(doubled)(1.0) == 2.0**60


def test_elements_and_the_whole_array_used_in_turn() -> None:
    def f(x):
        total = x[0] * x[1]
        y = x * 2.0
        for k in range(1, 5):
            total = total + x[k] ** 2 * y[k - 1] + np.sum(x[[0, k, k]])
        return total + np.sum(y * x) + x[-1]

    def by_hand(x):
        gradient = 4 * x + np.array([x[1], x[0], 0, 0, 1])
        gradient += np.array([4.0, 2, 2, 2, 2])
        gradient[1:] += 4 * x[1:] * x[:-1]
        gradient[:-1] += 2 * x[1:] ** 2
        return gradient

    close(backlit.grad(f)(X), by_hand(X))
    close(backlit.hessian(f)(X), backlit.jacobian(by_hand_traced)(X))
    program = backlit.backward(backlit.record(f, X))
    close(backlit.run(program, X)[1], by_hand(X))


def by_hand_traced(x):
    """The gradient of the test above, written without changing arrays in place."""
    ahead, behind = np.append(x[1:], 0.0), np.append(0.0, x[:-1])
    inner = np.array([0.0, 1, 1, 1, 1])
    ends = backlit.functions.array([x[1], x[0], 0.0, 0.0, 1.0])
    return 4 * x + ends + 4 * x * behind * inner + 2 * ahead**2


def test_threads_do_not_disturb_each_other() -> None:
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(100):
            x, k = rng.standard_normal(4), rng.integers(1, 5)
            found = backlit.grad(lambda x, k=k: np.sum(np.sin(k * x)))(x)
            if not np.allclose(found, k * np.cos(k * x)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_the_same_call_gives_the_same_bits() -> None:
    first, again = backlit.grad(rosen)(X), backlit.grad(rosen)(X)
    assert first.tobytes() == again.tobytes()


def test_methods_and_attributes_of_arrays() -> None:
    def f(x):
        assert x.shape == (2, 3) and x.ndim == 2 and x.size == 6 and len(x) == 2
        assert x.dtype == np.float64 and x.nbytes == 48 and x.itemsize == 8
        assert np.shape(x) == (2, 3) and np.ndim(x) == 2 and np.size(x) == 6
        assert np.size(x, 1) == 3 and repr(x).startswith("Traced(") and f"{x[0, 0]:.1f}" == "1.0"
        assert [row.shape for row in x] == [(3,), (3,)]
        assert 3.0 in x[0] and bool(x[0, 0] > 0) and x.argmax() == 2
        total = x.copy().T.flatten()[0] + x.real.mean() + abs(-x).sum() + round(x[0, 1])
        return total + x.flat[1] + divmod(x[0, 2], 2.0)[1] + (+x)[0, 0] + (2.0 // x)[0, 0]

    x = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    truth = 1 / 6 + np.ones((2, 3))
    truth[0] += [2.0, 1.0, 1.0]
    close(backlit.grad(f)(x), truth)


# ----- Rules of one's own ------------------------------------------------------------------------


def test_custom_rule_is_used_and_can_be_differentiated_again() -> None:
    calls = []

    @backlit.custom_rule(lambda g, ans, x, y: g * y * np.cos(x * y), None)
    def sine(x, y):
        calls.append(type(x))
        return np.sin(x * y)

    close(backlit.grad(sine)(0.5, 2.0), 2 * np.cos(1.0))
    close(backlit.grad(backlit.grad(sine))(0.5, 2.0), -4 * np.sin(1.0))
    assert all(issubclass(kind, (float, np.ndarray)) for kind in calls)
    with pytest.raises(backlit.TraceError, match="sine has no derivative rule with respect to its"):
        backlit.grad(sine, argnums=1)(0.5, 2.0)
    close(backlit.grad(lambda x: sine(x=x, y=3.0))(0.2), 3 * np.cos(0.6))


def test_custom_rule_for_a_ufunc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, special.k0, None)  # taken away again after the test
    assert backlit.custom_rule(lambda g, ans, x: g * special.k1(x) * -1.0)(special.k0) is special.k0
    close(backlit.grad(special.k0)(1.5), -special.k1(1.5))


def test_check_grads_finds_a_wrong_rule() -> None:
    @backlit.custom_rule(lambda g, ans, x: g * 2.001 * x)
    def wrong(x):
        return x * x

    with pytest.raises(AssertionError, match="order 1: jvp gives"):
        backlit.check_grads(wrong, (1.5,))
    with pytest.raises(AssertionError, match="order 1: the reverse derivative is"):
        backlit.check_grads(wrong, (1.5,), modes=("rev",))

    @backlit.custom_rule(lambda g, ans, x: g * backlit.functions.stop_gradient(2 * x))
    def wrong_in_the_second_order(x):
        return x * x

    backlit.check_grads(wrong_in_the_second_order, (1.5,), order=1)
    with pytest.raises(AssertionError, match="order 2"):
        backlit.check_grads(wrong_in_the_second_order, (1.5,))
