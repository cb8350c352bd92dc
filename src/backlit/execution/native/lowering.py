"""From instructions to work for kernels, and to places where values lie.

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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.execution.native import fixed
from backlit.execution.native.calls import UnsupportedError, Work
from backlit.execution.native.elementwise import EXPRESSIONS, UFUNC_OF
from backlit.execution.native.loops import TYPE, Assignment, Loop
from backlit.execution.native.places import Buffer, Place
from backlit.program.program import Program
from backlit.program.values import Instruction, Value


@dataclass(eq=False)
class Lowered:
    """A program as work for kernels.

    Attributes
    ----------
    works : list of Work
        In order.
    inputs, outputs : list of Place
        Contiguous, each in a buffer of its own.
    """

    works: list[Work]
    inputs: list[Place]
    outputs: list[Place]


def lower(program: Program, carried: Mapping[int, int] | None = None) -> Lowered:
    """Return a program as work for kernels.

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
        for instruction in program.instructions:
            if instruction.function is np.concatenate:
                self._aim_parts(instruction)

    def _aim_parts(self, instruction: Instruction) -> None:
        """Let what will be joined be computed in its part of the whole, so that nothing is copied.

        So the gradients of the parameters come to lie in the flat gradient.
        """
        whole = self.new(instruction.output)
        self.targets[instruction.output] = whole
        for value, target in self._parts(instruction, whole):
            maker = self.makers.get(value)
            while maker is not None and maker.function in (np.reshape, np.ravel):
                if not target.is_contiguous:
                    break
                value = maker.arguments[0]
                target, maker = target.reshaped(value.shape), self.makers.get(value)
            free = value not in self.wanted and value not in self.targets
            if maker is not None and maker.function not in VIEWS and free:
                self.targets[value] = target

    def _parts(self, instruction: Instruction, whole: Place) -> list[tuple[Value, Place]]:
        """Return the values that are joined, each with its place in the whole."""
        axis = instruction.keywords.get("axis", (*instruction.arguments[1:], 0)[0])
        if axis is None:
            raise _unsupported(instruction)
        parts, start = [], 0
        for value in instruction.arguments[0]:
            stop = start + value.shape[axis]
            parts.append((value, whole.part(axis % len(whole.shape), start, stop)))
            start = stop
        return parts

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
        return Lowered(self.works, inputs, self._outputs())

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
        partial = max(1, place.size) * place.dtype.itemsize < place.buffer.size
        if shared or partial or not place.is_contiguous or place.offset:
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
        self.assign(instruction, EXPRESSIONS[function], zip(arguments, needed, strict=True))

    def _where(self, instruction: Instruction) -> None:
        condition, yes, no = instruction.arguments
        dtype = np.dtype(instruction.output.dtype)
        operands = (condition, np.dtype(bool)), (yes, dtype), (no, dtype)
        self.assign(instruction, "{1} if {0} else {2}", operands)

    def _cast(self, instruction: Instruction) -> None:
        operands = [(instruction.arguments[0], np.dtype(instruction.output.dtype))]
        self.assign(instruction, "{0}", operands)

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
        result = self.new(output)
        if place.size == 0:
            raise _unsupported(instruction)
        if not fixed.fits_reduction(place, len(kept)):
            place = self.copied(place)
        flat = result.reshaped(place.shape[: len(kept)])
        self.works.append(fixed.Reduction(name, place, flat))
        self.places[output] = result

    def _mean(self, instruction: Instruction) -> None:
        self._reduce("sum", instruction)
        total = Value(instruction.output.shape, instruction.output.dtype)
        self.places[total] = self.places.pop(instruction.output)
        count = math.prod(instruction.arguments[0].shape) // math.prod(total.shape)
        loop = Loop(total.shape)
        loop.loads[total] = self.places[total]
        number = f"{TYPE[np.dtype(total.dtype)]}({count})"
        operands = (total, ""), (number, "")
        loop.assignments.append(Assignment(instruction.output, "{0} / {1}", operands))
        self.loops[instruction.output] = loop

    def _product(self, instruction: Instruction) -> None:
        a, b = (self.place(value) for value in instruction.arguments)
        output = self.new(instruction.output)
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
        if self._is_worth_transposing(left, right):
            straight = Place.new(right.shape, right.dtype)
            self.works.append(fixed.Transposition(right, straight))
            right = straight
        self.works.append(fixed.Product(left, right, result))
        self.places[instruction.output] = output

    def _is_worth_transposing(self, left: Place, right: Place) -> bool:
        """Return whether a product is faster after its second operand has been transposed."""
        rows, inner, columns = *left.shape, right.shape[1]
        small = min(rows, 32) * inner * columns <= fixed.SMALL_PRODUCT
        kinds = left.dtype.kind == "f" and fixed.is_transposed(right) and right.strides[0] == 1
        return kinds and small and rows >= 24 and inner * columns >= 256

    def _concatenate(self, instruction: Instruction) -> None:
        whole = self.new(instruction.output)
        for value, target in self._parts(instruction, whole):
            place = self.place(value)
            if place != target and target.size:
                self.copy(place, target)
        self.places[instruction.output] = whole

    def _take(self, instruction: Instruction) -> None:
        values, indices = (self.place(v) for v in instruction.arguments[:2])
        axis = instruction.keywords.get("axis", (*instruction.arguments[2:], -1)[0])
        output = self.new(instruction.output)
        one_of_each_row = len(values.shape) == 2 and indices.shape == (values.shape[0], 1)
        if not one_of_each_row or axis not in (-1, 1) or indices.dtype != np.int64:
            raise _unsupported(instruction)
        self.works.append(fixed.Take(values, indices, output))
        self.places[instruction.output] = output

    # ----- Values --------------------------------------------------------------------------------

    def place(self, value: Value) -> Place:
        """Return where a value lies; if its loop is not called yet, call it."""
        if value in self.loops:
            self.finish(self.loops[value])
        return self.places[value]

    def new(self, value: Value) -> Place:
        """Return where to compute a value: where it is wanted, or a new place."""
        return self.targets.get(value) or Place.new(value.shape, value.dtype)

    def assign(
        self, instruction: Instruction, template: str, operands: Iterable[tuple[Any, Any]]
    ) -> None:
        """Add an elementwise instruction to a loop; its operands come with the dtypes they need."""
        loop = self.loop(instruction)
        named: list[tuple[Value | str, str]] = []
        for argument, dtype in operands:
            if not isinstance(argument, Value):
                named.append((f"{TYPE[dtype]}({_literal(argument, dtype)})", ""))
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
            raise _unsupported(instruction)
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
