"""An example as a diagram of its network: activations, wishes, and the gradient of each weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.insight.naming import largest, written

if TYPE_CHECKING:
    from backlit.insight.example import Example

UNITS = 10
UP, DOWN = "#c0392b", "#2471a3"  # which way a value is to go


def draw_network(axes: Any, example: Example) -> None:
    """Draw the units that count most, the wish of each, and what each weight is asked to do.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    example : Example
    """
    naming, subject = example.naming, example.naming.subject
    gradients = subject.layout.views(example.gradient)
    asked = [np.sum(np.abs(gradients["W1"]), axis=1), *map(np.abs, example.deltas)]
    units = [largest(values, UNITS) for values in asked]
    heights = [np.linspace(0.5, -0.5, len(u)) if len(u) > 1 else np.zeros(1) for u in units]
    values = [*example.activations, example.pre_activations[-1]]
    strongest = max(float(np.max(np.abs(g))) for g in gradients.values()) or 1.0
    for layer in range(1, subject.depth + 1):
        W = gradients[f"W{layer}"]
        for i, y0 in zip(units[layer - 1], heights[layer - 1], strict=True):
            for j, y1 in zip(units[layer], heights[layer], strict=True):
                size = abs(float(W[i, j])) / strongest
                axes.plot(
                    [layer - 1, layer], [y0, y1], color=UP if W[i, j] < 0 else DOWN,
                    linewidth=0.3 + 3.5 * size, alpha=0.15 + 0.85 * size**0.5 if size else 0.08,
                    zorder=1, solid_capstyle="butt",
                )  # fmt: skip
    size = 10 if max(map(len, units)) > 5 else 26
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
    font = {"va": "center", "fontsize": 8, "zorder": 4, "bbox": paper}
    for layer, (chosen, ys) in enumerate(zip(units, heights, strict=True)):
        scale = float(np.max(np.abs(values[layer]))) or 1.0
        for unit, y in zip(chosen, ys, strict=True):
            value = float(values[layer][unit])
            shade = 1 - 0.6 * min(abs(value) / scale, 1)
            axes.plot(
                layer, y, "o", markersize=size, color=(shade, shade, shade),
                markeredgecolor="black", zorder=3,
            )  # fmt: skip
            text = f"{naming.unit(layer, unit)}\n{_short(value)}"
            axes.text(layer - 0.1, y, text, ha="right", **font)
            if layer:
                delta = float(example.deltas[layer - 1][unit])
                sign = "\u25b2" if delta < 0 else "\u25bc" if delta > 0 else "\u2022"
                colour = UP if delta < 0 else DOWN if delta > 0 else "0.4"
                axes.text(layer + 0.1, y, f"{sign} {_short(-delta)}", color=colour, **font)
        if len(chosen) < len(values[layer]):
            told = f"{len(chosen)} of {len(values[layer]):,}"
            axes.text(layer, 0.62, told, ha="center", fontsize=8)
    axes.set_xlim(-0.6, subject.depth + 0.5)
    axes.set_ylim(-0.6, 0.7)
    axes.axis("off")
    axes.set_title(
        f"Row {example.row}, step {example.step}: values left of units, wishes right\n"
        "lines: weights that the row asks to rise (red) or to fall (blue), wide if strongly",
        fontsize=9,
    )


def _short(number: float) -> str:
    return written(float(f"{number:.2g}"))
