"""The data sets of the demo: real tables that come with scikit-learn, split in three parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table in three parts.

    Attributes
    ----------
    name : str
    classes : list of str or int, or None
        The names of the classes; None where the target is a number.
    one_quantity : bool
        Whether all columns hold the same quantity, as pixels do.
    training, validation, test : pair of array
        Raw inputs, and classes (int, by position in ``classes``) or numbers, one for each row.
    """

    name: str
    classes: list[str] | list[int] | None
    one_quantity: bool
    training: tuple[NDArray[Any], NDArray[Any]]
    validation: tuple[NDArray[Any], NDArray[Any]]
    test: tuple[NDArray[Any], NDArray[Any]]


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
    classes = None
    if "target_names" in bunch:
        classes = np.asarray(bunch.target_names).tolist()

    def split(x: Any, y: Any) -> list[Any]:
        stratify = None if classes is None else y
        return train_test_split(x, y, test_size=0.2, stratify=stratify, random_state=seed)

    rest_x, test_x, rest_y, test_y = split(bunch.data, bunch.target)
    train_x, validation_x, train_y, validation_y = split(rest_x, rest_y)
    one_quantity = name == "digits"
    return Dataset(
        name,
        classes,
        one_quantity,
        (train_x, train_y),
        (validation_x, validation_y),
        (test_x, test_y),
    )
