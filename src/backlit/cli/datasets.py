"""The data sets of the demo: real tables that come with scikit-learn, split in three parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlit.tables import Table
from backlit.tables.task import Kind

TARGET = "target"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table in three parts.

    Attributes
    ----------
    name : str
    kind : {"classes", "numbers"}
    training, validation, test : Table
        The column ``target`` holds classes by their names, or numbers.
    """

    name: str
    kind: Kind
    training: Table
    validation: Table
    test: Table


def load(name: str, seed: int) -> Dataset:
    """Load a data set and split it: 64 % training, 16 % validation, 20 % test.

    Parameters
    ----------
    name : {"digits", "breast_cancer", "wine", "iris", "diabetes"}
    seed : int
        Of the split; classes have the same shares in all parts.
    """
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = getattr(datasets, f"load_{name}")()
    kind: Kind = "classes" if "target_names" in bunch else "numbers"
    target = bunch.target if kind == "numbers" else np.asarray(bunch.target_names)[bunch.target]
    columns = dict(zip(map(str, bunch.feature_names), bunch.data.T, strict=True))
    table = Table.from_columns({**columns, TARGET: target}, source=name)

    def split(rows: np.ndarray) -> list[np.ndarray]:
        stratify = None if kind == "numbers" else target[rows]
        return train_test_split(rows, test_size=0.2, stratify=stratify, random_state=seed)

    rest, test = split(np.arange(len(table)))
    training, validation = split(rest)
    return Dataset(name, kind, table.take(training), table.take(validation), table.take(test))
