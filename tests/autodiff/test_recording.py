"""Recorded programs: what they hold, how they read, and that they compute the same bits."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import backlit
from backlit.functions import softmax
from backlit.program import simplify

RNG = np.random.default_rng(3)
W1, b1, W2 = RNG.standard_normal((3, 4)), RNG.standard_normal(4), RNG.standard_normal((4, 2))
x, t = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 2))
SCALE = np.array([1.0, 2.0])


def layer(inputs, W, b):
    z = inputs @ W + b
    return np.tanh(z)


def loss(W1, b1, W2, x, t):
    h = layer(x, W1, b1)
    y = (h @ W2) * SCALE
    return np.mean((y - t) ** 2)


def test_the_program_reads_like_the_function() -> None:
    assert str(backlit.record(loss, W1, b1, W2, x, t)) == (
        "import numpy as np\n"
        "\n\n"
        "def loss(W1, b1, W2, x, t, SCALE):\n"
        "    # z = inputs @ W + b\n"
        "    z_matmul = x @ W1\n"
        "    z = z_matmul + b1\n"
        "    # return np.tanh(z)\n"
        "    h = np.tanh(z)\n"
        "    # y = (h @ W2) * SCALE\n"
        "    y_matmul = h @ W2\n"
        "    y = y_matmul * SCALE\n"
        "    # return np.mean((y - t) ** 2)\n"
        "    difference = y - t\n"
        "    power = difference ** 2\n"
        "    loss = np.mean(power)\n"
        "    return loss"
    )


def test_the_backward_pass_reads_like_the_chain_rule() -> None:
    text = str(backlit.backward(backlit.record(loss, W1, b1, W2, x, t), argnums=(0, 1, 2)))
    backward = text.split("    # the backward pass\n")[1].splitlines()
    assert [line.strip() for line in backward] == [
        "d_loss = np.ones_like(loss)",
        "# backward through: return np.mean((y - t) ** 2)",
        "d_loss_quotient = d_loss / 10",
        "d_power = np.broadcast_to(d_loss_quotient, (5, 2))",
        "d_power_product = 2 * difference",
        "d_difference = d_power * d_power_product",
        "# backward through: y = (h @ W2) * SCALE",
        "d_y_matmul = d_difference * SCALE",
        "d_h = d_y_matmul @ W2.T",
        "d_W2 = h.T @ d_y_matmul",
        "# backward through: return np.tanh(z)",
        "d_h_product = h * h",
        "d_h_difference = 1 - d_h_product",
        "d_z = d_h * d_h_difference",
        "# backward through: z = inputs @ W + b",
        "d_b1 = np.sum(d_z, axis=(0,))",
        "d_W1 = x.T @ d_z",
        "return (loss, (d_W1, d_b1, d_W2))",
    ]


def test_loops_give_numbered_names_and_contributions_come_before_their_sum() -> None:
    def f(x):
        h = x
        for _ in range(3):
            h = np.sin(h)
        return np.sum(h * x)

    text = str(backlit.backward(backlit.record(f, x)))
    for name in (
        "h = np.sin(x)",
        "h_2 = np.sin(h)",
        "h_3 = np.sin(h_2)",
        "d_x_part = d_",
        "d_x = ",
    ):
        assert name in text


def test_unpacked_results_and_subscripted_arguments_have_names() -> None:
    def f(p):
        w, V = np.linalg.eigh(p["A"] @ p["A"].T)
        return np.sum(w) + np.sum(V**2) + p["shift"]

    text = str(backlit.record(f, {"A": np.eye(2) + 0.1, "shift": 2.0}))
    assert "def f(A, shift):" in text
    assert "    w = " in text and "    V = " in text


def test_without_source_values_are_named_after_their_operation() -> None:
    namespace: dict = {"np": np}
    exec("def f(x):\n    return np.sum(np.sin(x) * np.sin(x * 2.0))", namespace)
    text = str(backlit.record(namespace["f"], np.ones(3)))
    assert "sin = np.sin(x)" in text
    assert "#" not in text


def test_a_program_computes_the_bits_of_the_function_for_new_inputs() -> None:
    program = backlit.record(loss, W1, b1, W2, x, t)
    gradient = backlit.backward(program, argnums=(0, 1, 2))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        new = [rng.standard_normal(a.shape) for a in (W1, b1, W2, x, t)]
        value, gradients = backlit.value_and_grad(loss, (0, 1, 2))(*new)
        assert backlit.run(program, *new) == value
        recorded_value, recorded = backlit.run(gradient, *new)
        assert recorded_value == value
        for found, truth in zip(recorded, gradients, strict=True):
            np.testing.assert_array_equal(found, truth)


def test_a_vector_loss_takes_the_weight_of_each_example() -> None:
    def losses(w, x):
        return np.sum((x * w) ** 2, axis=1)

    w = np.array([1.0, 2.0, 3.0])
    program = backlit.backward(backlit.record(losses, w, x))
    assert "def losses(w, x, d_losses):" in str(program)
    weights = np.array([0.0, 1.0, 2.0, 0.0, 0.5])
    value, gradient = backlit.run(program, w, x, weights)
    np.testing.assert_allclose(value, losses(w, x))
    np.testing.assert_allclose(gradient, 2 * w * (weights @ x**2), rtol=1e-13)


def test_a_program_of_a_program_of_a_program() -> None:
    program = backlit.record(lambda x: np.exp(2 * x), 0.3)
    for order in range(1, 5):
        program = backlit.record(
            lambda x, p=program: _last(backlit.run(backlit.backward(p), x)), 0.3
        )
        np.testing.assert_allclose(backlit.run(program, 0.3), 2.0**order * np.exp(0.6), rtol=1e-12)


def _last(pair):
    return pair[1]


def test_a_recorded_gradient_is_a_program_too() -> None:
    program = backlit.record(backlit.grad(lambda x: np.sum(np.sin(x) ** 2)), x)
    np.testing.assert_array_equal(
        backlit.run(program, x), backlit.grad(lambda x: np.sum(np.sin(x) ** 2))(x)
    )


def test_a_program_can_be_differentiated_as_a_function() -> None:
    program = backlit.record(loss, W1, b1, W2, x, t)
    np.testing.assert_array_equal(
        backlit.grad(lambda W: backlit.run(program, W, b1, W2, x, t))(W1),
        backlit.grad(loss)(W1, b1, W2, x, t),
    )


def test_high_orders_share_what_they_repeat() -> None:
    # Reverse over reverse without sharing takes 14, 34, 86, 230, 642 operations.
    program = backlit.record(lambda x: np.tanh(1.3 * np.tanh(0.7 * x)), 0.4)
    for _ in range(5):
        gradient = backlit.backward(program)
        program = simplify(replace(gradient, outputs=gradient.outputs[1]))
    assert len(program.instructions) < 400


def test_simplify_keeps_the_bits_and_drops_what_is_dead_or_double() -> None:
    def f(x):
        unused = np.exp(x)  # noqa: F841
        return np.sum(np.sin(x) * np.sin(x))

    program = backlit.record(f, x)
    functions = [i.function for i in program.instructions]
    assert functions.count(np.sin) == 1
    assert np.exp not in functions
    assert len(simplify(program).instructions) == len(program.instructions)


def test_zero_and_minus_zero_are_not_shared() -> None:
    program = backlit.record(lambda x: (np.copysign(x, 0.0), np.copysign(x, -0.0)), np.ones(2))
    np.testing.assert_array_equal(backlit.run(program, np.ones(2)), [[1.0, 1.0], [-1.0, -1.0]])


def test_captured_arrays_are_copied_and_shared() -> None:
    buffer = np.ones(3)

    def f(x):
        y = x * buffer
        buffer[:] = 2.0
        return y + x * buffer + y * buffer

    program = backlit.record(f, np.ones(3))
    assert len(program.captured) == 2
    np.testing.assert_array_equal(backlit.run(program, np.ones(3)), [5.0, 5.0, 5.0])


def test_constant_results() -> None:
    program = backlit.record(lambda x: (x, 3.0, np.ones(2)), np.ones(1))
    a, b, c = backlit.run(program, np.zeros(1))
    assert a == 0 and b == 3.0 and c.tolist() == [1.0, 1.0]
    value, gradient = backlit.run(backlit.backward(backlit.record(lambda x: 2.0, 5.0)), 5.0)
    assert value == 2.0 and gradient == 0.0


def test_integer_arrays_may_be_inputs() -> None:
    def pick(x, index):
        return np.sum(np.take_along_axis(x, index[:, None], axis=1) ** 2)

    index = np.array([0, 2, 1, 0, 1])
    program = backlit.backward(backlit.record(pick, x, index))
    for other in (index, index[::-1].copy()):
        np.testing.assert_array_equal(
            backlit.run(program, x, other)[1], backlit.grad(pick)(x, other)
        )


def test_composites_are_one_instruction_with_their_body_printed_once() -> None:
    program = backlit.record(lambda x: softmax(x) * softmax(2 * x), x)
    assert sum(i.function is softmax for i in program.instructions) == 2
    assert str(program).count("def softmax(x, axis=-1):") == 1


def test_float32_is_kept_and_promotion_is_said_once_with_the_line() -> None:
    single = x.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = backlit.record(lambda x: np.mean(np.tanh(2.0 * x) ** 2 / 3), single)
    backward = backlit.backward(program)
    assert {i.output.dtype for i in backward.instructions} == {np.dtype(np.float32)}

    def gelu(x):
        y = x * 0.5
        z = np.sqrt(2 / np.pi) * y
        return np.sum(z * np.sqrt(2 / np.pi))

    with pytest.warns(UserWarning) as caught:
        backlit.record(gelu, single)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "`z = np.sqrt(2 / np.pi) * y`" in message and "test_recording.py:" in message
    assert "Python float" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backlit.record(lambda x: x.astype(np.float64) * 2, single)


def test_watch_shows_every_value() -> None:
    program = backlit.backward(backlit.record(loss, W1, b1, W2, x, t))
    seen = {name: value for name, _, value in backlit.watch(program, W1, b1, W2, x, t)}
    np.testing.assert_array_equal(seen["h"], np.tanh(x @ W1 + b1))
    np.testing.assert_array_equal(seen["d_W1"], backlit.grad(loss)(W1, b1, W2, x, t))
