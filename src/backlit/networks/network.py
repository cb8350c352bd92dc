"""The multilayer perceptron: a specification, and the function of parameters that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.functions import softmax
from backlit.networks.activations import ACTIVATIONS
from backlit.networks.initial import glorot_uniform, he_uniform
from backlit.networks.layers import dense
from backlit.networks.losses import LOSSES

Parameters = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron. It holds no weights: it is a function of them.

    Parameters
    ----------
    inputs : int
    hidden : tuple of int
        The number of units of each hidden layer; may be empty, for a linear model.
    outputs : int
        The number of classes for ``"log_loss"``, of target columns for ``"squared_loss"``.
    activation : {"relu", "tanh", "logistic", "identity"}, default "relu"
        Of the hidden layers; the output layer is linear.
    loss : {"log_loss", "squared_loss"}, default "log_loss"

    Raises
    ------
    ValueError
        If a size is not a positive integer, or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.networks import Network
    >>> network = Network(inputs=2, hidden=(3,), outputs=2)
    >>> parameters = network.parameters(seed=0)
    >>> list(parameters)
    ['W1', 'b1', 'W2', 'b2']
    >>> network.losses(parameters, np.zeros((4, 2), "float32"), np.array([0, 1, 1, 0])).shape
    (4,)
    """

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    loss: str = "log_loss"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for size in self.sizes:
            if type(size) is not int or size < 1:
                raise ValueError(f"the sizes of layers are integers from 1 on, not {size!r}")
        _check_name("activation", self.activation, ACTIVATIONS)
        _check_name("loss", self.loss, LOSSES)
        if self.loss == "log_loss" and self.outputs < 2:
            raise ValueError("log_loss has an output for each class, and needs 2 classes or more")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of inputs, of units of each hidden layer, and of outputs."""
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter: weights ``W1``, biases ``b1``, ``W2``, ``b2`` and so on."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (inputs, outputs) in enumerate(pairwise(self.sizes), start=1):
            shapes[f"W{layer}"] = (inputs, outputs)
            shapes[f"b{layer}"] = (outputs,)
        return shapes

    def parameters(self, seed: int = 0, dtype: DTypeLike = np.float32) -> Parameters:
        """Draw initial weights: `he_uniform` in front of rectifiers, else `glorot_uniform`.

        Parameters
        ----------
        seed : int, default 0
        dtype : float32 or float64, default float32
            Both start from the same weights, up to rounding.

        Returns
        -------
        dict of str to array
            Weights ``W1`` of shape (inputs, outputs) and so on; biases, zero.
        """
        parameters: Parameters = {}
        first = 0
        for name, shape in self.shapes.items():
            if name.startswith("b"):
                parameters[name] = np.zeros(shape, dtype)
                continue
            rectified = self.activation == "relu" and name != f"W{len(self.sizes) - 1}"
            draw = he_uniform if rectified else glorot_uniform
            inputs, outputs = shape
            parameters[name] = draw(inputs, outputs, seed, first).astype(dtype)
            first += parameters[name].size
        return parameters

    def forward(self, parameters: Mapping[str, Any], x: Any) -> Any:
        """Run the forward pass.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)

        Returns
        -------
        array, shape (..., outputs)
            The pre-activations of the output layer: logits, or predicted numbers.
        """
        activation = ACTIVATIONS[self.activation]
        *hidden, last = range(1, len(self.sizes))
        a = x
        for layer in hidden:
            W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
            z = dense(a, W, b)
            a = activation(z)
        W, b = parameters[f"W{last}"], parameters[f"b{last}"]
        output = dense(a, W, b)
        return output

    def losses(self, parameters: Mapping[str, Any], x: Any, y: Any) -> Any:
        """Return the loss of each example.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)
        y : array
            Classes, int of shape (...), or numbers of shape (..., outputs).

        Returns
        -------
        array, shape (...)
        """
        output = self.forward(parameters, x)
        losses = LOSSES[self.loss](output, y)
        return losses

    def predict(self, parameters: Mapping[str, Any], x: Any) -> Any:
        """Return probabilities of the classes, or predicted numbers.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)

        Returns
        -------
        array, shape (..., outputs)
        """
        output = self.forward(parameters, x)
        return softmax(output) if self.loss == "log_loss" else output

    def to_json(self) -> dict[str, Any]:
        """Return the specification as JSON types."""
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, spec: Any) -> Network:
        """Return the network of a specification.

        Parameters
        ----------
        spec : dict
            As `to_json` gives it.

        Raises
        ------
        ValueError
            If an entry is missing, unknown or not valid.
        """
        if not isinstance(spec, dict):
            raise ValueError("the network is not a JSON object")
        names = set(cls.__dataclass_fields__)
        for problem, entries in (("lacks", names - set(spec)), ("has unknown", set(spec) - names)):
            if entries:
                raise ValueError(f"the network {problem} {', '.join(sorted(entries))}")
        if not isinstance(spec["hidden"], list):
            raise ValueError("the network's hidden sizes are not a list")
        return cls(**spec)


def _check_name(kind: str, name: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{kind} must be one of {', '.join(known)}, not {name!r}")
