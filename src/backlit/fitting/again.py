"""Read the data of a run again, and make sure that they are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backlit.fitting.data import Data, prepare
from backlit.fitting.plan import Plan
from backlit.fitting.sources import Source, read_like, texts_of
from backlit.runs.folder import Run
from backlit.runs.model import Model
from backlit.tables.table import Table


def plan_of(run: Run, document: Mapping[str, Any]) -> Plan:
    """Return the plan of a run.

    Parameters
    ----------
    run : Run
    document : dict
        The content of its ``run.json``.

    Raises
    ------
    ValueError
        If the document does not hold one.
    """
    try:
        if not isinstance(document.get("prepared"), dict):
            raise ValueError("it does not say what was prepared")
        entries = ("data", "network", "settings")
        return Plan.from_json({name: document.get(name) for name in entries})
    except ValueError as error:
        raise ValueError(f"{run.folder / 'run.json'} cannot be read: {error}") from None


def prepare_again(
    run: Run,
    document: Mapping[str, Any],
    plan: Plan,
    model: Model,
    data: Source | None,
    validation: Source | None,
) -> Data:
    """Read a run's data, and prepare them as they were prepared for its training.

    Parameters
    ----------
    run : Run
    document : dict
        The content of its ``run.json``.
    plan : Plan
    model : Model
        Whose preparation of columns is taken.
    data, validation : Source or None
        By default the files that the run was begun with.

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        If the files are gone, or do not hold the same rows.
    """
    table = _read_again(run, data, plan.data.file, model, "data")
    held_out = None
    if plan.data.validation_file is not None or validation is not None:
        file = plan.data.validation_file
        held_out = _read_again(run, validation, file, model, "validation data")
    prepared = prepare(table, plan, held_out, model)
    if prepared.fingerprint() != document["prepared"].get("fingerprint"):
        raise ValueError(
            f"{table.source} does not hold the rows that {run.folder} was begun with; give "
            "those, or start another run from its weights"
        )
    return prepared


def _read_again(run: Run, data: Source | None, file: str | None, model: Model, what: str) -> Table:
    if data is None:
        if file is None:
            raise ValueError(f"{run.folder} was not begun with a file; give its {what} again")
        if not Path(file).exists():
            raise ValueError(f"the {what} of {run.folder} are no longer at {file}; name their file")
        data = file
    return read_like(data, texts_of(model))
