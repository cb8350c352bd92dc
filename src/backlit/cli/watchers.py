"""How training looks while it goes on: a bar on a terminal, plain lines in a log, JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any

from backlit.cli.summary import ending, introduction
from backlit.fitting import Watcher
from backlit.progress import duration, epochs_bar
from backlit.runs import Run, strict_json
from backlit.training import Epoch, State

PLAIN_LINES = 10


@contextmanager
def watcher_for(file: IO[str], *, json: bool) -> Iterator[Watcher]:
    """Make a watcher that fits where its output goes.

    Parameters
    ----------
    file : text file
    json : bool
        Whether a program reads it.

    Yields
    ------
    Watcher
    """
    if json:
        yield JsonLines(file)
    elif file.isatty():
        with Bar(file) as bar:
            yield bar
    else:
        yield PlainLines(file)


class JsonLines(Watcher):
    """One JSON object a line: ``begun``, then an ``epoch`` each, then ``ended``."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def begun(self, run: Run, document: dict[str, Any]) -> None:
        """Print where the run is, and what was prepared."""
        self._print({"event": "begun", "run": str(run.folder), **document["prepared"]})

    def epoch(self, epoch: Epoch, state: State) -> None:
        """Print the figures of an epoch."""
        self._print({"event": "epoch", **asdict(epoch), "best_epoch": state.best_epoch})

    def ended(self, run: Run, document: dict[str, Any]) -> None:
        """Print what came out."""
        outcome = {"status": document["status"], **document["outcome"]}
        self._print({"event": "ended", "run": str(run.folder), **outcome})

    def _print(self, document: dict[str, Any]) -> None:
        say(strict_json.line(document), self.file)


class PlainLines(Watcher):
    """A line every few epochs."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.epochs = 1
        self.score = ""
        self.unsaid: Epoch | None = None

    def begun(self, run: Run, document: dict[str, Any]) -> None:
        """Print what is going to be done."""
        self.epochs = document["settings"]["epochs"]
        self.score = document["prepared"]["score"]
        self._print(introduction(run, document))

    def epoch(self, epoch: Epoch, state: State) -> None:
        """Print the figures of an epoch, if it is its turn."""
        self.unsaid = epoch
        if epoch.number % max(1, self.epochs // PLAIN_LINES) == 0 or epoch.number == self.epochs:
            self._say()

    def ended(self, run: Run, document: dict[str, Any]) -> None:
        """Print the last epoch, if it was not its turn, and what came out."""
        self._say()
        self._print(ending(run, document))

    def _say(self) -> None:
        if self.unsaid is not None:
            self._print(
                f"epoch {self.unsaid.number:>4}  {figures(self.unsaid, self.epochs, self.score)}"
            )
            self.unsaid = None

    def _print(self, text: str) -> None:
        say(text, self.file)


class Bar(Watcher):
    """A live bar, and above it what is to be kept."""

    def __init__(self, file: IO[str]) -> None:
        self.progress = epochs_bar(file)
        self.console = self.progress.console
        self.task: Any = None
        self.epochs = 1
        self.score = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def begun(self, run: Run, document: dict[str, Any]) -> None:
        """Print what is going to be done, and show the bar."""
        self.epochs = document["settings"]["epochs"]
        self.score = document["prepared"]["score"]
        self.console.print(introduction(run, document), soft_wrap=True, markup=False)
        self.task = self.progress.add_task("", total=self.epochs, figures="")
        self.progress.start()

    def epoch(self, epoch: Epoch, state: State) -> None:
        """Move the bar."""
        text = figures(epoch, self.epochs, self.score)
        self.progress.update(self.task, completed=epoch.number, figures=text)

    def ended(self, run: Run, document: dict[str, Any]) -> None:
        """Print what came out."""
        self.progress.stop()
        self.console.print(ending(run, document), soft_wrap=True, markup=False)


def say(text: str, file: IO[str]) -> None:
    """Print, as long as somebody reads; training is not to be lost when a pipe closes."""
    try:
        print(text, file=file, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def figures(epoch: Epoch, epochs: int, score: str) -> str:
    """Return the figures of an epoch in a line.

    Parameters
    ----------
    epoch : Epoch
    epochs : int
        How many there will be at most, for the time left.
    score : str
        What the validation score is called.
    """
    left = epoch.seconds / epoch.number * (epochs - epoch.number)
    return (
        f"loss {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}  "
        f"{score} {epoch.validation_score:.4f}  {duration(left)} left"
    )
