"""Why this prediction, from its inputs: the exact linear map, and integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.autodiff.derivatives import grad, vjp
from backlit.execution.blas import one_thread
from backlit.insight.contributions import Contributions, inputs_of, quantity_of
from backlit.insight.naming import written
from backlit.insight.recording import Recording

PIECEWISE_LINEAR = ("identity", "relu", "leaky_relu")

# ----- The linear map ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class LinearMap(Contributions):
    """The network around one example, which is exactly linear until a unit passes its kink.

    Attributes
    ----------
    weights : array of float64, shape (inputs, outputs)
        ``inputs @ weights + biases`` are the network's outputs, before the last activation.
    biases : array of float64, shape (outputs,)
    radius : float
        How far the inputs may move, in any direction, before the map changes: the Euclidean
        distance to the nearest kink. Infinite where there is none.
    kink : tuple of int or None
        The layer (counted from 1) and the unit (from 0) of the nearest kink.
    lower, upper : array of float64, shape (inputs,)
        Between which numbers each input may go alone before the map changes.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    radius: float
    kink: tuple[int, int] | None
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    def summary(self) -> str:
        """Return the strongest contributions, and where the map ends."""
        end = "It holds for all inputs: no unit has a kink."
        if self.kink is not None:
            layer, unit = self.kink
            end = (
                f"The network is exactly this sum of weight x input until the inputs have moved by "
                f"{written(self.radius)}, where unit {unit + 1} of layer {layer} passes its kink."
            )
        return f"{super().summary()}\n{end}"

    def columns(self) -> dict[str, Any]:
        """Return a row for each input."""
        return {**super().columns(), "lower": self.lower, "upper": self.upper}


def linear_map(
    recording: Recording, row: int | ArrayLike, *, output: int | str | None = None,
    against: int | str | None = None,
) -> LinearMap:  # fmt: skip
    """Return the linear map that a network of rectifiers is around an example.

    Parameters
    ----------
    recording : Recording
        Of a network whose activations are identity, relu or leaky_relu; its kept weights are
        looked at.
    row : int, or array of shape (inputs,)
        Where the example is in the user's data, or what the network is given.
    output, against : int or str, optional
        A class and another, a label or a target, by name or position. By default the predicted
        class against the strongest other, the label of largest output, or the first target.

    Returns
    -------
    LinearMap
        A weight times an input is what the input contributes.

    Raises
    ------
    ValueError
        If an activation is another, or there is no such row or output.

    Notes
    -----
    With the slopes ``s`` of a layer's units at the example, its activations are ``s * z`` (a
    rectifier's value is its slope times its pre-activation), so that layers multiply out to
    ``W1 diag(s1) W2 diag(s2) ... x + b``. A unit's pre-activation ``z = g @ x + c`` becomes 0 at
    the distance ``abs(z) / norm(g)``, and no formula changes before the first one does.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.inputs import linear_map
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 3.0]])
    >>> network = Network(2, (4,), 1, loss="squared_loss")
    >>> _, recording = watch(network, (x, x[:, :1] - x[:, 1:]), epochs=200, dtype="float64")
    >>> found = linear_map(recording, row=1)
    >>> bool(abs(x[1] @ found.weights[:, 0] + found.biases[0] - found.value) < 1e-12)
    True
    """
    subject = recording.subject
    for layer, name in enumerate(subject.activation_names, start=1):
        if name not in PIECEWISE_LINEAR:
            raise ValueError(
                f"linear_map: layer {layer} has {name} units, and only networks of "
                f"{', '.join(PIECEWISE_LINEAR)} are linear in pieces; use integrated_gradients"
            )
    number, x = inputs_of(recording, row, "linear_map")
    with one_thread():
        return _map(recording, number, x, output, against)


def _map(
    recording: Recording, number: int | None, x: NDArray[np.float64], output: int | str | None,
    against: int | str | None,
) -> LinearMap:  # fmt: skip
    subject = recording.subject
    theta = recording.theta.astype(np.float64)
    parameters = subject.layout.views(theta)
    matrix, bias = np.eye(len(x)), np.zeros(len(x))
    radius, kink = np.inf, None
    lower, upper = np.full(len(x), -np.inf), np.full(len(x), np.inf)
    for layer in range(1, subject.depth + 1):
        W = parameters[f"W{layer}"]
        matrix, bias = matrix @ W, bias @ W + parameters[f"b{layer}"]
        if layer == subject.depth:
            break
        z = x @ matrix + bias
        if subject.activation_names[layer - 1] != "identity":
            sizes = np.linalg.norm(matrix, axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                # A unit that no input reaches never passes its kink.
                distances = np.where(sizes > 0, np.abs(z) / sizes, np.inf)
                moves = np.where(matrix != 0, -z / matrix, np.inf)
            nearest = int(np.argmin(distances))
            if distances[nearest] < radius:
                radius, kink = float(distances[nearest]), (layer, nearest)
            upper = np.minimum(upper, np.min(np.where(moves >= 0, moves, np.inf), axis=1))
            lower = np.maximum(lower, np.max(np.where(moves <= 0, moves, -np.inf), axis=1))
        _, pullback = vjp(partial(subject.activate, layer), z[np.newaxis])
        slopes = pullback(np.ones((1, len(z))))[0][0]
        matrix, bias = matrix * slopes, bias * slopes
    outputs = subject.outputs(theta, x[np.newaxis])[0]
    quantity = quantity_of(recording, outputs, output, against, "linear_map")
    weights, value = matrix @ quantity.coefficients, float(outputs @ quantity.coefficients)
    start, contributions = float(bias @ quantity.coefficients), weights * x
    return LinearMap(
        number, quantity.name, value, "bias of the map", start, recording.input_names, x,
        contributions, value - start - float(np.sum(contributions)),
        matrix, bias, radius, kink, x + lower, x + upper,
    )  # fmt: skip


# ----- Integrated gradients ----------------------------------------------------------------------

# Two rules of Gauss and Legendre, whose difference tells how good the better one is.
BETTER, OTHER = np.polynomial.legendre.leggauss(5), np.polynomial.legendre.leggauss(4)
FIRST_PIECES, MOST_PIECES = 8, 5_000


@dataclass(frozen=True, eq=False, repr=False)
class IntegratedGradients(Contributions):
    """What each input contributes on the way from a baseline to an example.

    Attributes
    ----------
    baseline : array of float64, shape (inputs,)
    error : float
        How far the contributions may be wrong together, as estimated.
    pieces : int
        In how many pieces the way was integrated.
    """

    baseline: NDArray[np.float64]
    error: float
    pieces: int

    def summary(self) -> str:
        """Return the strongest contributions, and how exact they are."""
        missing = f"{written(self.residual)} is missing to the value"
        if abs(self.residual) < 1e-9 * np.sum(np.abs(self.contributions)):
            missing = "nothing is missing to the value but rounding"
        return (
            f"{super().summary()}\nIntegrated over {self.pieces} pieces of the way from the "
            f"baseline; {missing}."
        )

    def columns(self) -> dict[str, Any]:
        """Return a row for each input."""
        return {**super().columns(), "baseline": self.baseline}


def integrated_gradients(
    recording: Recording, row: int | ArrayLike, *, output: int | str | None = None,
    against: int | str | None = None, baseline: ArrayLike | None = None, tolerance: float = 1e-4,
) -> IntegratedGradients:  # fmt: skip
    """Return what each input contributes to a prediction, on the straight way from a baseline.

    Parameters
    ----------
    recording : Recording
        Of a network with any activations; its kept weights are looked at.
    row : int, or array of shape (inputs,)
        Where the example is in the user's data, or what the network is given.
    output, against : int or str, optional
        As for `linear_map`.
    baseline : array, shape (inputs,), optional
        Where no input contributes; by default the mean of the training part.
    tolerance : float, default 1e-4
        The way is cut into more pieces until the error is estimated below this part of the sum of
        the absolute contributions.

    Returns
    -------
    IntegratedGradients
        The contribution of an input is its way from the baseline times the mean of the quantity's
        derivative by it along the way.

    Raises
    ------
    ValueError
        If there is no such row or output, the baseline has another shape, or the tolerance is not
        reached with 5,000 pieces.

    Notes
    -----
    Equation 1 of M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks",
    2017. That the contributions sum to what changes from the baseline ("completeness") is used:
    pieces of the way whose sum misses their own change are halved. Computed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.inputs import integrated_gradients
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> network = Network(2, (8,), 1, "tanh", loss="squared_loss")
    >>> _, recording = watch(network, (x, x[:, :1]), epochs=100)
    >>> found = integrated_gradients(recording, row=3, baseline=np.zeros(2))
    >>> bool(abs(found.residual) < 1e-4 * np.sum(np.abs(found.contributions)))
    True
    """
    who = "integrated_gradients"
    if not tolerance > 0:
        raise ValueError(f"{who}: tolerance must be above 0, not {tolerance}")
    subject = recording.subject
    number, x = inputs_of(recording, row, who)
    if baseline is None:
        start = np.asarray(recording.training.x.mean(axis=0), np.float64).ravel()
    else:
        _, start = inputs_of(recording, np.asarray(baseline), f"{who}, baseline")
    theta = recording.theta.astype(np.float64)
    with one_thread():
        ends = subject.outputs(theta, np.stack([start, x]))
        quantity = quantity_of(recording, ends[1], output, against, who)

        def value(points: Any) -> Any:
            return subject.outputs(theta, points) @ quantity.coefficients

        integral, error, pieces = _integrate(value, start, x, tolerance)
    before, after = (float(number) for number in value(np.stack([start, x])))
    name = "at the mean of the training part" if baseline is None else "at the baseline"
    return IntegratedGradients(
        number, quantity.name, after, name, before, recording.input_names, x, integral,
        after - before - float(np.sum(integral)), start, error, pieces,
    )  # fmt: skip


def _integrate(
    value: Any, start: NDArray[np.float64], end: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.float64], float, int]:
    """Return the integral of the gradient along a way, by input; its error; in how many pieces."""
    way = end - start
    slope = grad(lambda points: np.sum(value(points)))

    def integrals(left: NDArray[Any], width: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the integral over each piece of the way, by input, and its error."""
        found = []
        for nodes, weights in (BETTER, OTHER):
            at = left[:, np.newaxis] + width[:, np.newaxis] * (nodes + 1) / 2
            slopes = slope(start + at.reshape(-1, 1) * way).reshape(*at.shape, len(way))
            found.append(np.einsum("pni,n->pi", slopes, weights / 2) * width[:, np.newaxis] * way)
        edges = np.concatenate([left, left + width])[:, np.newaxis]
        before, after = np.split(value(start + edges * way), 2)
        missing = np.abs(np.sum(found[0], axis=1) - (after - before))
        return found[0], np.maximum(missing, np.sum(np.abs(found[0] - found[1]), axis=1))

    left = np.arange(FIRST_PIECES) / FIRST_PIECES
    width = np.full(FIRST_PIECES, 1 / FIRST_PIECES)
    found, errors = integrals(left, width)
    while True:
        total = np.sum(found, axis=0)
        allowed = tolerance * np.sum(np.abs(total))
        if np.sum(errors) <= allowed:
            return total, float(np.sum(errors)), len(left)
        bad = errors > allowed / 2 / len(left)
        if len(left) + np.sum(bad) > MOST_PIECES:
            raise ValueError(
                f"integrated_gradients: the tolerance of {tolerance:g} is not reached with "
                f"{MOST_PIECES:,} pieces of the way; take a larger one"
            )
        half = width[bad] / 2
        halves = np.concatenate([left[bad], left[bad] + half]), np.tile(half, 2)
        more, more_errors = integrals(*halves)
        left, width = np.r_[left[~bad], halves[0]], np.r_[width[~bad], halves[1]]
        found = np.concatenate([found[~bad], more])
        errors = np.concatenate([errors[~bad], more_errors])
