"""What the doctor says: findings, the most likely first, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """One change of a training or of its data, for a program to make.

    Parameters
    ----------
    what : str
        One of the keys of `backlit.insight.doctor.trial.CHANGES`.
    value : object, optional
        A number, a text or a tuple of them.
    """

    what: str
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON types."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"what": self.what, "value": value}


@dataclass(frozen=True)
class Fix:
    """What to change.

    Parameters
    ----------
    words : str
        For a person.
    alternatives : tuple of tuple of Change
        For a program: changes that belong together; of several such, the one to keep is that
        which does best on the held-out rows. Empty where no program can help, as with labels that
        have to be looked at.
    """

    words: str
    alternatives: tuple[tuple[Change, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fix as JSON types."""
        return {
            "words": self.words,
            "alternatives": [[c.to_json() for c in changes] for changes in self.alternatives],
        }


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Parameters
    ----------
    symptom : str
        What was seen, as a sentence with numbers.
    cause : str
        One of a few fixed phrases, such as ``"learning rate too high"``.
    where : str
        A layer, some columns, some rows, or the training as a whole.
    evidence : dict of str to float
        The numbers that speak for it.
    fix : Fix
    confidence : float
        From 0 to 1: how sure.
    """

    symptom: str
    cause: str
    where: str
    evidence: Mapping[str, float]
    fix: Fix
    confidence: float = field(default=0.5)

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON types."""
        return {
            "symptom": self.symptom,
            "cause": self.cause,
            "where": self.where,
            "evidence": {name: plain(number) for name, number in self.evidence.items()},
            "fix": self.fix.to_json(),
            "confidence": round(self.confidence, 3),
        }

    def __str__(self) -> str:
        cause = self.cause[:1].upper() + self.cause[1:]
        sure = f"{self.confidence:.0%} sure"
        return f"{cause} ({self.where}; {sure}).\n  {self.symptom}\n  To try: {self.fix.words}"


def plain(number: Any) -> float | int | None:
    """Return a number as JSON has it: None for one that is not finite."""
    value = float(number)
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")
