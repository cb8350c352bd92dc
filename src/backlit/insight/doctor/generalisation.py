"""Does it generalise? The score on rows that were not seen, with its interval, beside other models.

The other models are scikit-learn's: the best constant, a linear model, boosted trees. They are
trained on the same rows, and compared row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.doctor.attainable import Evening, some_of
from backlit.insight.doctor.judging import credits, trivial_outputs
from backlit.insight.recording import Part, Recording

_Z = 1.96  # a normal variable is within so many deviations in 95 of 100 cases
SCORES = {"classes": "accuracy", "labels": "share of right labels", "numbers": "R2", "counts": "R2"}


@dataclass(frozen=True, eq=False)
class Generalisation(Answer):
    """Scores on rows that were not trained on.

    Attributes
    ----------
    score_name : str
    rows : int
        How many rows were judged by.
    score, low, high : float
        Of the network, and the ends of its 95 % interval.
    training_score : float
    others : dict of str to (score, low, high)
        Of the other models: the score, and the interval of how much better the network is.
    """

    score_name: str
    rows: int
    score: float
    low: float
    high: float
    training_score: float
    others: Mapping[str, tuple[float, float, float]]

    def summary(self) -> str:
        """Return the scores in words."""
        lines = [
            f"On {self.rows:,} rows that were not trained on, the {self.score_name} is "
            f"{self.score:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}); on the training "
            f"rows it is {self.training_score:.3f}."
        ]
        for name, (score, low, high) in self.others.items():
            verdict = (
                "the network is better" if low > 0 else "it is better" if high < 0
                else "no difference can be told"
            )  # fmt: skip
            lines.append(f"  {name}: {score:.3f}; {verdict}")
        return "\n".join(lines)

    def columns(self) -> Mapping[str, Any]:
        """Return one row for each model."""
        return {
            "model": ["network", *self.others],
            self.score_name: [self.score, *(score for score, _, _ in self.others.values())],
            "network better by at least": [0.0, *(low for _, low, _ in self.others.values())],
            "network better by at most": [0.0, *(high for _, _, high in self.others.values())],
        }

    def _draw(self, axes: Any) -> None:
        names = ["network", *self.others]
        scores = [self.score, *(score for score, _, _ in self.others.values())]
        axes.barh(names[::-1], scores[::-1], color="#0072B2")
        axes.errorbar(
            [self.score], ["network"], xerr=[[self.score - self.low], [self.high - self.score]],
            color="black", capsize=3,
        )  # fmt: skip
        axes.set(xlabel=self.score_name)


def generalise(recording: Recording, judged: Part | None = None) -> Generalisation:
    """Score a network and other models on the same held-out rows.

    Parameters
    ----------
    recording : Recording
    judged : Part, optional
        Rows that were not trained on; by default the held-out part.

    Returns
    -------
    Generalisation

    Raises
    ------
    ValueError
        If there are no such rows.
    """
    judged = judged or recording.held_out
    if judged is None:
        raise ValueError(
            "no rows were held out, so nothing can be said of new ones; give some as data=(x, y)"
        )
    subject, part, judged = recording.subject, some_of(recording.training), some_of(judged)

    def own(some: Part) -> NDArray[np.float64]:
        outputs = subject.outputs(recording.theta, some.inputs(slice(None)))
        return credits(outputs, some.y, subject.targets)

    mine = own(judged)
    others = {}
    for name, theirs in _others(recording, judged).items():
        low, high = _interval(mine - theirs)
        others[name] = (float(np.mean(theirs)), low, high)
    low, high = _interval(mine)
    if subject.targets == "classes":
        low, high = _wilson(float(np.mean(mine)), len(mine))
    return Generalisation(
        SCORES[subject.targets], len(judged), float(np.mean(mine)), low, high,
        float(np.mean(own(part))), others,
    )  # fmt: skip


def _interval(values: NDArray[Any]) -> tuple[float, float]:
    error = _Z * float(np.std(values)) / np.sqrt(len(values))
    return float(np.mean(values)) - error, float(np.mean(values)) + error


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return E. Wilson's interval of a share (1927)."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * np.sqrt(share * (1 - share) / count + (_Z / count / 2) ** 2)
    return float(middle - half), float(middle + half)


def _others(recording: Recording, judged: Part) -> dict[str, NDArray[np.float64]]:
    """Return each other model's credits on the judged rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    part, kind = some_of(recording.training), recording.subject.targets
    constant = trivial_outputs(part.y, recording.subject.sizes[-1], kind)
    outputs = {"the best constant": np.broadcast_to(constant, (len(judged), len(constant)))}
    even = Evening.of(part.inputs(slice(None)))
    x, other = even(part.inputs(slice(None))), even(judged.inputs(slice(None)))
    for name in ("a linear model", "boosted trees"):
        linear = name == "a linear model"
        columns = []
        for y in [part.y] if kind == "classes" else part.y.T:
            if kind in ("classes", "labels"):
                model = (
                    LogisticRegression(max_iter=500)
                    if linear
                    else HistGradientBoostingClassifier(random_state=0)
                )
                y = y.astype(int)
                if len(np.unique(y)) == 1:
                    columns.append(
                        np.where(np.arange(2) == y[0], 1.0, 0.0) + np.zeros((len(other), 2))
                    )
                    continue
                chances = model.fit(x, y, part.weights).predict_proba(other)
                all_chances = np.zeros((len(other), max(int(y.max()) + 1, len(constant), 2)))
                all_chances[:, model.classes_] = chances
                columns.append(all_chances)
            else:
                model = Ridge() if linear else HistGradientBoostingRegressor(random_state=0)
                columns.append(model.fit(x, y, part.weights).predict(other)[:, np.newaxis])
        outputs[name] = _as_outputs(columns, kind, len(constant))
    return {name: credits(z, judged.y, kind) for name, z in outputs.items()}


def _as_outputs(columns: list[NDArray[Any]], kind: str, count: int) -> NDArray[np.float64]:
    if kind == "classes":
        (chances,) = columns
        return chances[:, 1:] - chances[:, :1] if count == 1 else chances
    if kind == "labels":
        return np.concatenate([chances[:, 1:2] - 0.5 for chances in columns], axis=1)
    predicted = np.concatenate(columns, axis=1)
    return np.log(np.maximum(predicted, 1e-9)) if kind == "counts" else predicted
