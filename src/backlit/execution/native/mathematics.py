"""Elementary functions that a compiled loop evaluates for several elements at a time.

A call of the C library's ``exp`` keeps LLVM from vectorising the loop around it. What stands here
is branch-free arithmetic instead: the argument is reduced, a polynomial is evaluated, and special
values are selected at the end. Where a product and a sum are to be rounded once, the source says so
and the compiler may not choose; so an element has the same bits in a vector and by itself.

Every function takes one float32 or float64, returns the same type, and may be called from kernels
and from Python. Infinities, NaN, the sign of zero and subnormal numbers come out as in NumPy. The
bounds in the docstrings are in units in the last place of the exact result. They are what was
observed, rounded up: over every 11th float32 bit pattern, and over 3 million float64 numbers of all
magnitudes (30,000 for erf and erfc, against 40 digits).

The sine and cosine of a large number need as many digits of 2/pi as its exponent says, which takes
a table or a branch. They are left to the C library; a loop with one of them is not vectorised.

Coefficients come from interpolation at Chebyshev nodes, which is within a small factor of the best
polynomial: ``mpmath.chebyfit(function, interval, number)`` with 60 digits. The function, the
interval and the numbers of coefficients, for float32 and float64, stand above each polynomial;
``z`` is the square of ``x``.

Examples
--------
>>> from backlit.execution.native.mathematics import exp, tanh
>>> exp(0.0), tanh(float("-inf"))
(1.0, -1.0)

References
----------
W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980 (reduction).
T. J. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18,
1971 (sums with their rounding error).
M. M. Shepherd and J. G. Laframboise, Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in
0 <= x < oo, Math. Comp. 36, 1981 (erfc).
"""

from __future__ import annotations

import math
from typing import Any

from backlit.execution.native.arithmetic import (
    HALF,
    INFINITY,
    NAN,
    ONE,
    TWO,
    ZERO,
    at_least,
    at_most,
    constant,
    elementary,
    fraction_and_exponent,
    fused,
    nearest,
    polynomial,
    power_of_two,
    select,
)

__all__ = [
    "cos",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logistic",
    "sin",
    "tanh",
]

# ----- Exponentials -------------------------------------------------------------------------------

LOG2_E = constant(1.4426950408889634, 1.4426950408889634)
LN2 = constant(0.6931471824645996, 0.6931471805599453)
LN2_REST = constant(-1.9046542121259336e-09, 2.3190468138462996e-17)

# (exp(r) - 1 - r) / r^2 on [-ln(2)/2, ln(2)/2]; 5 and 11.
EXP = polynomial(
    single=(0.5, 0.16666577, 0.0416665547, 0.00836317307, 0.00139261761),
    double=(
        0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326141, 0.0013888888888883752,
        0.00019841269874800493, 2.4801587325533363e-05, 2.7557255425746435e-06,
        2.7557273661348637e-07, 2.510520637395701e-08, 2.0914679376583935e-09,
    ),
)  # fmt: skip


@elementary
def reduced(x: Any, rest: Any) -> Any:
    """Return a whole ``n``, ``r`` and its rounding error: ``x + rest = n ln(2) + r + error``."""
    n = nearest(x * LOG2_E(x))
    high = fused(n, -LN2(x), x)  # exact
    rest = fused(n, -LN2_REST(x), rest)
    r = high + rest
    return n, r, rest - (r - high)


@elementary
def beyond_linear(r: Any, low: Any) -> Any:
    """Return ``exp(r + low) - 1 - r`` for ``|r| <= ln(2)/2``."""
    return fused(r * r, EXP(r), low)


@elementary
def scaled(x: Any, n: Any) -> Any:
    """Return ``x 2**n``, in two steps since ``2**n`` may be subnormal or infinite."""
    half = nearest(n * HALF(x))
    return x * power_of_two(half) * power_of_two(n - half)


EXP_LOW, EXP_HIGH = constant(-105.0, -750.0), constant(89.0, 710.0)
EXP2_LOW, EXP2_HIGH = constant(-155.0, -1080.0), constant(129.0, 1025.0)
EXPM1_LOW, EXPM1_LINEAR = constant(-20.0, -40.0), constant(2.0**-25, 2.0**-54)


@elementary
def exp(x: Any) -> Any:
    """Return ``e**x``, within 1.0 (float32) and 1.0 (float64) ulp."""
    n, r, low = reduced(at_least(at_most(x, EXP_HIGH(x)), EXP_LOW(x)), ZERO(x))
    return scaled(ONE(x) + (r + beyond_linear(r, low)), n)


@elementary
def exp2(x: Any) -> Any:
    """Return ``2**x``, within 1.0 (float32) and 1.0 (float64) ulp."""
    x = at_least(at_most(x, EXP2_HIGH(x)), EXP2_LOW(x))
    n = nearest(x)
    rest = x - n
    r = rest * LN2(x)
    low = fused(rest, LN2(x), -r) + rest * LN2_REST(x)
    return scaled(ONE(x) + (r + beyond_linear(r, low)), n)


@elementary
def expm1(x: Any) -> Any:
    """Return ``e**x - 1``, within 1.4 (float32) and 1.2 (float64) ulp."""
    n, r, low = reduced(at_least(at_most(x, EXP_HIGH(x)), EXPM1_LOW(x)), ZERO(x))
    # Half of the result, since 2**n may be infinite where the result is not.
    power = power_of_two(n - ONE(x))
    constant_part = power - HALF(x)
    linear_part = power * r
    total = constant_part + linear_part
    lost = linear_part - (total - constant_part)
    result = TWO(x) * (total + (lost + power * beyond_linear(r, low)))
    return select(abs(x) < EXPM1_LINEAR(x), x, result)


# ----- Logarithms ---------------------------------------------------------------------------------

# ((log(1 + f) / f) - 1) / f on [sqrt(1/2) - 1, sqrt(2) - 1]; 9 and 21.
LOG = polynomial(
    single=(
        -0.499999976, 0.3333333, -0.250007812, 0.200012345, -0.166266456, 0.14204856, -0.131275557,
        0.127226728, -0.076736415,
    ),
    double=(
        -0.5, 0.3333333333333337, -0.24999999999999434, 0.19999999999975535, -0.16666666666809152,
        0.14285714290226392, -0.12499999988229632, 0.1111111072996344, -0.10000000293648051,
        0.09090926519529235, -0.08333341859605121, 0.07691846251495121, -0.07142178144931366,
        0.06673746435165462, -0.06266871141028912, 0.05825070238646302, -0.053492389973253424,
        0.054081381753003616, -0.06207496038793952, 0.05647814073538777, -0.02432617491821441,
    ),
)  # fmt: skip

# Short enough that their products with an exponent are exact.
LN2_SHORT = constant(0.693145751953125, 0.6931471805598903)
LN2_SHORT_REST = constant(1.428606765330187e-06, 5.497923018708371e-14)
LOG10_2_SHORT = constant(0.30103302001953125, 0.30102999566395283)
LOG10_2_SHORT_REST = constant(-3.024355464731343e-06, 2.8363394551044964e-14)

LOG2_E_REST = constant(1.925963033500011e-08, 2.0355273740931033e-17)
LOG10_E = constant(0.4342944920063019, 0.4342944819032518)
LOG10_E_REST = constant(-1.0103049952192578e-08, 1.098319650216765e-17)

SMALLEST_NORMAL = constant(2.0**-126, 2.0**-1022)
LOG1P_EXPONENT = constant(120.0, 120.0)  # what 1 + x has lost is nothing from there on
LIFT, LIFT_EXPONENT = constant(2.0**24, 2.0**53), constant(24.0, 53.0)


@elementary
def split(x: Any) -> Any:
    """Return ``f`` and ``e`` with ``x = (1 + f) 2**e``, for x > 0 that may be subnormal."""
    small = x < SMALLEST_NORMAL(x)
    m, e = fraction_and_exponent(select(small, x * LIFT(x), x))
    return m - ONE(x), e - select(small, LIFT_EXPONENT(x), ZERO(x))


@elementary
def sum_of_logarithms(large: Any, small: Any, rest: Any) -> Any:
    """Return the sum of three numbers, the largest (or zero) first, rounded about once."""
    total = large + small
    return total + ((small - (total - large)) + rest)


@elementary
def with_ends(x: Any, logarithm: Any) -> Any:
    """Return a logarithm, or what it is for zero, infinity, negative numbers and NaN."""
    result = select(x < INFINITY(x), logarithm, x)
    result = select(x == ZERO(x), -INFINITY(x), result)
    return select(x < ZERO(x), NAN(x), result)


@elementary
def log(x: Any) -> Any:
    """Return the natural logarithm, within 1.0 (float32) and 0.9 (float64) ulp."""
    f, e = split(x)
    rest = fused(f * f, LOG(f), e * LN2_SHORT_REST(x))
    return with_ends(x, sum_of_logarithms(e * LN2_SHORT(x), f, rest))


@elementary
def log1p(x: Any) -> Any:
    """Return ``log(1 + x)``, within 1.6 (float32) and 1.4 (float64) ulp."""
    u = x + ONE(x)
    part = u - x
    lost = (x - (u - part)) + (ONE(x) - part)
    m, e = fraction_and_exponent(u)
    f = (m - ONE(x)) + lost * power_of_two(-at_most(e, LOG1P_EXPONENT(x)))
    rest = fused(f * f, LOG(f), e * LN2_SHORT_REST(x))
    result = sum_of_logarithms(e * LN2_SHORT(x), f, rest)
    return select(x == ZERO(x), x, with_ends(u, result))


@elementary
def log2(x: Any) -> Any:
    """Return the logarithm to base 2, within 1.3 (float32) and 1.1 (float64) ulp."""
    f, e = split(x)
    linear = f * LOG2_E(x)
    rest = fused(f, LOG2_E(x), -linear) + f * LOG2_E_REST(x)
    rest = fused(f * f * LOG(f), LOG2_E(x), rest)
    return with_ends(x, sum_of_logarithms(e, linear, rest))


@elementary
def log10(x: Any) -> Any:
    """Return the logarithm to base 10, within 1.0 (float32) and 1.0 (float64) ulp."""
    f, e = split(x)
    linear = f * LOG10_E(x)
    rest = fused(f, LOG10_E(x), -linear) + f * LOG10_E_REST(x)
    rest = fused(f * f * LOG(f), LOG10_E(x), rest) + e * LOG10_2_SHORT_REST(x)
    return with_ends(x, sum_of_logarithms(e * LOG10_2_SHORT(x), linear, rest))


# ----- Sigmoids -----------------------------------------------------------------------------------

# (tanh(x) / x - 1) / z on [0, 0.3125]; 5 and 11.
TANH = polynomial(
    single=(-0.333333318, 0.133330855, -0.0539039664, 0.0212764165, -0.00654920943),
    double=(
        -0.3333333333333333, 0.13333333333332495, -0.05396825396717727, 0.02186948848213974,
        -0.008863234136385784, 0.003592106988871649, -0.0014556351792829245, 0.0005888068310520872,
        -0.00023425730342716228, 8.450449063965498e-05, -2.0186679508920627e-05,
    ),
)  # fmt: skip

TANH_SQUARE = constant(0.3125, 0.3125)
TANH_ONE = constant(10.0, 20.0)


@elementary
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, within 1.5 (float32) and 1.5 (float64) ulp, never beyond 1."""
    a = abs(x)
    z = a * a
    near = fused(a * z, TANH(z), a)
    n, r, low = reduced(TWO(x) * at_most(a, TANH_ONE(x)), ZERO(x))
    power = (ONE(x) + (r + beyond_linear(r, low))) * power_of_two(n)
    far = ONE(x) - TWO(x) / (power + ONE(x))
    return math.copysign(select(z < TANH_SQUARE(x), near, far), x)


@elementary
def logistic(x: Any) -> Any:
    """Return ``1 / (1 + e**-x)``, within 2.0 (float32) and 2.0 (float64) ulp, in [0, 1]."""
    decay = exp(-abs(x))
    total = ONE(x) + decay
    lost = decay - (total - ONE(x))
    quotient = select(x < ZERO(x), decay, ONE(x)) / total
    return fused(quotient, -lost, quotient)


# ----- Error functions ----------------------------------------------------------------------------

# erf(x) / x - 1 on [0, 1]; 7 and 12.
ERF = polynomial(
    single=(
        0.128379166, -0.376126267, 0.112835947, -0.026854212, 0.00518908742, -0.000801686429,
        7.87587506e-5,
    ),
    double=(
        0.12837916709551256, -0.37612638903183543, 0.11283791670945006, -0.02686617064323777,
        0.0052239776071164225, -0.0008548325975389692, 0.00012055294904839707,
        -1.492473690741966e-05, 1.6447424703317362e-06, -1.6208483801871705e-07,
        1.3720064546777686e-08, -7.795898827002142e-10,
    ),
)  # fmt: skip

# (1 + 2 a) exp(a^2) erfc(a) with a = 3 (1 + y) / (1 - y), for a in [0, 28]; 11 and 24.
ERFC = polynomial(
    single=(
        1.25300808, -0.135620986, -0.0475639812, 0.129641695, -0.119253874, 0.0683377569,
        -0.0238514351, 0.0024204604, 0.00202264622, -0.000597117857, -0.000179611346,
    ),
    double=(
        1.2530080582697296, -0.1356211061245811, -0.04756229435345306, 0.12964515870275026,
        -0.11927366341516857, 0.06830802734440604, -0.023770514921937647, 0.002529391807900063,
        0.0018886903981696801, -0.000779832185525928, -0.00010516006241299548,
        0.0001250987929274765, 4.950552349634667e-06, -2.0098253837625926e-05,
        -7.34163165466839e-07, 3.4661596712796173e-06, 3.6066863475424126e-07,
        -6.056586389337659e-07, -1.4410354379681688e-07, 8.977480611608504e-08,
        4.1134756392158016e-08, -5.756503996147508e-09, -6.467844455782987e-09,
        -1.0672595214976916e-09,
    ),
)  # fmt: skip

THREE = constant(3.0, 3.0)
ERFC_ZERO = constant(10.5, 28.0)


@elementary
def erf_below_one(x: Any) -> Any:
    """Return the error function for ``|x| <= 1``."""
    return fused(x, ERF(x * x), x)


@elementary
def erfc_beyond_half(a: Any) -> Any:
    """Return the complementary error function for ``a >= 1/2``."""
    a = at_most(a, ERFC_ZERO(a))
    square = a * a
    n, r, low = reduced(-square, -fused(a, a, -square))
    above_one = r + beyond_linear(r, low)
    power = ONE(a) + above_one
    lost = above_one - (power - ONE(a))
    factor = ERFC((a - THREE(a)) / (a + THREE(a))) / fused(TWO(a), a, ONE(a))
    return scaled(fused(power, factor, lost * factor), n)


@elementary
def erf(x: Any) -> Any:
    """Return the error function, within 1.2 (float32) and 1.3 (float64) ulp."""
    far = math.copysign(ONE(x) - erfc_beyond_half(abs(x)), x)
    return select(abs(x) < ONE(x), erf_below_one(x), far)


@elementary
def erfc(x: Any) -> Any:
    """Return ``1 - erf(x)``, within 4.0 (float32) and 3.5 (float64) ulp."""
    tail = erfc_beyond_half(abs(x))
    far = select(x < ZERO(x), TWO(x) - tail, tail)
    return select(abs(x) < HALF(x), ONE(x) - erf_below_one(x), far)


# ----- Circular functions -------------------------------------------------------------------------


@elementary
def sin(x: Any) -> Any:
    """Return the sine, by the C library."""
    return math.sin(x)


@elementary
def cos(x: Any) -> Any:
    """Return the cosine, by the C library."""
    return math.cos(x)
