"""Arithmetic that keeps its roundings, and the loops around it vectorised.

What `mathematics` is made of: polynomials with coefficients for each type, products and sums that
are rounded once, choices without a branch, and the exponent of a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, njit, types
from numba.core.errors import TypingError

# Inlined whatever its length, since a call ends vectorisation; a division by zero is no exception,
# since a branch ends it as well.
elementary = njit(forceinline=True, error_model="numpy")


# ----- What LLVM can do with a number and Numba cannot say ----------------------------------------

# Its own type has callers pass the typing context, which Numba does.
intrinsic: Any = extending.intrinsic


class Layout:
    """Where the bits of a float32 or float64 lie.

    Parameters
    ----------
    kind : numba type
        ``float32`` or ``float64``.

    Raises
    ------
    TypingError
        If it is another.
    """

    def __init__(self, kind: Any) -> None:
        if kind not in (types.float32, types.float64):
            raise TypingError(
                f"an elementary function was given a number of type {kind}, and is defined for "
                "float32 and float64: convert the operand first"
            )
        single = kind is types.float32
        self.fraction = 23 if single else 52
        self.bias = 127 if single else 1023
        self.integer = ir.IntType(32 if single else 64)
        self.real = ir.FloatType() if single else ir.DoubleType()
        self.root_half = 0x3F3504F3 if single else 0x3FE6A09E667F3BCD

    def whole(self, number: int) -> ir.Constant:
        """Return an integer of the same width."""
        return ir.Constant(self.integer, number)

    def number(self, value: float) -> ir.Constant:
        """Return a constant, rounded to the type."""
        return ir.Constant(self.real, value)


def constant(single: float, double: float) -> Callable[[Any], Any]:
    """Return a function that gives a constant in the type of its argument."""

    @intrinsic
    def in_type_of(typing: Any, x: Any) -> Any:
        layout = Layout(x)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return layout.number(single if x is types.float32 else double)

        return x(x), generate

    return in_type_of


def polynomial(single: tuple[float, ...], double: tuple[float, ...]) -> Callable[[Any], Any]:
    """Return a function that evaluates a polynomial by Horner's rule, each step rounded once.

    Parameters
    ----------
    single, double : tuple of float
        Coefficients from the constant one upward, for float32 and float64.

    Returns
    -------
    function of the kernels' language
    """

    @intrinsic
    def evaluate(typing: Any, x: Any) -> Any:
        layout = Layout(x)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *lower, total = map(layout.number, single if x is types.float32 else double)
            for coefficient in reversed(lower):
                total = builder.fma(total, arguments[0], coefficient)
            return total

        return x(x), generate

    return evaluate


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), generate


@intrinsic
def select(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Return one of two numbers that have both been computed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return yes(types.boolean, yes, yes), generate


@intrinsic
def truncated_remainder(typing: Any, x: Any, y: Any) -> Any:
    """Return ``x - n y`` for the whole number ``n`` nearest to ``x / y`` towards zero, exactly."""
    Layout(x)  # refuses other types

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.frem(*arguments)

    return x(x, x), generate


@intrinsic
def power_of_two(typing: Any, n: Any) -> Any:
    """Return ``2**n`` for a whole number that is the exponent of a normal one."""
    layout = Layout(n)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # In a sum of this size the last bit counts ones, so the low bits are n + bias.
        shifted = builder.fadd(
            arguments[0], layout.number(float(3 << layout.fraction - 1) + layout.bias)
        )
        bits = builder.bitcast(shifted, layout.integer)
        return builder.bitcast(builder.shl(bits, layout.whole(layout.fraction)), layout.real)

    return n(n), generate


@intrinsic
def fraction_and_exponent(typing: Any, x: Any) -> Any:
    """Return ``m`` in [sqrt(1/2), sqrt(2)) and a whole ``e``: ``x = m 2**e``, normal and > 0."""
    layout = Layout(x)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = layout.bias << layout.fraction
        # Moved so that the exponent's bits change at sqrt(1/2), and not at 1.
        moved = builder.add(
            builder.bitcast(arguments[0], layout.integer), layout.whole(one - layout.root_half)
        )
        exponent = builder.lshr(moved, layout.whole(layout.fraction))
        fraction = builder.and_(moved, layout.whole((1 << layout.fraction) - 1))
        m = builder.bitcast(builder.add(fraction, layout.whole(layout.root_half)), layout.real)
        # The low bits of a number of the size 2**fraction count ones.
        count = builder.or_(
            exponent, layout.whole(layout.bias + layout.fraction << layout.fraction)
        )
        e = builder.fsub(
            builder.bitcast(count, layout.real),
            layout.number(float((1 << layout.fraction) + layout.bias)),
        )
        return context.make_tuple(builder, signature.return_type, [m, e])

    return types.UniTuple(x, 2)(x), generate


ZERO = constant(0.0, 0.0)
ONE = constant(1.0, 1.0)
TWO = constant(2.0, 2.0)
HALF = constant(0.5, 0.5)
INFINITY = constant(math.inf, math.inf)
NAN = constant(math.nan, math.nan)
NEAREST = constant(1.5 * 2**23, 1.5 * 2**52)


@elementary
def nearest(x: Any) -> Any:
    """Return the whole number nearest to a number far below ``2**fraction``."""
    return (x + NEAREST(x)) - NEAREST(x)


@elementary
def at_most(x: Any, limit: Any) -> Any:
    """Return the smaller of two numbers, and NaN for NaN."""
    return select(x > limit, limit, x)


@elementary
def at_least(x: Any, limit: Any) -> Any:
    """Return the larger of two numbers, and NaN for NaN."""
    return select(x < limit, limit, x)
