"""Traced values: they behave like the arrays they stand for, and note every operation on a tape.

NumPy hands its functions to us through ``__array_ufunc__`` and ``__array_function__``. Whatever
arrives, by operator, function or method, goes to `apply`, which runs the function on the values
one level down and appends an entry to the innermost tape. The operators and the plain calls of
ufuncs do the same in fewer steps, since they are most of every program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from backlit.autodiff.calls import (
    by_name,
    check_covered,
    plain_keywords,
    plain_ufunc_call,
    rewritten,
)
from backlit.autodiff.errors import PUT, cannot_convert, name_of, no_rule, trace_error
from backlit.autodiff.rules import find
from backlit.autodiff.table import REWRITES, RULES, Rule
from backlit.autodiff.tape import Tape

NO_KEYWORDS: dict[str, Any] = {}


class Traced:
    """A value on a tape. `TracedArray` and `TracedScalar` are its two kinds.

    A zero-dimensional value is a kind of its own, without ``len`` and indexing: NumPy then tries
    to convert it where it cannot be used, and finds our sentence instead of raising its own.
    """

    __slots__ = ("_node", "_tape", "_value")

    def __init__(self, value: Any, tape: Tape, node: int) -> None:
        self._value = value
        self._tape = tape
        self._node = node

    # ----- What NumPy asks ----------------------------------------------------------------------

    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # as NumPy's arrays

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__" or keywords:
            return apply(*plain_ufunc_call(ufunc, method, inputs, keywords))
        if len(inputs) == 1:
            rule = RULES.get(ufunc)
            if rule is None or rule.constant:
                return apply(ufunc, inputs)
            tape = self._tape
            value = self._value
            ans = ufunc(value)
            node = len(tape.entries)
            tape.append((rule, ans, (value,), NO_KEYWORDS, ((0, self._node),)))
            return (TracedArray if ans.shape else TracedScalar)(ans, tape, node)
        return apply(ufunc, inputs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, arguments: Any, keywords: Any
    ) -> Any:
        return apply(function, arguments, keywords)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise cannot_convert("array")

    # ----- What Python asks ---------------------------------------------------------------------

    def __bool__(self) -> bool:
        if self._tape.recording:
            raise trace_error(
                "a recorded program cannot branch on a value, since the value is not the same each "
                "time the program runs; use np.where(condition, a, b)"
            )
        len(self._tape.entries)  # an escaped value is an error when used
        return bool(self._value)

    def __float__(self) -> NoReturn:
        raise cannot_convert("float")

    def __int__(self) -> NoReturn:
        raise cannot_convert("int")

    __index__ = __int__

    def __complex__(self) -> NoReturn:
        raise cannot_convert("complex")

    def __repr__(self) -> str:
        return f"Traced({self._value!r})"

    def __str__(self) -> str:
        return str(self._value)

    def __format__(self, spec: str) -> str:
        return format(self._value, spec)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise trace_error(f"a traced value cannot be changed in place; {PUT}")

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __floordiv__(self, other: Any) -> Any:
        return apply(operator.floordiv, (self, _as_array(other)))

    def __rfloordiv__(self, other: Any) -> Any:
        return apply(operator.floordiv, (_as_array(other), self))

    def __abs__(self) -> Any:
        return apply(np.absolute, (self,))

    def __round__(self, digits: int = 0) -> Any:
        return np.round(self, digits)

    # ----- Attributes of arrays -----------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, a tuple of plain integers."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.itemsize

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return apply(np.transpose, (self,))

    @property
    def mT(self) -> Any:
        """The array with its last two axes exchanged."""
        return apply(np.swapaxes, (self, -1, -2))

    @property
    def real(self) -> Any:
        """The array itself: traced values are real."""
        return self

    @property
    def flat(self) -> Any:
        """The elements in a row."""
        return apply(np.ravel, (self,))

    # ----- Methods of arrays, as the functions that they are -----------------------------------

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Return the value with another dtype; an integer or boolean one has no gradient."""
        return apply(np.astype, (self, dtype))

    def copy(self, order: str = "C") -> Any:
        """Return a copy."""
        return apply(np.copy, (self,))

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """Return the elements in another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return apply(np.reshape, (self, wanted), {} if order == "C" else {"order": order})

    def flatten(self, order: str = "C") -> Any:
        """Return the elements in a row."""
        return apply(np.ravel, (self,), {} if order == "C" else {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes permuted."""
        if not axes or axes == (None,):
            return apply(np.transpose, (self,))
        return apply(np.transpose, (self, axes[0] if len(axes) == 1 else axes))

    def item(self, *_: Any) -> NoReturn:
        """Raise: a plain number has no gradient."""
        raise cannot_convert("number")

    tolist = item
    tobytes = item

    def _in_place(self, *_: Any, **__: Any) -> NoReturn:
        raise trace_error(
            "a traced value cannot be changed in place; use the NumPy function that returns a new "
            f"array (np.sort for sort, for example), or {PUT.removeprefix('use ')}"
        )

    sort = partition = fill = put = resize = itemset = byteswap = setflags = setfield = _in_place
    view = getfield = _in_place

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __reduce__(self) -> NoReturn:
        raise cannot_convert("object that can be pickled")


class TracedScalar(Traced):
    """A traced value without axes."""

    __slots__ = ()


class TracedArray(Traced):
    """A traced value with one axis or more."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def __getitem__(self, index: Any) -> Any:
        kind = type(index)
        if kind is not int and kind is not slice and _is_traced_mask(index):
            raise trace_error(
                "the number of elements that a mask selects is not the same each time the recorded "
                "program runs; use np.where(mask, x, 0)"
            )
        return apply(operator.getitem, (self, index))


# ----- One operation on traced values ------------------------------------------------------------


def apply(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: dict[str, Any] = NO_KEYWORDS,
) -> Any:
    """Run ``function`` on the values one level down, and note it on the innermost tape.

    Parameters
    ----------
    function : callable
        The function as it was called.
    arguments : tuple
        Among them, or in lists and tuples among them, at least one traced value.
    keywords : dict

    Returns
    -------
    Traced
        Or a plain value, where the function is piecewise constant and nothing is recorded.

    Raises
    ------
    TraceError
        Where the function has no rule, or a keyword is not covered by it.
    """
    rule = RULES.get(function)
    if rule is None:
        if function in REWRITES:
            return rewritten(function, arguments, keywords)
        rule = find(function) or Rule(function)
    if keywords:
        arguments, keywords = plain_keywords(function, arguments, keywords)
    if len(arguments) > 1 and len(arguments) > (rule.measure() if rule.width < 0 else rule.width):
        arguments, keywords = by_name(function, arguments, keywords, rule.width)
    tape = _innermost_tape(arguments)
    if tape is None:
        raise trace_error(
            f"{name_of(function)} was given a traced value where its gradient is not known; give "
            "it as a positional argument"
        )
    recording = tape.recording
    if keywords or recording or not rule.known:
        check_covered(rule, recording, arguments, keywords)

    lowered = []
    parents: list[Any] = []
    for position, argument in enumerate(arguments):
        kind = type(argument)
        if kind is TracedArray or kind is TracedScalar:
            if argument._tape is tape:
                parents.append((position, argument._node))
                argument = argument._value
        elif kind is list or kind is tuple:
            if type(function) is np.ufunc:
                argument = np.asarray(argument)  # ufuncs take a list for an array
            else:
                argument, members = _lower_members(argument, tape)
                if members:
                    parents.append((position, members))
        lowered.append(argument)

    ans = function(*lowered, **keywords)
    node = len(tape.entries)
    if not recording:
        if rule.constant:
            return ans
        if rule.positions is not None:
            for position, _ in parents:
                if position not in rule.positions:
                    raise no_rule(function, position)
    tape.append((rule, ans, lowered, keywords, parents))
    if isinstance(ans, (tuple, list)):
        return _parts(ans, tape, node)
    return (TracedArray if getattr(ans, "shape", ()) else TracedScalar)(ans, tape, node)


def _lower_members(arrays: Any, tape: Tape) -> tuple[Any, list[tuple[int, int]]]:
    """Return a list of arrays one level down, and which of its members were traced by which."""
    members = []
    items = list(arrays)
    for index, item in enumerate(items):
        if isinstance(item, Traced) and item._tape is tape:
            members.append((index, item._node))
            items[index] = item._value
    return (type(arrays)(items) if members else arrays), members


# A function with several results is one entry, and each of its results another one.
PART = Rule(operator.getitem, (None,))


def _parts(ans: Any, tape: Tape, node: int) -> Any:
    parts = []
    for index, part in enumerate(ans):
        own = len(tape.entries)
        tape.append((PART, part, (ans, index), NO_KEYWORDS, ((0, node),)))
        parts.append((TracedArray if np.shape(part) else TracedScalar)(part, tape, own))
    return type(ans)(*parts) if hasattr(ans, "_fields") else type(ans)(parts)


def _innermost_tape(arguments: tuple[Any, ...]) -> Tape | None:
    tape: Tape | None = None
    for argument in arguments:
        kind = type(argument)
        if kind is TracedArray or kind is TracedScalar:
            if tape is None or argument._tape.order > tape.order:
                tape = argument._tape
        elif kind is list or kind is tuple:
            inner = _innermost_tape(tuple(argument))
            if inner is not None and (tape is None or inner.order > tape.order):
                tape = inner
    return tape


def _is_traced_mask(index: Any) -> bool:
    if isinstance(index, Traced):
        return index.dtype == bool
    return type(index) is tuple and any(_is_traced_mask(part) for part in index)


# ----- Operators ---------------------------------------------------------------------------------

_PLAIN = frozenset((float, int, np.ndarray, np.float64, np.float32))


def _binary(function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Return the methods of one operator: ``x * y`` and, for plain x, its reflection."""
    rule = RULES[function]

    def forward(self: Traced, other: Any) -> Any:
        tape = self._tape
        kind = type(other)
        parents: tuple[tuple[int, int], ...]
        if kind is TracedArray or kind is TracedScalar:
            if other._tape is not tape:
                return apply(function, (self, other))
            parents = ((0, self._node), (1, other._node))
            other = other._value
        elif kind in _PLAIN:
            parents = ((0, self._node),)
        else:
            return apply(function, (self, _as_array(other)))
        value = self._value
        ans = function(value, other)
        node = len(tape.entries)
        tape.append((rule, ans, (value, other), NO_KEYWORDS, parents))
        return (TracedArray if ans.shape else TracedScalar)(ans, tape, node)

    def reflected(self: Traced, other: Any) -> Any:
        if type(other) not in _PLAIN:
            return apply(function, (_as_array(other), self))
        tape = self._tape
        value = self._value
        ans = function(other, value)
        node = len(tape.entries)
        tape.append((rule, ans, (other, value), NO_KEYWORDS, ((1, self._node),)))
        return (TracedArray if ans.shape else TracedScalar)(ans, tape, node)

    return forward, reflected


def _as_array(other: Any) -> Any:
    """Return an operand as NumPy would see it: a list of numbers is an array."""
    if hasattr(other, "dtype") or isinstance(other, (bool, int, float)):
        return other
    array = np.asarray(other)
    if array.dtype == object:
        raise trace_error(
            f"a traced value cannot be combined with a {type(other).__name__}; convert it with "
            "float(...) or np.asarray(..., dtype=float)"
        )
    return array


def _unary(function: Callable[[Any], Any]) -> Any:
    return lambda self: apply(function, (self,))


def _comparison(function: Callable[[Any, Any], Any]) -> Any:
    return lambda self, other: apply(function, (self, _as_array(other)))


def _method(function: Callable[..., Any]) -> Any:
    def method(self: Traced, *arguments: Any, **keywords: Any) -> Any:
        return apply(function, (self, *arguments), keywords)

    method.__doc__ = f"Return ``np.{function.__name__}`` of this array."
    return method


def _install_array_interface() -> None:
    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "matmul"):
        forward, reflected = _binary(getattr(operator, name))
        setattr(Traced, f"__{name}__", forward)
        setattr(Traced, f"__r{name}__", reflected)
    for name in ("lt", "le", "gt", "ge", "eq", "ne", "and_", "or_", "xor"):
        setattr(Traced, f"__{name.rstrip('_')}__", _comparison(getattr(operator, name)))
    for name in ("and_", "or_", "xor"):
        setattr(Traced, f"__r{name.rstrip('_')}__", _comparison(getattr(operator, name)))
    for name in ("neg", "pos", "invert"):
        setattr(Traced, f"__{name}__", _unary(getattr(operator, name)))
    for name in (
        "sum", "prod", "mean", "var", "std", "max", "min", "cumsum", "cumprod", "argmax", "argmin",
        "argsort", "argpartition", "all", "any", "clip", "dot", "diagonal", "trace", "take",
        "repeat", "squeeze", "swapaxes", "ravel", "round", "nonzero", "searchsorted", "compress",
        "choose", "conj", "conjugate",
    ):  # fmt: skip
        setattr(Traced, name, _method(getattr(np, name)))


_install_array_interface()
