"""Programs as data, made by hand: their text, their names, and what simplification does."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from backlit import run
from backlit.program import Instruction, Program, Value, simplify, source
from backlit.program.simplify import drop_dead_values, share_common_subexpressions


def value(name: str = "", shape: tuple[int, ...] = (3,)) -> Value:
    return Value(shape, np.dtype(np.float64), name)


def program(inputs: list[Value], instructions: list[Instruction], outputs) -> Program:
    examples = [np.ones(i.shape) for i in inputs]
    return Program("f", inputs, tuple(inputs), examples, {}, instructions, outputs)


def body(made: Program) -> list[str]:
    text = source(made)
    return [line.strip() for line in text.split("\ndef f")[1].splitlines()[1:]]


X = value("x")


@pytest.mark.parametrize(
    ("function", "arguments", "keywords", "text"),
    [
        (operator.add, (X, 1.5), {}, "x + 1.5"),
        (operator.sub, (-2.0, X), {}, "(-2.0) - x"),
        (operator.pow, (X, -1), {}, "x ** (-1)"),
        (operator.neg, (X,), {}, "-x"),
        (operator.invert, (X,), {}, "~x"),
        (operator.matmul, (X, X), {}, "x @ x"),
        (operator.le, (X, 0), {}, "x <= 0"),
        (np.sin, (X,), {}, "np.sin(x)"),
        (np.linalg.norm, (X,), {"axis": 0}, "np.linalg.norm(x, axis=0)"),
        (np.sum, (X,), {"axis": (0,), "keepdims": True}, "np.sum(x, axis=(0,), keepdims=True)"),
        (np.concatenate, ([X, X],), {}, "np.concatenate([x, x])"),
        (np.multiply, (X, np.float32(0.1)), {}, "np.multiply(x, np.float32(0.10000000149011612))"),
        (np.multiply, (X, np.float64(np.inf)), {}, "np.multiply(x, np.float64(np.inf))"),
        (np.maximum, (X, -np.inf), {}, "np.maximum(x, -np.inf)"),
        (np.maximum, (X, np.nan), {}, "np.maximum(x, np.nan)"),
        (np.reshape, (X, (3, 1)), {}, "np.reshape(x, (3, 1))"),
        (operator.getitem, (X, slice(1, None, 2)), {}, "x[1::2]"),
        (operator.getitem, (X, (0, None, ..., slice(None, -1))), {}, "x[0, np.newaxis, ..., :-1]"),
        (operator.getitem, (X, (slice(None), (0, 2))), {}, "x[:, (0, 2)]"),
        (operator.getitem, (X, ()), {}, "x[()]"),
        (np.sum, (X,), {"dtype": np.dtype("float32")}, "np.sum(x, dtype=np.dtype('float32'))"),
        (np.sum, (X,), {"dtype": np.float32}, "np.sum(x, dtype=np.float32)"),
    ],
)
def test_an_instruction_is_written_as_python(function, arguments, keywords, text) -> None:
    made = value("y")
    lines = body(program([X], [Instruction(function, arguments, keywords, made)], made))
    assert lines == [f"y = {text}", "return y"]


def test_no_two_values_have_one_name_and_none_is_a_keyword() -> None:
    inputs = [value("x"), value("x"), value("lambda"), value("np")]
    made = [value("x"), value()]
    instructions = [
        Instruction(operator.add, (inputs[0], inputs[1]), {}, made[0]),
        Instruction(operator.mul, (inputs[2], inputs[3]), {}, made[1]),
    ]
    text = source(program(inputs, instructions, tuple(made)))
    assert "def f(x, x_2, x_3, x_4):" in text
    assert "x_5 = x + x_2" in text and "product = x_3 * x_4" in text


def test_adjoints_are_named_after_their_value_and_the_last_contribution_is_the_sum() -> None:
    first, second, total = (Value((3,), np.dtype(float), adjoint_of=X) for _ in range(3))
    instructions = [
        Instruction(np.sin, (X,), {}, first),
        Instruction(np.cos, (X,), {}, second),
        Instruction(operator.add, (first, second), {}, total),
    ]
    lines = [line for line in body(program([X], instructions, total)) if line[0] != "#"]
    assert lines == [
        "d_x_part = np.sin(x)",
        "d_x_part_2 = np.cos(x)",
        "d_x = d_x_part + d_x_part_2",
        "return d_x",
    ]


def test_outputs_keep_their_structure() -> None:
    made = program([X], [], {"a": X, "b": (X, [X]), "c": None})
    assert body(made) == ["return {'a': x, 'b': (x, [x]), 'c': None}"]


def test_dead_values_are_dropped_and_equal_ones_shared() -> None:
    sines, dead, product = [value(), value()], value(), value()
    made = program(
        [X],
        [
            Instruction(np.sin, (X,), {}, sines[0]),
            Instruction(np.exp, (X,), {}, dead),
            Instruction(np.sin, (X,), {}, sines[1]),
            Instruction(operator.mul, (sines[0], sines[1]), {}, product),
        ],
        product,
    )
    shared = share_common_subexpressions(made)
    assert [i.function for i in shared.instructions] == [np.sin, np.exp, operator.mul]
    assert [i.function for i in drop_dead_values(made).instructions] == [
        np.sin,
        np.sin,
        operator.mul,
    ]
    short = simplify(made)
    assert [i.function for i in short.instructions] == [np.sin, operator.mul]
    assert len(made.instructions) == 4, "a pass returns another program"
    x = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(run(short, x), run(made, x))


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ((operator.mul, X, 2.0), (operator.mul, 2.0, X), True),
        ((operator.sub, X, 2.0), (operator.sub, 2.0, X), False),
        ((operator.add, X, 0.0), (operator.add, X, -0.0), False),
        ((operator.add, X, 1), (operator.add, X, 1.0), False),
        ((operator.add, X, 1.0), (operator.add, X, np.float32(1.0)), False),
        ((operator.add, X, 1.0), (np.add, X, 1.0), False),
        ((operator.getitem, X, slice(0, 1)), (operator.getitem, X, slice(0, 1)), True),
        ((operator.getitem, X, slice(0, 1)), (operator.getitem, X, slice(0, 2)), False),
    ],
)
def test_only_what_computes_the_same_bits_is_shared(one, other, shared) -> None:
    made = [value(), value()]
    instructions = [
        Instruction(function, tuple(arguments), {}, output)
        for (function, *arguments), output in zip((one, other), made, strict=True)
    ]
    count = len(share_common_subexpressions(program([X], instructions, tuple(made))).instructions)
    assert count == (1 if shared else 2)
