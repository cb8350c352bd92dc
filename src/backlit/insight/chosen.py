"""Some of a network's weights and biases: where they are, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backlit.insight.naming import Naming
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
    """

    name: str
    blocks: tuple[Block, ...]
    places: NDArray[np.intp]


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
    >>> choose(recording, 1, 3, None).places  # in weights of shape (1, 8), and 8 biases
    array([ 2, 10])
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
    naming = Naming.of(recording)
    whole = naming.unit(layer, unit - 1) + (f" of layer {layer}" if layer < len(sizes) - 1 else "")
    if source is None:
        return _chosen(recording, whole, _whole(layer, one))
    if source == "bias":
        return _chosen(recording, f"the bias of {whole}", [Block(layer, one, slice(0), True)])
    position = _position(recording, layer, source)
    below = naming.unit(layer - 1, position - 1)
    block = Block(layer, one, slice(position - 1, position), False)
    return _chosen(recording, f"the weight from {below} to {whole}", [block])


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


def _chosen(recording: Recording, name: str, blocks: list[Block]) -> Chosen:
    layout = recording.subject.layout
    positions = layout.views(np.arange(layout.size))
    places = np.concatenate([
        positions[f"b{block.layer}"][block.units]
        if block.bias
        else positions[f"W{block.layer}"][block.sources, block.units].ravel()
        for block in blocks
    ])  # fmt: skip
    return Chosen(name, tuple(blocks), places)
