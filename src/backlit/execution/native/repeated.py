"""A program run again and again: each time on its own batch, and on the last one's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.native.batches import Gather, Move
from backlit.execution.native.calls import Work
from backlit.execution.native.executor import Table
from backlit.execution.native.lowering import lower
from backlit.execution.native.phases import plan
from backlit.execution.native.places import Buffer, Place
from backlit.execution.native.sparse import Rows, with_sparse_rows
from backlit.program.program import Program


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
    sparse : dict of int to scipy.sparse.csr_array, optional
        What will be gathered from, where it is sparse: only its types and how full it is count.

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
        sparse: Mapping[int, Any] | None = None,
    ) -> None:
        lowered = lower(program, carried)
        self.lowered = lowered
        self.carried, self.kept = dict(carried), tuple(kept)
        self.order = Buffer(0)
        self.sources = {i: Buffer(0) for i in (*gathered, *fed)}
        self.results = {o: Buffer(0) for o in kept}
        self.gathered = tuple(gathered)
        works = lowered.works
        parts = {i: [Buffer(0) for _ in range(3)] for i in sparse or {}}
        for i, array in (sparse or {}).items():
            data, indices, starts = map(self._at, parts[i])
            rows = Rows(
                data, indices, starts, array.indices.dtype.name, self._at(self.order),
                lowered.inputs[i].shape[0], array.nnz / max(1, array.shape[0]),
            )  # fmt: skip
            works = with_sparse_rows(works, lowered.inputs[i], rows)
        self.sparse = parts
        dense = [i for i in gathered if i not in parts]
        before = [self._gather(i) for i in dense] + [self._feed(i) for i in fed]
        after = [self._keep(o) for o in kept]
        # What only this loop writes and reads lies in its own arrays.
        places = [lowered.inputs[i] for i in self.sources] + [lowered.outputs[o] for o in kept]
        self._own = {place.buffer: np.empty(place.shape, place.dtype) for place in places}
        outside = {place.buffer for place in (*lowered.inputs, *lowered.outputs)}
        outside |= {self.order, *self.sources.values(), *self.results.values()}
        outside |= {buffer for buffers in parts.values() for buffer in buffers}
        self.table = Table(plan([*before, *works, *after]), outside)
        for buffer, array in self._own.items():
            self.table.bind(buffer, array)

    def run(
        self,
        state: Mapping[int, NDArray[Any]],
        sources: Mapping[int, Any],
        order: NDArray[np.int64],
        steps: int,
        n_threads: int = 1,
    ) -> list[NDArray[Any]]:
        """Run some steps.

        Parameters
        ----------
        state : dict of int to array
            The carried inputs; changed in place.
        sources : dict of int to array
            Whole arrays to gather from, dense or sparse as they were said to be; and, of fed
            inputs, a value for each step.
        order : array of int64, shape (steps, rows)
            Which rows each step takes.
        steps : int
        n_threads : int, default 1

        Returns
        -------
        list of array, shape (steps, ...)
            What is kept.

        Raises
        ------
        IndexError
            If a row is none of an array's.
        """
        results = {
            o: np.empty((steps, *self.lowered.outputs[o].shape), self.lowered.outputs[o].dtype)
            for o in self.kept
        }
        order = np.ascontiguousarray(order, np.int64)
        count = min((sources[i].shape[0] for i in self.gathered), default=0)
        if self.gathered and order.size and not 0 <= order.min() <= order.max() < count:
            raise IndexError(
                f"the batches hold rows {order.min()} to {order.max()}, and the data has rows 0 to "
                f"{count - 1}"
            )
        bound = [(self.order, order)]
        bound += [(self.lowered.inputs[i].buffer, array) for i, array in state.items()]
        for i, array in sources.items():
            if i in self.sparse:
                arrays = (array.data, array.indices, array.indptr)
                bound += list(zip(self.sparse[i], arrays, strict=True))
            else:
                bound.append((self.sources[i], array))
        bound += [(self.results[o], array) for o, array in results.items()]
        for buffer, array in bound:
            assert array.flags.c_contiguous
            self.table.bind(buffer, array)
        # As in other frameworks' compiled steps: what a network has learned well has deltas so
        # small that they would slow it down.
        self.table.run(steps, n_threads, flush=True)
        return [results[o] for o in self.kept]

    def _gather(self, position: int) -> Work:
        place = self.lowered.inputs[position]
        source = self._at(self.sources[position])
        return Gather(source, self._at(self.order), place, place.shape[0])

    def _feed(self, position: int) -> Work:
        place = self.lowered.inputs[position]
        size = _bytes(place)
        return Move(self._at(self.sources[position]), place, size, 0, size)

    def _keep(self, position: int) -> Work:
        place = self.lowered.outputs[position]
        size = _bytes(place)
        return Move(place, self._at(self.results[position]), 0, size, size)

    def _at(self, buffer: Buffer) -> Place:
        return Place(buffer, 0, (1,), (1,), np.dtype(np.uint8))


def _bytes(place: Place) -> int:
    return place.size * place.dtype.itemsize
