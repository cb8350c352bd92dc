"""The multilayer perceptron: a specification, and the function of parameters that it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.functions import softmax
from backlit.networks.activations import ACTIVATIONS, logistic
from backlit.networks.dropout import dropout
from backlit.networks.initial import FOR_ACTIVATION, INITIAL, glorot_uniform, plain_uniform
from backlit.networks.layers import dense
from backlit.networks.losses import LOSSES, TARGETS, Targets, check_options

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
        The number of classes for ``"log_loss"``, 1 for ``"binary_log_loss"``; of labels or target
        columns for the others.
    activation : str, default "relu"
        A key of `ACTIVATIONS`: of the hidden layers; the output layer is linear.
    loss : str, default "log_loss"
        A key of `LOSSES`.
    loss_options : dict of str to float, default {}
        ``smoothing`` of the log losses, ``delta`` of ``"huber_loss"``, ``quantile`` of
        ``"quantile_loss"``.
    dropout : float, default 0.0
        From 0 to below 1: the share of hidden activations that fall silent in a training step.
    initial : str or float, default "automatic"
        How weights start: a key of `INITIAL`, or a number, for uniform draws between minus and
        plus that number. Automatic: `he_uniform` before rectifiers, `lecun_uniform` before SELU,
        else, and for the output layer, `glorot_uniform`.

    Raises
    ------
    ValueError
        If a size is not a positive integer, a name is unknown, or a number is out of its range.

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
    loss_options: Mapping[str, float] = field(default_factory=dict, hash=False)
    dropout: float = 0.0
    initial: str | float = "automatic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(map(_plain, self.hidden)))
        for name in ("inputs", "outputs", "dropout", "initial"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        for size in self.sizes:
            if type(size) is not int or size < 1:
                raise ValueError(f"the sizes of layers are integers from 1 on, not {size!r}")
        if sum(math.prod(shape) for shape in self.shapes.values()) >= 2**32:
            raise ValueError(f"a network {'-'.join(map(str, self.sizes))} is too large to hold")
        _check_name("activation", self.activation, ACTIVATIONS)
        _check_name("loss", self.loss, LOSSES)
        if self.loss == "log_loss" and self.outputs < 2:
            raise ValueError("log_loss has an output for each class, and needs 2 classes or more")
        if self.loss == "binary_log_loss" and self.outputs != 1:
            raise ValueError(f"binary_log_loss has one output, not {self.outputs}")
        check_options(self.loss, self.loss_options)
        object.__setattr__(self, "loss_options", dict(self.loss_options))
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a number from 0 to below 1, not {self.dropout!r}")
        if not _is_number(self.initial):
            _check_name("initial", self.initial, {"automatic": None, **INITIAL})
        elif not 0 < float(self.initial) < math.inf:
            raise ValueError(f"initial weights need an interval above 0, not {self.initial!r}")

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

    @property
    def targets(self) -> Targets:
        """What the outputs are compared with: classes, labels, numbers or counts."""
        return TARGETS[self.loss]

    def parameters(self, seed: int = 0, dtype: DTypeLike = np.float32) -> Parameters:
        """Draw initial weights, as `initial` says.

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
            inputs, outputs = shape
            draw = self._initial(last=name == f"W{len(self.sizes) - 1}")
            parameters[name] = draw(inputs, outputs, seed, first).astype(dtype)
            first += parameters[name].size
        return parameters

    def _initial(self, last: bool) -> Callable[..., NDArray[Any]]:
        """Return how the weights of a layer are drawn."""
        if not isinstance(self.initial, str):
            return partial(plain_uniform, scale=self.initial)
        if self.initial != "automatic":
            return INITIAL[self.initial]
        return glorot_uniform if last else FOR_ACTIVATION.get(self.activation, glorot_uniform)

    def forward(self, parameters: Mapping[str, Any], x: Any, key: Any = None) -> Any:
        """Run the forward pass.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)
        key : array of uint32, shape (2,), optional
            In training, as `dropout_key` makes it: which units fall silent. None, as in
            prediction, spares all.

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
            if self.dropout and key is not None:
                a = dropout(a, key, layer, self.dropout)
        W, b = parameters[f"W{last}"], parameters[f"b{last}"]
        output = dense(a, W, b)
        return output

    def losses(self, parameters: Mapping[str, Any], x: Any, y: Any, key: Any = None) -> Any:
        """Return the loss of each example.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)
        y : array
            Classes, int of shape (...); or labels, numbers or counts, of shape (..., outputs).
        key : array of uint32, shape (2,), optional
            As for `forward`.

        Returns
        -------
        array, shape (...)
        """
        output = self.forward(parameters, x, key)
        losses = LOSSES[self.loss](output, y, **self.loss_options)
        return losses

    def predict(self, parameters: Mapping[str, Any], x: Any) -> Any:
        """Return probabilities of the classes or of the labels, predicted numbers or counts.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (..., inputs)

        Returns
        -------
        array, shape (..., outputs)
            For ``"binary_log_loss"``, of shape (..., 2): the probabilities of both classes.
        """
        return self.answer(self.forward(parameters, x))

    def answer(self, output: Any) -> Any:
        """Return what pre-activations of the output layer stand for.

        Parameters
        ----------
        output : array, shape (..., outputs)
            As `forward` gives it.

        Returns
        -------
        array, shape (..., outputs)
            As `predict` gives it.
        """
        if self.loss == "log_loss":
            return softmax(output)
        if self.loss == "binary_log_loss":
            return np.concatenate([logistic(-output), logistic(output)], axis=-1)
        if self.loss == "label_log_loss":
            return logistic(output)
        return np.exp(output) if self.loss == "poisson_loss" else output

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


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _check_name(kind: str, name: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{kind} must be one of {', '.join(known)}, not {name!r}")
