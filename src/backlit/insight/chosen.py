"""Some of a network's weights and biases: where they are, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Recording


@dataclass(frozen=True)
class Block:
    """The biases of some units of a layer, or their weights from some units of the layer below.

    Attributes
    ----------
    layer : int
        Counted from 1.
    units : slice
    sources : slice
        Of biases, empty.
    bias : bool
    """

    layer: int
    units: slice
    sources: slice
    bias: bool


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some of a network's weights and biases.

    Attributes
    ----------
    name : str
        What they are, as it is called in a sentence.
    blocks : tuple of Block
    places : array of int, shape (parameters,)
        Where they are among the flat parameters, block after block.
    parameters : tuple of str
        What each is called.
    """

    name: str
    blocks: tuple[Block, ...]
    places: NDArray[np.intp]
    parameters: tuple[str, ...]


def choose(
    recording: Recording, layer: int | None, unit: int | None, source: int | str | None
) -> Chosen:
    """Return some of a network's weights and biases.

    Parameters
    ----------
    recording : Recording
    layer, unit : int or None
        Counted from 1; None for all.
    source : int, str or None
        Counted from 1; of the first layer also the name of an input; or ``"bias"``.

    Returns
    -------
    Chosen

    Raises
    ------
    ValueError
        If there is no such layer, unit or source, or a unit is given without its layer.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.chosen import choose
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=1)
    >>> choose(recording, 1, 3, None).parameters
    ('input 1 to unit 3 of layer 1', 'the bias of unit 3 of layer 1')
    """
    sizes = recording.subject.sizes
    if layer is None:
        if unit is not None or source is not None:
            raise ValueError("a unit or a source needs its layer; give layer, from 1 on")
        blocks = [block for k in range(1, len(sizes)) for block in _whole(k, slice(None))]
        return _chosen(recording, "the network", blocks)
    _check("layer", layer, len(sizes) - 1, "the network")
    if unit is None:
        if source is not None:
            raise ValueError("a source needs the unit that it goes to; give unit, from 1 on")
        return _chosen(recording, f"layer {layer}", _whole(layer, slice(None)))
    _check("unit", unit, sizes[layer], f"layer {layer}")
    one = slice(unit - 1, unit)
    if source is None:
        name = _unit(recording, layer, unit)
        return _chosen(recording, name, _whole(layer, one))
    if source == "bias":
        block = Block(layer, one, slice(0), True)
    else:
        position = _position(recording, layer, source)
        block = Block(layer, one, slice(position - 1, position), False)
    chosen = _chosen(recording, "", [block])
    (name,) = chosen.parameters
    name = name if block.bias else f"the weight from {name}"
    return Chosen(name, chosen.blocks, chosen.places, chosen.parameters)


def _whole(layer: int, units: slice) -> list[Block]:
    return [Block(layer, units, slice(None), False), Block(layer, units, slice(0), True)]


def _check(what: str, number: int, last: int, of: str) -> None:
    if not isinstance(number, int | np.integer) or not 1 <= number <= last:
        there = f"{what}s 1 to {last}" if last > 1 else f"{what} 1 only"
        raise ValueError(f"there is no {what} {number!r}: {of} has {there}")


def _position(recording: Recording, layer: int, source: int | str) -> int:
    if not isinstance(source, str):
        _check("source", source, recording.subject.sizes[layer - 1], f"a unit of layer {layer}")
        return source
    if layer > 1 or source not in recording.input_names:
        there = ", ".join(recording.input_names[:3])
        raise ValueError(
            f"there is no source {source!r}: a name is that of an input ({there} ...) of a unit in "
            'layer 1, or "bias"; else give its position, from 1 on'
        )
    return recording.input_names.index(source) + 1


def _unit(recording: Recording, layer: int, unit: int) -> str:
    sizes = recording.subject.sizes
    if layer == 0:
        return recording.input_names[unit - 1]
    if layer == len(sizes) - 1:  # of two classes told apart by one output, it is called after one
        return f"the output {recording.output_names[-sizes[-1] :][unit - 1]}"
    return f"unit {unit} of layer {layer}"


def _chosen(recording: Recording, name: str, blocks: list[Block]) -> Chosen:
    layout, sizes = recording.subject.layout, recording.subject.sizes
    positions = layout.views(np.arange(layout.size))
    places, names = [], []
    for block in blocks:
        units = range(1, sizes[block.layer] + 1)[block.units]
        if block.bias:
            places.append(positions[f"b{block.layer}"][block.units])
            names += [f"the bias of {_unit(recording, block.layer, unit)}" for unit in units]
        else:
            places.append(positions[f"W{block.layer}"][block.sources, block.units].ravel())
            sources = range(1, sizes[block.layer - 1] + 1)[block.sources]
            names += [
                f"{_unit(recording, block.layer - 1, source)} to "
                f"{_unit(recording, block.layer, unit)}"
                for source in sources
                for unit in units
            ]
    return Chosen(name, tuple(blocks), np.concatenate(places), tuple(names))
