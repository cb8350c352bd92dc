"""From a call as it was written to a function of positional arguments.

NumPy's functions take keywords, output arrays and methods of ufuncs. Here such calls become plain
ones, or are refused in a sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.autodiff.errors import WRITERS, name_of, no_rule, trace_error
from backlit.autodiff.table import REWRITES, Rule, parameters_of

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def is_traced(argument: Any) -> bool:
    """Whether ``argument`` is a traced value, or a list or tuple that holds one."""
    if isinstance(argument, (list, tuple)):
        return any(is_traced(part) for part in argument)
    return hasattr(argument, "_tape")


def plain_keywords(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Drop keywords that say nothing, refuse ``out`` and ``where``, make traced ones positional."""
    said = _said(function, keywords)
    if any(is_traced(argument) for argument in said.values()) and parameters_of(function):
        bound = inspect.signature(function).bind(*arguments, **said)
        bound.apply_defaults()
        return bound.args, {k: v for k, v in bound.kwargs.items() if k in said}
    return arguments, said


def _said(function: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords that say something."""
    said = {}
    for key, argument in keywords.items():
        if argument is np._NoValue or (key in ("out", "dtype") and argument is None):
            continue
        if key == "out":
            raise trace_error(
                f"{name_of(function)}(out=...) writes into an array, and its gradient would be "
                "lost; leave out= away and use the result"
            )
        if key == "where" and argument is not True:
            raise trace_error(
                f"{name_of(function)}(where=...) has no rule; use np.where(mask, x, neutral) inside"
            )
        if key != "where":
            said[key] = argument
    return said


def by_name(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    width: int,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Turn the arguments from position ``width`` on into keywords: ``np.max(x, 1, None, True)``."""
    names = [p.name for p in parameters_of(function) or []]
    named = dict(zip(names[width:], arguments[width:], strict=False))
    return plain_keywords(function, arguments[:width], {**named, **keywords})


def rewritten(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Call what ``function`` is rewritten as, and refuse what that does not cover."""
    replacement = REWRITES[function]
    keywords = _said(function, keywords)
    try:
        inspect.signature(replacement).bind(*arguments, **keywords)
    except TypeError:
        arguments, keywords = by_name(function, arguments, keywords, 1)
        known = inspect.signature(replacement).parameters
        unknown = [key for key in keywords if key not in known]
        if unknown:
            raise trace_error(
                f"the rule of {name_of(function)} does not cover {', '.join(unknown)}; leave it "
                "out, or add a rule with backlit.custom_rule"
            ) from None
    return replacement(*arguments, **keywords)


# Methods of ufuncs that are functions of their own.
_METHODS: dict[tuple[Any, str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}


def plain_ufunc_call(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> Call:
    """Return the plain call that a call of a ufunc with keywords, or of its method, stands for."""
    if keywords.pop("out", None) is not None:
        raise trace_error(
            f"{name_of(ufunc)} with out=, or an operator such as `a += x` on an ordinary array, "
            "writes into that array, and the gradient would be lost; write a = a + x"
        )
    if method == "__call__":
        dtype = keywords.pop("dtype", None)
        if dtype is not None:
            inputs = tuple(np.astype(x if is_traced(x) else np.asarray(x), dtype) for x in inputs)
        said = {k: v for k, v in keywords.items() if k not in ("casting", "order", "subok")}
        return ufunc, inputs, said
    if method == "outer":
        left, right = inputs
        return ufunc, (np.reshape(left, np.shape(left) + (1,) * np.ndim(right)), right), {}
    if (ufunc, method) in _METHODS:
        # A ufunc's method works on axis 0 where the function takes all axes.
        said = {k: v for k, v in keywords.items() if v is not None or k == "axis"}
        return _METHODS[ufunc, method], inputs, {"axis": 0, **said}
    raise trace_error(
        f"{name_of(ufunc)}.{method} has no rule; write it with functions of whole arrays, or give "
        "it a rule with backlit.custom_rule"
    )


# The shape of their result depends on values, and a recorded program holds for one set of shapes.
_SHAPED_BY_VALUES = frozenset((np.nonzero, np.flatnonzero, np.argwhere, np.where))


def check_covered(
    rule: Rule, recording: bool, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Raise where the rule does not cover what is asked of its function."""
    if recording and rule.function in _SHAPED_BY_VALUES and len(arguments) == 1:
        raise trace_error(
            f"{name_of(rule.function)} finds another number of elements each time the recorded "
            "program runs; use np.where(condition, a, b)"
        )
    if not rule.known and (not recording or rule.function.__name__ in WRITERS):
        raise no_rule(rule.function)
    for keyword in keywords:
        if not recording and not rule.covers(keyword):
            raise trace_error(
                f"the rule of {name_of(rule.function)} does not cover {keyword}=; leave it out, or "
                "add a rule with backlit.custom_rule"
            )
