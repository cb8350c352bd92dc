"""Rows that lie near a row, rows that are the same, and rows that lie far from all others."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
FAR = 6.0
"""How many robust standard deviations of the logarithm of its distance make a row an outlier."""

_REFERENCE = 4000  # rows that stand for all, where distances from every row are asked for


def nearest_rows(x: Any, some: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows nearest to some rows, in the network's inputs.

    Parameters
    ----------
    x : array or sparse matrix, shape (examples, inputs)
    some : array of int, shape (chosen,)

    Returns
    -------
    array of int, shape (chosen, neighbours)
        The nearest first, without the row itself; 5 of them, or all others if there are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects_neighbours import nearest_rows
    >>> nearest_rows(np.array([[0.0], [1.0], [3.0]]), np.array([0]))
    array([[1, 2]])
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBOURS, x.shape[0] - 1)
    if not len(some) or count < 1:
        return np.zeros((len(some), max(count, 0)), np.intp)
    found = (
        NearestNeighbors(n_neighbors=count + 1).fit(x).kneighbors(x[some], return_distance=False)
    )
    # The row itself is among its nearest, if not always first: others may be the same.
    others = found != some[:, np.newaxis]
    others[np.all(others, axis=1), -1] = False
    return found[others].reshape(len(some), count)


def same_rows(x: Any) -> list[NDArray[np.intp]]:
    """Return the groups of rows whose inputs are the same, each of two rows or more.

    Parameters
    ----------
    x : array or sparse matrix, shape (examples, inputs)

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects_neighbours import same_rows
    >>> same_rows(np.array([[0.0], [1.0], [0.0]]))
    [array([0, 2])]
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    if hasattr(x, "tocsr"):
        x = x.tocsr()
        x.sort_indices()
        for row, (start, end) in enumerate(zip(x.indptr[:-1], x.indptr[1:], strict=True)):
            groups[x.indices[start:end].tobytes() + x.data[start:end].tobytes()].append(row)
    else:
        for row, values in enumerate(np.asarray(x) + 0.0):  # -0.0 is 0.0
            groups[values.tobytes()].append(row)
    return [np.array(group) for group in groups.values() if len(group) > 1]


def remoteness(x: Any) -> NDArray[np.float64]:
    """Return how far each row is from others, in robust standard deviations.

    The logarithm of the distance to the fifth nearest row, less its median over the rows, in units
    of 1.4826 times the median absolute deviation. Of more than 4,000 rows, every so many-th stands
    for the others.

    Parameters
    ----------
    x : array or sparse matrix, shape (examples, inputs)

    Returns
    -------
    array of float64, shape (examples,)
        All 0 where the distances do not differ.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects_neighbours import remoteness
    >>> x = np.append(np.random.default_rng(0).normal(size=(200, 2)), [[40, 40]], axis=0)
    >>> np.flatnonzero(remoteness(x) > 6)
    array([200])
    """
    from sklearn.neighbors import NearestNeighbors

    rows = x.shape[0]
    step = -(-rows // _REFERENCE)
    reference = np.arange(0, rows, step)
    count = min(NEIGHBOURS, len(reference) - 1)
    if count < 1:
        return np.zeros(rows)
    distances, _ = NearestNeighbors(n_neighbors=count + 1).fit(x[reference]).kneighbors(x)
    # A row of the reference finds itself first.
    inside = np.arange(rows) % step == 0
    distance = np.where(inside, distances[:, count], distances[:, count - 1])
    if not np.any(distance > 0):
        return np.zeros(rows)
    logs = np.log(np.maximum(distance, np.min(distance[distance > 0])))
    deviation = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    if not deviation > 0:
        return np.zeros(rows)
    far: NDArray[np.float64] = (logs - np.median(logs)) / deviation
    return far
