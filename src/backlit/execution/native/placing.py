"""Where the values of a program come to lie, and which loops compute them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from backlit.execution.native.calls import Work
from backlit.execution.native.elementwise import EXPRESSIONS
from backlit.execution.native.literals import constant, is_part_of_source, literal, unsupported
from backlit.execution.native.loops import TYPE, Assignment, Loop
from backlit.execution.native.places import Place
from backlit.execution.native.views import is_view
from backlit.program.program import Program
from backlit.program.values import Instruction, Value


class Placing:
    """The places, the loops that are still open and the work so far, while a program is lowered.

    Parameters
    ----------
    program : Program
    carried : dict of int to int
        Which output is to lie where which input lay.
    """

    def __init__(self, program: Program, carried: Mapping[int, int]) -> None:
        self.program = program
        outputs = program.output_values()
        self.carried = {outputs[o]: program.inputs[i] for o, i in carried.items()}
        # What lies where an input lies, and how many instructions are still to read it there.
        self.root: dict[Value, Value] = {value: value for value in program.inputs}
        self.unread: dict[Value, int] = defaultdict(int)
        for instruction in program.instructions:
            view = is_view(instruction)
            for value in instruction.operands():
                if value in self.root and view:
                    self.root[instruction.output] = self.root[value]
                elif value in self.root:
                    self.unread[self.root[value]] += 1
        self.works: list[Work] = []
        self.places: dict[Value, Place] = {}
        self.loops: dict[Value, Loop] = {}  # of values that are computed in a loop not yet closed
        self.targets: dict[Value, Place] = {}  # where a value is to be computed, if it matters
        self.readers: dict[Value, list[Instruction]] = defaultdict(list)
        for instruction in program.instructions:
            for value in instruction.operands():
                self.readers[value].append(instruction)
        self.wanted = set(program.output_values())
        self.makers = {instruction.output: instruction for instruction in program.instructions}

    def place(self, value: Value) -> Place:
        """Return where a value lies; if its loop is not called yet, call it."""
        if value in self.loops:
            self.finish(self.loops[value])
        return self.places[value]

    def new(self, value: Value) -> Place:
        """Return where to compute a value: where it is wanted, or a new place."""
        return self.targets.get(value) or Place.new(value.shape, value.dtype)

    def contiguous(self, value: Value) -> Place:
        """Return where to compute a value whose numbers have to lie one after another."""
        place = self.new(value)
        return place if place.is_contiguous else Place.new(value.shape, value.dtype)

    def _as(self, value: Value, dtype: Any) -> Value:
        """Return a value in another dtype, to be computed if it has not been."""
        if value.dtype == dtype:
            return value
        cast = Value(value.shape, np.dtype(dtype))
        instruction = Instruction(np.astype, (value, dtype), {}, cast)
        self.assign(instruction, "{0}", [(value, cast.dtype)])
        self.wanted.add(cast)
        return cast

    def assign(
        self, instruction: Instruction, template: str, operands: Iterable[tuple[Any, Any]]
    ) -> None:
        """Add an elementwise instruction to a loop; its operands come with the dtypes they need."""
        loop = self.loop(instruction)
        named: list[tuple[Value | str, str]] = []
        for argument, dtype in operands:
            # A divisor is mostly a count, of rows or outputs.
            inline = template != EXPRESSIONS[np.true_divide]
            if not isinstance(argument, Value) and inline and is_part_of_source(argument, dtype):
                named.append((f"{TYPE[dtype]}({literal(argument, dtype)})", ""))
                continue
            if not isinstance(argument, Value):
                number = Value((), dtype)
                loop.loads[number] = constant(np.asarray(argument, dtype)).broadcast(loop.shape)
                named.append((number, ""))
                continue
            if argument not in loop.loads and self.loops.get(argument) is not loop:
                loop.loads[argument] = self.places[argument].broadcast(loop.shape)
            named.append((argument, "" if argument.dtype == dtype else TYPE[dtype]))
        loop.assignments.append(Assignment(instruction.output, template, tuple(named)))
        self.loops[instruction.output] = loop

    def loop(self, instruction: Instruction) -> Loop:
        """Return the loop that an elementwise instruction joins.

        It is one with all loops of the same shape that compute an operand; what loops of other
        shapes compute goes through memory.
        """
        shape = instruction.output.shape
        if math.prod(shape) == 0:
            raise unsupported(instruction)
        mine: Loop | None = None
        for value in instruction.operands():
            loop = self.loops.get(value)
            if loop is None or loop is mine:
                continue
            if loop.shape != shape:
                self.finish(loop)
            elif mine is None:
                mine = loop
            else:
                mine.join(loop)
                self.loops.update({v: mine for v, owner in self.loops.items() if owner is loop})
        return mine or Loop(shape)

    def finish(self, loop: Loop) -> None:
        """Close a loop, and give places to what others read."""
        mine = {value for value, owner in self.loops.items() if owner is loop}
        for value in mine:
            del self.loops[value]
        for value in [a.value for a in loop.assignments if a.value in mine]:
            outside = any(reader.output not in mine for reader in self.readers[value])
            if outside or value in self.wanted:
                place = self._in_place(value, loop) or self.new(value)
                self.places[value] = place
                loop.stores.append((value, place))
        if loop.stores:
            self.works.append(loop)

    def _in_place(self, value: Value, loop: Loop) -> Place | None:
        """Return the place of the input that a carried output replaces, if nobody reads it later.

        This loop itself may read it, element by element, just before it writes.
        """
        if value not in self.carried or self.carried[value] in self.wanted:
            return None
        old = self.carried[value]
        place = self.places[old]
        here = [p for p in loop.loads.values() if p.buffer is place.buffer]
        elsewhere = any(
            p.buffer is place.buffer
            for other in {*self.loops.values()} - {loop}
            for p in other.loads.values()
        )
        free = self.unread[old] == 0 and not elsewhere and all(p == place for p in here)
        return place if free and place.shape == loop.shape else None

    def copy(self, source: Place, target: Place) -> None:
        """Copy a place into another."""
        value = Value(source.shape, source.dtype)
        self.works.append(Loop(target.shape, {value: source}, stores=[(value, target)]))

    def copied(self, place: Place) -> Place:
        """Return a contiguous copy of a place."""
        copy = Place.new(place.shape, place.dtype)
        self.copy(place, copy)
        return copy

    def for_blas(self, place: Place) -> Place:
        """Return a matrix, or a stack of them, as BLAS can read it: with a stride of 1 in each."""
        (m, n), (rows, columns) = place.shape[-2:], place.strides[-2:]
        fits = (columns == 1 or n == 1) and rows >= n
        fits_transposed = (rows == 1 or m == 1) and columns >= m
        return place if fits or fits_transposed else self.copied(place)
