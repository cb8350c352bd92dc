"""How near the training rows are to some rows: by their inputs, and as the network sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backlit.insight.recording import Part, Recording

AT_ONCE = 2**25  # bytes of inputs that are written out at once


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The distance of each training row to the nearest of some rows.

    Attributes
    ----------
    by_inputs : array of float64, shape (examples,)
        Euclidean, each input in units of its standard deviation over the training part.
    by_hidden : array of float64, shape (examples,)
        Of the activations of the last hidden layer, in the same way; of a network without hidden
        layers, that by inputs.
    """

    by_inputs: NDArray[np.float64]
    by_hidden: NDArray[np.float64]

    def nearest(self, count: int, space: Literal["inputs", "hidden"]) -> NDArray[np.intp]:
        """Return the positions of the nearest training rows, the nearest first."""
        distances = self.by_inputs if space == "inputs" else self.by_hidden
        return np.argsort(distances, kind="stable")[:count]


def neighbours(recording: Recording, x: Any) -> Neighbours:
    """Return how near each training row is to the nearest of some rows.

    Parameters
    ----------
    recording : Recording
    x : array, shape (rows, inputs)

    Returns
    -------
    Neighbours

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.neighbours import neighbours
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 5)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (), 2), (x, (x[:, 0] > 0).astype(int)), epochs=1)
    >>> neighbours(recording, np.array([[0.9]])).nearest(2, "inputs")
    array([4, 3])
    """
    theta, subject = recording.theta, recording.subject
    by_inputs = _nearest(recording.training, x, lambda rows: rows)
    if subject.depth == 1:
        return Neighbours(by_inputs, by_inputs)
    by_hidden = _nearest(recording.training, x, lambda rows: subject.hidden(theta, rows))
    return Neighbours(by_inputs, by_hidden)


def _nearest(part: Part, x: Any, see: Callable[[Any], Any]) -> NDArray[np.float64]:
    """Return distances of what is seen of each training row, piece by piece."""
    width = part.x.shape[1] * 8
    pieces = np.array_split(np.arange(len(part)), len(part) * width // AT_ONCE + 1)

    def seen() -> Iterator[NDArray[np.float64]]:
        return (see(part.inputs(piece)).astype(np.float64) for piece in pieces)

    mean = sum(np.sum(piece, axis=0) for piece in seen()) / len(part)
    scale = np.sqrt(sum(np.sum((piece - mean) ** 2, axis=0) for piece in seen()) / len(part))
    scale[scale == 0] = 1
    targets = see(x).astype(np.float64) / scale
    return np.concatenate([_distances(piece / scale, targets) for piece in seen()])


def _distances(rows: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.neighbors import NearestNeighbors

    found, _ = NearestNeighbors(n_neighbors=1).fit(targets).kneighbors(rows)
    return found[:, 0]
