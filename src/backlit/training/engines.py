"""Who runs the steps of a training: the reference executor, or compiled kernels.

Both run the same program. Which one is chosen follows from the work that is to be done alone, never
from a clock, so that the same call gives the same bits.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlit.execution.reference import run
from backlit.networks.dropout import dropout_key
from backlit.networks.network import Network
from backlit.program import Program
from backlit.training.examples import Examples, is_sparse
from backlit.training.optimizers import Optimizer, State
from backlit.training.settings import Settings
from backlit.training.step import record_step

Engine: TypeAlias = Literal["reference", "native"]

# What the reference executor needs, as measured on one core: for an instruction, and for a number
# that goes through a product of matrices (in each of its three products, forward and back).
SECONDS_PER_INSTRUCTION = 4e-6
SECONDS_PER_PRODUCT = 6e-11
# From here on it is worth to load the compiled kernels, or to compile them once.
ENOUGH_SECONDS = 4.0


class Probe(Protocol):
    """What looks at the steps of a training, while they are made, and changes nothing."""

    def extend(self, program: Program) -> Program:
        """Return the program of a step that returns ``(outputs, what is to be seen)``.

        What is to be seen is a list of arrays with an entry for each example.
        """

    def take(
        self, epoch: int, first: int, rows: NDArray[np.intp], rates: NDArray[Any],
        seen: list[NDArray[Any]],
    ) -> None:  # fmt: skip
        """Note what was seen in some steps.

        Parameters
        ----------
        epoch, first : int
            The epoch, and the number of the first of the steps.
        rows : array of int, shape (steps, batch)
        rates : array, shape (steps,)
        seen : list of array, shape (steps, batch)
        """


class Steps(ABC):
    """Runs steps of a training.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    settings : Settings
    examples : Examples
        The training part.
    probe : Probe, optional

    Attributes
    ----------
    seen : list of array, shape (steps, batch)
        What the probe saw in the steps of the last `run`; empty without one.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        settings: Settings,
        examples: Examples,
        probe: Probe | None = None,
    ) -> None:
        self.network, self.optimizer = network, optimizer
        self.settings, self.examples, self.probe = settings, examples, probe
        self.seen: list[NDArray[Any]] = []
        self.prepared: dict[int, Any] = {}  # by size: the last, short batch has its own

    @abstractmethod
    def run(
        self,
        theta: NDArray[Any],
        state: State,
        rows: NDArray[np.intp],
        rates: NDArray[Any],
        first: int,
    ) -> tuple[NDArray[Any], State, NDArray[Any]]:
        """Make steps.

        Parameters
        ----------
        theta : array, shape (parameters,)
        state : dict of str to array
            Of the optimizer. Neither is changed.
        rows : array of int, shape (steps, batch)
        rates : array, shape (steps,)
            The learning rate of each step.
        first : int
            The number of the first step.

        Returns
        -------
        theta, state
            After the last step.
        losses : array, shape (steps, batch)
        """

    def program(self, size: int) -> Program:
        """Record the step for one size of batch, with what the probe adds."""
        program = step_program(self.network, self.optimizer, size, self.settings)
        return program if self.probe is None else self.probe.extend(program)


class ReferenceSteps(Steps):
    """Steps by NumPy, one instruction at a time."""

    def run(
        self,
        theta: NDArray[Any],
        state: State,
        rows: NDArray[np.intp],
        rates: NDArray[Any],
        first: int,
    ) -> tuple[NDArray[Any], State, NDArray[Any]]:
        """Make steps; see `Steps`."""
        examples, scalar = self.examples, theta.dtype.type
        losses = np.empty(rows.shape, theta.dtype)
        program = self._program(rows.shape[1])
        seen = []
        for step, (batch, rate) in enumerate(zip(rows, rates, strict=True)):
            number = first + step
            key = [dropout_key(self.settings.seed, number)] if self.network.dropout else []
            found = run(
                program, theta, state, examples.x[batch], examples.y[batch],
                examples.weights[batch], rate, scalar(number), *key,
            )  # fmt: skip
            if self.probe is not None:
                found, more = found
                seen.append(more)
            theta, state, losses[step] = found
        self.seen = [np.stack(arrays) for arrays in zip(*seen, strict=True)]
        return theta, state, losses

    def _program(self, size: int) -> Program:
        if size not in self.prepared:
            self.prepared[size] = self.program(size)
        program: Program = self.prepared[size]
        return program


class NativeSteps(Steps):
    """Steps by compiled kernels, with no Python in between."""

    @cached_property
    def data(self) -> list[Any]:
        """The examples as kernels read them: where they are, if one row lies after another."""
        examples = self.examples
        arrays = (examples.x, examples.y, examples.weights)
        return [a if is_sparse(a) else np.ascontiguousarray(a) for a in arrays]

    def run(
        self,
        theta: NDArray[Any],
        state: State,
        rows: NDArray[np.intp],
        rates: NDArray[Any],
        first: int,
    ) -> tuple[NDArray[Any], State, NDArray[Any]]:
        """Make steps; see `Steps`."""
        repeated = self.prepare(rows.shape[1])
        arrays = {0: theta.copy(), **{k: a.copy() for k, a in enumerate(state.values(), start=1)}}
        after = len(arrays)
        numbers = np.arange(first, first + len(rows)).astype(theta.dtype)
        fed = [*self.data, rates, numbers]
        if self.network.dropout:
            keys = np.tile(dropout_key(self.settings.seed, first), (len(rows), 1))
            keys[:, 1] += np.arange(len(rows), dtype=np.uint32)
            fed.append(keys)
        losses, *self.seen = repeated.run(
            arrays,
            dict(enumerate(fed, start=after)),
            rows,
            steps=len(rows),
            n_threads=threads_of(self.settings),
        )
        moved = dict(zip(state, (arrays[k] for k in range(1, after)), strict=True))
        return arrays[0], moved, losses

    def prepare(self, size: int) -> Any:
        """Return the step for one size of batch, compiled."""
        from backlit.autodiff.recording import expand
        from backlit.execution.native.repeated import Repeated

        if size not in self.prepared:
            program = self.program(size)
            state = self.optimizer.initial_state(np.zeros(1))
            after = 1 + len(state)
            self.prepared[size] = Repeated(
                expand(program),
                carried={position: position for position in range(after)},
                gathered=(after, after + 1, after + 2),
                fed=range(after + 3, after + 5 + (self.network.dropout > 0)),
                kept=range(after, len(program.output_values())),
                sparse={after: x} if is_sparse(x := self.examples.x) else {},
            )
        return self.prepared[size]


def step_program(network: Network, optimizer: Optimizer, size: int, settings: Settings) -> Program:
    """Record the step of a training for one size of batch."""
    return record_step(network, optimizer, size, settings.dtype_meant(), settings.penalties)


def threads_of(settings: Settings) -> int:
    """Return how many threads the native engine uses at most."""
    from backlit.execution.native.threads import default_threads

    return settings.n_threads or default_threads()


def choose_engine(network: Network, settings: Settings, examples: int) -> Engine:
    """Return who runs the steps of a training, if it is left to us.

    Parameters
    ----------
    network : Network
    settings : Settings
    examples : int
        In the training part.

    Returns
    -------
    {"reference", "native"}
        Native where the work is worth it, Numba is installed, and there are kernels for all of the
        step's instructions.

    Warns
    -----
    UserWarning
        If the native engine is asked for, or much faster, and cannot run this training: why.
    """
    if settings.engine == "reference" or settings.batched is None:
        return "reference"
    asked = settings.engine == "native"
    if not asked and predicted(network, settings, examples) < ENOUGH_SECONDS:
        return "reference"
    reason = unsupported(network, settings, examples)
    if reason:
        warnings.warn(
            f"the native engine cannot run this training, and the reference engine does: {reason}",
            stacklevel=2,
        )
    return "reference" if reason else "native"


def predicted(network: Network, settings: Settings, examples: int) -> float:
    """Return how many seconds the reference executor would need, roughly."""
    size = settings.batch_size_for(examples)
    steps = settings.epochs * math.ceil(examples / size)
    parameters = sum(math.prod(shape) for shape in network.shapes.values())
    instructions = 60 + 10 * len(network.hidden)
    return steps * (
        instructions * SECONDS_PER_INSTRUCTION + 3 * size * parameters * SECONDS_PER_PRODUCT
    )


def unsupported(network: Network, settings: Settings, examples: int) -> str:
    """Return why kernels cannot run the steps of a training; empty where they can."""
    optimizer, size = settings.batched, settings.batch_size_for(examples)
    if optimizer is None:
        return "L-BFGS is run by SciPy"
    return without_kernels(lambda: step_program(network, optimizer, size, settings))


def without_kernels(record: Callable[[], Program]) -> str:
    """Return why kernels cannot run a program; empty where they can.

    Parameters
    ----------
    record : callable
        Returns the program; not called if there are no kernels at all.
    """
    if find_spec("numba") is None:
        return "Numba is not installed; python -m pip install numba makes it several times faster"
    from backlit.autodiff.errors import TraceError
    from backlit.autodiff.recording import expand
    from backlit.execution.native.calls import UnsupportedError
    from backlit.execution.native.executor import driver
    from backlit.execution.native.lowering import lower

    try:
        lower(expand(record()))
        driver()  # which cannot be compiled where Numba is installed, but broken
    except (UnsupportedError, TraceError, ImportError) as error:
        return str(error)
    return ""
