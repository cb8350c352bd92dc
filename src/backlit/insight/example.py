"""One example, step by step: what a step computed for it, and what it did to the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.derivatives import vjp
from backlit.execution.blas import one_thread
from backlit.insight.answer import Answer
from backlit.insight.balance import FEW, STRONGEST, Balance, balance
from backlit.insight.batch import Batch
from backlit.insight.diagram import draw_network
from backlit.insight.lookup import find_row
from backlit.insight.naming import Naming, largest
from backlit.insight.recording import Moment, Part, Recording
from backlit.insight.slopes import Slopes, slopes
from backlit.insight.story import told
from backlit.insight.subject import Passes, Subject


@dataclass(frozen=True, eq=False, repr=False)
class Example(Answer):
    """Every value that belongs to one row at one step, before the step was made.

    ``print`` it for the story of the row; `batch`, `balance` and `check` go further.

    Attributes
    ----------
    row : int
        Where it is in the user's data.
    part : {"training", "held-out"}
    epoch, step : int
        Counted from 1.
    place : int or None
        Its place in the step's batch; None if it was not there. Then its values are what the
        network of that step makes of it, without dropout.
    input : array, shape (inputs,)
    target : int, or array of shape (outputs,)
    activations : list of array, shape (units,)
        What goes into each layer: the input, then what each hidden layer puts out.
    pre_activations : list of array, shape (units,)
        Of each layer; the last ones are the network's outputs.
    slopes : list of array, shape (units,)
        Of each hidden layer: the derivative of its activations by its pre-activations.
    loss : float
        The row's own.
    deltas : list of array, shape (units,)
        Of each layer: the derivative of the row's own loss by the pre-activations.
    carried : list of array, shape (units,), or None
        The deltas as the program of the step has them, times the row's weight there. With NumPy as
        the engine these, the activations and the pre-activations are the step's own bits; compiled
        kernels agree with them to rounding.
    gradient : array, shape (parameters,)
        Of the row's own loss.
    theta : array, shape (parameters,)
        The parameters before the step.
    batch : Batch
    balance : Balance
    naming : Naming
    class_names : tuple of str
        Where targets are classes.
    dropout : bool
        Whether units may have been silenced.
    """

    row: int
    part: str
    epoch: int
    step: int
    place: int | None
    target: Any
    activations: list[NDArray[Any]]
    pre_activations: list[NDArray[Any]]
    slopes: list[NDArray[Any]]
    loss: float
    deltas: list[NDArray[Any]]
    carried: list[NDArray[Any]] | None
    gradient: NDArray[Any]
    theta: NDArray[Any]
    batch: Batch
    balance: Balance
    naming: Naming
    class_names: tuple[str, ...]
    dropout: bool
    _seen: _Seen

    @property
    def input(self) -> NDArray[Any]:
        """What the network takes."""
        return self.activations[0]

    @property
    def wishes(self) -> list[NDArray[Any]]:
        """The deltas with their sign turned: which way each pre-activation lowers the loss."""
        return [-delta for delta in self.deltas]

    def summary(self) -> str:
        """Tell the story of the row: forward pass, backward pass, gradient, batch and update."""
        return told(self)

    def columns(self) -> dict[str, Any]:
        """Return a row for each unit of the hidden layers and the output layer."""
        sizes = [len(delta) for delta in self.deltas]
        depth = len(sizes)
        nothing = np.full(sizes[-1], np.nan)
        return {
            "layer": np.repeat(np.arange(1, depth + 1), sizes),
            "unit": [name for layer in range(1, depth + 1) for name in self.naming.units(layer)],
            "pre-activation": np.concatenate(self.pre_activations),
            "activation": np.concatenate([*self.activations[1:], self.pre_activations[-1]]),
            "slope": np.concatenate([*self.slopes, nothing]),
            "delta": np.concatenate(self.deltas),
            "wish": np.concatenate(self.wishes),
        }

    def check(self, count: int = 1000) -> Slopes:
        """Compare the row's gradient with finite differences of its loss.

        Parameters
        ----------
        count : int, default 1000
            By how many parameters at most: those of largest gradient.

        Returns
        -------
        Slopes

        Raises
        ------
        ValueError
            If ``count`` is below 1.
        """
        if count < 1:
            raise ValueError(f"check: count must be 1 or more, not {count}")
        places = largest(self.gradient, count)
        with one_thread():
            return slopes(self._seen.loss, self.theta, self.gradient, self.naming, places)

    def _draw(self, axes: Any) -> None:
        draw_network(axes, self)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The rows that one step was shown, as the loss of one of them needs them."""

    subject: Subject
    x: NDArray[Any]
    y: NDArray[Any]
    key: Any
    place: int

    def loss(self, theta: NDArray[np.float64]) -> float:
        """Return the loss of the row with these parameters."""
        # Dropout goes by the place in the batch; without it, the row is enough.
        alone = slice(self.place, self.place + 1)
        x, key = (self.x[alone], None) if self.key is None else (self.x, self.key)
        outputs = self.subject.outputs(theta, x.astype(np.float64), key)
        outputs = outputs if key is None else outputs[alone]
        y = self.y[alone]
        y = y.astype(np.float64) if y.dtype.kind == "f" else y
        return float(self.subject.losses(outputs, y)[0])

    def passes(self, theta: NDArray[Any], factors: NDArray[Any] | None = None) -> Passes:
        """Return the forward and the backward pass of all of them."""
        return self.subject.passes(theta, self.x, self.y, self.key, factors)


def example(
    recording: Recording, row: int, *, step: int | None = None, epoch: int | None = None
) -> Example:
    """Look at one row in one step of a training.

    The steps of the training are made again up to the one that is looked at.

    Parameters
    ----------
    recording : Recording
    row : int
        Where it is in the user's data; of the training or the held-out part.
    step : int, optional
        Counted from 1. By default the last one whose batch had the row, or the last of all, if
        none had it.
    epoch : int, optional
        Counted from 1: take the step of this epoch whose batch had the row; for a row that was
        held out, the last step of the epoch.

    Returns
    -------
    Example

    Raises
    ------
    ValueError
        If there is no such row, step or epoch, the epoch did not visit the row, or both a step and
        an epoch are given.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.example import example
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> from backlit.training import GradientDescent
    >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [0.0]])
    >>> line = Network(2, (), 1, loss="squared_loss", initial=0.5)
    >>> how = {"optimizer": GradientDescent(0.5), "epochs": 5, "batch_size": 2}
    >>> _, recording = watch(line, (x, y), **how)
    >>> one = example(recording, row=0, step=1)
    >>> print(one)  # doctest: +ELLIPSIS
    Row 0 at step 1, in epoch 1: target 1 is 1, the network says -0.04624. Loss 0.5473.
    <BLANKLINE>
    Forward pass: z = sum of (input x weight) + bias; a = activation of z
      output layer
        target 1  z = 0*-0.3818 + 1*-0.04624 + 0 = -0.04624
    ...
      parameter                    old  this row  other rows      new
      W1 input 1 to target 1   -0.3818         0     +0.0955  -0.2864
      W1 input 2 to target 1  -0.04624    +0.262           0   0.2153
      b1 target 1                    0    +0.262     +0.0955    0.357
    """
    part, position = find_row(recording, row, "example")
    chosen = _step(recording, row, part, position, step, epoch)
    moment = next(islice(recording.replay(), chosen - 1, None))
    with one_thread():
        return _look(recording, row, part, position, moment)


def _step(
    recording: Recording, row: int, part: str, position: int, step: int | None, epoch: int | None
) -> int:
    """Return the number of the step to look at."""
    steps = len(recording.epoch)
    if step is not None and epoch is not None:
        raise ValueError("example: give a step or an epoch, not both")
    if step is not None:
        if not 1 <= step <= steps:
            raise ValueError(f"example: step must be from 1 to {steps}, not {step}")
        return step
    if epoch is not None and not 1 <= epoch <= recording.epochs:
        raise ValueError(f"example: epoch must be from 1 to {recording.epochs}, not {epoch}")
    if part == "training":
        visits = np.flatnonzero(recording.row == position)
        candidates = np.searchsorted(recording.starts, visits, side="right")
        if epoch is not None:
            candidates = candidates[recording.epoch[candidates - 1] == epoch]
            if not len(candidates):
                raise ValueError(
                    f"example: epoch {epoch} has no step whose batch had row {row}; give a step"
                )
        return int(candidates[-1]) if len(candidates) else steps
    return steps if epoch is None else int(np.flatnonzero(recording.epoch == epoch)[-1]) + 1


def _look(recording: Recording, row: int, part: str, position: int, moment: Moment) -> Example:
    """Return the example with all that belongs to it at a moment."""
    subject, course, training = recording.subject, recording.course, recording.training
    naming = Naming.of(recording)
    whole = _Seen(subject, *_rows(training, moment.rows), moment.key, 0)
    of_batch = whole.passes(moment.theta)
    found = np.flatnonzero(moment.rows == position)
    place = int(found[0]) if part == "training" and len(found) else None
    if place is not None:
        seen = _Seen(subject, whole.x, whole.y, moment.key, place)
        passes = of_batch
        program = whole.passes(moment.theta, course.factors(moment.rows))
        carried = [delta[place] for delta in program.deltas]
    else:
        own = training if part == "training" or recording.held_out is None else recording.held_out
        seen = _Seen(subject, *_rows(own, np.array([position])), None, 0)
        passes, carried = seen.passes(moment.theta), None
    at = seen.place
    alone = np.zeros(len(passes.losses), moment.theta.dtype)
    alone[at] = 1
    gradient = subject.gradient(passes, alone)
    strongest = largest(gradient, len(gradient) if len(gradient) <= FEW else STRONGEST)
    shares = course.shares(moment.rows)
    batch = Batch.of(naming, training.rows[moment.rows], place, shares, of_batch, strongest)
    of_row = None if place is None else gradient * shares[place]
    pre_activations = [z[at] for z in passes.pre_activations]
    return Example(
        row=int(row),
        part=part,
        epoch=moment.epoch,
        step=moment.number,
        place=place,
        target=seen.y[at],
        activations=[a[at] for a in passes.inputs],
        pre_activations=pre_activations,
        slopes=[
            _slopes(seen, layer, z)[at] for layer, z in enumerate(passes.pre_activations[:-1], 1)
        ],
        loss=float(passes.losses[at]),
        deltas=[delta[at] for delta in passes.deltas],
        carried=carried,
        gradient=gradient,
        theta=moment.theta,
        batch=batch,
        balance=balance(moment, course, naming, batch.mean_gradient, of_row, strongest),
        naming=naming,
        class_names=recording.output_names,
        dropout=seen.key is not None,
        _seen=seen,
    )


def _rows(part: Part, some: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
    return part.inputs(some), part.y[some]


def _slopes(seen: _Seen, layer: int, z: NDArray[Any]) -> NDArray[Any]:
    """Return the derivative of a hidden layer's activations by its pre-activations."""
    _, pullback = vjp(partial(seen.subject.activate, layer, key=seen.key), z)
    found: NDArray[Any] = pullback(np.ones_like(z))[0]
    return found
