"""Writes a run down while it is trained, at most once a second."""

from __future__ import annotations

import time

from backlit.fitting.data import Data
from backlit.runs.folder import Run
from backlit.training.parameters import Layout
from backlit.training.state import Epoch, State

SECONDS = 1.0


class Recorder:
    """Keeps a run's files up to date; a callback of `train`.

    Parameters
    ----------
    run : Run
    data : Data
    state : State
        What is on disk already.
    """

    def __init__(self, run: Run, data: Data, state: State) -> None:
        self.run = run
        self.data = data
        self.recorded = state.epoch
        self.best_epoch = state.best_epoch
        self.written = time.monotonic()

    def __call__(self, epoch: Epoch, state: State) -> None:
        """Write, if the last time is a second ago."""
        if time.monotonic() - self.written >= SECONDS:
            self.write(state)

    def write(self, state: State) -> None:
        """Write what is new in a state.

        Raises
        ------
        OSError
            If that cannot be: the disk is full, say. What was written before stays as it was.
        """
        try:
            self._write(state)
        except OSError as error:
            raise OSError(
                f"{self.run.folder} cannot be written ({error.strerror or error}); training has "
                f"stopped after epoch {state.epoch}, and can be resumed from epoch {self.recorded}"
            ) from None
        self.written = time.monotonic()

    def _write(self, state: State) -> None:
        if state.best_epoch != self.best_epoch:
            parameters = Layout(self.data.network.shapes).views(state.best_theta)
            self.run.write_model(self.data.model(parameters))
            self.best_epoch = state.best_epoch
        if state.epoch != self.recorded:
            self.run.write_state(state, self.recorded)
            self.recorded = state.epoch
