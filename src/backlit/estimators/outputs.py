"""The output layer: its activation, its losses, and the delta that they hand to the backward pass.

scikit-learn's losses come with the output activation that makes the delta of an output unit the
plain difference ``prediction - target``; its arithmetic is kept here, clipping included. Where
another loss is used, a user's own among them, the delta comes from its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule
from backlit.autodiff.derivatives import vjp
from backlit.estimators.own_loss import OwnLoss
from backlit.functions import softmax
from backlit.networks import activations, number_losses

# ----- Activations -------------------------------------------------------------------------------


# In scikit-learn's order of products, (delta * a) * (1 - a).
@custom_rule(lambda g, ans, z: g * ans * (1 - ans), elementwise=True)
def expit(z: Any) -> Any:
    """Compute ``1 / (1 + exp(-z))`` as scikit-learn does, by SciPy.

    Parameters
    ----------
    z : array

    Returns
    -------
    array
        Between 0 and 1.

    Examples
    --------
    >>> from backlit.estimators.outputs import expit
    >>> float(expit(0.0))
    0.5
    """
    from scipy import special  # not with the package: it takes time to import

    return special.expit(z)


HIDDEN: dict[str, Callable[[Any], Any]] = {**activations.ACTIVATIONS, "logistic": expit}

OUTPUT: dict[str, Callable[[Any], Any]] = {
    "identity": activations.identity,
    "logistic": expit,
    "softmax": softmax,
    "exp": np.exp,
}

# ----- Losses ------------------------------------------------------------------------------------


def _log_loss(p: Any, y: Any) -> Any:
    return -np.sum(y * np.log(_clipped(p)), axis=1)


def _binary_log_loss(p: Any, y: Any) -> Any:
    p = _clipped(p)
    if y.dtype == bool:
        return -np.sum(np.log(np.where(y, p, 1 - p)), axis=1)
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=1)


def _clipped(p: Any) -> Any:
    """Keep probabilities where their logarithm is finite."""
    eps = float(np.finfo(p.dtype).eps)
    return np.minimum(np.maximum(p, eps), 1 - eps)


def _squared_error(p: Any, y: Any) -> Any:
    return 0.5 * np.mean((y - p) ** 2, axis=1)


def _poisson(p: Any, y: Any) -> Any:
    return np.sum(y * np.log(np.where(y == 0, 1, y / p)) - y + p, axis=1)


CANONICAL: dict[str, Callable[[Any, Any], Any]] = {
    "log_loss": _log_loss,
    "binary_log_loss": _binary_log_loss,
    "squared_error": _squared_error,
    "poisson": _poisson,
}

OTHERS: dict[str, Callable[..., Any]] = {
    "absolute_error": number_losses.absolute_loss,
    "huber": number_losses.huber_loss,
    "quantile": number_losses.quantile_loss,
}


@dataclass(frozen=True)
class Output:
    """What an output layer says, and what it costs.

    Parameters
    ----------
    activation : {"identity", "logistic", "softmax", "exp"}
    loss : str or OwnLoss
        A key of `CANONICAL` or of `OTHERS`, or a user's own.
    option : float, tuple of float, or None, default None
        ``delta`` of ``"huber"`` and ``quantile`` of ``"quantile"``. A tuple has a quantile for each
        of as many neighbouring units.
    smoothing : float, default 0.0
        The share of the truth about classes and labels that is spread over all of them.
    blocks : tuple of int, default ()
        For several targets with classes each: how many units each has, with a softmax of their own.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.estimators.outputs import Output
    >>> output = Output("logistic", "binary_log_loss")
    >>> losses, delta = output.losses_and_delta(np.zeros((1, 1)), np.array([[True]]))
    >>> losses.round(4), delta
    (array([0.6931]), array([[-0.5]]))
    """

    activation: str
    loss: str | OwnLoss
    option: float | tuple[float, ...] | None = None
    smoothing: float = 0.0
    blocks: tuple[int, ...] = ()

    def activate(self, z: Any) -> Any:
        """Return the activations of the output layer.

        Parameters
        ----------
        z : array, shape (examples, units)
            Its pre-activations.

        Returns
        -------
        array, shape (examples, units)
        """
        if self.blocks:
            return np.concatenate([softmax(z[:, block]) for block in slices(self.blocks)], axis=1)
        return OUTPUT[self.activation](z)

    def truth(self, y: Any, dtype: Any) -> Any:
        """Return what is true, as far as label smoothing lets it be certain.

        Parameters
        ----------
        y : array, shape (examples, units)
        dtype : float32 or float64

        Returns
        -------
        array, shape (examples, units)
            ``y`` itself without smoothing.
        """
        if not self.smoothing:
            return y
        if self.blocks:
            choices: Any = np.repeat(self.blocks, self.blocks).astype(dtype)
        else:
            choices = y.shape[1] if self.activation == "softmax" else 2
        return (1 - self.smoothing) * np.astype(y, dtype) + self.smoothing / choices

    def losses(self, p: Any, y: Any) -> Any:
        """Return the loss of each example.

        Parameters
        ----------
        p : array, shape (examples, units)
            The activations of the output layer.
        y : array, shape (examples, units)
            Booleans for classes and labels, else numbers in the dtype of ``p``.

        Returns
        -------
        array, shape (examples,)
        """
        y = self.truth(y, p.dtype)
        if isinstance(self.loss, OwnLoss):
            return self._own_losses(self.loss.function, p, y)
        if self.loss in CANONICAL:
            return CANONICAL[self.loss](p, y)
        function, option = OTHERS[self.loss], self.option
        if isinstance(option, tuple):
            return function(p, y, np.tile(np.array(option, p.dtype), p.shape[1] // len(option)))
        return function(p, y) if option is None else function(p, y, option)

    def _own_losses(self, function: Callable[[Any, Any], Any], p: Any, y: Any) -> Any:
        """Hand predictions to a user's loss in the form in which `predict` returns them."""
        if self.activation == "identity":
            return function(p[:, 0], y[:, 0]) if p.shape[1] == 1 else function(p, y)
        p, y = _clipped(p), np.astype(y, p.dtype)
        if self.blocks:
            first, *others = [function(p[:, b], y[:, b]) for b in slices(self.blocks)]
            return sum(others, start=first)
        if p.shape[1] == 1:  # both classes, as of predict_proba
            p, y = (np.concatenate([1 - a, a], axis=1) for a in (p, y))
        return function(p, y)

    def losses_and_delta(self, z: Any, y: Any) -> tuple[Any, Any]:
        """Return the loss of each example, and its derivative by the pre-activations.

        Parameters
        ----------
        z : array, shape (examples, units)
            The pre-activations of the output layer.
        y : array, shape (examples, units)

        Returns
        -------
        losses : array, shape (examples,)
        delta : array, shape (examples, units)
        """
        if self.loss in CANONICAL:
            p = self.activate(z)
            return self.losses(p, y), p - self.truth(y, p.dtype)
        losses, pullback = vjp(lambda z: self.losses(self.activate(z), y), z)
        (delta,) = pullback(np.ones_like(losses))
        return losses, delta


def slices(counts: Sequence[int]) -> list[slice]:
    """Return where neighbouring blocks of these lengths lie.

    Parameters
    ----------
    counts : sequence of int

    Returns
    -------
    list of slice

    Examples
    --------
    >>> from backlit.estimators.outputs import slices
    >>> slices((2, 3))
    [slice(0, 2, None), slice(2, 5, None)]
    """
    ends = list(accumulate(counts, initial=0))
    return [slice(start, end) for start, end in pairwise(ends)]
