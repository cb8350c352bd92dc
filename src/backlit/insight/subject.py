"""The network that is looked at: its layers as functions, for rows one by one.

Insight asks the same of every network, whether `backlit.training` trained it or an estimator did:
the values of a forward pass, and the deltas of each example's own loss. A `Subject` gives these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.derivatives import vjp
from backlit.networks.activations import ACTIVATIONS
from backlit.networks.dropout import dropout
from backlit.networks.layers import dense
from backlit.networks.losses import LOSSES
from backlit.networks.network import Network
from backlit.training.parameters import Layout

Targets = Literal["classes", "labels", "numbers", "counts"]


@dataclass(frozen=True, eq=False)
class Passes:
    """All values of a forward pass and of the backward pass after it.

    Attributes
    ----------
    inputs : list of array, shape (examples, units)
        Of each layer: the rows themselves, then the activations of each hidden layer (after
        dropout, if there is any).
    pre_activations : list of array, shape (examples, units)
        Of each layer; the last ones are the network's outputs.
    losses : array, shape (examples,)
    deltas : list of array, shape (examples, units)
        Of each layer: the derivative of an example's own loss by its pre-activations.
    """

    inputs: list[NDArray[Any]]
    pre_activations: list[NDArray[Any]]
    losses: NDArray[Any]
    deltas: list[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Subject:
    """A multilayer perceptron as a function of flat parameters, layer by layer.

    Parameters
    ----------
    layout : Layout
        Of ``W1``, ``b1``, ``W2`` and so on, in any order.
    activations : tuple of callable
        Of each hidden layer.
    activation_names : tuple of str
    losses : callable
        ``losses(outputs, y)`` is the loss of each example, from the last pre-activations.
    targets : {"classes", "labels", "numbers", "counts"}
        What ``y`` holds: class numbers of shape (examples,), or columns of shape (examples,
        outputs).
    dropout : tuple of float, default ()
        Of each hidden layer; empty for none.
    delta_of : callable, optional
        ``delta_of(outputs, y)`` is what the backward pass begins with, where it is not the
        derivative of the losses.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.subject import Subject
    >>> from backlit.networks import Network
    >>> network = Network(2, (3,), 2)
    >>> subject = Subject.of(network)
    >>> theta = subject.layout.flatten(network.parameters(seed=0))
    >>> passes = subject.passes(theta, np.ones((4, 2), "float32"), np.array([0, 1, 1, 0]))
    >>> [delta.shape for delta in passes.deltas]
    [(4, 3), (4, 2)]
    """

    layout: Layout
    activations: tuple[Callable[[Any], Any], ...]
    activation_names: tuple[str, ...]
    losses: Callable[[Any, Any], Any]
    targets: Targets
    dropout: tuple[float, ...] = ()
    delta_of: Callable[[Any, Any], Any] | None = None

    @classmethod
    def of(cls, network: Network) -> Subject:
        """Return a network of `backlit.networks` as a subject."""
        hidden = len(network.hidden)
        return cls(
            Layout(network.shapes),
            (ACTIVATIONS[network.activation],) * hidden,
            (network.activation,) * hidden,
            partial(LOSSES[network.loss], **network.loss_options),
            network.targets,
            (network.dropout,) * hidden if network.dropout else (),
        )

    @property
    def depth(self) -> int:
        """How many layers have weights."""
        return len(self.activations) + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of inputs, of units of each hidden layer, and of outputs."""
        shapes = [self.layout.shapes[f"W{layer}"] for layer in range(1, self.depth + 1)]
        return (shapes[0][0], *(outputs for _, outputs in shapes))

    def outputs(self, theta: NDArray[Any], x: NDArray[Any], key: Any = None) -> NDArray[Any]:
        """Return the outputs for some rows.

        Parameters
        ----------
        theta : array, shape (parameters,)
        x : array, shape (examples, inputs)
        key : array of uint32, shape (2,), optional
            Of dropout; None for none.

        Returns
        -------
        array, shape (examples, outputs)
            Pre-activations of the last layer.
        """
        parameters = self.layout.views(theta)
        a = self.hidden(theta, x, key)
        outputs: NDArray[Any] = dense(a, parameters[f"W{self.depth}"], parameters[f"b{self.depth}"])
        return outputs

    def hidden(self, theta: NDArray[Any], x: NDArray[Any], key: Any = None) -> NDArray[Any]:
        """Return the activations of the last hidden layer for some rows.

        Parameters
        ----------
        theta : array, shape (parameters,)
        x : array, shape (examples, inputs)
        key : array of uint32, shape (2,), optional
            Of dropout; None for none.

        Returns
        -------
        array, shape (examples, units)
            Of a network without hidden layers, ``x``.
        """
        parameters = self.layout.views(theta)
        a = x
        for layer in range(1, self.depth):
            z = dense(a, parameters[f"W{layer}"], parameters[f"b{layer}"])
            a = self.activate(layer, z, key)
        return a

    def passes(
        self, theta: NDArray[Any], x: NDArray[Any], y: NDArray[Any], key: Any = None,
        factors: NDArray[Any] | None = None,
    ) -> Passes:  # fmt: skip
        """Run the forward and the backward pass, and keep all values.

        Parameters
        ----------
        theta : array, shape (parameters,)
        x : array, shape (examples, inputs)
        y : array
            Targets as the loss takes them.
        key : array of uint32, shape (2,), optional
            Of dropout, as in the step that is looked at; None for none.
        factors : array, shape (examples,), optional
            What each example's loss is multiplied by before the backward pass. With the factors of
            a step (`Course.factors`), deltas are those of the step's program, to the bit where
            NumPy runs it. By default 1: deltas are of an example's own loss.

        Returns
        -------
        Passes
        """
        parameters = self.layout.views(theta)
        inputs, pre_activations, back = [x], [], []
        for layer in range(1, self.depth + 1):
            W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
            z = dense(inputs[-1], W, b)
            pre_activations.append(z)
            if layer < self.depth:
                a, pullback = vjp(partial(self.activate, layer, key=key), z)
                inputs.append(a)
                back.append(pullback)
        losses, pullback = vjp(lambda z: self.losses(z, y), pre_activations[-1])
        start = np.ones_like(losses) if factors is None else factors.astype(losses.dtype)
        if self.delta_of is None:
            deltas = [pullback(start)[0]]
        else:
            deltas = [self.delta_of(pre_activations[-1], y) * start[:, np.newaxis]]
        for layer in range(self.depth, 1, -1):
            (delta,) = back[layer - 2](deltas[0] @ parameters[f"W{layer}"].T)
            deltas.insert(0, delta)
        return Passes(inputs, pre_activations, losses, deltas)

    def gradient(self, passes: Passes, shares: NDArray[Any]) -> NDArray[Any]:
        """Return the weighted sum of the examples' gradients, flat.

        Parameters
        ----------
        passes : Passes
        shares : array, shape (examples,)
            The weight of each example.

        Returns
        -------
        array, shape (parameters,)
        """
        parts: dict[str, Any] = {}
        for layer, (a, delta) in enumerate(zip(passes.inputs, passes.deltas, strict=True), 1):
            weighted = delta * shares[:, np.newaxis]
            parts[f"W{layer}"] = a.T @ weighted
            parts[f"b{layer}"] = np.sum(weighted, axis=0)
        gradient: NDArray[Any] = self.layout.flatten(parts)
        return gradient

    def products(self, passes: Passes, vector: NDArray[Any]) -> NDArray[Any]:
        """Return the product of each example's gradient with a vector.

        Without writing any example's gradient out: for a layer with inputs ``a`` and deltas ``d``,
        it is the sum over units of ``(a @ V + v) * d``.

        Parameters
        ----------
        passes : Passes
        vector : array, shape (parameters,)

        Returns
        -------
        array, shape (examples,)
        """
        parts = self.layout.views(vector)
        total = np.zeros(len(passes.losses), np.result_type(vector, passes.losses))
        for layer, (a, delta) in enumerate(zip(passes.inputs, passes.deltas, strict=True), 1):
            total += np.sum((a @ parts[f"W{layer}"] + parts[f"b{layer}"]) * delta, axis=1)
        return total

    def activate(self, layer: int, z: Any, key: Any = None) -> Any:
        """Return what a hidden layer makes of its pre-activations.

        Parameters
        ----------
        layer : int
            Counted from 1.
        z : array, shape (examples, units)
        key : array of uint32, shape (2,), optional
            Of dropout; None for none.

        Returns
        -------
        array, shape (examples, units)
        """
        a = self.activations[layer - 1](z)
        if key is not None and self.dropout and self.dropout[layer - 1]:
            a = dropout(a, key, layer, self.dropout[layer - 1])
        return a


def margins(outputs: Any, y: Any, targets: Targets) -> Any:
    """Return how clearly each example is told right, from outputs and targets.

    Parameters
    ----------
    outputs : array, shape (examples, outputs)
        Pre-activations of the last layer.
    y : array
        Targets as the loss takes them; of classes also booleans, as a column for each output.
    targets : {"classes", "labels", "numbers", "counts"}

    Returns
    -------
    array, shape (examples,)
        Of classes, the output of the true one less the largest of the others (for a single output,
        its distance from 0 to the right side). Of labels, the least such distance of them. Of
        numbers, minus the distance to the target; of counts, that of the logarithms' exponentials.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.subject import margins
    >>> margins(np.array([[2.0, 0.5], [2.0, 0.5]]), np.array([0, 1]), "classes")
    array([ 1.5, -1.5])
    """
    if targets == "classes" and outputs.shape[1] > 1:
        true = y if y.ndim == 2 else np.expand_dims(y, -1) == np.arange(outputs.shape[1])
        of_true = np.sum(np.where(true, outputs, 0), axis=1)
        return of_true - np.max(np.where(true, -np.inf, outputs), axis=1)
    if targets == "classes":
        positive = (y[:, 0] if y.ndim == 2 else y) > 0
        return np.where(positive, outputs[:, 0], -outputs[:, 0])
    if targets == "labels":
        return np.min(np.where(y > 0, outputs, -outputs), axis=1)
    predicted = np.exp(outputs) if targets == "counts" else outputs
    return -np.sqrt(np.sum((predicted - y) ** 2, axis=1))
