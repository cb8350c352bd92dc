"""A call of a kernel: its source, and its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backlit.execution.native.places import Place


class UnsupportedError(NotImplementedError):
    """An instruction that no kernel runs, and the reference executor does; the message names it."""


@dataclass(eq=False)
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
