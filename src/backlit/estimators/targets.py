"""The classes of one target or of several, and the units that stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target

from backlit.estimators.outputs import slices


class SeveralTargets:
    """What `sklearn.preprocessing.LabelBinarizer` is for one target.

    Parameters
    ----------
    classes : sequence of array, shape (n_classes,)
        Of each target, in order and each once.

    Attributes
    ----------
    classes_ : list of array
    y_type_ : str
        scikit-learn's name for such targets.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.targets import SeveralTargets
    >>> targets = SeveralTargets([np.array(["a", "b"]), np.array(["k", "l", "m"])])
    >>> units = targets.transform(np.array([["b", "k"], ["a", "m"]]))
    >>> units.astype(int)
    array([[0, 1, 1, 0, 0],
           [1, 0, 0, 0, 1]])
    >>> targets.inverse_transform(units)
    array([['b', 'k'],
           ['a', 'm']], dtype='<U1')
    """

    y_type_ = "multiclass-multioutput"

    def __init__(self, classes: Sequence[NDArray[Any]]) -> None:
        self.classes_ = list(classes)

    @classmethod
    def of(cls, y: NDArray[Any]) -> SeveralTargets:
        """Return the targets of ``y``, an array of shape (examples, targets)."""
        return cls([np.unique(column) for column in y.T])

    @property
    def blocks(self) -> tuple[int, ...]:
        """How many classes each target has."""
        return tuple(map(len, self.classes_))

    def transform(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether an example has a class, for each class of each target.

        Parameters
        ----------
        y : array, shape (examples, targets)

        Returns
        -------
        array of bool, shape (examples, units)
        """
        columns = zip(y.T, self.classes_, strict=True)
        return np.concatenate([column[:, np.newaxis] == known for column, known in columns], axis=1)

    def inverse_transform(self, p: NDArray[Any]) -> NDArray[Any]:
        """Return the class with the largest number, for each target.

        Parameters
        ----------
        p : array, shape (examples, units)

        Returns
        -------
        array, shape (examples, targets)
        """
        blocks = zip(slices(self.blocks), self.classes_, strict=True)
        return np.stack([known[p[:, at].argmax(axis=1)] for at, known in blocks], axis=1)

    def check(self, y: NDArray[Any], all_of_them: bool) -> None:
        """Refuse targets and classes that the network has no units for.

        Parameters
        ----------
        y : array, shape (examples, targets)
        all_of_them : bool
            Whether each class of each target must be there, too.

        Raises
        ------
        ValueError
        """
        if y.ndim == 1 or y.shape[1] != len(self.classes_):
            count = 1 if y.ndim == 1 else y.shape[1]
            raise ValueError(
                f"y has {count} targets, and the network that was fitted before has "
                f"{len(self.classes_)}; give as many, or fit anew without warm_start"
            )
        for column, (here, known) in enumerate(zip(y.T, self.classes_, strict=True)):
            classes = np.unique(here)
            strange, missing = np.setdiff1d(classes, known), np.setdiff1d(known, classes)
            if len(strange):
                raise ValueError(
                    f"`y` has classes not in `self.classes_[{column}]`, which has {known}. "
                    f"Column {column} of `y` has {classes}."
                )
            if all_of_them and len(missing):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {known} in column {column}, `y` has {classes}"
                )


def check_classes(classes: NDArray[Any], known: NDArray[Any], all_of_them: bool) -> None:
    """Refuse classes of one target that the network has no unit for, or units without a class.

    Parameters
    ----------
    classes : array
        Those that are there.
    known : array
        Those that the network was fitted with.
    all_of_them : bool
        Whether each of these must be there.

    Raises
    ------
    ValueError
        In scikit-learn's words.
    """
    if all_of_them:
        if set(classes) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {known}, `y` has {classes}"
            )
    elif len(np.setdiff1d(classes, known, assume_unique=True)):
        raise ValueError(
            f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. "
            f"'y' has {classes}."
        )


def are_several(y: Any) -> bool:
    """Return whether there are several targets, with more than yes and no.

    Parameters
    ----------
    y : array, shape (examples,) or (examples, targets)

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.targets import are_several
    >>> are_several(np.array([[0, 1], [2, 0]])), are_several(np.array([[0, 1], [1, 0]]))
    (True, False)
    """
    return bool(type_of_target(y) == SeveralTargets.y_type_)


def classes_at_partial_fit(estimator: Any, y: Any, classes: Any) -> SeveralTargets | None:
    """Return the several targets of a call of `partial_fit`, if there are several.

    Parameters
    ----------
    estimator : MLPClassifier
    y : array
    classes : list of array, array or None
        As `partial_fit` was given them.

    Returns
    -------
    SeveralTargets or None

    Raises
    ------
    ValueError
        If the classes are not those of the calls before, or not a list with those of each target.
    """
    lists = isinstance(classes, list | tuple) and {np.ndim(part) for part in classes} == {1}
    if not hasattr(estimator, "classes_"):
        if lists:
            return SeveralTargets([np.unique(part) for part in classes])
        if classes is not None and are_several(y):
            raise ValueError(
                "y has several targets, and classes must be a list with the classes of each, got "
                f"{classes!r}"
            )
        return None
    known = estimator._label_binarizer
    if not isinstance(known, SeveralTargets):
        return None
    if classes is not None:
        same = lists and len(classes) == len(known.classes_)
        if not same or not all(map(np.array_equal, map(np.unique, classes), known.classes_)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{known.classes_!r}"
            )
    return known
