"""Training: optimizers, the recorded step, the epoch loop."""

from backlit.training.lbfgs import Minimum, minimise
from backlit.training.loop import Epoch, Training, evaluate, train
from backlit.training.optimizers import (
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
    Rprop,
)
from backlit.training.parameters import Layout
from backlit.training.penalties import Penalties
from backlit.training.schedules import (
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
)
from backlit.training.scores import accuracy, r_squared
from backlit.training.step import record_step, training_step

__all__ = [
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Epoch",
    "GradientDescent",
    "InverseScaling",
    "Layout",
    "Minimum",
    "Momentum",
    "Nesterov",
    "OneCycle",
    "Optimizer",
    "Penalties",
    "RMSProp",
    "ReduceOnPlateau",
    "Rprop",
    "Schedule",
    "StepDecay",
    "Training",
    "accuracy",
    "evaluate",
    "minimise",
    "r_squared",
    "record_step",
    "train",
    "training_step",
]
