"""Shorter programs that compute the same bits.

Each pass is a function from program to program.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.program import tree
from backlit.program.program import Program
from backlit.program.values import Instruction, Value, substitute


def simplify(program: Program) -> Program:
    """Share what is computed twice, then drop what nothing reads.

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
        Another program with the same inputs and, bit for bit, the same outputs.
    """
    return drop_dead_values(share_common_subexpressions(program))


def fold_constants(program: Program) -> Program:
    """Compute what depends on no input.

    Captured arrays count as constants: the program that is returned holds for their values now.
    What is larger than all that it is computed from is left as it is.

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
        Another program with the same inputs and, bit for bit, the same outputs.
    """
    known: dict[Value, Any] = {**program.captured, **program.fixed}
    folded: dict[Value, Any] = {}
    kept: list[Instruction] = []
    for instruction in program.instructions:
        operands = list(instruction.operands())
        if not all(value in known for value in operands):
            kept.append(instruction)
            continue
        arguments = tuple(substitute(a, known.__getitem__) for a in instruction.arguments)
        keywords = {k: substitute(a, known.__getitem__) for k, a in instruction.keywords.items()}
        with np.errstate(all="ignore"):
            result = instruction.function(*arguments, **keywords)
        size = sum(np.size(known[value]) for value in operands)
        if not isinstance(result, (np.ndarray, np.generic)) or np.size(result) > max(1, size):
            kept.append(instruction)
        else:
            known[instruction.output] = folded[instruction.output] = result
    captured = {**program.captured, **folded}
    return drop_dead_values(replace(program, instructions=kept, captured=captured))


def drop_dead_values(program: Program) -> Program:
    """Leave out instructions whose results reach no output, and captured arrays nobody reads."""
    alive: set[Value] = set(program.output_values())
    kept: list[Instruction] = []
    for instruction in reversed(program.instructions):
        if instruction.output in alive:
            kept.append(instruction)
            alive.update(instruction.operands())
    captured = {value: array for value, array in program.captured.items() if value in alive}
    return replace(program, instructions=kept[::-1], captured=captured)


def share_common_subexpressions(program: Program) -> Program:
    """Compute ``f(x)`` once where the program computes it twice.

    An expression is named by its function and the *identities* of its operands, never by their
    text, so that the cost stays linear: derivatives of high order repeat themselves so much that
    comparing trees would take exponential time.
    """
    first: dict[Any, Value] = {}
    same_as: dict[Value, Value] = {}
    kept: list[Instruction] = []

    def current(value: Value) -> Value:
        return same_as.get(value, value)

    for instruction in program.instructions:
        arguments = tuple(substitute(a, current) for a in instruction.arguments)
        keywords = {k: substitute(a, current) for k, a in instruction.keywords.items()}
        operands = list(map(_key, arguments))
        if instruction.function in _COMMUTATIVE:
            operands.sort(key=repr)  # x * y and y * x are the same bits
        key = (
            instruction.function,
            tuple(operands),
            tuple((k, _key(a)) for k, a in keywords.items()),
        )
        known = first.setdefault(key, instruction.output)
        if known is instruction.output:
            kept.append(replace(instruction, arguments=arguments, keywords=keywords))
        else:
            same_as[instruction.output] = known
    outputs = tree.map_leaves(current, program.outputs)
    return replace(program, instructions=kept, outputs=outputs)


_COMMUTATIVE = frozenset((operator.add, operator.mul, np.add, np.multiply))


def _key(argument: Any) -> Any:
    """Return a hashable stand-in that is equal only for arguments that compute the same bits."""
    if isinstance(argument, Value):
        return id(argument)
    if type(argument) in (tuple, list):
        return (type(argument), tuple(map(_key, argument)))
    if isinstance(argument, slice):
        return (slice, argument.start, argument.stop, argument.step)
    if isinstance(argument, (float, np.floating)):
        # 0.0 equals -0.0 and 1.0 equals 1, yet their quotients and dtypes differ.
        return (type(argument), float(argument).hex())
    return (type(argument), repr(argument))
