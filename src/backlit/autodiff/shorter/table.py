"""The table of bodies: from a function of NumPy to one that is made of shorter functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.composite import body_of
from backlit.autodiff.rules.elementwise import cast, cast_to_integers
from backlit.autodiff.rules.linalg import cofactors
from backlit.autodiff.table import RULES
from backlit.program.values import Value

Body = Callable[..., Any]

# Composites that stand for a function of NumPy: to expand one would record it again.
CASTS = (cast, cast_to_integers)
# The formula of `cofactors` holds for its slope only, and what it is made of has no kernel.
WHOLE = (*CASTS, cofactors)

SIMPLER: dict[Callable[..., Any], Body] = {}


def simpler(function: Callable[..., Any]) -> Body | None:
    """Return a body in terms of shorter functions, or None.

    Parameters
    ----------
    function : callable
        What an instruction calls.

    Returns
    -------
    callable or None

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.autodiff.shorter import simpler
    >>> simpler(np.flipud)(np.array([1.0, 2.0])), simpler(np.exp)
    (array([2., 1.]), None)
    """
    if function in WHOLE:
        return None
    if function in SIMPLER:
        return SIMPLER[function]
    body = body_of(function)
    if body is not None:
        return body
    rule = RULES.get(function)
    return None if rule is None else rule.equal


def applied(body: Body, output: Value, *arguments: Any, **keywords: Any) -> Any:
    """Return what a body gives, or NotImplemented where it does not cover the arguments.

    Parameters
    ----------
    body : callable
    output : Value
        What the function gave; what the body gives has its shape and dtype.
    *arguments, **keywords
        Of the function.

    Returns
    -------
    array or NotImplemented
    """
    try:
        inspect.signature(body).bind(*arguments, **keywords)
        result = body(*arguments, **keywords)
    except (TypeError, ValueError, AttributeError, IndexError):
        # It takes others, or (the body of a composite) does what cannot be seen.
        return NotImplemented
    if result is NotImplemented or output.dtype is None:
        return result
    if np.shape(result) != output.shape:
        return NotImplemented
    if result.dtype != output.dtype:
        return np.astype(result, output.dtype)
    return result


def stands_for(*functions: Callable[..., Any]) -> Callable[[Body], Body]:
    """Enter a body for one or more functions."""

    def enter(body: Body) -> Body:
        for function in functions:
            SIMPLER[function] = body
        return body

    return enter


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes, all of them for None, counted from the first."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(k) % ndim for k in np.atleast_1d(axis))


def at(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    """Return the index that takes a part of one axis, and the others whole."""
    return (*(slice(None),) * (axis % ndim), part)
