"""Settings that are numbers, and what they may be."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np

# The lowest and the highest number that each setting may be, and whether the lowest itself is in.
# The highest is never in.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0, math.inf, False),
    "weight_decay": (0, math.inf, True),
    "momentum": (0, 1, True),
    "decay": (0, 1, True),
    "beta1": (0, 1, True),
    "beta2": (0, 1, True),
    "epsilon": (0, math.inf, True),
    "grow": (1, math.inf, False),
    "shrink": (0, 1, False),
    "shortest": (0, math.inf, False),
    "longest": (0, math.inf, False),
    "memory": (1, math.inf, True),
    "tolerance": (0, math.inf, True),
    "every": (0, math.inf, False),
    "factor": (0, 1, False),
    "end": (0, math.inf, True),
    "warm": (0, 1, False),
    "start": (0, math.inf, True),
    "power": (0, math.inf, False),
    "patience": (0, math.inf, True),
    "threshold": (0, math.inf, True),
    "smallest": (0, math.inf, True),
    "l1": (0, math.inf, True),
    "l2": (0, math.inf, True),
    "clip_norm": (0, math.inf, False),
}
_WHOLE = frozenset(("memory", "patience"))


class Checked:
    """A dataclass of numbers that refuses, when it is made, a number out of its range."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = plain(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            if value is None and field.default is None:
                continue
            check_number(field.name, value)


def plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python, which takes the dtype of what it meets."""
    return value.item() if isinstance(value, np.generic) else value


def check_number(name: str, value: Any) -> None:
    """Raise where a setting is no number, or out of its range.

    Parameters
    ----------
    name : str
    value : int or float

    Raises
    ------
    ValueError

    Examples
    --------
    >>> from backlit.training.checks import check_number
    >>> check_number("momentum", 1)
    Traceback (most recent call last):
    ValueError: momentum must be from 0 to below 1, not 1
    """
    lowest, highest, included = _RANGES[name]
    inside = _is_number(value) and lowest <= value < highest and (included or value != lowest)
    if inside and (name not in _WHOLE or value == int(value)):
        return
    if highest < math.inf:
        bounds = (
            f"from {lowest} to below {highest}" if included else f"between {lowest} and {highest}"
        )
    else:
        bounds = f"{lowest} or more" if included else f"above {lowest}"
    whole = " and whole" if name in _WHOLE else ""
    raise ValueError(f"{name} must be {bounds}{whole}, not {value!r}")


def check_count(name: str, value: Any, lowest: int = 1) -> None:
    """Raise where a setting is not a whole number from ``lowest`` on."""
    if type(value) is not int or value < lowest:
        raise ValueError(f"{name} must be {lowest} or more and whole, not {value!r}")


def _is_number(value: Any) -> bool:
    # NumPy's float64 is a float; its other numbers and truth values are not what JSON can hold.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
