"""The output layer: its activation, its losses, and the delta that they hand to the backward pass.

scikit-learn's losses come with the output activation that makes the delta of an output unit the
plain difference ``prediction - target``; its arithmetic is kept here, clipping included. Where
another loss is used, the delta comes from its derivative rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.autodiff.composite import custom_rule
from backlit.autodiff.derivatives import vjp
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
    return -np.sum(np.log(np.where(y, p, 1 - p)), axis=1)


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
    loss : str
        A key of `CANONICAL` or of `OTHERS`.
    option : float or None, default None
        ``delta`` of ``"huber"`` and ``quantile`` of ``"quantile"``.

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
    loss: str
    option: float | None = None

    def losses(self, p: Any, y: Any) -> Any:
        """Return the loss of each example.

        Parameters
        ----------
        p : array, shape (examples, outputs)
            The activations of the output layer.
        y : array, shape (examples, outputs)
            Booleans for classes and labels, else numbers in the dtype of ``p``.

        Returns
        -------
        array, shape (examples,)
        """
        if self.loss in CANONICAL:
            return CANONICAL[self.loss](p, y)
        function = OTHERS[self.loss]
        return function(p, y) if self.option is None else function(p, y, self.option)

    def losses_and_delta(self, z: Any, y: Any) -> tuple[Any, Any]:
        """Return the loss of each example, and its derivative by the pre-activations.

        Parameters
        ----------
        z : array, shape (examples, outputs)
            The pre-activations of the output layer.
        y : array, shape (examples, outputs)

        Returns
        -------
        losses : array, shape (examples,)
        delta : array, shape (examples, outputs)
        """
        if self.loss in CANONICAL:
            p = OUTPUT[self.activation](z)
            return self.losses(p, y), p - y
        losses, pullback = vjp(lambda z: self.losses(z, y), z)  # all of them with identity
        (delta,) = pullback(np.ones_like(losses))
        return losses, delta
