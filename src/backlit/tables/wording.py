"""Parts of sentences: lists, rows, and names that are nearly right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

SHOWN = 3  # of a long list; the rest is counted


def listed(parts: Sequence[str]) -> str:
    """Join to ``a, b and c``; of many, the first few are named and the others counted.

    Examples
    --------
    >>> listed(["a", "b"]), listed([*"abcdef"])
    ('a and b', 'a, b, c and 3 more')
    """
    shown = list(parts)
    if len(shown) > SHOWN + 1:
        shown = [*shown[:SHOWN], f"{len(shown) - SHOWN} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 row``, ``1,200 rows``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def different_lengths(lengths: Mapping[str, int]) -> str:
    """Return what follows ``the columns are of``: two columns that are not equally long.

    Examples
    --------
    >>> different_lengths({"a": 2, "b": 2, "c": 3})
    "different lengths: 'a' has 2 rows, and 'c' has 3"
    """
    (first, length), *others = lengths.items()
    name, other = next(item for item in others if item[1] != length)
    return f"different lengths: {first!r} has {counted(length, 'row')}, and {name!r} has {other:,}"


def rows(numbers: Iterable[int]) -> str:
    """Return ``row 3``, ``rows 3 and 4``."""
    parts = [str(number) for number in numbers]
    return f"row{'s' if len(parts) > 1 else ''} {listed(parts)}"


def nearest(name: str, known: Collection[str]) -> str:
    """Return what follows ``no column x``: the names that are near it, or those there are."""
    plain = {other.casefold().strip(): other for other in known}
    near = get_close_matches(name.casefold().strip(), plain, n=3)
    if near:
        return f"; did you mean {' or '.join(repr(plain[match]) for match in near)}?"
    return f"; there are {listed([repr(other) for other in known])}" if known else ""
