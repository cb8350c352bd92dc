"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import backlit


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_every_public_name_is_there_and_documented() -> None:
    for name in backlit.__all__:
        assert getattr(backlit, name).__doc__, name
    assert set(backlit.__all__) <= set(dir(backlit))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(backlit, "gard")


def test_importing_loads_nothing_heavy() -> None:
    loaded = run("import sys, backlit; print(*sys.modules)").split()
    assert not {"numpy", "scipy", "sklearn", "rich", "safetensors"} & set(loaded)
    loaded = run("import sys, backlit; backlit.grad; print(*sys.modules)").split()
    assert "numpy" in loaded
    assert not {"scipy", "sklearn", "rich", "safetensors"} & set(loaded)


def test_a_rule_of_scipy_is_found_when_scipy_is_imported_later() -> None:
    code = (
        "import backlit; backlit.grad(lambda x: x * x)(1.0); from scipy import special; "
        "print(backlit.grad(special.expit)(0.0))"
    )
    assert run(code) == "0.25\n"
