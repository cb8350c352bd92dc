"""The tables and the healthy trainings of diagnosis.py."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backlit.insight.doctor.trial import Plan
from backlit.networks import Network
from backlit.training import (
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Penalties,
    Settings,
)

TRAINING, HELD_OUT, TEST, SPLITS = 1000, 500, 6000, 3

# Rules and thresholds were written while looking at the first tables and operators only.
SEEN_TABLES = (
    "digits", "breast_cancer", "wine", "phoneme", "churn_modelling", "letter", "california",
    "diamonds", "adult", "covertype", "titanic", "mammography", "wine_quality", "ames", "diabetes",
    "iris", "hospital_days", "diamonds_cut", "wine_color", "adult_married", "ames_year",
    "letter_shape", "churn_country", "wine_alcohol", "titanic_class", "california_age",
    "ames_quality", "diamonds_clarity",
)  # fmt: skip
OTHER_TABLES = (
    "adult_sex", "wine_ph", "ames_style", "diamonds_color", "covertype_height", "titanic_port",
)  # fmt: skip
BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")
# The file and the column that is predicted.
SOURCES = {
    "adult": ("adult", "income"), "churn_modelling": ("churn_modelling", "Exited"),
    "phoneme": ("phoneme", "target"), "mammography": ("mammography", "class"),
    "letter": ("letter", ""), "covertype": ("covertype", "Cover_Type"),
    "california": ("california", "MedHouseVal"), "diamonds": ("diamonds", "price"),
    "wine_quality": ("wine_quality", "quality"), "ames": ("ames", "SalePrice"),
    "titanic": ("titanic", "survived"), "hospital_days": ("diabetes130", "time_in_hospital"),
    "diamonds_cut": ("diamonds", "cut"), "wine_color": ("wine_quality", "color"),
    "adult_married": ("adult", "marital_status"), "ames_year": ("ames", "Year Built"),
    "letter_shape": ("letter", "onpix"), "churn_country": ("churn_modelling", "Geography"),
    "wine_alcohol": ("wine_quality", "alcohol"), "titanic_class": ("titanic", "pclass"),
    "california_age": ("california", "HouseAge"), "ames_quality": ("ames", "Overall Qual"),
    "diamonds_clarity": ("diamonds", "clarity"), "adult_sex": ("adult", "sex"),
    "wine_ph": ("wine_quality", "pH"), "ames_style": ("ames", "House Style"),
    "diamonds_color": ("diamonds", "color"), "covertype_height": ("covertype", "Elevation"),
    "titanic_port": ("titanic", "embarked"),
}  # fmt: skip
NUMBERS = (
    "california", "diamonds", "wine_quality", "ames", "diabetes", "hospital_days", "ames_year",
    "letter_shape", "wine_alcohol", "california_age", "ames_quality",
    "wine_ph", "covertype_height",
)  # fmt: skip

_loaded: dict[str, tuple[Any, Any, bool]] = {}


@dataclass(frozen=True, eq=False)
class Case:
    """A training, and rows that nobody but the benchmark sees.

    ``x_test`` is as the user's rows come; ``score`` is made on it.
    """

    table: str
    plan: Plan
    x_test: Any
    y_test: Any
    numbers: bool
    balanced: bool = False
    seed: int = 0
    unshuffled: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    def score(self, plan: Plan, recording: Any) -> float:
        """Return accuracy (or its mean over the classes), or R2, on the benchmark's own rows."""
        outputs = plan.outputs(recording, self.x_test)
        y = self.y_test
        if self.numbers:
            with np.errstate(over="ignore", invalid="ignore"):
                errors = np.mean((outputs[:, 0].astype(float) - y) ** 2)
            return float(1 - errors / np.var(y)) if np.isfinite(errors) else -1e9
        if "as numbers" in self.notes and plan.network.targets == "numbers":
            predicted = np.round(outputs[:, 0])
        else:
            predicted = np.argmax(np.nan_to_num(outputs), axis=1)
        right = predicted == y
        if self.balanced:
            return float(np.mean([np.mean(right[y == k]) for k in np.unique(y)]))
        return float(np.mean(right))

    def trivial(self) -> float:
        """Return the score of the best constant."""
        if self.numbers:
            return 0.0
        counts = np.bincount(self.y_test)
        return 1 / np.count_nonzero(counts) if self.balanced else float(counts.max() / counts.sum())


def load(name: str, folder: Path) -> tuple[Any, Any, bool]:
    """Return inputs, targets and whether these are numbers; categories are one-hot."""
    if name in _loaded:
        return _loaded[name]
    import pandas as pd
    import sklearn.datasets as sd

    if name in BUNDLED:
        x, y = getattr(sd, f"load_{name}")(return_X_y=True)
        frame = pd.DataFrame(x)
    else:
        file, target = SOURCES[name]
        frame = pd.read_csv(folder / f"{file}.csv.gz", low_memory=False)
        if len(frame) > 12000:
            frame = frame.sample(12000, random_state=0)
        target = target or next(c for c in frame if frame[c].nunique() == 26)
        frame = frame[frame[target].notna()]
        y = frame.pop(target).to_numpy()
        frame = pd.get_dummies(frame, dtype=float)
        frame = frame.fillna(frame.mean(numeric_only=True))
        frame = frame.loc[:, (frame.std() > 0) & ((frame != 0).mean() > 0.005)]
    x = frame.to_numpy(float)
    numbers = name in NUMBERS
    if numbers:
        y = y.astype(float)
        y = (y - y.mean()) / y.std()
    else:
        _, y = np.unique(y, return_inverse=True)
    _loaded[name] = (x, y.astype(float if numbers else np.int64), numbers)
    return _loaded[name]


def healthy(name: str, folder: Path, seed: int) -> Case:
    """Return a training with sane settings, drawn at random, on a random part of a table."""
    x, y, numbers = load(name, folder)
    split = np.random.default_rng([seed % SPLITS, 2])
    rng = np.random.default_rng([seed, 1])
    order = split.permutation(len(y))
    n = min(TRAINING, int(0.6 * len(y)))
    m = min(HELD_OUT, int(0.2 * len(y)))
    parts = order[:n], order[n : n + m], order[n + m : n + m + TEST]
    mean, scale = x[parts[0]].mean(0), x[parts[0]].std(0)
    x = ((x - mean) / np.where(scale > 0, scale, 1)).astype(np.float32)
    x = np.clip(x, -8, 8)  # one far value among thousands of rows would decide R2
    hidden = [(32,), (64,), (100,), (64, 32), (32, 32), (128, 64)][rng.integers(6)]
    activation = ["relu", "relu", "tanh", "gelu", "leaky_relu"][rng.integers(5)]
    optimizer = [
        Adam(float(np.exp(rng.uniform(np.log(1e-3), np.log(5e-3))))),
        AdamW(float(np.exp(rng.uniform(np.log(1e-3), np.log(5e-3)))), weight_decay=0.01),
        Momentum(float(np.exp(rng.uniform(np.log(0.01), np.log(0.03)))), 0.9),
        GradientDescent(float(rng.uniform(0.05, 0.15))),
    ][rng.choice(4, p=[0.4, 0.2, 0.25, 0.15])]
    if numbers and isinstance(optimizer, Momentum | GradientDescent):
        optimizer = replace(optimizer, learning_rate=optimizer.learning_rate / 5)
    batch = int([16, 32, 32, 64][rng.integers(4)])
    steps = rng.integers(1200, 3000)
    outputs = 1 if numbers else int(y.max()) + 1
    network = Network(
        x.shape[1], hidden, outputs, activation, "squared_loss" if numbers else "log_loss",
        dropout=float([0, 0, 0.1, 0.2][rng.integers(4)]),
    )  # fmt: skip
    settings = Settings(
        optimizer,
        penalties=Penalties(l2=float([0, 0, 1e-4, 1e-3][rng.integers(4)])),
        epochs=int(np.clip(steps * batch // n, 10, 400)), batch_size=batch,
        patience=[None, 20][rng.integers(2)], seed=int(rng.integers(10000)), engine="native",
        n_threads=1,
    )  # fmt: skip
    target = y[:, np.newaxis].astype(np.float32) if numbers else y
    training, held_out, test = ((x[rows], target[rows]) for rows in parts)
    plan = Plan(network, training, held_out, settings)
    return Case(name, plan, test[0], y[parts[2]], numbers, seed=seed)


# ---- changes ----


def with_plan(case: Case, **changes: Any) -> Case:
    """Return a case with another plan."""
    return replace(case, plan=replace(case.plan, **changes))


def with_settings(case: Case, **changes: Any) -> Case:
    """Return a case with other settings."""
    return with_plan(case, settings=replace(case.plan.settings, **changes))


def with_network(case: Case, **changes: Any) -> Case:
    """Return a case with another network."""
    return with_plan(case, network=replace(case.plan.network, **changes))


def log_uniform(rng: Any, low: float, high: float) -> float:
    """Return a random number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
