"""A trained network that predicts from raw numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.networks.network import Network, Parameters
from backlit.networks.scaling import Standardisation


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its parameters, its scaling, and the names of its classes.

    Attributes
    ----------
    network : Network
    parameters : dict of str to array
    inputs : Standardisation
        Of the input columns.
    targets : Standardisation or None
        Of the target columns, for a network that predicts numbers.
    classes : list of str or int, or None
        What the outputs stand for, for a network that predicts classes.
    """

    network: Network
    parameters: Parameters
    inputs: Standardisation
    targets: Standardisation | None = None
    classes: list[str] | list[int] | None = None

    def predict(self, x: Any) -> NDArray[Any]:
        """Predict the class, or the numbers, of each row.

        Parameters
        ----------
        x : array, shape (rows, inputs)
            Raw numbers, as they were before standardisation.

        Returns
        -------
        array, shape (rows,) or (rows, outputs)
            Classes by their names, or numbers in the units of the targets.

        Raises
        ------
        ValueError
            If ``x`` has another number of columns, or is not finite.
        """
        outputs = self._outputs(x)
        if self.targets is not None:
            return self.targets.undo(outputs)
        return np.asarray(self.classes)[np.argmax(outputs, axis=-1)]

    def predict_probability(self, x: Any) -> NDArray[Any]:
        """Predict the probability of each class for each row.

        Parameters
        ----------
        x : array, shape (rows, inputs)
            Raw numbers, as they were before standardisation.

        Returns
        -------
        array, shape (rows, classes)

        Raises
        ------
        ValueError
            If the model predicts numbers, or ``x`` is not as for `predict`.
        """
        if self.classes is None:
            raise ValueError("this model predicts numbers, which have no probabilities")
        return self._outputs(x)

    def _outputs(self, x: Any) -> NDArray[Any]:
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != self.network.inputs:
            raise ValueError(
                f"the model takes a table with {self.network.inputs} columns, not an array of "
                f"shape {x.shape}"
            )
        if not np.all(np.isfinite(x)):
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(f"x[{row}, {column}] is {x[row, column]}; the inputs must be finite")
        scaled = self.inputs.apply(x).astype(self.parameters["W1"].dtype)
        return self.network.predict(self.parameters, scaled)
