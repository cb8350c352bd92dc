"""The compiled elementary functions keep the error bounds that their docstrings state."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, getcontext, localcontext
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError
from scipy import special

from backlit.execution.native import mathematics

# ----- The functions under test, and the truth ----------------------------------------------------

VECTORISED = [name for name in mathematics.__all__ if name not in ("sin", "cos")]
TYPES = [np.float32, np.float64]

# In NumPy's float64, from which the errors of float32 are measured, and the special values taken.
NUMPY: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(np, name) for name in mathematics.__all__ if hasattr(np, name)},
    "erf": special.erf,
    "erfc": special.erfc,
    "logistic": special.expit,
}


def erfc_by_series(x: Decimal) -> Decimal:
    """Return erfc from Abramowitz and Stegun 7.1.6, with digits for what the difference loses."""
    with localcontext(prec=60 + int(x * x)):
        # pi by the iteration of Gauss and Legendre, which doubles the digits.
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
        for _ in range(11):
            a, b, t, p = (a + b) / 2, (a * b).sqrt(), t - p * ((a - b) / 2) ** 2, 2 * p
        pi = (a + b) ** 2 / (4 * t)
        term = total = x
        n = 0
        while abs(term) > abs(total) * Decimal(10) ** -getcontext().prec:
            n += 1
            term = term * 2 * x * x / (2 * n + 1)
            total += term
        return 1 - 2 / pi.sqrt() * (-x * x).exp() * total


DECIMAL: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": lambda x: x.exp(),
    "exp2": lambda x: (x * Decimal(2).ln()).exp(),
    "expm1": lambda x: x.exp() - 1,
    "log": lambda x: x.ln(),
    "log2": lambda x: x.ln() / Decimal(2).ln(),
    "log10": lambda x: x.log10(),
    "log1p": lambda x: (1 + x).ln(),
    "tanh": lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1),
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "erf": lambda x: 1 - erfc_by_series(x),
    "erfc": erfc_by_series,
}

# Where a float64 result is neither zero, subnormal, infinite, nor a constant to the last place.
RANGE = {
    "exp": (-708.0, 709.0),
    "exp2": (-1022.0, 1023.0),
    "expm1": (-40.0, 709.0),
    "tanh": (-20.0, 20.0),
    "logistic": (-708.0, 38.0),
    "erf": (-6.0, 6.0),
    "erfc": (-6.0, 26.5),
}


@cache
def loop_of(name: str) -> Any:
    function = getattr(mathematics, name)

    @numba.njit(error_model="numpy")
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


def evaluate(name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    loop_of(name)(x, y)
    return y


def bound(name: str, dtype: type) -> float:
    """Return what a docstring promises."""
    text = getattr(mathematics, name).__doc__
    found = re.search(r"within ([\d.]+) \(float32\) and ([\d.]+)\s+\(float64\) ulp", text)
    assert found, text
    return float(found[1 if dtype is np.float32 else 2])


def assert_float32_bound(name: str, bits: np.ndarray) -> None:
    x = bits.view(np.float32)
    y = evaluate(name, x)
    with np.errstate(all="ignore"):
        exact = NUMPY[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
        error = np.abs(y - exact) / np.spacing(np.abs(rounded))
    numbers = ~np.isnan(rounded)
    np.testing.assert_array_equal(np.isnan(y), ~numbers)
    np.testing.assert_array_equal(np.signbit(y[numbers]), np.signbit(exact[numbers]))
    error[~numbers | (y == rounded) & np.isinf(y)] = 0
    worst = error.argmax()
    assert error[worst] <= bound(name, np.float32), x[worst]


# ----- Error bounds -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VECTORISED)
def test_float32_errors_are_within_the_bound_at_a_million_bit_patterns(name: str) -> None:
    assert_float32_bound(name, np.arange(0, 2**32, 4093, dtype=np.uint64).astype(np.uint32))


@pytest.mark.slow
@pytest.mark.parametrize("name", VECTORISED)
def test_float32_errors_are_within_the_bound_at_every_eleventh_bit_pattern(name: str) -> None:
    for first in range(0, 2**32, 2**26):
        bits = np.arange(first, first + 2**26, 11, dtype=np.uint64).astype(np.uint32)
        assert_float32_bound(name, bits)


@pytest.mark.parametrize("name", VECTORISED)
def test_float64_errors_are_within_the_bound(name: str) -> None:
    random = np.random.default_rng(0)
    count = 100 if "erf" in name else 1000
    if name in RANGE:
        small = random.uniform(-1, 1, count) * 2.0 ** -random.integers(0, 60, count)
        x = np.concatenate([random.uniform(*RANGE[name], count), small])
    else:
        large = random.uniform(1, 2, count) * 2.0 ** random.integers(-1074, 1023, count)
        near = random.uniform(0.3, 3, count)
        x = np.concatenate([large, near] if name != "log1p" else [near - 1, near * 1e9, -near / 4])
    y = evaluate(name, x)
    with localcontext(prec=60):
        for given, result in zip(x.tolist(), y.tolist(), strict=True):
            exact = DECIMAL[name](Decimal(given))
            unit = Decimal(float(np.spacing(abs(float(exact)))))
            assert abs(Decimal(result) - exact) <= unit * Decimal(bound(name, np.float64)), given


# ----- Special values -----------------------------------------------------------------------------

SPECIAL = [0.0, 1.0, 0.5, 2.0, 1000.0, 1e-30, np.inf, np.nan]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", mathematics.__all__)
def test_special_values_are_those_of_numpy(name: str, dtype: type) -> None:
    limits = np.finfo(dtype)
    extremes = [limits.max, limits.tiny, limits.smallest_subnormal, 3 * limits.smallest_subnormal]
    x = np.array([*SPECIAL, *extremes], dtype)
    x = np.concatenate([x, -x])
    with np.errstate(all="ignore"):
        expected = NUMPY[name](x)
    y = evaluate(name, x)
    np.testing.assert_allclose(y, expected, rtol=4 * limits.eps, atol=0)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize(
    ("name", "dtype", "arguments"),
    [
        ("exp", np.float32, [88.7, 88.73, -87.4, -103.0, -103.9, -104.1]),
        ("exp", np.float64, [709.7, 709.79, -708.5, -744.0, -745.1, -745.2]),
        ("exp2", np.float32, [127.9, 128.0, -126.5, -149.0, -151.0]),
        ("exp2", np.float64, [1023.9, 1024.0, -1022.5, -1074.0, -1076.0]),
        ("expm1", np.float32, [88.7, 88.73, -17.0, -100.0]),
        ("expm1", np.float64, [709.7, 709.79, -37.0, -700.0]),
        ("logistic", np.float32, [-87.4, -103.0, -104.1, 17.0, 100.0]),
        ("logistic", np.float64, [-708.5, -744.0, -746.0, 37.0, 700.0]),
        ("erfc", np.float32, [9.2, 10.0, 10.06, 10.2, 20.0, -4.0]),
        ("erfc", np.float64, [26.5, 26.6, 27.2, 27.3, 40.0, -6.0]),
    ],
)
def test_overflow_and_underflow_are_gradual_and_where_they_should_be(
    name: str, dtype: type, arguments: list[float]
) -> None:
    x = np.array(arguments, dtype)
    limits = np.finfo(dtype)
    with localcontext(prec=60, Emin=-99999, Emax=99999), np.errstate(over="ignore"):
        exact = [float(DECIMAL[name](Decimal(given))) for given in x.tolist()]
        expected = np.array(exact).astype(dtype)
    np.testing.assert_allclose(
        evaluate(name, x), expected, rtol=4 * limits.eps, atol=limits.smallest_subnormal
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_bounded_functions_keep_their_bounds(dtype: type) -> None:
    x = np.linspace(-50, 50, 1_000_001, dtype=dtype)
    for name, low, high in [("tanh", -1, 1), ("erf", -1, 1), ("logistic", 0, 1), ("erfc", 0, 2)]:
        y = evaluate(name, x)
        assert (y.min(), y.max()) >= (low, low) and y.max() <= high


@pytest.mark.parametrize("dtype", TYPES)
def test_odd_functions_are_odd_to_the_bit(dtype: type) -> None:
    x = np.linspace(0, 30, 100_001, dtype=dtype)
    for name in ("tanh", "erf"):
        assert evaluate(name, -x).tobytes() == (-evaluate(name, x)).tobytes()


@pytest.mark.parametrize("dtype", TYPES)
def test_logarithms_of_powers_of_their_base_are_whole(dtype: type) -> None:
    twos, tens = np.arange(-120, 120), np.arange(0, 11)
    np.testing.assert_array_equal(evaluate("log2", np.ldexp(dtype(1), twos)), twos)
    np.testing.assert_array_equal(evaluate("log10", dtype(10) ** tens.astype(dtype)), tens)


# ----- How they are compiled ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", mathematics.__all__)
def test_a_loop_gives_the_bits_of_single_calls(name: str, dtype: type) -> None:
    x = np.random.default_rng(1).normal(0, 4, 4096).astype(dtype)
    single = np.array([getattr(mathematics, name)(value) for value in x], dtype)
    np.testing.assert_array_equal(evaluate(name, x), single)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", VECTORISED)
def test_a_loop_is_vectorised(name: str, dtype: type) -> None:
    evaluate(name, np.ones(1, dtype))
    array = numba.from_dtype(np.dtype(dtype))[::1]
    code = loop_of(name).inspect_llvm((array, array))
    assert re.search(rf"@llvm\.fma\.v\d+f{8 * np.dtype(dtype).itemsize}\(", code)


@pytest.mark.parametrize("name", VECTORISED)
def test_a_whole_number_is_refused(name: str) -> None:
    with pytest.raises(TypingError, match=r"type int64, and is defined for float32 and float64"):
        getattr(mathematics, name)(2)
