"""Parquet and Feather, by pyarrow, which is imported when such a file is read or written."""

from __future__ import annotations

import io
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from backlit.tables.columns import Column, Texts, column
from backlit.tables.formats import Format, explained, open_bytes
from backlit.tables.wording import listed


def read_arrow(
    path: Path, form: Format, categories: Collection[str], missing: Collection[str]
) -> dict[str, Column]:
    """Read the columns of a file; see `read_table`."""
    table = load(path, form)
    twice = sorted(
        {repr(name) for name in table.column_names if table.column_names.count(name) > 1}
    )
    if twice:
        raise ValueError(f"{path} has more than one column named {listed(twice)}; rename them")
    if not table.column_names:
        raise ValueError(f"{path} is empty")
    if not table.num_rows:
        raise ValueError(f"{path} has a header and no rows")
    made: dict[str, Column] = {}
    for name in table.column_names:
        read = column(_array(table[name], f"{path}, column {name!r}"), missing)
        if name in categories:
            texts = read if isinstance(read, Texts) else read.to_texts()
            read = Texts(texts.codes, texts.levels, declared=True)
        made[name] = read
    return made


def load(path: Path, form: Format) -> Any:
    """Return the file as a ``pyarrow.Table``."""
    arrow = _import("pyarrow", path)
    try:
        with explained(path), open_bytes(path, form.compressed) as file:
            source = io.BytesIO(file.read()) if form.compressed else file
            if form.name == "parquet":
                return _import("pyarrow.parquet", path).read_table(source)
            return _import("pyarrow.feather", path).read_table(source)
    except arrow.ArrowException as error:
        raise ValueError(f"{path} is damaged or no {form.name} file: {error}") from None


def store(table: Any, file: IO[bytes], form: Format) -> None:
    """Write a ``pyarrow.Table``."""
    if form.name == "parquet":
        import_module("pyarrow.parquet").write_table(table, file)
    else:
        import_module("pyarrow.feather").write_feather(table, file)


def table_of(columns: dict[str, Any], path: Path) -> Any:
    """Return arrays as a ``pyarrow.Table``."""
    return _import("pyarrow", path).table(columns)


def _array(values: Any, place: str) -> np.ndarray:
    types = import_module("pyarrow.types")
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_nested(values.type) or types.is_binary(values.type):
        raise ValueError(
            f"{place} holds {values.type}, and a cell is a number or a text; remove it"
        )
    # Integers with nulls become floats, and null NaN; texts, truth values and decimals objects.
    return values.to_numpy(zero_copy_only=False)


def _import(module: str, path: Path) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(
            f"{path} needs pyarrow: pip install 'backlit[arrow]', or convert it to .csv"
        ) from None
