"""Where values lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(eq=False)
class Buffer:
    """A piece of memory that values lie in; a part of the arena, or an array from outside.

    Attributes
    ----------
    size : int
        In bytes.
    array : array, optional
        What is captured by the program and never changes.
    """

    size: int
    array: Any = None


@dataclass(frozen=True)
class Place:
    """How a value lies in a buffer.

    Attributes
    ----------
    buffer : Buffer
    offset : int
        In bytes, of the first element.
    shape : tuple of int
    strides : tuple of int
        In elements.
    dtype : numpy.dtype
    """

    buffer: Buffer
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def new(cls, shape: tuple[int, ...], dtype: Any, buffer: Buffer | None = None) -> Place:
        """Return a contiguous place, in a buffer of its own if none is given."""
        dtype = np.dtype(dtype)
        if buffer is None:
            buffer = Buffer(max(1, math.prod(shape)) * dtype.itemsize)
        return cls(buffer, 0, tuple(shape), contiguous_strides(shape), dtype)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie one after another, in order."""
        return all(
            stride == expected or length == 1
            for stride, expected, length in zip(
                self.strides, contiguous_strides(self.shape), self.shape, strict=True
            )
        )

    def reshaped(self, shape: tuple[int, ...]) -> Place:
        """Return the same elements, of a contiguous place, in another shape."""
        return replace(self, shape=tuple(shape), strides=contiguous_strides(shape))

    def transposed(self, axes: tuple[int, ...]) -> Place:
        """Return the place with its axes in another order."""
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in axes),
            strides=tuple(self.strides[axis] for axis in axes),
        )

    def broadcast(self, shape: tuple[int, ...]) -> Place:
        """Return the place with its elements repeated along axes of length 1 or missing ones."""
        missing = len(shape) - len(self.shape)
        strides = (0,) * missing + tuple(
            stride if length == wanted else 0
            for stride, length, wanted in zip(
                self.strides, self.shape, shape[missing:], strict=True
            )
        )
        return replace(self, shape=tuple(shape), strides=strides)

    def part(self, axis: int, start: int, stop: int) -> Place:
        """Return the place between two positions of an axis."""
        return Place(
            self.buffer,
            self.offset + start * self.strides[axis] * self.dtype.itemsize,
            (*self.shape[:axis], stop - start, *self.shape[axis + 1 :]),
            self.strides,
            self.dtype,
        )

    def extent(self) -> tuple[int, int]:
        """Return the first byte in the buffer that belongs to the place, and the first after it."""
        first = last = self.offset
        for length, stride in zip(self.shape, self.strides, strict=True):
            reach = (length - 1) * stride * self.dtype.itemsize
            first, last = first + min(reach, 0), last + max(reach, 0)
        return first, last + self.dtype.itemsize

    def indexed(self, key: Any) -> Place | None:
        """Return the part that a basic index takes; None for an index of another kind."""
        keys = key if isinstance(key, tuple) else (key,)
        if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
            return None
        # NumPy knows how; an array without memory of its own shows what it does.
        shown = np.lib.stride_tricks.as_strided(
            np.empty((), np.int8), self.shape, self.strides, writeable=False
        )
        start = shown.__array_interface__["data"][0]
        # An ellipsis keeps what would be a number an array, which has an address in the whole.
        part = shown[key if any(k is Ellipsis for k in keys) else (*keys, ...)]
        first = part.__array_interface__["data"][0] - start
        return replace(
            self,
            offset=self.offset + first * self.dtype.itemsize,
            shape=part.shape,
            strides=part.strides,
        )


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of an array whose elements lie in order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def collapsed(
    shape: tuple[int, ...], strides: list[tuple[int, ...]]
) -> tuple[list[int], list[list[int]]]:
    """Join axes along which all operands can be walked as along one.

    Parameters
    ----------
    shape : tuple of int
    strides : list of tuple of int
        Of each operand.

    Returns
    -------
    lengths : list of int
        Of the remaining axes, at least one.
    steps : list of list of int
        The strides of each operand along them.
    """
    axes = [axis for axis, length in enumerate(shape) if length != 1]
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis in axes:
        joins = bool(lengths) and all(
            done[-1] == stride[axis] * shape[axis]
            for done, stride in zip(steps, strides, strict=True)
        )
        if joins:
            lengths[-1] *= shape[axis]
        else:
            lengths.append(shape[axis])
        for done, stride in zip(steps, strides, strict=True):
            if joins:
                done[-1] = stride[axis]
            else:
                done.append(stride[axis])
    if not lengths:
        return [1], [[0] for _ in strides]
    return lengths, steps
