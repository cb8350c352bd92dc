"""Losses: how wrong a network's outputs are, one number for each example.

The mean over a batch, and the weights of its examples, belong to training: from one number per
example every such sum can be made, and the backward pass of each example told apart.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from backlit.networks.class_losses import binary_log_loss, label_log_loss, log_loss, one_hot
from backlit.networks.number_losses import (
    absolute_loss,
    huber_loss,
    poisson_loss,
    quantile_loss,
    squared_loss,
)

__all__ = [
    "LOSSES",
    "TARGETS",
    "absolute_loss",
    "binary_log_loss",
    "check_options",
    "huber_loss",
    "label_log_loss",
    "log_loss",
    "one_hot",
    "poisson_loss",
    "quantile_loss",
    "squared_loss",
]

LOSSES: dict[str, Callable[..., Any]] = {
    "log_loss": log_loss,
    "binary_log_loss": binary_log_loss,
    "label_log_loss": label_log_loss,
    "squared_loss": squared_loss,
    "absolute_loss": absolute_loss,
    "huber_loss": huber_loss,
    "quantile_loss": quantile_loss,
    "poisson_loss": poisson_loss,
}

# What a loss compares the outputs with: one class number for each example, or for each output a
# label (0 or 1), a number, or a count (not negative).
Targets = Literal["classes", "labels", "numbers", "counts"]
TARGETS: dict[str, Targets] = {
    "log_loss": "classes",
    "binary_log_loss": "classes",
    "label_log_loss": "labels",
    "squared_loss": "numbers",
    "absolute_loss": "numbers",
    "huber_loss": "numbers",
    "quantile_loss": "numbers",
    "poisson_loss": "counts",
}

# What the options of losses may be, and how to say it.
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "delta": (lambda number: 0 < number < math.inf, "above 0"),
    "quantile": (lambda number: 0 < number < 1, "between 0 and 1"),
    "smoothing": (lambda number: 0 <= number < 1, "from 0 to below 1"),
}


def check_options(loss: str, options: Any) -> None:
    """Raise where a loss does not take these options.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.
    options : dict of str to float

    Raises
    ------
    ValueError
        If an option is unknown to the loss or out of its range.

    Examples
    --------
    >>> from backlit.networks.losses import check_options
    >>> check_options("huber_loss", {"delta": 0.5})
    """
    if not isinstance(options, Mapping):
        raise ValueError(f"the options of a loss are a dict of numbers, not {options!r}")
    _, _, *known = inspect.signature(LOSSES[loss]).parameters
    for name, number in options.items():
        if name not in known:
            raise ValueError(f"{loss} has no option {name!r}, but {', '.join(known) or 'none'}")
        allowed, said = _RANGES[name]
        if type(number) not in (int, float) or not allowed(number):
            raise ValueError(f"the {name} of {loss} must be a number {said}, not {number!r}")
