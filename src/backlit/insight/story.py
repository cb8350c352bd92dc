"""The story of one row in one step, as lines of text."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backlit.functions import softmax
from backlit.insight.naming import Naming, aligned, largest, several, written
from backlit.networks.activations import logistic

if TYPE_CHECKING:
    from backlit.insight.example import Example

# A layer of more units is told of by those that count most, a sum of more terms by its largest.
UNITS, TERMS, LARGEST_TERMS = 10, 4, 2
WIDTH = 96  # of prose


def told(example: Example) -> str:
    """Return the story of an example."""
    words, *sheet = example.balance.summary().split("\n")
    return "\n".join([
        *wrap(_heading(example), WIDTH),
        *_forward(example),
        *_backward(example),
        *_gradient(example),
        "",
        *wrap(example.batch.summary(), WIDTH),
        "",
        *wrap(words, WIDTH),
        *sheet,
    ])  # fmt: skip


def predicted(outputs: NDArray[Any], targets: str) -> tuple[str, NDArray[Any]]:
    """Return what outputs stand for: a word, and a number for each; "" where they are it."""
    if targets == "classes" and len(outputs) > 1:
        return "probability", softmax(outputs)
    if targets in ("classes", "labels"):
        return "probability", logistic(outputs)
    return ("expected count", np.exp(outputs)) if targets == "counts" else ("", outputs)


def _heading(example: Example) -> str:
    naming, subject = example.naming, example.naming.subject
    where = f"Row {example.row} at step {example.step}, in epoch {example.epoch}"
    if example.place is None:
        held = ", which was held out," if example.part == "held-out" else ""
        where = (
            f"Row {example.row}{held} with the weights before step {example.step}, in epoch "
            f"{example.epoch}. It was not in this step's batch"
        )
        if subject.dropout:
            where += ", and no unit is silenced for it"
    outputs = example.pre_activations[-1]
    _, numbers = predicted(outputs, subject.targets)
    if subject.targets == "classes":
        two = len(outputs) == 1
        names = example.class_names
        right = int(example.target)
        best = int(outputs[0] > 0) if two else int(np.argmax(outputs))
        sure = max(float(numbers[0]), 1 - float(numbers[0])) if two else float(np.max(numbers))
        says = f"the network says {names[best]} ({written(sure)})"
        end = f"{names[right]} is right, {says}"
    else:
        pairs = zip(naming.outputs, np.atleast_1d(example.target), numbers, strict=True)
        end = "; ".join(
            f"{name} is {written(target)}, the network says {written(number)}"
            for name, target, number in list(pairs)[:UNITS]
        )
    return f"{where}: {end}. Loss {written(example.loss)}."


def _forward(example: Example) -> list[str]:
    naming, subject = example.naming, example.naming.subject
    parameters = subject.layout.views(example.theta)
    lines = ["", "Forward pass: z = sum of (input x weight) + bias; a = activation of z"]
    if example.dropout:
        lines.append("  dropout silences some units (a = 0) and raises the others in their place")
    for layer in range(1, subject.depth + 1):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        a, z = example.activations[layer - 1], example.pre_activations[layer - 1]
        last = layer == subject.depth
        after = z if last else example.activations[layer]
        units = largest(after, UNITS)
        word, numbers = predicted(z, subject.targets) if last else ("", after)
        cells = []
        for unit in units:
            sum_of = f"{_sum(a, W[:, unit], naming, layer - 1)} {_signed(b[unit])}"
            end = f"a = {written(after[unit])}" if not last else ""
            if word:
                end = f"{word} {written(numbers[unit])}"
            if not last and example.dropout and not after[unit] and z[unit] > 0:
                end += ", silenced by dropout"
            cells.append([naming.unit(layer, unit), f"z = {sum_of} = {written(z[unit])}", end])
        name = "output layer" if last else f"layer {layer} ({subject.activation_names[layer - 1]})"
        lines += [f"  {name}{_shown(units, z, 'largest')}", *(f"    {x}" for x in aligned(cells))]
    return lines


def _backward(example: Example) -> list[str]:
    naming, subject = example.naming, example.naming.subject
    parameters = subject.layout.views(example.theta)
    lines = [
        "",
        "Backward pass: a unit's delta is the derivative of the loss by its z; its wish is the",
        "delta with the sign turned: the way in which z would have to go to lower the loss",
    ]
    for layer in range(subject.depth, 0, -1):
        delta = example.deltas[layer - 1]
        units = largest(delta, UNITS)
        last = layer == subject.depth
        cells = []
        for unit in units:
            sum_of = ""
            if not last:
                above, W = example.deltas[layer], parameters[f"W{layer + 1}"][unit]
                slope = written(example.slopes[layer - 1][unit])
                sum_of = f"{slope}*({_sum(above, W, naming, layer + 1)}) = "
            way = "up" if delta[unit] < 0 else "down" if delta[unit] > 0 else "none"
            cells.append([
                naming.unit(layer, unit), f"delta = {sum_of}{written(delta[unit])}", f"wish: {way}",
            ])  # fmt: skip
        name = "output layer" if last else f"layer {layer}: slope of the activation x (sum of "
        name += "" if last else "delta above x weight)"
        lines += [
            f"  {name}{_shown(units, delta, 'largest')}",
            *(f"    {x}" for x in aligned(cells)),
        ]
    return lines


def _gradient(example: Example) -> list[str]:
    naming, at = example.naming, example.balance.strongest
    cells = []
    for place in at:
        layer, source, unit = naming.place(int(place))
        delta = example.deltas[layer - 1][unit]
        made = "the delta"
        if source is not None:
            made = f"{written(example.activations[layer - 1][source])}*{written(delta)}"
        cells.append([naming.parameter(int(place)), made, f"= {written(example.gradient[place])}"])
    shown = _shown(at, example.gradient, "largest")
    return [
        "",
        f"Gradient of the row's loss: what goes in x the delta{shown}",
        *(f"    {line}" for line in aligned(cells)),
    ]


def _sum(values: NDArray[Any], weights: NDArray[Any], naming: Naming, layer: int) -> str:
    """Return a sum of products in words: all terms, or the largest, named, and all others."""
    terms = values * weights
    kept = largest(terms, len(terms) if len(terms) <= TERMS else LARGEST_TERMS)
    told = [f"{written(values[k])}*{written(weights[k])}" for k in kept]
    if len(kept) == len(terms):
        return " + ".join(told)
    named = [f"{text} ({naming.unit(layer, k)})" for text, k in zip(told, kept, strict=True)]
    rest = float(np.sum(terms) - np.sum(terms[kept]))
    others = several(len(terms) - len(kept), "other")
    return f"{' + '.join(named)} {_signed(rest)} ({others})"


def _signed(number: float) -> str:
    return f"- {written(-number)}" if number < 0 else f"+ {written(number)}"


def _shown(shown: NDArray[np.intp], of: NDArray[Any], which: str) -> str:
    return "" if len(shown) == len(of) else f"; the {len(shown)} {which} of {len(of):,}"
