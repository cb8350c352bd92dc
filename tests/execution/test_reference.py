"""The reference executor is plain NumPy, one instruction at a time."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import backlit


def f(p, x, power):
    y = p["a"] * x**power
    return {"y": y, "both": [np.sum(y), x]}


X = np.array([1.0, 2.0])
PROGRAM = backlit.record(f, {"a": 2.0}, X, 3)


def test_outputs_have_the_structure_that_was_returned() -> None:
    out = backlit.run(PROGRAM, {"a": 0.5}, np.array([2.0, 4.0]), 3)
    assert out["y"].tolist() == [4.0, 32.0]
    assert out["both"][0] == 36.0 and out["both"][1].tolist() == [2.0, 4.0]


def test_watch_yields_names_instructions_and_values_in_order() -> None:
    seen = list(backlit.watch(PROGRAM, {"a": 2.0}, X, 3))
    assert [name for name, _, _ in seen] == ["y_power", "y", "total"]
    assert [i.function.__name__ for _, i, _ in seen] == ["pow", "mul", "sum"]
    np.testing.assert_array_equal(seen[1][2], 2 * X**3)


def test_a_fixed_argument_cannot_be_another() -> None:
    with pytest.raises(ValueError, match=r"fixed argument 3, and 2 was given; record it again"):
        backlit.run(PROGRAM, {"a": 2.0}, X, 2)


def test_an_infinite_slope_does_not_warn_but_the_forward_pass_does() -> None:
    program = backlit.backward(backlit.record(np.sqrt, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backlit.run(program, 0.0) == (0.0, np.inf)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        backlit.run(program, -1.0)
