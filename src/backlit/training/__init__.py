"""Training: optimizers, the recorded step, the epoch loop."""

from backlit.training.descent import Step
from backlit.training.examples import Examples
from backlit.training.lbfgs import LBFGS, Minimum, minimise
from backlit.training.loop import Training, evaluate, train
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
from backlit.training.scores import accuracy, label_accuracy, r_squared
from backlit.training.settings import Settings
from backlit.training.state import Epoch, State
from backlit.training.step import record_step, training_step

__all__ = [
    "LBFGS",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Epoch",
    "Examples",
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
    "Settings",
    "State",
    "Step",
    "StepDecay",
    "Training",
    "accuracy",
    "evaluate",
    "label_accuracy",
    "minimise",
    "r_squared",
    "record_step",
    "train",
    "training_step",
]
