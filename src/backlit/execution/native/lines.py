"""Kernels that walk along lines: running sums and products, elements by their positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Place

# ----- Running sums ------------------------------------------------------------------------------


@dataclass(eq=False)
class Running(Work):
    """The sum or product of each number of a line and all before it.

    Attributes
    ----------
    name : {"sum", "prod"}
    place, result : Place
        Contiguous, of shape (lines, numbers in a line).
    """

    READS = ("place",)
    WRITES = ("result",)
    ROWS = ("place", "result")

    name: str
    place: Place
    result: Place

    def seconds(self) -> float:
        """Return how long it takes: each number waits for the one before it."""
        return 3e-8 + self.place.size * 1.5e-9

    def call(self) -> Call:
        """Return the call of the kernel."""
        start, step = {"sum": (0, "+"), "prod": (1, "*")}[self.name]
        size = self.place.dtype.itemsize
        source = _RUNNING.format(kind=STORED[self.place.dtype], start=start, step=step, size=size)
        return Call(HEADER + source, [*self.place.shape, self.place, self.result])


_RUNNING = """def kernel(address, step):
    w = carray(pointer(address), (4,), int64)
    n, m = w[0], w[1]
    for j in range(n):
        x = carray(pointer(w[2] + j * m * {size}), (m,), {kind})
        y = carray(pointer(w[3] + j * m * {size}), (m,), {kind})
        total = {kind}({start})
        for i in range(m):
            total = {kind}(total {step} x[i])
            y[i] = total
    return 0
"""

# ----- Elements by their positions ---------------------------------------------------------------


@dataclass(eq=False)
class Pick(Work):
    """Elements at positions that are known before the program runs.

    Attributes
    ----------
    source : Place
    offsets : Place
        How many bytes each element is away from the source's first, an int64.
    result : Place
        Contiguous, of the offsets' shape.
    """

    READS = ("source", "offsets")
    WRITES = ("result",)
    ROWS = ("offsets", "result")

    source: Place
    offsets: Place
    result: Place

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.result.size * 1.5e-9

    def call(self) -> Call:
        """Return the call of the kernel."""
        words = [self.result.size, self.source, self.offsets, self.result]
        return Call(HEADER + _PICK.format(kind=STORED[self.source.dtype]), words)


_PICK = """def kernel(address, step):
    w = carray(pointer(address), (4,), int64)
    k = carray(pointer(w[2]), (w[0],), int64)
    y = carray(pointer(w[3]), (w[0],), {kind})
    for j in range(w[0]):
        y[j] = carray(pointer(w[1] + k[j]), (1,), {kind})[0]
    return 0
"""


def offsets_of(place: Place) -> Any:
    """Return how many bytes each element of a place is away from its first."""
    total = np.zeros(place.shape, np.int64)
    for axis, (length, stride) in enumerate(zip(place.shape, place.strides, strict=True)):
        steps = np.arange(length) * (stride * place.dtype.itemsize)
        total += steps.reshape((-1,) + (1,) * (len(place.shape) - 1 - axis))
    return total


# ----- An element of each row --------------------------------------------------------------------


@dataclass(eq=False)
class Take(Work):
    """One element of each row.

    Attributes
    ----------
    values : Place
        Of shape (rows, columns).
    indices, result : Place
        Of shape (rows, 1).
    """

    READS = ("values", "indices")
    WRITES = ("result",)
    ROWS = ("values", "indices", "result")

    values: Place
    indices: Place
    result: Place

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.values.shape[0] * 2e-9

    def call(self) -> Call:
        """Return the call of the kernel."""
        values, size = self.values, self.values.dtype.itemsize
        words = [
            *values.shape, values, *(stride * size for stride in values.strides),
            self.indices, self.indices.strides[0] * 8, self.result,
        ]  # fmt: skip
        return Call(HEADER + _TAKE.format(kind=STORED[values.dtype]), words)


_TAKE = """def kernel(address, step):
    w = carray(pointer(address), (8,), int64)
    y = carray(pointer(w[7]), (w[0],), {kind})
    for j in range(w[0]):
        k = carray(pointer(w[5] + j * w[6]), (1,), int64)[0]
        if k < 0:
            k += w[1]
        if k < 0 or k >= w[1]:
            return 1
        y[j] = carray(pointer(w[2] + j * w[3] + k * w[4]), (1,), {kind})[0]
    return 0
"""
