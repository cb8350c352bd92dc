"""What is known of the data before the first step: their scales, their order, far values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.doctor.attainable import Attainable, Evening, train_plainly
from backlit.insight.recording import Part
from backlit.insight.subject import Targets


@dataclass(frozen=True, eq=False)
class Given:
    """Rows to train on, rows to judge by, and numbers that tell of them.

    Attributes
    ----------
    training, judged : Part
        The judged rows are held out, or else the training rows again.
    unseen : bool
        Whether the judged rows are held out.
    targets : {"classes", "labels", "numbers", "counts"}
    outputs : int
        How many a network needs.
    input_names, output_names : tuple of str
    numbers : dict of str to float
    known : Attainable or None
        What a plain network reaches, if that is known.
    """

    training: Part
    judged: Part
    unseen: bool
    targets: Targets
    outputs: int
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    numbers: dict[str, float] = field(default_factory=dict)
    known: Attainable | None = None

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]

    @cached_property
    def reference(self) -> Attainable:
        """What a plain network reaches on the same rows; trained when first asked for."""
        return self.known or train_plainly(
            self.training, self.judged if self.unseen else None, self.targets, self.outputs
        )


OFTEN = 10  # rows in which a column must hold something unusual to be judged


def tell_inputs(training: Part, judged: Part, unseen: bool) -> dict[str, float]:
    """Return the scales of the columns, far values, and how held-out rows differ.

    Parameters
    ----------
    training, judged : Part
    unseen : bool
        Whether the judged rows are other rows.

    Returns
    -------
    dict of str to float
        Sizes are root mean squares, distances in spreads of `Evening`.
    """
    x = training.inputs(slice(None)).astype(np.float64)
    even = Evening.of(x)
    deviation = np.std(x, axis=0)
    vary = deviation > 1e-12 * np.maximum(np.max(np.abs(x), axis=0), 1e-300)
    # A rare level's column is nearly always 0, and that is as it should be.
    known = vary & (np.sum(x != np.median(x, axis=0), axis=0) >= OFTEN)
    size = np.sqrt(np.mean(x**2, axis=0))[known if np.any(known) else vary]
    far = np.max(np.abs(x - even.middle) / even.spread, axis=1, initial=0.0)
    found = {
        "constant_columns": float(np.sum(~vary)),
        "largest_column": float(np.max(size, initial=0.0)),
        "median_column": float(np.median(size)) if size.size else 0.0,
        "smallest_deviation": float(np.min(deviation[vary], initial=np.inf)),
        "farthest": float(np.max(far)),
        "far_rows": float(np.mean(far > 30)),
        # How little of a column's deviation its usual values have.
        "squeezed": float(np.median(even.spread[vary] / deviation[vary])) if size.size else 1.0,
        "shift": 0.0, "shift_size": 0.0, "stretch": 0.0,
    }  # fmt: skip
    if not unseen or not size.size:
        return found
    mine, theirs = even(x), even(judged.inputs(slice(None)))
    # A rare level may be missing from the held-out rows by chance alone.
    often = np.mean(mine != np.median(mine, axis=0), axis=0) * len(theirs) >= OFTEN
    if not np.any(vary & often):
        return found
    mine, theirs = mine[:, vary & often], theirs[:, vary & often]
    deviations = np.maximum(np.std(mine, axis=0), 1e-9)
    shift = float(np.median(np.abs(np.mean(theirs, axis=0) - np.mean(mine, axis=0)) / deviations))
    ratios = np.maximum(np.std(theirs, axis=0), 1e-9) / deviations
    error = np.sqrt(1 / len(mine) + 1 / len(theirs))
    return found | {
        "shift": shift / error,
        "shift_size": shift,
        "stretch": float(np.median(np.abs(np.log(ratios)))),
    }


def tell_targets(training: Part, targets: Targets) -> dict[str, float]:
    """Return the scale and the far values of numbers, or how rare the rarest class is."""
    y = training.y
    if targets == "numbers":
        even = Evening.of(y)
        return {
            "target_size": float(np.sqrt(np.mean(y.astype(float) ** 2))),
            "target_deviation": float(np.max(np.std(y.astype(float), axis=0))),
            "target_farthest": float(np.max(np.abs(y - even.middle) / even.spread)),
            "target_levels": float(len(np.unique(y))) if y.shape[1] == 1 else np.inf,
            "target_whole": float(np.all(y == np.round(y))),
        }
    if targets != "classes":
        return {}
    shares = np.bincount(y, minlength=2) / len(y)
    present = shares[shares > 0]
    return {"rarest": float(np.min(present)) * len(present)}


def neighbours_alike(y: NDArray[Any], targets: Targets) -> float:
    """Return how much rows that follow each other have like targets, as a correlation.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.given import neighbours_alike
    >>> round(neighbours_alike(np.repeat([0, 1], 50), "classes"), 2)
    0.97
    """
    values: NDArray[Any] = y.astype(float).reshape(len(y), -1)
    if targets == "classes":
        values = (y[:, np.newaxis] == np.unique(y)).astype(float)
    centred = values - np.mean(values, axis=0)
    power = float(np.sum(centred**2))
    return float(np.sum(centred[1:] * centred[:-1])) / power if power > 0 else 0.0
