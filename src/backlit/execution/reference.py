"""The reference executor: a program run with NumPy, one instruction at a time.

It is the definition of what a program computes. Any faster way to run a program must agree with
it, and every value can be looked at on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit.program import tree
from backlit.program.printing import value_names
from backlit.program.program import Program
from backlit.program.values import Instruction, Value, substitute


def run(program: Program, *arguments: Any) -> Any:
    """Run a program.

    Parameters
    ----------
    program : Program
    *arguments
        In the structure, shapes and dtypes that the program was recorded with.

    Returns
    -------
    The program's outputs, in the structure that the recorded function returned.

    Raises
    ------
    ValueError
        If an argument is missing or has another structure, shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> program = backlit.record(lambda x: np.sum(x * x), np.ones(2))
    >>> float(backlit.run(program, np.array([3.0, 4.0])))
    25.0
    """
    values = bind(program, arguments)
    for instruction in program.instructions:
        evaluate(instruction, values)
    return tree.map_leaves(values.__getitem__, program.outputs)


def watch(program: Program, *arguments: Any) -> Iterator[tuple[str, Instruction, Any]]:
    """Run a program and hand out every value as it is computed.

    Parameters
    ----------
    program : Program
    *arguments
        As for `run`.

    Yields
    ------
    name : str
        The value's name, as it is printed.
    instruction : Instruction
    value : array

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> program = backlit.record(lambda x: np.sum(x * x), np.ones(2))
    >>> for name, _, value in backlit.watch(program, np.array([3.0, 4.0])):
    ...     print(name, value)
    product [ 9. 16.]
    total 25.0
    """
    names = value_names(program)
    values = bind(program, arguments)
    for instruction in program.instructions:
        yield names[instruction.output], instruction, evaluate(instruction, values)


def evaluate(instruction: Instruction, values: dict[Value, Any]) -> Any:
    """Compute one instruction from the values so far, and add its result to them."""
    find = values.__getitem__
    arguments = [a if type(a) in _PLAIN else substitute(a, find) for a in instruction.arguments]
    keywords = {key: substitute(a, find) for key, a in instruction.keywords.items()}
    if instruction.derives is None:
        result = instruction.function(*arguments, **keywords)
    else:  # a derivative may be infinite: a value to look at, not a reason to warn
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            result = instruction.function(*arguments, **keywords)
    values[instruction.output] = result
    return result


_PLAIN = frozenset((int, float, str, slice, bool, type(None)))


def bind(program: Program, arguments: tuple[Any, ...]) -> dict[Value, Any]:
    """Give every input its value, after checking that the program holds for it."""
    if len(arguments) != len(program.arguments):
        raise ValueError(
            f"run: {program.name} takes {len(program.arguments)} arguments, and {len(arguments)} "
            "were given"
        )
    values: dict[Value, Any] = dict(program.captured)
    values.update(program.fixed)

    def check(expected: Any, given: Any) -> None:
        if not isinstance(expected, Value):
            if given is not expected and given != expected:
                raise ValueError(
                    f"run: {program.name} was recorded with the fixed argument {expected!r}, and "
                    f"{given!r} was given; record it again"
                )
            return
        if type(given) is float:
            given = np.float64(given)
        if not hasattr(given, "shape"):
            given = np.asarray(given)
        if given.shape != expected.shape or given.dtype != expected.dtype:
            raise ValueError(
                f"run: {program.name} was recorded for {expected.name or 'an input'} of shape "
                f"{expected.shape} and dtype {expected.dtype}, and shape {given.shape} and dtype "
                f"{given.dtype} was given; record it again for these"
            )
        values[expected] = given

    try:
        tree.map_leaves(check, program.arguments, arguments)
    except ValueError as error:
        if str(error).startswith("run:"):
            raise
        raise ValueError(f"run: the arguments of {program.name}: {error}") from None
    return values
