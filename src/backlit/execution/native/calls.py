"""What kernels are asked to do: which places they read and write, and how the work can be parted.

A `Work` becomes a `Call` of a kernel; or, cut along one of its axes, several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

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


class Work(ABC):
    """What is to be computed into some places from others."""

    @property
    @abstractmethod
    def reads(self) -> list[Place]:
        """Places that it reads."""

    @property
    @abstractmethod
    def writes(self) -> list[Place]:
        """Places that it writes."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long the axes are along which it can be cut; none if it cannot."""
        return ()

    def part(self, axis: int, start: int, stop: int) -> Work:
        """Return the work that lies between two positions of such an axis."""
        raise ValueError(f"{type(self).__name__} cannot be cut")

    @abstractmethod
    def seconds(self) -> float:
        """Return how long it takes on one core, roughly."""

    @abstractmethod
    def call(self) -> Call:
        """Return the kernel that does it, and its arguments."""
