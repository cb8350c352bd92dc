"""scikit-learn's training step, as NumPy functions that are recorded.

The order of the operations is scikit-learn's, so that in float64 the same numbers come out, bit for
bit where the products of matrices are the same. What differs is the form: parameters lie in one
flat array, ``theta``, first all weights and then all biases, and nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.derivatives import vjp
from backlit.estimators.optimizers import Rule
from backlit.estimators.outputs import HIDDEN, Output
from backlit.networks.dropout import dropout
from backlit.networks.layers import dense
from backlit.training.parameters import Layout


@dataclass(frozen=True)
class Model:
    """A multilayer perceptron with its objective: what a training step must know.

    Parameters
    ----------
    sizes : tuple of int
        The number of inputs, of units of each hidden layer, and of outputs.
    activations : tuple of str
        Of each hidden layer: keys of `HIDDEN`.
    output : Output
    alpha : float, default 0.0
        scikit-learn's L2 term: ``alpha / 2 * sum(W**2)``, divided by the number (or the summed
        weight) of a batch's examples.
    dropout : tuple of float, default ()
        For each hidden layer, the share of its activations that fall silent in a step; empty for
        none.
    clip_norm : float or None, default None
        The largest Euclidean norm that the gradient may have.
    weight_decay : float, default 0.0
        At each step, weights shrink by ``learning_rate * weight_decay`` of themselves.

    Examples
    --------
    >>> from backlit.estimators.compatible import Model
    >>> from backlit.estimators.outputs import Output
    >>> Model((2, 3, 1), ("relu",), Output("identity", "squared_error")).layout.size
    13
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    output: Output
    alpha: float = 0.0
    dropout: tuple[float, ...] = ()
    clip_norm: float | None = None
    weight_decay: float = 0.0

    @property
    def layout(self) -> Layout:
        """Where weights and biases lie in the flat array: ``W1``, ``W2`` ..., ``b1`` ..."""
        layers = list(enumerate(pairwise(self.sizes), start=1))
        weights: dict[str, tuple[int, ...]] = {f"W{layer}": shape for layer, shape in layers}
        return Layout({**weights, **{f"b{layer}": (units,) for layer, (_, units) in layers}})

    @property
    def weights(self) -> int:
        """How many of the flat parameters are weights. They come first."""
        return sum(inputs * outputs for inputs, outputs in pairwise(self.sizes))

    def parts(self, theta: NDArray[Any]) -> dict[str, list[NDArray[Any]]]:
        """Return flat parameters as estimators have them.

        Parameters
        ----------
        theta : array, shape (parameters,)

        Returns
        -------
        dict of str to list of array
            Views: ``coefs_``, the weights of each layer, and ``intercepts_``, the biases.
        """
        views = self.layout.views(theta)
        layers = range(1, len(self.sizes))
        return {
            "coefs_": [views[f"W{layer}"] for layer in layers],
            "intercepts_": [views[f"b{layer}"] for layer in layers],
        }

    def forward(self, parameters: Mapping[str, Any], x: Any, key: Any, multiplied: bool) -> Any:
        """Run the forward pass.

        Parameters
        ----------
        parameters : dict of str to array
        x : array, shape (examples, inputs)
        key : array of uint32, shape (2,), or None
            Which units fall silent.
        multiplied : bool
            Whether ``x`` is the product with the first weights already.

        Returns
        -------
        array, shape (examples, outputs)
            The pre-activations of the output layer.
        """
        a = x
        for layer in range(1, len(self.sizes)):
            b = parameters[f"b{layer}"]
            z = a + b if multiplied and layer == 1 else dense(a, parameters[f"W{layer}"], b)
            if layer == len(self.sizes) - 1:
                break
            a = HIDDEN[self.activations[layer - 1]](z)
            if self.dropout and key is not None and self.dropout[layer - 1]:
                a = dropout(a, key, layer, self.dropout[layer - 1])
        return z


def data_gradient(model: Model, *, multiplied: bool = False) -> Callable[..., Any]:
    """Return the function that runs the forward and the backward pass of a batch.

    Parameters
    ----------
    model : Model
    multiplied : bool, default False
        Whether the function takes ``x @ W1`` in the place of ``x``, and returns the deltas of the
        first layer in the place of the gradient of ``W1``. So sparse data stay outside.

    Returns
    -------
    callable
        ``f(theta, x, y, weights, key)`` returns ``(loss, total, gradients)``, or ``(loss, total,
        gradients, delta)``: the weighted mean of the losses, the sum of the weights, and, for each
        parameter by name, the sum over examples of their gradients. ``weights`` and ``key`` may be
        None.
    """
    layout = model.layout

    def run(theta: Any, x: Any, y: Any, weights: Any, key: Any) -> Any:
        parameters = layout.views(theta)
        if multiplied:
            z, pullback = vjp(lambda p, x: model.forward(p, x, key, True), parameters, x)
        else:
            z, pullback = vjp(lambda p: model.forward(p, x, key, False), parameters)
        losses, delta = model.output.losses_and_delta(z, y)
        if weights is None:
            total: Any = len(x)
            loss = np.sum(losses) / total
        else:
            total = np.sum(weights)
            loss = np.sum(losses * weights) / total
            delta = delta * np.expand_dims(weights, -1)
        gradients, *of_x = pullback(delta)
        if multiplied:
            gradients = {name: array for name, array in gradients.items() if name != "W1"}
        return (loss, total, gradients, *of_x)

    return run


def penalised(model: Model, theta: Any, loss: Any, total: Any, gradients: Any) -> tuple[Any, Any]:
    """Return the objective and its gradient: those of the data, with the L2 term.

    Parameters
    ----------
    model : Model
    theta : array, shape (parameters,)
    loss, total, gradients
        As `data_gradient` gives them, ``gradients`` of all parameters.

    Returns
    -------
    objective : float
    gradient : array, shape (parameters,)
    """
    parts = {
        name: pulled(model, theta_part, gradients[name])
        if name.startswith("W")
        else gradients[name]
        for name, theta_part in model.layout.views(theta).items()
    }
    return with_penalty(model, theta, loss, total), model.layout.flatten(parts) / total


def with_penalty(model: Model, theta: Any, loss: Any, total: Any) -> Any:
    """Return the objective: the loss with the L2 term. Biases are not penalised."""
    if not model.alpha:
        return loss
    squares: Any = 0.0
    for name, W in model.layout.views(theta).items():
        if name.startswith("W"):
            w = np.ravel(W)
            squares = squares + w @ w
    return loss + 0.5 * model.alpha * squares / total


def pulled(model: Model, W: Any, gradient: Any) -> Any:
    """Return the gradient of weights with that of the L2 term, as sums over examples."""
    return gradient + model.alpha * W if model.alpha else gradient


def shrinking(model: Model, W: Any, rate: Any) -> Any:
    """Return by how much a step's decay makes weights smaller."""
    return (rate * model.weight_decay) * W


def objective(model: Model) -> Callable[..., Any]:
    """Return the function that L-BFGS minimises, with its gradient.

    Parameters
    ----------
    model : Model

    Returns
    -------
    callable
        ``f(theta, x, y, weights)`` returns ``(objective, gradient)``.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.compatible import Model, objective
    >>> from backlit.estimators.outputs import Output
    >>> line = Model((1, 1), (), Output("identity", "squared_error"))
    >>> objective(line)(np.zeros(2), np.array([[2.0]]), np.array([[1.0]]), None)
    (np.float64(0.5), array([-2., -1.]))
    """
    of_data = data_gradient(model)

    def loss_and_gradient(theta: Any, x: Any, y: Any, weights: Any) -> Any:
        return penalised(model, theta, *of_data(theta, x, y, weights, None))

    return loss_and_gradient


def update(
    model: Model, rule: Rule, theta: Any, state: Any, gradient: Any, rate: Any
) -> tuple[Any, Any]:
    """Return the parameters and the optimizer's state after a step.

    Parameters
    ----------
    model : Model
    rule : Rule
    theta : array, shape (parameters,)
    state : dict of str to array
    gradient : array, shape (parameters,)
    rate : float scalar
        The learning rate.

    Returns
    -------
    theta, state
    """
    if model.clip_norm is not None:
        norm = np.sqrt(np.sum(gradient**2))
        gradient = gradient * (model.clip_norm / np.maximum(norm, model.clip_norm))
    if model.weight_decay:
        of_biases = np.zeros(model.layout.size - model.weights, theta.dtype)
        theta = theta - np.concatenate([shrinking(model, theta[: model.weights], rate), of_biases])
    return rule.update(theta, gradient, state, rate)


def training_step(model: Model, rule: Rule) -> Callable[..., Any]:
    """Return the function that makes one step of training.

    Parameters
    ----------
    model : Model
    rule : Rule

    Returns
    -------
    callable
        ``step(theta, state, x, y, weights, rate, key)`` returns ``(theta, state, loss)``, the loss
        before the step, L2 term included. ``weights`` and ``key`` may be None.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.compatible import Model, training_step
    >>> from backlit.estimators.optimizers import Momentum
    >>> from backlit.estimators.outputs import Output
    >>> line = Model((1, 1), (), Output("identity", "squared_error"))
    >>> step = training_step(line, Momentum(0.0, False))
    >>> x, y, state = np.array([[2.0]]), np.array([[1.0]]), {"velocity": np.zeros(2)}
    >>> theta, state, loss = step(np.zeros(2), state, x, y, None, 0.25, None)
    >>> theta, float(loss)
    (array([0.5 , 0.25]), 0.5)
    """
    of_data = data_gradient(model)

    def step(theta: Any, state: Any, x: Any, y: Any, weights: Any, rate: Any, key: Any) -> Any:
        loss, gradient = penalised(model, theta, *of_data(theta, x, y, weights, key))
        theta, state = update(model, rule, theta, state, gradient, rate)
        return theta, state, loss

    return step


def initial_theta(
    model: Model, before: Sequence[str], random: np.random.RandomState
) -> NDArray[np.float64]:
    """Draw parameters as scikit-learn does.

    Parameters
    ----------
    model : Model
    before : sequence of str
        The activation by which the parameters of each layer are drawn. For the output layer, too,
        scikit-learn takes that of the hidden layers.
    random : RandomState
        Its state moves on.

    Returns
    -------
    array of float64, shape (parameters,)

    Notes
    -----
    Uniform in ``+-sqrt(6 / (inputs + outputs))``, and with 2 for 6 before logistic units (X. Glorot
    and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010), biases too.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.compatible import Model, initial_theta
    >>> from backlit.estimators.outputs import Output
    >>> line = Model((1, 1), (), Output("identity", "squared_error"))
    >>> initial_theta(line, ["relu"], np.random.RandomState(0)).round(2)
    array([0.17, 0.75])
    """
    drawn: dict[str, Any] = {}
    for layer, (inputs, outputs) in enumerate(pairwise(model.sizes), start=1):
        factor = 2.0 if before[layer - 1] == "logistic" else 6.0
        bound = np.sqrt(factor / (inputs + outputs))
        drawn[f"W{layer}"] = random.uniform(-bound, bound, (inputs, outputs))
        drawn[f"b{layer}"] = random.uniform(-bound, bound, outputs)
    theta: NDArray[np.float64] = model.layout.flatten(drawn)
    return theta
