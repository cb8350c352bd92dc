"""Where tables come from: files, data frames, mappings of names to arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from backlit.runs.folder import Run
from backlit.runs.model import Model
from backlit.tables.columns import Numbers, Texts
from backlit.tables.preparation import CategoryColumn
from backlit.tables.reading import read_table
from backlit.tables.table import Table

Source: TypeAlias = Table | Mapping[str, Any] | Path | str
"""A table, a mapping of names to arrays, a pandas data frame, or a file."""


def as_run(run: Run | Path | str) -> Run:
    """Return a run that may be named by its folder."""
    return run if isinstance(run, Run) else Run(run)


def file_of(source: Source) -> str | None:
    """Return the whole path of a file, or None for a source of another kind."""
    return str(Path(source).resolve()) if isinstance(source, str | Path) else None


def read(source: Source, categories: Collection[str] = (), name: str = "the table") -> Table:
    """Return a source as a table.

    Parameters
    ----------
    source : Source
    categories : collection of str
        Columns that hold categories, even if they look like numbers.
    name : str
        What errors call it, if it is no file.
    """
    if isinstance(source, str | Path):
        return read_table(source, categories=categories)
    table = source if isinstance(source, Table) else Table.from_columns(source, source=name)
    return table.with_categories(categories)


def read_like(source: Source, categories: Collection[str], name: str = "the table") -> Table:
    """Return a source as a table, whose columns are read as they were elsewhere.

    A column of codes may hold 007 and A1 in one file, and in another numbers only: to read those
    as numbers would lose their spelling.

    Parameters
    ----------
    source : Source
    categories : collection of str
        Columns that held texts elsewhere; those that are not here are passed over.
    name : str
        What errors call it, if it is no file.
    """
    table = read(source, (), name)
    misread = [column for column in categories if isinstance(table.columns.get(column), Numbers)]
    return read(source, misread, name) if misread else table


def texts_of(known: Table | Model) -> list[str]:
    """Return the names of the columns that held texts, for `read_like`."""
    if isinstance(known, Table):
        return [name for name in known if isinstance(known[name], Texts)]
    columns = [c.name for c in known.preparation.columns if isinstance(c, CategoryColumn)]
    if any(isinstance(label, str) for label in known.task.classes):
        columns.append(known.task.target)
    return columns
