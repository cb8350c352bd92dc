"""Go on with a run that was stopped or killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backlit.fitting.again import plan_of, prepare_again
from backlit.fitting.conduct import best, conduct
from backlit.fitting.sources import Source, as_run, file_of
from backlit.fitting.watcher import Watcher
from backlit.runs.folder import Run
from backlit.runs.lock import locked
from backlit.training.loop import Callback
from backlit.training.settings import Settings, changed
from backlit.training.state import State


def resume(
    run: Run | Path | str,
    data: Source | None = None,
    *,
    validation: Source | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    watcher: Watcher | None = None,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Go on with a run that was stopped or killed, to the same bits as if it never had been.

    Parameters
    ----------
    run : Run or path
    data : as for `fit`, optional
        By default the file that the run was begun with. It must hold the same rows.
    validation : as for ``data``, optional
        Only where the run was begun with a validation table.
    epochs, patience : int, optional
        In place of those that the run was begun with. A patience of 0 never stops early.
    watcher, callbacks
        As for `fit`.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If the run is damaged, in use, or at its end; or if the data are others.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit, resume
    >>> table = {"x": [1, 2, 3, 11, 12, 13] * 10, "size": [*["small"] * 3, *["large"] * 3] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(table, "size", out=folder, epochs=3)
    ...     len(resume(run, table, epochs=5).epochs())
    5
    """
    run = as_run(run)
    document = run.document()  # refuses a folder that holds no run, before a lock is put into it
    with locked(run.folder):
        document = run.document()
        plan = plan_of(run, document)
        settings = plan.settings
        if epochs is not None:
            settings = changed(settings, epochs=epochs)
        if patience is not None:
            settings = changed(settings, patience=patience or None)
        state = run.state(settings)
        _check_end(run, document, settings, state)
        model = run.model()
        prepared = prepare_again(run, document, plan, model, data, validation)
        # The record may be ahead of the checkpoint, or behind it in a copy made while it changed.
        run.write_model(prepared.model(best(prepared, state)))
        run.rewrite_state(state)
        sources = {"file": data, "validation_file": validation}
        moved = {key: file_of(source) for key, source in sources.items() if source is not None}
        document = {
            **document,
            "status": "training",
            "data": {**document["data"], **{key: file for key, file in moved.items() if file}},
            "settings": settings.to_json(),
        }
        document.pop("outcome", None)
        run.write_document(document)
        return conduct(run, document, prepared, settings, state, watcher, callbacks)


def _check_end(run: Run, document: Mapping[str, Any], settings: Settings, state: State) -> None:
    """Refuse to go on with a run that is at its end, unless it is told how far."""
    status, outcome = document.get("status"), document.get("outcome", {})
    message = outcome.get("message", status)
    if status == "diverged":
        raise ValueError(f"{run.folder} cannot be gone on with: {message}")
    if settings.epochs < state.epoch or (settings.epochs == state.epoch and status != "training"):
        raise ValueError(
            f"{run.folder} has {state.epoch} epochs already ({message}); to go on, give more epochs"
        )
    waited = state.epoch - state.best_epoch
    if status == "stopped early" and settings.patience is not None and waited >= settings.patience:
        raise ValueError(
            f"{run.folder} {message}; to go on, give a patience above {waited}, or of 0, which "
            "never stops early"
        )
    if status == "converged":
        raise ValueError(f"{run.folder} is at its end: {message}")
