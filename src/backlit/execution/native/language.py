"""What the source of a kernel may use, besides Python's arithmetic.

A kernel is a function of two integers: the address of its arguments, a row of 64-bit words that are
sizes, strides, and addresses of memory; and the number of the step. It returns 0, or another number
for a failure. Sizes are never part of the source, so that one kernel serves networks of every
shape.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import bool_, carray, float32, float64, int8, int32, int64, types, uint8, uint32, uint64
from numba.extending import intrinsic

__all__ = [
    "add_atomically",
    "bool_",
    "call",
    "carray",
    "copy_row",
    "float32",
    "float64",
    "int8",
    "int32",
    "int64",
    "math",
    "multiply",
    "multiply_rows",
    "np",
    "pointer",
    "read_atomically",
    "set_float_mode",
    "stack",
    "transpose_tile",
    "uint8",
    "uint32",
    "uint64",
    "write_atomically",
]


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """Return an address as what `carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


@intrinsic
def call(typing: Any, kernel: Any, arguments: Any, step: Any) -> Any:
    """Call the kernel at an address with the address of its arguments, and the step."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64), ir.IntType(64)])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), given[1:])

    return types.int32(types.int64, types.int64, types.int64), generate


@intrinsic
def multiply(typing: Any, gemm: Any, block: Any) -> Any:
    """Call BLAS's ``gemm`` at an address with 13 pointers that lie one after another in memory."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte] * 13)
        function = builder.inttoptr(given[0], kind.as_pointer())
        word = ir.IntType(64)
        pointers = []
        for place in range(13):
            address = builder.add(given[1], ir.Constant(word, 8 * place))
            value = builder.load(builder.inttoptr(address, word.as_pointer()))
            pointers.append(builder.inttoptr(value, byte))
        builder.call(function, pointers)
        return ir.Constant(ir.IntType(32), 0)

    return types.int32(types.int64, types.int64), generate


# ----- Tiles of matrices --------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def stack(typing: Any, size: Any) -> Any:
    """Return the address of so many bytes, a constant number, that are the kernel's own."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        block = ir.ArrayType(ir.IntType(8), size.literal_value)
        with builder.goto_entry_block():
            place = builder.alloca(block)
        place.align = 64
        return builder.ptrtoint(place, ir.IntType(64))

    return types.int64(size), generate


@intrinsic(prefer_literal=True)
def copy_row(typing: Any, count: Any, source: Any, target: Any, kind: Any) -> Any:
    """Copy a constant number of numbers."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = _Vectors(builder, kind, count.literal_value)
        vector.store(vector.load(given[1]), given[2])
        return ir.Constant(ir.IntType(32), 0)

    return types.int32(count, types.int64, types.int64, kind), generate


@intrinsic(prefer_literal=True)
def transpose_tile(
    typing: Any, count: Any, source: Any, across: Any, target: Any, along: Any, kind: Any
) -> Any:
    """Transpose rows of as many numbers, a constant power of 2; rows lie so many bytes apart.

    By shuffles between pairs of rows: rows that are half of all apart exchange halves, those a
    quarter apart quarters, and so on.
    """
    size = count.literal_value

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _, source, across, target, along, _ = given
        vector = _Vectors(builder, kind, size)
        rows = [vector.load(vector.beyond(source, across, number)) for number in range(size)]
        apart = size // 2
        while apart:
            upper = [k if not k & apart else k - apart + size for k in range(size)]
            lower = [k + apart if not k & apart else k + size for k in range(size)]
            for first in (k for k in range(size) if not k & apart):
                pair = rows[first], rows[first + apart]
                rows[first], rows[first + apart] = (
                    vector.shuffled(*pair, order) for order in (upper, lower)
                )
            apart //= 2
        for number, row in enumerate(rows):
            vector.store(row, vector.beyond(target, along, number))
        return ir.Constant(ir.IntType(32), 0)

    word = types.int64
    return types.int32(count, word, word, word, word, kind), generate


@intrinsic(prefer_literal=True)
def multiply_rows(
    typing: Any, rows: Any, fewer: Any, lanes: Any, count: Any, depth: Any, adds: Any,
    a: Any, a_row: Any, a_column: Any, b: Any, b_row: Any, c: Any, c_row: Any, kind: Any,
) -> Any:  # fmt: skip
    """Compute some columns of a product of matrices, or add to them, by tiles in registers.

    Each number is the sum of its products in order, each step rounded once, so that its bits do
    not depend on where a tile lies. Constant are how many rows a tile has, and how many one has
    that is left over, and how many columns there are. Strides are in bytes.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _, _, _, count, depth, adds, a, a_row, a_column, b, b_row, c, c_row, _ = given
        vector = _Vectors(builder, kind, lanes.literal_value)
        heights = sorted({rows.literal_value, fewer.literal_value})
        word = ir.IntType(64)
        is_first = builder.icmp_signed("==", adds, ir.Constant(word, 0))
        entry = builder.block
        head, end = builder.append_basic_block("rows"), builder.append_basic_block("end")
        builder.branch(head)

        builder.position_at_end(head)
        variables = [builder.phi(word) for _ in range(3)]
        for variable, first in zip(variables, (count, a, c), strict=True):
            variable.add_incoming(first, entry)
        left = variables[0]
        tiles = [builder.append_basic_block("tile") for _ in heights]
        if len(heights) == 1:
            builder.branch(tiles[0])
        else:
            few, many = (ir.Constant(word, height) for height in heights)
            twice = builder.and_(
                builder.icmp_signed(">", left, many),
                builder.icmp_signed("<=", left, builder.add(few, few)),
            )
            builder.cbranch(builder.or_(builder.icmp_signed("<=", left, few), twice), *tiles)
        for height, tile in zip(heights, tiles, strict=True):
            builder.position_at_end(tile)
            steps = (a_row, a_column, b, b_row, c_row)
            _multiply_tile(vector, height, variables, depth, is_first, steps)
            step = ir.Constant(word, height)
            after = [
                builder.sub(left, step),
                *(
                    builder.add(variable, builder.mul(stride, step))
                    for variable, stride in zip(variables[1:], (a_row, c_row), strict=True)
                ),
            ]
            for variable, value in zip(variables, after, strict=True):
                variable.add_incoming(value, builder.block)
            more = builder.icmp_signed(">", after[0], ir.Constant(word, 0))
            builder.cbranch(more, head, end)
        builder.position_at_end(end)
        return ir.Constant(ir.IntType(32), 0)

    words = [types.int64] * 10
    return types.int32(rows, fewer, lanes, *words, kind), generate


def _multiply_tile(
    vector: _Vectors, height: int, variables: Any, depth: Any, is_first: Any, steps: Any
) -> None:
    """Write the code for one tile; rows that there are not are the last one again."""
    builder, word = vector.builder, ir.IntType(64)
    (count, a, c), (a_row, a_column, b, b_row, c_row) = variables, steps
    starts, results = [a], [c]
    for row in range(1, height):
        there = builder.icmp_signed(">", count, ir.Constant(word, row))
        starts.append(builder.select(there, builder.add(starts[-1], a_row), starts[-1]))
        results.append(builder.select(there, builder.add(results[-1], c_row), results[-1]))
    adding, loop, end = (builder.append_basic_block(name) for name in ("add", "sum", "end"))
    entry = builder.block
    builder.cbranch(is_first, loop, adding)
    builder.position_at_end(adding)
    before = [vector.load(result) for result in results]
    builder.branch(loop)

    builder.position_at_end(loop)
    moving = [builder.phi(word) for _ in range(3)]
    zero, one = ir.Constant(word, 0), ir.Constant(word, 1)
    for variable, first in zip(moving, (zero, zero, b), strict=True):
        variable.add_incoming(first, entry)
        variable.add_incoming(first, adding)
    totals = [builder.phi(vector.kind) for _ in results]
    factors = vector.load(moving[2])
    sums = []
    # Opaque, since LLVM would take long to consider a pointer of its own for each row.
    kind = ir.FunctionType(word, [word])
    beside = builder.asm(kind, "", "=r,0", [moving[1]], False)
    for start, total, old in zip(starts, totals, before, strict=True):
        total.add_incoming(vector.zero, entry)
        total.add_incoming(old, adding)
        factor = vector.filled_from(builder.add(start, beside))
        sums.append(vector.multiply_add(factor, factors, total))
        total.add_incoming(sums[-1], loop)
    for variable, step in zip(moving, (one, a_column, b_row), strict=True):
        variable.add_incoming(builder.add(variable, step), loop)
    more = builder.icmp_signed("<", moving[0].incomings[-1][0], depth)
    builder.cbranch(more, loop, end)

    builder.position_at_end(end)
    for total, result in zip(sums, results, strict=True):
        vector.store(total, result)


class _Vectors:
    """What is done with several numbers of one kind at once."""

    def __init__(self, builder: Any, kind: Any, count: int) -> None:
        single = kind is types.float32
        self.builder, self.count, self.bytes = builder, count, 4 if single else 8
        self.number = ir.FloatType() if single else ir.DoubleType()
        self.kind = ir.VectorType(self.number, count)
        self.zero = ir.Constant(self.kind, [0.0] * count)
        self.fma = f"llvm.fma.v{count}f{8 * self.bytes}"

    def beyond(self, address: Any, stride: Any, times: int) -> Any:
        """Return an address some strides further."""
        return self.builder.add(
            address, self.builder.mul(stride, ir.Constant(ir.IntType(64), times))
        )

    def load(self, address: Any) -> Any:
        """Load numbers from wherever numbers may lie."""
        loaded = self.builder.load(self.builder.inttoptr(address, self.kind.as_pointer()))
        loaded.align = self.bytes
        return loaded

    def store(self, value: Any, address: Any) -> None:
        """Store numbers wherever numbers may lie."""
        stored = self.builder.store(value, self.builder.inttoptr(address, self.kind.as_pointer()))
        stored.align = self.bytes

    def shuffled(self, first: Any, second: Any, order: list[int]) -> Any:
        """Return numbers of two vectors, by their positions in both, one after the other."""
        chosen = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        return self.builder.shuffle_vector(first, second, chosen)

    def filled_from(self, address: Any) -> Any:
        """Return a vector of one number from memory."""
        place = self.builder.inttoptr(address, self.number.as_pointer())
        loaded = self.builder.load(place)
        loaded.align = self.bytes
        none = ir.Constant(self.kind, ir.Undefined)
        first = self.builder.insert_element(none, loaded, ir.Constant(ir.IntType(32), 0))
        return self.shuffled(first, none, [0] * self.count)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c``, rounded once."""
        kind = ir.FunctionType(self.kind, [self.kind] * 3)
        return self.builder.call(_declared(self.builder, kind, self.fma), [a, b, c])


# ----- Between threads ---------------------------------------------------------------------------


@intrinsic
def add_atomically(typing: Any, address: Any, number: Any) -> Any:
    """Add to the word at an address, and return what it was."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        word = builder.inttoptr(given[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", word, given[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def read_atomically(typing: Any, address: Any) -> Any:
    """Return the word at an address, as other threads have left it."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        word = builder.inttoptr(given[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(word, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def write_atomically(typing: Any, address: Any, number: Any) -> Any:
    """Set the word at an address, for other threads to see."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        word = builder.inttoptr(given[0], ir.IntType(64).as_pointer())
        builder.store_atomic(given[1], word, "seq_cst", 8)
        return ir.Constant(ir.IntType(32), 0)

    return types.int32(types.int64, types.int64), generate


# ----- The processor -----------------------------------------------------------------------------


@intrinsic
def set_float_mode(typing: Any, flush: Any, before: Any) -> Any:
    """Let this thread take numbers too small to be normal as 0, or bring a former mode back.

    Returns the mode before; where the processor's kind is not known, nothing is done.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        flush, before = given
        word, byte = ir.IntType(64), ir.IntType(8)
        triple = builder.module.triple
        if triple.startswith("x86_64"):
            small = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer()])
            place = builder.alloca(small)
            address = builder.bitcast(place, byte.as_pointer())
            builder.call(_declared(builder, kind, "llvm.x86.sse.stmxcsr"), [address])
            now = builder.load(place)
            flushing = builder.or_(now, ir.Constant(small, 0x8040))  # results, and operands
            wanted = builder.select(
                builder.icmp_signed("!=", flush, ir.Constant(word, 0)),
                flushing,
                builder.trunc(before, small),
            )
            builder.store(wanted, place)
            builder.call(_declared(builder, kind, "llvm.x86.sse.ldmxcsr"), [address])
            return builder.zext(now, word)
        if triple.startswith(("aarch64", "arm64")):
            get = _declared(builder, ir.FunctionType(word, []), "llvm.aarch64.get.fpcr")
            kind = ir.FunctionType(ir.VoidType(), [word])
            now = builder.call(get, [])
            wanted = builder.select(
                builder.icmp_signed("!=", flush, ir.Constant(word, 0)),
                builder.or_(now, ir.Constant(word, 1 << 24)),
                before,
            )
            builder.call(_declared(builder, kind, "llvm.aarch64.set.fpcr"), [wanted])
            return now
        return before

    return types.int64(types.int64, types.int64), generate


def _declared(builder: Any, kind: Any, name: str) -> Any:
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, kind, name)
