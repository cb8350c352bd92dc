"""One run of a function on traced arguments, ready to pull adjoints back to them.

What `grad` and its family have in common: which arguments are differentiated, what they and the
result may be, and the backward pass between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlit.autodiff.backward import backward_pass, trace
from backlit.autodiff.errors import TraceError
from backlit.autodiff.tape import Entry, RecordingTape, Tape
from backlit.autodiff.traced import Traced
from backlit.program import tree

Function = Callable[..., Any]
Argnums = int | Sequence[int]


class Pullback:
    """A function run on traced arguments, ready to pull adjoints back.

    Attributes
    ----------
    tape : Tape
        Closed.
    result : tree
        What the function returned, still traced.
    aux : tree
        The auxiliary result, as plain values.
    """

    def __init__(
        self,
        caller: str,
        f: Function,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        argnums: Argnums,
        has_aux: bool,
    ) -> None:
        single = isinstance(argnums, (int, np.integer))
        positions = _positions(caller, argnums, len(arguments))
        leaves: list[Any] = []
        for position in positions:
            argument = arguments[position]
            if type(argument) is np.ndarray and argument.dtype.kind == "f":
                leaves.append(argument)  # by far the most common, and already checked
            else:
                for path, leaf in tree.leaves_with_paths(argument):
                    leaves.append(as_leaf(caller, leaf, position, path))
                    if path and isinstance(leaf, Traced) and isinstance(leaf._tape, RecordingTape):
                        leaf._tape.name(leaf._node, path[-1])
        self.tape, inputs = trace(leaves)
        self._leaves = leaves
        fed = iter(inputs)
        given = list(arguments)
        for position in positions:
            given[position] = tree.fill(arguments[position], fed)
        self.aux = None
        try:
            self.result = f(*given, **keywords)
            if has_aux:
                self.result, aux = _split_aux(caller, f, self.result)
                self.aux = tree.map_leaves(lambda leaf: result_value(leaf, self.tape), aux)
        finally:
            self._entries: list[Entry] = self.tape.close()
        if single:
            self._structure = arguments[positions[0]]
        else:
            self._structure = tuple(arguments[position] for position in positions)

    @property
    def zeros(self) -> Any:
        """Zeros in the structure of the arguments."""
        return tree.fill(self._structure, iter([_zeros(leaf) for leaf in self._leaves]))

    def pull(self, seeds: list[Any], keep: bool) -> Any:
        """Walk back with one adjoint for each leaf of the result."""
        adjoints: dict[int, Any] = {}
        for leaf, seed in zip(tree.leaves(self.result), seeds, strict=True):
            if isinstance(leaf, Traced) and leaf._tape is self.tape:
                known = adjoints.get(leaf._node)
                adjoints[leaf._node] = seed if known is None else known + seed
        if adjoints:
            entries = list(self._entries) if keep else self._entries
            adjoints = backward_pass(entries, adjoints, len(self._leaves))
        gradients = [
            adjoints[node] if node in adjoints else _zeros(leaf)
            for node, leaf in enumerate(self._leaves)
        ]
        return tree.fill(self._structure, iter(gradients))


def result_value(leaf: Any, tape: Tape) -> Any:
    """Return the value one level down of a traced value of ``tape``, anything else as it is."""
    return leaf._value if isinstance(leaf, Traced) and leaf._tape is tape else leaf


def as_leaf(caller: str, leaf: Any, position: int, path: tree.Path) -> Any:
    """Return a differentiable argument as NumPy sees it, or say why it is none."""
    if type(leaf) is float:
        return np.float64(leaf)
    dtype = getattr(leaf, "dtype", None)
    if (
        isinstance(leaf, (Traced, np.ndarray, np.generic))
        and dtype is not None
        and dtype.kind == "f"
    ):
        return np.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
    where = f"argument {position}" + "".join(f"[{key!r}]" for key in path)
    if isinstance(leaf, (int, np.integer, np.bool_)) or (dtype is not None and dtype.kind in "iub"):
        kind = type(leaf).__name__ if dtype is None else f"{dtype} array"
        fix = "write 2.0 for 2" if dtype is None else "use x.astype(float)"
        raise TraceError(
            f"{caller}: {where} is of type {kind}, and only floating-point values have a gradient; "
            f"{fix}, or leave it out of argnums"
        )
    if dtype is not None and dtype.kind == "c":
        raise TraceError(
            f"{caller}: {where} is complex, which is not supported; differentiate by the real and "
            "the imaginary part"
        )
    raise TraceError(
        f"{caller}: {where} is of type {type(leaf).__name__}; give a float, a floating-point NumPy "
        "array, or a nested tuple, list or dict of these"
    )


def _positions(caller: str, argnums: Argnums, count: int) -> tuple[int, ...]:
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,)
    wanted = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    for position in wanted:
        if not isinstance(position, (int, np.integer)) or not -count <= position < count:
            raise TraceError(
                f"{caller}: argnums={argnums!r}, but the call has {count} positional arguments; "
                "give positions of positional arguments, counted from 0"
            )
    return tuple(int(position) % count for position in wanted)


def _split_aux(caller: str, f: Function, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TraceError(
            f"{caller}: with has_aux=True, {function_title(f)} must return a pair (result, aux), "
            f"but it returned {outline(result)}"
        )
    return result[0], result[1]


def check_result(caller: str, f: Function, leaf: Any) -> None:
    """Raise where a leaf of the result is not a number or an array."""
    if isinstance(leaf, Traced):
        return
    if leaf is None or not isinstance(leaf, (int, float, np.ndarray, np.generic)):
        kind = "None (is a return missing?)" if leaf is None else f"a {type(leaf).__name__}"
        raise TraceError(
            f"{caller}: {function_title(f)} returned {kind}; return a number or an array"
        )


def seed_like(result: Any, adjoint: Any) -> Any:
    """Return an adjoint (or tangent) with the shape and dtype that its value has."""
    if not isinstance(adjoint, Traced):
        adjoint = np.asarray(adjoint)
    if adjoint.shape != np.shape(result):
        raise ValueError(f"shape {adjoint.shape} was given where {np.shape(result)} is needed")
    if isinstance(adjoint, Traced):
        return (
            adjoint if adjoint.dtype == float_dtype(result) else adjoint.astype(float_dtype(result))
        )
    return adjoint.astype(float_dtype(result), copy=False)[()]


def one_like(result: Any) -> Any:
    """Return the adjoint of a result by itself: ones."""
    value = result._value if isinstance(result, Traced) else result
    if type(value) is np.float64:
        return _ONE
    return np.ones_like(value)


_ONE = np.float64(1.0)


def _zeros(leaf: Any) -> Any:
    return np.zeros(leaf.shape, leaf.dtype)[()]


def float_dtype(leaf: Any) -> Any:
    """Return the dtype that adjoints of a leaf have."""
    dtype = leaf.dtype if isinstance(leaf, Traced) else np.asarray(leaf).dtype
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def function_title(f: Function) -> str:
    """Return how messages call the user's function."""
    name = getattr(f, "__name__", type(f).__name__)
    return "the function" if name == "<lambda>" else name


def outline(result: Any) -> str:
    """Return how messages call a result that is no array."""
    if result is None:
        return "None (is a return missing?)"
    return f"a {type(result).__name__}"
