"""Runs: one folder for each training, written so that nothing is ever half there."""

from backlit.runs.folder import Run
from backlit.runs.model import Model
from backlit.runs.model_file import load_model, save_model

__all__ = ["Model", "Run", "load_model", "save_model"]
