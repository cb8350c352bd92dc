"""How training looks while it goes on: a live bar on a terminal, some plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from backlit.training import Epoch

PLAIN_LINES = 10


@contextmanager
def progress(console: Console, epochs: int, score_name: str) -> Iterator[Callable[[Epoch], None]]:
    """Show the figures of each epoch for as long as the context lasts.

    Parameters
    ----------
    console : rich.console.Console
    epochs : int
        How many there will be.
    score_name : str
        What to call the validation score.

    Yields
    ------
    callable
        To be called with each epoch.
    """
    if not console.is_terminal:
        every = max(1, epochs // PLAIN_LINES)

        def line(epoch: Epoch) -> None:
            if epoch.number % every == 0 or epoch.number == epochs:
                print(f"epoch {epoch.number:>4}  {_figures(epoch, score_name)}", file=console.file)

        yield line
        return

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=epochs, figures="")
        yield lambda epoch: bar.update(
            task, completed=epoch.number, figures=_figures(epoch, score_name)
        )


def _figures(epoch: Epoch, score_name: str) -> str:
    return (
        f"loss {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}  "
        f"{score_name} {epoch.validation_score:.4f}  {epoch.seconds_left:.0f} s left"
    )
