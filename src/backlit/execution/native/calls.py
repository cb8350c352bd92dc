"""What kernels are asked to do: which places they read and write, and how the work can be parted.

A `Work` becomes a `Call` of a kernel; or, cut along one of its axes, several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from backlit.execution.native.places import Place


class UnsupportedError(NotImplementedError):
    """An instruction that no kernel runs, and the reference executor does; the message names it."""


@dataclass(frozen=True, eq=False)
class Call:
    """A kernel and its arguments.

    Attributes
    ----------
    source : str
        Of the kernel; equal sources are one kernel.
    arguments : list of int or Place
        Words of 64 bits; a place becomes its address.
    reduction : bool, default False
        Whether the kernel may add up in another order, as several numbers at once need it.
    """

    source: str
    arguments: list[Any]
    reduction: bool = False

    def places(self) -> list[Place]:
        """Return the places that the kernel reads or writes."""
        return [argument for argument in self.arguments if isinstance(argument, Place)]


@dataclass(eq=False)
class Work(ABC):
    """What is to be computed into some places from others.

    Attributes
    ----------
    READS, WRITES : tuple of str
        Which attributes are places that it reads, and that it writes.
    ROWS : tuple of str
        Which of them are cut together along their first axis; none if it cannot be cut.
    """

    READS: ClassVar[tuple[str, ...]] = ()
    WRITES: ClassVar[tuple[str, ...]] = ()
    ROWS: ClassVar[tuple[str, ...]] = ()

    @property
    def reads(self) -> list[Place]:
        """Places that it reads."""
        return [getattr(self, name) for name in self.READS]

    @property
    def writes(self) -> list[Place]:
        """Places that it writes."""
        return [getattr(self, name) for name in self.WRITES]

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long the axes are along which it can be cut; none if it cannot."""
        return getattr(self, self.ROWS[0]).shape[:1] if self.ROWS else ()

    def part(self, axis: int, start: int, stop: int) -> Self:
        """Return the work that lies between two positions of such an axis."""
        parts = {name: getattr(self, name).part(axis, start, stop) for name in self.ROWS}
        return replace(self, **parts)

    @abstractmethod
    def seconds(self) -> float:
        """Return how long it takes on one core, roughly."""

    @abstractmethod
    def call(self) -> Call:
        """Return the kernel that does it, and its arguments."""
