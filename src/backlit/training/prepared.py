"""A forward pass that is made ready once, for inputs of one shape, and then called many times."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import expand, record
from backlit.execution.blas import one_thread
from backlit.execution.native.threads import default_threads
from backlit.training.engines import without_kernels

Layer: TypeAlias = tuple[NDArray[Any], NDArray[Any], Callable[[Any], Any]]
"""Weights, biases, and the activation function."""

# A row times a matrix is faster as products and sums of numbers, since BLAS copies the matrix: for
# 64 x 128 in float32 it takes 1.3 microseconds in place of 5.6, for 784 x 100 a third. The products
# lie in memory, so a matrix with more numbers than this is left to BLAS.
LARGEST = 1_000_000


class PreparedForward:
    """The forward pass over inputs of one shape, with the weights of this moment.

    Parameters
    ----------
    layers : list of (W, b, activation)
        Weights of shape (inputs, units), biases of shape (units,), and a function of
        pre-activations. All in the dtype of the first weights.
    rows : int or None, default None
        How many rows an input has; None for a single row without an axis of its own.
    engine : {"auto", "reference", "native"}, default "auto"
        Compiled kernels wherever there are some for these layers; or NumPy.

    Attributes
    ----------
    shape : tuple of int
        Of an input: (inputs,) or (rows, inputs).
    engine : {"reference", "native"}
        Who runs it.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.training.prepared import PreparedForward
    >>> forward = PreparedForward([(np.ones((3, 2)), np.zeros(2), np.tanh)])
    >>> forward(np.array([0.0, 0.1, -0.1]))
    array([0., 0.])
    """

    def __init__(
        self, layers: Sequence[Layer], rows: int | None = None, engine: str = "auto"
    ) -> None:
        inputs, self.dtype = layers[0][0].shape[0], layers[0][0].dtype
        self.shape = (inputs,) if rows is None else (rows, inputs)
        self._x = np.zeros(self.shape, self.dtype)
        self._lock = threading.Lock()  # the memory is that of one call at a time
        self._layers = [(W.copy(), b.copy(), activation) for W, b, activation in layers]
        self._without_blas = rows is None and all(W.size <= LARGEST for W, _, _ in layers)
        self.engine = "reference"
        if engine != "reference" and not without_kernels(lambda: record(self._natively, self._x)):
            self.engine = "native"
            self._prepare()

    def _prepare(self) -> None:
        """Compile the forward pass, and let it read and write in the same place at each call."""
        from backlit.execution.native.executor import Executable

        executable = Executable(expand(record(self._natively, self._x)))
        (taken,), (given,) = executable.lowered.inputs, executable.lowered.outputs
        self._given = np.empty(given.shape, given.dtype)
        executable.table.bind(taken.buffer, self._x)
        executable.table.bind(given.buffer, self._given)
        self._table = executable.table
        self._run_alone = executable.table.alone()

    def _natively(self, x: Any) -> Any:
        for W, b, activation in self._layers:
            z = np.sum(np.expand_dims(x, 1) * W, axis=0) if self._without_blas else x @ W
            x = activation(z + b)
        return x

    def _by_products(self, x: Any) -> Any:
        for W, b, activation in self._layers:
            x = activation(x @ W + b)
        return x

    def __call__(self, x: Any) -> NDArray[Any]:
        """Return the activations of the last layer.

        Parameters
        ----------
        x : array of numbers, in the shape that was prepared

        Returns
        -------
        array, shape (outputs,) or (rows, outputs)
            New memory at each call.

        Raises
        ------
        ValueError
            If the shape is another, or a number is not finite.
        TypeError
            If ``x`` holds something other than real numbers.
        """
        x = np.asarray(x)
        if x.shape != self.shape:
            raise ValueError(
                f"this prediction was prepared for inputs of shape {self.shape}, and the shape of "
                f"this one is {x.shape}; reshape it, or prepare another"
            )
        if x.dtype.kind not in "fiub":
            raise TypeError(
                f"inputs must be real numbers, and this one has the dtype {x.dtype}; convert it to "
                f"{self.dtype}"
            )
        with self._lock:
            with np.errstate(over="ignore"):
                self._x[...] = x
            if not np.isfinite(self._x).all():
                raise ValueError(
                    f"the input holds NaN, or a number that is not finite in {self.dtype}; replace "
                    "it"
                )
            if self.engine == "reference":
                with one_thread():
                    found: NDArray[Any] = self._by_products(self._x)
                return found
            if self._without_blas:
                self._run_alone()
            else:
                with one_thread("scipy"):
                    self._table.run(1, default_threads())
            return self._given.copy()
