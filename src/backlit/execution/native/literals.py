"""What is known of a program before it runs: dtypes, numbers, arrays that never change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlit.execution.native.calls import UnsupportedError
from backlit.execution.native.loops import TYPE
from backlit.execution.native.places import Buffer, Place
from backlit.program.origin import describe
from backlit.program.values import Instruction, Value


def known(dtype: Any) -> np.dtype[Any]:
    """Return a dtype that kernels have, in the machine's order of bytes."""
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype not in TYPE:
        raise TypeError(f"no kernel has numbers of {dtype}")
    return dtype


def kind(argument: Any) -> Any:
    """Return what NumPy finds the dtypes of a ufunc's loop by."""
    return argument.dtype if isinstance(argument, (Value, np.generic)) else type(argument)


def literal(number: Any, dtype: np.dtype[Any]) -> str:
    """Return a number as text of the kernels' language."""
    if dtype.kind in "iu":
        return repr(int(number))
    if dtype.kind == "b":
        return repr(bool(number))
    if math.isfinite(number):
        return repr(float(number))
    return "np.nan" if math.isnan(number) else ("np.inf" if number > 0 else "-np.inf")


def is_part_of_source(number: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether a number is written into a kernel's source.

    Halves, ones and twos are, since what is computed with them can be made simpler, and so are by
    how many bits to shift. Others, such as a weight decay, are data, so that another one needs no
    other kernel.
    """
    if dtype.kind != "f":
        return abs(int(number)) <= 64
    return not math.isfinite(number) or abs(float(number)) in (0.0, 0.5, 1.0, 2.0)


def constant(array: Any) -> Place:
    """Return a place that holds a copy of an array: what is captured may change."""
    array = np.array(array, known(np.asarray(array).dtype), order="C")
    return Place.new(array.shape, array.dtype, Buffer(array.nbytes, array))


def unsupported(instruction: Instruction) -> UnsupportedError:
    """Return the error that names an instruction that no kernel runs, and where it was written."""
    function = instruction.function
    name = getattr(function, "__name__", str(function))
    shapes = ", ".join(
        f"{a.dtype} {a.shape}" if isinstance(a, Value) else repr(a) for a in instruction.arguments
    )
    what = f"no native kernel runs {name}({shapes})"
    source = instruction.source
    if source is None or not source.places:
        return UnsupportedError(what)
    part = "the backward pass of " if instruction.origin is None else ""
    return UnsupportedError(f"{part}{describe(source.places[0])}: {what}")
