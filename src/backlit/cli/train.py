"""``backlit train``: train a network on a table, or go on with a run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from backlit.cli.python import call
from backlit.cli.watchers import watcher_for
from backlit.fitting import fit, resume
from backlit.fitting.fit import default_settings
from backlit.training.penalties import Penalties
from backlit.training.settings import ALL_OPTIMIZERS, ALL_SCHEDULES, make

# Given with --resume, these change the run; nothing else of it can be changed.
RESUMABLE = ("epochs", "patience")
RUN_OPTIONS = ("resume", "json", "python", "verb", "file")


def train(arguments: argparse.Namespace) -> str:
    """Do what the arguments say.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of ``backlit train``.

    Returns
    -------
    str
        The run's status.

    Raises
    ------
    ValueError
        If they do not fit together, or whatever `fit` and `resume` raise.
    """
    if arguments.resume is None:
        function: Any = fit
        keywords = fit_keywords(arguments)
    else:
        function = resume
        keywords = resume_keywords(arguments)
    if arguments.python:
        print(call(function.__name__, keywords), end="")
        return "printed"
    with watcher_for(sys.stdout, json=arguments.json) as watcher:
        run = function(**keywords, watcher=watcher)
    return str(run.document()["status"])


def fit_keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `fit`; only those that were given."""
    for name, value in (("FILE", arguments.file), ("--target COLUMN", arguments.target)):
        if value is None:
            raise ValueError(f"train needs {name}: backlit train FILE --target COLUMN")
    given = _given(arguments)
    keywords = {"data": arguments.file, **given}
    loss_options = _take(keywords, "smoothing", "delta", "quantile")
    if loss_options:
        keywords["loss_options"] = loss_options
        keywords.setdefault("loss", _loss_of(loss_options))
    rates = _take(keywords, "optimizer", "learning_rate", "weight_decay")
    if rates:
        # Without a name, the default optimizer with these rates.
        optimizer = {"name": rates.pop("optimizer")} if "optimizer" in rates else _default()
        keywords["optimizer"] = make("optimizer", {**optimizer, **rates}, ALL_OPTIMIZERS)
    if "schedule" in keywords:
        schedule = {"name": keywords["schedule"]}
        keywords["schedule"] = make("schedule", schedule, ALL_SCHEDULES)
    penalties = _take(keywords, "l1", "l2", "clip_norm")
    if penalties:
        keywords["penalties"] = Penalties(**penalties)
    if keywords.get("patience") == 0:
        keywords["patience"] = None
    return keywords


def resume_keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `resume`; only those that were given."""
    given = _given(arguments)
    for name in given:
        if name not in (*RESUMABLE, "validation"):
            option = "--from" if name == "start" else f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} cannot be changed when a run is resumed; start another with --from"
            )
    keywords = {"run": arguments.resume, **given}
    if arguments.file is not None:
        keywords["data"] = arguments.file
    return keywords


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and name not in RUN_OPTIONS
    }


def _default() -> dict[str, Any]:
    return dict(default_settings().to_json()["optimizer"])


def _take(keywords: dict[str, Any], *names: str) -> dict[str, Any]:
    """Remove entries, and return those that there were."""
    return {name: keywords.pop(name) for name in names if name in keywords}


def _loss_of(options: dict[str, float]) -> str:
    """Return the loss that an option belongs to, where none was named."""
    known = {"smoothing": "log_loss", "delta": "huber_loss", "quantile": "quantile_loss"}
    return known[next(iter(options))]
