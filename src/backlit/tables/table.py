"""A table: columns of equal length, by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backlit.tables.columns import MISSING, Column, Numbers, column
from backlit.tables.wording import counted, different_lengths, listed, nearest


class HasItems(Protocol):
    """A mapping of names to arrays, or a data frame that can be read as one."""

    def items(self) -> Any:
        """Return pairs of a name and an array."""


class Table:
    """Columns of equal length, by name; see `read_table` and `Table.from_columns`.

    In errors, "row 1" is the first row below the header, and "line 1" the first line of the file.

    Parameters
    ----------
    columns : mapping of str to Numbers or Texts
    source : str, default "the table"
        What errors call it.
    row_numbers : array of int, shape (rows,), optional
        What errors call its rows; counted from 1 where they are not given.

    Raises
    ------
    ValueError
        If the columns are of different lengths.

    Examples
    --------
    >>> from backlit.tables import Table
    >>> table = Table.from_columns({"age": [31, None, 54], "sex": ["f", "m", "f"]})
    >>> len(table), table.names
    (3, ['age', 'sex'])
    >>> table.take([2])["age"].values
    array([54.])
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        source: str = "the table",
        row_numbers: NDArray[np.intp] | None = None,
    ) -> None:
        self.columns = dict(columns)
        self.source = source
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len({*lengths.values()}) > 1:
            raise ValueError(f"the columns of {source} are of {different_lengths(lengths)}")
        self._length = next(iter(lengths.values()), 0)
        self.row_numbers = np.arange(1, self._length + 1) if row_numbers is None else row_numbers

    @classmethod
    def from_columns(
        cls, columns: HasItems, missing: Collection[str] = MISSING, source: str = "the table"
    ) -> Table:
        """Make a table of arrays.

        Parameters
        ----------
        columns : mapping of str to array of shape (rows,), or pandas.DataFrame
            Of a polars data frame, its ``to_dict()``. See `column` for what becomes a number.
        missing : collection of str, default `MISSING`
            Texts that stand for no value.
        source : str, default "the table"
            What errors call it.

        Returns
        -------
        Table

        Raises
        ------
        ValueError
            If there are no names, or one twice; the columns are of different lengths; or one has
            more than one value in a row. The message names the column.
        """
        if not hasattr(columns, "items"):
            raise ValueError(
                f"a table is made of a mapping of names to columns, not of a "
                f"{type(columns).__name__}; of a polars data frame, give its to_dict()"
            )
        made: dict[str, Column] = {}
        for name, values in columns.items():
            if str(name) in made:
                raise ValueError(f"{source} has two columns named {str(name)!r}; rename one")
            try:
                made[str(name)] = column(values, missing)
            except ValueError as error:
                raise ValueError(f"column {str(name)!r} of {source}: {error}") from None
        return cls(made, source)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise ValueError(f"{self.source} has no column {name!r}{nearest(name, self.columns)}")
        return self.columns[name]

    def __repr__(self) -> str:
        kinds = [
            f"{name}: {'numbers' if isinstance(values, Numbers) else 'texts'}"
            for name, values in self.columns.items()
        ]
        return f"Table({counted(len(self), 'row')}; {listed(kinds)})"

    @property
    def names(self) -> list[str]:
        """The names of the columns, in their order."""
        return list(self.columns)

    def with_categories(self, names: Collection[str]) -> Table:
        """Return the table with columns declared to hold categories.

        Parameters
        ----------
        names : collection of str

        Returns
        -------
        Table

        Raises
        ------
        ValueError
            If there is no such column.
        """
        declared = {name: self[name].as_categories() for name in names}
        return Table({**self.columns, **declared}, self.source, self.row_numbers)

    def take(self, rows: Any) -> Table:
        """Return the table of some rows.

        Parameters
        ----------
        rows : array of int, or of bool
            Positions, or whether to take each row.

        Returns
        -------
        Table
            Errors still name the rows as the whole table does.
        """
        rows = np.arange(len(self))[rows]
        taken = {name: values.take(rows) for name, values in self.columns.items()}
        return Table(taken, self.source, self.row_numbers[rows])
