"""Instructions whose result lies where an operand lies already."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.execution.native.literals import unsupported
from backlit.execution.native.places import Place
from backlit.program.values import Instruction

Copied = Callable[[Place], Place]


def is_view(instruction: Instruction) -> bool:
    """Return whether the result lies where the operand lies, or in a copy of that."""
    if instruction.function is operator.getitem:
        return is_basic(instruction.arguments[1])
    return instruction.function in VIEWS


def is_basic(key: Any) -> bool:
    """Return whether an index takes numbers and slices only."""
    keys = key if isinstance(key, tuple) else (key,)
    return all(k is None or k is Ellipsis or isinstance(k, slice) or type(k) is int for k in keys)


def _reshape(place: Place, instruction: Instruction, copied: Copied) -> Place:
    position = {np.reshape: 2, np.ravel: 1}.get(instruction.function)
    if position is not None:
        given = (*instruction.arguments[position:], "C")[0]
        if instruction.keywords.get("order", given) != "C":
            raise unsupported(instruction)
    if not place.is_contiguous:
        place = copied(place)
    return place.reshaped(instruction.output.shape)


def _transpose(place: Place, instruction: Instruction, copied: Copied) -> Place:
    axes = instruction.keywords.get("axes", (*instruction.arguments[1:], None)[0])
    order = range(len(place.shape))[::-1] if axes is None else [a % len(place.shape) for a in axes]
    return place.transposed(tuple(order))


def _broadcast(place: Place, instruction: Instruction, copied: Copied) -> Place:
    return place.broadcast(instruction.output.shape)


def _index(place: Place, instruction: Instruction, copied: Copied) -> Place:
    part = place.indexed(instruction.arguments[1])
    if part is None:
        raise unsupported(instruction)
    return part


# Each is given where the operand lies, and how to copy that if need be.
VIEWS: dict[Any, Callable[[Place, Instruction, Copied], Place]] = {
    np.reshape: _reshape,
    np.ravel: _reshape,
    np.expand_dims: _reshape,
    np.squeeze: _reshape,
    np.transpose: _transpose,
    np.broadcast_to: _broadcast,
    operator.getitem: _index,
}
