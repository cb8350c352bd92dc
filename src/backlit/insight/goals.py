"""What may be asked about: the loss of the held-out part, or a prediction, as one number.

A goal is a function of the parameters. It is computed as the losses of the network are, so that its
gradient comes from the same backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backlit.functions import logsumexp
from backlit.insight.backwards import ensure_memory
from backlit.insight.lookup import find_name, find_row
from backlit.insight.recording import Recording
from backlit.insight.subject import Subject, Targets, margins

Quantity = Literal["log-odds", "margin", "output"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of some rows.

    Parameters
    ----------
    x : array, shape (rows, inputs) or (inputs,)
        Inputs as the network takes them. Of several rows, the mean of what is said is taken.
    output : int or str, optional
        Which class, label or target: its position among the recording's ``output_names``, or its
        name. By default the class of the largest mean output, or the only target.
    quantity : {"log-odds", "margin", "output"}, optional
        ``"log-odds"``, the default for classes and labels: ``log(p / (1 - p))`` of its probability.
        ``"margin"``: of classes, its output less the largest of the others. ``"output"``, the
        default for numbers and counts: the pre-activation of the last layer; for a number this is
        the prediction, in the units of the targets, for a count its logarithm.
    """

    x: Any
    output: int | str | None = None
    quantity: Quantity | None = None


@dataclass(frozen=True, eq=False)
class Goal:
    """A number that depends on the parameters.

    Parameters
    ----------
    name : str
        As it is called in a sentence.
    subject : Subject
        The network, with the number for each row in the place of its losses.
    x : array, shape (rows, inputs)
        Or a sparse matrix.
    y : array
        Targets.
    shares : array of float64, shape (rows,)
        The weight of each row in the number.
    """

    name: str
    subject: Subject
    x: Any
    y: NDArray[Any]
    shares: NDArray[np.float64]

    def value(self, theta: NDArray[Any]) -> float:
        """Return the number; ``theta`` has shape (parameters,)."""
        losses = self.subject.losses(self.subject.outputs(theta, self.x), self.y)
        return float(self.shares @ losses.astype(np.float64))

    def value_and_gradient(self, theta: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Return the number and its gradient, of shape (parameters,)."""
        passes = self.subject.passes(theta, self.x, self.y)
        gradient = self.subject.gradient(passes, self.shares)
        return float(self.shares @ passes.losses.astype(np.float64)), gradient.astype(np.float64)


def goal_of(recording: Recording, of: str | int | Prediction) -> Goal:
    """Return what is asked about as a function of the parameters.

    Parameters
    ----------
    recording : Recording
    of : "validation loss", int or Prediction
        The weighted mean loss of the held-out part; or the prediction for a row of the user's data,
        by its position there; or any `Prediction`.

    Returns
    -------
    Goal

    Raises
    ------
    ValueError
        If there is no held-out part, no such row or output, or the inputs do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.goals import goal_of
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> from backlit.training import Adam
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> data = x, (x[:, 0] > 0).astype(int)
    >>> _, recording = watch(Network(1, (8,), 2), data, epochs=9, optimizer=Adam(0.1))
    >>> goal_of(recording, 63).name
    'the log-odds of class 1 for row 63'
    """
    if isinstance(of, str) and of == "validation loss":
        return _validation_loss(recording)
    if isinstance(of, Prediction):
        x = _inputs(recording, of.x)
        place = "these inputs" if len(x) == 1 else f"{len(x)} rows of inputs, on average"
        return _prediction(recording, x, of.output, of.quantity, place)
    if not isinstance(of, int | np.integer):
        raise ValueError(
            f'of={of!r} is nothing that can be asked about; give "validation loss", the position '
            "of a row in your data, or a Prediction"
        )
    return _prediction(recording, _row(recording, of), None, None, f"row {of}")


def _validation_loss(recording: Recording) -> Goal:
    part = recording.held_out
    if part is None:
        raise ValueError(
            "this training had no held-out part, and so has no validation loss; train with one, or "
            "ask about a row or a Prediction"
        )
    shares = part.weights.astype(np.float64)
    shares /= np.sum(shares)
    ensure_memory(
        len(part) * recording.subject.sizes[0] * recording.theta.itemsize,
        "the held-out part, written out,", "train with a smaller one",
    )  # fmt: skip
    # The derivative of the losses themselves, also where the steps begin with another delta.
    subject = replace(recording.subject, delta_of=None)
    return Goal("the validation loss", subject, part.inputs(...), part.y, shares)


def _row(recording: Recording, row: int) -> NDArray[Any]:
    name, position = find_row(recording, row, "of")
    part = recording.training if name == "training" else recording.held_out
    assert part is not None
    return part.inputs([position])


def _inputs(recording: Recording, x: Any) -> NDArray[Any]:
    x = np.atleast_2d(np.asarray(x.toarray() if hasattr(x, "toarray") else x))
    inputs = recording.subject.sizes[0]
    if x.ndim != 2 or x.shape[1] != inputs or not len(x) or not np.all(np.isfinite(x)):
        raise ValueError(
            f"a prediction's inputs must be finite numbers of shape (rows, {inputs}), prepared as "
            f"the network takes them, and they have shape {x.shape}"
        )
    return x.astype(recording.theta.dtype)


def _prediction(
    recording: Recording, x: NDArray[Any], output: int | str | None, quantity: Quantity | None,
    place: str,
) -> Goal:  # fmt: skip
    subject, names = recording.subject, recording.output_names
    kind = subject.targets
    probable = kind in ("classes", "labels")
    allowed: dict[str, tuple[str, ...]] = {
        "classes": ("log-odds", "margin"), "labels": ("log-odds",),
    }  # fmt: skip
    quantity = quantity or ("log-odds" if probable else "output")
    choices = (*allowed.get(kind, ()), "output")
    if quantity not in choices:
        raise ValueError(f"of {kind} there is {' or '.join(choices)}, and no {quantity!r}")
    number = _output(recording, x, output)
    said = partial(_said, targets=kind, number=number, quantity=quantity)
    return Goal(
        f"the {quantity} of {names[number]} for {place}",
        replace(subject, losses=said, delta_of=None),
        x,
        np.full(len(x), number),
        np.full(len(x), 1 / len(x)),
    )


def _output(recording: Recording, x: NDArray[Any], output: int | str | None) -> int:
    names = recording.output_names
    if output is None and len(names) == 1:
        return 0
    if output is None and recording.subject.targets == "classes":
        outputs = np.mean(recording.subject.outputs(recording.theta, x), axis=0)
        return int(outputs[0] > 0) if len(outputs) == 1 else int(np.argmax(outputs))
    if output is None:
        raise ValueError(
            f"of: a Prediction of a network with several {recording.subject.targets} needs its "
            f"output; give one of {', '.join(names)}"
        )
    return find_name(names, output, "of", "output")


def _said(outputs: Any, y: Any, *, targets: Targets, number: int, quantity: Quantity) -> Any:
    """Return what is asked of each row, from its outputs."""
    if outputs.shape[1] == 1 and targets == "classes":  # one output tells two classes apart
        return outputs[:, 0] if number else -outputs[:, 0]
    if targets != "classes" or quantity == "output":
        return outputs[:, number]
    if quantity == "margin":
        return margins(outputs, y, targets)
    others = np.where(np.arange(outputs.shape[1]) == number, -np.inf, outputs)
    return outputs[:, number] - logsumexp(others, axis=1)
