"""What a fit says while it goes on: nothing, scikit-learn's lines, or a bar."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import Any

from backlit.progress import can_be_redrawn, duration, epochs_bar

PLAIN_LINES = 10


class Report(AbstractContextManager["Report"]):
    """Told of each epoch; says nothing."""

    prints_lines = False

    def __exit__(self, *_: object) -> None:
        pass

    def epoch(self, number: int, loss: float, score: float | None) -> None:
        """Take the figures of an epoch.

        Parameters
        ----------
        number : int
            Of the epoch, counted from 1 in this fit.
        loss : float
            Of training.
        score : float or None
            Of validation.
        """


class Lines(Report):
    """scikit-learn's lines."""

    prints_lines = True

    def epoch(self, number: int, loss: float, score: float | None) -> None:
        """Print the figures of an epoch; see `Report`."""
        print(f"Iteration {number}, loss = {loss:.8f}")
        if score is not None:
            print(f"Validation score: {score:f}")


class Bar(Report):
    """A bar where it can be redrawn, else about ten lines.

    Parameters
    ----------
    epochs : int
        At most.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.bar = epochs_bar(sys.stdout)
        self.live = can_be_redrawn(self.bar)
        self.task = self.bar.add_task("", total=epochs, figures="")
        self.began, self.first = time.perf_counter(), 0
        self.unsaid = ""

    def __enter__(self) -> Bar:
        if self.live:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.bar.stop()
        self._say()

    def epoch(self, number: int, loss: float, score: float | None) -> None:
        """Show the figures of an epoch; see `Report`."""
        self.first = self.first or number  # after an interruption, more than 1
        each = (time.perf_counter() - self.began) / (number - self.first + 1)
        figures = f"loss {loss:.4f}"
        if score is not None:
            figures += f"  validation score {score:.4f}"
        figures += f"  {duration(each * (self.epochs - number))} left"
        if self.live:
            self.bar.update(self.task, completed=number, figures=figures)
            return
        self.unsaid = f"epoch {number:>4}  {figures}"
        if number % max(1, self.epochs // PLAIN_LINES) == 0:
            self._say()

    def _say(self) -> None:
        if self.unsaid:
            print(self.unsaid)
            self.unsaid = ""


def report_for(estimator: Any) -> Report:
    """Return what an estimator's ``verbose`` asks for.

    Parameters
    ----------
    estimator : BaseMLP

    Returns
    -------
    Report

    Examples
    --------
    >>> from backlit.estimators import MLPClassifier
    >>> from backlit.estimators.reports import report_for
    >>> with report_for(MLPClassifier(verbose=True)) as report:
    ...     report.epoch(1, 0.25, 0.5)
    Iteration 1, loss = 0.25000000
    Validation score: 0.500000
    """
    if estimator.verbose == "progress":
        return Bar(estimator.max_iter)
    return Lines() if estimator.verbose else Report()
