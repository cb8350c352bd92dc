"""Columns of text files become numbers or texts, whatever comes first."""

import numpy as np
import pytest

from backlit.tables import Numbers, Texts, delimited, read_table


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, **options):
        path = tmp_path / "t.csv"
        path.write_text(content)
        return read_table(path, **options)

    return write_and_read


@pytest.fixture(params=[2**18, 4])
def few_cells_at_once(request, monkeypatch):
    monkeypatch.setattr(delimited, "CELLS_AT_ONCE", request.param)


def texts(column):
    assert isinstance(column, Texts)
    return [None if code < 0 else column.levels[code] for code in column.codes]


pytestmark = pytest.mark.usefixtures("few_cells_at_once")


def test_numbers_are_what_float_reads(read):
    cells = ["1", "-2.5", "1e3", " 7 ", "+.5", "1E-400", "inf", "0.1", "007"]
    column = read("a,b\n" + "".join(f"{cell},0\n" for cell in cells))["a"]
    assert isinstance(column, Numbers)
    assert column.values.dtype == np.float64
    assert column.values.tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize("name", ["1_000", "0x10", "1,5", "12 kg"])
def test_other_spellings_are_texts(read, name):
    assert texts(read(f'a,b\n1,0\n"{name}",0\n')["a"]) == ["1", name]


@pytest.mark.parametrize("cell", ["", "?", "NA", " N/A ", "n/a", "#N/A", "NaN", "nan", "null"])
def test_what_stands_for_no_value_is_missing_among_numbers_and_texts(read, cell):
    table = read(f"a,b\n1,x\n{cell},{cell}\n3,y\n")
    assert table["a"].missing.tolist() == table["b"].missing.tolist() == [False, True, False]
    assert table["b"].levels == ("x", "y")


@pytest.mark.parametrize("cell", ["None", "-", "none", "N"])
def test_what_may_be_a_name_is_not_missing(read, cell):
    assert cell in texts(read(f"a,b\n{cell},1\nx,2\n")["a"])


def test_the_spelling_of_numbers_before_the_first_text_is_kept(read):
    rows = "".join(f"{number:03},0\n" for number in range(10))
    column = read(f"a,b\n{rows}?,0\nx,0\n")["a"]
    assert texts(column) == [*(f"{number:03}" for number in range(10)), None, "x"]


def test_declared_categories_keep_their_spelling(read):
    table = read("zip,n\n01234,1\n99999,2\n", categories=["zip"])
    assert texts(table["zip"]) == ["01234", "99999"]
    assert table["zip"].declared
    assert isinstance(table["n"], Numbers)


def test_a_number_can_stand_for_no_value(read):
    table = read("a,b\n1,x\n-999,-999\n3,y\n", missing=["-999"])
    np.testing.assert_array_equal(table["a"].values, [1, np.nan, 3])
    assert texts(table["b"]) == ["x", None, "y"]


def test_an_empty_cell_is_missing_whatever_else_is(read):
    table = read("a,b\n1,x\n,\n3,y\n", missing=["-999"])
    np.testing.assert_array_equal(table["a"].values, [1, np.nan, 3])
    assert texts(table["b"]) == ["x", None, "y"]


def test_what_is_not_said_to_be_missing_is_a_text(read):
    assert texts(read("a,b\n?,1\nx,2\n", missing=["NA"])["a"]) == ["?", "x"]


def test_a_column_without_values_is_one_of_numbers(read):
    assert np.isnan(read("a,b\n,1\nNA,2\n")["a"].values).all()


def test_a_category_that_is_no_column_is_refused_with_its_neighbours(read):
    with pytest.raises(ValueError, match=r"t\.csv has no column 'Sexx'; did you mean 'sex'\?$"):
        read("sex,age\nf,1\n", categories=["Sexx"])


def test_rows_of_errors_and_of_the_file_agree(read):
    assert read("a,b\n1,2\n\n3,4\n").row_numbers.tolist() == [1, 2]
