"""Who runs an epoch's steps: the reference executor, on dense or sparse data, or compiled kernels.

All run the programs of `compatible`. Which one is chosen follows from the work alone, never from a
clock, so that the same fit gives the same bits.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import expand
from backlit.estimators.compatible import Model
from backlit.estimators.optimizers import Rule, State
from backlit.estimators.programs import (
    first_weights,
    record_gradient,
    record_step,
    straight_gradient,
    straight_step,
    straight_update,
)
from backlit.estimators.straight import straight
from backlit.estimators.updates import is_large, update_in_place
from backlit.networks.dropout import dropout_key
from backlit.program.program import Program
from backlit.training.engines import (
    ENOUGH_SECONDS,
    SECONDS_PER_INSTRUCTION,
    SECONDS_PER_PRODUCT,
    Probe,
    without_kernels,
)

Engine: TypeAlias = Literal["reference", "native"]


@dataclass(frozen=True, eq=False)
class Data:
    """Examples to train on.

    Attributes
    ----------
    x : array or sparse matrix, shape (examples, inputs)
    y : array, shape (examples, outputs)
        Booleans, or numbers in the dtype of the parameters.
    weights : array, shape (examples,), or None
    """

    x: Any
    y: NDArray[Any]
    weights: NDArray[Any] | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])


class Steps(ABC):
    """Runs the steps of a training.

    Parameters
    ----------
    model : Model
    rule : Rule
    data : Data
        Dense inputs and weights in the dtype of ``theta``.
    theta : array, shape (parameters,)
    state : dict of str to array
        Of the optimizer.
    seed : int, default 0
        Of dropout.

    Attributes
    ----------
    theta, state
        After the last step.
    made : int
        The number of steps so far.
    probe : Probe or None
        Looks at what the steps compute.
    seen : list of (rows, rates, arrays)
        What the probe saw in the steps of the last `run`; see `Probe.take`.
    """

    def __init__(
        self, model: Model, rule: Rule, data: Data, theta: NDArray[Any], state: State, seed: int = 0
    ) -> None:
        self.model, self.rule, self.data, self.seed = model, rule, data, seed
        self.theta, self.state = theta, state
        self.made = 0
        self.large = is_large(model)
        self.probe: Probe | None = None
        self.seen: list[tuple[NDArray[np.intp], NDArray[Any], list[NDArray[Any]]]] = []
        self.prepared: dict[int, Any] = {}  # by size: the last, short batch has its own

    @abstractmethod
    def run(
        self, order: NDArray[np.intp] | None, size: int, first: int, rates: NDArray[np.float64],
        losses: NDArray[Any], let_through: Callable[[], None],
    ) -> None:  # fmt: skip
        """Make some steps of an epoch, one after another.

        When it ends, be it by an exception of ``let_through``, ``theta``, ``state`` and ``made``
        are those after some number of steps.

        Parameters
        ----------
        order : array of int, shape (examples,), or None
            Of the epoch. None takes the examples as they lie.
        size : int
            Examples of a batch; the last one of the epoch may be shorter.
        first : int
            The number of the first of these steps in the epoch, counted from 0.
        rates : array, shape (steps,)
            The learning rate of each of these steps.
        losses : array, shape (steps of the epoch,)
            Takes the loss of each batch, before its step.
        let_through : callable
            Called between steps, where that is possible; see `HeldBack`.
        """

    def program(self, size: int) -> Program:
        """Record the step for one size of batch, with what the probe adds."""
        data = self.data
        program = record_step(
            self.model, self.rule, size, self.theta.dtype, data.y.dtype, data.weights is not None
        )
        return program if self.probe is None else self.probe.extend(program)

    def key(self) -> list[NDArray[np.uint32]]:
        """Return the key of the next step's dropout, if there is dropout."""
        return [dropout_key(self.seed, self.made + 1)] if self.model.dropout else []


class ReferenceSteps(Steps):
    """Steps by NumPy, one instruction at a time."""

    def run(
        self, order: NDArray[np.intp] | None, size: int, first: int, rates: NDArray[np.float64],
        losses: NDArray[Any], let_through: Callable[[], None],
    ) -> None:  # fmt: skip
        """Make some steps; see `Steps`."""
        data, dtype = self.data, self.theta.dtype
        self.seen = []
        for step, rate in enumerate(rates.astype(dtype), start=first):
            let_through()
            batch: Any = slice(step * size, min((step + 1) * size, len(data)))
            count = batch.stop - batch.start
            if order is not None:
                batch = order[batch]
            losses[step] = self._step(batch, count, rate)
            self.made += 1

    def _step(self, batch: Any, count: int, rate: Any) -> Any:
        if self.large:
            return self._large_step(batch, count, rate)
        data = self.data
        if count not in self.prepared:
            self.prepared[count] = self._prepare(count)
        step = self.prepared[count]
        weights = () if data.weights is None else (data.weights[batch],)
        self.theta, *more = step(
            self.theta, *self.state.values(), data.x[batch], data.y[batch], *weights, rate,
            *self.key(),
        )  # fmt: skip
        kept = len(self.state)
        self.state = dict(zip(self.state, more[:kept], strict=True))
        self._note(batch, rate, more[kept + 1 :])
        return more[kept]

    def _prepare(self, count: int) -> Any:
        data = self.data
        if self.probe is None:
            return straight_step(
                self.model, self.rule, count, self.theta.dtype, data.y.dtype,
                data.weights is not None,
            )  # fmt: skip
        return straight(self.program(count), given_away=range(1 + len(self.state)))

    def _note(self, batch: Any, rate: Any, seen: list[Any]) -> None:
        """Keep what the probe saw in a step."""
        if self.probe is not None:
            rows = np.arange(len(self.data))[batch]
            self.seen.append((rows[np.newaxis], np.array([rate]), [a[np.newaxis] for a in seen]))

    def _large_step(self, batch: Any, count: int, rate: Any) -> Any:
        loss, total, *gradients = self._of_data(self.data.x[batch], batch, count, False)
        parts = len(self.model.layout.shapes)
        self._note(batch, rate, gradients[parts:])
        gradients = gradients[:parts]
        return update_in_place(
            self.model, self.rule, self.theta, self.state, loss, total, gradients, rate
        )

    def _of_data(self, x: Any, batch: Any, count: int, multiplied: bool) -> list[Any]:
        """Return the loss of a batch, the sum of its weights, and gradients."""
        data, dtype = self.data, self.theta.dtype
        weights = () if data.weights is None else (data.weights[batch],)
        what = (self.model, count, dtype, data.y.dtype, bool(weights), multiplied)
        if self.probe is None:
            function = straight_gradient(*what)
        else:
            if count not in self.prepared:
                self.prepared[count] = straight(self.probe.extend(record_gradient(*what)))
            function = self.prepared[count]
        return function(self.theta, x, data.y[batch], *weights, *self.key())


class SparseSteps(ReferenceSteps):
    """Steps by NumPy, with the products of sparse inputs made by SciPy."""

    def _step(self, batch: Any, count: int, rate: Any) -> Any:
        model, theta, x = self.model, self.theta, self.data.x[batch]
        product = np.asarray(x @ first_weights(model, theta))
        loss, total, *rest, delta = self._of_data(product, batch, count, True)
        gradients = [x.T @ delta, *rest]
        if self.large:
            return update_in_place(
                model, self.rule, theta, self.state, loss, total, gradients, rate
            )
        finish = straight_update(model, self.rule, theta.dtype)
        self.theta, *state, loss = finish(
            theta, *self.state.values(), loss, theta.dtype.type(total), *gradients, rate
        )
        self.state = dict(zip(self.state, state, strict=True))
        return loss


class NativeSteps(Steps):
    """Steps by compiled kernels, with no Python in between.

    Parameters
    ----------
    model, rule, data, theta, state, seed
        As of `Steps`.
    n_threads : int or None, default None
        At most so many threads; None for one on each processor.
    """

    def __init__(
        self, model: Model, rule: Rule, data: Data, theta: NDArray[Any], state: State,
        seed: int = 0, n_threads: int | None = None,
    ) -> None:  # fmt: skip
        from backlit.execution.native.threads import default_threads

        super().__init__(model, rule, data, theta, state, seed)
        self.n_threads = default_threads() if n_threads is None else n_threads

    def run(
        self, order: NDArray[np.intp] | None, size: int, first: int, rates: NDArray[np.float64],
        losses: NDArray[Any], let_through: Callable[[], None],
    ) -> None:  # fmt: skip
        """Make some steps; see `Steps`."""
        count = len(self.data)
        self.seen = []
        order = np.arange(count) if order is None else order
        full = max(0, min(len(rates), count // size - first))
        if full:
            rows = order[first * size : (first + full) * size].reshape(full, size)
            self._run(rows, rates[:full], losses[first : first + full])
        if full < len(rates):  # the last, short batch
            rows = order[np.newaxis, count // size * size :]
            self._run(rows, rates[full:], losses[first + full :])

    def _run(
        self, rows: NDArray[np.intp], rates: NDArray[np.float64], losses: NDArray[Any]
    ) -> None:
        data, dtype = self.data, self.theta.dtype
        arrays = {0: self.theta.copy()}
        arrays |= {k: array.copy() for k, array in enumerate(self.state.values(), start=1)}
        after = len(arrays)
        sources = [data.x, data.y, *([] if data.weights is None else [data.weights])]
        sources.append(rates.astype(dtype))
        if self.model.dropout:
            first = self.made + 1
            sources.append(np.stack([dropout_key(self.seed, first + k) for k in range(len(rows))]))
        found, *seen = self._repeated(rows.shape[1]).run(
            arrays, dict(enumerate(sources, start=after)), rows, len(rows), self.n_threads
        )
        losses[: len(rows)] = found
        if seen:
            self.seen.append((rows, rates, seen))
        self.theta = arrays[0]
        self.state = dict(zip(self.state, (arrays[k] for k in range(1, after)), strict=True))
        self.made += len(rows)

    def _repeated(self, size: int) -> Any:
        """Return the step for one size of batch, compiled."""
        from backlit.execution.native.repeated import Repeated

        if size not in self.prepared:
            after = 1 + len(self.state)
            weighted = self.data.weights is not None
            gathered = range(after, after + 2 + weighted)
            fed = range(gathered.stop, gathered.stop + 1 + bool(self.model.dropout))
            program = self.program(size)
            self.prepared[size] = Repeated(
                expand(program),
                carried={position: position for position in range(after)},
                gathered=tuple(gathered),
                fed=tuple(fed),
                kept=range(after, len(program.output_values())),
                sparse={} if isinstance(self.data.x, np.ndarray) else {after: self.data.x},
            )
        return self.prepared[size]


# ----- The choice --------------------------------------------------------------------------------


def choose_engine(
    asked: str, model: Model, rule: Rule, data: Data, size: int, epochs: int, dtype: Any
) -> Engine:
    """Return who runs the steps of a fit.

    Parameters
    ----------
    asked : {"auto", "reference", "native"}
    model : Model
    rule : Rule
    data : Data
    size : int
        Examples of a batch.
    epochs : int
        At most.
    dtype : float32 or float64

    Returns
    -------
    {"reference", "native"}
        If it is left to us, native where the work is worth it, Numba is installed, and there are
        kernels for all of the step's instructions.

    Warns
    -----
    UserWarning
        If the native engine is asked for, and there are not: why.
    """
    if asked == "reference":
        return "reference"
    if asked == "auto" and predicted(model, len(data), size, epochs) < ENOUGH_SECONDS:
        return "reference"
    reason = unsupported(model, rule, data, size, dtype)
    if asked == "native" and reason:
        warnings.warn(
            f"the native engine cannot run this fit, and the reference engine does: {reason}",
            stacklevel=2,
        )
    return "reference" if reason else "native"


def predicted(model: Model, examples: int, size: int, epochs: int) -> float:
    """Return how many seconds the reference executor would need, roughly."""
    instructions = 40 + 10 * len(model.sizes)
    products = 3 * size * model.weights * SECONDS_PER_PRODUCT
    return epochs * math.ceil(examples / size) * (instructions * SECONDS_PER_INSTRUCTION + products)


def unsupported(model: Model, rule: Rule, data: Data, size: int, dtype: Any) -> str:
    """Return why kernels cannot run the steps; empty where they can.

    That depends on the operations and not on sizes, so a small network stands for a large one.
    """
    weighted = data.weights is not None
    *before, outputs = model.sizes
    small = replace(model, sizes=(*(min(units, 8) for units in before), outputs))
    return without_kernels(
        lambda: record_step(small, rule, min(size, 8), dtype, data.y.dtype, weighted)
    )
