"""From a closed recording tape to a program."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from backlit.autodiff.errors import TraceError
from backlit.autodiff.pullback import result_value
from backlit.autodiff.rules.elementwise import cast
from backlit.autodiff.tape import Entry, RecordingTape
from backlit.autodiff.traced import Traced
from backlit.program import tree
from backlit.program.values import Instruction, Value


class Transcript:
    """The entries of a tape, written as instructions.

    Parameters
    ----------
    tape : RecordingTape
        Closed.
    entries : list of entries
        What `RecordingTape.close` handed out. The first ones stand for the inputs.
    inputs : list of Value

    Attributes
    ----------
    instructions : list of Instruction
    captured : dict of Value to numpy.ndarray
        Arrays that came from elsewhere.
    fixed : dict of Value to number
        Constants among the outputs.
    """

    def __init__(self, tape: RecordingTape, entries: list[Entry], inputs: list[Value]) -> None:
        self.captured: dict[Value, Any] = {}
        self.fixed: dict[Value, Any] = {}
        self._tape = tape
        self._values = list(inputs)
        self._written: dict[int, Instruction] = {}  # by node
        self._copies: dict[int, Value] = {}  # the tape has one copy of each captured array
        # Where a program was replayed: its instructions and values, and what they are now.
        self._replayed: dict[Instruction, Instruction] = {}
        self._same_value: dict[Value | None, Value] = dict(
            zip(tape.replayed_inputs, inputs, strict=False)
        )
        for node in range(len(inputs), len(entries)):
            self._write(node, entries[node])
        self.instructions = list(self._written.values())
        self._warn_of_promotion()

    def outputs(self, result: Any) -> Any:
        """Return the tree of values for what the recorded function returned."""
        return tree.map_leaves(self._output, result)

    def _write(self, node: int, entry: Entry) -> None:
        rule, ans, arguments, keywords, parents = entry
        tape = self._tape
        traced = dict(parents)
        shown = tuple(self._argument(a, traced.get(k)) for k, a in enumerate(arguments))
        several = isinstance(ans, (tuple, list))
        value = Value(
            shape=() if several else np.shape(ans),
            dtype=None if several else np.asarray(ans).dtype,
            name=tape.names.get(node, ""),
        )
        if node in tape.adjoint_of:
            value.adjoint_of = self._values[tape.adjoint_of[node]]
        instruction = Instruction(
            rule.function,
            shown,
            {key: self._operand(argument) for key, argument in keywords.items()},
            value,
            tape.origins.get(node),
            self._written.get(tape.derives.get(node, -1)),
        )
        if node in tape.replays:
            self._keep_identity(instruction, tape.replays[node])
        self._values.append(value)
        self._written[node] = instruction

    def _argument(self, argument: Any, parent: Any) -> Any:
        """Return one argument with values in the place of what was traced."""
        if parent is None:
            return self._operand(argument)
        if isinstance(parent, int):
            return self._values[parent]
        members = dict(parent)
        return type(argument)(
            self._values[members[k]] if k in members else self._operand(member)
            for k, member in enumerate(argument)
        )

    def _operand(self, argument: Any) -> Any:
        """Return an argument that was not traced: arrays become captured values."""
        if isinstance(argument, Traced):
            raise TraceError(
                "record: the function uses a value of an outer gradient; record it outside"
            )
        if isinstance(argument, np.ndarray):
            known = self._copies.get(id(argument))
            if known is None:
                known = self._copies[id(argument)] = Value(argument.shape, argument.dtype)
                self.captured[known] = argument
            return known
        if type(argument) in (tuple, list):
            return type(argument)(map(self._operand, argument))
        return argument

    def _keep_identity(self, instruction: Instruction, earlier: Instruction) -> None:
        """Give a replayed instruction the name, line and meaning that it had."""
        value = instruction.output
        instruction.origin = earlier.origin
        if earlier.derives is not None:
            instruction.derives = self._replayed.get(earlier.derives, earlier.derives)
        value.name = earlier.output.name
        value.adjoint_of = self._same_value.get(earlier.output.adjoint_of)
        self._replayed[earlier] = instruction
        self._same_value[earlier.output] = value

    def _output(self, leaf: Any) -> Value:
        if isinstance(leaf, Traced) and leaf._tape is self._tape:
            return self._values[leaf._node]
        constant = np.array(result_value(leaf, self._tape))
        value = Value(constant.shape, constant.dtype)
        if constant.shape:
            self.captured[value] = constant
        else:
            self.fixed[value] = constant[()]
        return value

    def _warn_of_promotion(self) -> None:
        """Say once, with the line, where computed float32 values became float64 unasked."""
        for instruction in self.instructions:
            if (
                instruction.output.dtype == np.float64
                and instruction.function is not cast
                and "dtype" not in instruction.keywords
                and any(
                    value.dtype == np.float32 and value not in self.captured
                    for value in instruction.operands()
                )
            ):
                origin = instruction.origin
                where = f"{origin.where}, `{origin.line}`: " if origin and origin.line else ""
                warnings.warn(
                    f"{where}float32 values become float64 here, and so does what follows; a NumPy "
                    "float64 number or array takes part: use a Python float, or "
                    ".astype(np.float32)",
                    stacklevel=5,
                )
                return
