"""Names for the values of a program: the user's own, and ``d_<name>`` for adjoints.

A value takes, in this order: the name it was given; ``d_`` and the name of the value it is the
gradient of; the variable it was assigned to; the variable and the operation (``h1_matmul``, for a
part of the line ``h1 = np.tanh(x @ W1)``); the operation alone (``sin``). A name that is taken
gets ``_2``, ``_3``, and so on.
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backlit.program.values import Instruction, Value

if TYPE_CHECKING:
    from backlit.program.program import Program

# Names that the printed source needs for itself.
RESERVED = frozenset(("np", "special", "inf", "nan", *keyword.kwlist))


def names(program: Program, reserved: Iterable[str] = ()) -> dict[Value, str]:
    """Return a name for every value of ``program``, no two alike, all valid Python names."""
    taken = RESERVED.union(reserved)
    given: dict[Value, str] = {}
    used = set(taken)

    def give(value: Value, stem: str) -> None:
        name, count = stem, 1
        while name in used:
            count += 1
            name = f"{stem}_{count}"
        used.add(name)
        given[value] = name

    as_written = _operand_names(program)
    for value in (*program.inputs, *program.captured):
        give(value, _valid(value.name) or _valid(as_written.get(value, "")) or "x")

    # Contributions to one adjoint come before their sum, and the sum is what `d_x` means.
    last_adjoint = {
        i.output.adjoint_of: i.output for i in program.instructions if i.output.adjoint_of
    }
    for value in program.fixed:
        give(value, value.name or "constant")
    for instruction in program.instructions:
        value = instruction.output
        primal = value.adjoint_of
        if primal is not None and primal in given:
            stem = f"d_{given[primal]}"
            give(value, stem if last_adjoint[primal] is value else f"{stem}_part")
        elif value.name:
            give(value, value.name)
        elif instruction.derives is not None:
            give(value, f"d_{given.get(instruction.derives.output, 'x')}_{operation(instruction)}")
        else:
            give(value, _stem(instruction))
    return given


def operation(instruction: Instruction) -> str:
    """Return the plain name of an instruction's function: ``matmul``, ``sin``, ``item``."""
    name = getattr(instruction.function, "__name__", "value").strip("_")
    return _NOUNS.get(name, name)


_NOUNS = {
    "add": "sum", "sub": "difference", "mul": "product", "truediv": "quotient", "pow": "power",
    "neg": "negative", "subtract": "difference", "multiply": "product", "divide": "quotient",
    "getitem": "item", "sum": "total", "max": "largest", "min": "smallest", "amax": "largest",
    "amin": "smallest", "abs": "absolute",
}  # fmt: skip


def _stem(instruction: Instruction) -> str:
    origin = instruction.origin
    if origin is None:
        return _valid(operation(instruction)) or "value"
    target = origin.target
    if len(target) == 1 and _valid(target[0]):
        return target[0]
    if len(target) > 1 and instruction.output.dtype is not None:
        # One part of a tuple: instruction is `item = pair[k]`.
        part = instruction.arguments[-1]
        if isinstance(part, int) and part < len(target) and _valid(target[part]):
            return target[part]
    context = _valid(origin.context)
    name = operation(instruction)
    if context:
        return f"{context}_{name}"
    return f"{name}_" if hasattr(builtins, name) else name


def _operand_names(program: Program) -> dict[Value, str]:
    """Return the variable names under which inputs and captured arrays are first used."""
    found: dict[Value, str] = {}
    for instruction in program.instructions:
        if instruction.origin is None or instruction.derives is not None:
            continue
        written = instruction.origin.operand_names
        for argument, name in zip(instruction.arguments, written, strict=False):
            if isinstance(argument, Value) and name:
                found.setdefault(argument, name)
    return found


def _valid(name: str) -> str:
    """Return ``name`` if it can be used in the printed source, else ""."""
    return name if name.isidentifier() and name not in RESERVED and name.strip("_") else ""
