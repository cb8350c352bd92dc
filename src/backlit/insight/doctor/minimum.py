"""Was a minimum found? The gradient, the curvature, and the slope of the last epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.derivatives import grad, hvp
from backlit.insight.answer import Answer
from backlit.insight.doctor.signal import sample
from backlit.insight.recording import Recording
from backlit.networks.layers import dense

_ROWS = 1_000


@dataclass(frozen=True, eq=False)
class Minimum(Answer):
    """Where in the landscape of the training loss the kept parameters are.

    Attributes
    ----------
    loss : float
        The mean over the rows that were looked at, with penalties.
    gradient : float
        Its gradient's norm.
    along : float
        The curvature along the gradient.
    to_gain : float
        How much lower the loss would be after the best step along the gradient, if the loss were
        the parabola that it looks like: ``gradient**2 / (2 * along)``. Infinite where it curves
        down.
    largest, smallest : float
        The largest and the smallest eigenvalue of the Hessian.
    last_epochs : float
        By how much of itself the training loss fell from the last tenth but one of the epochs to
        the last.
    rows : int
        How many training rows were looked at.
    """

    loss: float
    gradient: float
    along: float
    to_gain: float
    largest: float
    smallest: float
    last_epochs: float
    rows: int

    @property
    def found(self) -> bool:
        """Whether this is a minimum, for practical purposes.

        No step along the gradient gains a hundredth of the loss, and the loss does not curve down
        in any direction by more than a tenth of what it curves up.
        """
        return self.to_gain < 0.01 * abs(self.loss) and self.smallest > -0.1 * self.largest

    def summary(self) -> str:
        """Return the answer in words."""
        if self.found:
            first = "A minimum was found, for practical purposes"
        elif self.to_gain >= 0.01 * abs(self.loss):
            first = "No minimum was found: the loss still slopes"
        else:
            first = "The loss is flat here, but curves down in some direction: not a minimum"
        gain = (
            "without bound, as it looks from here"
            if np.isinf(self.to_gain)
            else f"by {self.to_gain:.2g}"
        )
        return (
            f"{first}. The training loss is {self.loss:.4g}, its gradient has a norm of "
            f"{self.gradient:.2g}, and the best step along it would lower the loss {gain}. "
            f"Curvatures go from {self.smallest:.2g} to {self.largest:.2g}. Over the last epochs "
            f"the loss fell by {self.last_epochs:.1%}."
        )

    def columns(self) -> Mapping[str, Any]:
        """Return the numbers, one row."""
        return {name: [getattr(self, name)] for name in self.__dataclass_fields__}

    def _draw(self, axes: Any) -> None:
        reach = 2 * self.gradient / self.along if self.along > 0 else 1.0
        steps = np.linspace(0, reach, 50)
        axes.plot(steps, self.loss - self.gradient * steps + self.along * steps**2 / 2)
        axes.set(xlabel="distance along the gradient", ylabel="loss, as a parabola")


def find_minimum(recording: Recording) -> Minimum:
    """Look at the training loss around the parameters that were kept.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    Minimum

    Notes
    -----
    Eigenvalues come from Lanczos's iteration on products with the Hessian (`backlit.hvp`); the
    Hessian itself is never formed. Without dropout; over at most 1,000 training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor.minimum import find_minimum
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (), 1, loss="squared_loss"), (x, 2 * x), epochs=3)
    >>> find_minimum(recording).found
    False
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    subject, part = recording.subject, recording.training
    rows = sample(recording, _ROWS)
    x, y = part.inputs(rows).astype(np.float64), part.y[rows]
    shares = part.weights[rows].astype(np.float64)
    shares = shares / np.sum(shares)
    names = list(subject.layout.shapes)

    def mean_loss(*arrays: Any) -> Any:
        parameters = dict(zip(names, arrays, strict=True))
        a = x
        for layer in range(1, subject.depth + 1):
            z = dense(a, parameters[f"W{layer}"], parameters[f"b{layer}"])
            a = z if layer == subject.depth else subject.activations[layer - 1](z)
        return np.sum(subject.losses(a, y) * shares)

    theta = recording.theta.astype(np.float64)

    def parts(vector: NDArray[Any]) -> tuple[Any, ...]:
        return tuple(subject.layout.views(vector)[name] for name in names)

    def flat(arrays: Any) -> NDArray[np.float64]:
        joined: NDArray[np.float64] = subject.layout.flatten(dict(zip(names, arrays, strict=True)))
        return joined

    everyone = np.arange(len(part))

    def penalty(point: NDArray[Any]) -> NDArray[np.float64]:
        return recording.course.penalty(point.astype(recording.theta.dtype), everyone).astype(float)

    def curved(vector: NDArray[Any]) -> NDArray[np.float64]:
        vector = vector.ravel()
        size = float(np.sqrt(np.sum(vector**2))) or 1.0
        product = flat(hvp(mean_loss, parts(theta), parts(vector)))
        # A penalty's gradient is linear, or nearly so.
        return product + (penalty(theta + vector / size) - penalty(theta)) * size

    loss = float(mean_loss(*parts(theta)))
    gradient = flat(grad(mean_loss, argnums=tuple(range(len(names))))(*parts(theta)))
    gradient = gradient + penalty(theta)
    squared = float(np.sum(gradient**2))
    along = float(gradient @ curved(gradient)) / squared if squared > 0 else 0.0
    gain = squared / (2 * along) if along > 0 else (np.inf if squared > 0 else 0.0)
    operator = LinearOperator((len(theta),) * 2, matvec=curved, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(len(theta))
    if len(theta) > 2:
        # A tenth is close enough to say which sign and what size.
        ends = [
            float(eigsh(operator, 1, which=end, v0=start, tol=0.1, return_eigenvectors=False,
                        maxiter=100 * len(theta))[0])
            for end in ("LA", "SA")
        ]  # fmt: skip
    else:
        matrix = np.stack([curved(column) for column in np.eye(len(theta))])
        ends = [float(end) for end in np.linalg.eigvalsh(matrix)[[-1, 0]]]
    return Minimum(
        loss, float(np.sqrt(squared)), along, float(gain), ends[0], ends[1],
        _last_epochs(recording), len(rows),
    )  # fmt: skip


def _last_epochs(recording: Recording) -> float:
    by_epoch = np.nanmean(recording.visits_by_row(recording.loss.astype(np.float64)), axis=0)
    tenth = max(1, len(by_epoch) // 10)
    if len(by_epoch) < 2 * tenth:
        return float("nan")
    before, last = np.mean(by_epoch[-2 * tenth : -tenth]), np.mean(by_epoch[-tenth:])
    return float((before - last) / abs(before)) if before else 0.0
