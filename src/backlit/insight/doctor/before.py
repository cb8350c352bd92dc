"""Checks before the first step: what in the data would spoil any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.insight.answer import Answer
from backlit.insight.doctor.findings import Finding
from backlit.insight.doctor.given import Given, neighbours_alike, tell_inputs, tell_targets
from backlit.insight.doctor.rules.data import (
    a_column_gives_away,
    classes_as_numbers,
    far_inputs,
    far_targets,
    held_out_differs,
    inputs_not_scaled,
    rows_on_both_sides,
    targets_not_scaled,
)
from backlit.insight.recording import Part
from backlit.insight.subject import Targets

_RULES = (
    held_out_differs, rows_on_both_sides, a_column_gives_away, far_targets, far_inputs,
    inputs_not_scaled, targets_not_scaled,
)  # fmt: skip
_IN_ORDER = 0.3


@dataclass(frozen=True, eq=False)
class DataCheck(Answer):
    """What stands out in data before any training.

    Attributes
    ----------
    findings : tuple of Finding
        What would spoil a training, or the trust in its score; the most certain first.
    notes : tuple of str
        What does no harm by itself, and is good to know.
    initial_loss : float
        What a network that knows nothing but the targets' shares or mean has as its loss (log
        loss, or half the squared error): a first loss far above it speaks of a wrong start. NaN
        for several labels or counts.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    initial_loss: float

    def summary(self) -> str:
        """Return findings and notes in words."""
        lines = ["Nothing stands in the way of a training, as far as can be seen."]
        if self.findings:
            lines = [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        return "\n".join([
            *lines, *(f"- {note}" for note in self.notes),
            f"- The best constant has a loss of {self.initial_loss:.3g}; a first loss far above it "
            "would speak of a wrong start.",
        ])  # fmt: skip

    def columns(self) -> Mapping[str, Any]:
        """Return the findings, one row each."""
        return {
            name: [getattr(f, name) for f in self.findings]
            for name in ("cause", "where", "symptom", "confidence")
        }

    def _draw(self, axes: Any) -> None:
        names = [finding.cause for finding in self.findings]
        axes.barh(names[::-1], [finding.confidence for finding in self.findings][::-1])
        axes.set(xlabel="confidence", xlim=(0, 1))


def check_data(
    X: ArrayLike,
    y: ArrayLike,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> DataCheck:
    """Look at data before a network is trained on them.

    Parameters
    ----------
    X : array-like of numbers, shape (examples, columns)
        As the network would take them.
    y : array-like, shape (examples,) or (examples, targets)
        Classes (texts, truth values or integers), or numbers (floats).
    validation : (X, y), optional
        The held-out rows.
    names : sequence of str, optional
        Of the columns; by default they are counted, or those of a data frame.

    Returns
    -------
    DataCheck

    Raises
    ------
    ValueError
        If the arrays do not fit each other, a number is not finite, or a held-out class is not in
        the training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor import check_data
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4)) * [1, 1, 1, 5000]
    >>> checked = check_data(X, (X[:, 0] > X[:, 1]).astype(int))
    >>> [finding.cause for finding in checked.findings]
    ['inputs not scaled']
    """
    names = tuple(map(str, names if names is not None else getattr(X, "columns", ())))
    x, targets, kind, classes = _arrays(X, y, "X")
    names = names or tuple(f"input {number}" for number in range(1, x.shape[1] + 1))
    if len(names) != x.shape[1]:
        raise ValueError(f"names has {len(names)} names, and X has {x.shape[1]} columns")
    training = Part(x, targets, np.ones(len(x)), np.arange(len(x)))
    judged = training
    if validation is not None:
        judged = _held_out(validation, x.shape[1], targets, kind, classes)
    given = Given(
        training, judged, validation is not None, kind,
        len(classes) if kind == "classes" else targets.shape[1], names,
        tuple(map(str, classes)) if kind == "classes" else ("target",),
        {**tell_inputs(training, judged, validation is not None), **tell_targets(training, kind)},
    )  # fmt: skip
    found = [finding for finding in (rule(given) for rule in _RULES) if finding is not None]
    if kind == "numbers":
        as_classes = classes_as_numbers(given)
        found += [as_classes] if as_classes is not None else []
    found.sort(key=lambda finding: -finding.confidence)
    return DataCheck(tuple(found), tuple(_notes(given)), _constant_loss(targets, kind))


def _arrays(X: Any, y: Any, name: str) -> tuple[NDArray[Any], NDArray[Any], Targets, Any]:
    try:
        x = np.asarray(X, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold numbers, as the network takes them ({error}); encode texts first"
        ) from None
    targets = np.asarray(y)
    if x.ndim != 2 or not len(x) or len(targets) != len(x):
        raise ValueError(
            f"{name} has shape {x.shape} and its targets {targets.shape}; give (examples, columns) "
            "and a target for each example"
        )
    if not np.all(np.isfinite(x)):
        row, column = np.argwhere(~np.isfinite(x))[0].tolist()
        raise ValueError(
            f"{name} is {x[row, column]} in row {row}, column {column}; fill in or leave out what "
            "is missing first"
        )
    if targets.dtype.kind == "f":
        targets = targets.astype(np.float64).reshape(len(x), -1)
        if not np.all(np.isfinite(targets)):
            row = int(np.argwhere(~np.isfinite(targets))[0][0])
            raise ValueError(f"the target of row {row} of {name} is not finite; leave the row out")
        return x, targets, "numbers", None
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise ValueError(
            f"the targets of {name} have shape {targets.shape}; classes have shape ({len(x)},)"
        )
    classes, codes = np.unique(targets.astype(str) if targets.dtype == object else targets,
                               return_inverse=True)  # fmt: skip
    return x, codes, "classes", classes


def _held_out(
    validation: tuple[Any, Any], width: int, targets: NDArray[Any], kind: Targets, classes: Any
) -> Part:
    x, y, other, own = _arrays(*validation, "the validation part")
    if x.shape[1] != width:
        raise ValueError(f"the validation part has {x.shape[1]} columns, and X has {width}")
    if other != kind or y.shape[1:] != targets.shape[1:]:
        raise ValueError("the targets of the validation part are of another kind than y")
    if kind == "classes":
        unknown = np.setdiff1d(own, classes)
        if len(unknown):
            raise ValueError(
                f"the validation part has a class that no training row has: {unknown[0]}; split "
                "so that each class is on both sides"
            )
        y = np.searchsorted(classes, own)[y]
    return Part(x, y, np.ones(len(x)), np.arange(len(x)))


def _notes(given: Given) -> list[str]:
    notes = []
    constant = int(given["constant_columns"])
    if constant:
        notes.append(
            f"{constant} column{'s are' if constant > 1 else ' is'} the same number in every row: "
            "no harm, no use."
        )
    alike = neighbours_alike(given.training.y, given.targets)
    if alike > _IN_ORDER:
        notes.append(
            f"Rows that follow each other have like targets (correlation {alike:.2f}): shuffle "
            "them in training, and before a split, unless the order is one in time."
        )
    if given.numbers.get("rarest", 1.0) < 0.2:
        counts = np.bincount(given.training.y)
        rare = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
        notes.append(
            f"Class {given.output_names[rare]} has {counts[rare]} of {len(given.training)} rows; "
            "accuracy will hardly show whether it is told."
        )
    return notes


def _constant_loss(targets: NDArray[Any], kind: Targets) -> float:
    if kind == "classes":
        shares = np.bincount(targets) / len(targets)
        return float(-np.sum(shares * np.log(np.maximum(shares, 1e-300))))
    return float(np.mean(np.sum((targets - np.mean(targets, axis=0)) ** 2, axis=1)) / 2)
