"""Elementwise instructions of one shape, gathered into one loop, and the loop's source.

Nothing between them goes through memory: only what is read from elsewhere, and what others read, is
loaded and stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.places import Place, collapsed
from backlit.program.values import Value

HEADER = (
    "from backlit.execution.native.language import *\n"
    "from backlit.execution.native.mathematics import *\n"
    "from backlit.execution.native.rarer import *\n\n\n"
)

TYPE = {
    np.dtype(np.float32): "float32",
    np.dtype(np.float64): "float64",
    np.dtype(np.int64): "int64",
    np.dtype(np.int32): "int32",
    np.dtype(np.uint32): "uint32",
    np.dtype(np.uint64): "uint64",
    np.dtype(np.bool_): "bool_",
    np.dtype(np.int8): "int8",
    np.dtype(np.uint8): "uint8",
}
# Truth values lie in memory as bytes.
STORED = {**TYPE, np.dtype(np.bool_): "uint8"}


@dataclass(frozen=True)
class Assignment:
    """One value as an expression of others.

    Attributes
    ----------
    value : Value
    template : str
        The expression, with ``{0}``, ``{1}`` and so on for the operands.
    operands : tuple of (Value or str, str)
        A value, or the text of a constant; and the type it is brought to, empty for its own.
    """

    value: Value
    template: str
    operands: tuple[tuple[Value | str, str], ...]


@dataclass(eq=False)
class Loop(Work):
    """Assignments to be made for each element of a shape.

    Attributes
    ----------
    shape : tuple of int
    loads : dict of Value to Place
        What is read from memory, each broadcast to the shape.
    assignments : list of Assignment
        In order.
    stores : list of (Value, Place)
        What is written to memory.
    """

    shape: tuple[int, ...]
    loads: dict[Value, Place] = field(default_factory=dict)
    assignments: list[Assignment] = field(default_factory=list)
    stores: list[tuple[Value, Place]] = field(default_factory=list)

    def computes(self, value: Value) -> bool:
        """Return whether a value is assigned here."""
        return any(assignment.value is value for assignment in self.assignments)

    def join(self, other: Loop) -> None:
        """Take over the assignments of a loop that neither reads what this one computes."""
        self.loads.update(other.loads)
        self.assignments += other.assignments
        self.stores += other.stores

    @property
    def reads(self) -> list[Place]:
        """Places that it reads."""
        return list(self.loads.values())

    @property
    def writes(self) -> list[Place]:
        """Places that it writes."""
        return [place for _, place in self.stores]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of its first two axes."""
        return self.shape[:2]

    def part(self, axis: int, start: int, stop: int) -> Loop:
        """Return the loop over a part of an axis."""
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        return replace(
            self,
            shape=shape,
            loads={value: place.part(axis, start, stop) for value, place in self.loads.items()},
            stores=[(value, place.part(axis, start, stop)) for value, place in self.stores],
        )

    def seconds(self) -> float:
        """Return how long it takes: by what goes through memory, and by the costly functions."""
        count = int(np.prod(self.shape))
        moved = sum(place.dtype.itemsize for place in (*self.reads, *self.writes))
        costly = sum(bool(_COSTLY.search(a.template)) for a in self.assignments)
        wide = 2 if any(a.value.dtype == np.float64 for a in self.assignments) else 1
        return 3e-8 + count * (1e-11 * moved + 1.5e-10 * costly * wide)

    def call(self) -> Call:
        """Return the loop's kernel."""
        return Call(*source_of(self))


_COSTLY = re.compile(r"\b(exp|expm1|exp2|log\w*|sin|cos|tanh|erfc?|logistic|sqrt)\(| / |\*\*")


def source_of(loop: Loop) -> tuple[str, list[Any]]:
    """Return the source of a loop's kernel, and its arguments.

    Parameters
    ----------
    loop : Loop

    Returns
    -------
    source : str
        The same for loops that differ in sizes, strides and addresses only, but for strides along
        the innermost axis: whether they are 0, 1 or others.
    arguments : list of int or Place
    """
    # A place that is read and written is one pointer, so that no overlap needs to be ruled out.
    places = list(dict.fromkeys((*loop.reads, *loop.writes)))
    lengths, steps = collapsed(loop.shape, [place.strides for place in places])
    depth = len(lengths)
    inner = "    " * depth
    arguments: list[Any] = list(lengths)
    rows: list[str] = []
    elements: dict[Place, str] = {}
    for number, (place, step) in enumerate(zip(places, steps, strict=True)):
        first = len(arguments)
        arguments += [place, *(stride * place.dtype.itemsize for stride in step)]
        start = [f"w[{first}]", *(f"i{axis} * w[{first + 1 + axis}]" for axis in range(depth - 1))]
        at, kind = " + ".join(start), STORED[place.dtype]
        if step[-1] in (0, 1):
            extent = f"n{depth - 1}" if step[-1] else "1"
            elements[place] = f"p{number}[i]" if step[-1] else f"p{number}[0]"
            rows.append(f"{inner}p{number} = carray(pointer({at}), ({extent},), {kind})")
        else:  # an array has no place before its start, which a stride may lead to
            rows.append(f"{inner}b{number} = {at}")
            here = f"b{number} + i * w[{first + depth}]"
            elements[place] = f"carray(pointer({here}), (1,), {kind})[0]"
    names = {value: f"x{number}" for number, value in enumerate(loop.loads)}
    scalars: list[str] = []
    body: list[str] = []
    for value, place in loop.loads.items():
        load = f"{names[value]} = {elements[place]}{' != 0' if place.dtype == np.bool_ else ''}"
        once = re.fullmatch(r"p\d+\[0\]", elements[place])
        (scalars if once else body).append(load)
    for number, assignment in enumerate(loop.assignments):
        names[assignment.value] = f"v{number}"
        operands = [_operand(names, *operand) for operand in assignment.operands]
        kind = TYPE[np.dtype(assignment.value.dtype)]
        body.append(f"v{number} = {kind}({assignment.template.format(*operands)})")
    body += [f"{elements[place]} = {names[value]}" for value, place in loop.stores]
    text = [
        "def kernel(address, step):",
        f"    w = carray(pointer(address), ({len(arguments)},), int64)",
        *(f"    n{axis} = w[{axis}]" for axis in range(depth)),
        *(f"{'    ' * (axis + 1)}for i{axis} in range(n{axis}):" for axis in range(depth - 1)),
        *rows,
        *(f"{inner}{line}" for line in scalars),
        f"{inner}for i in range(n{depth - 1}):",
        *(f"{inner}    {line}" for line in body),
        "    return 0",
    ]
    return HEADER + "\n".join(text) + "\n", arguments


def _operand(names: dict[Value, str], operand: Value | str, kind: str) -> str:
    name = names[operand] if isinstance(operand, Value) else operand
    return f"{kind}({name})" if kind else name
