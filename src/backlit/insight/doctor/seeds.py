"""Do other seeds agree? The same training with other first weights and another order of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.doctor.findings import Change
from backlit.insight.doctor.generalisation import SCORES
from backlit.insight.doctor.judging import credits
from backlit.insight.recording import Recording


@dataclass(frozen=True, eq=False)
class Seeds(Answer):
    """One training, made with several seeds.

    Attributes
    ----------
    score_name : str
    scores : array, shape (seeds,)
        On the same held-out rows; the first is that of the training itself.
    agreement : float
        Of classes and labels, the share of held-out rows that two seeds tell alike, over all pairs;
        of numbers and counts, the mean correlation of their predictions.
    """

    score_name: str
    scores: NDArray[np.float64]
    agreement: float

    def summary(self) -> str:
        """Return the answer in words."""
        low, high = float(np.min(self.scores)), float(np.max(self.scores))
        return (
            f"With {len(self.scores)} seeds, the {self.score_name} on held-out rows goes from "
            f"{low:.3f} to {high:.3f} (deviation {np.std(self.scores, ddof=1):.3f}); two of them "
            f"agree to {self.agreement:.1%}. Differences smaller than that are luck."
        )

    def columns(self) -> Mapping[str, Any]:
        """Return one row for each seed."""
        return {"seed": np.arange(len(self.scores)), self.score_name: self.scores}

    def _draw(self, axes: Any) -> None:
        axes.plot(np.sort(self.scores), "o", color="#0072B2")
        axes.set(xlabel="seeds, in order", ylabel=self.score_name)


def try_seeds(plan: Any, recording: Recording, n_seeds: int) -> Seeds:
    """Make a training again with other seeds.

    Parameters
    ----------
    plan : Planned
        The training as it was made; see `backlit.insight.doctor.trial.Planned`.
    recording : Recording
        Of it.
    n_seeds : int
        How many, with its own.

    Returns
    -------
    Seeds

    Raises
    ------
    ValueError
        If there are fewer than two seeds, or no rows were held out.
    """
    if n_seeds < 2:
        raise ValueError(f"n_seeds must be 2 or more to compare them, not {n_seeds}")
    if recording.held_out is None:
        raise ValueError("seeds are compared on held-out rows, and this training has none")
    scores, predicted, part = [], [], recording.held_out
    for number in range(n_seeds):
        made = recording if number == 0 else plan.changed([Change("seed", number)]).watch()
        subject = made.subject
        outputs = subject.outputs(made.theta, part.inputs(slice(None)))
        scores.append(float(np.mean(credits(outputs, part.y, subject.targets))))
        predicted.append(outputs.astype(np.float64))
    kind = recording.subject.targets
    alike = [_alike(predicted[i], predicted[j], kind) for i in range(n_seeds) for j in range(i)]
    return Seeds(SCORES[kind], np.array(scores), float(np.mean(alike)))


def _alike(one: NDArray[Any], other: NDArray[Any], kind: str) -> float:
    if kind == "classes" and one.shape[1] > 1:
        return float(np.mean(np.argmax(one, axis=1) == np.argmax(other, axis=1)))
    if kind in ("classes", "labels"):
        return float(np.mean((one > 0) == (other > 0)))
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
