"""Kernels that are written by hand: products, reductions, picks, transposition, rows of data."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Buffer, Place, collapsed

# ----- Products ----------------------------------------------------------------------------------

_PRODUCT = (
    HEADER
    + '''def kernel(address, step):
    """C = A @ B by BLAS; the words are the address of gemm and its 13 arguments' addresses."""
    w = carray(pointer(address), (14,), int64)
    return multiply(w[0], address + 8)
'''
)

# Up to this many multiplications, OpenBLAS reads the matrices where they lie. Beyond, it copies
# them to an order of its own first, which takes long where few rows or columns meet a large matrix.
SMALL_PRODUCT = 1_000_000
SECONDS_PER_MULTIPLICATION = {4: 1.3e-11, 8: 2.6e-11}
SECONDS_PER_COPIED_NUMBER = 3e-10


@dataclass(eq=False)
class Product(Work):
    """``c = a @ b``, each a matrix with one stride of 1."""

    a: Place
    b: Place
    c: Place

    @property
    def reads(self) -> list[Place]:
        """Its operands."""
        return [self.a, self.b]

    @property
    def writes(self) -> list[Place]:
        """Its result."""
        return [self.c]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The rows and the columns of the result."""
        return self.c.shape

    def part(self, axis: int, start: int, stop: int) -> Product:
        """Return the product of some rows, or with some columns."""
        c = self.c.part(axis, start, stop)
        if axis == 0:
            return Product(self.a.part(0, start, stop), self.b, c)
        return Product(self.a, self.b.part(1, start, stop), c)

    def seconds(self) -> float:
        """Return how long it takes."""
        m, k, n = *self.a.shape, self.b.shape[1]
        seconds = 1e-7 + m * k * n * SECONDS_PER_MULTIPLICATION[self.c.dtype.itemsize]
        if m * k * n > SMALL_PRODUCT:
            seconds += (m * k + k * n) * SECONDS_PER_COPIED_NUMBER
        return seconds

    def call(self) -> Call:
        """Return the call of BLAS."""
        a, b, c = self.a, self.b, self.c
        # BLAS has columns where NumPy has rows: it computes C.T = B.T @ A.T.
        transpose_b, leading_b = _orientation(b)
        transpose_a, leading_a = _orientation(a)
        sizes = [c.shape[1], c.shape[0], a.shape[1], leading_b, leading_a, max(1, c.strides[0])]
        small = np.array(sizes, np.int32)
        scale = np.array([1, 0], c.dtype)
        return Call(
            _PRODUCT,
            [
                gemm_address(c.dtype.name),
                _part(_FLAGS, transpose_b), _part(_FLAGS, transpose_a),
                _part(small, 0), _part(small, 1), _part(small, 2),
                _part(scale, 0), b, _part(small, 3), a, _part(small, 4),
                _part(scale, 1), c, _part(small, 5),
            ],
        )  # fmt: skip


_FLAGS = np.frombuffer(b"nt", np.uint8)


def is_transposed(place: Place) -> bool:
    """Return whether the numbers of a matrix lie column by column."""
    return bool(_orientation(place)[0])


def _orientation(place: Place) -> tuple[int, int]:
    """Return whether BLAS must transpose a matrix, and its leading dimension."""
    rows, columns = place.strides
    if (columns == 1 or place.shape[1] == 1) and rows >= place.shape[1]:
        return 0, max(1, rows)
    return 1, max(1, columns)


def _part(array: Any, index: int) -> Place:
    whole = Place.new(array.shape, np.uint8, Buffer(array.nbytes, array))
    return Place(whole.buffer, index * array.itemsize, (1,), (1,), np.dtype(np.uint8))


@cache
def gemm_address(dtype: str) -> int:
    """Return the address of SciPy's product of matrices."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[{"float32": "sgemm", "float64": "dgemm"}[dtype]]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


# ----- Transposition -----------------------------------------------------------------------------


@dataclass(eq=False)
class Transposition(Work):
    """A contiguous copy of a matrix whose columns are contiguous, in square tiles.

    Worth its time before a product of few rows: BLAS is half as fast where it would have to read
    the second matrix across.
    """

    source: Place
    target: Place

    @property
    def reads(self) -> list[Place]:
        """What is copied."""
        return [self.source]

    @property
    def writes(self) -> list[Place]:
        """The copy."""
        return [self.target]

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + math.prod(self.source.shape) * 2e-10

    def call(self) -> Call:
        """Return the call of the kernel."""
        rows, columns = self.target.shape
        size = self.source.dtype.itemsize
        words = [
            rows, columns, self.source, self.source.strides[1] * size,
            self.target, self.target.strides[0] * size,
        ]  # fmt: skip
        kind = STORED[self.source.dtype]
        return Call(HEADER + _TRANSPOSITION.format(kind=kind, size=size), words)


# source[column, row] to target[row, column], both with contiguous rows
_TRANSPOSITION = """def kernel(address, step):
    w = carray(pointer(address), (6,), int64)
    rows, columns, source, across, target, along = w[0], w[1], w[2], w[3], w[4], w[5]
    whole_rows, whole_columns = rows // 16 * 16, columns // 16 * 16
    for j in range(0, whole_columns, 16):
        for i in range(0, whole_rows, 16):
            transpose_tile(
                source + j * across + i * {size}, across,
                target + i * along + j * {size}, along, {kind}(0),
            )
    for i in range(rows):
        first = whole_columns if i < whole_rows else 0
        y = carray(pointer(target + i * along), (columns,), {kind})
        for j in range(first, columns):
            y[j] = carray(pointer(source + j * across + i * {size}), (1,), {kind})[0]
    return 0
"""


# ----- Reductions --------------------------------------------------------------------------------

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

    name: str
    place: Place
    result: Place

    @property
    def kept(self) -> int:
        """How many axes are kept."""
        return len(self.result.shape)

    @property
    def reads(self) -> list[Place]:
        """What is reduced."""
        return [self.place]

    @property
    def writes(self) -> list[Place]:
        """The result."""
        return [self.result]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The length of the first axis that is kept."""
        return self.result.shape[:1]

    def part(self, axis: int, start: int, stop: int) -> Reduction:
        """Return the reduction to some of the numbers."""
        place, result = (p.part(axis, start, stop) for p in (self.place, self.result))
        return replace(self, place=place, result=result)

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


# ----- Picks -------------------------------------------------------------------------------------


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

    values: Place
    indices: Place
    result: Place

    @property
    def reads(self) -> list[Place]:
        """The values, and which of them."""
        return [self.values, self.indices]

    @property
    def writes(self) -> list[Place]:
        """The picked values."""
        return [self.result]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of rows."""
        return self.values.shape[:1]

    def part(self, axis: int, start: int, stop: int) -> Take:
        """Return the picks of some rows."""
        return Take(*(p.part(0, start, stop) for p in (self.values, self.indices, self.result)))

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


# ----- Data of a step ----------------------------------------------------------------------------


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

    source: Place
    order: Place
    target: Place
    rows: int
    start: int = 0

    @property
    def reads(self) -> list[Place]:
        """Nothing that is computed."""
        return []

    @property
    def writes(self) -> list[Place]:
        """The batch."""
        return [self.target]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of rows."""
        return self.target.shape[:1]

    def part(self, axis: int, start: int, stop: int) -> Gather:
        """Return some of the rows."""
        return replace(self, target=self.target.part(0, start, stop), start=self.start + start)

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

    source: Place
    target: Place
    source_step: int
    target_step: int
    size: int

    @property
    def reads(self) -> list[Place]:
        """What is moved."""
        return [self.source]

    @property
    def writes(self) -> list[Place]:
        """Where to."""
        return [self.target]

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
