"""Products of matrices that are small, by tiles of the result that stay in registers.

BLAS is made for large matrices: what it does before the first multiplication takes longer than a
small product. Here, a tile of the result is computed at once: each number of the first matrix that
belongs to it is multiplied with some vectors of the second. Where the second matrix lies across, or
is too large for the nearest cache, a panel of it is copied first, as wide as a tile (K. Goto and
R. van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from backlit.execution.native import library

DEPTH = 256  # rows of a panel


@dataclass(frozen=True)
class Tiling:
    """How large tiles are, so that a processor's registers hold one.

    Attributes
    ----------
    rows : int
        Of a tile.
    fewer : int
        Rows of a tile at the lower end: sums of the two are most numbers of rows.
    width : int
        Bytes of a row of a tile.
    """

    rows: int
    fewer: int
    width: int


NARROW = Tiling(6, 4, 64)  # for 16 registers of 32 bytes, or 32 of 16 bytes
WIDE = Tiling(8, 4, 128)  # for 32 registers of 64 bytes


@cache
def tiling() -> Tiling | None:
    """Return the tiles for this processor, or None if it cannot multiply and add in one step."""
    features = library.processor_features()
    if features.get("avx512f"):
        return WIDE
    if features.get("neon") or (features.get("avx2") and features.get("fma")):
        return NARROW
    return None


def source_of(tiling: Tiling, kind: str, size: int) -> str:
    """Return the source of the kernel.

    Parameters
    ----------
    tiling : Tiling
    kind : {"float32", "float64"}
    size : int
        Bytes of a number.

    Returns
    -------
    str
        Its arguments are the rows, the inner length and the columns of a product; then of the first
        matrix, the second and the result where they begin, and the bytes from row to row and from
        column to column, which the result needs none of; and whether to copy panels that lie along.
    """
    lanes = tiling.width // size
    widths = [lanes >> k for k in range(lanes.bit_length())]
    text = _PANEL.format(
        kind=kind, size=size, lanes=lanes, row=tiling.width, depth=DEPTH,
        panel=DEPTH * tiling.width,
    )  # fmt: skip
    for width in widths:
        text += _COLUMNS.format(
            word="if" if width == lanes else "elif",
            width=width,
            rows=tiling.rows,
            fewer=tiling.fewer if width == lanes else tiling.rows,
            kind=kind,
            size=size,
        )
    return text + "    return 0\n"


# The last columns of a line are computed together with some before them, so that there are as many.
_PANEL = """def kernel(address, step):
    w = carray(pointer(address), (12,), int64)
    k, n, panel = w[1], w[2], stack({panel})
    row, column, copies = w[7], w[8], w[11] != 0
    done = 0
    while done < n:
        width = {lanes}
        while width > n or n - done <= width // 2:
            width //= 2
        j = n - width if done > n - width else done
        done = j + width
        c = w[9] + j * {size}
        for first in range(0, k, {depth}):
            depth = k - first if k - first < {depth} else {depth}
            a, b, along = w[3] + first * w[5], w[6] + first * row + j * column, row
            if column != {size} or (copies and width == {lanes}):
                along = width * {size}
                if column == {size}:
                    for q in range(depth):
                        copy_row({lanes}, b + q * row, panel + q * along, {kind}(0))
                elif width >= 8 and depth >= 8:
                    for i in range(0, width, 8):
                        for above in range(0, depth, 8):
                            q = depth - 8 if above > depth - 8 else above
                            transpose_tile(
                                8, b + q * {size} + i * column, column,
                                panel + q * along + i * {size}, along, {kind}(0),
                            )
                else:
                    for q in range(depth):
                        for i in range(width):
                            here = panel + q * along + i * {size}
                            copy_row(1, b + q * row + i * column, here, {kind}(0))
                b = panel
"""
_COLUMNS = """            {word} width == {width}:
                multiply_rows(
                    {rows}, {fewer}, {width}, w[0], depth, first, a, w[4], w[5], b, along,
                    c, w[10], {kind}(0),
                )
"""
