"""One reason for each suspect row, and the evidence in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.suspects_judgement import UNUSUAL, Judgement
from backlit.insight.suspects_neighbours import FAR

REASONS = ("mislabelled", "contradictory twin", "outlier", "ambiguous", "memorised")
# A label is called mislabelled if it is more likely wrong than right, even if a standard error
# fewer labels are wrong than expected.
PROBABLY = 0.5
SURE = 0.8  # a network that leans to another class so clearly sees no ambiguity


@dataclass(frozen=True)
class Suspect:
    """A row that is worth a look.

    Attributes
    ----------
    row : int
        Where it is in the user's data, counted from 0.
    part : {"training", "validation"}
    reason : str
        One of `REASONS`.
    about : str
        The label or target that is meant; empty where there is one.
    given, looks_like : str
        Names of classes; 0 or 1 of a label; or numbers, as the network takes them.
    chance : float
        That what is given is wrong.
    support : float
        The chance that the network gives to what is given, without what the row itself has pushed;
        of numbers, the residual in units of the usual one.
    margin : float
        The mean over the epochs that were read; see `backlit.insight.subject.margins`.
    remoteness : float
        The logarithm of the distance to the fifth nearest row, in robust standard deviations.
    neighbours : tuple of int
        The nearest rows in the user's data.
    neighbour_labels : tuple of str
        What is given for them.
    evidence : str
        In words.
    """

    row: int
    part: str
    reason: str
    about: str
    given: str
    looks_like: str
    chance: float
    support: float
    margin: float
    remoteness: float
    neighbours: tuple[int, ...]
    neighbour_labels: tuple[str, ...]
    evidence: str


def reasons_of(
    judgement: Judgement, twins: Sequence[NDArray[np.intp]], remoteness: NDArray[Any],
    held_out: NDArray[np.bool_],
) -> NDArray[np.intp]:  # fmt: skip
    """Return the first of `REASONS` that holds for each row; their number where none does.

    Parameters
    ----------
    judgement : Judgement
    twins : sequence of array of int
        The groups of rows whose inputs are the same.
    remoteness : array, shape (examples,)
    held_out : array of bool, shape (examples,)

    Returns
    -------
    array of int, shape (examples,)
    """
    contradicted = np.zeros(len(remoteness), bool)
    for group in twins:
        contradicted[group] = _differ(judgement, group)
    doubtful = judgement.doubtful
    by_heart = doubtful & judgement.fits_now & ~held_out
    if judgement.noise is not None:
        by_heart &= judgement.support < 1 - SURE
    holds = [
        judgement.cautious > PROBABLY,
        contradicted,
        remoteness > FAR,
        doubtful & ~by_heart,
        by_heart,
    ]
    return np.argmax([*holds, np.ones(len(remoteness), bool)], axis=0)


def _differ(judgement: Judgement, group: NDArray[np.intp]) -> bool:
    if judgement.noise is not None:
        return len(np.unique(judgement.given[group])) > 1
    return bool(np.ptp(judgement.support[group]) > UNUSUAL)


def evidence_of(
    reason: str, judgement: Judgement, place: int, names: Sequence[str], far: float,
    labels: Sequence[str], twins: Sequence[int],
) -> str:  # fmt: skip
    """Return the evidence against a row in words.

    Parameters
    ----------
    reason : str
    judgement : Judgement
    place : int
        Of the row among the examples.
    names : sequence of str
        Of the classes; empty for numbers.
    far : float
        Its remoteness.
    labels : sequence of str
        Of its nearest neighbours.
    twins : sequence of int
        Rows with the same inputs.
    """
    given = text_of(judgement.given[place], names)
    other = text_of(judgement.looks_like[place], names)
    if judgement.noise is None:
        leans = (
            f"{given} was given and the other rows taught {other}, "
            f"{abs(judgement.support[place]):.1f} times the usual residual"
        )
    else:
        leans = (
            f"the other rows taught {other} rather than {given}, to which they give a chance of "
            f"{judgement.support[place]:.2g}"
        )
        if judgement.margin[place] >= 0:
            leans = f"the other rows taught {given}, as is given"
    if reason == "contradictory twin":
        same = ", ".join(map(str, twins[:3])) + (" and more" if len(twins) > 3 else "")
        return f"row{'s' if len(twins) > 1 else ''} {same} with the same inputs differ; {leans}"
    if reason == "outlier":
        return f"far from all other rows ({far:.1f} deviations); {leans}"
    if reason == "memorised":
        leans += "; only its own steps made it fit"
    elif judgement.noise is not None and labels:
        count = Counter(labels)[given]
        leans += f"; of its {len(labels)} nearest rows {count or 'none'} have {given}"
    return leans


def text_of(value: Any, names: Sequence[str]) -> str:
    """Return what a class or a number is called."""
    return names[int(value)] if names else f"{float(value):.7g}"
