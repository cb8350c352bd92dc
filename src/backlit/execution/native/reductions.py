"""Sums, products, largest and smallest numbers along axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Place, collapsed

_STEP = {
    "sum": "{0} + {1}",
    "prod": "{0} * {1}",
    "max": "({0} if {0} > {1} or {0} != {0} else {1})",
    "min": "({0} if {0} < {1} or {0} != {0} else {1})",
}


def _start(name: str, dtype: np.dtype[Any]) -> str:
    """Return what a reduction begins with: the number that changes no other."""
    if name in ("sum", "prod"):
        number = "0" if name == "sum" else "1"
    elif dtype.kind == "f":
        number = "-np.inf" if name == "max" else "np.inf"
    elif dtype.kind == "b":
        number = "0" if name == "max" else "1"
    else:
        limits = np.iinfo(dtype)
        number = str(limits.min if name == "max" else limits.max)
    return f"{STORED[dtype]}({number})"


@dataclass(eq=False)
class Reduction(Work):
    """The sum, product, largest or smallest number along the last axes of a place.

    Attributes
    ----------
    name : {"sum", "prod", "max", "min"}
    place : Place
        Its axes in the order of what is kept, then what is reduced.
    result : Place
        Contiguous, of the shape of what is kept.
    """

    READS = ("place",)
    WRITES = ("result",)
    ROWS = ("result", "place")

    name: str
    place: Place
    result: Place

    @property
    def kept(self) -> int:
        """How many axes are kept."""
        return len(self.result.shape)

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + math.prod(self.place.shape) * 1e-10

    def call(self) -> Call:
        """Return the call of a kernel that goes along lines, or across them."""
        place, result, kept = self.place, self.result, self.kept
        outer, (steps,) = collapsed(place.shape[:kept], [place.strides[:kept]])
        inner, (inside,) = collapsed(place.shape[kept:], [place.strides[kept:]])
        assert len(outer) == 1 and len(inner) == 1, "lowering copies what does not fit"
        kind, size = STORED[place.dtype], place.dtype.itemsize
        words = [outer[0], inner[0], place, steps[0] * size, inside[0] * size, result]
        start = _start(self.name, place.dtype)
        if inner[0] != 1 and inside[0] != 1:
            step = _STEP[self.name].format("y[j]", "x[j]")
            return Call(HEADER + _COLUMNS.format(kind=kind, start=start, step=step), words)
        texts = {
            "kind": kind,
            "wide": "float64" if (self.name, kind) == ("sum", "float32") else kind,
            "start": start,
            "step": _STEP[self.name].format("part", "x[i]"),
            "join": _STEP[self.name].format("total", "part"),
        }
        return Call(HEADER + _ROWS.format(**texts), words, reduction=self.name == "sum")


def fits_reduction(place: Place, kept: int) -> bool:
    """Return whether `Reduction` takes a place as it is.

    Its axes must be walked as two: along one of them the numbers lie one after another.
    """
    outer, (steps,) = collapsed(place.shape[:kept], [place.strides[:kept]])
    inner, (inside,) = collapsed(place.shape[kept:], [place.strides[kept:]])
    if len(outer) > 1 or len(inner) > 1:
        return False
    return inside[0] == 1 or inner[0] == 1 or (steps[0] == 1 and inner[0] <= LONG)


LONG = 4096  # numbers that may be added up one by one in float32

# Along lines, each to one number. In pieces, so that a long sum does not lose small numbers.
_ROWS = """def kernel(address, step):
    w = carray(pointer(address), (6,), int64)
    n, m = w[0], w[1]
    y = carray(pointer(w[5]), (n,), {kind})
    for j in range(n):
        total = {wide}({start})
        for first in range(0, m, 1024):
            count = min(1024, m - first)
            x = carray(pointer(w[2] + j * w[3] + first * w[4]), (count,), {kind})
            part = {start}
            for i in range(count):
                part = {step}
            total = {join}
        y[j] = {kind}(total)
    return 0
"""

# Across lines, many numbers at once.
_COLUMNS = """def kernel(address, step):
    w = carray(pointer(address), (6,), int64)
    n, m = w[0], w[1]
    y = carray(pointer(w[5]), (n,), {kind})
    for j in range(n):
        y[j] = {start}
    for i in range(m):
        x = carray(pointer(w[2] + i * w[4]), (n,), {kind})
        for j in range(n):
            y[j] = {step}
    return 0
"""
