"""A watched training, as data: which rows each step took, what was seen, and how to repeat it.

Nothing large is kept. Whatever was not seen, such as the parameters in the middle of an epoch,
comes from making the same steps again, by `Recording.replay`, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backlit.insight.probes import LightProbe
from backlit.insight.subject import Subject

State = dict[str, NDArray[Any]]
Names = tuple[tuple[str, ...], tuple[str, ...]]


class Course(Protocol):
    """How the steps of a training were made.

    Attributes
    ----------
    optimizer : object
        One of `backlit.training.optimizers`, or an estimator's rule.
    clip_norm : float or None
        The largest norm of a step's gradient.
    """

    @property
    def optimizer(self) -> Any: ...  # noqa: D102

    @property
    def clip_norm(self) -> float | None: ...  # noqa: D102

    def begin(self) -> tuple[NDArray[Any], State]:
        """Return the parameters, shape (parameters,), and the optimizer's state at the start."""

    def step(
        self, theta: NDArray[Any], state: State, rows: NDArray[np.intp], rate: Any, number: int
    ) -> tuple[NDArray[Any], State]:
        """Make one step, to the same bits as in the training.

        Parameters
        ----------
        theta : array, shape (parameters,)
        state : dict of str to array
        rows : array of int, shape (batch,)
        rate : float scalar
        number : int
            Of the step, counted from 1.
        """

    def shares(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the weight of each example's gradient in the gradient of a step."""

    def factors(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what the deltas of each example are multiplied by in the step's program."""

    def penalty(self, theta: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what penalties add to the gradient of a step, shape (parameters,)."""

    def shrinkage(self, rate: Any) -> NDArray[Any]:
        """Return the part of each parameter that decoupled decay takes in a step."""

    def key(self, number: int) -> NDArray[np.uint32] | None:
        """Return the key of a step's dropout, or None."""

    def without(self, rows: NDArray[np.intp]) -> Course:
        """Return the same steps, in which some examples have no weight.

        Parameters
        ----------
        rows : array of int
            Positions in the training part.
        """


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the user's rows, as the network takes them.

    Attributes
    ----------
    x : array, shape (examples, inputs)
        Or a sparse matrix.
    y : array
        Targets as the loss takes them.
    weights : array, shape (examples,)
    rows : array of int, shape (examples,)
        Where each example is in the user's data.
    """

    x: Any
    y: NDArray[Any]
    weights: NDArray[Any]
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, some: Any) -> NDArray[Any]:
        """Return the inputs of some examples, written out if they are sparse."""
        chosen = self.x[some]
        dense: NDArray[Any] = chosen.toarray() if hasattr(chosen, "toarray") else chosen
        return dense

    def squared_inputs(self) -> NDArray[Any]:
        """Return the squared norm of each example's inputs; shape (examples,)."""
        if hasattr(self.x, "toarray"):
            squares: NDArray[Any] = np.asarray(self.x.multiply(self.x).sum(axis=1)).ravel()
            return squares
        return np.einsum("ij,ij->i", self.x, self.x)


@dataclass(frozen=True, eq=False)
class Moment:
    """One step of a replay.

    Attributes
    ----------
    epoch, number : int
        Counted from 1; the number over the whole training.
    rows : array of int, shape (batch,)
        Positions in the training part.
    learning_rate : float scalar
    theta, state
        Before the step.
    after, state_after
        After it.
    key : array of uint32 or None
        Of dropout.
    """

    epoch: int
    number: int
    rows: NDArray[np.intp]
    learning_rate: Any
    theta: NDArray[Any]
    state: State
    after: NDArray[Any]
    state_after: State
    key: NDArray[np.uint32] | None


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of each epoch. NaN where there was no validation.

    Attributes
    ----------
    train_loss, validation_loss, validation_score : array of float64, shape (epochs,)
    best_epoch : int
        Counted from 1; 0 stands for the initial weights.
    stopped : str
        Why the training ended, as a sentence.
    """

    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    validation_score: NDArray[np.float64]
    best_epoch: int
    stopped: str


@dataclass(frozen=True, eq=False)
class Recording:
    """A watched training.

    Attributes
    ----------
    subject : Subject
    course : Course
    training : Part
    held_out : Part or None
    figures : Figures
    theta : array, shape (parameters,)
        The parameters that were kept in the end.
    epoch, learning_rate : array, shape (steps,)
        Of each step.
    starts : array of int, shape (steps + 1,)
        Where the visits of each step begin in the arrays below.
    row : array of int, shape (visits,)
        Each visit of an example by a step: its position in the training part.
    loss, margin : array, shape (visits,)
        Before the step; see `backlit.insight.subject.margins`.
    squared_delta, squared_input : array, shape (visits, layers)
        Squared norms of the example's own delta, and of what went into the layer.
    squared_gradient : array, shape (steps, layers)
        Squared norm of the gradient of the batch's mean loss, without penalties.
    input_names : tuple of str
        Of the network's inputs.
    output_names : tuple of str
        Of the classes (of both, where one output tells two apart), labels or targets.
    """

    subject: Subject
    course: Course
    training: Part
    held_out: Part | None
    figures: Figures
    theta: NDArray[Any]
    epoch: NDArray[np.intp]
    learning_rate: NDArray[Any]
    starts: NDArray[np.intp]
    row: NDArray[np.intp]
    loss: NDArray[Any]
    margin: NDArray[Any]
    squared_delta: NDArray[Any]
    squared_input: NDArray[Any]
    squared_gradient: NDArray[Any]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @classmethod
    def of(
        cls, probe: LightProbe, course: Course, training: Part, held_out: Part | None,
        figures: Figures, theta: NDArray[Any], names: Names | None = None,
    ) -> Recording:  # fmt: skip
        """Return what a probe has seen of a training, as a recording.

        Parameters
        ----------
        probe : LightProbe
        course : Course
        training : Part
        held_out : Part or None
        figures : Figures
        theta : array, shape (parameters,)
            The parameters that were kept in the end.
        names : (input names, output names), optional
            By default they are counted.

        Returns
        -------
        Recording

        Raises
        ------
        ValueError
            If the probe has seen no step.
        """
        if not probe.taken:
            raise ValueError("no step was watched, so there is nothing to tell")
        depth = probe.subject.depth
        epochs, rates, sizes, rows, seen, gradients = [], [], [], [], [], []
        for epoch, _, batches, own_rates, arrays in probe.taken:
            epochs += [epoch] * len(batches)
            rates.append(own_rates)
            sizes += [batches.shape[1]] * len(batches)
            rows.append(batches.ravel())
            seen.append(np.stack([array.ravel() for array in arrays[:-depth]], axis=1))
            gradients.append(np.stack(arrays[-depth:], axis=1))
        row, columns = np.concatenate(rows), np.concatenate(seen)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        factors = np.concatenate([course.factors(row[a:b]) for a, b in pairwise(starts)])
        shares = np.concatenate([course.shares(row[a:b]) for a, b in pairwise(starts)])
        squared = factors[:, np.newaxis] ** 2
        deltas = columns[:, 2 : 2 + depth]
        own = np.divide(deltas, squared, out=np.zeros_like(deltas), where=squared != 0)
        inputs = [training.squared_inputs().astype(columns.dtype)[row], columns[:, 2 + depth :]]
        # Of one step, shares are factors over one number, that of a largest one among them.
        total = np.maximum.reduceat(shares, starts[:-1]) / np.maximum.reduceat(factors, starts[:-1])
        return cls(
            probe.subject, course, training, held_out, figures, theta,
            np.array(epochs), np.concatenate(rates), starts, row,
            columns[:, 0], columns[:, 1], own, np.column_stack(inputs),
            np.concatenate(gradients) * total[:, np.newaxis] ** 2,
            *(names or counted_names(probe.subject)),
        )  # fmt: skip

    @property
    def epochs(self) -> int:
        """How many epochs there were; 0 if only the parameters are known."""
        return int(self.epoch[-1]) if len(self.epoch) else 0

    def squared_norms(self) -> NDArray[Any]:
        """Return the squared norm of each example's gradient at each visit; shape (visits,)."""
        norms: NDArray[Any] = np.sum(self.squared_delta * (self.squared_input + 1), axis=1)
        return norms

    def visits_by_row(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a value of each visit as a table, one row for each example.

        Parameters
        ----------
        values : array, shape (visits,)

        Returns
        -------
        array, shape (examples, epochs)
            NaN where an epoch did not visit an example.
        """
        table = np.full((len(self.training), self.epochs), np.nan, values.dtype)
        table[self.row, np.repeat(self.epoch, np.diff(self.starts)) - 1] = values
        return table

    def replay(
        self, first: int = 1, last: int | None = None, begin: tuple[Any, State] | None = None
    ) -> Iterator[Moment]:
        """Make the steps of the training again, one by one.

        Parameters
        ----------
        first, last : int, optional
            The numbers of the first and the last step; by default, of all steps.
        begin : (theta, state), optional
            Before the first step, where that is not the training's first.

        Yields
        ------
        Moment
        """
        theta, state = self.course.begin() if begin is None else begin
        last = len(self.epoch) if last is None else last
        for number in range(first, last + 1):
            rows = self.row[self.starts[number - 1] : self.starts[number]]
            rate = self.learning_rate[number - 1]
            after, state_after = self.course.step(theta, state, rows, rate, number)
            yield Moment(
                int(self.epoch[number - 1]), number, rows, rate, theta, state, after, state_after,
                self.course.key(number),
            )  # fmt: skip
            theta, state = after, state_after


def counted_names(subject: Subject) -> Names:
    """Return names for the inputs and outputs of a network that has none.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    input names, output names : tuple of str

    Examples
    --------
    >>> from backlit.insight.recording import counted_names
    >>> from backlit.insight.subject import Subject
    >>> from backlit.networks import Network
    >>> counted_names(Subject.of(Network(2, (), 1, loss="binary_log_loss")))
    (('input 1', 'input 2'), ('class 0', 'class 1'))
    """
    inputs, *_, outputs = subject.sizes
    kind = {"classes": "class", "labels": "label"}.get(subject.targets, "target")
    count = max(outputs, 2) if kind == "class" else outputs
    first = 0 if kind == "class" else 1
    return (
        tuple(f"input {number}" for number in range(1, inputs + 1)),
        tuple(f"{kind} {number}" for number in range(first, first + count)),
    )
