"""The tape: what was computed, in order.

Every operation on a traced value appends one entry

    (rule, result, arguments, keywords, parents)

where ``parents`` says which arguments were traced, and by which earlier entries: ``(position,
node)``, or ``(position, [(index, node), ...])`` for an argument that is a list of arrays. Values
on a tape are those *one level down*: plain arrays, or the traced values of an enclosing tape.

The order of the entries is an order in which every value comes after those it was computed
from, which is all that the backward pass needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

import numpy as np

from backlit.autodiff.errors import trace_error
from backlit.autodiff.table import Rule
from backlit.program.origin import Origin, OriginOfBody, origin_here
from backlit.program.values import Instruction, Value

Entry = tuple[Rule, Any, tuple[Any, ...], dict[str, Any], Any]

# Later tapes are inner ones: a tape is opened and closed within one call.
_opened = itertools.count()


class Tape:
    """A list of entries that grows while a function runs, and is closed when it returns.

    There is no global state: traced values hold their tape, and of two tapes the one opened
    later is the inner one.
    """

    __slots__ = ("append", "entries", "order")

    recording = False
    entries: Any
    append: Callable[[Any], None]

    def __init__(self) -> None:
        self.order = next(_opened)
        self.entries = []
        self.append = self.entries.append

    def close(self) -> list[Entry]:
        """Hand out the entries. From now on, a use of a value of this tape is an error."""
        entries: list[Entry] = self.entries
        self.entries = _Closed()
        self.append = _escaped
        return entries


class RecordingTape(Tape):
    """A tape that also keeps the user's lines: what `record` turns into a program.

    Attributes
    ----------
    origins : dict of int to Origin
        Where each entry came from.
    derives : dict of int to int
        For entries that a backward pass wrote: the entry whose rule wrote it.
    adjoint_of : dict of int to int
        For entries that are gradients: the entry of which they are the gradient.
    names : dict of int to str
        For entries that were put into a dict and differentiated by: their key.
    replays : dict of int to Instruction
        For entries that repeat an instruction of an earlier program: that instruction.
    replayed_inputs : list of Value
        The inputs of that program.
    expanded : Instruction or None
        The instruction whose body is running: what it does has that one's lines.
    """

    __slots__ = (
        "_captured",
        "adjoint_of",
        "derives",
        "deriving",
        "expanded",
        "names",
        "origins",
        "replayed",
        "replayed_inputs",
        "replays",
        "until",
    )

    recording = True

    def __init__(self, until: CodeType) -> None:
        super().__init__()
        self.origins: dict[int, Origin] = {}
        self.derives: dict[int, int] = {}
        self.adjoint_of: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.replays: dict[int, Instruction] = {}
        self.replayed_inputs: list[Value] = []
        # What is being written at the moment: the backward pass through an entry, or a replay.
        self.deriving: int | None = None
        self.replayed: Instruction | None = None
        self.expanded: Instruction | None = None
        self.until = until
        self._captured: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.append = self._append_with_origin

    def _append_with_origin(self, entry: Entry) -> None:
        node = len(self.entries)
        if self.replayed is not None:
            self.replays[node] = self.replayed
        elif self.deriving is not None:
            self.derives[node] = self.deriving
        else:
            origin = origin_here(self.until)
            if self.expanded is not None and self.expanded.source and not origin.places:
                origin = OriginOfBody(self.expanded.source.places)
            self.origins[node] = origin
        rule, ans, arguments, keywords, parents = entry
        traced = dict(parents)
        kept = tuple(self._kept(argument, traced.get(k)) for k, argument in enumerate(arguments))
        self.entries.append((rule, _outline(ans), kept, keywords, parents))

    def name(self, node: int, key: Any) -> None:
        """Call a value by the key that it has in a dict of arguments."""
        if isinstance(key, str) and key.isidentifier():
            self.names.setdefault(node, key)

    def _kept(self, argument: Any, parent: Any) -> Any:
        """Return what a program needs of an argument: nothing of what was traced."""
        if isinstance(parent, int):
            return None
        if parent is None:
            return self._as_captured(argument)
        traced = dict(parent)
        return type(argument)(
            None if k in traced else self._as_captured(member) for k, member in enumerate(argument)
        )

    def _as_captured(self, argument: Any) -> Any:
        """Return a copy of an array taken from elsewhere, which may change before the end."""
        if type(argument) in (tuple, list):
            return type(argument)(map(self._as_captured, argument))
        if not isinstance(argument, np.ndarray):
            return argument
        copies = self._captured.setdefault(id(argument), [])
        for original, copy in copies:
            if original is argument and copy.tobytes() == argument.tobytes():
                return copy
        copies.append((argument, argument.copy()))
        return copies[-1][1]


_ZERO = bytes(16)  # one number of the longest dtype


def _outline(result: Any) -> Any:
    """Return an array of the shape and the dtype of a result, without its memory.

    A program needs no more of what was computed on its examples, which for a large network would
    be many times its parameters.
    """
    if not isinstance(result, np.ndarray) or result.nbytes <= len(_ZERO):
        return result
    return np.ndarray(result.shape, result.dtype, _ZERO, strides=(0,) * result.ndim)


class _Closed:
    """Stands for the entries of a closed tape: asking for their number is a use."""

    def __len__(self) -> int:
        _escaped()


def _escaped(*_: Any) -> NoReturn:
    raise trace_error(
        "this traced value has left the function that was being differentiated or recorded (kept "
        "in a global, an attribute or a list); return it from the function instead, as a part of "
        "its result or with has_aux=True"
    )
