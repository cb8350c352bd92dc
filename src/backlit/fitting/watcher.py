"""Who is told what a run is doing."""

from __future__ import annotations

from typing import Any

from backlit.runs.folder import Run
from backlit.training.state import Epoch, State


class Watcher:
    """Told about a run while it goes on; override what is wanted."""

    def begun(self, run: Run, document: dict[str, Any]) -> None:
        """Training is about to begin, or to go on.

        Parameters
        ----------
        run : Run
        document : dict
            The content of ``run.json``.
        """

    def epoch(self, epoch: Epoch, state: State) -> object:
        """Note that an epoch is done; to return True ends training."""

    def ended(self, run: Run, document: dict[str, Any]) -> None:
        """Training has ended, and everything is written."""
