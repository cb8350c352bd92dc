"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import backlit

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(backlit.__path__, "backlit.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_public_functions_have_examples() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    for name in backlit.__all__:
        thing = getattr(backlit, name)
        if callable(thing) and not isinstance(thing, type):
            assert any(test.examples for test in finder.find(thing, name)), name
