"""The forward pass over many rows, in blocks that stay in the processor's cache.

Blocks follow from shapes alone and are computed by one thread each, so that the bits do not depend
on the number of threads. Beside inputs and outputs, each thread needs memory for one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import expand, record
from backlit.execution.native.threads import default_threads, finish, team
from backlit.networks.network import Network
from backlit.training.parameters import Layout

ROWS_AT_ONCE = 512  # of compiled kernels
NUMBERS_AT_ONCE = 65_536  # of NumPy, in the widest layer: half a megabyte in float64
MANY = 100_000_000  # multiplications, from which on waking threads up is worth it


def block_rows(shapes: Iterable[tuple[int, ...]]) -> int:
    """Return how many rows NumPy computes at once: a power of two from 256 to 4096.

    Parameters
    ----------
    shapes : iterable of (inputs, units)
        Of the weights of all layers.

    Returns
    -------
    int

    Examples
    --------
    >>> from backlit.training.forward import block_rows
    >>> block_rows([(64, 128), (128, 10)])
    512
    """
    widest = max(map(max, shapes))
    return int(min(max(2 ** int(np.log2(NUMBERS_AT_ONCE / widest)), 256), 4096))


def in_blocks(
    function: Callable[[Any], NDArray[Any]], x: Any, size: int, weights: int
) -> NDArray[Any]:
    """Call a function of rows block by block, side by side in threads where there is enough to do.

    Hold BLAS at one thread meanwhile.

    Parameters
    ----------
    function : callable
        From rows, shape (block, inputs), to outputs, shape (block, outputs).
    x : array or sparse matrix in CSR format, shape (rows, inputs)
    size : int
        The rows of a block.
    weights : int
        Multiplications for each row.

    Returns
    -------
    array, shape (rows, outputs)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training.forward import in_blocks
    >>> in_blocks(lambda x: 2 * x, np.ones((3, 1)), size=2, weights=1)
    array([[2.],
           [2.],
           [2.]])
    """
    rows = x.shape[0]
    first = function(x[:size] if rows > size else x)
    if rows <= size:
        return first
    found = np.empty((rows, first.shape[1]), first.dtype)
    found[:size] = first
    starts = range(size, rows, size)

    stopped = Event()  # by Ctrl-C

    def run(number: int, threads: int) -> None:
        for start in starts[number::threads]:
            if stopped.is_set():
                return
            found[start : start + size] = function(x[start : start + size])

    threads = min(default_threads(), len(starts)) if rows * weights >= MANY else 1
    if threads == 1:
        run(0, 1)
        return found
    with team(threads) as submit:
        if submit is None:  # a training in another thread of Python has them
            run(0, 1)
            return found
        # The caller's np.errstate is part of a context, which new threads lack.
        futures = [submit(copy_context().run, run, k, threads) for k in range(threads)]
        finish(futures, stopped.set)
        for future in futures:
            future.result()
    return found


class Forward:
    """Runs the forward pass of a network by compiled kernels, in blocks of rows.

    Parameters
    ----------
    network : Network
    n_threads : int

    Raises
    ------
    UnsupportedError
        When called, if no kernel runs one of its instructions.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> from backlit.training.forward import Forward
    >>> from backlit.training.parameters import Layout
    >>> network, x = Network(2, (3,), 1, loss="squared_loss"), np.ones((5, 2), np.float32)
    >>> parameters = network.parameters(seed=0)
    >>> outputs = Forward(network, n_threads=1)(Layout(network.shapes).flatten(parameters), x)
    >>> bool(np.allclose(outputs, network.forward(parameters, x)))
    True
    """

    def __init__(self, network: Network, n_threads: int) -> None:
        self.network, self.n_threads = network, n_threads
        self.layout = Layout(network.shapes)
        self.prepared: dict[tuple[int, Any], Any] = {}  # by rows, and dtype

    def __call__(self, theta: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs of all rows.

        Parameters
        ----------
        theta : array, shape (parameters,)
        x : array in the dtype of ``theta``, shape (rows, inputs)

        Returns
        -------
        array, shape (rows, outputs)
        """
        theta, x = np.ascontiguousarray(theta), np.ascontiguousarray(x)
        whole = len(x) // ROWS_AT_ONCE * ROWS_AT_ONCE
        rows = np.arange(len(x), dtype=np.int64)
        found = np.empty((len(x), self.network.outputs), x.dtype)
        for order in (rows[:whole].reshape(-1, ROWS_AT_ONCE), rows[whole:].reshape(1, -1)):
            if order.size:
                block = self.prepare(order.shape[1], x.dtype)
                (outputs,) = block.run({0: theta}, {1: x}, order, len(order), self.n_threads)
                found[order[0, 0] : order[-1, -1] + 1] = outputs.reshape(order.size, -1)
        return found

    def prepare(self, rows: int, dtype: np.dtype[Any]) -> Any:
        """Return the forward pass of a block of so many rows, compiled."""
        from backlit.execution.native.repeated import Repeated

        if (rows, dtype) not in self.prepared:
            program = record(
                lambda theta, x: self.network.forward(self.layout.views(theta), x),
                np.zeros(self.layout.size, dtype),
                np.zeros((rows, self.network.inputs), dtype),
            )
            self.prepared[rows, dtype] = Repeated(
                expand(program), carried={}, gathered=(1,), fed=(), kept=(0,)
            )
        return self.prepared[rows, dtype]
