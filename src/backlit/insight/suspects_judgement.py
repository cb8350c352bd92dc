"""What is thought of each row: the chance that its label is wrong, and what it looks like.

A network that tells classes apart is asked one question; one with several labels, or several
numbers to predict, one for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Recording
from backlit.insight.suspects_noise import ClassNoise, fit_class_noise
from backlit.insight.suspects_outputs import Heard
from backlit.insight.suspects_residuals import judge_residuals

UNUSUAL = 4.0
"""A residual of so many usual ones is worth a look, wrong or not."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """The answer to one question about every row.

    Attributes
    ----------
    about : str
        The label or target; empty where there is one.
    given, looks_like : array, shape (examples,)
        Class numbers; for several labels 0 or 1; or numbers.
    chance : array of float64, shape (examples,)
        That the given one is wrong.
    support : array of float64, shape (examples,)
        The chance of the given class, before it is known and without what the row itself has
        pushed; for numbers, the residual in units of the usual one.
    surest : array of float64, shape (examples,)
        The chance of the likeliest class; for numbers 1.
    margin : array of float64, shape (examples,)
        The mean margin over the epochs that are read; for numbers, minus the size of the residual.
    fits_now : array of bool, shape (examples,)
        Whether the network, as it was kept, has learned the given one.
    error : float
        The standard error of the number of wrong ones.
    noise : ClassNoise or None
        Of classes and labels.
    """

    about: str
    given: NDArray[Any]
    looks_like: NDArray[Any]
    chance: NDArray[np.float64]
    support: NDArray[np.float64]
    surest: NDArray[np.float64]
    margin: NDArray[np.float64]
    fits_now: NDArray[np.bool_]
    error: float
    noise: ClassNoise | None

    @property
    def cautious(self) -> NDArray[np.float64]:
        """The chance that the given one is wrong, if a standard error fewer of them are."""
        expected = float(np.sum(self.chance))
        fewer = max(1 - self.error / expected, 0.0) if expected else 0.0
        odds = self.chance * fewer
        cautious: NDArray[np.float64] = odds / np.maximum(odds + 1 - self.chance, 1e-300)
        return cautious

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """Where the network leans to something else than what is given."""
        if self.noise is None:
            return np.abs(self.support) > UNUSUAL
        return self.margin < 0


def judge(recording: Recording, heard: Heard) -> list[Judgement]:
    """Judge what is given for each row.

    Parameters
    ----------
    recording : Recording
    heard : Heard
        What the network said of each row.

    Returns
    -------
    list of Judgement
        One, or one for each label or target.
    """
    targets, names = recording.subject.targets, recording.output_names
    if targets == "classes":
        early, outputs, last = map(_both, (heard.early, heard.outputs, heard.last))
        return [_of_classes("", early, outputs, last, heard.y)]
    found = []
    for place, name in enumerate(names):
        given = heard.y[:, place]
        early, outputs, last = (
            each[:, [place]] for each in (heard.early, heard.outputs, heard.last)
        )
        if targets == "labels":
            early, outputs, last = map(_both, (early, outputs, last))
            found.append(_of_classes(name, early, outputs, last, given.astype(int)))
        else:
            about = name if len(names) > 1 else ""
            found.append(_of_numbers(about, outputs[:, 0], last[:, 0], given, targets == "counts"))
    return found


def _both(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return an output for each class, also where one alone tells two apart."""
    if outputs.shape[1] > 1:
        return outputs
    return np.concatenate([np.zeros_like(outputs), outputs], axis=1)


def _of_classes(
    about: str, early: NDArray[Any], outputs: NDArray[Any], last: NDArray[Any], given: NDArray[Any]
) -> Judgement:
    noise, error = fit_class_noise(early, outputs, given)
    all_rows = np.arange(len(given))
    p = noise.probabilities(outputs)
    others = outputs.copy()
    others[all_rows, given] = -np.inf
    likely = noise.posterior(outputs, given)
    likely[all_rows, given] = -1.0
    return Judgement(
        about, given, np.argmax(likely, axis=1), noise.wrong(outputs, given), p[all_rows, given],
        np.max(p, axis=1), outputs[all_rows, given] - np.max(others, axis=1),
        np.argmax(last, axis=1) == given, error, noise,
    )  # fmt: skip


def _of_numbers(
    about: str, outputs: NDArray[Any], last: NDArray[Any], given: NDArray[Any], counts: bool
) -> Judgement:
    given = given.astype(np.float64)
    predicted, now, target = outputs, last, given
    if counts:
        # Roots of counts have residuals of one size (M. Bartlett, 1936).
        predicted, now, target = np.exp(outputs / 2), np.exp(last / 2), np.sqrt(given)
    found = judge_residuals(predicted, target)
    usual = np.abs(target - predicted) / np.maximum(np.abs(found.standardised), 1e-300)
    return Judgement(
        about, given, predicted**2 if counts else predicted, found.wrong, found.standardised,
        np.ones(len(given)), -np.abs(target - predicted), np.abs(target - now) <= 2 * usual,
        found.error, None,
    )  # fmt: skip
