"""Derivative rules of NumPy's functions, sorted by topic. Importing this package enters them.

A new rule is one line in the file of its topic and one line in ``tests/autodiff/cases.py``, which
checks it against numerical derivatives at ordinary and special points, in both precisions and
both orders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from backlit.autodiff.rules import (
    constants,
    elementwise,
    indexing,
    linalg,
    products,
    reductions,
    shaping,
)
from backlit.autodiff.table import RULES, Rule

__all__ = [
    "constants",
    "elementwise",
    "find",
    "indexing",
    "linalg",
    "products",
    "reductions",
    "shaping",
]


def find(function: Callable[..., Any]) -> Rule | None:
    """Return the rule of ``function``, or None.

    The rules of `scipy.special` are entered when one of its ufuncs is first seen, so that nobody
    pays for importing SciPy before using it.
    """
    if function not in RULES and "scipy.special" in sys.modules:
        import backlit.autodiff.rules.special  # noqa: F401  (importing it enters its rules)
    return RULES.get(function)
