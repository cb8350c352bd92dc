"""Backlit trains neural networks by backpropagation and shows what backpropagation is doing."""

from backlit import functions
from backlit.autodiff.check import check_grads
from backlit.autodiff.composite import custom_rule
from backlit.autodiff.derivatives import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from backlit.autodiff.errors import TraceError
from backlit.autodiff.recording import backward, record
from backlit.execution.reference import run, watch
from backlit.program import Instruction, Program, Value

__version__ = "0.1.0"

__all__ = [
    "Instruction",
    "Program",
    "TraceError",
    "Value",
    "backward",
    "check_grads",
    "custom_rule",
    "elementwise_grad",
    "functions",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "record",
    "run",
    "value_and_grad",
    "vjp",
    "watch",
]
