"""A program run again and again: each time on its own batch, and on the last one's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.native.calls import Call
from backlit.execution.native.executor import Table, lay_out
from backlit.execution.native.loops import HEADER
from backlit.execution.native.lowering import Lowered, lower
from backlit.execution.native.places import Buffer, Place
from backlit.program.program import Program

# Rows of an array, in the order of the step's batch. The last word is the step's address.
_GATHER = (
    HEADER
    + """def kernel(address):
    w = carray(pointer(address), (6,), int64)
    rows, size = w[0], w[1]
    step = carray(pointer(w[5]), (1,), int64)[0]
    order = carray(pointer(w[2] + step * rows * 8), (rows,), int64)
    for j in range(rows):
        source = carray(pointer(w[3] + order[j] * size), (size,), uint8)
        target = carray(pointer(w[4] + j * size), (size,), uint8)
        for k in range(size):
            target[k] = source[k]
    return 0
"""
)

# Some bytes from one row of memory to another; each has a stride from step to step.
_MOVE = (
    HEADER
    + """def kernel(address):
    w = carray(pointer(address), (6,), int64)
    size = w[0]
    step = carray(pointer(w[5]), (1,), int64)[0]
    source = carray(pointer(w[1] + step * w[2]), (size,), uint8)
    target = carray(pointer(w[3] + step * w[4]), (size,), uint8)
    for k in range(size):
        target[k] = source[k]
    return 0
"""
)


class Repeated:
    """A program as a step of a loop.

    Parameters
    ----------
    program : Program
        Without composites.
    carried : dict of int to int
        From the position of an output to that of the input that it replaces in the next step.
    gathered : sequence of int
        Inputs that are rows of an array, in the order of a batch.
    fed : sequence of int
        Inputs that have a value for each step.
    kept : sequence of int
        Outputs that are kept for each step.

    Raises
    ------
    UnsupportedError
        If no kernel runs one of its instructions.
    """

    def __init__(
        self,
        program: Program,
        *,
        carried: Mapping[int, int],
        gathered: Sequence[int],
        fed: Sequence[int],
        kept: Sequence[int],
    ) -> None:
        lowered = lower(program, carried)
        self.lowered = lowered
        self.carried, self.kept = dict(carried), tuple(kept)
        self.cursor, self.order = Buffer(8), Buffer(8)
        self.sources = {i: Buffer(8) for i in (*gathered, *fed)}
        self.results = {o: Buffer(8) for o in kept}
        before = [self._gather(i) for i in gathered] + [self._feed(i) for i in fed]
        after = [self._keep(o) for o in kept]
        calls = [*before, *lowered.calls, *after]
        # What only this loop writes and reads lies in its own arrays.
        places = [lowered.inputs[i] for i in self.sources] + [lowered.outputs[o] for o in kept]
        self._own = {place.buffer: np.empty(place.shape, place.dtype) for place in places}
        self.table = Table(calls, *lay_out(Lowered(calls, lowered.inputs, [
            *lowered.outputs, *map(self._at, (self.cursor, self.order)),
            *map(self._at, (*self.sources.values(), *self.results.values())),
        ])))  # fmt: skip
        for buffer, array in self._own.items():
            self.table.bind(buffer, array)

    def run(
        self,
        state: Mapping[int, NDArray[Any]],
        sources: Mapping[int, NDArray[Any]],
        order: NDArray[np.int64],
        steps: int,
    ) -> list[NDArray[Any]]:
        """Run some steps.

        Parameters
        ----------
        state : dict of int to array
            The carried inputs; changed in place.
        sources : dict of int to array
            Whole arrays to gather from; and, of fed inputs, a value for each step.
        order : array of int64, shape (steps, rows)
            Which rows each step takes.
        steps : int

        Returns
        -------
        list of array, shape (steps, ...)
            What is kept.
        """
        results = {
            o: np.empty((steps, *self.lowered.outputs[o].shape), self.lowered.outputs[o].dtype)
            for o in self.kept
        }
        cursor = np.zeros(1, np.int64)
        order = np.ascontiguousarray(order, np.int64)
        bound = [(self.cursor, cursor), (self.order, order)]
        bound += [(self.lowered.inputs[i].buffer, array) for i, array in state.items()]
        bound += [(self.sources[i], array) for i, array in sources.items()]
        bound += [(self.results[o], array) for o, array in results.items()]
        for buffer, array in bound:
            assert array.flags.c_contiguous
            self.table.bind(buffer, array)
        self.table.run(cursor, 0, steps)
        return [results[o] for o in self.kept]

    def _gather(self, position: int) -> Call:
        place = self.lowered.inputs[position]
        rows, size = place.shape[0], _bytes(place) // place.shape[0]
        return Call(_GATHER, [
            rows, size, self._at(self.order), self._at(self.sources[position]), place,
            self._at(self.cursor),
        ])  # fmt: skip

    def _feed(self, position: int) -> Call:
        place = self.lowered.inputs[position]
        size = _bytes(place)
        source = self._at(self.sources[position])
        return Call(_MOVE, [size, source, size, place, 0, self._at(self.cursor)])

    def _keep(self, position: int) -> Call:
        place = self.lowered.outputs[position]
        size = _bytes(place)
        target = self._at(self.results[position])
        return Call(_MOVE, [size, place, 0, target, size, self._at(self.cursor)])

    def _at(self, buffer: Buffer) -> Place:
        return Place(buffer, 0, (1,), (1,), np.dtype(np.uint8))


def _bytes(place: Place) -> int:
    return place.size * place.dtype.itemsize
