"""Run a lowered program: one table of calls, one block of memory, no Python in between."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.native import library, threads
from backlit.execution.native.calls import Call
from backlit.execution.native.lowering import lower
from backlit.execution.native.phases import Phase, plan
from backlit.execution.native.places import Buffer, Place
from backlit.execution.reference import bind as bind_arguments
from backlit.program import tree
from backlit.program.program import Program

ALIGNMENT = 64  # bytes: a line of the processor's cache
LONG_RUN = 0.1  # seconds, after which Ctrl-C should not have to wait for the end of a run


class Table:
    """Calls of kernels with their arguments, as the driver takes them.

    Parameters
    ----------
    phases : list of Phase
    outside : collection of Buffer
        What is bound to arrays from outside; all other buffers lie in a block of memory of the
        table's own.
    """

    def __init__(self, phases: Sequence[Phase], outside: set[Buffer]) -> None:
        self.phases = phases
        self.seconds = sum(task.seconds() for phase in phases for task in phase)
        calls = [[[work.call() for work in task.works] for task in phase] for phase in phases]
        offsets, self.arena = lay_out(calls, outside)
        self.calls = [call for phase in calls for task in phase for call in task]
        check(self.calls, outside)
        self.kernels = np.array(
            [library.address(call.source, reductions=call.reduction) for call in self.calls],
            np.int64,
        )
        self._unbound: dict[Buffer, list[tuple[int, int]]] = {}
        words: list[int] = []
        starts: list[int] = []
        base = self.arena.ctypes.data
        for call in self.calls:
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
        self._shares: dict[int, NDArray[np.int64]] = {}

    def bind(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Let a buffer be an array, which must stay alive."""
        for word, offset in self._unbound.get(buffer, ()):
            self.words[word] = array.ctypes.data + offset

    def run(self, steps: int, n_threads: int = 1, *, flush: bool = False) -> None:
        """Run all calls, step by step.

        Parameters
        ----------
        steps : int
        n_threads : int, default 1
            The bits are the same for any number.
        flush : bool, default False
            Whether numbers too small to be normal (below 1.2e-38 in float32) are taken as 0.
            Processors need a hundred times longer for them.

        Raises
        ------
        IndexError
            If an index in the data is out of range.
        """
        widest = max((len(phase) for phase in self.phases), default=1)
        n_threads = max(1, min(n_threads, widest))
        if n_threads == 1 and self.seconds * steps < LONG_RUN:
            status = self._run_alone(steps, flush)
        else:
            with threads.team(n_threads) as submit:
                if submit is None:  # another training has the threads
                    status = self._run_alone(steps, flush)
                else:
                    control = np.zeros(3 * _APART, np.int64)
                    words = self._words(steps, n_threads, control, flush)
                    address = words.ctypes.data
                    futures = [submit(driver(), address, number) for number in range(n_threads)]
                    threads.finish(futures, lambda: control.__setitem__(_STOP, 1))
                    status = max(future.result() for future in futures)
        if status:
            raise IndexError("an index in the data of a program is out of range")

    def alone(self) -> Callable[[], None]:
        """Return a function that runs all calls once, on the thread that calls it.

        What `run` does, without looking at anything anew: for programs of some microseconds. All
        buffers must be bound before.
        """
        control = np.zeros(3 * _APART, np.int64)
        words = self._words(1, 1, control, flush=False)
        address, compiled = words.ctypes.data, driver()

        def run() -> None:
            if compiled(address, 0):
                control[:] = 0
                raise IndexError("an index in the data of a program is out of range")

        run.alive = self, words  # type: ignore[attr-defined]  # what the addresses point to
        return run

    def _run_alone(self, steps: int, flush: bool) -> int:
        control = np.zeros(3 * _APART, np.int64)
        words = self._words(steps, 1, control, flush)
        return int(driver()(words.ctypes.data, 0))

    def _words(
        self, steps: int, n_threads: int, control: NDArray[np.int64], flush: bool
    ) -> NDArray[np.int64]:
        """Return the driver's arguments."""
        if n_threads not in self._shares:
            self._shares[n_threads] = share_out(self.phases, n_threads)
        arrays = (self.kernels, self.starts, self.words, self._shares[n_threads], control)
        addresses = [array.ctypes.data for array in arrays]
        counts = [len(self.kernels), len(self.phases), n_threads, steps]
        return np.array([*addresses, *counts, threads.yield_address(), flush], np.int64)


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
        places = (*self.lowered.inputs, *self.lowered.outputs)
        self.table = Table(plan(self.lowered.works), {place.buffer for place in places})

    def run(self, *arguments: Any, n_threads: int = 1) -> Any:
        """Run the program; see `backlit.execution.reference.run`."""
        values = bind_arguments(self.program, arguments)
        alive = []
        for value, place in zip(self.program.inputs, self.lowered.inputs, strict=True):
            # Of the machine's byte order, one number after another.
            alive.append(np.ascontiguousarray(values[value], place.dtype))
            self.table.bind(place.buffer, alive[-1])
        outputs = [np.empty(place.shape, place.dtype) for place in self.lowered.outputs]
        for place, array in zip(self.lowered.outputs, outputs, strict=True):
            self.table.bind(place.buffer, array)
        self.table.run(1, n_threads)
        filled = iter(outputs)
        return tree.map_leaves(lambda _: next(filled)[()], self.program.outputs)


def lay_out(
    calls: Sequence[Sequence[Sequence[Call]]], outside: set[Buffer]
) -> tuple[dict[Buffer, int], NDArray[np.uint8]]:
    """Give each buffer that is used between calls only a place in one block of memory.

    Buffers whose times do not overlap may share memory. Within a phase of several tasks, all times
    overlap.

    Parameters
    ----------
    calls : list of list of list of Call
        Of each phase, of each task.
    outside : collection of Buffer
        What lies elsewhere.

    Returns
    -------
    offsets : dict of Buffer to int
        In bytes.
    arena : array of uint8
        The block, which begins at a multiple of 64 bytes.
    """
    times: dict[Buffer, list[int]] = {}
    time = 0
    for phase in calls:
        for task in phase:
            for call in task:
                for place in call.places():
                    if place.buffer.array is None and place.buffer not in outside:
                        times.setdefault(place.buffer, [time, time])[1] = time
                time += len(phase) == 1
        time += 1
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


def check(calls: Sequence[Call], outside: set[Buffer]) -> None:
    """Make sure that no call reaches beyond its buffers: kernels do not look.

    Parameters
    ----------
    calls : list of Call
    outside : collection of Buffer
        Whose size is not known here, if it is 0.

    Raises
    ------
    ValueError
        If one does.
    """
    for number, call in enumerate(calls):
        for place in call.places():
            size = place.buffer.size
            if not place.size or (place.buffer in outside and not size):
                continue
            first, last = place.extent()
            if first < 0 or last > size:
                raise ValueError(
                    f"call {number} of a table reaches from byte {first} to {last} of a buffer of "
                    f"{size} bytes"
                )


def share_out(phases: Sequence[Phase], n_threads: int) -> NDArray[np.int64]:
    """Share out the tasks of each phase, in order, so that all threads have about as much to do.

    Parameters
    ----------
    phases : list of Phase
    n_threads : int

    Returns
    -------
    array of int64, shape (phases, n_threads, 2)
        The first call of each thread in each phase, and the first one after its last.
    """
    shares = np.empty((len(phases), n_threads, 2), np.int64)
    position = 0
    for phase, share in zip(phases, shares, strict=True):
        seconds = np.array([task.seconds() for task in phase])
        middles = np.cumsum(seconds) - seconds / 2
        owners = np.minimum(middles * n_threads // max(seconds.sum(), 1e-12), n_threads - 1)
        for thread in range(n_threads):
            start = position
            position += sum(
                len(task.works)
                for task, owner in zip(phase, owners, strict=True)
                if owner == thread
            )
            share[thread] = start, position
    return shares


# Where the words are that all threads share, each in a line of the cache of its own.
_APART = 16
_STOP, _COUNT, _ROUND = 0, _APART, 2 * _APART
_SPINS = 500  # looks at the barrier, before a thread lets others have the core

# The loop over steps, phases and calls; itself a kernel, whose second argument is the number of the
# thread. A status that is not 0 ends it, in all threads.
_DRIVER = (
    "from backlit.execution.native.language import *\n\n\n"
    f"""def kernel(address, thread):
    w = carray(pointer(address), (11,), int64)
    count, phases, threads, steps = w[5], w[6], w[7], w[8]
    kernels = carray(pointer(w[0]), (count,), int64)
    starts = carray(pointer(w[1]), (count,), int64)
    shares = carray(pointer(w[3]), (2 * phases * threads,), int64)
    stop, arrived, round_ = w[4], w[4] + {8 * _COUNT}, w[4] + {8 * _ROUND}
    mode = int64(0)
    if w[10] != 0:
        mode = set_float_mode(int64(1), int64(0))
    result = 0
    step = 0
    while step < steps and read_atomically(stop) == 0:
        phase = 0
        while phase < phases and read_atomically(stop) == 0:
            mine = 2 * (phase * threads + thread)
            for k in range(shares[mine], shares[mine + 1]):
                status = call(kernels[k], w[2] + 8 * starts[k], step)
                if status != 0:
                    result = status
                    write_atomically(stop, int64(status))
                    break
            if threads > 1:
                this_round = read_atomically(round_)
                if add_atomically(arrived, int64(1)) == threads - 1:
                    write_atomically(arrived, int64(0))
                    add_atomically(round_, int64(1))
                spins = 0
                while read_atomically(round_) == this_round and read_atomically(stop) == 0:
                    spins += 1
                    if spins > {_SPINS}:
                        call(w[9], int64(0), int64(0))
            phase += 1
        step += 1
    if w[10] != 0:
        set_float_mode(int64(0), mode)
    return result
"""
)


@cache
def driver() -> Any:
    """Return the compiled loop. While it runs, other threads of Python may."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64)
    return kind(library.address(_DRIVER))
