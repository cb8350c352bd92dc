"""``backlit show``: a run in the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from backlit.cli.curve import curve
from backlit.cli.summary import kept_line, network_lines, sentence
from backlit.progress import duration
from backlit.runs import Run
from backlit.training import Epoch

STATUS = {
    "training": "Training goes on, or its process was killed; then --resume goes on.",
}


def show(folder: str) -> None:
    """Print a run's data, network, curve, scores and time.

    Parameters
    ----------
    folder : str

    Raises
    ------
    ValueError
        If there is no run, or a file of it is damaged.
    """
    run = Run(folder)
    document, epochs = run.document(), run.epochs()
    width = min(shutil.get_terminal_size().columns, 100)
    print("\n".join(lines(run, document, epochs, width)))


def lines(run: Run, document: Mapping[str, Any], epochs: list[Epoch], width: int) -> list[str]:
    """Return what is shown, line by line.

    Parameters
    ----------
    run : Run
    document : dict
    epochs : list of Epoch
    width : int
        Of the terminal, in characters.
    """
    data = document["data"]
    source = data["file"] or "a table in memory"
    shown = [
        f"Run {run.folder}",
        f"Data: {source}, target {data['target']!r}.",
        *document["prepared"]["notes"],
        *network_lines(document),
        "",
    ]
    if not epochs:
        return [*shown, "No epoch is done yet.", _status(document)]
    last = epochs[-1]
    best = min(epochs, key=lambda epoch: (epoch.validation_loss, epoch.number))
    shown += [
        *curve(
            {
                "train": [epoch.train_loss for epoch in epochs],
                "validation": [epoch.validation_loss for epoch in epochs],
            },
            width,
        ),
        "",
        f"{len(epochs)} epochs in {duration(last.seconds)} "
        f"({last.seconds / len(epochs):.3g} s each). Last: loss {last.train_loss:.4f}, validation "
        f"{last.validation_loss:.4f}, {document['prepared']['score']} {last.validation_score:.4f}. "
        f"Lowest validation loss: {best.validation_loss:.4f}, in epoch {best.number}.",
        _status(document),
    ]
    return shown


def _status(document: Mapping[str, Any]) -> str:
    if document["status"] not in STATUS and "outcome" in document:
        return f"{sentence(document['outcome']['message'])}\n{kept_line(document)}"
    return STATUS["training"]
