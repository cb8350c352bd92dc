"""Run a lowered program: one table of calls, one block of memory, no Python in between."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.native import library
from backlit.execution.native.calls import Call
from backlit.execution.native.lowering import Lowered, lower
from backlit.execution.native.places import Buffer, Place
from backlit.execution.reference import bind as bind_arguments
from backlit.program import tree
from backlit.program.program import Program

ALIGNMENT = 64  # bytes: a line of the processor's cache


class Table:
    """Calls of kernels with their arguments, as the driver takes them.

    Parameters
    ----------
    calls : list of Call
    offsets : dict of Buffer to int
        Where buffers lie in the arena.
    arena : array of uint8
    """

    def __init__(
        self, calls: list[Call], offsets: Mapping[Buffer, int], arena: NDArray[np.uint8]
    ) -> None:
        self.kernels = np.array(
            [library.address(call.source, reductions=call.reduction) for call in calls], np.int64
        )
        self._arena = arena  # kept alive, as what is bound must be by who binds it
        self._constants = [place.buffer.array for call in calls for place in call.places()]
        self._unbound: dict[Buffer, list[tuple[int, int]]] = {}
        words: list[int] = []
        starts: list[int] = []
        base = arena.ctypes.data
        for call in calls:
            starts.append(len(words))
            for argument in call.arguments:
                if not isinstance(argument, Place):
                    words.append(int(argument))
                    continue
                buffer, address = argument.buffer, argument.offset
                if buffer in offsets:
                    address += base + offsets[buffer]
                elif buffer.array is not None:
                    address += buffer.array.ctypes.data
                else:
                    self._unbound.setdefault(buffer, []).append((len(words), address))
                words.append(address)
        self.words = np.array(words, np.int64)
        self.starts = np.array(starts, np.int64)

    def bind(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Let a buffer be an array, which must stay alive."""
        for word, offset in self._unbound.get(buffer, ()):
            self.words[word] = array.ctypes.data + offset

    def run(self, cursor: NDArray[np.int64], first: int, last: int) -> None:
        """Run all calls for each step from ``first`` to before ``last``.

        Parameters
        ----------
        cursor : array of int64, shape (1,)
            Where kernels read the number of the step.
        first, last : int

        Raises
        ------
        IndexError
            If an index in the data is out of range.
        """
        arrays = (self.kernels, self.starts, self.words)
        addresses = [array.ctypes.data for array in arrays]
        words = [*addresses, len(self.kernels), cursor.ctypes.data, first, last]
        block = np.array(words, np.int64)  # alive until the driver returns
        if driver()(block.ctypes.data):
            raise IndexError("an index in the data of a program is out of range")


class Executable:
    """A program that is ready to run.

    Parameters
    ----------
    program : Program
        Without composites; see `backlit.autodiff.recording.expand`.

    Raises
    ------
    UnsupportedError
        If no kernel runs one of its instructions.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lowered = lower(program)
        self.table = Table(self.lowered.calls, *lay_out(self.lowered))

    def run(self, *arguments: Any) -> Any:
        """Run the program; see `backlit.execution.reference.run`."""
        values = bind_arguments(self.program, arguments)
        alive = []
        for value, place in zip(self.program.inputs, self.lowered.inputs, strict=True):
            alive.append(np.ascontiguousarray(values[value]))
            self.table.bind(place.buffer, alive[-1])
        outputs = [np.empty(place.shape, place.dtype) for place in self.lowered.outputs]
        for place, array in zip(self.lowered.outputs, outputs, strict=True):
            self.table.bind(place.buffer, array)
        self.table.run(np.zeros(1, np.int64), 0, 1)
        filled = iter(outputs)
        return tree.map_leaves(lambda _: next(filled)[()], self.program.outputs)


def lay_out(lowered: Lowered) -> tuple[dict[Buffer, int], NDArray[np.uint8]]:
    """Give each buffer that is used between calls only a place in one block of memory.

    Buffers whose times do not overlap may share memory.

    Parameters
    ----------
    lowered : Lowered

    Returns
    -------
    offsets : dict of Buffer to int
        In bytes.
    arena : array of uint8
        The block, which begins at a multiple of 64 bytes.
    """
    outside = {place.buffer for place in (*lowered.inputs, *lowered.outputs)}
    times: dict[Buffer, list[int]] = {}
    for time, call in enumerate(lowered.calls):
        for place in call.places():
            if place.buffer.array is None and place.buffer not in outside:
                times.setdefault(place.buffer, [time, time])[1] = time
    offsets: dict[Buffer, int] = {}
    laid: list[tuple[int, int, int, int]] = []  # start, end, first time, last time
    # Large ones first: they find room less easily.
    for buffer, (first, last) in sorted(times.items(), key=lambda item: -item[0].size):
        size = math.ceil(buffer.size / ALIGNMENT) * ALIGNMENT
        start = 0
        for other, end, since, until in sorted(laid):
            if since <= last and first <= until and other < start + size and start < end:
                start = end
        offsets[buffer] = start
        laid.append((start, start + size, first, last))
    total = max((end for _, end, _, _ in laid), default=0)
    block = np.empty(total + ALIGNMENT, np.uint8)
    skip = -block.ctypes.data % ALIGNMENT
    return offsets, block[skip:]


# The loop over the steps and the calls; itself a kernel. A status that is not 0 ends it.
_DRIVER = (
    "from backlit.execution.native.language import *\n\n\n"
    """def kernel(address):
    w = carray(pointer(address), (7,), int64)
    count = w[3]
    kernels = carray(pointer(w[0]), (count,), int64)
    starts = carray(pointer(w[1]), (count,), int64)
    cursor = carray(pointer(w[4]), (1,), int64)
    for step in range(w[5], w[6]):
        cursor[0] = step
        for k in range(count):
            status = call(kernels[k], w[2] + 8 * starts[k])
            if status != 0:
                return status
    return 0
"""
)


@cache
def driver() -> Any:
    """Return the compiled loop. While it runs, other threads of Python may."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)
    return kind(library.address(_DRIVER))
