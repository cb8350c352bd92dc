"""What to do about a fit that diverged or ran out of epochs, judged from how it went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 100.0  # standardised columns of real tables seldom reach it
FARTHEST = 5  # times the epochs so far: no guess goes beyond
LITTLE = 0.02  # the share of the whole fall of the loss that hardly matters


def cause_of_divergence(x: Any, y: NDArray[Any], estimator: Any) -> str:
    """Return the likely cause of a loss that is no longer finite, and what to do.

    Parameters
    ----------
    x : array or csr array, shape (examples, inputs)
    y : array, shape (examples, outputs)
        Booleans for classes.
    estimator : BaseMLP

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators import MLPRegressor
    >>> from backlit.estimators.advice import cause_of_divergence
    >>> cause_of_divergence(np.array([[3e5]]), np.ones((1, 1)), MLPRegressor())
    'Most likely the inputs are not scaled (they reach 3e+05): put a StandardScaler before.'
    """
    inputs = float(np.max(np.abs(x if isinstance(x, np.ndarray) else x.data), initial=0))
    targets = 0.0 if y.dtype == bool else float(np.max(np.abs(y), initial=0))
    rate = estimator.learning_rate_init
    if inputs > LARGE:
        also = f", and the targets neither (up to {targets:.3g})" if targets > LARGE else ""
        return (
            f"Most likely the inputs are not scaled (they reach {inputs:.3g}{also}): put a "
            f"StandardScaler before{', and a TransformedTargetRegressor around' if also else ''}."
        )
    if targets > LARGE:
        return (
            f"Most likely the targets are of too large a scale (they reach {targets:.3g}): put a "
            "TransformedTargetRegressor with a StandardScaler around."
        )
    decay = estimator._decay()
    if rate * decay > 1:
        return (
            f"Most likely weight_decay={decay:g} is too high for "
            f"learning_rate_init={rate:g}: their product must stay below 1."
        )
    return (
        f"Most likely learning_rate_init={rate:g} is too high: try {rate / 10:g}, or clip_norm=1.0."
    )


def missing_epochs(
    losses: Sequence[float],
    scores: Sequence[float] | None,
    tol: float,
    patience: float = 10,
    early_stopping: bool = False,
) -> str:
    r"""Say whether epochs that a fit did not have would matter, and what to set.

    Parameters
    ----------
    losses : sequence of float
        Of training, in each epoch of the fit.
    scores : sequence of float, or None
        Of validation.
    tol : float
        The least progress that counts.
    patience : float, default 10
        After so many epochs without progress a fit ends by itself.
    early_stopping : bool, default False
        Whether the best epoch is kept.

    Returns
    -------
    str
        One or two sentences.

    Notes
    -----
    Means over three windows, each of a quarter of the epochs, tell how fast the loss falls, and how
    that slows down. It is taken to go on as a power of the epoch's number: the tails of real losses
    are longer than geometric ones.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.advice import missing_epochs
    >>> said = missing_epochs(0.5 ** np.arange(20), None, tol=1e-4)
    >>> print(said.replace(". ", ".\n"))
    The missing epochs hardly matter: about 0.0 % of the fall of the loss is left.
    The fit would end by itself with max_iter=30.
    """
    count = len(losses)
    window = count // 4
    if window < 2:
        return "So few epochs tell nothing about how many it takes: try max_iter=200."
    if scores is not None:
        return _by_scores(np.array(scores), window, early_stopping)
    curve = np.array(losses)
    early, before, last = (np.mean(curve[count - k * window :][:window]) for k in (3, 2, 1))
    fall = float(before - last)
    noise = float(np.std(np.diff(curve[-2 * window :]))) / math.sqrt(2)
    if fall <= 0 or fall < 2 * noise * math.sqrt(2 / window):
        return (
            "More epochs like these hardly matter: the loss does not fall any more, but goes up "
            f"and down by about {noise:.2g}. Try a lower learning_rate_init."
        )
    middle, earlier = count - window, max(float(early - before), 1e-300)
    power = max(0.0, math.log(earlier / fall) / math.log(middle / (middle - window)))
    end, left = _what_is_left(count, middle, fall / window, power, tol)
    if curve[-1] > 0:
        left = min(left, float(curve[-1]))  # losses do not fall below zero
    share = max(0.0, left / float(curve[0] - curve.min()))
    if share < LITTLE:
        said = (
            f"The missing epochs hardly matter: about {100 * share:.1f} % of the fall of the loss "
            "is left."
        )
        if math.isinf(patience):
            return said
        return f"{said} The fit would end by itself with max_iter={_round_up(end + patience)}."
    longer = f"max_iter={_round_up(end + (0 if math.isinf(patience) else patience))}"
    if end >= FARTHEST * count:
        longer += " or more, or raise learning_rate_init"
    return (
        f"The missing epochs matter: another {100 * share:.0f} % of the fall of the loss so far is "
        f"to be expected. Set {longer}; whether it helps on other data, early_stopping=True tells."
    )


def _what_is_left(
    count: int, middle: int, slope: float, power: float, tol: float
) -> tuple[float, float]:
    """Return the epoch at which progress is below ``tol``, and how far the loss falls until then.

    The fall in epoch ``t`` is ``slope * (t / middle)**-power``.
    """
    end = float(FARTHEST * count)
    if tol and power > 0:
        reach = math.log(max(slope / tol, 1e-300)) / power
        end = min(end, middle * math.exp(min(reach, 50.0)))
    end = max(end, float(count))
    if abs(power - 1) < 1e-9:
        return end, slope * middle * math.log(end / count)
    rest = 1 - power
    return end, slope * middle * ((end / middle) ** rest - (count / middle) ** rest) / rest


def _by_scores(scores: NDArray[Any], window: int, early_stopping: bool) -> str:
    best = int(np.nanargmax(scores)) if not np.isnan(scores).all() else 0
    since = len(scores) - 1 - best
    before, last = np.mean(scores[-2 * window : -window]), np.mean(scores[-window:])
    if since >= window or last <= before:
        then = (
            "Those parameters are kept; a lower n_iter_no_change ends the fit sooner."
            if early_stopping
            else "Set early_stopping=True or restore_best=True to keep those parameters."
        )
        return (
            f"The missing epochs do not matter: the validation score was best in epoch {best + 1}, "
            f"and no better in the {since} epochs since. {then}"
        )
    return (
        f"The missing epochs matter: the validation score still improves, by {last - before:.2g} "
        f"in the last {window} epochs. Set max_iter={_round_up(2 * len(scores))}."
    )


def _round_up(number: float) -> int:
    """Round up to two digits."""
    unit = 10 ** max(0, int(math.log10(number)) - 1)
    return int(-(-number // unit) * unit)
