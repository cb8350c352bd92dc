"""Backlit trains neural networks by backpropagation and shows what backpropagation is doing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from backlit.estimators.classifier import MLPClassifier
    from backlit.estimators.explaining import explain
    from backlit.estimators.regressor import MLPRegressor
    from backlit.estimators.saving import load
    from backlit.execution.reference import watch
    from backlit.fitting.fit import fit
    from backlit.fitting.predict import predict
    from backlit.fitting.resume import resume
    from backlit.program.program import Program
    from backlit.program.values import Instruction, Value
    from backlit.running import explain_engine, run
    from backlit.runs.folder import Run
    from backlit.tables.reading import read_table
    from backlit.tables.table import Table

__version__ = "0.1.0"

# Where each public name lives. A module is imported when its name is first used, so that
# `import backlit` and `backlit --help` cost next to nothing.
_HOMES = {
    "check_grads": "autodiff.check",
    "custom_rule": "autodiff.composite",
    "elementwise_grad": "autodiff.derivatives",
    "grad": "autodiff.derivatives",
    "hessian": "autodiff.derivatives",
    "hvp": "autodiff.derivatives",
    "jacobian": "autodiff.derivatives",
    "jvp": "autodiff.derivatives",
    "value_and_grad": "autodiff.derivatives",
    "vjp": "autodiff.derivatives",
    "TraceError": "autodiff.errors",
    "backward": "autodiff.recording",
    "record": "autodiff.recording",
    "run": "running",
    "explain_engine": "running",
    "watch": "execution.reference",
    "MLPClassifier": "estimators.classifier",
    "explain": "estimators.explaining",
    "MLPRegressor": "estimators.regressor",
    "load": "estimators.saving",
    "fit": "fitting.fit",
    "resume": "fitting.resume",
    "predict": "fitting.predict",
    "Instruction": "program.values",
    "Program": "program.program",
    "Value": "program.values",
    "Run": "runs.folder",
    "read_table": "tables.reading",
    "Table": "tables.table",
}

__all__ = [
    "Instruction",
    "MLPClassifier",
    "MLPRegressor",
    "Program",
    "Run",
    "Table",
    "TraceError",
    "Value",
    "backward",
    "check_grads",
    "custom_rule",
    "elementwise_grad",
    "explain",
    "explain_engine",
    "fit",
    "functions",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "predict",
    "read_table",
    "record",
    "resume",
    "run",
    "value_and_grad",
    "vjp",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "functions":
        return import_module("backlit.functions")
    if name not in _HOMES:
        raise AttributeError(f"module 'backlit' has no attribute {name!r}")
    found = getattr(import_module(f"backlit.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
