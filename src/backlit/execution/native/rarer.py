"""Functions that are seldom where a training spends its time: by the C library, or in short form.

What `mathematics` holds is made for loops that compute several elements at a time. These are made
to be right, and to be read. Every function takes float32 or float64; those with long formulas
compute in float64, whatever they are given. Infinities, NaN and signs come out as in NumPy and
SciPy.

Examples
--------
>>> from backlit.execution.native.rarer import digamma, remainder
>>> remainder(-1.0, 3.0), round(digamma(1.0), 6)
(2.0, -0.577216)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64

from backlit.execution.native.arithmetic import (
    HALF,
    INFINITY,
    NAN,
    ONE,
    TWO,
    ZERO,
    constant,
    elementary,
    select,
    truncated_remainder,
)
from backlit.execution.native.mathematics import ERFC, erf, erfc, exp, exp2, expm1, log, log1p

__all__ = [
    "degrees",
    "digamma",
    "entropy",
    "erf_inverse",
    "erfc_inverse",
    "expm1_over",
    "floor_quotient",
    "gamma",
    "heaviside",
    "huber",
    "kl_divergence",
    "log2_of_sum",
    "log_gamma",
    "log_gamma_real",
    "log_logistic",
    "log_normal_below",
    "log_of_sum",
    "logit",
    "normal_below",
    "normal_quantile",
    "one_over",
    "one_over_gamma",
    "pseudo_huber",
    "radians",
    "relative_entropy",
    "remainder",
    "scaled_erfc",
    "truncated_remainder",
    "x_log",
    "x_log1p",
]

# ----- Arithmetic --------------------------------------------------------------------------------

IN_RADIANS = constant(math.pi / 180, math.pi / 180)
IN_DEGREES = constant(180 / math.pi, 180 / math.pi)


@elementary
def one_over(x: Any) -> Any:
    """Return ``1 / x``."""
    return ONE(x) / x


@elementary
def radians(x: Any) -> Any:
    """Return degrees as radians."""
    return x * IN_RADIANS(x)


@elementary
def degrees(x: Any) -> Any:
    """Return radians as degrees."""
    return x * IN_DEGREES(x)


@elementary
def heaviside(x: Any, middle: Any) -> Any:
    """Return 0 below zero, 1 above it, and ``middle`` at zero."""
    if x != x:
        return x
    if x == ZERO(x):
        return middle
    return select(x < ZERO(x), ZERO(x), ONE(x))


@elementary
def remainder(x: Any, y: Any) -> Any:
    """Return what is left of ``x`` after whole multiples of ``y``, with the sign of ``y``."""
    r = truncated_remainder(x, y)
    if r == ZERO(x):
        return math.copysign(r, y)
    return r + y if (r < ZERO(x)) != (y < ZERO(x)) else r


@elementary
def floor_quotient(x: Any, y: Any) -> Any:
    """Return how often ``y`` is in ``x``, rounded down so that it agrees with the remainder."""
    if y == ZERO(x):
        return x / y
    r = truncated_remainder(x, y)
    quotient = (x - r) / y
    if r != ZERO(x) and (y < ZERO(x)) != (r < ZERO(x)):
        quotient -= ONE(x)
    if quotient == ZERO(x):
        return math.copysign(ZERO(x), x / y)
    whole = np.floor(quotient)
    return whole + select(quotient - whole > HALF(x), ONE(x), ZERO(x))


# ----- Logarithms and entropies ------------------------------------------------------------------

LN2 = constant(math.log(2), math.log(2))
LOG2_E = constant(1 / math.log(2), 1 / math.log(2))


@elementary
def log_of_sum(x: Any, y: Any) -> Any:
    """Return ``log(exp(x) + exp(y))``."""
    if x == y:  # also of two infinities
        return x + LN2(x)
    return select(x > y, x, y) + log1p(exp(-abs(x - y)))


@elementary
def log2_of_sum(x: Any, y: Any) -> Any:
    """Return ``log2(2**x + 2**y)``."""
    if x == y:
        return x + ONE(x)
    return select(x > y, x, y) + LOG2_E(x) * log1p(exp2(-abs(x - y)))


@elementary
def log_logistic(x: Any) -> Any:
    """Return the logarithm of the logistic function."""
    return select(x < ZERO(x), x, -ZERO(x)) - log1p(exp(-abs(x)))


@elementary
def logit(x: Any) -> Any:
    """Return ``log(x / (1 - x))``, by a form without a loss of digits around 1/2."""
    if x < ZERO(x) or x > ONE(x):
        return NAN(x)
    if abs(x - HALF(x)) < HALF(x) * HALF(x):
        s = TWO(x) * (x - HALF(x))
        return log1p(s) - log1p(-s)
    return log(x / (ONE(x) - x))


@elementary
def expm1_over(x: Any) -> Any:
    """Return ``(exp(x) - 1) / x``, and 1 at zero."""
    if x == ZERO(x):
        return ONE(x)
    return x if x == INFINITY(x) else expm1(x) / x


@elementary
def x_log(x: Any, y: Any) -> Any:
    """Return ``x log(y)``, and 0 where ``x`` is 0."""
    return ZERO(x) if x == ZERO(x) and y == y else x * log(y)


@elementary
def x_log1p(x: Any, y: Any) -> Any:
    """Return ``x log(1 + y)``, and 0 where ``x`` is 0."""
    return ZERO(x) if x == ZERO(x) and y == y else x * log1p(y)


@elementary
def entropy(x: Any) -> Any:
    """Return ``-x log(x)``, 0 at zero and minus infinity below."""
    if x == ZERO(x):
        return ZERO(x)
    return -INFINITY(x) if x < ZERO(x) else -x * log(x)


@elementary
def relative_entropy(x: Any, y: Any) -> Any:
    """Return ``x log(x / y)``, with its limits at zero and infinity where it is not defined."""
    if x != x or y != y:
        return NAN(x)
    if x == ZERO(x) and y >= ZERO(x):
        return ZERO(x)
    if x <= ZERO(x) or y <= ZERO(x):
        return INFINITY(x)
    ratio = x / y
    if ratio == ZERO(x) or ratio == INFINITY(x):
        return x * (log(x) - log(y))
    return x * log(ratio)


@elementary
def kl_divergence(x: Any, y: Any) -> Any:
    """Return ``x log(x / y) - x + y``, with the same limits."""
    if x == ZERO(x) and y >= ZERO(x):
        return y
    if x > ZERO(x) and y > ZERO(x):
        return x * log(x / y) - x + y
    return NAN(x) if x != x or y != y else INFINITY(x)


@elementary
def huber(delta: Any, r: Any) -> Any:
    """Return half the square of ``r`` up to ``delta``, and a line beyond."""
    if delta < ZERO(r):
        return INFINITY(r)
    size = abs(r)
    if size <= delta:
        return HALF(r) * r * r
    return delta * (size - HALF(r) * delta)


@elementary
def pseudo_huber(delta: Any, r: Any) -> Any:
    """Return a smooth function that is half a square near zero and a line far away."""
    if delta < ZERO(r):
        return INFINITY(r)
    if delta == ZERO(r) or r == ZERO(r):
        return ZERO(r)
    ratio = r / delta
    return delta * delta * expm1(HALF(r) * log1p(ratio * ratio))


# ----- The normal distribution -------------------------------------------------------------------

ROOT_HALF = constant(math.sqrt(0.5), math.sqrt(0.5))
ROOT_PI = math.sqrt(math.pi)
ERFC_END = 28.0  # where its polynomial ends


@elementary
def normal_below(x: Any) -> Any:
    """Return the share of the normal distribution that is below ``x``."""
    return HALF(x) * erfc(-x * ROOT_HALF(x))


@elementary
def scaled_erfc(x: Any) -> Any:
    """Return ``exp(x**2) erfc(x)``."""
    x = float64(x)
    if x < 0.5:
        return exp(x * x) * erfc(x)
    if x < ERFC_END:
        return ERFC((x - 3.0) / (x + 3.0)) / (1.0 + 2.0 * x)
    z = 0.5 / (x * x)
    return (1.0 - z * (1.0 - 3.0 * z * (1.0 - 5.0 * z * (1.0 - 7.0 * z)))) / (x * ROOT_PI)


@elementary
def log_normal_below(x: Any) -> Any:
    """Return the logarithm of the share of the normal distribution that is below ``x``."""
    x = float64(x)
    t = x * math.sqrt(0.5)
    if x < -1.0:
        return x if x == -math.inf else log(0.5 * scaled_erfc(-t)) - t * t
    return log1p(-0.5 * erfc(t))


@elementary
def closer(y: Any, excess: Any) -> Any:
    """Return a better inverse of erfc, by a step of Halley's method; excess is erfc(y) - q."""
    step = -0.5 * ROOT_PI * excess * exp(y * y)
    return y - step / (1.0 + y * step)


@elementary
def erfc_inverse(q: Any) -> Any:
    """Return where erfc is ``q``.

    Three steps from the guess of S. Winitzki (2008), whose relative error is below 0.01.
    """
    q = float64(q)
    if not 0.0 < q < 2.0:
        return math.inf if q == 0.0 else (-math.inf if q == 2.0 else math.nan)
    if q == 1.0:
        return -0.0
    bend = log(q * (2.0 - q))
    t = 2.0 / (math.pi * 0.147) + 0.5 * bend
    y = math.sqrt(math.sqrt(t * t - bend / 0.147) - t)
    y = y if q < 1.0 else -y
    for _ in range(3):
        y = closer(y, erfc(y) - q)
    return y


@elementary
def erf_inverse(x: Any) -> Any:
    """Return where erf is ``x``."""
    x = float64(x)
    if not abs(x) < 0.5:
        return erfc_inverse(1.0 - x) if x > 0.0 else -erfc_inverse(1.0 + x)
    # Of a small x the digits would be lost in 1 - x.
    y = 0.5 * ROOT_PI * x
    for _ in range(4):
        y = closer(y, x - erf(y))
    return y


@elementary
def normal_quantile(p: Any) -> Any:
    """Return where the share of the normal distribution below is ``p``."""
    return -math.sqrt(2.0) * erfc_inverse(2.0 * float64(p))


# ----- The gamma function and its kin ------------------------------------------------------------


@elementary
def sign_of_gamma(x: Any) -> Any:
    """Return the sign of the gamma function, away from its poles."""
    below = x < 0.0 and truncated_remainder(np.floor(x), 2.0) != 0.0
    return -1.0 if below else 1.0


@elementary
def log_gamma(x: Any) -> Any:
    """Return the logarithm of the magnitude of the gamma function, by the C library."""
    return x if x == -math.inf else math.lgamma(float64(x))


@elementary
def log_gamma_real(x: Any) -> Any:
    """Return the logarithm of the gamma function, NaN below zero."""
    return math.nan if x < ZERO(x) else math.lgamma(float64(x))


@elementary
def gamma(x: Any) -> Any:
    """Return the gamma function."""
    x = float64(x)
    if x == 0.0:
        return math.copysign(math.inf, x)
    if x == -math.inf or (x < 0.0 and x == np.floor(x)):
        return math.nan
    return sign_of_gamma(x) * exp(math.lgamma(x))


@elementary
def one_over_gamma(x: Any) -> Any:
    """Return the reciprocal of the gamma function, 0 at its poles."""
    x = float64(x)
    if x == 0.0:
        return x
    if x == -math.inf or (x < 0.0 and x == np.floor(x)):
        return 0.0
    return sign_of_gamma(x) * exp(-math.lgamma(x))


@elementary
def digamma(x: Any) -> Any:
    """Return the slope of the logarithm of the gamma function.

    By its asymptotic series above 10, to where ``psi(x) = psi(x + 1) - 1 / x`` leads; from
    negative numbers by reflection.
    """
    x = float64(x)
    if x == 0.0:
        return -math.copysign(math.inf, x)
    if x < 0.0 and (x == np.floor(x) or x == -math.inf):
        return math.nan
    total = 0.0
    if x < 0.0:
        total -= math.pi / math.tan(math.pi * truncated_remainder(x, 1.0))
        x = 1.0 - x
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * (
        691 / 32760 - z * (1 / 12 - z * 3617 / 8160)))))))  # fmt: skip
    return total + log(x) - 0.5 / x - series
