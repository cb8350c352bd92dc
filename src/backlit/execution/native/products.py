"""Products of matrices: small ones by tiles in registers, large ones by BLAS."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call, Work
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Buffer, Place
from backlit.execution.native.tiles import Tiling, source_of, tiling

_PRODUCT = (
    HEADER
    + '''def kernel(address, step):
    """C = A @ B by BLAS; the words are the address of gemm and its 13 arguments' addresses."""
    w = carray(pointer(address), (14,), int64)
    return multiply(w[0], address + 8)
'''
)

# Up to this many multiplications, tiles are mostly faster than BLAS, where rows are few many times
# as fast. On an AMD EPYC with AVX2, BLAS came level between 17 and 50 million.
SMALL_PRODUCT = 20_000_000
# A second matrix of more bytes is taken by panels, if there are so many rows that it is worth it.
PANEL_BYTES, PANEL_ROWS = 2**15, 24
SECONDS_PER_MULTIPLICATION = {4: 1.3e-11, 8: 2.6e-11}
SECONDS_PER_READ_NUMBER = 6e-11
SECONDS_PER_COPIED_NUMBER = 3e-10  # BLAS copies large matrices to an order of its own first
FEW_ROWS = 4  # fewer take as long: so many are multiplied at once


@dataclass(eq=False)
class Product(Work):
    """``c = a @ b``, each a matrix with one stride of 1."""

    READS = ("a", "b")
    WRITES = ("c",)

    a: Place
    b: Place
    c: Place

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
        moved = SECONDS_PER_READ_NUMBER if self._is_small() else SECONDS_PER_COPIED_NUMBER
        wide = SECONDS_PER_MULTIPLICATION[self.c.dtype.itemsize]
        return 1e-7 + max(m, FEW_ROWS) * k * n * wide + (m * k + k * n) * moved

    def _is_small(self) -> bool:
        """Return whether tiles do it, where the processor has them."""
        return math.prod(self.a.shape) * self.b.shape[1] <= SMALL_PRODUCT

    def call(self) -> Call:
        """Return the call of the kernel for tiles, or of BLAS."""
        tiles = tiling() if self._is_small() else None
        return self._call_of_blas() if tiles is None else self._call_of_tiles(tiles)

    def _call_of_tiles(self, tiles: Tiling) -> Call:
        a, b, c = self.a, self.b, self.c
        size = c.dtype.itemsize
        m, k, n = *a.shape, b.shape[1]
        steps = [place.strides[0] * size for place in (a, b, c)]
        across = b.strides[1] * size if n > 1 else size
        panels = m >= PANEL_ROWS and k * n * size > PANEL_BYTES
        words = [
            m, k, n, a, steps[0], a.strides[1] * size, b, steps[1], across, c, steps[2], panels,
        ]  # fmt: skip
        return Call(HEADER + source_of(tiles, STORED[c.dtype], size), words)

    def _call_of_blas(self) -> Call:
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
