"""The bodies of composites, as source that stands above a printed program.

A composite is a Python function with a body in NumPy. Its definition is printed once, without
decorators, annotations and all but the first line of its docstring, together with the functions
that it calls and the constants that it uses. Two composites of one name get different names.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np


class Bodies:
    """The definitions that a printed program needs.

    Parameters
    ----------
    functions : iterable of callable
        The program's functions that neither NumPy nor SciPy nor Python provides.
    known : callable
        Says of a function whether NumPy or SciPy provides it.
    literal : callable
        Writes a constant as source.

    Attributes
    ----------
    name : dict of FunctionType to str
        The name under which each body is printed.
    definitions : list of str
        In an order in which each one stands before its first use.
    needs_special : bool
        Whether a body uses ``scipy.special``.
    """

    def __init__(
        self,
        functions: Iterable[Callable[..., Any]],
        known: Callable[[Any], bool],
        literal: Callable[[Any], str],
    ) -> None:
        self.name: dict[FunctionType, str] = {}
        self.definitions: list[str] = []
        self.needs_special = False
        self._known = known
        self._literal = literal
        self._taken = {"np", "special"}
        for function in functions:
            self._visit(inspect.unwrap(function))

    def name_of(self, function: Callable[..., Any]) -> str:
        """Return the name by which the printed source calls a composite."""
        return self.name[inspect.unwrap(function)]

    def _visit(self, body: Any) -> None:
        if body in self.name:
            return
        stem = body.__name__ if body.__name__.isidentifier() else "composite"
        self.name[body] = self._unique(stem)
        renamed = {}
        constants = []
        for used, thing in _names_used(body).items():
            if isinstance(thing, ModuleType):
                self.needs_special |= thing.__name__ == "scipy.special"
            elif isinstance(inspect.unwrap(thing), FunctionType) and not self._known(thing):
                self._visit(inspect.unwrap(thing))
                renamed[used] = self.name[inspect.unwrap(thing)]
            elif isinstance(thing, (int, float, str, tuple, np.generic, np.ndarray)):
                renamed[used] = self._unique(used)
                constants.append(f"{renamed[used]} = {self._literal(thing)}")
            elif getattr(np, used, None) is not thing:
                constants.append(f"# {self.name[body]} needs {used}, which cannot be printed")
        self.definitions.append(
            "\n".join([*constants, _definition(body, self.name[body], renamed)])
        )

    def _unique(self, stem: str) -> str:
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name


def _names_used(body: FunctionType) -> dict[str, Any]:
    """Return the globals and closed-over variables of a function, by name."""
    found = inspect.getclosurevars(body)
    return {**found.globals, **found.nonlocals}


def _definition(body: FunctionType, name: str, renamed: dict[str, str]) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(body))
        tree: ast.AST = ast.parse(text)
    except (OSError, SyntaxError, TypeError):
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == body.__name__:
            _strip(node, renamed)
            node.name = name
            return ast.unparse(node)
        if isinstance(node, ast.Lambda) and body.__name__ == "<lambda>":
            _rename(node, renamed)
            return f"{name} = {ast.unparse(node)}"
    return f"# {name}: its source is not to be had"


def _strip(function: ast.FunctionDef, renamed: dict[str, str]) -> None:
    """Leave out what a reader of the program does not need."""
    function.decorator_list = []
    function.returns = None
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
                     arguments.vararg, arguments.kwarg):  # fmt: skip
        if argument is not None:
            argument.annotation = None
    docstring = ast.get_docstring(function)
    if docstring is not None:
        function.body[0] = ast.Expr(ast.Constant(docstring.splitlines()[0]))
    _rename(function, renamed)


def _rename(node: ast.AST, renamed: dict[str, str]) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in renamed:
            inner.id = renamed[inner.id]
