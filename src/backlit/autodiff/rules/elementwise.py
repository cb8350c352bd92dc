"""Rules of functions that act on each element alone.

Conventions at points where the derivative does not exist are in ``docs/conventions.md``.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule, locally_constant
from backlit.autodiff.table import elementwise, rewrite


def divide_or_zero(a: Any, b: Any) -> Any:
    """Return ``a / b``, and 0 where ``b`` is 0: the convention for norms at the origin."""
    zero = b == 0
    return np.where(zero, 0, a / np.where(zero, 1, b))


# ----- Arithmetic --------------------------------------------------------------------------------
elementwise((np.add, operator.add), lambda g, ans, x, y: g, lambda g, ans, x, y: g)
elementwise((np.subtract, operator.sub), lambda g, ans, x, y: g, lambda g, ans, x, y: -g)
elementwise((np.multiply, operator.mul), lambda g, ans, x, y: g * y, lambda g, ans, x, y: g * x)
elementwise(
    (np.divide, operator.truediv),
    lambda g, ans, x, y: g / y,
    lambda g, ans, x, y: -g * ans / y,
)
elementwise((np.negative, operator.neg), lambda g, ans, x: -g)
elementwise((np.positive, operator.pos), lambda g, ans, x: g)
elementwise(np.reciprocal, lambda g, ans, x: -g * ans * ans)
elementwise(np.square, lambda g, ans, x: g * (2 * x))
elementwise(np.absolute, lambda g, ans, x: g * np.sign(x))
elementwise(np.fabs, lambda g, ans, x: g * np.sign(x))
elementwise(
    (np.mod, operator.mod),
    lambda g, ans, x, y: g,
    lambda g, ans, x, y: -g * np.floor(x / y),
)
elementwise(np.fmod, lambda g, ans, x, y: g, lambda g, ans, x, y: -g * np.trunc(x / y))
elementwise(
    np.copysign,
    lambda g, ans, x, y: g * np.copysign(1, x) * np.copysign(1, y),
    lambda g, ans, x, y: np.zeros_like(g),
)
rewrite(np.divmod, lambda x, y: (np.floor_divide(x, y), np.mod(x, y)))
rewrite(np.modf, lambda x: (x - np.trunc(x), np.trunc(x)))


# ----- Powers: y x^(y-1), and log(x) x^y ---------------------------------------------------------
def _power_base(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if type(y) in (int, float):  # a plain exponent is part of the program's text
        if y == 2:
            return g * (2 * x)
        return np.zeros_like(g) if y == 0 else g * (y * x ** (y - 1))
    # x^0 is constant: without the case, 0 * 0^-1 would be NaN.
    return g * np.where(y == 0, 0, y * x ** np.where(y == 0, 1, y - 1))


def _power_exponent(g: Any, ans: Any, x: Any, y: Any) -> Any:
    # 0^y is constant in y: without the case, 0 * log(0) would be NaN.
    return g * (ans * np.log(np.where(x == 0, 1, x)))


elementwise((np.power, np.float_power, operator.pow), _power_base, _power_exponent)
elementwise(np.sqrt, lambda g, ans, x: g * (0.5 / ans))
elementwise(np.cbrt, lambda g, ans, x: g / (3 * (ans * ans)))

# ----- Exponentials and logarithms ---------------------------------------------------------------
elementwise(np.exp, lambda g, ans, x: g * ans)
elementwise(np.exp2, lambda g, ans, x: g * (float(np.log(2)) * ans))
elementwise(np.expm1, lambda g, ans, x: g * (ans + 1))
elementwise(np.log, lambda g, ans, x: g / x)
elementwise(np.log2, lambda g, ans, x: g / (float(np.log(2)) * x))
elementwise(np.log10, lambda g, ans, x: g / (float(np.log(10)) * x))
elementwise(np.log1p, lambda g, ans, x: g / (1 + x))
elementwise(
    np.logaddexp,
    lambda g, ans, x, y: g * np.exp(x - np.where(np.isinf(ans), 0, ans)),
    lambda g, ans, x, y: g * np.exp(y - np.where(np.isinf(ans), 0, ans)),
)
elementwise(
    np.logaddexp2,
    lambda g, ans, x, y: g * np.exp2(x - np.where(np.isinf(ans), 0, ans)),
    lambda g, ans, x, y: g * np.exp2(y - np.where(np.isinf(ans), 0, ans)),
)

# ----- Trigonometric and hyperbolic functions ----------------------------------------------------
elementwise(np.sin, lambda g, ans, x: g * np.cos(x))
elementwise(np.cos, lambda g, ans, x: -g * np.sin(x))
elementwise(np.tan, lambda g, ans, x: g * (1 + ans * ans))
elementwise(np.arcsin, lambda g, ans, x: g / np.sqrt((1 - x) * (1 + x)))
elementwise(np.arccos, lambda g, ans, x: -g / np.sqrt((1 - x) * (1 + x)))
elementwise(np.arctan, lambda g, ans, x: g / (1 + x * x))
elementwise(np.sinh, lambda g, ans, x: g * np.cosh(x))
elementwise(np.cosh, lambda g, ans, x: g * np.sinh(x))
elementwise(np.tanh, lambda g, ans, x: g * (1 - ans * ans))
elementwise(np.arcsinh, lambda g, ans, x: g / np.hypot(x, 1))
elementwise(np.arccosh, lambda g, ans, x: g / np.sqrt((x - 1) * (x + 1)))
elementwise(np.arctanh, lambda g, ans, x: g / ((1 - x) * (1 + x)))
elementwise((np.deg2rad, np.radians), lambda g, ans, x: g * float(np.pi / 180))
elementwise((np.rad2deg, np.degrees), lambda g, ans, x: g * float(180 / np.pi))
elementwise(
    np.arctan2,
    lambda g, ans, y, x: g * divide_or_zero(x, x * x + y * y),
    lambda g, ans, y, x: -g * divide_or_zero(y, x * x + y * y),
)
elementwise(
    np.hypot,
    lambda g, ans, x, y: g * divide_or_zero(x, ans),
    lambda g, ans, x, y: g * divide_or_zero(y, ans),
)
elementwise(
    np.sinc,
    # At 0 the slope is 0; the first term of its series keeps the second derivative right, too.
    lambda g, ans, x: g * np.where(x == 0, float(-np.pi**2 / 3) * x,
                                   (np.cos(np.pi * x) - ans) / np.where(x == 0, 1, x)),
)  # fmt: skip


# ----- Choices: ties are shared equally ----------------------------------------------------------
def _where_greater(g: Any, x: Any, y: Any) -> Any:
    return np.where(x > y, g, np.where(x == y, 0.5 * g, 0))


elementwise(
    np.maximum,
    lambda g, ans, x, y: _where_greater(g, x, y),
    lambda g, ans, x, y: _where_greater(g, y, x),
)
elementwise(
    np.minimum,
    lambda g, ans, x, y: _where_greater(g, y, x),
    lambda g, ans, x, y: _where_greater(g, x, y),
)
# fmax and fmin pass over NaN: the other argument is then the one chosen.
elementwise(
    np.fmax,
    lambda g, ans, x, y: np.where(np.isnan(y), g, _where_greater(g, x, y)),
    lambda g, ans, x, y: np.where(np.isnan(x), g, _where_greater(g, y, x)),
)
elementwise(
    np.fmin,
    lambda g, ans, x, y: np.where(np.isnan(y), g, _where_greater(g, y, x)),
    lambda g, ans, x, y: np.where(np.isnan(x), g, _where_greater(g, x, y)),
)
elementwise(
    np.heaviside,
    lambda g, ans, x, y: np.zeros_like(g),
    lambda g, ans, x, y: np.where(x == 0, g, 0),
)
elementwise(
    np.where,
    None,
    lambda g, ans, condition, x, y: np.where(condition, g, 0),
    lambda g, ans, condition, x, y: np.where(condition, 0, g),
)


@locally_constant
def replacements(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """Return what stands for the elements that are not finite."""
    number, limits = x.dtype.type, np.finfo(x.dtype)
    largest = limits.max if posinf is None else number(posinf)
    lowest = limits.min if neginf is None else number(neginf)
    return np.where(np.isnan(x), number(nan), np.where(x > 0, largest, lowest))


def _nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    return np.where(np.isfinite(x), x, replacements(x, nan, posinf, neginf))


rewrite(np.nan_to_num, _nan_to_num)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    result = np.zeros_like(x)
    if len(funclist) == len(conditions) + 1:
        last = funclist[-1]
        result = last(x, *args, **kw) if callable(last) else last
    for condition, piece in zip(conditions, funclist, strict=False):
        value = piece(x, *args, **kw) if callable(piece) else piece
        result = np.where(condition, value, result)
    return result


rewrite(np.clip, _clip)
rewrite(np.select, _select)
rewrite(np.piecewise, _piecewise)

# ----- Real numbers as complex ones; copies and casts --------------------------------------------
elementwise((np.conjugate, np.real), lambda g, ans, x: g)
elementwise(np.real_if_close, lambda g, ans, x, *_, **__: g)
elementwise(np.copy, lambda g, ans, x, *_, **__: g)


@custom_rule(lambda g, ans, x, dtype: g, None, elementwise=True)
def cast(x: Any, dtype: Any) -> Any:
    """Give ``x`` another floating-point dtype."""
    return x.astype(dtype)


@locally_constant
def cast_to_integers(x: Any, dtype: Any) -> Any:
    """Give ``x`` an integer or boolean dtype, which has no gradient."""
    return x.astype(dtype)


def _astype(x: Any, dtype: Any, *_: Any, **__: Any) -> Any:
    dtype = np.dtype(dtype)
    return cast(x, dtype) if dtype.kind == "f" else cast_to_integers(x, dtype)


rewrite(np.astype, _astype)
