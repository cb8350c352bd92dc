"""Derivative rules of NumPy's functions, sorted by topic. Importing this package enters them.

A new rule is one line in the file of its topic and one line in ``tests/autodiff/cases.py``, which
checks it against numerical derivatives at ordinary and special points, in both precisions and
both orders.
"""

from backlit.autodiff.rules import (
    constants,
    elementwise,
    indexing,
    linalg,
    products,
    reductions,
    shaping,
)

__all__ = ["constants", "elementwise", "indexing", "linalg", "products", "reductions", "shaping"]
