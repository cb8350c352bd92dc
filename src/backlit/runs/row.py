"""Predictions for single rows, with everything made ready once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backlit.networks.activations import ACTIVATIONS
from backlit.tables.columns import number_text, parse_number
from backlit.tables.preparation import NumberColumn, PreparedColumn
from backlit.training.prepared import PreparedForward

if TYPE_CHECKING:
    from backlit.runs.model import Model

LARGEST = 1e30  # of an input: beyond, and in all that is out of the ordinary, a table has the word


class RowPredictor:
    """Predicts single rows; made by `Model.predictor` or `Run.predictor`.

    It may be called in several threads.

    Parameters
    ----------
    model : Model

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit
    >>> table = {"x": [1, 2, 3, 11, 12, 13] * 10, "size": [*["small"] * 3, *["large"] * 3] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(table, target="size", hidden=(8,), out=f"{folder}/sizes")
    ...     predict = run.predictor()
    >>> str(predict({"x": 12.5}))
    'large'
    """

    def __init__(self, model: Model) -> None:
        network, parameters = model.network, model.parameters
        last = len(network.sizes) - 1
        functions = [ACTIVATIONS[network.activation]] * (last - 1) + [network.answer]
        layers = [(parameters[f"W{k}"], parameters[f"b{k}"], functions[k - 1])
                  for k in range(1, last + 1)]  # fmt: skip
        self._model, self._forward = model, PreparedForward(layers)
        self._columns = [(each.name, _filler(each)) for each in model.preparation.columns]

    def __call__(self, row: Mapping[str, Any]) -> Any:
        """Predict the class, or the number, of a row.

        Parameters
        ----------
        row : mapping of str to number, text or None
            A value for each column that the model was trained on; others are passed over.

        Returns
        -------
        scalar
            What `Model.predict` says of a table with this row, up to rounding.

        Raises
        ------
        ValueError
            If columns are missing, or one holds what the model cannot take.
        """
        return self._model.choose(self._outputs(row)[np.newaxis])[0]

    def probability(self, row: Mapping[str, Any]) -> NDArray[Any]:
        """Predict the probability of each class for a row.

        Parameters
        ----------
        row : mapping of str to number, text or None
            As for a call.

        Returns
        -------
        array, shape (classes,)

        Raises
        ------
        ValueError
            If the model predicts numbers, or as for a call.
        """
        if self._model.task.kind != "classes":
            raise ValueError("this model predicts numbers, which have no probabilities")
        return self._outputs(row)

    def _outputs(self, row: Mapping[str, Any]) -> NDArray[Any]:
        inputs: list[float] = []
        for name, fill in self._columns:
            if name not in row or not fill(row[name], inputs):
                outputs: NDArray[Any] = self._model.outputs({k: [v] for k, v in row.items()})[0]
                return outputs
        return self._model.in_units(self._forward(inputs))


def _filler(column: PreparedColumn) -> Callable[[Any, list[float]], bool]:
    """Return what adds a column's inputs of an ordinary value, and says whether it is one."""
    if isinstance(column, NumberColumn):
        mean, scale, indicator = column.mean, column.scale, column.indicator

        def number(value: Any, inputs: list[float]) -> bool:
            if type(value) is not float and type(value) is not int:
                return False
            z = (value - mean) / scale
            inputs.append(z)
            if indicator:
                inputs.append(0.0)
            return -LARGEST < z < LARGEST

        return number
    count = len(column.inputs)
    # Texts that are numbers may be read as numbers in a table, and written in another way then.
    places = {level: k for k, level in enumerate(column.levels) if _stays(level)}

    def category(value: Any, inputs: list[float]) -> bool:
        place = places.get(value) if type(value) is str else None
        if place is None:
            return False
        ones = [0.0] * count
        ones[place] = 1.0
        inputs.extend(ones)
        return True

    return category


def _stays(level: str) -> bool:
    number = parse_number(level)
    return number is None or number_text(number) == level
