"""What the source of a kernel may use, besides Python's arithmetic.

A kernel is a function of one integer, the address of its arguments: a row of 64-bit words that are
sizes, strides, and addresses of memory. It returns 0, or another number for a failure. Sizes are
never part of the source, so that one kernel serves networks of every shape.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import bool_, carray, float32, float64, int8, int32, int64, types, uint8, uint32, uint64
from numba.extending import intrinsic

__all__ = [
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
    "uint8",
    "uint32",
    "uint64",
]


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """Return an address as what `carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


@intrinsic
def call(typing: Any, kernel: Any, arguments: Any) -> Any:
    """Call the kernel at an address with the address of its arguments."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), [given[1]])

    return types.int32(types.int64, types.int64), generate


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
