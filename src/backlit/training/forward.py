"""The forward pass over many rows, by either engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import expand, record
from backlit.networks.network import Network
from backlit.training.parameters import Layout

ROWS_AT_ONCE = 512  # their activations stay in the processor's cache


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
        parts = []
        for order in (rows[:whole].reshape(-1, ROWS_AT_ONCE), rows[whole:].reshape(1, -1)):
            if order.size:
                block = self.prepare(order.shape[1], x.dtype)
                (outputs,) = block.run({0: theta}, {1: x}, order, len(order), self.n_threads)
                parts.append(outputs.reshape(order.size, -1))
        return np.concatenate(parts) if parts else np.empty((0, self.network.outputs), x.dtype)

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
