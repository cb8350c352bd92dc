"""What is said when a function cannot be differentiated: where, what, and what to write instead."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.program.origin import describe, expression_at, innermost_user_place, statement_at
from backlit.program.printing import INFIX, PREFIX, function_name


class TraceError(TypeError):
    """A function did something that the chain rule cannot follow.

    The message names the line of the function, what was done there and what to write instead.
    """


def trace_error(problem: str) -> TraceError:
    """Return an error that says ``problem`` and names the user's running line."""
    return TraceError(f"{describe(innermost_user_place())}: {problem}")


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name as the user writes it."""
    if function in INFIX or function in PREFIX:
        return f"the operator {INFIX.get(function) or PREFIX.get(function)}"
    return function_name(function)


def no_rule(function: Callable[..., Any], position: int | None = None) -> TraceError:
    """Return the error for a function, or an argument of one, that has no derivative rule."""
    if function.__name__ in WRITERS:
        return trace_error(
            f"np.{function.__name__} writes into an array, and the gradient would be lost; "
            f"{WRITERS[function.__name__]}"
        )
    argument = "" if position is None else f" with respect to its argument {position}"
    return trace_error(
        f"{name_of(function)} has no derivative rule{argument}; write it with functions that have "
        "one (docs/functions.md lists them), or add a rule with backlit.custom_rule"
    )


# What NumPy or Python asks a traced value for when it cannot be told apart from plain numbers, and
# what to write instead, by the name of the function that the user's line calls.
REPLACEMENTS = {
    "array": "use backlit.functions.array(...), which builds an array from traced values",
    "asarray": "leave it out (a traced value already is an array), or for a list of traced values "
    "use backlit.functions.array(...)",
    "asanyarray": "leave it out, or for a list of traced values use backlit.functions.array(...)",
    "ascontiguousarray": "leave it out",
    "asfortranarray": "leave it out",
    "full": "use np.broadcast_to(value, shape)",
    "full_like": "use np.broadcast_to(value, shape)",
    "arange": "use start + step * np.arange(n) with a fixed n",
    "linspace": "use start + (stop - start) * np.linspace(0, 1, n)",
    "vectorize": "call the function on whole arrays: NumPy's functions take them",
    "fromiter": "use backlit.functions.array([...])",
    "frompyfunc": "call the function on whole arrays, or use backlit.custom_rule",
    "apply_along_axis": "call the function on whole arrays with axis=...",
    "logsumexp": "use backlit.functions.logsumexp",
    "softmax": "use backlit.functions.softmax",
    "log_softmax": "use backlit.functions.log_softmax",
    "polygamma": "use scipy.special.zeta: polygamma(1, x) = zeta(2, x)",
    "rosen": "write it in NumPy: np.sum(100 * (x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "float": "leave it out (a traced value can be used as a number)",
    "int": "compute the integer outside of the function, or use np.floor",
    "dot": "use A @ x",
    "item": "leave it out (a traced value without axes can be used as a number)",
    "tolist": "leave it out (a traced array can be indexed and looped over)",
    "range": "use a loop count that does not depend on the argument",
    "block": "give np.block lists of arrays of one dimension or more, or use np.concatenate",
}
# NumPy functions that write into an array: by name, what to use instead.
WRITERS = {
    "copyto": "use np.where or backlit.functions.put",
    "put": "use backlit.functions.put(x, index, value)",
    "put_along_axis": "use np.where, or backlit.functions.put(x, index, value)",
    "fill_diagonal": "use x * (1 - np.eye(n)) + np.diag(v)",
    "place": "use np.where(mask, values, x)",
    "putmask": "use np.where(mask, values, x)",
    "full": "use np.broadcast_to(value, shape)",
    "full_like": "use np.broadcast_to(value, shape)",
}
PUT = "use x = backlit.functions.put(x, index, value), which returns a new array"


def cannot_convert(asked_for: str) -> TraceError:
    """Return the error for a traced value that is asked to become a plain ``asked_for``.

    NumPy and Python convert silently in many places; the user's own line tells in which one we are.
    """
    place = innermost_user_place()
    from scipy import special  # only to name what is there: loaded when an error is raised

    node = expression_at(place) if place else None
    statement = statement_at(place) if place else None
    where = describe(place)
    if _stores_into_item(statement, node):
        return TraceError(f"{where}: a traced value cannot be stored in an ordinary array; {PUT}")
    if isinstance(node, ast.Attribute | ast.Call):
        called: ast.expr = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Call):  # np.vectorize(f)(x)
            called = called.func
        name = ast.unparse(called)
        last = name.rsplit(".", 1)[-1]
        if name.startswith(("math.", "cmath.")):
            found = next((m for m in (np, special) if hasattr(m, last)), None)
            instead = f"use {'np' if found is np else 'scipy.special'}.{last}"
            return TraceError(
                f"{where}: {name} takes plain numbers and cannot see a traced value; "
                + (instead if found else "use functions of NumPy")
            )
        if last in REPLACEMENTS:
            return TraceError(f"{where}: {name} cannot see a traced value; {REPLACEMENTS[last]}")
        if isinstance(node, ast.Call) and any(isinstance(a, ast.List) for a in node.args):
            return TraceError(
                f"{where}: NumPy does not look for traced values inside a list; "
                "use backlit.functions.array([...]) in the list's place"
            )
        return TraceError(
            f"{where}: {name} asks for a plain {asked_for} and cannot see a traced value; use the "
            "NumPy functions that Backlit supports, or give it a rule with backlit.custom_rule"
        )
    if isinstance(node, ast.Subscript):
        if _is_helper(node, "r_") or _is_helper(node, "c_"):
            return TraceError(
                f"{where}: np.r_ and np.c_ cannot see traced values; use np.concatenate or np.stack"
            )
        return TraceError(
            f"{where}: an ordinary array cannot be indexed by a traced value; use "
            "np.take_along_axis, or np.where with a comparison"
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return TraceError(
            f"{where}: a sparse matrix cannot see a traced value; use A.toarray() @ x, or give the "
            "product a rule with backlit.custom_rule"
        )
    return TraceError(
        f"{where}: a traced value cannot become a plain {asked_for}, since its gradient would be "
        "lost; keep it as it is, or use backlit.functions.stop_gradient if that is what you want"
    )


def _stores_into_item(statement: ast.stmt | None, node: ast.AST | None) -> bool:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    inside_store = any(node is target for target in targets)
    return inside_store and isinstance(node, ast.Subscript)


def _is_helper(node: ast.Subscript, name: str) -> bool:
    return isinstance(node.value, ast.Attribute) and node.value.attr == name
