"""Layers, activations, losses and initial weights: functions of parameters, written in NumPy."""

from backlit.networks.activations import identity, logistic, relu
from backlit.networks.initial import glorot_uniform, he_uniform
from backlit.networks.layers import dense
from backlit.networks.losses import log_loss, one_hot, squared_loss
from backlit.networks.model import Model
from backlit.networks.network import Network
from backlit.networks.scaling import Standardisation

__all__ = [
    "Model",
    "Network",
    "Standardisation",
    "dense",
    "glorot_uniform",
    "he_uniform",
    "identity",
    "log_loss",
    "logistic",
    "one_hot",
    "relu",
    "squared_loss",
]
