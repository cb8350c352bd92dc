"""What it means that all epochs were used up ("Maximum iterations reached")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backlit.insight.answer import Answer
from backlit.insight.doctor.evidence import Evidence


@dataclass(frozen=True, eq=False)
class Limit(Answer):
    """Whether more epochs would have helped.

    Attributes
    ----------
    epochs, best_epoch : int
    stopped : str
        What the training said when it ended.
    falling : float
        By how much of itself the training loss fell in some further steps.
    matters : bool
        Whether the training is short of what the data allow, and was still on its way there.
    """

    epochs: int
    best_epoch: int
    stopped: str
    falling: float
    matters: bool

    def summary(self) -> str:
        """Return the answer in words."""
        if self.matters:
            return (
                f"All {self.epochs} epochs were used up, and it matters: some further steps lower "
                f"the training loss by {self.falling:.0%}, and held-out rows are predicted worse "
                "than they could be. Allow ten times as many epochs."
            )
        best = (
            f"the best epoch on held-out rows was {self.best_epoch} of {self.epochs}"
            if 0 < self.best_epoch < self.epochs
            else f"there were {self.epochs} epochs"
        )
        return (
            f"That epochs were used up does not matter here: {best}, and held-out rows are "
            f"predicted about as well as these data allow. Further steps change the training loss "
            f"by {self.falling:.0%} only, or no longer help on other rows. The limit can stay."
        )

    def columns(self) -> Mapping[str, Any]:
        """Return the numbers, one row."""
        return {name: [getattr(self, name)] for name in self.__dataclass_fields__}

    def _draw(self, axes: Any) -> None:
        axes.barh(["epochs", "best epoch"], [self.epochs, self.best_epoch])


def meaning_of_limit(e: Evidence) -> Limit:
    """Say whether more epochs would have helped.

    Parameters
    ----------
    e : Evidence

    Returns
    -------
    Limit
    """
    falling = 1 - e["further x1"] / max(e["final"], 1e-300)
    return Limit(
        int(e["epochs"]), int(e["best_epoch"]), e.recording.figures.stopped, falling,
        bool(e.harmed and falling > 0.03),
    )  # fmt: skip
