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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backlit.program import tree

if TYPE_CHECKING:
    from backlit.program.origin import Origin


@dataclass(eq=False, slots=True)
class Value:
    """One array of a program. Two values are equal only if they are the same object.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype or None
        ``None`` for the tuple that a function with several results returns.
    name : str
        The name that was given, or "" where it follows from the source line (`naming.py`).
    adjoint_of : Value or None
        The value whose gradient this one is (or contributes to).
    """

    shape: tuple[int, ...]
    dtype: Any
    name: str = ""
    adjoint_of: Value | None = None

    def __repr__(self) -> str:
        return f"<Value {self.name or 'unnamed'}: {self.dtype} {self.shape}>"


@dataclass(eq=False, slots=True)
class Instruction:
    """``output = function(*arguments, **keywords)``.

    Attributes
    ----------
    function : callable
        A NumPy function, a ufunc, a function of `operator`, or a composite with a NumPy body.
    arguments : tuple
        Values, plain numbers, strings, slices, or tuples and lists of these.
    keywords : dict of str to object
    output : Value
    origin : Origin or None
        The lines of the user's source that led here.
    derives : Instruction or None
        In a backward pass, the instruction whose rule wrote this one.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    output: Value
    origin: Origin | None = None
    derives: Instruction | None = None

    def operands(self) -> Iterator[Value]:
        """Yield the values that this instruction reads."""
        for argument in (*self.arguments, *self.keywords.values()):
            yield from _values_in(argument)


@dataclass(eq=False, slots=True)
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
        from backlit.program.printing import source

        return source(self)

    def __repr__(self) -> str:
        return (
            f"<Program {self.name}: {len(self.inputs)} inputs, "
            f"{len(self.instructions)} instructions, {len(self.output_values())} outputs>"
        )

    def output_values(self) -> list[Value]:
        """Return the leaves of `outputs`."""
        return tree.leaves(self.outputs)


def substitute(argument: Any, replace: Callable[[Value], Any]) -> Any:
    """Rebuild one argument of an instruction with each value replaced by ``replace(value)``."""
    if isinstance(argument, Value):
        return replace(argument)
    if type(argument) in (tuple, list):
        return type(argument)(substitute(part, replace) for part in argument)
    return argument


def _values_in(argument: Any) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif type(argument) in (tuple, list):
        for part in argument:
            yield from _values_in(part)
