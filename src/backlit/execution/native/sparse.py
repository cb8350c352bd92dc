"""Kernels for batches of sparse rows, which stay as they are: compressed, in the whole array.

A program knows nothing of this: it was recorded for a dense batch. Where its products read that
batch, or its transpose, they become products of sparse rows; whatever else reads it gets the rows
written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Place
from backlit.execution.native.products import Product


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a batch, in a compressed array.

    Attributes
    ----------
    data, indices, starts : Place
        The first byte of the array's three parts, as SciPy's ``csr_array`` has them.
    index : str
        The type of ``indices`` and ``starts``: int32 or int64.
    order : Place
        The first number of the rows of all steps' batches, each an int64.
    batch : int
        How many rows a batch has.
    filled : float
        How many numbers a row holds, on average: only to predict times.
    """

    data: Place
    indices: Place
    starts: Place
    index: str
    order: Place
    batch: int
    filled: float

    def words(self, start: int) -> list[Any]:
        """Return the arguments that find the rows, beginning with one of the batch."""
        return [self.order, 8 * self.batch, 8 * start, self.data, self.indices, self.starts]


@dataclass(eq=False)
class SparseProduct(Work):
    """``c = rows @ b``."""

    READS = ("b",)
    WRITES = ("c",)
    ROWS = ("c",)

    rows: Rows
    b: Place
    c: Place
    start: int = 0

    def part(self, axis: int, start: int, stop: int) -> Self:
        """Return some of the rows."""
        return replace(super().part(axis, start, stop), start=self.start + start)

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.c.shape[0] * (self.rows.filled + 1) * self.c.shape[1] * 1e-10

    def call(self) -> Call:
        """Return the call of the kernel."""
        size = self.b.dtype.itemsize
        words = [
            *self.c.shape, *self.rows.words(self.start), self.b, self.b.strides[0] * size,
            self.c, self.c.strides[0] * size,
        ]  # fmt: skip
        return Call(HEADER + _texts(_PRODUCT, self.b, self.rows), words)


@dataclass(eq=False)
class SparseGradient(Work):
    """``c = rows.T @ b``: row by row, since a column of sparse rows is hard to find."""

    READS = ("b",)
    WRITES = ("c",)

    rows: Rows
    b: Place
    c: Place

    @property
    def lengths(self) -> tuple[int, ...]:
        """Nothing to cut along but the columns of the result."""
        return 1, self.c.shape[1]

    def part(self, axis: int, start: int, stop: int) -> SparseGradient:
        """Return the product with some columns."""
        return replace(self, b=self.b.part(1, start, stop), c=self.c.part(1, start, stop))

    def seconds(self) -> float:
        """Return how long it takes."""
        rows, columns = self.b.shape
        return 3e-8 + self.c.size * 5e-11 + rows * self.rows.filled * columns * 2e-10

    def call(self) -> Call:
        """Return the call of the kernel."""
        size = self.b.dtype.itemsize
        words = [
            *self.b.shape, *self.rows.words(0), self.b, self.b.strides[0] * size,
            self.c, self.c.strides[0] * size, self.c.shape[0],
        ]  # fmt: skip
        return Call(HEADER + _texts(_GRADIENT, self.b, self.rows), words)


@dataclass(eq=False)
class SparseGather(Work):
    """The rows of the step's batch, written out."""

    WRITES = ("target",)
    ROWS = ("target",)

    rows: Rows
    target: Place
    start: int = 0

    def part(self, axis: int, start: int, stop: int) -> Self:
        """Return some of the rows."""
        return replace(super().part(axis, start, stop), start=self.start + start)

    def seconds(self) -> float:
        """Return how long it takes."""
        return 3e-8 + self.target.size * 1e-10

    def call(self) -> Call:
        """Return the call of the kernel."""
        words = [*self.target.shape, *self.rows.words(self.start), self.target]
        return Call(HEADER + _texts(_GATHER, self.target, self.rows), words)


def with_sparse_rows(works: Sequence[Work], batch: Place, rows: Rows) -> list[Work]:
    """Return work that reads a batch of sparse rows where it read a dense one.

    Parameters
    ----------
    works : list of Work
    batch : Place
        Of the dense batch, shape (rows, columns).
    rows : Rows

    Returns
    -------
    list of Work
    """
    result: list[Work] = []
    dense = False
    for work in works:
        if isinstance(work, Product) and work.a == batch and work.b.strides[1] == 1:
            result.append(SparseProduct(rows, work.b, work.c))
        elif (
            isinstance(work, Product)
            and work.a == batch.transposed((1, 0))
            and work.b.strides[1] == 1
        ):
            result.append(SparseGradient(rows, work.b, work.c))
        else:
            dense = dense or any(place.buffer is batch.buffer for place in work.reads)
            result.append(work)
    return [SparseGather(rows, batch), *result] if dense else result


def _texts(template: str, place: Place, rows: Rows) -> str:
    """Fill in the types of a kernel."""
    kind, size = STORED[place.dtype], place.dtype.itemsize
    wide = {"int32": 4, "int64": 8}[rows.index]
    find = _FIND.format(kind=kind, size=size, index=rows.index, wide=wide)
    return template.format(kind=kind, size=size, find=find)


_FIND = """order = carray(pointer(w[2] + step * w[3] + w[4]), (rows,), int64)
    for j in range(rows):
        limits = carray(pointer(w[7] + order[j] * {wide}), (2,), {index})
        start, count = int64(limits[0]), int64(limits[1] - limits[0])
        data = carray(pointer(w[5] + start * {size}), (count,), {kind})
        indices = carray(pointer(w[6] + start * {wide}), (count,), {index})"""

_PRODUCT = """def kernel(address, step):
    w = carray(pointer(address), (12,), int64)
    rows, columns = w[0], w[1]
    {find}
        c = carray(pointer(w[10] + j * w[11]), (columns,), {kind})
        for k in range(columns):
            c[k] = {kind}(0)
        for i in range(count):
            x = data[i]
            b = carray(pointer(w[8] + int64(indices[i]) * w[9]), (columns,), {kind})
            for k in range(columns):
                c[k] += x * b[k]
    return 0
"""

_GRADIENT = """def kernel(address, step):
    w = carray(pointer(address), (13,), int64)
    rows, columns = w[0], w[1]
    for j in range(w[12]):
        c = carray(pointer(w[10] + j * w[11]), (columns,), {kind})
        for k in range(columns):
            c[k] = {kind}(0)
    {find}
        b = carray(pointer(w[8] + j * w[9]), (columns,), {kind})
        for i in range(count):
            x = data[i]
            c = carray(pointer(w[10] + int64(indices[i]) * w[11]), (columns,), {kind})
            for k in range(columns):
                c[k] += x * b[k]
    return 0
"""

_GATHER = """def kernel(address, step):
    w = carray(pointer(address), (9,), int64)
    rows, columns = w[0], w[1]
    {find}
        y = carray(pointer(w[8] + j * columns * {size}), (columns,), {kind})
        for k in range(columns):
            y[k] = {kind}(0)
        for i in range(count):
            y[int64(indices[i])] += data[i]
    return 0
"""
