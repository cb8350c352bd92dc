"""The chance that a number to predict is wrong: residuals of two kinds.

A residual is a target less what the network said, in units of the usual residual of rows with
similar predictions. Most come from Student's t distribution, whose heavy tails are a property of
the data. A wrong target has nothing to do with the row: it is drawn from all targets. So

    density(residual) = (1 - rate) * t(residual; scale, degrees) + rate * density of all targets

which is fitted by the EM algorithm (A. Dempster, N. Laird and D. Rubin, 1977), for tails of several
weights, with the second term and without it. The chance that a target is wrong is the second term's
part, averaged over the fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.special import stdtrit

_DEGREES = (2.0, 3.0, 4.0, 6.0, 10.0, 30.0)
_BINS = 200


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals of a target, and the chance that each target is wrong.

    Attributes
    ----------
    standardised : array of float64, shape (examples,)
        In units of the usual size of residuals (their median, as a normal deviation) at such
        predictions.
    wrong : array of float64, shape (examples,)
    error : float
        The standard error of the number of wrong targets.
    """

    standardised: NDArray[np.float64]
    wrong: NDArray[np.float64]
    error: float


def judge_residuals(predicted: NDArray[Any], given: NDArray[Any]) -> Residuals:
    """Tell wrong targets by their residuals.

    Parameters
    ----------
    predicted : array, shape (examples,)
        By a network that has not learned the example by heart.
    given : array, shape (examples,)

    Returns
    -------
    Residuals

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects_residuals import judge_residuals
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(0, 100, 500)
    >>> given = truth + rng.normal(size=500)
    >>> given[3] = truth[3] + 50
    >>> np.flatnonzero(judge_residuals(truth, given).wrong > 0.5)
    array([3])
    """
    predicted, given = np.asarray(predicted, np.float64), np.asarray(given, np.float64)
    residual = given - predicted
    if not np.any(residual):
        return Residuals(residual, np.zeros(len(residual)), 0.0)
    usual = _usual_size(predicted, residual)
    z = residual / usual
    # How densely all targets lie at the given one, in the same units as the residual.
    elsewhere = _density(given, float(np.median(usual))) * usual
    # With wrong targets and without: one parameter more must be worth it (G. Schwarz, 1978). What
    # tails and wrong targets may explain alike is left open: the fits are averaged.
    fits = [_mixture(z, elsewhere, degrees, start) for degrees in _DEGREES for start in (0, 0.02)]
    evidence = np.array([fit[0] for fit in fits]) - [0, 0.5 * np.log(len(z))] * len(_DEGREES)
    weights = np.exp(evidence - np.max(evidence))
    weights /= np.sum(weights)
    counts = np.array([np.sum(fit[1]) for fit in fits])
    wrong = weights @ np.array([fit[1] for fit in fits])
    spread = weights @ (counts - np.sum(wrong)) ** 2
    return Residuals(z, wrong, float(np.sqrt(np.sum(wrong * (1 - wrong)) + spread)))


def _usual_size(predicted: NDArray[Any], residual: NDArray[Any]) -> NDArray[np.float64]:
    """Return the usual size of residuals among the twentieth of rows with the nearest predictions.

    The mean of their square roots, squared, which a few large ones do not move; scaled to be the
    deviation where residuals are normal.
    """
    order = np.argsort(predicted, kind="stable")
    width = max(50, len(order) // 20)
    roots = uniform_filter1d(np.sqrt(np.abs(residual[order])), width, mode="nearest")
    usual = np.empty(len(order))
    usual[order] = roots**2
    overall = float(np.median(np.abs(residual))) or float(np.mean(np.abs(residual))) or 1.0
    # Of a standard normal variable, the mean of the root of its size is 0.822.
    return np.maximum(usual / 0.822**2, overall / 10)


def _density(given: NDArray[Any], usual: float) -> NDArray[np.float64]:
    """Return the density of all targets at each of them: a smoothed histogram of the middle.

    Smoothed at least over the usual residual, so that targets of few values, such as counts, are
    as spread out here as their residuals are.
    """
    low, high = np.quantile(given, [0.001, 0.999])
    if low == high:
        low, high = float(np.min(given)), float(np.max(given))
    if low == high:
        return np.ones(len(given))
    counts, edges = np.histogram(np.clip(given, low, high), _BINS, (low, high))
    bins = max(0.9 * _BINS / 6 * len(given) ** -0.2, usual / (edges[1] - edges[0]))
    smooth = gaussian_filter1d(counts.astype(float), min(bins, _BINS), mode="constant")
    smooth = np.maximum(smooth, 0.01 * np.mean(smooth)) / (len(given) * (edges[1] - edges[0]))
    place = np.clip(((given - low) / (edges[1] - edges[0])).astype(int), 0, _BINS - 1)
    density: NDArray[np.float64] = smooth[place]
    return density


def _mixture(
    z: NDArray[Any], elsewhere: NDArray[Any], degrees: float, rate: float
) -> tuple[float, NDArray[np.float64]]:
    """Return the log likelihood and the chances, by EM."""
    # Starts at the scale at which half of the residuals are where half should be.
    scale = float(np.median(np.abs(z)) / stdtrit(degrees, 0.75)) or 1.0
    before = -np.inf
    for _ in range(200):
        near = (1 - rate) * stats.t.pdf(z / scale, degrees) / scale
        far = rate * elsewhere
        wrong = far / (near + far)
        likelihood = float(np.sum(np.log(near + far)))
        if likelihood - before < 1e-6 * len(z):
            break
        before = likelihood
        if rate:
            rate = float((np.sum(wrong) + 0.5) / (len(z) + 50))
        # The weights of Student's t as a mixture of normals (D. Peel and G. McLachlan, 2000).
        weight = (1 - wrong) * (degrees + 1) / (degrees + (z / scale) ** 2)
        scale = float(np.sqrt(np.sum(weight * z**2) / np.sum(1 - wrong)))
    return likelihood, wrong
