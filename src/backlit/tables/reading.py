"""Read a table from a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from backlit.tables.arrow import read_arrow
from backlit.tables.columns import MISSING
from backlit.tables.delimited import read_delimited
from backlit.tables.formats import format_of
from backlit.tables.table import Table
from backlit.tables.wording import nearest


def read_table(
    path: Path | str,
    *,
    categories: Collection[str] = (),
    missing: Collection[str] = MISSING,
) -> Table:
    r"""Read a table from a file.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.tsv``, in UTF-8, with a header; ``.parquet`` or ``.feather``, which need
        pyarrow. Each also as ``.gz``.
    categories : collection of str, default ()
        Columns that are texts even if all their cells are numbers: codes, whose spelling
        (``007``) is kept. Of names that the file does not have, an error.
    missing : collection of str, default `MISSING`
        Texts that stand for no value. An empty cell always does.

    Returns
    -------
    Table
        In a text file, a column is of numbers if every cell that is not missing is one: as
        Python's ``float`` reads them, less underscores. Blanks around a cell are not part of it,
        and blank lines are no rows, in a file of one column too: there an empty cell is ``""``.

    Raises
    ------
    ValueError
        If there is no such file, it cannot be read, its name says no known format, it is damaged,
        is not UTF-8, has a row that is longer or shorter than the header, two columns of one name,
        or no rows. The message names the file and the line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from backlit.tables import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "people.csv")
    ...     _ = path.write_text("age,sex\n31,f\n?,m\n")
    ...     table = read_table(path)
    >>> table
    Table(2 rows; age: numbers and sex: texts)
    >>> table["age"].values
    array([31., nan])
    """
    path = Path(path)
    form = format_of(path)
    read = read_delimited if form.is_text else read_arrow
    columns = read(path, form, categories, missing)
    for name in categories:
        if name not in columns:
            raise ValueError(f"{path} has no column {name!r}{nearest(name, columns)}")
    return Table(columns, str(path))
