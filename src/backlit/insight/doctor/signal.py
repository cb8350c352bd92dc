"""How strong activations, deltas, gradients and updates are, layer by layer, over a training.

At some moments of a replay, a sample of the training rows runs through the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.doctor.steps import moments_at
from backlit.insight.recording import Moment, Recording
from backlit.insight.subject import Passes, Subject

_MOMENTS = 12
_ROWS = 512
# Beyond this many units of its slope's range a bounded unit hardly lets a delta through: the slope
# of the logistic function at 5 is 0.007, that of tanh at 3 is 0.01.
_FLAT = {"logistic": 5.0, "tanh": 3.0}
_SLEEPING = 1e-3


@dataclass(frozen=True, eq=False)
class Layerwise:
    """One layer at one moment.

    Attributes
    ----------
    activation, pre_activation, delta : float
        Root mean squares over rows and units.
    gradient, update, weights : float
        Norms of the gradient over the sampled rows, of the step's change and of the parameters.
    silent, sleeping, flat : float
        The shares of hidden units that are 0 for all rows, that are above 0 for less than one row
        in a thousand, and that are at their bounds for nine rows in ten. 0 for the output layer.
    alike : float
        The share of units that are copies of another one.
    """

    activation: float
    pre_activation: float
    delta: float
    gradient: float
    update: float
    weights: float
    silent: float
    sleeping: float
    flat: float
    alike: float


@dataclass(frozen=True, eq=False)
class Look:
    """All layers at one moment.

    Attributes
    ----------
    step, epoch : int
    layers : tuple of Layerwise
    loss : float
        The mean over the sampled rows, without dropout.
    noise : float
        The sum of the variances of one example's gradient.
    squared_gradient : float
        The squared norm of the true gradient, without what the noise of the sample adds to it; may
        be below 0, where there is only noise.
    data_gradient, penalty_gradient : float
        Norms.
    alpha : float
        Where the step landed on the parabola through the loss along it: -1 where it began, 0 in the
        minimum, 1 on the opposite wall.
    """

    step: int
    epoch: int
    layers: tuple[Layerwise, ...]
    loss: float
    noise: float
    squared_gradient: float
    data_gradient: float
    penalty_gradient: float
    alpha: float


@dataclass(frozen=True, eq=False)
class Signal(Answer):
    """The sizes of what flows through the network, over a training.

    Attributes
    ----------
    looks : tuple of Look
    activations : tuple of str
        The names of the hidden layers' activations.
    last : Moment
        The last step.
    """

    looks: tuple[Look, ...]
    activations: tuple[str, ...]
    last: Moment

    @property
    def batch_size(self) -> float:
        """The batch whose noise is as strong as its gradient, over the second half of the looks.

        The "simple noise scale" of S. McCandlish and others, "An empirical model of large-batch
        training", 2018: smaller batches are mostly noise, larger ones mostly agree. Infinite where
        no gradient can be told from the noise.
        """
        later = self.looks[len(self.looks) // 2 :]
        signal = sum(look.squared_gradient for look in later)
        noise = sum(look.noise for look in later)
        return float(noise / signal) if signal > 0 else float("inf")

    def since(self, kind: str, layer: int, share: float = 0.5) -> int | None:
        """Return the first step from which on so many units of a layer were always so.

        Parameters
        ----------
        kind : {"silent", "sleeping", "flat", "alike"}
        layer : int
            From 0.
        share : float, default 0.5

        Returns
        -------
        int or None
        """
        step = None
        for look in reversed(self.looks):
            if getattr(look.layers[layer], kind) < share:
                break
            step = look.step
        return step

    def summary(self) -> str:
        """Return the state of the last look in words."""
        last = self.looks[-1]
        lines = [f"After step {last.step}, over a sample of the training rows:"]
        for number, layer in enumerate(last.layers, 1):
            units = ", ".join(
                f"{getattr(layer, kind):.0%} {word}"
                for kind, word in (("silent", "dead"), ("flat", "saturated"))
                if getattr(layer, kind) >= 0.005
            )
            ratio = layer.update / layer.weights if layer.weights else float("nan")
            lines.append(
                f"  layer {number}: inputs {layer.activation:.2g}, deltas {layer.delta:.2g}, "
                f"a step changes its parameters by {ratio:.1e} of their size"
                f"{f'; units: {units}' if units else ''}"
            )
        size = self.batch_size
        lines.append(
            f"A batch of about {size:.0f} rows has as much gradient as noise."
            if np.isfinite(size)
            else "No gradient can be told from the noise of single rows."
        )
        return "\n".join(lines)

    def columns(self) -> Mapping[str, Any]:
        """Return one row for each look and layer."""
        names = Layerwise.__dataclass_fields__
        rows = [
            (look.step, look.epoch, number, *(getattr(layer, name) for name in names))
            for look in self.looks
            for number, layer in enumerate(look.layers, 1)
        ]
        return dict(zip(("step", "epoch", "layer", *names), map(list, zip(*rows, strict=True)),
                        strict=True))  # fmt: skip

    def _draw(self, axes: Any) -> None:
        steps = [look.step for look in self.looks]
        for number in range(len(self.looks[0].layers)):
            deltas = [look.layers[number].delta for look in self.looks]
            axes.loglog(steps, deltas, marker="o", markersize=3, label=f"layer {number + 1}")
        axes.set(xlabel="step", ylabel="delta (root mean square)")
        axes.legend(frameon=False)


def follow(recording: Recording, moments: int = _MOMENTS) -> Signal:
    """Repeat a training, and look at some of its moments.

    Parameters
    ----------
    recording : Recording
    moments : int, default 12
        How many looks, evenly on a logarithmic scale of steps.

    Returns
    -------
    Signal

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.signal import follow
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=3)
    >>> signal = follow(recording)
    >>> signal.looks[0].step, signal.looks[-1].step
    (1, 12)
    """
    last = len(recording.learning_rate)
    numbers = np.unique(np.geomspace(1, last, min(moments, last)).round().astype(int)).tolist()
    rows = sample(recording, _ROWS)
    x, y = recording.training.inputs(rows), recording.training.y[rows]
    found = moments_at(recording, numbers)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        looks = tuple(_look(recording, moment, x, y) for moment in found)
    return Signal(looks, recording.subject.activation_names, found[-1])


def sample(recording: Recording, most: int) -> NDArray[np.intp]:
    """Return the places of evenly spread training rows, at most so many."""
    count = len(recording.training)
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.intp))


def _look(recording: Recording, moment: Moment, x: Any, y: Any) -> Look:
    subject, course = recording.subject, recording.course
    x = x.astype(moment.theta.dtype)
    passes = subject.passes(moment.theta, x, y)
    count = len(y)
    gradient = subject.gradient(passes, np.full(count, 1 / count, moment.theta.dtype))
    squared = sum(
        np.sum(d.astype(float) ** 2, axis=1) * (np.sum(a.astype(float) ** 2, axis=1) + 1)
        for a, d in zip(passes.inputs, passes.deltas, strict=True)
    )
    of_mean = float(np.sum(gradient.astype(float) ** 2))
    noise = float((np.sum(squared) - count * of_mean) / max(count - 1, 1))
    penalty = course.penalty(moment.theta, moment.rows).astype(float)
    rate = float(moment.learning_rate)
    if rate:
        penalty = (
            penalty + course.shrinkage(moment.learning_rate).astype(float) / rate * moment.theta
        )
    return Look(
        moment.number, moment.epoch, _layers(subject, passes, gradient, moment),
        float(np.mean(passes.losses)), noise, of_mean - noise / count,
        float(np.sqrt(of_mean)), float(np.sqrt(np.sum(penalty**2))),
        landing(recording, moment),
    )  # fmt: skip


def _layers(
    subject: Subject, passes: Passes, gradient: NDArray[Any], moment: Moment
) -> tuple[Layerwise, ...]:
    views = {
        name: subject.layout.views(vector.astype(float))
        for name, vector in (
            ("gradient", gradient),
            ("update", moment.after.astype(float) - moment.theta),
            ("weights", moment.theta),
        )
    }

    def norm(of: str, layer: int) -> float:
        parts = views[of]
        return float(np.sqrt(np.sum(parts[f"W{layer}"] ** 2) + np.sum(parts[f"b{layer}"] ** 2)))

    found = []
    for layer in range(1, subject.depth + 1):
        silent = sleeping = flat = alike = 0.0
        z = passes.pre_activations[layer - 1]
        if layer < subject.depth:
            a = passes.inputs[layer]
            name = subject.activation_names[layer - 1]
            silent = float(np.mean(np.max(np.abs(a), axis=0) <= 1e-12))
            sleeping = float(np.mean(np.mean(np.abs(a) > 1e-12, axis=0) < _SLEEPING))
            if name in _FLAT:
                flat = float(np.mean(np.mean(np.abs(z) > _FLAT[name], axis=0) > 0.9))
            # Without inputs that differ, units differ by their biases only.
            if np.any(np.ptp(passes.inputs[layer - 1], axis=0) > 0):
                alike = copies(z)
        found.append(
            Layerwise(
                rms(passes.inputs[layer - 1]),
                rms(z),
                rms(passes.deltas[layer - 1]),
                norm("gradient", layer),
                norm("update", layer),
                norm("weights", layer),
                silent,
                sleeping,
                flat,
                alike,
            )
        )
    return tuple(found)


def copies(z: NDArray[Any]) -> float:
    """Return the share of columns that are the same as another one, up to rounding."""
    if z.shape[1] == 1:
        return 0.0
    z = z.astype(np.float64) - np.mean(z, dtype=np.float64)
    size = np.sqrt(np.mean(z**2))
    if not np.isfinite(size):
        return 0.0
    # Copies have the same sums with any weights of the rows; others hardly ever do.
    sums = np.random.default_rng(0).standard_normal((2, len(z))) @ (z / (size or 1.0))
    sums = np.round(sums / np.sqrt(len(z)), 5)
    _, places, counts = np.unique(sums, axis=1, return_inverse=True, return_counts=True)
    return float(np.mean(counts[places.ravel()] > 1))


def rms(values: NDArray[Any]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def landing(recording: Recording, moment: Moment) -> float:
    """Return where a step landed on the parabola of the loss along it.

    The parabola is fitted to the loss and its slope before and after the step, on the step's batch,
    by weighted least squares: the weights are one over the variance of each of the four numbers
    over the examples (F. Schneider and others, "Cockpit", 2021, appendix C).

    Parameters
    ----------
    recording : Recording
    moment : Moment

    Returns
    -------
    float
        -1 where the step began, 0 in the minimum, 1 on the opposite wall; NaN where the step did
        not move.
    """
    subject, part = recording.subject, recording.training
    step = moment.after.astype(float) - moment.theta
    length = float(np.sqrt(np.sum(step**2)))
    if not 0 < length < np.inf:
        return float("nan")
    x, y = part.inputs(moment.rows), part.y[moment.rows]
    shares = recording.course.shares(moment.rows).astype(float)
    rows, targets, errors = [], [], []
    for place, theta in ((0.0, moment.theta), (length, moment.after)):
        passes = subject.passes(theta, x.astype(theta.dtype), y, moment.key)
        slopes = subject.products(passes, step) / length
        for row, values in (
            ([1, place, place**2], passes.losses.astype(float)),
            ([0, 1, 2 * place], slopes.astype(float)),
        ):
            mean = float(shares @ values)
            rows.append(row)
            targets.append(mean)
            errors.append(float(shares @ (values - mean) ** 2))
    weights = 1 / np.sqrt(np.array(errors) + 1e-12 * (1 + max(errors)))
    if not np.all(np.isfinite(targets)) or not np.all(np.isfinite(weights)):
        return float("nan")
    design = np.array(rows, float) * weights[:, np.newaxis]
    fitted, *_ = np.linalg.lstsq(design, np.array(targets) * weights, rcond=None)
    _, slope, curvature = fitted
    if slope >= 0:  # a step uphill: nothing lies ahead
        return float("nan")
    return -1.0 if curvature <= 0 else float(length / (-slope / (2 * curvature)) - 1)
