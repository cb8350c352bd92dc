"""From instructions to calls of kernels, and to places where values lie.

An instruction becomes one of these:

    a view        of a place that there is already (reshape, transpose, slice, broadcast)
    a part of     a loop over the elements of one shape, together with its neighbours
    a product     of matrices, by BLAS
    a reduction   along axes
    a copy        where a view is not enough
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.execution.native import fixed
from backlit.execution.native.calls import Call, UnsupportedError
from backlit.execution.native.elementwise import EXPRESSIONS, UFUNC_OF
from backlit.execution.native.loops import TYPE, Loop, source_of
from backlit.execution.native.places import Buffer, Place
from backlit.program.program import Program
from backlit.program.values import Instruction, Value


@dataclass(eq=False)
class Lowered:
    """A program as calls of kernels.

    Attributes
    ----------
    calls : list of Call
    inputs, outputs : list of Place
        Contiguous, each in a buffer of its own.
    """

    calls: list[Call]
    inputs: list[Place]
    outputs: list[Place]


def lower(program: Program, carried: Mapping[int, int] | None = None) -> Lowered:
    """Return a program as calls of kernels.

    Parameters
    ----------
    program : Program
    carried : dict of int to int, optional
        Which output (by its position) is to lie where which input lay, for a program that is run
        again and again on its own results.

    Returns
    -------
    Lowered

    Raises
    ------
    UnsupportedError
        If no kernel runs one of its instructions.
    """
    return _Lowering(program, carried or {}).run()


class _Lowering:
    def __init__(self, program: Program, carried: Mapping[int, int]) -> None:
        self.program = program
        outputs = program.output_values()
        self.carried = {outputs[o]: program.inputs[i] for o, i in carried.items()}
        # What lies where an input lies, and how many instructions are still to read it there.
        self.root: dict[Value, Value] = {value: value for value in program.inputs}
        self.unread: dict[Value, int] = defaultdict(int)
        for instruction in program.instructions:
            is_view = instruction.function in VIEWS
            for value in instruction.operands():
                if value in self.root and is_view:
                    self.root[instruction.output] = self.root[value]
                elif value in self.root:
                    self.unread[self.root[value]] += 1
        self.calls: list[Call] = []
        self.places: dict[Value, Place] = {}
        self.loops: dict[Value, Loop] = {}  # of values that are computed in a loop not yet called
        self.readers: dict[Value, list[Instruction]] = defaultdict(list)
        for instruction in program.instructions:
            for value in instruction.operands():
                self.readers[value].append(instruction)
        self.wanted = set(program.output_values())

    def run(self) -> Lowered:
        inputs = [Place.new(value.shape, _known(value.dtype)) for value in self.program.inputs]
        self.places.update(zip(self.program.inputs, inputs, strict=True))
        for value, array in {**self.program.captured, **self.program.fixed}.items():
            self.places[value] = _constant(array)
        for instruction in self.program.instructions:
            try:
                self._lower(instruction)
            except UnsupportedError:
                raise
            except (KeyError, TypeError, ValueError) as error:
                raise _unsupported(instruction) from error
            if instruction.function not in VIEWS:
                for value in instruction.operands():
                    if value in self.root:
                        self.unread[self.root[value]] -= 1
        self.taken = {place.buffer for place in inputs}
        return Lowered(self.calls, inputs, self._outputs())

    def _outputs(self) -> list[Place]:
        """Return the places of the outputs, each of its own, or for a carried one the input's."""
        values = self.program.output_values()
        # What is carried is moved last, since the others may still read what it overwrites.
        own = [None if value in self.carried else self._output(value) for value in values]
        moved = []
        for value, old in self.carried.items():
            place, target = self.place(value), self.places[old]
            if place != target and place.buffer in self.taken:  # another may be carried to there
                place = self.copied(place)
            moved.append((place, target))
        for place, target in moved:
            if place != target:
                self.copy(place, target)
        return [
            place or self.places[self.carried[value]]
            for place, value in zip(own, values, strict=True)
        ]

    def _output(self, value: Value) -> Place:
        """Return a contiguous place of its own for an output."""
        place = self.place(value)
        shared = place.buffer.array is not None or place.buffer in self.taken
        if shared or not place.is_contiguous or place.offset:
            place = self.copied(place)
        self.taken.add(place.buffer)
        return place

    # ----- Instructions --------------------------------------------------------------------------

    def _lower(self, instruction: Instruction) -> None:
        function = UFUNC_OF.get(instruction.function, instruction.function)
        if function in EXPRESSIONS:
            self._ufunc(function, instruction)
        elif function is np.where:
            self._where(instruction)
        elif function in (np.astype, np.copy):
            self._cast(instruction)
        elif function in VIEWS:
            self._view(instruction)
        elif function in (np.ones_like, np.zeros_like):
            fill = 1 if function is np.ones_like else 0
            self.places[instruction.output] = _constant(
                np.asarray(fill, instruction.output.dtype)
            ).broadcast(instruction.output.shape)
        elif function in REDUCTIONS:
            self._reduce(REDUCTIONS[function], instruction)
        elif function is np.mean:
            self._mean(instruction)
        elif function in (np.matmul, operator.matmul):
            self._product(instruction)
        elif function is np.concatenate:
            self._concatenate(instruction)
        elif function is np.take_along_axis:
            self._take(instruction)
        else:
            raise _unsupported(instruction)

    def _ufunc(self, function: np.ufunc, instruction: Instruction) -> None:
        if instruction.keywords:
            raise _unsupported(instruction)
        arguments, output = instruction.arguments, instruction.output
        if function is np.power and isinstance(arguments[1], (int, float)):
            special = {2: np.square, 0.5: np.sqrt, 1: np.positive}.get(arguments[1])
            if special is not None and np.dtype(output.dtype).kind == "f":
                function, arguments = special, arguments[:1]
        kinds = tuple(_kind(argument) for argument in arguments)
        *needed, _ = function.resolve_dtypes((*kinds, None))
        loop = self.loop(instruction)
        operands = [
            self.operand(loop, argument, dtype)
            for argument, dtype in zip(arguments, needed, strict=True)
        ]
        loop.assign(output, EXPRESSIONS[function].format(*operands))
        self.loops[output] = loop

    def _where(self, instruction: Instruction) -> None:
        condition, yes, no = instruction.arguments
        loop, dtype = self.loop(instruction), np.dtype(instruction.output.dtype)
        c = self.operand(loop, condition, np.dtype(bool))
        a, b = (self.operand(loop, argument, dtype) for argument in (yes, no))
        loop.assign(instruction.output, f"{a} if {c} else {b}")
        self.loops[instruction.output] = loop

    def _cast(self, instruction: Instruction) -> None:
        loop = self.loop(instruction)
        dtype = np.dtype(instruction.output.dtype)
        loop.assign(instruction.output, self.operand(loop, instruction.arguments[0], dtype))
        self.loops[instruction.output] = loop

    def _view(self, instruction: Instruction) -> None:
        place = VIEWS[instruction.function](self, instruction)
        if place.shape != instruction.output.shape:
            raise _unsupported(instruction)
        self.places[instruction.output] = place

    def _reduce(self, name: str, instruction: Instruction) -> None:
        (value,) = instruction.arguments[:1]
        keywords = dict(instruction.keywords)
        axis = (
            instruction.arguments[1]
            if len(instruction.arguments) > 1
            else keywords.pop("axis", None)
        )
        keywords.pop("keepdims", None)
        output = instruction.output
        if keywords or _known(value.dtype) != output.dtype:
            raise _unsupported(instruction)
        place = self.place(value)
        axes = range(len(place.shape)) if axis is None else np.atleast_1d(axis).tolist()
        reduced = sorted(a % len(place.shape) for a in axes)
        kept = [a for a in range(len(place.shape)) if a not in reduced]
        place = place.transposed((*kept, *reduced))
        result = Place.new(output.shape, output.dtype)
        if place.size == 0:
            raise _unsupported(instruction)
        if not fixed.fits_reduction(place, len(kept)):
            place = self.copied(place)
        self.calls.append(fixed.reduction(name, place, len(kept), result))
        self.places[output] = result

    def _mean(self, instruction: Instruction) -> None:
        self._reduce("sum", instruction)
        total = Value(instruction.output.shape, instruction.output.dtype)
        self.places[total] = self.places.pop(instruction.output)
        count = math.prod(instruction.arguments[0].shape) // math.prod(total.shape)
        loop = Loop(total.shape)
        name = loop.load(total, self.places[total])
        loop.assign(instruction.output, f"{name} / {TYPE[np.dtype(total.dtype)]}({count})")
        self.loops[instruction.output] = loop

    def _product(self, instruction: Instruction) -> None:
        a, b = (self.place(value) for value in instruction.arguments)
        output = Place.new(instruction.output.shape, instruction.output.dtype)
        left, right, result = a, b, output
        if len(a.shape) == 1:
            left = Place(a.buffer, a.offset, (1, *a.shape), (0, *a.strides), a.dtype)
            result = result.reshaped((1, *result.shape))
        if len(b.shape) == 1:
            right = Place(b.buffer, b.offset, (*b.shape, 1), (*b.strides, 0), b.dtype)
            result = result.reshaped((*result.shape, 1))
        if len(left.shape) != 2 or len(right.shape) != 2 or a.dtype != b.dtype:
            raise _unsupported(instruction)
        if 0 in left.shape or 0 in right.shape:
            raise _unsupported(instruction)
        left, right = (self.for_blas(place) for place in (left, right))
        self.calls.append(fixed.product(left, right, result))
        self.places[instruction.output] = output

    def _concatenate(self, instruction: Instruction) -> None:
        parts = instruction.arguments[0]
        axis = instruction.keywords.get("axis", (*instruction.arguments[1:], 0)[0])
        output = Place.new(instruction.output.shape, instruction.output.dtype)
        start = 0
        for part in parts:
            place = self.place(part)
            length = place.shape[axis]
            key = [slice(None)] * len(place.shape)
            key[axis] = slice(start, start + length)
            target = output.indexed(tuple(key))
            assert target is not None
            self.copy(place, target)
            start += length
        self.places[instruction.output] = output

    def _take(self, instruction: Instruction) -> None:
        values, indices = (self.place(v) for v in instruction.arguments[:2])
        axis = instruction.keywords.get("axis", (*instruction.arguments[2:], -1)[0])
        output = Place.new(instruction.output.shape, instruction.output.dtype)
        one_of_each_row = len(values.shape) == 2 and indices.shape == (values.shape[0], 1)
        if not one_of_each_row or axis not in (-1, 1) or indices.dtype != np.int64:
            raise _unsupported(instruction)
        self.calls.append(fixed.take(values, indices, output))
        self.places[instruction.output] = output

    # ----- Values --------------------------------------------------------------------------------

    def place(self, value: Value) -> Place:
        """Return where a value lies; if its loop is not called yet, call it."""
        if value in self.loops:
            self.finish(self.loops[value])
        return self.places[value]

    def operand(self, loop: Loop, argument: Any, dtype: np.dtype[Any]) -> str:
        """Return an operand of an elementwise expression, brought to a dtype."""
        if not isinstance(argument, Value):
            return f"{TYPE[dtype]}({_literal(argument, dtype)})"
        if argument in loop.names:
            name = loop.names[argument]
        else:
            name = loop.load(argument, self.places[argument])
        return name if argument.dtype == dtype else f"{TYPE[dtype]}({name})"

    def loop(self, instruction: Instruction) -> Loop:
        """Return the loop that an elementwise instruction joins, its operands being in memory."""
        shape = instruction.output.shape
        if math.prod(shape) == 0:
            raise _unsupported(instruction)
        mine = None
        for value in instruction.operands():
            loop = self.loops.get(value)
            if loop is None:
                continue
            if loop.shape == shape and (mine is None or loop is mine):
                mine = loop
            else:
                self.finish(loop)
        if mine is not None and mine not in self.loops.values():
            mine = None
        return mine or Loop(shape)

    def finish(self, loop: Loop) -> None:
        """Call a loop, and give places to what others read."""
        for value in [value for value, owner in self.loops.items() if owner is loop]:
            del self.loops[value]
            outside = any(reader.output not in loop.names for reader in self.readers[value])
            if outside or value in self.wanted:
                place = self._in_place(value, loop) or Place.new(value.shape, value.dtype)
                self.places[value] = place
                loop.stores.append((loop.names[value], place))
        if loop.stores:
            self.calls.append(Call(*source_of(loop)))

    def _in_place(self, value: Value, loop: Loop) -> Place | None:
        """Return the place of the input that a carried output replaces, if nobody reads it later.

        This loop itself may read it, element by element, just before it writes.
        """
        if value not in self.carried or self.carried[value] in self.wanted:
            return None
        old = self.carried[value]
        place = self.places[old]
        here = [p for _, p in loop.loads.values() if p.buffer is place.buffer]
        elsewhere = any(
            p.buffer is place.buffer
            for other in {*self.loops.values()} - {loop}
            for _, p in other.loads.values()
        )
        free = self.unread[old] == 0 and not elsewhere and all(p == place for p in here)
        return place if free and place.shape == loop.shape else None

    def copy(self, source: Place, target: Place) -> None:
        """Copy a place into another."""
        loop = Loop(target.shape)
        value = Value(source.shape, source.dtype)
        loop.stores.append((loop.load(value, source), target))
        self.calls.append(Call(*source_of(loop)))

    def copied(self, place: Place) -> Place:
        """Return a contiguous copy of a place."""
        copy = Place.new(place.shape, place.dtype)
        self.copy(place, copy)
        return copy

    def for_blas(self, place: Place) -> Place:
        """Return a matrix as BLAS can read it: with one of its strides 1."""
        rows, columns = place.strides
        fits = (columns == 1 or place.shape[1] == 1) and rows >= place.shape[1]
        fits_transposed = (rows == 1 or place.shape[0] == 1) and columns >= place.shape[0]
        return place if fits or fits_transposed else self.copied(place)


# ----- Views -------------------------------------------------------------------------------------


def _reshape(lowering: _Lowering, instruction: Instruction) -> Place:
    place = lowering.place(instruction.arguments[0])
    if not place.is_contiguous:
        place = lowering.copied(place)
    return place.reshaped(instruction.output.shape)


def _transpose(lowering: _Lowering, instruction: Instruction) -> Place:
    place = lowering.place(instruction.arguments[0])
    axes = instruction.keywords.get("axes", (*instruction.arguments[1:], None)[0])
    order = range(len(place.shape))[::-1] if axes is None else [a % len(place.shape) for a in axes]
    return place.transposed(tuple(order))


def _broadcast(lowering: _Lowering, instruction: Instruction) -> Place:
    return lowering.place(instruction.arguments[0]).broadcast(instruction.output.shape)


def _index(lowering: _Lowering, instruction: Instruction) -> Place:
    value, key = instruction.arguments
    part = lowering.place(value).indexed(key)
    if part is None:
        raise _unsupported(instruction)
    return part


VIEWS: dict[Any, Callable[[_Lowering, Instruction], Place]] = {
    np.reshape: _reshape,
    np.ravel: _reshape,
    np.expand_dims: _reshape,
    np.squeeze: _reshape,
    np.transpose: _transpose,
    np.broadcast_to: _broadcast,
    operator.getitem: _index,
}

REDUCTIONS: dict[Any, str] = {np.sum: "sum", np.max: "max", np.min: "min"}


# ----- Parts -------------------------------------------------------------------------------------


def _known(dtype: Any) -> np.dtype[Any]:
    dtype = np.dtype(dtype)
    if dtype not in TYPE:
        raise TypeError(f"no kernel has numbers of {dtype}")
    return dtype


def _kind(argument: Any) -> Any:
    return argument.dtype if isinstance(argument, (Value, np.generic)) else type(argument)


def _literal(number: Any, dtype: np.dtype[Any]) -> str:
    if dtype.kind in "iu":
        return repr(int(number))
    if dtype.kind == "b":
        return repr(bool(number))
    if math.isfinite(number):
        return repr(float(number))
    return "np.nan" if math.isnan(number) else ("np.inf" if number > 0 else "-np.inf")


def _constant(array: Any) -> Place:
    array = np.array(array, order="C")  # a copy: what is captured may change
    place = Place.new(array.shape, _known(array.dtype), Buffer(array.nbytes, array))
    return place


def _unsupported(instruction: Instruction) -> UnsupportedError:
    function = instruction.function
    name = getattr(function, "__name__", str(function))
    shapes = ", ".join(
        f"{a.dtype} {a.shape}" if isinstance(a, Value) else repr(a) for a in instruction.arguments
    )
    return UnsupportedError(f"no native kernel runs {name}({shapes})")
