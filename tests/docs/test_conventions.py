"""Every row of ``docs/conventions.md`` is what the engine does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import special

import backlit
from backlit import functions

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"
NAMES = {"np": np, "special": special, "functions": functions, "inf": np.inf}


def rows(heading: str) -> list[tuple[str, str, str]]:
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|", section, flags=re.MULTILINE)
    assert len(found) == section.count("\n| `")
    return found


def differentiate(expression: str, at: str, derivative) -> np.ndarray:
    function = eval(f"lambda x: np.sum({expression})", NAMES)
    with np.errstate(all="ignore"):  # the forward pass warns, as NumPy does
        return derivative(function)(np.array(eval(at, NAMES)))


@pytest.mark.parametrize(("expression", "at", "truth"), rows("First derivatives"))
def test_first_derivatives(expression: str, at: str, truth: str) -> None:
    found = differentiate(expression, at, backlit.grad)
    np.testing.assert_allclose(found, eval(truth, NAMES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("expression", "at", "truth"), rows("Second derivatives"))
def test_second_derivatives(expression: str, at: str, truth: str) -> None:
    found = differentiate(expression, at, backlit.hessian)
    np.testing.assert_allclose(found, eval(truth, NAMES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("expression", "at", "truth"), rows("First derivatives"))
def test_recorded_programs_follow_the_same_conventions(
    expression: str, at: str, truth: str
) -> None:
    point = np.array(eval(at, NAMES))
    function = eval(f"lambda x: np.sum({expression})", NAMES)
    with np.errstate(all="ignore"):
        program = backlit.backward(backlit.record(function, point))
        _, found = backlit.run(program, point)
    np.testing.assert_allclose(found, eval(truth, NAMES), rtol=1e-12, atol=1e-12)
