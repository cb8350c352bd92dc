"""Parquet and Feather, by pyarrow, which is imported when such a file is read or written."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from backlit.tables.columns import Column, column
from backlit.tables.formats import Format, opened
from backlit.tables.wording import listed

INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")  # it labels the rows of a data frame


def read_arrow(
    path: Path, form: Format, categories: Collection[str], missing: Collection[str]
) -> dict[str, Column]:
    """Read the columns of a file; see `read_table`. The index of a pandas data frame is none."""
    table = load(path, form)
    names = [name for name in table.column_names if not INDEX_OF_PANDAS.fullmatch(name)]
    if not names:
        raise ValueError(f"{path} has no columns")
    if not table.num_rows:
        raise ValueError(f"{path} has columns and no rows")
    types = import_module("pyarrow.types")
    made: dict[str, Column] = {}
    for name in names:
        with _explained(f"column {name!r} of {path}"):
            made[name] = column(_array(table[name]), missing)
        if name in categories or types.is_dictionary(table[name].type):
            made[name] = made[name].as_categories()
    return made


def load(path: Path, form: Format) -> Any:
    """Return the file as a ``pyarrow.Table``.

    Raises
    ------
    ValueError
        If it cannot be read, is damaged, or has two columns of one name.
    """
    read = _import("pyarrow.parquet" if form.name == "parquet" else "pyarrow.feather", path)
    with opened(path, form) as file, _explained(f"{path} is damaged or no {form.name} file"):
        # pyarrow looks at the end first, which a compressed file cannot be asked for.
        table = read.read_table(io.BytesIO(file.read()) if form.compressed else file)
    names = table.column_names
    if len({*names}) < len(names):
        twice = sorted({repr(name) for name in names if names.count(name) > 1})
        raise ValueError(f"{path} has more than one column named {listed(twice)}; rename them")
    return table


def store(table: Any, file: IO[bytes], form: Format) -> None:
    """Write a ``pyarrow.Table``."""
    if form.name == "parquet":
        import_module("pyarrow.parquet").write_table(table, file)
    else:
        import_module("pyarrow.feather").write_feather(table, file)


def table_of(columns: Mapping[str, NDArray[Any]], path: Path) -> Any:
    """Return arrays as a ``pyarrow.Table``."""
    arrow = _import("pyarrow", path)
    with _explained(f"the columns for {path}"):
        return arrow.table(columns)


def _array(values: Any) -> NDArray[Any]:
    """Return a column of Arrow as an array.

    Integers with nulls become floats, and null NaN; texts, truth values and decimals objects.
    """
    if import_module("pyarrow.types").is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.to_numpy(zero_copy_only=False)


@contextmanager
def _explained(place: str) -> Iterator[None]:
    arrow = import_module("pyarrow")
    try:
        yield
    # pyarrow tells of a damaged file by an OSError without a number, which a disk's has.
    except (ValueError, OSError, arrow.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise ValueError(f"{place}: {_first_sentence(error)}") from None


def _first_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _import(module: str, path: Path) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(
            f"{path} needs pyarrow: pip install 'backlit[arrow]', or convert it to .csv"
        ) from None
