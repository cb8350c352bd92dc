"""A run in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backlit.runs import Run
from backlit.tables.wording import counted


def introduction(run: Run, document: Mapping[str, Any]) -> str:
    """Return what is going to be done, as lines.

    Parameters
    ----------
    run : Run
    document : dict
        The content of ``run.json``.
    """
    return "\n".join([*document["prepared"]["notes"], *network_lines(document)])


def ending(run: Run, document: Mapping[str, Any]) -> str:
    """Return what came out, as lines.

    Parameters
    ----------
    run : Run
    document : dict
        The content of ``run.json``, after training.
    """
    outcome = document["outcome"]
    went_on = ""
    if document["status"] == "interrupted":
        went_on = f"\nTo go on: backlit train --resume {run.folder}"
    return (
        f"{sentence(outcome['message'])} It took {outcome['seconds']:.1f} s.\n"
        f"{kept_line(document)}\n"
        f"The run is in {run.folder}{went_on}"
    )


def kept_line(document: Mapping[str, Any]) -> str:
    """Return which epoch was kept, and its scores."""
    best = document["outcome"]["best_epoch"]
    kept = f"epoch {best}" if best else "the weights of the start, since no epoch was better"
    return f"Kept {kept}: {scores_line(document)}"


def network_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what is trained on what, and how."""
    prepared, settings = document["prepared"], document["settings"]
    rows = prepared["rows"]
    optimizer = settings["optimizer"]
    rate = f", learning rate {optimizer['learning_rate']:g}" if "learning_rate" in optimizer else ""
    batch = (
        "all rows at once"
        if optimizer["name"] == "lbfgs"
        else f"batches of {prepared['batch_size']}"
    )
    return [
        f"{rows['training']:,} rows to train on, {rows['validation']:,} held out; "
        f"{counted(len(prepared['columns']), 'column')}, "
        f"{counted(prepared['sizes'][0], 'input')}.",
        f"Network {'-'.join(map(str, prepared['sizes']))} ({document['network']['activation']}), "
        f"{prepared['parameters']:,} parameters; {prepared['loss']}; {optimizer['name']}{rate}, "
        f"{batch}, seed {settings['seed']}, {prepared['engine']} engine.",
    ]


def scores_line(document: Mapping[str, Any]) -> str:
    """Return the scores on the held-out rows, beside those of a constant."""
    scores = document["outcome"]["scores"]
    baseline = document["prepared"]["baseline"]
    said = [
        f"{name} {number(value)} (a constant: {number(baseline[name])})"
        if name in baseline
        else f"{name} {number(value)}"
        for name, value in scores.items()
    ]
    return f"on the held-out rows, {', '.join(said)}."


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def number(value: float | None) -> str:
    """Return a number with four digits after the point, or as many as are of use."""
    if value is None:
        return "not finite"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"
