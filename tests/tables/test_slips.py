"""Text among numbers and infinite numbers are refused, with their rows."""

import pytest

from backlit.tables import Table, read_table
from backlit.tables.slips import check_finite, check_slips


def table(cells):
    return Table.from_columns({"x": [str(cell) for cell in cells]}, source="t.csv")


def test_text_in_three_cells_of_a_number_column_is_refused_with_its_rows():
    cells = [*range(40)]
    cells[4], cells[8], cells[30] = "1O", "12 kg", "1O"
    with pytest.raises(ValueError, match=r"^column 'x'") as error:
        check_slips(table(cells), "x")
    assert str(error.value) == (
        "column 'x' of t.csv holds numbers, but text in 3 cells: '12 kg' in row 9 and '1O' in rows "
        "5 and 31; correct or empty the cells, or declare the column as categories"
    )


def test_rows_are_named_as_the_whole_table_counts_them():
    cells = [*range(40), "x"]
    part = table(cells).take(range(20, 41))
    with pytest.raises(ValueError, match="text in 1 cell: 'x' in row 41;"):
        check_slips(part, "x")


def test_many_rows_of_one_slip_are_counted():
    with pytest.raises(ValueError, match="'unknown' in rows 26, 27, 28 and 12 more;"):
        check_slips(table([*range(25), *["unknown"] * 15]), "x")


NO_SLIPS = {
    "texts": ["a", "b", "c"] * 10,
    "numbers as texts": [*range(30)],
    "grades": ["2", "3", "4", "5more"] * 10,
    "codes": [*range(100), *(f"V{number}" for number in range(11))],
    "half and half": [*range(19), *["-"] * 19],
    "mostly text": [*range(30), *["none"] * 31],
    "nothing": ["", "NA"],
}


@pytest.mark.parametrize("cells", NO_SLIPS.values(), ids=NO_SLIPS)
def test_names_that_are_numbers_are_no_slips(cells):
    check_slips(table(cells), "x")


def test_declared_categories_may_hold_both(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{number},0\n" for number in range(30)) + "x,0\n")
    check_slips(read_table(path, categories=["x"]), "x")
    with pytest.raises(ValueError, match="'x' in row 31"):
        check_slips(read_table(path), "x")


def test_infinite_values_are_refused_with_their_rows():
    numbers = Table.from_columns({"x": [1.0, float("inf"), None, -float("inf")]}, source="t.csv")
    with pytest.raises(ValueError, match=r"^column 'x'") as error:
        check_finite(numbers, "x")
    assert str(error.value) == (
        "column 'x' of t.csv holds infinite values in rows 2 and 4; correct or empty the cells"
    )
    check_finite(numbers.take([0, 2]), "x")
    check_finite(table(["inf"]), "x")
