"""Kernels that are written by hand: products, reductions, picks."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from backlit.execution.native.calls import Call
from backlit.execution.native.loops import HEADER, STORED
from backlit.execution.native.places import Buffer, Place, collapsed

# ----- Products ----------------------------------------------------------------------------------

_PRODUCT = (
    HEADER
    + '''def kernel(address):
    """C = A @ B by BLAS; the words are the address of gemm and its 13 arguments' addresses."""
    w = carray(pointer(address), (14,), int64)
    return multiply(w[0], address + 8)
'''
)


def product(a: Place, b: Place, c: Place) -> Call:
    """Return a call that computes ``c = a @ b``, each a matrix with one stride of 1."""
    # BLAS has columns where NumPy has rows: it computes C.T = B.T @ A.T.
    m, n, k = c.shape[1], c.shape[0], a.shape[1]
    transpose_b, leading_b = _orientation(b)
    transpose_a, leading_a = _orientation(a)
    flags = np.frombuffer(b"nt", np.uint8)
    small = np.array([m, n, k, leading_b, leading_a, c.shape[1]], np.int32)
    scale = np.array([1, 0], c.dtype)
    return Call(
        _PRODUCT,
        [
            gemm_address(c.dtype.name),
            _part(flags, transpose_b), _part(flags, transpose_a),
            _part(small, 0), _part(small, 1), _part(small, 2),
            _part(scale, 0), b, _part(small, 3), a, _part(small, 4),
            _part(scale, 1), c, _part(small, 5),
        ],
    )  # fmt: skip


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


# ----- Reductions --------------------------------------------------------------------------------

_START = {"sum": "{kind}(0)", "max": "{kind}(-np.inf)", "min": "{kind}(np.inf)"}
_STEP = {
    "sum": "{0} + {1}",
    "max": "({0} if {0} > {1} or {0} != {0} else {1})",
    "min": "({0} if {0} < {1} or {0} != {0} else {1})",
}


def reduction(name: str, place: Place, kept: int, result: Place) -> Call:
    """Return a call that reduces the last axes of a place.

    Parameters
    ----------
    name : {"sum", "max", "min"}
    place : Place
        Its axes in the order of what is kept, then what is reduced.
    kept : int
        How many axes are kept.
    result : Place
    """
    outer, (steps,) = collapsed(place.shape[:kept], [place.strides[:kept]])
    inner, (inside,) = collapsed(place.shape[kept:], [place.strides[kept:]])
    assert len(outer) == 1 and len(inner) == 1, "lowering copies what does not fit"
    kind, size = STORED[place.dtype], place.dtype.itemsize
    words = [outer[0], inner[0], place, steps[0] * size, inside[0] * size, result]
    start = _START[name].format(kind=kind)
    if steps[0] == 1 and inside[0] != 1:
        step = _STEP[name].format("y[j]", "x[j]")
        return Call(HEADER + _COLUMNS.format(kind=kind, start=start, step=step), words)
    texts = {
        "kind": kind,
        "wide": "float64" if (name, kind) == ("sum", "float32") else kind,
        "start": start,
        "step": _STEP[name].format("part", "x[i]"),
        "join": _STEP[name].format("total", "part"),
    }
    return Call(HEADER + _ROWS.format(**texts), words, reduction=name == "sum")


def fits_reduction(place: Place, kept: int) -> bool:
    """Return whether `reduction` takes a place as it is.

    Its axes must be walked as two: along one of them the numbers lie one after another.
    """
    outer, (steps,) = collapsed(place.shape[:kept], [place.strides[:kept]])
    inner, (inside,) = collapsed(place.shape[kept:], [place.strides[kept:]])
    if len(outer) > 1 or len(inner) > 1:
        return False
    return inside[0] == 1 or inner[0] == 1 or (steps[0] == 1 and inner[0] <= LONG)


LONG = 4096  # numbers that may be added up one by one in float32

# Along lines, each to one number. In pieces, so that a long sum does not lose small numbers.
_ROWS = """def kernel(address):
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
_COLUMNS = """def kernel(address):
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


def take(values: Place, indices: Place, result: Place) -> Call:
    """Return a call that picks one element of each row.

    Parameters
    ----------
    values : Place
        Of shape (rows, columns).
    indices, result : Place
        Of shape (rows, 1).
    """
    kind = STORED[values.dtype]
    size = values.dtype.itemsize
    words = [*values.shape, values, *(stride * size for stride in values.strides),
             indices, indices.strides[0] * 8, result]  # fmt: skip
    return Call(HEADER + _TAKE.format(kind=kind), words)


_TAKE = """def kernel(address):
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
