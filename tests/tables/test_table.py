"""A table is columns of one length, by name."""

import numpy as np
import pandas as pd
import pytest

from backlit.tables import Numbers, Table, Texts


@pytest.fixture
def table():
    return Table.from_columns({"age": [31, None, 54], "sex": ["f", "m", "f"]}, source="people")


def test_a_pandas_data_frame_is_a_table():
    frame = pd.DataFrame({"n": [1, 2], "t": ["x", None], 3: [True, False]}, index=[7, 9])
    table = Table.from_columns(frame)
    assert table.names == ["n", "t", "3"]
    assert isinstance(table["n"], Numbers)
    assert isinstance(table["t"], Texts)
    assert table.row_numbers.tolist() == [1, 2]


def test_any_mapping_of_names_to_series_is_a_table():
    class Series:  # as polars has them
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return np.array(self.values, dtype)

    table = Table.from_columns({"n": Series([1.5, None]), "t": Series(["x", "y"])})
    assert np.isnan(table["n"].values[1])
    assert table["t"].levels == ("x", "y")


@pytest.mark.parametrize("given", [np.zeros((2, 2)), [[1, 2]]])
def test_what_has_no_names_is_refused(given):
    with pytest.raises(ValueError, match=r"^a table is made of a mapping .* not of a (nd|li)"):
        Table.from_columns(given)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"of different lengths: 'a' has 1 row, and 'c' has 2$"):
        Table.from_columns({"a": [1], "b": [1], "c": [1, 2], "d": [1]})


def test_a_name_stands_once():
    frame = pd.DataFrame([[1, 2]], columns=["1", 1])
    with pytest.raises(ValueError, match="the table has two columns named '1'; rename one"):
        Table.from_columns(frame)


def test_a_column_that_is_not_there_is_refused_with_its_neighbours(table):
    with pytest.raises(ValueError, match=r"^people has no column 'Agee'; did you mean 'age'\?$"):
        table["Agee"]
    with pytest.raises(ValueError, match=r"no column 'zip'; there are 'age' and 'sex'$"):
        table["zip"]


def test_rows_can_be_taken_by_place_or_by_mask(table):
    for rows in ([2, 0], np.array([2, 0])):
        taken = table.take(rows)
        assert taken["age"].values.tolist() == [54, 31]
        assert taken.row_numbers.tolist() == [3, 1]
    mask = table.take(table["age"].missing)
    assert (len(mask), mask.row_numbers.tolist()) == (1, [2])
    assert len(table.take([])) == 0


def test_a_table_tells_its_names(table):
    assert list(table) == table.names == ["age", "sex"]
    assert "age" in table
    assert "zip" not in table
    assert repr(table) == "Table(3 rows; age: numbers and sex: texts)"
    wide = Table.from_columns({f"x{place}": [0.0] for place in range(785)})
    assert repr(wide) == "Table(1 row; x0: numbers, x1: numbers, x2: numbers and 782 more)"
