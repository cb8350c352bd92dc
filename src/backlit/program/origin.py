"""Where an instruction came from: the user's lines, and the names that they give.

While recording, only code objects and instruction offsets are kept (a few pointers). The source
is read and parsed when somebody asks, that is, when a program is printed or an error is raised.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from types import CodeType, FrameType

import numpy as np

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
# Frames of these folders are machinery: what a user wrote lies further out.
_MACHINERY = (
    *(_PACKAGE + room + os.sep for room in ("program", "autodiff", "execution")),
    _PACKAGE + "functions.py",
)
_NUMPY = os.path.dirname(np.__file__) + os.sep


def is_machinery(filename: str) -> bool:
    """Whether a frame of ``filename`` belongs to the recorder, to NumPy or to SciPy."""
    inside = filename.startswith((*_MACHINERY, _NUMPY, "<__array_function__"))
    return inside or f"{os.sep}scipy{os.sep}" in filename


@dataclass(frozen=True, slots=True)
class Place:
    """One call on the stack: a code object and the offset of the running instruction."""

    code: CodeType
    offset: int


class Origin:
    """The user's calls that led to an instruction, innermost first."""

    __slots__ = ("__dict__", "places")

    def __init__(self, places: tuple[Place, ...]) -> None:
        self.places = places

    @cached_property
    def line(self) -> str:
        """The innermost statement as one line of text, or "" where there is no source."""
        return _statement_text(self.places[0]) if self.places else ""

    @cached_property
    def where(self) -> str:
        """``file.py:12``, without folders, or "" where nothing is known."""
        if not self.places:
            return ""
        place = self.places[0]
        return f"{os.path.basename(place.code.co_filename)}:{_position(place)[0]}"

    @cached_property
    def target(self) -> list[str]:
        """The names that the result is assigned to.

        ``["h"]`` for ``h = f(x)``, ``["w", "v"]`` for ``w, v = f(x)``, ``[]`` where the result
        is a part of a larger expression. A result that is returned at once is looked for in the
        caller, so that ``h = layer(x)`` names the last value inside ``layer``.
        """
        for depth, place in enumerate(self.places):
            node = _node(place)
            if node is None:
                return []
            statement = _parents(place.code.co_filename).get(node)
            element = None
            if isinstance(statement, ast.Tuple):
                element = statement.elts.index(node)  # type: ignore[arg-type]  # its parent holds it
                node, statement = statement, _parents(place.code.co_filename).get(statement)
            names = _assigned(statement, node)
            if names:
                return names if element is None else names[element : element + 1]
            if depth and not isinstance(statement, (ast.Return, ast.Lambda)):
                # A part of the caller's expression: `softmax(logits(x))` has a part `logits`.
                name = self.places[depth - 1].code.co_name
                return [name] if name.isidentifier() else []
            returned = isinstance(statement, ast.Return) or (
                isinstance(statement, ast.Lambda) and statement.body is node
            )
            if not returned or element is not None:
                return []
            if depth == len(self.places) - 1:
                name = place.code.co_name
                return [name] if name.isidentifier() else []
        return []

    @cached_property
    def context(self) -> str:
        """The name that the statement around the instruction assigns to, or ""."""
        if not self.places:
            return ""
        statement = _statement(self.places[0])
        if statement is None or _inside_lambda(self.places[0]):
            return ""
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            return statement.targets[0].id
        if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            return statement.target.id if isinstance(statement.target, ast.Name) else ""
        return ""

    @cached_property
    def operand_names(self) -> list[str]:
        """The variable names of the operands as written, "" where an operand is an expression."""
        node = _node(self.places[0]) if self.places else None
        if isinstance(node, ast.AugAssign):
            return [_name_of(node.target), _name_of(node.value)]
        if isinstance(node, ast.BinOp):
            return [_name_of(node.left), _name_of(node.right)]
        if isinstance(node, ast.Compare):
            return [_name_of(node.left), *map(_name_of, node.comparators)]
        if isinstance(node, ast.UnaryOp):
            return [_name_of(node.operand)]
        if isinstance(node, ast.Subscript):
            return [_name_of(node.value), _name_of(node.slice)]
        if isinstance(node, ast.Call):
            own = []
            if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
                own = [_name_of(node.func.value)]  # x.sum(): x is the first operand
            return own + [_name_of(argument) for argument in node.args]
        return []


class OriginOfBody(Origin):
    """The lines that led to an instruction, for what its body does: they name no value of that."""

    @cached_property
    def target(self) -> list[str]:
        """No names."""
        return []

    @cached_property
    def context(self) -> str:
        """No name."""
        return ""

    @cached_property
    def operand_names(self) -> list[str]:
        """No names."""
        return []


def origin_here(until: CodeType | None = None) -> Origin:
    """Return the user's calls that are running now, out to the call of ``until``."""
    places = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not until:
        if not is_machinery(frame.f_code.co_filename):
            places.append(Place(frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return Origin(tuple(places))


def innermost_user_place() -> Place | None:
    """Return the user's innermost running call, skipping the whole of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_PACKAGE) and not is_machinery(filename):
            return Place(frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return None


def expression_at(place: Place) -> ast.AST | None:
    """Return the syntax of the expression that runs at ``place``, or None without source."""
    return _node(place) or _statement(place)


def statement_at(place: Place) -> ast.stmt | None:
    """Return the syntax of the statement that runs at ``place``, or None without source."""
    return _statement(place)


def describe(place: Place | None) -> str:
    """``line 12 of model.py, `y = float(x)` `` for an error message."""
    if place is None:
        return "in the function"
    line = _position(place)[0]
    text = _statement_text(place) or linecache.getline(place.code.co_filename, line).strip()
    name = os.path.basename(place.code.co_filename)
    return f"line {line} of {name}, `{text}`" if text else f"line {line} of {name}"


# ----- From a place to its syntax ----------------------------------------------------------------


def _position(place: Place) -> tuple[int, int, int, int]:
    """Line, end line, column and end column of the instruction (columns count UTF-8 bytes)."""
    position = next(islice(place.code.co_positions(), place.offset // 2, None), None)
    first, last, start, end = position or (None, None, None, None)
    return first or place.code.co_firstlineno, last or 0, start or 0, end or 0


@cache
def _syntax(filename: str) -> ast.Module | None:
    text = "".join(linecache.getlines(filename))
    try:
        return ast.parse(text) if text else None
    except SyntaxError:
        return None


@cache
def _parents(filename: str) -> dict[ast.AST, ast.AST]:
    module = _syntax(filename)
    if module is None:
        return {}
    return {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}


@cache
def _nodes(filename: str) -> dict[tuple[int, int, int, int], ast.AST]:
    """Every expression (and augmented assignment) of a file by its position."""
    return {
        (node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0): node
        for node in _parents(filename)
        if isinstance(node, (ast.expr, ast.AugAssign))
    }


def _node(place: Place) -> ast.AST | None:
    return _nodes(place.code.co_filename).get(_position(place))


def _statement(place: Place) -> ast.stmt | None:
    """Return the innermost simple statement around a place."""
    parents = _parents(place.code.co_filename)
    node: ast.AST | None = _node(place)
    while node is not None and not isinstance(node, ast.stmt):
        node = parents.get(node)
    return node


def _inside_lambda(place: Place) -> bool:
    """Whether the statement around a place only defines the function that runs there."""
    parents = _parents(place.code.co_filename)
    node = _node(place)
    while node is not None and not isinstance(node, ast.stmt):
        node = parents.get(node)
        if isinstance(node, ast.Lambda):
            return True
    return False


def _statement_text(place: Place) -> str:
    statement = _statement(place)
    first, last, *_ = _position(place)
    if statement is not None and not hasattr(statement, "body"):  # not the whole of a loop
        length = (statement.end_lineno or statement.lineno) - statement.lineno
        if length < 3:  # of a longer statement, only the lines of the running expression
            first, last = statement.lineno, statement.lineno + length
    lines = (linecache.getline(place.code.co_filename, n).strip() for n in range(first, last + 1))
    text = " ".join(filter(None, lines))
    return text if len(text) <= 90 else text[:87] + "..."


# ----- Names in the syntax -----------------------------------------------------------------------


def _assigned(statement: ast.AST | None, value: ast.AST) -> list[str]:
    """Return the names that ``statement`` assigns ``value`` to, if it is such a statement."""
    if isinstance(statement, ast.Assign) and statement.value is value:
        target: ast.AST = statement.targets[0]
    elif isinstance(statement, (ast.AnnAssign, ast.NamedExpr)) and statement.value is value:
        target = statement.target
    elif isinstance(value, ast.AugAssign):
        target = value.target
    else:
        return []
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    names = [_name_of(part) for part in parts]
    return names if any(names) else []


def _name_of(node: ast.AST) -> str:
    """``x`` for ``x``, ``W`` for ``self.W``, ``params["W"]`` and ``params["W"][0]``, else ""."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return _name_of(node.value) if node.attr == "T" else node.attr
    if isinstance(node, ast.Subscript):
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value if key.value.isidentifier() else ""
    return ""


def _is_module(node: ast.AST) -> bool:
    """Whether the ``np`` of ``np.sin(x)`` stands here, by the usual names of modules."""
    if isinstance(node, ast.Attribute):
        return _is_module(node.value)
    return isinstance(node, ast.Name) and node.id in {
        "np", "numpy", "scipy", "sp", "special", "linalg", "backlit", "functions", "math",
    }  # fmt: skip
