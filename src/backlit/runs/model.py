"""A trained network that predicts the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.blas import one_thread
from backlit.networks.network import Network, Parameters
from backlit.runs.row import RowPredictor
from backlit.tables.columns import Numbers
from backlit.tables.preparation import Preparation
from backlit.tables.table import Table
from backlit.tables.task import Task
from backlit.tables.wording import counted
from backlit.training.forward import block_rows, in_blocks


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its parameters, and the ways from a table to its inputs and back.

    Attributes
    ----------
    network : Network
    parameters : dict of str to array
    preparation : Preparation
        From the columns of a table to the inputs.
    task : Task
        What is predicted: the target column, and its classes.
    target_mean, target_scale : float, default 0.0 and 1.0
        A predicted number is ``output * target_scale + target_mean``.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    network: Network
    parameters: Parameters
    preparation: Preparation
    task: Task
    target_mean: float = 0.0
    target_scale: float = 1.0

    def __post_init__(self) -> None:
        network, task = self.network, self.task
        made = len(self.preparation.inputs)
        if made != network.inputs:
            raise ValueError(
                f"the preparation makes {counted(made, 'input')}, and the network takes "
                f"{network.inputs}"
            )
        if task.kind != ("classes" if network.targets == "classes" else "numbers"):
            raise ValueError(f"{network.loss} is not for a target that holds {task.kind}")
        if task.kind == "classes":
            count = max(network.outputs, 2)  # one output tells two classes apart
            if len(task.classes) != count:
                raise ValueError(
                    f"the network tells {count} classes apart, and the task has {len(task.classes)}"
                )
        elif task.classes or network.outputs != 1 or network.targets == "labels":
            raise ValueError("the network does not predict one number, as the task is")
        shapes = {name: array.shape for name, array in self.parameters.items()}
        if shapes != network.shapes:
            raise ValueError(f"the parameters have the shapes {shapes}, not {network.shapes}")
        if not (math.isfinite(self.target_mean) and 0 < self.target_scale < math.inf):
            raise ValueError(
                f"the target's mean {self.target_mean} and scale {self.target_scale} are not a "
                "finite and a positive number"
            )

    def predict(self, rows: Table | Mapping[str, Any]) -> NDArray[Any]:
        """Predict the class, or the number, of each row.

        Parameters
        ----------
        rows : Table, mapping of str to array, or pandas.DataFrame
            With the columns that the model was trained on, in any order.

        Returns
        -------
        array, shape (rows,)
            Classes by their names, or numbers in the units of the target.

        Raises
        ------
        ValueError
            If columns are missing (all are named), or one holds what the model cannot take.
        """
        return self.choose(self.outputs(rows))

    def predict_probability(self, rows: Table | Mapping[str, Any]) -> NDArray[Any]:
        """Predict the probability of each class for each row.

        Parameters
        ----------
        rows : Table, mapping of str to array, or pandas.DataFrame
            As for `predict`.

        Returns
        -------
        array, shape (rows, classes)
            In the order of ``task.classes``.

        Raises
        ------
        ValueError
            If the model predicts numbers, or as for `predict`.
        """
        if self.task.kind != "classes":
            raise ValueError("this model predicts numbers, which have no probabilities")
        return self.outputs(rows)

    def outputs(self, rows: Table | Mapping[str, Any]) -> NDArray[Any]:
        """Return the probabilities, or the numbers in the units of the target.

        Parameters
        ----------
        rows : Table, mapping of str to array, or pandas.DataFrame
            As for `predict`.

        Returns
        -------
        array, shape (rows, classes) or (rows, 1)
        """
        table = rows if isinstance(rows, Table) else Table.from_columns(rows)
        x = self.preparation.apply(table, self.parameters["W1"].dtype)
        shapes = [shape for shape in self.network.shapes.values() if len(shape) == 2]
        with one_thread(), np.errstate(over="ignore", invalid="ignore"):
            outputs = in_blocks(
                lambda rows: self.network.predict(self.parameters, rows),
                x, block_rows(shapes), sum(map(math.prod, shapes)),
            )  # fmt: skip
        return self.in_units(outputs)

    def in_units(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the network's answers in the units of the target; probabilities as they are."""
        if self.task.kind == "classes":
            return outputs
        return outputs.astype(np.float64) * self.target_scale + self.target_mean

    def predictor(self) -> RowPredictor:
        """Make the prediction of single rows ready, to be called many times.

        Returns
        -------
        RowPredictor
            A function of a row: a mapping from the names of columns to values.
        """
        return RowPredictor(self)

    def choose(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the prediction that `outputs` stand for; shape (rows,)."""
        if self.task.kind == "classes":
            return np.asarray(self.task.classes)[np.argmax(outputs, axis=-1)]
        return outputs[:, 0]

    def scores(
        self, table: Table, outputs: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> dict[str, float]:
        """Return how good predictions are, for a table that holds the target.

        Parameters
        ----------
        table : Table
        outputs : array, shape (rows, classes) or (rows, 1)
            As `outputs` gives them. Rows without a target do not count.
        weights : array, shape (rows,), optional
            How much each row counts.

        Returns
        -------
        dict of str to float
            Accuracy and log loss; or the root mean squared error, the mean absolute error, in the
            units of the target, and R2. Empty where no row has a target.
        """
        if self.task.kind == "classes":
            known = ~table[self.task.target].missing
            chosen = None if weights is None else weights[known]
            return class_scores(outputs[known], self.task.codes(table)[known], chosen)
        column = table[self.task.target]
        if not isinstance(column, Numbers):
            return {}
        known = np.isfinite(column.values)
        chosen = None if weights is None else weights[known]
        return number_scores(outputs[known, 0], column.values[known], chosen)


def class_scores(
    probabilities: NDArray[Any], codes: NDArray[np.intp], weights: NDArray[Any] | None = None
) -> dict[str, float]:
    """Return accuracy and log loss.

    Parameters
    ----------
    probabilities : array, shape (rows, classes)
    codes : array of int, shape (rows,)
        The place of each row's class; -1 for one that the model does not know.
    weights : array, shape (rows,), optional

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.runs.model import class_scores
    >>> class_scores(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([1, 1]))["accuracy"]
    0.5
    """
    if not len(codes) or (weights is not None and not np.any(weights)):
        return {}
    right = np.where(codes >= 0, probabilities[np.arange(len(codes)), codes], 0).astype(np.float64)
    tiny = np.finfo(probabilities.dtype).tiny  # the logarithm of a rounded 0 is no number
    return {
        "accuracy": float(np.average(np.argmax(probabilities, axis=1) == codes, weights=weights)),
        "log loss": float(np.average(-np.log(np.maximum(right, tiny)), weights=weights)),
    }


def number_scores(
    predicted: NDArray[Any], true: NDArray[np.float64], weights: NDArray[Any] | None = None
) -> dict[str, float]:
    """Return the root mean squared error, the mean absolute error, and R2.

    Parameters
    ----------
    predicted, true : array, shape (rows,)
    weights : array, shape (rows,), optional

    Returns
    -------
    dict of str to float
        R2 is left out where the true numbers are all the same.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.runs.model import number_scores
    >>> number_scores(np.array([1.0, 3.0]), np.array([1.0, 2.0]))["MAE"]
    0.5
    """
    if not len(true) or (weights is not None and not np.any(weights)):
        return {}
    # In units of the largest number: 1e200 has no square.
    largest = max(float(np.max(np.abs(true))), np.finfo(np.float64).tiny)
    error, true = (predicted - true) / largest, true / largest
    squared = np.average(error**2, weights=weights)
    mean = np.average(true, weights=weights)
    variance = np.average((true - mean) ** 2, weights=weights)
    scores = {
        "RMSE": float(np.sqrt(squared)) * largest,
        "MAE": float(np.average(np.abs(error), weights=weights)) * largest,
    }
    if variance > 0:
        scores["R2"] = float(1 - squared / variance)
    return scores
