"""The two things that a program is made of: values, and instructions that compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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

    @property
    def source(self) -> Origin | None:
        """The lines that led here or, in a backward pass, to the instruction it derives."""
        instruction: Instruction | None = self
        while instruction is not None and instruction.origin is None:
            instruction = instruction.derives
        return instruction.origin if instruction else None

    def operands(self) -> Iterator[Value]:
        """Yield the values that this instruction reads."""
        for argument in (*self.arguments, *self.keywords.values()):
            yield from _values_in(argument)


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
