"""Nested tuples, lists and dicts."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from backlit.program import tree


class Pair(NamedTuple):
    first: int
    second: int


NESTED = {"a": [1, (2, None)], "b": Pair(3, 4), "c": ()}


def test_leaves_come_in_order_with_their_paths() -> None:
    assert tree.leaves(NESTED) == [1, 2, 3, 4]
    paths = [path for path, _ in tree.leaves_with_paths(NESTED)]
    assert paths == [("a", 0), ("a", 1, 0), ("b", 0), ("b", 1)]


def test_map_keeps_the_structure() -> None:
    doubled = tree.map_leaves(lambda leaf: 2 * leaf, NESTED)
    assert doubled == {"a": [2, (4, None)], "b": Pair(6, 8), "c": ()}
    assert type(doubled["b"]) is Pair
    assert tree.map_leaves(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]


def test_fill_replaces_leaves_in_order() -> None:
    assert tree.fill(NESTED, iter("wxyz")) == {"a": ["w", ("x", None)], "b": ("y", "z"), "c": ()}
    assert tree.fill(5, iter("w")) == "w"


def test_different_structures_are_an_error() -> None:
    for other in ([1], {"x": 1}, 1, None, [1, [2], 3]):
        with pytest.raises(ValueError, match="differ in structure"):
            tree.map_leaves(lambda a, b: a, [1, [2]], other)
