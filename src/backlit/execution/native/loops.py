"""Elementwise instructions of one shape, gathered into one loop, and the loop's source.

Nothing between them goes through memory: only what is read from elsewhere, and what others read, is
loaded and stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.execution.native.places import Place, collapsed
from backlit.program.values import Value

HEADER = (
    "from backlit.execution.native.language import *\n"
    "from backlit.execution.native.mathematics import *\n\n\n"
)


@dataclass(eq=False)
class Loop:
    """Assignments to be made for each element of a shape.

    Attributes
    ----------
    shape : tuple of int
    loads : dict of Value to (str, Place)
        Local names of what is read from memory.
    names : dict of Value to str
        Local names of what is computed.
    lines : list of str
        Assignments, in order.
    stores : list of (str, Place)
        What is written to memory.
    """

    shape: tuple[int, ...]
    loads: dict[Value, tuple[str, Place]] = field(default_factory=dict)
    names: dict[Value, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    stores: list[tuple[str, Place]] = field(default_factory=list)

    def load(self, value: Value, place: Place) -> str:
        """Return the local name of a value that lies in memory."""
        if value not in self.loads:
            self.loads[value] = (f"x{len(self.loads)}", place.broadcast(self.shape))
        return self.loads[value][0]

    def assign(self, value: Value, expression: str) -> None:
        """Compute a value."""
        name = f"v{len(self.names)}"
        self.names[value] = name
        self.lines.append(f"{name} = {TYPE[np.dtype(value.dtype)]}({expression})")


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
    places = list(dict.fromkeys(place for _, place in (*loop.loads.values(), *loop.stores)))
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
    loads = {name: f"{name} = {elements[place]}{_as_bool(place)}"
             for name, place in loop.loads.values()}  # fmt: skip
    once = {
        name for name, place in loop.loads.values() if re.fullmatch(r"p\d+\[0\]", elements[place])
    }
    scalars = [f"{inner}{line}" for name, line in loads.items() if name in once]
    body = [line for name, line in loads.items() if name not in once]
    tail = [f"{elements[place]} = {name}" for name, place in loop.stores]
    text = [
        "def kernel(address):",
        f"    w = carray(pointer(address), ({len(arguments)},), int64)",
        *(f"    n{axis} = w[{axis}]" for axis in range(depth)),
        *(f"{'    ' * (axis + 1)}for i{axis} in range(n{axis}):" for axis in range(depth - 1)),
        *rows,
        *scalars,
        f"{inner}for i in range(n{depth - 1}):",
        *(f"{inner}    {line}" for line in (*body, *loop.lines, *tail)),
        "    return 0",
    ]
    return HEADER + "\n".join(text) + "\n", arguments


# Truth values lie in memory as bytes.
STORED = {**TYPE, np.dtype(np.bool_): "uint8"}


def _as_bool(place: Place) -> str:
    return " != 0" if place.dtype == np.bool_ else ""
