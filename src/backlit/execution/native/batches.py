"""What a step takes from the data and leaves for later: rows of a batch, values of each step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER
from backlit.execution.native.places import Place


@dataclass(eq=False)
class Gather(Work):
    """Rows of an array, in the order of the step's batch.

    Attributes
    ----------
    source : Place
        The array's first byte.
    order : Place
        The first number of the rows of all steps' batches, each an int64.
    target : Place
        The batch.
    rows : int
        In a batch; the target may hold a part of it.
    start : int
        Where in the batch the target begins.
    """

    WRITES = ("target",)
    ROWS = ("target",)

    source: Place
    order: Place
    target: Place
    rows: int
    start: int = 0

    def part(self, axis: int, start: int, stop: int) -> Self:
        """Return some of the rows."""
        return replace(super().part(axis, start, stop), start=self.start + start)

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.target.shape[0] * 3e-9 + self.target.size * 3e-10

    def call(self) -> Call:
        """Return the call of the kernel."""
        rows = self.target.shape[0]
        size = self.target.size * self.target.dtype.itemsize // rows
        words = [rows, size, self.order, 8 * self.rows, 8 * self.start, self.source, self.target]
        return Call(HEADER + _GATHER, words)


_GATHER = """def kernel(address, step):
    w = carray(pointer(address), (7,), int64)
    rows, size = w[0], w[1]
    order = carray(pointer(w[2] + step * w[3] + w[4]), (rows,), int64)
    for j in range(rows):
        source = carray(pointer(w[5] + order[j] * size), (size,), uint8)
        target = carray(pointer(w[6] + j * size), (size,), uint8)
        for k in range(size):
            target[k] = source[k]
    return 0
"""


@dataclass(eq=False)
class Move(Work):
    """Some bytes to another place, of which one lies further along with each step.

    Attributes
    ----------
    source, target : Place
    source_step, target_step : int
        How much further, in bytes.
    size : int
        In bytes.
    """

    READS = ("source",)
    WRITES = ("target",)

    source: Place
    target: Place
    source_step: int
    target_step: int
    size: int

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.size * 5e-11

    def call(self) -> Call:
        """Return the call of the kernel."""
        words = [self.size, self.source, self.source_step, self.target, self.target_step]
        return Call(HEADER + _MOVE, words)


_MOVE = """def kernel(address, step):
    w = carray(pointer(address), (5,), int64)
    size = w[0]
    source = carray(pointer(w[1] + step * w[2]), (size,), uint8)
    target = carray(pointer(w[3] + step * w[4]), (size,), uint8)
    for k in range(size):
        target[k] = source[k]
    return 0
"""
