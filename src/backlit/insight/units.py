"""What the hidden units of a network respond to, and who uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlit.autodiff.derivatives import grad, vjp
from backlit.execution.blas import one_thread
from backlit.insight.answer import Answer
from backlit.insight.matching import Matches, match
from backlit.insight.naming import Naming, aligned, several, written
from backlit.insight.recording import Recording
from backlit.insight.subject import Subject
from backlit.insight.tuning import tuning
from backlit.insight.unit import Unit, draw_gallery

# A slope below this part of the steepest lets (almost) nothing pass.
CLOSED = 0.01
LIKELY = 0.05  # a match that chance makes more often is not told
SHOWN = 12
MOST_BYTES = 2**32


@dataclass(frozen=True, eq=False, repr=False)
class Units(Answer):
    """All hidden units of a network, layer by layer.

    Attributes
    ----------
    units : tuple of Unit
    rows : array of int, shape (rows,)
        The user's rows that were looked at.
    matches : Matches or None
        With the features that were given: units in the order of ``units``.
    """

    units: tuple[Unit, ...]
    rows: NDArray[np.intp]
    matches: Matches | None

    def unit(self, layer: int, number: int) -> Unit:
        """Return one unit.

        Parameters
        ----------
        layer, number : int
            Both counted from 1, as in the names of units.

        Raises
        ------
        ValueError
            If there is no such unit.
        """
        sizes: dict[int, int] = {}
        for unit in self.units:
            sizes[unit.layer] = unit.index + 1
            if (unit.layer, unit.index + 1) == (layer, number):
                return unit
        there = ", ".join(f"1 to {size} in layer {k}" for k, size in sizes.items())
        raise ValueError(f"units: there is no unit {number} of layer {layer}, but {there}")

    def summary(self) -> str:
        """Say how many units do nothing, and what the most used ones respond to."""
        lines = []
        for layer in sorted({unit.layer for unit in self.units}):
            own = [unit for unit in self.units if unit.layer == layer]
            states = {
                state: count
                for state in ("dead", "constant", "unused")
                if (count := sum(unit.state == state for unit in own))
            }
            said = ", ".join(f"{count} {state}" for state, count in states.items())
            lines.append(
                f"Layer {layer}: {several(len(own), own[0].activation + ' unit')} over "
                f"{several(len(self.rows), 'row')}; {said or 'none dead, constant or unused'}."
            )
            order = sorted(own, key=lambda unit: -unit.use)[:SHOWN]
            matched = self.matches is not None
            cells = [["unit", "use", "closed", "stands out for", *(["feature"] * matched)]]
            for unit in order:
                cells.append([
                    f"unit {unit.index + 1}", written(unit.relative_use), f"{unit.closed:.0%}",
                    _said(unit), *([_matched(unit)] * matched),
                ])  # fmt: skip
            if len(own) > SHOWN:
                lines.append(f"  the {SHOWN} that the next layer uses most")
            lines += [f"  {line}" for line in aligned(cells)]
        if self.matches is not None:
            lines.append(
                f"Features: the best of {len(self.matches.names)}, told where its correlation is "
                f"reached by chance (any unit, any feature, {self.matches.permutations:,} times "
                f"shuffled) in less than {LIKELY:.0%}."
            )
        return "\n".join(lines)

    def columns(self) -> dict[str, Any]:
        """Return a row for each unit."""
        kept = [
            "layer", "mean", "deviation", "closed", "use", "relative_use", "follows", "stands_out",
            "explained", "state",
        ]  # fmt: skip
        kept += ["feature", "correlation", "p"] if self.matches is not None else []
        columns = {name: [getattr(unit, name) for unit in self.units] for name in kept}
        return {"unit": [unit.index + 1 for unit in self.units], **columns}

    def _draw(self, axes: Any) -> None:
        order = sorted(self.units, key=lambda unit: (unit.layer, -unit.use))
        if order[0].image is not None:
            draw_gallery(axes, order, order[0].image)
            return
        if len(order[0].class_means):
            own = order[:40]
            shown = np.array([
                (unit.class_means - unit.mean) / (unit.deviation or 1.0) for unit in own
            ])  # fmt: skip
            extreme = float(np.max(np.abs(shown))) or 1.0
            drawn = axes.imshow(
                shown, cmap="RdBu_r", vmin=-extreme, vmax=extreme, aspect="auto"
            )  # fmt: skip
            axes.set_xticks(range(shown.shape[1]), own[0].class_names, rotation=90)
            axes.set_yticks(range(len(own)), [_named(unit) for unit in own], fontsize="small")
            axes.figure.colorbar(drawn, ax=axes, label="mean of the class, in deviations")
            axes.set_title("units, the most used first in each layer", fontsize=10)
            return
        own = order[:40][::-1]
        axes.barh(range(len(own)), [unit.relative_use for unit in own])
        axes.set_yticks(range(len(own)), [_named(unit) for unit in own], fontsize="small")
        axes.set_xlabel("use by the next layer, in that of the median unit")


def units(
    recording: Recording, *, image: tuple[int, int] | None = None,
    features: Mapping[str, ArrayLike] | None = None, groups: ArrayLike | None = None,
    rows: ArrayLike | None = None, count: int = 5, permutations: int = 999, seed: int = 0,
) -> Units:  # fmt: skip
    """Return what every hidden unit responds to.

    Parameters
    ----------
    recording : Recording
        Its kept weights are looked at.
    image : (height, width), optional
        Of the inputs, if they are the pixels of an image, row by row.
    features : dict of str to array of shape (rows,), optional
        Numbers of which one asks whether units follow them: for each of ``rows``.
    groups : array, shape (rows,), optional
        Rows with the same group belong together (one person, one day): features, which must not
        differ within a group, are then shuffled by group. Without it, rows count as independent.
    rows : array of int, optional
        The user's rows to look at, in this order; by default all that were trained on or held out,
        in ascending order.
    count : int, default 5
        How many top, middle and bottom rows to keep of each unit.
    permutations : int, default 999
        How often features are shuffled.
    seed : int, default 0
        Of the shuffling.

    Returns
    -------
    Units

    Raises
    ------
    ValueError
        If there is no hidden layer or no such row, the image has not as many pixels as there are
        inputs, features or groups do not fit the rows, a count is below 1, or the activations
        would need more than 4 GiB.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.trained import watch
    >>> from backlit.insight.units import units
    >>> from backlit.networks import Network
    >>> x = np.random.default_rng(0).normal(size=(80, 2))
    >>> network = Network(2, (3,), 1, "tanh", "squared_loss")
    >>> _, recording = watch(network, (x, x[:, :1]), epochs=200)
    >>> found = units(recording, features={"left": x[:, 0], "right": x[:, 1]})
    >>> most_used = max(found.units, key=lambda unit: unit.use)
    >>> most_used.feature, most_used.p
    ('left', 0.001)
    """
    subject = recording.subject
    if subject.depth == 1:
        raise ValueError("units: the network has no hidden layer")
    if image is not None and image[0] * image[1] != subject.sizes[0]:
        raise ValueError(
            f"units: an image of {image[0]} x {image[1]} has {image[0] * image[1]} pixels, and "
            f"the network has {subject.sizes[0]} inputs"
        )
    for name, number in (("count", count), ("permutations", permutations)):
        if number < 1:
            raise ValueError(f"units: {name} must be 1 or more, not {number}")
    _check_memory(recording, rows, bool(features))
    x, y, chosen = _chosen(recording, rows)
    together = np.arange(len(chosen)) if groups is None else np.asarray(groups)
    if together.shape != chosen.shape:
        raise ValueError(
            f"units: groups must be one for each of the {len(chosen):,} rows, not an array of "
            f"shape {together.shape}"
        )
    with one_thread():
        passes = subject.passes(recording.theta, x, y)
        matches = None
        if features:
            hidden = np.hstack(passes.inputs[1:])
            matches = match(hidden, features, together, permutations, seed)
        found: list[Unit] = []
        for layer in range(1, subject.depth):
            found += _layer(recording, layer, passes, y, chosen, count, image, matches, len(found))
    return Units(tuple(found), chosen, matches)


def _check_memory(recording: Recording, rows: ArrayLike | None, matched: bool) -> None:
    """Raise where the activations would need too much memory."""
    held_out = 0 if recording.held_out is None else len(recording.held_out)
    count = len(recording.training) + held_out if rows is None else np.size(rows)
    inputs, *others = recording.subject.sizes
    # Pre-activations, activations and deltas; for matches, two copies in float64.
    needed = count * (inputs + 3 * sum(others)) * recording.theta.itemsize
    needed += 16 * count * sum(others) if matched else 0
    if needed > MOST_BYTES:
        raise ValueError(
            f"units: the activations for {count:,} rows need about {needed / 2**30:.1f} GiB, and "
            f"{MOST_BYTES / 2**30:.1f} GiB are allowed; give fewer rows"
        )


def _chosen(
    recording: Recording, rows: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Return the inputs, the targets and the user's rows of what is looked at."""
    parts = [part for part in (recording.training, recording.held_out) if part is not None]
    known = np.concatenate([part.rows for part in parts])
    order = np.argsort(known, kind="stable")
    if rows is None:
        at = order
    else:
        asked = np.asarray(rows, np.intp)
        at = order[np.minimum(np.searchsorted(known[order], asked), len(known) - 1)]
        if np.any(missing := known[at] != asked):
            raise ValueError(
                f"units: row {asked[missing][0]} is neither in the training nor in the held-out "
                f"part; their {len(known):,} rows are from {known.min()} to {known.max()}"
            )
    first = len(parts[0])
    x = np.empty((len(at), recording.subject.sizes[0]), recording.theta.dtype)
    y = np.concatenate([part.y for part in parts])[at]
    x[at < first] = parts[0].inputs(at[at < first])
    if np.any(at >= first):
        x[at >= first] = parts[1].inputs(at[at >= first] - first)
    return x, y, known[at]


def _layer(
    recording: Recording, layer: int, passes: Any, y: NDArray[Any], rows: NDArray[np.intp],
    count: int, image: tuple[int, int] | None, matches: Matches | None, before: int,
) -> Iterable[Unit]:  # fmt: skip
    """Yield the units of a layer; ``before`` units were yielded of the layers before."""
    subject, naming = recording.subject, Naming.of(recording)
    parameters = subject.layout.views(recording.theta)
    a, z, inputs = passes.inputs[layer], passes.pre_activations[layer - 1], passes.inputs[layer - 1]
    W, outgoing = parameters[f"W{layer}"], parameters[f"W{layer + 1}"]
    closed = np.mean(
        np.abs(_slopes(subject, layer, z)) < CLOSED * _steepest(subject, layer), axis=0
    )
    means: NDArray[np.float64] = np.asarray(np.mean(a, axis=0, dtype=np.float64))
    deviations: NDArray[np.float64] = np.asarray(np.std(a, axis=0, dtype=np.float64))
    deviations[np.ptp(a, axis=0) == 0] = 0
    use = np.linalg.norm(outgoing, axis=1) * deviations
    usual = float(np.median(use)) or 1.0
    effects = W * np.std(inputs, axis=0)[:, np.newaxis]
    order = np.argsort(a, axis=0, kind="stable")
    kept = min(count, len(a))
    middle = (len(a) - kept) // 2
    at_top = order[-kept:][::-1]
    varies = np.ptp(passes.inputs[0], axis=0) > 0
    templates = _templates(recording, layer, passes.inputs[0], at_top) * varies
    classes = recording.output_names if subject.targets == "classes" else ()
    tuned = tuning(a, y, len(classes) or None)
    for unit in range(a.shape[1]):
        top, middle_rows, bottom = (
            at_top[:, unit], order[middle : middle + kept, unit], order[:kept, unit],
        )  # fmt: skip
        best = int(matches.best[before + unit]) if matches is not None else 0
        constant = bool(np.isnan(tuned.strength[unit]))
        yield Unit(
            layer=layer,
            index=unit,
            activation=subject.activation_names[layer - 1],
            sources=tuple(naming.units(layer - 1)),
            weights=W[:, unit],
            effects=effects[:, unit],
            bias=float(parameters[f"b{layer}"][unit]),
            template=templates[unit],
            top=rows[top],
            median=rows[middle_rows],
            bottom=rows[bottom],
            levels=(a[top, unit], a[middle_rows, unit], a[bottom, unit]),
            mean=float(means[unit]),
            deviation=float(deviations[unit]),
            closed=float(closed[unit]),
            use=float(use[unit]),
            relative_use=float(use[unit]) / usual,
            outgoing=outgoing[unit],
            class_names=classes,
            class_means=tuned.means[unit],
            explained=float(tuned.explained[unit]),
            follows="" if constant else recording.output_names[tuned.best[unit]],
            stands_out=float(tuned.strength[unit]),
            feature="" if matches is None else matches.names[best],
            correlation=np.nan
            if matches is None
            else float(matches.correlations[before + unit, best]),
            p=np.nan if matches is None else float(matches.p[before + unit]),
            image=image,
        )


def _slopes(subject: Subject, layer: int, z: NDArray[Any]) -> NDArray[Any]:
    _, pullback = vjp(partial(subject.activate, layer), z)
    slopes: NDArray[Any] = pullback(np.ones_like(z))[0]
    return slopes


def _steepest(subject: Subject, layer: int) -> float:
    """Return the largest slope that the activation of a layer has."""
    return float(np.max(np.abs(_slopes(subject, layer, np.linspace(-10, 10, 2001)))))


def _templates(
    recording: Recording, layer: int, x: NDArray[Any], top: NDArray[np.intp]
) -> NDArray[Any]:
    """Return the derivative of each unit's pre-activation by the inputs, averaged over top rows."""
    subject = recording.subject
    parameters = subject.layout.views(recording.theta)
    count, size = top.shape
    own = np.repeat(np.eye(size, dtype=x.dtype), count, axis=0)

    def chosen(a: Any) -> Any:
        for below in range(1, layer):
            a = subject.activate(below, a @ parameters[f"W{below}"] + parameters[f"b{below}"])
        return np.sum((a @ parameters[f"W{layer}"]) * own)

    slopes = grad(chosen)(x[top.T.ravel()])
    templates: NDArray[Any] = np.mean(slopes.reshape(size, count, -1), axis=1)
    return templates


def _named(unit: Unit) -> str:
    return f"{unit.layer}.{unit.index + 1}"


def _said(unit: Unit) -> str:
    if unit.state in ("dead", "constant"):
        return unit.state
    how = f"{unit.follows} {unit.stands_out:+.2f}"
    return f"{how} sd" if len(unit.class_means) else f"{how} (r)"


def _matched(unit: Unit) -> str:
    if unit.p >= LIKELY:
        return "-"
    return f"{unit.feature} {unit.correlation:+.2f} (p {written(unit.p)})"
