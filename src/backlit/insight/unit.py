"""What one hidden unit responds to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.naming import largest, several, written

SHOWN = 10


@dataclass(frozen=True, eq=False, repr=False)
class Unit(Answer):
    """A hidden unit, over many rows.

    Attributes
    ----------
    layer, index : int
        The layer, counted from 1, and the unit, counted from 0.
    activation : str
        The name of its activation function.
    sources : tuple of str
        What its weights come from: inputs, or units of the layer before.
    weights : array, shape (sources,)
    effects : array, shape (sources,)
        Each weight times the standard deviation of what goes in.
    bias : float
    template : array, shape (inputs,)
        The derivative of its pre-activation by the network's inputs, averaged over its top rows: in
        the first layer, its weights. 0 for inputs that are the same for all rows.
    top, median, bottom : array of int
        The user's rows for which it is highest, in the middle, and lowest.
    levels : tuple of array
        Its activations for these three.
    mean, deviation : float
        Of its activation.
    closed : float
        The share of rows for which (almost) nothing passes back through it: its slope is below a
        hundredth of the steepest that its activation has. For a rectifier: the unit is off.
    use : float
        The norm of its outgoing weights times its deviation: how much the next layer gets of it.
    relative_use : float
        Its use in that of the layer's median unit.
    outgoing : array, shape (units of the next layer,)
    class_names : tuple of str
    class_means : array of float64, shape (classes,)
        Its mean activation for each class; empty where targets are no classes.
    explained : float
        The share of its variance that lies between classes; for other targets, the squared
        correlation with the one it follows best. NaN for a constant unit.
    follows : str
        The class for which it stands out most, or the target it follows best.
    stands_out : float
        By how many of its deviations it is higher for that class than for all other rows; or the
        correlation with that target.
    feature : str
        The given feature that it follows best; empty if none were given.
    correlation, p : float
        With that feature; see `backlit.insight.matching.Matches`. NaN without features.
    image : tuple of int or None
        The height and the width of the inputs.
    """

    layer: int
    index: int
    activation: str
    sources: tuple[str, ...]
    weights: NDArray[Any]
    effects: NDArray[Any]
    bias: float
    template: NDArray[Any]
    top: NDArray[np.intp]
    median: NDArray[np.intp]
    bottom: NDArray[np.intp]
    levels: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    mean: float
    deviation: float
    closed: float
    use: float
    relative_use: float
    outgoing: NDArray[Any]
    class_names: tuple[str, ...]
    class_means: NDArray[np.float64]
    explained: float
    follows: str
    stands_out: float
    feature: str
    correlation: float
    p: float
    image: tuple[int, int] | None

    @property
    def state(self) -> str:
        """``"dead"`` (nothing passes for any row), ``"constant"``, ``"unused"`` or ``""``.

        Unused: the next layer gets less than a hundredth of it than of the layer's median unit.
        """
        if self.closed == 1:
            return "dead"
        if self.deviation == 0:
            return "constant"
        return "unused" if self.relative_use < 0.01 else ""

    def summary(self) -> str:
        """Say what the unit responds to."""
        state = f", {self.state}" if self.state else ""
        shut = "off" if self.activation == "relu" else "closed"
        lines = [
            f"Unit {self.index + 1} of layer {self.layer} ({self.activation}{state}): "
            f"{shut} for {self.closed:.0%} of the rows; the next layer gets "
            f"{written(self.relative_use)} times as much of it as of the median unit."
        ]
        strongest = largest(self.effects, SHOWN)
        order = strongest[np.argsort(-np.abs(self.effects[strongest]), kind="stable")]
        told = ", ".join(f"{self.sources[k]} {self.effects[k]:+.3g}" for k in order)
        rest = len(self.effects) - len(order)
        others = f", and {several(rest, 'other')}" if rest else ""
        lines.append(f"  strongest, weight x deviation of what goes in: {told}{others}")
        for name, rows, levels in zip(
            ("top", "middle", "bottom"),
            (self.top, self.median, self.bottom),
            self.levels,
            strict=True,
        ):
            pairs = zip(rows, levels, strict=True)
            said = ", ".join(f"{row} ({written(level)})" for row, level in pairs)
            lines.append(f"  {name} rows (activation): {said}")
        if self.follows and len(self.class_means):
            lines.append(
                f"  {self.follows}: {self.stands_out:+.2f} deviations beside all other rows; "
                f"classes explain {self.explained:.0%} of its variance"
            )
        elif self.follows:
            lines.append(f"  {self.follows}: correlation {self.stands_out:+.2f}")
        if self.feature:
            lines.append(
                f"  best matching feature: {self.feature}, correlation {self.correlation:+.2f}, "
                f"p = {written(self.p)} over all units and features"
            )
        return "\n".join(lines)

    def columns(self) -> dict[str, Any]:
        """Return a row for each weight that comes in."""
        return {"source": list(self.sources), "weight": self.weights, "effect": self.effects}

    def _draw(self, axes: Any) -> None:
        if self.image is not None:
            shown = self.template.reshape(self.image)
            extreme = float(np.max(np.abs(shown))) or 1.0
            drawn = axes.imshow(shown, cmap="RdBu_r", vmin=-extreme, vmax=extreme)
            axes.figure.colorbar(drawn, ax=axes, label="weight" if self.layer == 1 else "slope")
            axes.set_xticks([])
            axes.set_yticks([])
        else:
            at = largest(self.effects, 2 * SHOWN)
            at = at[np.argsort(np.abs(self.effects[at]), kind="stable")]
            colours = np.where(self.effects[at] > 0, "#c0392b", "#2471a3")
            axes.barh(range(len(at)), self.effects[at], color=colours)
            axes.set_yticks(range(len(at)), [self.sources[k] for k in at])
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_xlabel("weight x deviation of what goes in")
        axes.set_title(f"unit {self.index + 1} of layer {self.layer}")


def draw_gallery(axes: Any, units: list[Unit], image: tuple[int, int]) -> None:
    """Draw the templates of some units as small images, each in its own scale.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    units : list of Unit
        Of which the first sixty are drawn.
    image : (height, width)
    """
    own = units[:60]
    across = int(np.ceil(np.sqrt(len(own) * 1.5)))
    height, width = image
    gap = max(2, height // 4)  # with the name in it
    sheet = np.full((-(-len(own) // across) * (height + gap), across * (width + gap)), np.nan)
    for k, unit in enumerate(own):
        row, column = divmod(k, across)
        extreme = float(np.max(np.abs(unit.template))) or 1.0
        top, left = row * (height + gap) + gap, column * (width + gap)
        sheet[top : top + height, left : left + width] = unit.template.reshape(image) / extreme
        axes.text(left - 0.5, top - 0.7, f"{unit.layer}.{unit.index + 1}", fontsize=6)
    axes.imshow(sheet, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.axis("off")
    axes.set_title(
        "what each unit adds up: red excites, blue inhibits; the most used first in each layer",
        fontsize=9,
    )
