"""Predict the rows of a table with a run's network, and write them beside the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from backlit.fitting.sources import read_like, texts_of
from backlit.runs.folder import Run
from backlit.runs.model import Model
from backlit.runs.model_file import load_model
from backlit.tables.table import Table
from backlit.tables.writing import extend_table

Columns: TypeAlias = dict[str, NDArray[Any]]


def predict(
    run: Run | Model | Path | str,
    data: Table | Mapping[str, Any] | Path | str,
    out: Path | str | None = None,
) -> tuple[Columns, dict[str, float]]:
    """Predict each row of a table.

    Parameters
    ----------
    run : Run, Model, or path
        A path names a run's folder, or its file ``model.backlit``.
    data : Table, mapping of str to array, pandas.DataFrame, or path
        With the columns that the run was trained on, in any order; others are passed over.
    out : path, optional
        A file to write the rows of the file ``data`` to, as they are and in its format, with the
        predictions as more columns.

    Returns
    -------
    columns : dict of str to array, shape (rows,)
        ``prediction``; for classes also ``probability_<class>``.
    scores : dict of str to float
        How good the predictions are, if the table holds the target; otherwise empty.

    Raises
    ------
    ValueError
        If the run or the table is damaged, columns are missing (all are named), or one holds what
        the network cannot take; nothing is then written.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit, predict
    >>> table = {"x": [1, 2, 8, 9] * 20, "y": ["low", "low", "high", "high"] * 20}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fit(table, "y", out=folder)
    ...     columns, scores = predict(run, {"x": [1.5, 8.5]})
    >>> list(columns), columns["prediction"]
    (['prediction', 'probability_high', 'probability_low'], array(['low', 'high'], dtype='<U4'))
    """
    model = _model(run)
    if out is not None and not isinstance(data, str | Path):
        raise ValueError("out needs the name of a file for its data, whose rows are copied")
    table = read_like(data, texts_of(model))
    outputs = model.outputs(table)
    columns = {"prediction": model.choose(outputs)}
    if model.task.kind == "classes":
        for place, label in enumerate(model.task.classes):
            columns[f"probability_{label}"] = outputs[:, place]
    if out is not None and isinstance(data, str | Path):
        extend_table(data, out, columns)
    return columns, model.scores(table, outputs) if model.task.target in table else {}


def _model(run: Run | Model | Path | str) -> Model:
    if isinstance(run, Model):
        return run
    if isinstance(run, Run):
        return run.model()
    return load_model(run) if Path(run).is_file() else Run(run).model()
