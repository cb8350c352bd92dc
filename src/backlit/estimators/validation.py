"""Validation data: held out of the training part or given, and scored after each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight


@dataclass(eq=False)
class Validation:
    """Examples that are not trained on.

    Attributes
    ----------
    x : array or sparse matrix, shape (examples, inputs)
    y : array, shape (examples,) or (examples, outputs)
        Classes, labels or numbers, as the user knows them.
    targets : array, shape (examples, outputs)
        As the loss takes them.
    weights : array, shape (examples,), or None
    rows : array of int, or None
        Where they were in the data; None if they were given apart.
    """

    x: Any
    y: Any
    targets: NDArray[Any]
    weights: NDArray[Any] | None
    rows: NDArray[np.intp] | None = None

    def score(self, estimator: Any) -> tuple[float, float]:
        """Score an estimator as it is now.

        Parameters
        ----------
        estimator : BaseMLP

        Returns
        -------
        score : float
            NaN where a prediction is not finite.
        loss : float
            Without the L2 term.
        """
        p = estimator._activations(self.x, check_input=False)
        losses = estimator._output().losses(p, self.targets)
        loss = float(np.average(losses, weights=self.weights))
        if not np.isfinite(p).all():
            return float("nan"), loss
        if estimator.scoring is None:
            return float(estimator._plain_score(self, p)), loss
        if estimator.scoring == "loss":
            return -loss, loss
        scorer = estimator.scoring
        scorer = get_scorer(scorer) if isinstance(scorer, str) else scorer
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        estimator._scoring = True  # its predict takes the data as they are, checked before
        try:
            return float(scorer(estimator, self.x, self.y, **weights)), loss
        finally:
            del estimator._scoring


def accuracy(
    p: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None, activation: str
) -> float:
    """Return the share of examples whose class, or whose labels all, are predicted.

    Parameters
    ----------
    p : array, shape (examples, outputs)
        The activations of the output layer.
    targets : array of bool, shape (examples, outputs)
    weights : array, shape (examples,), or None
    activation : {"softmax", "logistic"}

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.validation import accuracy
    >>> accuracy(np.array([[0.7], [0.6]]), np.array([[True], [False]]), None, "logistic")
    0.5
    """
    if activation == "softmax":
        right = p.argmax(axis=1) == targets.argmax(axis=1)
    else:
        right = np.all((p > 0.5) == targets, axis=1)
    return float(np.average(right, weights=weights))


def r_squared(p: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> float:
    """Return the share of the targets' variance that predictions explain, the outputs' mean.

    Parameters
    ----------
    p, targets : array, shape (examples, outputs)
    weights : array, shape (examples,), or None

    Returns
    -------
    float
        At most 1. For a constant target, 1 if it is predicted, else 0. NaN for fewer than two
        examples.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.validation import r_squared
    >>> r_squared(np.array([[2.0], [2.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]), None)
    0.0
    """
    if len(p) < 2:
        return float("nan")
    w = 1.0 if weights is None else weights[:, np.newaxis]
    missed = np.sum(w * (targets - p) ** 2, axis=0)
    spread = np.sum(w * (targets - np.average(targets, axis=0, weights=weights)) ** 2, axis=0)
    each = 1 - missed / np.where(spread == 0, 1, spread)
    return float(np.mean(np.where(spread == 0, np.where(missed == 0, 1.0, 0.0), each)))


def given_or_held_out(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    given: tuple[Any, Any, Any],
    random: np.random.RandomState,
) -> tuple[
    tuple[Any, NDArray[Any], NDArray[Any] | None], NDArray[np.intp] | None, Validation | None
]:
    """Return the training part and the validation part of a fit.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        Checked; ``y`` of shape (examples, outputs).
    given : (X_val, y_val, sample_weight_val)
        Each may be None.
    random : RandomState
        Chooses what is held out.

    Returns
    -------
    training : (X, y, sample_weight)
    rows : array of int, or None
        Where the training part was in the data; None for all of them in their order.
    validation : Validation or None
        None without early stopping, if none is given.

    Raises
    ------
    ValueError
        If one of ``X_val`` and ``y_val`` is missing, fewer than two examples would be held out, or
        they cannot be held out from all classes as ``stratify`` asks.
    """
    X_val, y_val, weights_val = given
    if (X_val is None) != (y_val is None) or (X_val is None and weights_val is not None):
        raise ValueError("give both X_val and y_val, or neither and no sample_weight_val")
    if X_val is not None:
        labels = np.asarray(y_val)
        X_val, targets = estimator._validate_input(
            X_val, y_val, incremental=True, reset=False, held_out=True
        )
        if weights_val is not None:
            weights_val = _check_sample_weight(weights_val, X_val)
        targets = targets.reshape(len(targets), -1)
        estimator.validation_loss_curve_ = getattr(estimator, "validation_loss_curve_", None) or []
        return (X, y, sample_weight), None, Validation(X_val, labels, targets, weights_val)
    if not estimator.early_stopping:
        return (X, y, sample_weight), None, None
    rows, others, *parts = _split(estimator, X, y, sample_weight, random)
    training, held_out = (*parts[::2], None)[:3], (*parts[1::2], None)[:3]
    if held_out[0].shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    labels = held_out[1]
    if is_classifier(estimator):
        labels = estimator._label_binarizer.inverse_transform(labels)
    estimator.validation_loss_curve_ = getattr(estimator, "validation_loss_curve_", None) or []
    return training, rows, Validation(held_out[0], labels, held_out[1], held_out[2], others)


def _split(estimator: Any, X: Any, y: Any, sample_weight: Any, random: Any) -> list[Any]:
    """Split row numbers and data into pairs of training part and held-out part."""
    arrays = [np.arange(len(y)), X, y, *([] if sample_weight is None else [sample_weight])]
    how = {"random_state": random, "test_size": estimator.validation_fraction}
    asked = getattr(estimator, "stratify", "binary")  # regressors have no classes
    if asked is False or not is_classifier(estimator):
        return train_test_split(*arrays, **how)
    if asked == "binary":
        return train_test_split(*arrays, **how, stratify=y if estimator.n_outputs_ == 1 else None)
    try:
        return train_test_split(*arrays, **how, stratify=y)
    except ValueError as error:
        raise ValueError(
            f"stratify=True cannot hold out validation_fraction={estimator.validation_fraction} of "
            f"each class: {error} Give more examples, another validation_fraction or "
            "stratify=False."
        ) from None
