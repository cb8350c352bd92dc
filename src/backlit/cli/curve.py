"""Curves drawn in text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

HEIGHT = 12
MARKS = ".o"  # of the first and the second curve; where they meet, the second's


def curve(figures: Mapping[str, Sequence[float]], width: int) -> list[str]:
    """Draw figures over the epochs.

    Parameters
    ----------
    figures : dict of str to sequence of float
        One or two curves, by their names, with a figure for each epoch; what is not finite is not
        drawn.
    width : int
        Of the drawing, in characters.

    Returns
    -------
    list of str
        Lines. The vertical axis is logarithmic if all figures are positive and the largest is more
        than ten times the smallest.

    Examples
    --------
    >>> from backlit.cli.curve import curve
    >>> lines = curve({"loss": [4, 3, 2, 1]}, 24)
    >>> lines[0], lines[1]
    ('loss: . loss', '   4 |.')
    """
    finite = [x for curve in figures.values() for x in curve if math.isfinite(x)]
    if not finite:
        return ["No figure is finite."]
    low, high = min(finite), max(finite)
    logarithmic = low > 0 and high > 10 * low
    labels = [_label(_between(low, high, (HEIGHT - 1 - row) / (HEIGHT - 1), logarithmic))
              for row in range(HEIGHT)]  # fmt: skip
    margin = max(map(len, labels))
    epochs = max(map(len, figures.values()))
    columns = max(1, min(width - margin - 3, epochs if epochs > width // 2 else 2 * epochs))
    grid = [[" "] * columns for _ in range(HEIGHT)]
    for mark, values in zip(MARKS, figures.values(), strict=False):
        for epoch, value in enumerate(values):
            if math.isfinite(value):
                column = _place(epoch, epochs, columns)
                share = _share(low, high, value, logarithmic)
                grid[HEIGHT - 1 - round(share * (HEIGHT - 1))][column] = mark
    drawn = [
        f"{label:>{margin}} |{''.join(row)}".rstrip()
        for label, row in zip(labels, grid, strict=True)
    ]
    last = str(epochs)
    axis = f"{'':>{margin}} +{'-' * columns}"
    below = f"{'':>{margin}}  1{last:>{max(columns - 1, len(last) + 1)}}"
    legend = ", ".join(f"{mark} {name}" for mark, name in zip(MARKS, figures, strict=False))
    scale = " (logarithmic)" if logarithmic else ""
    return [f"loss{scale}: {legend}", *drawn, axis, f"{below} epoch"]


def _place(epoch: int, epochs: int, columns: int) -> int:
    return 0 if epochs == 1 else round(epoch * (columns - 1) / (epochs - 1))


def _share(low: float, high: float, value: float, logarithmic: bool) -> float:
    if low == high:
        return 0.0
    if logarithmic:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _between(low: float, high: float, share: float, logarithmic: bool) -> float:
    return low * (high / low) ** share if logarithmic else low + (high - low) * share


def _label(value: float) -> str:
    return f"{value:.3g}"
