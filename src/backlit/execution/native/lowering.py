"""From instructions to work for kernels, and to places where values lie.

An instruction becomes one of these:

    a view        of a place that there is already (reshape, transpose, slice, broadcast)
    a part of     a loop over the elements of one shape, together with its neighbours
    a product     of matrices, by BLAS
    a reduction   along axes
    a copy        where a view is not enough
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.execution.native.calls import UnsupportedError, Work
from backlit.execution.native.elementwise import EXPRESSIONS, OF_INTEGERS, UFUNC_OF
from backlit.execution.native.lines import Pick, Running, Take, offsets_of
from backlit.execution.native.literals import constant, kind, known, unsupported
from backlit.execution.native.places import Place
from backlit.execution.native.placing import Placing
from backlit.execution.native.products import Product
from backlit.execution.native.reductions import Reduction, fits_reduction
from backlit.execution.native.views import VIEWS, is_view
from backlit.program.program import Program
from backlit.program.simplify import fold_constants
from backlit.program.values import Instruction, Value, substitute

REDUCTIONS: dict[Any, str] = {
    np.sum: "sum",
    np.prod: "prod",
    np.max: "max",
    np.amax: "max",
    np.min: "min",
    np.amin: "min",
    np.any: "max",
    np.all: "min",
}
MOST_PRODUCTS = 256  # of matrices, one call of BLAS each, that a product of stacks may be


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
    return _Lowering(fold_constants(program), carried or {}).run()


class _Lowering(Placing):
    def __init__(self, program: Program, carried: Mapping[int, int]) -> None:
        super().__init__(program, carried)
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
            free = free and value.dtype == whole.dtype
            if maker is not None and not is_view(maker) and free:
                self.targets[value] = target

    def _parts(self, instruction: Instruction, whole: Place) -> list[tuple[Value, Place]]:
        """Return the values that are joined, each with its place in the whole."""
        axis = instruction.keywords.get("axis", (*instruction.arguments[1:], 0)[0])
        if axis is None:
            raise unsupported(instruction)
        parts, start = [], 0
        for value in instruction.arguments[0]:
            stop = start + value.shape[axis]
            parts.append((value, whole.part(axis % len(whole.shape), start, stop)))
            start = stop
        return parts

    def run(self) -> Lowered:
        try:
            inputs = [Place.new(value.shape, known(value.dtype)) for value in self.program.inputs]
            self.places.update(zip(self.program.inputs, inputs, strict=True))
            for value, array in {**self.program.captured, **self.program.fixed}.items():
                self.places[value] = constant(array)
        except TypeError as error:  # numbers that kernels do not have, such as complex ones
            raise UnsupportedError(str(error)) from error
        for instruction in self.program.instructions:
            try:
                self._lower(instruction)
            except UnsupportedError:
                raise
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise unsupported(instruction) from error
            if not is_view(instruction):
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
        elif function in (np.astype, np.copy, np.real, np.real_if_close):
            self._cast(instruction)
        elif is_view(instruction):
            self._view(instruction)
        elif function is operator.getitem:
            self._pick(instruction, self._known(instruction.arguments[1]))
        elif function in (np.ones_like, np.zeros_like):
            fill = 1 if function is np.ones_like else 0
            self.places[instruction.output] = constant(
                np.asarray(fill, instruction.output.dtype)
            ).broadcast(instruction.output.shape)
        elif function in REDUCTIONS:
            self._reduce(REDUCTIONS[function], instruction)
        elif function in (np.cumsum, np.cumprod):
            self._running("sum" if function is np.cumsum else "prod", instruction)
        elif function is np.count_nonzero:
            self._reduce("sum", instruction, np.dtype(bool))
        elif function is np.mean:
            self._mean(instruction)
        elif function in (np.matmul, operator.matmul):
            self._product(instruction)
        elif function is np.concatenate:
            self._concatenate(instruction)
        elif function is np.take_along_axis:
            self._take(instruction)
        else:
            raise unsupported(instruction)

    def _ufunc(self, function: np.ufunc, instruction: Instruction) -> None:
        if instruction.keywords:
            raise unsupported(instruction)
        arguments, output = instruction.arguments, instruction.output
        if function is np.power and isinstance(arguments[1], (int, float)):
            special = {2: np.square, 0.5: np.sqrt, 1: np.positive}.get(arguments[1])
            same = np.dtype(output.dtype).kind == "f" and kind(arguments[0]) == output.dtype
            if special is not None and same:
                function, arguments = special, arguments[:1]
        kinds = tuple(kind(argument) for argument in arguments)
        *needed, _ = function.resolve_dtypes((*kinds, None))
        template = EXPRESSIONS[function]
        if all(dtype.kind in "iu" for dtype in needed):
            template = OF_INTEGERS.get(function, template)
        self.assign(instruction, template, zip(arguments, needed, strict=True))

    def _where(self, instruction: Instruction) -> None:
        condition, yes, no = instruction.arguments
        dtype = np.dtype(instruction.output.dtype)
        operands = (condition, np.dtype(bool)), (yes, dtype), (no, dtype)
        self.assign(instruction, "{1} if {0} else {2}", operands)

    def _cast(self, instruction: Instruction) -> None:
        operands = [(instruction.arguments[0], np.dtype(instruction.output.dtype))]
        self.assign(instruction, "{0}", operands)

    def _view(self, instruction: Instruction) -> None:
        old = self.place(instruction.arguments[0])
        place = VIEWS[instruction.function](old, instruction, self.copied)
        if place.shape != instruction.output.shape:
            raise unsupported(instruction)
        self.places[instruction.output] = place

    def _reduce(self, name: str, instruction: Instruction, of: Any = None) -> None:
        """Reduce along axes, after what is reduced has been brought to the dtype ``of``."""
        value, axis = instruction.arguments[0], self._axis(instruction, ("axis", "keepdims"))
        output = instruction.output
        if instruction.function in (np.any, np.all):
            of = np.dtype(bool)
        place = self.place(self._as(self._as(value, of or value.dtype), output.dtype))
        axes = range(len(place.shape)) if axis is None else np.atleast_1d(axis).tolist()
        reduced = sorted(a % len(place.shape) for a in axes)
        kept = [a for a in range(len(place.shape)) if a not in reduced]
        place = place.transposed((*kept, *reduced))
        if place.size == 0:
            raise unsupported(instruction)
        if not fits_reduction(place, len(kept)):
            place = self.copied(place)
        result = self.contiguous(output)
        flat = result.reshaped(place.shape[: len(kept)])
        self.works.append(Reduction(name, place, flat))
        self.places[output] = result

    def _axis(self, instruction: Instruction, covered: tuple[str, ...]) -> Any:
        """Return an instruction's axis, after a look whether its other keywords are covered."""
        names = [*inspect.signature(instruction.function).parameters]
        given = dict(zip(names[1:], instruction.arguments[1:], strict=False)) | instruction.keywords
        said = {k for k, v in given.items() if v is not None and v is not np._NoValue}
        if said - set(covered):
            raise unsupported(instruction)
        return given.get("axis")

    def _running(self, name: str, instruction: Instruction) -> None:
        value, axis = instruction.arguments[0], self._axis(instruction, ("axis",))
        output = instruction.output
        place = self.place(self._as(value, output.dtype))
        if place.size == 0:
            raise unsupported(instruction)
        if axis is None:
            place = place if place.is_contiguous else self.copied(place)
            place, axis = place.reshaped((place.size,)), 0
        order = [a for a in range(len(place.shape)) if a != axis % len(place.shape)]
        order.append(axis % len(place.shape))
        place = place.transposed(tuple(order))
        place = place if place.is_contiguous else self.copied(place)
        result = Place.new(place.shape, place.dtype)
        lines = (place.size // place.shape[-1], place.shape[-1])
        self.works.append(Running(name, place.reshaped(lines), result.reshaped(lines)))
        self.places[output] = result.transposed(tuple(order.index(a) for a in range(len(order))))

    def _mean(self, instruction: Instruction) -> None:
        self._reduce("sum", instruction)
        total = Value(instruction.output.shape, instruction.output.dtype)
        self.places[total] = self.places.pop(instruction.output)
        count = math.prod(instruction.arguments[0].shape) // math.prod(total.shape)
        dtype = np.dtype(total.dtype)
        self.assign(instruction, "{0} / {1}", [(total, dtype), (float(count), dtype)])

    def _product(self, instruction: Instruction) -> None:
        output = instruction.output
        if np.dtype(output.dtype).kind != "f":
            raise unsupported(instruction)
        a, b = (self.place(self._as(value, output.dtype)) for value in instruction.arguments)
        plain = len(a.shape) == len(b.shape) == 2
        result = self.new(output) if plain else self.contiguous(output)
        self.places[output] = result
        left, right = a, b
        if len(a.shape) == 1:
            left = Place(a.buffer, a.offset, (1, *a.shape), (0, *a.strides), a.dtype)
        if len(b.shape) == 1:
            right = Place(b.buffer, b.offset, (*b.shape, 1), (*b.strides, 0), b.dtype)
        if 0 in left.shape or 0 in right.shape:
            raise unsupported(instruction)
        left, right = (self.for_blas(place) for place in (left, right))
        if len(right.shape) == 2 and left.is_contiguous:  # all rows of a stack at once
            left = left.reshaped((left.size // left.shape[-1], left.shape[-1]))
        rows, columns = left.shape[-2], right.shape[-1]
        stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        if math.prod(stack) > MOST_PRODUCTS:
            raise unsupported(instruction)
        if not plain:
            result = result.reshaped((*stack, rows, columns))
        left = left.broadcast((*stack, *left.shape[-2:]))
        right = right.broadcast((*stack, *right.shape[-2:]))
        for index in np.ndindex(stack):
            parts = []
            for place in (left, right, result):
                for number in index:
                    place = place.part(0, number, number + 1)
                    place = replace(place, shape=place.shape[1:], strides=place.strides[1:])
                parts.append(place)
            self.works.append(Product(*parts))

    def _concatenate(self, instruction: Instruction) -> None:
        whole = self.new(instruction.output)
        for value, target in self._parts(instruction, whole):
            place = self.place(value)
            if place != target and target.size:
                self.copy(place, target)
        self.places[instruction.output] = whole

    def _take(self, instruction: Instruction) -> None:
        given, chosen = instruction.arguments[:2]
        axis = instruction.keywords.get("axis", (*instruction.arguments[2:], -1)[0])
        of_rows = len(given.shape) == 2 and chosen.shape == (given.shape[0], 1)
        if of_rows and axis in (-1, 1) and chosen.dtype == np.int64:
            values, indices = self.place(given), self.place(chosen)
            result = self.contiguous(instruction.output)
            self.works.append(Take(values, indices, result))
            self.places[instruction.output] = result
            return
        indices = self._known(chosen)
        if axis is None:
            raise unsupported(instruction)
        key = list(np.ogrid[tuple(slice(length) for length in indices.shape)])
        key[axis] = indices
        self._pick(instruction, tuple(key))

    def _known(self, argument: Any) -> Any:
        """Return an argument with the arrays that the program was recorded with."""
        arrays = {**self.program.captured, **self.program.fixed}
        return substitute(argument, arrays.__getitem__)

    def _pick(self, instruction: Instruction, key: Any) -> None:
        """Take the elements at an index whose arrays are known."""
        source = self.place(instruction.arguments[0])
        offsets = constant(offsets_of(source)[key])
        if offsets.shape != instruction.output.shape or offsets.size == 0:
            raise unsupported(instruction)
        result = self.contiguous(instruction.output)
        self.works.append(Pick(source, offsets, result))
        self.places[instruction.output] = result
