"""Nested tuples, lists and dicts: the shape that arguments and results may have.

A *leaf* is anything that is not a tuple, list or dict. ``None`` is an empty tree.
Dicts are walked in the order of their keys' insertion, so that names come out as written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# One step down into a tree: ("[0]" of a list or tuple is 0, "['W']" of a dict is "W").
Path = tuple[Any, ...]

_CONTAINERS = (tuple, list, dict, type(None))


def is_container(tree: Any) -> bool:
    """Whether ``tree`` has children, as opposed to being a leaf."""
    return isinstance(tree, _CONTAINERS)


def leaves_with_paths(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every leaf with the path that leads to it, in order."""
    if tree is None:
        return
    if isinstance(tree, dict):
        for key, child in tree.items():
            yield from leaves_with_paths(child, (*path, key))
    elif isinstance(tree, (tuple, list)):
        for index, child in enumerate(tree):
            yield from leaves_with_paths(child, (*path, index))
    else:
        yield path, tree


def leaves(tree: Any) -> list[Any]:
    """All leaves of ``tree``, in order."""
    if not is_container(tree):
        return [tree]
    return [leaf for _, leaf in leaves_with_paths(tree)]


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply ``function`` to the leaves of ``tree`` and the same places of ``others``.

    Raises
    ------
    ValueError
        Where one of ``others`` has another structure than ``tree``.
    """
    if tree is None:
        return None
    if not is_container(tree):
        return function(tree, *others)
    for other in others:
        if not is_container(other) or _keys(other) != _keys(tree):
            raise ValueError(
                f"these two differ in structure: {_outline(tree)} and {_outline(other)}"
            )
    return _rebuild(tree, {key: map_leaves(function, tree[key], *(o[key] for o in others))
                           for key in _keys(tree)})  # fmt: skip


def fill(tree: Any, values: Iterator[Any]) -> Any:
    """Rebuild ``tree`` with its leaves replaced, in order, by ``values``."""
    if not is_container(tree):
        return next(values)
    return map_leaves(lambda _: next(values), tree)


def _keys(tree: Any) -> list[Any]:
    if tree is None:
        return []
    return list(tree) if isinstance(tree, dict) else list(range(len(tree)))


def _rebuild(tree: Any, children: dict[Any, Any]) -> Any:
    if isinstance(tree, dict):
        return children
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):  # a named tuple
        return type(tree)(*children.values())
    return type(tree)(children.values())


def _outline(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(map(repr, tree)) + "}"
    if isinstance(tree, (tuple, list)):
        return f"{type(tree).__name__} of {len(tree)}"
    return type(tree).__name__
