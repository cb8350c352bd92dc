"""What is to be predicted: classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlit.tables.columns import Column, Numbers, Texts, number_text
from backlit.tables.slips import check_finite, check_slips
from backlit.tables.table import Table
from backlit.tables.wording import counted, listed

Kind: TypeAlias = Literal["classes", "numbers"]

MOST_CLASSES = 20
LARGEST_WHOLE = 2.0**53  # from here on, neighbouring whole numbers are one and the same float
FEWEST_ROWS = 5  # of a class, in the mean


@dataclass(frozen=True)
class Task:
    """What is to be predicted.

    Attributes
    ----------
    target : str
        The name of the column.
    kind : {"classes", "numbers"}
    classes : tuple of str or tuple of int
        Sorted; empty for numbers.
    """

    target: str
    kind: Kind
    classes: tuple[str, ...] | tuple[int, ...] = ()

    def codes(self, table: Table) -> NDArray[np.intp]:
        """Return the place of each row's class in ``classes``.

        Parameters
        ----------
        table : Table

        Returns
        -------
        array of int, shape (rows,)
            -1 where the target is missing, or is a class that is not among them.
        """
        column = table[self.target]
        texts = column.to_texts() if isinstance(column, Numbers) else column
        place = {str(label): code for code, label in enumerate(self.classes)}
        translation = np.array([*(place.get(level, -1) for level in texts.levels), -1], np.intp)
        return translation[texts.codes]


def decide_task(table: Table, target: str, kind: Kind | None = None) -> tuple[Task, str]:
    """Decide from the target whether classes or numbers are to be predicted.

    Texts are classes. Numbers are classes if there are two different ones; or if they are whole,
    at most 20 different ones, and each stands in five rows or more in the mean. Whole numbers that
    count or grade (a quality from 3 to 9) look the same, which is why the decision is said and can
    be overruled.

    Parameters
    ----------
    table : Table
        The whole table; rows without a target do not count.
    target : str
    kind : {"classes", "numbers"}, optional
        Overrules the decision.

    Returns
    -------
    task : Task
    sentence : str
        The decision and its reason, for people.

    Raises
    ------
    ValueError
        If the kind is none of these; there is no such column; all its values are missing or the
        same; it holds infinite values, or text in a few cells; every row has a class of its own; or
        numbers are asked of texts.

    Examples
    --------
    >>> from backlit.tables import Table, decide_task
    >>> table = Table.from_columns({"x": [1, 2, 3, 4], "y": ["no", "yes", "yes", "no"]})
    >>> task, sentence = decide_task(table, "y")
    >>> task.classes
    ('no', 'yes')
    >>> sentence
    "Predicting 'y': 2 classes, since it holds text."
    """
    if kind not in (None, "classes", "numbers"):
        raise ValueError(f"the kind of a target is 'classes' or 'numbers', not {kind!r}")
    column = table[target]
    if np.all(column.missing):
        raise ValueError(
            f"all values of the target {target!r} are missing in {table.source}; was another "
            "column meant?"
        )
    check_finite(table, target)
    if kind != "classes":  # which says that numbers among the texts are no slip
        check_slips(table, target)
    labels, counts = _labels(column)
    if len(labels) == 1:
        raise ValueError(
            f"the target {target!r} is {labels[0]} in every row of {table.source}, and there is "
            "nothing to tell apart; was another column meant?"
        )
    if isinstance(column, Numbers):
        decided, reason = _decide(column.values[~column.missing])
    elif kind == "numbers":
        raise ValueError(
            f"the target {target!r} of {table.source} holds text, such as {labels[0]!r}, and "
            "cannot be predicted as numbers; predict classes"
        )
    else:
        decided = "classes"
        reason = "since it holds categories" if column.declared else "since it holds text"
    if kind is not None and kind != decided:
        reason = f"as asked, although {reason.removeprefix('since ')}"
    if (kind or decided) == "numbers":
        return Task(target, "numbers"), f"Predicting {target!r}: numbers, {reason}."
    if np.max(counts) == 1:
        raise ValueError(
            f"the target {target!r} of {table.source} has a class of its own in each of "
            f"{counted(len(labels), 'row')}; was another column meant?"
        )
    sentence = f"Predicting {target!r}: {counted(len(labels), 'class', 'classes')}, {reason}."
    return Task(target, "classes", labels), sentence


def _decide(values: NDArray[np.float64]) -> tuple[Kind, str]:
    distinct = np.unique(values)
    if np.max(np.abs(distinct)) >= LARGEST_WHOLE:
        return "numbers", "since it holds numbers beyond 2**53, whose last digits are not kept"
    if len(distinct) == 2:
        return "classes", f"since it holds only {listed([*map(number_text, distinct.tolist())])}"
    if np.any(distinct != np.round(distinct)):
        return "numbers", "since not all are whole"
    different = f"{counted(len(distinct), 'different whole number')} in {len(values):,} rows"
    few = len(distinct) <= MOST_CLASSES and FEWEST_ROWS * len(distinct) <= len(values)
    return ("classes" if few else "numbers"), f"since it holds {different}"


def _labels(
    column: Column,
) -> tuple[tuple[str, ...] | tuple[int, ...], NDArray[np.intp]]:
    """Return the distinct values, sorted, and the number of rows of each."""
    if isinstance(column, Texts):
        counts = column.counts()
        seen = np.flatnonzero(counts)
        return tuple(column.levels[code] for code in seen), counts[seen]
    values, counts = np.unique(column.values[~column.missing], return_counts=True)
    if np.all(values == np.round(values)):
        return tuple(map(int, values.tolist())), counts
    return tuple(map(number_text, values.tolist())), counts
