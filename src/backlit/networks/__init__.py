"""Layers, activations, losses and initial weights: functions of parameters, written in NumPy."""

from backlit.networks.activations import (
    elu,
    gelu,
    identity,
    leaky_relu,
    logistic,
    mish,
    relu,
    selu,
    silu,
    softplus,
)
from backlit.networks.dropout import dropout, dropout_key
from backlit.networks.initial import glorot_uniform, he_uniform, lecun_uniform, plain_uniform
from backlit.networks.layers import dense
from backlit.networks.losses import (
    absolute_loss,
    binary_log_loss,
    huber_loss,
    label_log_loss,
    log_loss,
    one_hot,
    poisson_loss,
    quantile_loss,
    squared_loss,
)
from backlit.networks.network import Network

__all__ = [
    "Network",
    "absolute_loss",
    "binary_log_loss",
    "dense",
    "dropout",
    "dropout_key",
    "elu",
    "gelu",
    "glorot_uniform",
    "he_uniform",
    "huber_loss",
    "identity",
    "label_log_loss",
    "leaky_relu",
    "lecun_uniform",
    "log_loss",
    "logistic",
    "mish",
    "one_hot",
    "plain_uniform",
    "poisson_loss",
    "quantile_loss",
    "relu",
    "selu",
    "silu",
    "softplus",
    "squared_loss",
]
