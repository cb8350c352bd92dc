"""Weights to start a fit from: out of a fitted model, of this library or another.

PyTorch and Keras are not imported: what a model is, and what its layers are, is told by the names
of their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from backlit.estimators.compatible import Model
from backlit.estimators.outputs import HIDDEN
from backlit.estimators.settings import per_layer


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a multilayer perceptron, as data: what ``start`` of an estimator takes.

    Arrays cannot be written to, so that copies, such as scikit-learn's clones, share them.

    Attributes
    ----------
    coefs : tuple of array of float64, shape (inputs, units)
        Of each layer.
    intercepts : tuple of array of float64, shape (units,)
    activations : tuple of str or None
        Of each hidden layer; None if that is not known.
    out_activation : str or None
        Of the output layer: 'softmax', 'logistic', 'exp' or 'identity'; None if it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators import weights_of
    >>> weights = weights_of(([np.ones((4, 8)), np.ones((8, 3))], [np.zeros(8), np.zeros(3)]))
    >>> weights
    Weights(4-8-3)
    >>> weights.hidden_layer_sizes
    (8,)
    """

    coefs: tuple[NDArray[np.float64], ...]
    intercepts: tuple[NDArray[np.float64], ...]
    activations: tuple[str, ...] | None = None
    out_activation: str | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of inputs, of units of each hidden layer, and of outputs."""
        return (len(self.coefs[0]), *map(len, self.intercepts))

    @property
    def hidden_layer_sizes(self) -> tuple[int, ...]:
        """The number of units of each hidden layer, as an estimator takes them."""
        return self.sizes[1:-1]

    def __repr__(self) -> str:
        activations = ", ".join(dict.fromkeys(self.activations or ()))
        return f"Weights({'-'.join(map(str, self.sizes))}{activations and ', '}{activations})"

    def __deepcopy__(self, memo: Any) -> Weights:
        return self


def weights_of(model: Any) -> Weights:
    """Return the weights of a fitted model, to start a fit from.

    Parameters
    ----------
    model : object
        One of

        - a fitted `MLPClassifier` or `MLPRegressor`, Backlit's or scikit-learn's;
        - a ``torch.nn.Sequential`` of ``Linear``, activations and ``Dropout``;
        - a ``keras.Sequential`` of ``Dense``, activations and ``Dropout``;
        - a pair of lists: weights of shape (inputs, units), and biases of shape (units,).

    Returns
    -------
    Weights

    Raises
    ------
    TypeError
        If it is none of these, or has a layer that a multilayer perceptron has not.
    ValueError
        If shapes do not fit together, or a number is not finite.
    NotFittedError
        If it is an estimator without weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier as Theirs
    >>> from backlit.estimators import MLPClassifier, weights_of
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = Theirs((20,), solver="lbfgs", tol=0.01, random_state=0).fit(X, y)
    >>> ours = MLPClassifier((20,), start=weights_of(theirs), learning_rate_init=1e-4, max_iter=20)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     round(ours.fit(X, y).score(X, y), 2)
    0.99
    """
    if isinstance(model, Weights):
        return model
    if hasattr(model, "hidden_layer_sizes") and hasattr(model, "out_activation_"):
        layers = len(model.coefs_) - 1
        activations = per_layer("activation", model.activation, layers, str)
        return _checked(model.coefs_, model.intercepts_, activations, model.out_activation_)
    if hasattr(model, "hidden_layer_sizes") and hasattr(model, "get_params"):
        check_is_fitted(model)
    sequential = [each for each in type(model).__mro__ if each.__name__ == "Sequential"]
    packages = {each.__module__.partition(".")[0] for each in sequential}
    if "torch" in packages:
        return _of_steps(_torch_steps(model), "Linear, Dropout")
    if packages & {"keras", "tf_keras"}:
        return _of_steps(_keras_steps(model), "Dense, Dropout")
    if isinstance(model, (tuple, list)) and len(model) == 2:
        coefs, intercepts = model
        return _checked(coefs, intercepts, None, None)
    raise TypeError(
        "weights are taken from a fitted MLPClassifier or MLPRegressor, a torch.nn.Sequential, a "
        "keras.Sequential, or a pair (coefs, intercepts), not from an object of type "
        f"{type(model).__name__}"
    )


def begin(model: Model, drawn: NDArray[np.float64], start: Any) -> tuple[NDArray[np.float64], bool]:
    """Return the parameters to begin with, where a fit starts from weights that there are.

    Parameters
    ----------
    model : Model
    drawn : array, shape (parameters,)
        What it would begin with otherwise.
    start : Weights

    Returns
    -------
    theta : array, shape (parameters,)
    output_is_new : bool
        Whether the output layer is the drawn one: where that of ``start`` has another number of
        outputs or another activation. Of two classes, the difference of two outputs serves as one.

    Raises
    ------
    ValueError
        If inputs, hidden layers or activations are not the same, or ``start`` is no `Weights`.
    """
    if not isinstance(start, Weights):
        raise ValueError(
            "start must be None or what backlit.estimators.weights_of(model) returns, got "
            f"{start!r}"
        )
    inputs, *hidden, outputs = model.sizes
    if start.sizes[0] != inputs:
        raise ValueError(f"X has {inputs} features, and the weights in start are for "
                         f"{start.sizes[0]}; give the same columns")  # fmt: skip
    if start.hidden_layer_sizes != tuple(hidden):
        raise ValueError(
            f"hidden_layer_sizes={tuple(hidden)}, and the weights in start are for "
            f"{start.hidden_layer_sizes}; set it to that"
        )
    if start.activations is not None and start.activations != model.activations:
        raise ValueError(
            f"the hidden layers have the activations {model.activations}, and those in start "
            f"{start.activations}; set activation to these"
        )
    coefs, intercepts = list(start.coefs), list(start.intercepts)
    out_activation = start.out_activation
    logistic = model.output.activation == "logistic"
    if logistic and outputs == 1 and start.sizes[-1] == 2 and out_activation in (None, "softmax"):
        # softmax of two numbers is the logistic function of their difference
        coefs[-1] = coefs[-1] @ np.array([[-1.0], [1.0]])
        intercepts[-1] = np.diff(intercepts[-1])
        out_activation = "logistic"
    new = coefs[-1].shape[1] != outputs or out_activation not in (None, model.output.activation)
    parts = model.layout.views(drawn)
    parts = {name: np.array(array) for name, array in parts.items()}
    for layer in range(1, len(model.sizes) - new):
        parts[f"W{layer}"], parts[f"b{layer}"] = coefs[layer - 1], intercepts[layer - 1]
    theta: NDArray[np.float64] = model.layout.flatten(parts)
    return theta, new


def _checked(
    coefs: Sequence[Any],
    intercepts: Sequence[Any],
    activations: tuple[str, ...] | None,
    out_activation: str | None,
) -> Weights:
    """Return weights as data of our own, if they are those of a multilayer perceptron."""
    Ws = tuple(np.array(W, np.float64) for W in coefs)
    bs = tuple(np.array(b, np.float64) for b in intercepts)
    shapes = [W.shape for W in Ws]
    fit = (
        len(Ws) > 0
        and all(len(shape) == 2 and min(shape) > 0 for shape in shapes)
        and [b.shape for b in bs] == [shape[1:] for shape in shapes]
        and all(one[1] == other[0] for one, other in pairwise(shapes))
    )
    if not fit:
        raise ValueError(
            f"weights have the shapes {shapes}, and biases {[b.shape for b in bs]}; for each layer "
            "there must be weights of shape (inputs, units), with as many inputs as the layer "
            "before has units, and biases of shape (units,)"
        )
    for array in (*Ws, *bs):
        if not np.isfinite(array).all():
            raise ValueError("weights and biases to start from must be finite, and some are not")
        array.flags.writeable = False
    return Weights(Ws, bs, activations, out_activation)


# ----- Layers of others --------------------------------------------------------------------------

Step: TypeAlias = tuple[Literal["dense", "activation", "unknown"], Any]
"""Weights and biases; the name of an activation; or the words for what we do not know."""

# What their layers compute like our activations, and under which options.
TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {}),
    "Tanh": ("tanh", {}),
    "Sigmoid": ("logistic", {}),
    "GELU": ("gelu", {"approximate": "none"}),
    "SiLU": ("silu", {}),
    "Mish": ("mish", {}),
    "Softplus": ("softplus", {"beta": 1.0}),
    "ELU": ("elu", {"alpha": 1.0}),
    "SELU": ("selu", {}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.01}),
    "Softmax": ("softmax", {}),
    "LogSoftmax": ("softmax", {}),
}
KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "ELU": ("elu", {"alpha": 1.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.01}),
    "Softmax": ("softmax", {}),
}
KERAS_FUNCTIONS = {
    "relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "gelu": "gelu", "silu": "silu",
    "mish": "mish", "softplus": "softplus", "elu": "elu", "selu": "selu", "softmax": "softmax",
    "exponential": "exp", "linear": "identity",
}  # fmt: skip


def _torch_steps(model: Any) -> Iterator[Step]:
    for layer in model.children():
        name = type(layer).__name__
        if name == "Sequential":
            yield from _torch_steps(layer)
        elif name == "Linear":
            W, b = _numbers(layer.weight).T, layer.bias
            yield "dense", (W, np.zeros(W.shape[1]) if b is None else _numbers(b))
        elif name not in ("Dropout", "Identity"):
            yield _activation(layer, TORCH)


def _numbers(tensor: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return found


def _keras_steps(model: Any) -> Iterator[Step]:
    for layer in model.layers:
        name = type(layer).__name__
        if name == "Dense":
            W, *b = layer.get_weights()
            yield "dense", (W, b[0] if b else np.zeros(W.shape[1]))
        if name in ("Dense", "Activation"):
            function = layer.activation
            function_name = getattr(function, "__name__", type(function).__name__)
            if function_name in KERAS_FUNCTIONS:
                yield "activation", KERAS_FUNCTIONS[function_name]
            elif function_name in KERAS:
                yield _activation(function, KERAS)
            else:
                yield "unknown", f"the activation {function_name}"
        elif name not in ("Dropout", "InputLayer"):
            yield _activation(layer, KERAS)


def _activation(layer: Any, known: dict[str, tuple[str, dict[str, Any]]]) -> Step:
    name = type(layer).__name__
    if name not in known:
        return "unknown", f"a layer {name}"
    ours, options = known[name]
    for option, wanted in options.items():
        if getattr(layer, option) != wanted:
            return "unknown", f"a layer {name} with {option}={getattr(layer, option)!r}"
    return "activation", ours


def _of_steps(steps: Iterator[Step], layers: str) -> Weights:
    """Put layers together: weights, and the activation that follows them, if there is one."""
    dense: list[tuple[Any, Any]] = []
    activations: list[str] = []
    for kind, what in steps:
        if kind == "dense":
            dense.append(what)
            activations.append("identity")
        elif kind == "activation" and activations and activations[-1] == "identity":
            activations[-1] = what
        elif kind == "activation" and what != "identity":
            raise TypeError(
                f"the activation {what} of the model does not follow a layer with weights, as each "
                "does in a multilayer perceptron"
            )
        elif kind == "unknown":
            raise TypeError(
                f"the model has {what}, which the estimators have not; weights are taken from "
                f"{layers} and activations like {', '.join(HIDDEN)}"
            )
    if not dense:
        raise TypeError(f"the model has no weights; they are taken from {layers}")
    *hidden, last = activations
    for name in hidden:
        if name not in HIDDEN:
            raise TypeError(f"the model has the activation {name} in a hidden layer, which the "
                            "estimators have in the output layer only")  # fmt: skip
    # The losses of others take outputs before their activation: without one, it is not known.
    out_activation = None if last == "identity" else last
    coefs, intercepts = zip(*dense, strict=True)
    return _checked(coefs, intercepts, tuple(hidden), out_activation)
