"""A program as one Python function: the same NumPy calls in the same order, and nothing between.

The reference executor looks up each value and each call as it goes, which takes as long as NumPy
needs for some hundred numbers. Small networks are trained by such calls; so, for them, the lines
that ``print(program)`` shows are compiled, as Python, and called. Where an operand is read for the
last time, its memory takes the result. The bits are those of the reference executor.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from backlit.autodiff.composite import body_of
from backlit.networks.layers import dense
from backlit.program.program import Program
from backlit.program.values import Instruction, Value

SIGNS: dict[Any, str] = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.matmul: "@", operator.pow: "**", operator.gt: ">", operator.lt: "<",
    operator.eq: "==",
}  # fmt: skip
IN_PLACE = {operator.add: (0, 1), operator.sub: (0,), operator.mul: (0, 1), operator.truediv: (0,)}

# What NumPy's functions call in the end. They look at their arguments for a microsecond before.
REDUCTIONS: dict[Any, Any] = {
    np.sum: np.add.reduce, np.max: np.maximum.reduce, np.min: np.minimum.reduce,
}  # fmt: skip
FRESH = (dense, np.concatenate)  # beside signs and ufuncs: what always returns new memory
METHODS: dict[Any, str] = {np.reshape: "reshape", np.ravel: "ravel"}

PLAIN = (int, float, str, bool, type(None))


def straight(program: Program, given_away: Collection[int] = ()) -> Callable[..., list[Any]]:
    """Return a program as a Python function.

    Parameters
    ----------
    program : Program
    given_away : collection of int, default ()
        Positions of inputs that the caller does not need any more, and that may be written over.

    Returns
    -------
    callable
        Takes the program's inputs in their order, and returns its output values as a list. It does
        not check shapes and dtypes. Arguments that are not given away stay as they are.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> from backlit.estimators.straight import straight
    >>> square = straight(backlit.record(lambda x: np.sum(x * x), np.ones(2)))
    >>> square(np.array([3.0, 4.0]))
    [np.float64(25.0)]
    """
    writer = _Writer(program, given_away)
    source = "\n    ".join(writer.lines())
    exec(compile(source, f"<{program.name}>", "exec"), writer.known)
    function: Callable[..., list[Any]] = writer.known["straight"]
    return function


class _Writer:
    """Writes a program's lines, and collects what they name."""

    def __init__(self, program: Program, given_away: Collection[int]) -> None:
        self.program = program
        self.names: dict[Value, str] = {}
        self.known: dict[str, Any] = {}
        self.constants: dict[int, str] = {}
        for value, array in (*program.captured.items(), *program.fixed.items()):
            self.known[self.name(value)] = array
        self.last = program.last_read()
        self.memory = _Memory(program, [program.inputs[k] for k in given_away])

    def lines(self) -> list[str]:
        program = self.program
        lines = [f"def straight({', '.join(map(self.name, program.inputs))}):"]
        for instruction in program.instructions:
            free = self.last.get(instruction.output, [])
            lines += self._in_place(instruction) or self._line(instruction)
            if free := [value for value in free if value in self.names]:
                lines.append("del " + ", ".join(map(self.name, free)))
        outputs = map(self.name, program.output_values())
        return [*lines, f"return [{', '.join(outputs)}]"]

    def name(self, value: Value) -> str:
        return self.names.setdefault(value, f"v{len(self.names)}")

    def constant(self, thing: Any) -> str:
        name = self.constants.setdefault(id(thing), f"c{len(self.constants)}")
        self.known[name] = thing
        return name

    def text(self, argument: Any) -> str:
        if isinstance(argument, Value):
            return self.name(argument)
        if type(argument) is tuple:
            return "(" + "".join(f"{self.text(part)}, " for part in argument) + ")"
        if type(argument) is list:
            return "[" + ", ".join(map(self.text, argument)) + "]"
        if type(argument) in PLAIN and (not isinstance(argument, float) or np.isfinite(argument)):
            return repr(argument)
        return self.constant(argument)

    def _line(self, instruction: Instruction) -> list[str]:
        function, keywords = instruction.function, dict(instruction.keywords)
        arguments = [self.text(a) for a in instruction.arguments]
        name = self.name(instruction.output)
        if function is dense:
            x, W, b = arguments
            return [f"{name} = {x} @ {W}", f"{name} += {b}"]
        if function in SIGNS:
            return [f"{name} = ({arguments[0]}) {SIGNS[function]} ({arguments[1]})"]
        if function is operator.getitem:
            return [f"{name} = {arguments[0]}[{arguments[1]}]"]
        if function in METHODS and not keywords:
            return [f"{name} = {arguments[0]}.{METHODS[function]}({', '.join(arguments[1:])})"]
        if function in REDUCTIONS and len(arguments) == 1 and set(keywords) <= {"axis", "keepdims"}:
            function, keywords = REDUCTIONS[function], {"axis": None, **keywords}
        called = self.constant(body_of(function) or function)
        arguments += [f"{key}={self.text(a)}" for key, a in keywords.items()]
        return [f"{name} = {called}({', '.join(arguments)})"]

    def _in_place(self, instruction: Instruction) -> list[str]:
        """Return the line that writes over an operand; none where that must not be."""
        output = instruction.output
        for position in IN_PLACE.get(instruction.function, ()):
            target, other = instruction.arguments[position], instruction.arguments[1 - position]
            if (
                isinstance(target, Value)
                and target.shape == output.shape != ()
                and target.dtype == output.dtype
                and self.memory.is_free(target, instruction)
            ):
                sign, text = SIGNS[instruction.function], self.text(other)
                self.names[output] = self.names.pop(target)
                return [f"{self.names[output]} {sign}= {text}"]
        return []


class _Memory:
    """Which values may look at the same memory, and until when.

    What a function returns may be a view of any of its operands, unless it is known to be new.
    """

    def __init__(self, program: Program, given_away: Collection[Value]) -> None:
        self.parents: dict[Value, Value] = {}
        for instruction in program.instructions:
            function = instruction.function
            new = function in SIGNS or function in FRESH or isinstance(function, np.ufunc)
            if not new and function not in REDUCTIONS:
                for operand in instruction.operands():
                    self.parents[self._root(operand)] = self._root(instruction.output)
        self.last: dict[Value, Value] = {}  # the output of the last instruction that reads it
        for instruction in program.instructions:
            for operand in instruction.operands():
                self.last[self._root(operand)] = instruction.output
        kept = [value for value in program.inputs if value not in given_away]
        kept += [*program.captured, *program.fixed, *program.output_values()]
        self.kept = {self._root(value) for value in kept}

    def _root(self, value: Value) -> Value:
        while value in self.parents and self.parents[value] is not value:
            value = self.parents[value]
        return value

    def is_free(self, target: Value, instruction: Instruction) -> bool:
        """Say whether an instruction is the last to look at an operand's memory, and looks once."""
        root = self._root(target)
        looks = sum(self._root(operand) is root for operand in instruction.operands())
        return root not in self.kept and self.last[root] is instruction.output and looks == 1
