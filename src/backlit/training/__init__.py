"""Training: optimizers, the recorded step, the epoch loop."""

from backlit.training.loop import Epoch, Training, evaluate, train
from backlit.training.optimizers import Adam, GradientDescent, Optimizer
from backlit.training.parameters import Layout
from backlit.training.scores import accuracy, r_squared
from backlit.training.step import record_step, training_step

__all__ = [
    "Adam",
    "Epoch",
    "GradientDescent",
    "Layout",
    "Optimizer",
    "Training",
    "accuracy",
    "evaluate",
    "r_squared",
    "record_step",
    "train",
    "training_step",
]
