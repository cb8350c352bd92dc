"""scikit-learn's callbacks: told of a fit, and of each of its epochs or iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing


class Tasks:
    """The task tree of a fit: a root, and below it one task for each epoch.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        As the user gave them.
    name : str
        Of the tasks below the root.
    most : int
        How many of them there will be at most.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any, name: str, most: int
    ) -> None:
        self.estimator, self.name = estimator, name
        self.root = estimator._init_callback_context(max_subtasks=most)
        self.anyone = bool(getattr(estimator, "_skl_callbacks", ()))
        self._given = (X, y, sample_weight)
        self._data = self._given
        self._task: Any = None
        self.root.call_on_fit_task_begin(estimator=estimator, **self._facts())

    def train_on(self, rows: NDArray[Any] | None, X: Any) -> None:
        """Note which examples are trained on, if some are held out.

        Parameters
        ----------
        rows : array of int or None
        X : array or sparse matrix
            The training part, checked.
        """
        if rows is not None and self.anyone:
            given, y, weights = self._given
            # A data frame keeps the names of its columns; a sparse format may have no rows.
            X = X if sparse.issparse(given) else _safe_indexing(given, rows)
            weights = None if weights is None else _safe_indexing(weights, rows)
            self._data = (X, _safe_indexing(y, rows), weights)

    def begin(self) -> None:
        """Begin an epoch."""
        if self.anyone:
            self._task = self.root.subcontext(task_name=self.name)
            self._task.call_on_fit_task_begin(estimator=self.estimator, **self._facts())

    def end(self, fitted: Callable[[], dict[str, Any]] | None) -> bool:
        """End the epoch that was begun.

        Parameters
        ----------
        fitted : callable or None
            Returns the attributes that the estimator would have if the fit ended here. None for a
            task in which nothing was done.

        Returns
        -------
        bool
            Whether a callback wants the fit to end.
        """
        if self._task is None:
            return False
        task, self._task = self._task, None
        facts = {} if fitted is None else {**self._facts(), "reconstruction_attributes": fitted}
        return bool(task.call_on_fit_task_end(estimator=self.estimator, **facts))

    def end_fit(self) -> None:
        """End the root task."""
        self._data = self._given
        self.root.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=dict, **self._facts()
        )

    def _facts(self) -> dict[str, Any]:
        X, y, weights = self._data
        metadata = None if weights is None else {"sample_weight": weights}
        return {"X": X, "y": y, "metadata": metadata}
