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
    "float32",
    "float64",
    "int8",
    "int32",
    "int64",
    "math",
    "multiply",
    "np",
    "pointer",
    "read_atomically",
    "set_float_mode",
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


@intrinsic
def transpose_tile(
    typing: Any, source: Any, across: Any, target: Any, along: Any, kind: Any
) -> Any:
    """Transpose 16 rows of 16 numbers; between rows lie so many bytes, and kind is a number.

    In four rounds of shuffles between pairs of rows: rows that are 8 apart exchange halves, those
    4 apart quarters, and so on.
    """
    real = ir.FloatType() if kind is types.float32 else ir.DoubleType()
    vector = ir.VectorType(real, 16)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        def row(base: Any, stride: Any, number: int) -> Any:
            word = ir.Constant(ir.IntType(64), number)
            address = builder.add(base, builder.mul(stride, word))
            return builder.inttoptr(address, vector.as_pointer())

        alignment = 4 if kind is types.float32 else 8
        rows = []
        for number in range(16):
            loaded = builder.load(row(given[0], given[1], number))
            loaded.align = alignment
            rows.append(loaded)
        for apart in (8, 4, 2, 1):
            upper = [k if not k & apart else k - apart + 16 for k in range(16)]
            lower = [k + apart if not k & apart else k + 16 for k in range(16)]
            for first in (k for k in range(16) if not k & apart):
                pair = rows[first], rows[first + apart]
                rows[first], rows[first + apart] = (
                    builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(ir.IntType(32), 16), m))
                    for m in (upper, lower)
                )
        for number, value in enumerate(rows):
            stored = builder.store(value, row(given[2], given[3], number))
            stored.align = alignment
        return ir.Constant(ir.IntType(32), 0)

    word = types.int64
    return types.int32(word, word, word, word, kind), generate


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
