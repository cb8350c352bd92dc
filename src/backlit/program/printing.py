"""A program as NumPy source that runs by itself.

The text needs ``numpy`` (and ``scipy.special`` where the program uses it) and nothing of this
package. Inputs and captured arrays are the arguments, each user's line stands as a comment above
the instructions that it became, and each composite is defined once, above.
"""

from __future__ import annotations

import operator
import sys
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.program import naming
from backlit.program.bodies import Bodies
from backlit.program.values import Instruction, Value

if TYPE_CHECKING:
    from backlit.program.program import Program

INFIX = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.floordiv: "//", operator.mod: "%", operator.pow: "**", operator.matmul: "@",
    operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
    operator.eq: "==", operator.ne: "!=", operator.and_: "&", operator.or_: "|",
    operator.xor: "^",
}  # fmt: skip
PREFIX = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}


def source(program: Program) -> str:
    """Print ``program`` as a Python function of NumPy calls.

    Parameters
    ----------
    program : Program

    Returns
    -------
    str
        Source text that defines one function, named like the program. It takes one argument for
        each input and each captured array, and returns the program's outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> print(backlit.record(np.tanh, np.ones(3)))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def tanh(x):
        tanh = np.tanh(x)
        return tanh
    """
    bodies = _bodies(program)
    title = _title(program, bodies)
    name = value_names(program)
    parameters = [name[value] for value in (*program.inputs, *program.captured)]
    lines = [_signature(title, parameters)]
    lines += [f"    {name[value]} = {_literal(fixed)}" for value, fixed in program.fixed.items()]
    heading = ""
    for instruction in program.instructions:
        if _is_transpose(instruction):
            continue
        comment = _comment(instruction)
        if comment != heading and comment:
            lines.append(f"    # {comment}")
        heading = comment
        lines.append(f"    {name[instruction.output]} = {expression(instruction, name, bodies)}")
    lines.append(f"    return {_structure(program.outputs, name)}")

    imports = ["import numpy as np"]
    if bodies.needs_special or any(_special(i.function) for i in program.instructions):
        imports.append("from scipy import special")
    return "\n\n\n".join(["\n".join(imports), *bodies.definitions, "\n".join(lines)])


def value_names(program: Program) -> dict[Value, str]:
    """Return the names that the printed source gives to the values."""
    name = naming.names(program, reserved=_bodies(program).name.values())
    for instruction in program.instructions:
        if _is_transpose(instruction):
            name[instruction.output] = f"{name[instruction.arguments[0]]}.T"
    return name


def _is_transpose(instruction: Instruction) -> bool:
    """Whether this is ``x.T``: a view, written where it is used and not on a line of its own."""
    return (
        instruction.function is np.transpose
        and len(instruction.arguments) == 1
        and not instruction.keywords
        and isinstance(instruction.arguments[0], Value)
    )


def expression(instruction: Instruction, name: dict[Value, str], bodies: Bodies) -> str:
    """Return the right-hand side of an instruction: ``np.tanh(z)``, ``x @ W``, ``x[1:3]``."""
    function, arguments = instruction.function, instruction.arguments
    if function in INFIX:
        left, right = (_operand(a, name) for a in arguments)
        return f"{left} {INFIX[function]} {right}"
    if function in PREFIX:
        return f"{PREFIX[function]}{_operand(arguments[0], name)}"
    if function is operator.getitem:
        return f"{_operand(arguments[0], name)}[{_index(arguments[1], name)}]"
    parts = [_argument(a, name) for a in arguments]
    parts += [f"{key}={_argument(a, name)}" for key, a in instruction.keywords.items()]
    called = function_name(function) if _is_provided(function) else bodies.name_of(function)
    return f"{called}({', '.join(parts)})"


def function_name(function: Callable[..., Any]) -> str:
    """Return the name by which the printed source calls ``function``."""
    name = function.__name__
    if getattr(np, name, None) is function:
        return f"np.{name}"
    for module in (np.linalg, np.fft):
        if getattr(module, name, None) is function:
            return f"np.{module.__name__.removeprefix('numpy.')}.{name}"
    if _special(function):
        return f"special.{name.lstrip('_')}"
    return name


# ----- The parts of a line -----------------------------------------------------------------------


def _signature(title: str, parameters: list[str]) -> str:
    line = f"def {title}({', '.join(parameters)}):"
    if len(line) <= 100:
        return line
    body = textwrap.fill(", ".join(parameters), 96, initial_indent="    ", subsequent_indent="    ")
    return f"def {title}(\n{body},\n):"


def _comment(instruction: Instruction) -> str:
    forward = instruction.derives
    if forward is not None:
        if forward.origin is None or not forward.origin.line:
            return f"backward through {forward.function.__name__}"
        return f"backward through: {forward.origin.line}"
    if instruction.output.adjoint_of is not None:
        return "the backward pass"
    return instruction.origin.line if instruction.origin is not None else ""


def _argument(argument: Any, name: dict[Value, str]) -> str:
    if isinstance(argument, Value):
        return name[argument]
    if type(argument) in (tuple, list):
        parts = [_argument(part, name) for part in argument]
        if type(argument) is list:
            return f"[{', '.join(parts)}]"
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return _literal(argument)


def _operand(argument: Any, name: dict[Value, str]) -> str:
    """Return an argument of an operator, in brackets where a minus sign would bind wrongly."""
    text = _argument(argument, name)
    return f"({text})" if text.startswith("-") else text


def _index(index: Any, name: dict[Value, str]) -> str:
    if type(index) is tuple and index:
        parts = [
            _argument(part, name) if type(part) is tuple else _index(part, name) for part in index
        ]
        return ", ".join(parts) + ("," if len(parts) == 1 else "")
    if isinstance(index, slice):
        bounds = ["" if b is None else _literal(b) for b in (index.start, index.stop)]
        step = "" if index.step is None else f":{_literal(index.step)}"
        return ":".join(bounds) + step
    if index is None:
        return "np.newaxis"
    if index is Ellipsis:
        return "..."
    return _argument(index, name)


def _literal(constant: Any) -> str:
    """Return source that evaluates to exactly the same object: bits, dtype and all."""
    if isinstance(constant, (bool, np.bool_)):
        return str(bool(constant))
    if isinstance(constant, np.generic):
        return f"np.{type(constant).__name__}({_number(constant.item())})"
    if isinstance(constant, float):
        return _number(constant)
    if isinstance(constant, slice):
        return f"slice({constant.start!r}, {constant.stop!r}, {constant.step!r})"
    if isinstance(constant, np.dtype):
        return f"np.dtype({constant.name!r})"
    if isinstance(constant, type) and issubclass(constant, np.generic):
        return f"np.{constant.__name__}"
    if isinstance(constant, type):
        return constant.__name__
    if isinstance(constant, np.ndarray):
        return f"np.array({constant.tolist()!r}, dtype={constant.dtype.name!r})"
    if isinstance(constant, dict):
        return "{" + ", ".join(f"{k!r}: {_literal(v)}" for k, v in constant.items()) + "}"
    if constant is Ellipsis:
        return "..."
    return repr(constant)


def _number(number: Any) -> str:
    """``repr`` writes the shortest text that reads back to the same double, but not inf and nan."""
    text = repr(number)
    if text == "nan":
        return "-np.nan" if np.signbit(number) else "np.nan"
    return {"inf": "np.inf", "-inf": "-np.inf"}.get(text, text)


def _structure(outputs: Any, name: dict[Value, str]) -> str:
    if outputs is None:
        return "None"
    if isinstance(outputs, dict):
        items = (f"{key!r}: {_structure(child, name)}" for key, child in outputs.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(outputs, (tuple, list)):
        parts = [_structure(child, name) for child in outputs]
        if isinstance(outputs, list):
            return f"[{', '.join(parts)}]"
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return name[outputs]


def _title(program: Program, bodies: Bodies) -> str:
    free = program.name.isidentifier() and program.name not in bodies.name.values()
    return program.name if free else "program"


# ----- Composites and SciPy ----------------------------------------------------------------------


def _special(function: Callable[..., Any]) -> bool:
    special = sys.modules.get("scipy.special")
    if special is None or not isinstance(function, np.ufunc):
        return False
    name = function.__name__
    # `special.zeta` is a thin wrapper around the ufunc `_zeta`.
    wrapped = name.startswith("_") and hasattr(special, name.lstrip("_"))
    return wrapped or getattr(special, name, None) is function


def _bodies(program: Program) -> Bodies:
    """Return the definitions of the program's composites."""
    composites = dict.fromkeys(
        i.function for i in program.instructions if not _is_provided(i.function)
    )
    return Bodies(composites, _is_provided, _literal)


def _is_provided(function: Callable[..., Any]) -> bool:
    """Whether NumPy, SciPy or Python has this function."""
    return (
        not isinstance(function, FunctionType)
        or function_name(function) != function.__name__
        or function in INFIX
    )
