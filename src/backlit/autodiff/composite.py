"""Composites: functions with a NumPy body that stand in a program as one instruction.

A composite has a rule of its own, is printed once with its body, and may be run whole by an
executor. The rules use a few (`add_at`); `backlit.functions` and the networks are made of them;
and a user adds more with `custom_rule`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from backlit.autodiff.table import RULES, Rule, Vjp

Function = TypeVar("Function", bound=Callable[..., Any])


def custom_rule(*vjps: Vjp | None, elementwise: bool = False) -> Callable[[Function], Function]:
    """Give a function a derivative rule of its own.

    Parameters
    ----------
    *vjps : callable or None
        One for each positional argument: ``vjp(g, ans, *arguments, **keywords)`` returns the
        adjoint of that argument, where ``g`` is the adjoint of the result ``ans``. ``None`` for
        an argument that is not differentiated. Written in NumPy, it can be differentiated in turn.
    elementwise : bool, default False
        Whether each element of the result depends on the same element of the arguments only.

    Returns
    -------
    callable
        A decorator. The decorated function is called with plain arrays only: its body may do
        what cannot be differentiated. In a recorded program it is one instruction.

    Notes
    -----
    A ufunc or a NumPy function (of another library, say) can be decorated too, by a plain call:
    ``custom_rule(lambda g, ans, x: ...)(ufunc)``. It is returned as it is, with its rule entered.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> @backlit.custom_rule(lambda g, ans, x: g * 3 * x**2)
    ... def cube(x):
    ...     return x * x * x
    >>> float(backlit.grad(cube)(2.0))
    12.0
    """
    for vjp in vjps:
        if vjp is not None and not callable(vjp):
            raise TypeError(
                f"custom_rule: each vjp must be a function or None, not {type(vjp).__name__}; "
                "write @custom_rule(lambda g, ans, x: ...) above the function"
            )

    def decorate(function: Function) -> Function:
        if not isinstance(function, np.ufunc) and not hasattr(function, "_implementation"):
            function = _dispatching(function)  # calls of the others NumPy hands to us already
        RULES[function] = Rule(function, vjps, elementwise=elementwise)
        return function

    return decorate


def locally_constant(function: Function) -> Function:
    """Make a composite whose derivative is zero."""
    composite = _dispatching(function)
    RULES[composite] = Rule(composite, constant=True)
    return composite


def _dispatching(body: Function) -> Function:
    """Call ``body`` as it is with plain arguments, through NumPy's protocol with traced ones."""

    @wraps(body)
    def composite(*arguments: Any, **keywords: Any) -> Any:
        traced = _find_traced(arguments)
        if traced is None:
            if keywords and _find_traced(tuple(keywords.values())) is not None:
                bound = inspect.signature(body).bind(*arguments, **keywords)
                return composite(*bound.args, **bound.kwargs)
            return body(*arguments, **keywords)
        return traced.__array_function__(composite, (), arguments, keywords)

    composite.body = body  # type: ignore[attr-defined]  # functions have attributes
    return composite  # type: ignore[return-value]  # it is called as the body is


def body_of(function: Any) -> Callable[..., Any] | None:
    """Return the NumPy body of a composite, or None for a function of another kind."""
    return getattr(function, "body", None) if isinstance(function, FunctionType) else None


def _find_traced(arguments: Any) -> Any:
    for argument in arguments:
        if hasattr(argument, "_tape"):
            return argument
        if type(argument) in (list, tuple):
            inside = _find_traced(argument)
            if inside is not None:
                return inside
    return None
