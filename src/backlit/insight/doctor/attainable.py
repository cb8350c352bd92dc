"""What the data allow: a plain network with sane settings, trained on the same rows.

An absolute target (an accuracy of 0.6, a small gradient) is wrong on most tables. So the doctor
asks what another training reaches with the same rows. Where the watched one reaches as much, there
is nothing to cure, whatever its gradients look like.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.doctor.judging import credits, paired, trivial_outputs
from backlit.insight.recording import Part, Recording
from backlit.insight.subject import Subject, Targets
from backlit.networks.network import Network
from backlit.training.engines import unsupported
from backlit.training.loop import train
from backlit.training.optimizers import AdamW
from backlit.training.parameters import Layout
from backlit.training.schedules import Cosine
from backlit.training.settings import Settings, changed

_LOSS = {"classes": "log_loss", "labels": "label_log_loss", "numbers": "squared_loss",
         "counts": "poisson_loss"}  # fmt: skip
_HIDDEN = (64, 64)
_STEPS = 2_000
_BATCH = 32
_MOST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Evening:
    """Inputs brought to one size, column by column, with far values drawn in.

    Attributes
    ----------
    middle, spread : array, shape (inputs,)
    limit : float
        How many spreads from the middle the farthest value may be.
    """

    middle: NDArray[np.float64]
    spread: NDArray[np.float64]
    limit: float = 6.0

    @classmethod
    def of(cls, x: NDArray[Any]) -> Evening:
        """Find the middle and the spread of each column, whatever a few values are."""
        x = x.astype(np.float64)
        low, middle, high = np.quantile(x, [0.025, 0.5, 0.975], axis=0)
        spread = (high - low) / 3.92  # the deviation, where a column is normal
        # A column that is the same number nearly everywhere has no such spread.
        deviation = np.std(x, axis=0)
        narrow = spread <= 1e-9 * deviation
        middle = np.where(narrow, np.mean(x, axis=0), middle)
        spread = np.where(narrow, deviation, spread)
        return cls(middle, np.where(spread > 0, spread, 1.0))

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return the inputs, of one size."""
        even: NDArray[np.float64] = np.clip(
            (x.astype(np.float64) - self.middle) / self.spread, -self.limit, self.limit
        )
        return even


@dataclass(frozen=True, eq=False)
class Attainable:
    """A network that was trained with sane settings on the same rows.

    Attributes
    ----------
    judged : Part
        The rows by which networks are compared: held out, if there are any.
    unseen : bool
        Whether these rows are held out.
    credits, training_credits : array, shape (examples,)
        Of the judged rows and of the training rows; see `judging.credits`.
    trivial, training_trivial : array, shape (examples,)
        Those of the best constant outputs.
    outputs, training_outputs : array, shape (examples, outputs)
    """

    judged: Part
    unseen: bool
    credits: NDArray[np.float64]
    training_credits: NDArray[np.float64]
    trivial: NDArray[np.float64]
    training_trivial: NDArray[np.float64]
    outputs: NDArray[np.float64]
    training_outputs: NDArray[np.float64]

    @cached_property
    def score(self) -> float:
        """The reference's score on the judged rows."""
        return float(np.mean(self.credits))

    @cached_property
    def gap(self) -> tuple[float, float]:
        """How much better than the best constant the reference is, and its standard error."""
        return paired(self.credits, self.trivial)

    @cached_property
    def training_gap(self) -> float:
        """The same of the training rows."""
        return float(np.mean(self.training_credits - self.training_trivial))


def attainable(
    recording: Recording, judged: Part | None = None, *, balanced: bool = False
) -> Attainable:
    """Train a plain network on the rows of a recording.

    Parameters
    ----------
    recording : Recording
    judged : Part, optional
        Other rows to compare by; by default the held-out part, or else the training part.
    balanced : bool, default False
        Whether all classes count the same.

    Returns
    -------
    Attainable

    Notes
    -----
    Two hidden layers of 64 rectifiers, AdamW at 0.003 falling to 0 along a cosine, batches of 32,
    about 2,000 steps; inputs evened out, targets standardised; of all epochs, the one with the
    lowest loss on the judged rows, if these are held out. Of more than 20,000 rows of either part,
    20,000 are taken, evenly spread.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.attainable import attainable
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=3)
    >>> attainable(recording).score > 0.9
    True
    """
    subject = recording.subject
    outputs = subject.sizes[-1]
    others = judged or recording.held_out
    return train_plainly(
        some_of(recording.training), None if others is None else some_of(others), subject.targets,
        max(outputs, 2) if subject.targets == "classes" else outputs, balanced=balanced,
    )  # fmt: skip


def some_of(part: Part) -> Part:
    """Return evenly spread rows of a part, 20,000 at most, so that a diagnosis stays quick."""
    if len(part) <= _MOST_ROWS:
        return part
    rows = np.linspace(0, len(part) - 1, _MOST_ROWS).astype(np.intp)
    return Part(part.x[rows], part.y[rows], part.weights[rows], part.rows[rows])


def train_plainly(
    part: Part, judged: Part | None, targets: Targets, outputs: int, *, balanced: bool = False
) -> Attainable:
    """Train a plain network on some rows; see `attainable`."""
    unseen = judged is not None
    judged = judged or part
    x, y = part.inputs(slice(None)), part.y
    middle, scale = _target_scale(y, targets)
    even = Evening.of(x)
    network = Network(x.shape[1], _HIDDEN, outputs, loss=_LOSS[targets])
    settings = Settings(
        AdamW(0.003),
        Cosine(),
        epochs=int(np.clip(_STEPS * _BATCH // len(y), 5, 200)),
        batch_size=_BATCH,
    )
    # Thousands of small steps: kernels make them many times as fast as NumPy.
    if not unsupported(network, settings, len(y)):
        settings = changed(settings, engine="native")

    def arrays(some: Part) -> tuple[Any, Any, Any]:
        if targets != "classes":
            return even(some.inputs(slice(None))), (some.y - middle) / scale, some.weights
        weights = some.weights
        if balanced:
            weights = weights / np.maximum(np.bincount(y, minlength=outputs), 1)[some.y]
        return even(some.inputs(slice(None))), some.y, weights

    trained = train(network, arrays(part), arrays(judged) if unseen else None, settings)
    theta = Layout(network.shapes).flatten(trained.parameters)
    own = Subject.of(network)

    def outputs_of(some: Part) -> NDArray[np.float64]:
        z = own.outputs(theta, even(some.inputs(slice(None))).astype(theta.dtype))
        z = z.astype(np.float64)
        return z * scale + middle if targets == "numbers" else z

    constant = trivial_outputs(y, outputs, targets)
    found, trivial = {}, {}
    for name, some in (("judged", judged), ("training", part)):
        found[name] = outputs_of(some)
        trivial[name] = credits(np.broadcast_to(constant, found[name].shape), some.y, targets)
    return Attainable(
        judged, unseen, credits(found["judged"], judged.y, targets),
        credits(found["training"], y, targets), trivial["judged"], trivial["training"],
        found["judged"], found["training"],
    )  # fmt: skip


def _target_scale(y: NDArray[Any], targets: Targets) -> tuple[Any, Any]:
    if targets != "numbers":
        return 0.0, 1.0
    deviation = np.std(y, axis=0, dtype=np.float64)
    return np.mean(y, axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)
