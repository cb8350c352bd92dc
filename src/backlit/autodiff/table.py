"""The table of rules: for each NumPy function, the derivative with respect to each argument.

A rule's entry for an argument is a *vector-Jacobian product* (vjp): a function

    vjp(g, ans, *arguments, **keywords) -> the adjoint of that argument

of the adjoint ``g`` of the result, the result ``ans`` itself, and the arguments. It is written
in plain NumPy, so it can itself be differentiated and recorded. It need not undo broadcasting and
need not keep dtypes: the backward pass does both, at one place.

Functions stand in the table in one of four ways:

    rule(f, vjp, vjp, ...)     one line of mathematics for each argument
    constant(f)                piecewise constant (sign, argmax, x > y): the gradient is zero
    rewrite(f, g)              f is g, written with functions that have rules
    formula(f, g)              f computes forward; g, equal to f, says how to differentiate
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Vjp = Callable[..., Any]
UNKNOWN = -1


class Rule:
    """How one function is differentiated.

    Attributes
    ----------
    function : callable
    vjps : sequence of (callable or None), or None
        One for each positional argument; ``None`` where there is no derivative.
    equal : callable or None
        For a `formula`: what the function equals.
    elementwise : bool
        Each element of the result depends on the same element of the arguments only, so that
        the backward pass may carry the mask of a branch not taken through it.
    constant : bool
        The derivative is zero wherever it exists.
    positions : frozenset of int or None
        The arguments that have a derivative; None for all of them.
    width : int
        How many arguments may be given by position: those that the vjps take in the same order.
    """

    __slots__ = ("constant", "elementwise", "equal", "function", "positions", "vjps", "width")

    def __init__(
        self,
        function: Callable[..., Any],
        vjps: Sequence[Vjp | None] | Variadic | None = None,
        *,
        equal: Callable[..., Any] | None = None,
        elementwise: bool = False,
        constant: bool = False,
    ) -> None:
        self.function = function
        self.vjps = vjps
        self.equal = equal
        self.elementwise = elementwise
        self.constant = constant
        self.positions: frozenset[int] | None = None
        if isinstance(vjps, tuple):
            self.positions = frozenset(k for k, vjp in enumerate(vjps) if vjp is not None)
        self.width = UNKNOWN

    def __repr__(self) -> str:
        return f"Rule({self.function.__name__})"

    @property
    def known(self) -> bool:
        """Whether the table says how the function is differentiated."""
        return self.constant or self.vjps is not None or self.equal is not None

    def covers(self, keyword: str) -> bool:
        """Whether the rule knows what ``keyword`` does to the derivative."""
        parameters = self._parameters()
        return (
            parameters is None
            or any(p.name == keyword for p in parameters)
            or any(p.kind is p.VAR_KEYWORD for p in parameters)
        )

    def measure(self) -> int:
        """Find out `width`: a call by position may reach parameters that a rule does not have."""
        own, theirs = self._parameters(), parameters_of(self.function)
        self.width = sys.maxsize
        if own is not None and theirs is not None and not isinstance(self.function, np.ufunc):
            same = [
                position == 0 or their.kind is their.POSITIONAL_ONLY or ours.name == their.name
                for position, (ours, their) in enumerate(zip(own, theirs, strict=False))
            ]
            self.width = same.index(False) if False in same else len(same)
        return self.width

    def _parameters(self) -> list[inspect.Parameter] | None:
        """Return the parameters of the function that the vjps know, None if they know all."""
        if self.equal is not None:
            return parameters_of(self.equal)
        if isinstance(self.vjps, tuple):
            known = next((vjp for vjp in self.vjps if vjp is not None), None)
            return None if known is None else (parameters_of(known) or [])[2:]  # after g and ans
        return None


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function, None where Python cannot tell them."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


class Variadic:
    """The vjps of a function with any number of arguments: one function of the position."""

    __slots__ = ("of_position",)

    def __init__(self, of_position: Callable[[int], Vjp]) -> None:
        self.of_position = of_position

    def __getitem__(self, position: int) -> Vjp:
        return self.of_position(position)


RULES: dict[Callable[..., Any], Rule] = {}
REWRITES: dict[Callable[..., Any], Callable[..., Any]] = {}


def rule(
    functions: Callable[..., Any] | tuple[Callable[..., Any], ...],
    *vjps: Vjp | None,
    elementwise: bool = False,
) -> None:
    """Enter one function, or several that compute the same, with a vjp for each argument."""
    for function in functions if isinstance(functions, tuple) else (functions,):
        RULES[function] = Rule(function, vjps, elementwise=elementwise)


def elementwise(
    functions: Callable[..., Any] | tuple[Callable[..., Any], ...], *vjps: Vjp | None
) -> None:
    """Enter functions that act on each element alone."""
    rule(functions, *vjps, elementwise=True)


def variadic(function: Callable[..., Any], of_position: Callable[[int], Vjp]) -> None:
    """Enter a function of any number of arguments; ``of_position(k)`` is the vjp of the k-th."""
    RULES[function] = Rule(function, Variadic(of_position))


def constant(*functions: Callable[..., Any]) -> None:
    """Enter functions that are piecewise constant: their gradient is zero."""
    for function in functions:
        RULES[function] = Rule(function, constant=True)


def rewrite(function: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Say that ``function`` is ``replacement``, which is written with functions that have rules."""
    REWRITES[function] = replacement


def formula(function: Callable[..., Any], equal: Callable[..., Any]) -> None:
    """Enter a function that is differentiated through ``equal``, a formula that equals it.

    The forward pass still calls ``function``, to the bit; only the backward pass uses ``equal``.
    """
    RULES[function] = Rule(function, equal=equal)
