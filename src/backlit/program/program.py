"""A program: a flat list of instructions on named values, each one a NumPy call.

    Program
      inputs         the values that the caller gives, and the tree they arrive in
      captured       arrays that the recorded function took from elsewhere
      instructions   output = function(*arguments, **keywords), in order
      outputs        the tree of values that the program returns

A program is data. It can be printed as NumPy source (``print(program)``), rewritten by
functions from program to program, and run by an executor. It holds for the shapes and dtypes
it was recorded with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backlit.program import tree
from backlit.program.printing import source
from backlit.program.values import Instruction, Value


@dataclass(eq=False, slots=True, weakref_slot=True)
class Program:
    """A recorded function. See the module's text.

    Attributes
    ----------
    name : str
        The name of the recorded function.
    inputs : list of Value
        The leaves of the arguments, in order.
    arguments : tuple
        The arguments' structure, with a `Value` or a fixed object at each leaf.
    examples : list of numpy.ndarray
        The inputs that the program was recorded with: they give the shapes, and let a backward
        pass be recorded without asking for data again.
    captured : dict of Value to numpy.ndarray
        Arrays that the function used without receiving them; printed as arguments.
    instructions : list of Instruction
    outputs : tree of Value
    """

    name: str
    inputs: list[Value]
    arguments: tuple[Any, ...]
    examples: list[Any]
    captured: dict[Value, Any]
    instructions: list[Instruction]
    outputs: Any
    # Values of outputs that are not computed but fixed (a constant that was returned).
    fixed: dict[Value, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return source(self)

    def __repr__(self) -> str:
        return (
            f"<Program {self.name}: {len(self.inputs)} inputs, "
            f"{len(self.instructions)} instructions, {len(self.output_values())} outputs>"
        )

    def output_values(self) -> list[Value]:
        """Return the leaves of `outputs`."""
        return tree.leaves(self.outputs)

    def last_read(self) -> dict[Value, list[Value]]:
        """Return which values nobody needs any more after an instruction, by its output.

        Inputs, captured arrays and outputs are not among them.
        """
        kept = {*self.inputs, *self.captured, *self.fixed, *self.output_values()}
        last: dict[Value, list[Value]] = {}
        for instruction in reversed(self.instructions):
            for value in (*instruction.operands(), instruction.output):
                if value not in kept:
                    kept.add(value)
                    last.setdefault(instruction.output, []).append(value)
        return last
