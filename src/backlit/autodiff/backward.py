"""The backward pass: one walk over a tape, from the result back to the inputs.

For a value ``v``, the *adjoint* is the gradient of the result with respect to ``v``. The walk
takes the entries in reverse order. When it comes to an entry, everything that used the entry's
value has already been visited, so its adjoint is complete, and the chain rule hands it on:

    adjoint of argument  +=  vjp(adjoint of result, result, *arguments)

Why the order matters: in ``b = a + a; c = b + b`` the value ``b`` is used twice. Walking from
``c`` along each use of ``b`` down to ``a`` would visit ``a`` four times (and ``2**n`` times after
``n`` such lines); in tape order every entry is visited once, with both uses already added up.

The rules are called on the values one level down. If these are arrays, the walk computes the
gradient at once. If they are traced values of a recording, the same walk *writes* the backward
pass as a program. If they are traced values of an outer gradient, it can be differentiated again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.errors import TraceError
from backlit.autodiff.rules.indexing import add_into
from backlit.autodiff.table import RULES
from backlit.autodiff.tape import Entry, Tape
from backlit.autodiff.traced import PART, Traced, TracedArray, TracedScalar
from backlit.program import tree

Adjoints = dict[int, Any]
WHERE, PICK = RULES[np.where], RULES[operator.getitem]
PLAIN = (np.ndarray, np.float64, np.float32)

# Below this number of elements, filling an array is faster than `np.broadcast_to`, which makes no
# copy but takes 3 microseconds.
SMALL = 4096


def backward_pass(entries: list[Entry], adjoints: Adjoints, inputs: int) -> Adjoints:
    """Walk back over ``entries`` and return the adjoints of the inputs.

    Parameters
    ----------
    entries : list of entries
        The tape. Emptied as the walk goes, so that values no longer needed are freed.
    adjoints : dict of int to array
        The adjoints of the results, by node.
    inputs : int
        The number of inputs; they take the first places of the tape.

    Returns
    -------
    dict of int to array
        The adjoints of the inputs, by node. An input that no result depends on is not in it.

    Notes
    -----
    Where ``np.where`` did not take a branch, that branch gets an adjoint of zero; but zero times
    an infinite local derivative is NaN. So its adjoint carries the mask of the elements taken, on
    through all elementwise rules, and the rest is set to zero again after each of them.
    """
    masks: dict[int, Any] = {}
    own: set[int] = set()  # nodes whose adjoint is an array of ours, which may be changed in place
    results = [(seed, entries[node][1]) for node, seed in adjoints.items() if node >= inputs]
    recording = _recording_under([value for pair in results for value in pair])
    if recording is not None:
        recording.start(results)
    # A derivative may be infinite (sqrt at 0): a value to look at, not a reason to warn.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for node in range(len(entries) - 1, inputs - 1, -1):
            entry = entries.pop()
            g = adjoints.pop(node, None)
            if g is None:
                continue  # no result depends on this value
            rule, ans, arguments, keywords, parents = entry
            if rule is PART:
                _collect_part(adjoints, parents[0][1], arguments, g)
                continue
            if rule is PICK and type(g) in PLAIN and type(adjoints.get(parents[0][1], g)) in PLAIN:
                _add_picked(adjoints, masks, own, parents[0][1], arguments, g)
                continue
            if recording is not None:
                recording.start_deriving(ans)
            mask = masks.pop(node, None) if masks else None
            vjps: Any = rule.vjps if rule.equal is None else _ByFormula(rule.equal)
            for position, parent in parents:
                x = arguments[position]
                d = vjps[position](g, ans, *arguments, **keywords)
                if type(parent) is not int:  # a list of arrays: the rule returned one adjoint each
                    for index, member in parent:
                        if d[index] is not None:
                            adjoint = fit(d[index], x[index])
                            _add(adjoints, masks, own, member, adjoint, None)
                            if recording is not None:
                                recording.name_adjoint(adjoints[member], x[index])
                    continue
                taken = None
                if rule is WHERE and parent >= inputs:
                    taken = _branch_taken(arguments[0], position, mask)
                elif mask is not None and rule.elementwise:
                    d, taken = np.where(mask, d, 0), mask
                if d.shape != x.shape:
                    d, taken = fit(d, x), None
                elif d.dtype != x.dtype:
                    d = fit(d, x)
                if parent in adjoints or taken is not None:
                    _add(adjoints, masks, own, parent, d, taken)
                else:
                    adjoints[parent] = d
                if recording is not None:
                    recording.name_adjoint(adjoints[parent], x)
    if recording is not None:
        recording.stop()
    return adjoints


def fit(adjoint: Any, value: Any) -> Any:
    """Give an adjoint the shape and dtype of its value: the one place where this is done.

    Broadcasting copied the value, and the adjoints of the copies add up. A reduction added up the
    value's elements, and each of them has the adjoint of the sum.
    """
    shape = value.shape
    if type(adjoint) is np.float64 and value.size < SMALL:
        filled = np.empty(shape, value.dtype)
        filled.fill(adjoint)
        return filled[()]
    if adjoint.shape != shape:
        added = adjoint.ndim - len(shape)
        copied = tuple(
            axis
            for axis, length in enumerate(adjoint.shape)
            if axis < added or (length != 1 and shape[axis - added] == 1)
        )
        if copied:
            adjoint = np.sum(adjoint, axis=copied)
        if adjoint.shape != shape:
            same_size = adjoint.size == value.size
            adjoint = (np.reshape if same_size else np.broadcast_to)(adjoint, shape)
    if adjoint.dtype != value.dtype:
        if adjoint.dtype.kind == "c" and value.dtype.kind != "c":
            raise TraceError(
                "the function computes with complex numbers, which have no rules here; write it "
                "with real ones (their real and imaginary parts)"
            )
        adjoint = adjoint.astype(value.dtype)
    return adjoint


def _add(
    adjoints: Adjoints, masks: dict[int, Any], own: set[int], node: int, adjoint: Any, mask: Any
) -> None:
    """Add one contribution to the adjoint of a value."""
    known = adjoints.get(node)
    own.discard(node)
    if known is None:
        adjoints[node] = adjoint
        if mask is not None:
            masks[node] = mask
        return
    adjoints[node] = known + adjoint
    before = masks.pop(node, None)
    if before is not None and mask is not None:
        masks[node] = before if before is mask else np.logical_or(before, mask)


def _add_picked(
    adjoints: Adjoints, masks: dict[int, Any], own: set[int], node: int, arguments: Any, g: Any
) -> None:
    """Add the adjoint of ``x[index]`` to that of ``x`` in place.

    A loop over the elements of an array then costs one array in all, and not one for each element.
    """
    x, index = arguments
    if node not in own:
        total = np.zeros(x.shape, x.dtype)
        if node in adjoints:
            total += adjoints[node]
        adjoints[node] = total
        own.add(node)
        masks.pop(node, None)
    add_into(adjoints[node], index, g)


def _branch_taken(condition: Any, position: int, mask: Any) -> Any:
    """Return where ``np.where`` took this branch, within the elements taken further down."""
    taken = condition if position == 1 else np.logical_not(condition)
    return taken if mask is None else np.logical_and(taken, mask)


def _collect_part(adjoints: Adjoints, whole: int, arguments: Any, g: Any) -> None:
    """Note the adjoint of one result of a function that has several."""
    results, index = arguments
    if whole not in adjoints:
        adjoints[whole] = [None] * len(results)
    known = adjoints[whole][index]
    adjoints[whole][index] = g if known is None else known + g


# ----- Runs of a function, from values to adjoints -----------------------------------------------


def trace(leaves: list[Any]) -> tuple[Tape, list[Traced]]:
    """Open a tape with ``leaves`` as its inputs."""
    tape = Tape()
    tape.entries.extend([None] * len(leaves))
    inputs = [
        (TracedArray if leaf.shape else TracedScalar)(leaf, tape, node)
        for node, leaf in enumerate(leaves)
    ]
    return tape, inputs  # type: ignore[return-value]  # both kinds are Traced


class _ByFormula:
    """The vjps of a `formula`: a gradient within the gradient, of what the function equals."""

    def __init__(self, equal: Callable[..., Any]) -> None:
        self.equal = equal

    def __getitem__(self, position: int) -> Callable[..., Any]:
        def vjp(g: Any, _: Any, *arguments: Any, **keywords: Any) -> Any:
            def of_one(argument: Any) -> Any:
                before, after = arguments[:position], arguments[position + 1 :]
                return self.equal(*before, argument, *after, **keywords)

            return _pull_through(of_one, arguments[position], g)

        return vjp


def _pull_through(function: Any, argument: Any, g: Any) -> Any:
    """Return the adjoint of ``argument`` (an array or a list of arrays) for the adjoint ``g``."""
    leaves = tree.leaves(argument)
    traced_at = [k for k, leaf in enumerate(leaves) if getattr(leaf, "dtype", None) is not None]
    tape, inputs = trace([leaves[k] for k in traced_at])
    filled = list(leaves)
    for k, value in zip(traced_at, inputs, strict=True):
        filled[k] = value
    try:
        result = function(tree.fill(argument, iter(filled)))
    finally:
        entries = tape.close()
    adjoints: Adjoints = {}
    if isinstance(result, Traced) and result._tape is tape:
        if g.shape != result.shape:
            g = np.reshape(g, result.shape)
        adjoints = backward_pass(entries, {result._node: g}, len(inputs))
    of_leaf: list[Any] = [None] * len(leaves)
    for node, k in enumerate(traced_at):
        of_leaf[k] = adjoints[node] if node in adjoints else np.zeros_like(leaves[k])
    return tree.fill(argument, iter(of_leaf))


# ----- Names for a recorded backward pass --------------------------------------------------------


class _Scribe:
    """Tells a recording, while a backward pass is written, which instruction is being derived."""

    def __init__(self, tape: Any) -> None:
        self.tape = tape
        self.around = tape.deriving  # a backward pass may be differentiated in turn

    def start(self, results: list[tuple[Any, Any]]) -> None:
        for seed, value in results:
            self.name_adjoint(seed, value)

    def stop(self) -> None:
        self.tape.deriving = self.around

    def start_deriving(self, ans: Any) -> None:
        node = self._node(ans[0] if isinstance(ans, (tuple, list)) else ans)
        self.tape.deriving = self.tape.derives.get(node, node) if node is not None else None

    def name_adjoint(self, adjoint: Any, value: Any) -> None:
        d, v = self._node(adjoint), self._node(value)
        if d is not None and v is not None and v < d:
            self.tape.adjoint_of.setdefault(d, v)

    def _node(self, value: Any) -> int | None:
        """Return the recording's node at the bottom of nested traced values."""
        while isinstance(value, Traced):
            if value._tape is self.tape:
                return value._node
            value = value._value
        return None


def _recording_under(values: list[Any]) -> _Scribe | None:
    """Return a scribe if one of the values belongs, at the bottom, to a recording."""
    for value in values:
        while isinstance(value, Traced):
            if value._tape.recording:
                return _Scribe(value._tape)
            value = value._value
    return None
