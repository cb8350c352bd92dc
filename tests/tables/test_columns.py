"""What Python, NumPy and pandas hold becomes numbers or texts."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from backlit.tables import Numbers, Table, Texts
from backlit.tables.columns import column, number_text, parse_number


def texts(made):
    assert isinstance(made, Texts)
    return [None if code < 0 else made.levels[code] for code in made.codes]


NUMBERS = {
    "integers": ([3, -1], [3, -1]),
    "floats of half size": (np.float32([0.1, 2]), [np.float32(0.1), 2]),
    "unsigned": (np.uint8([255, 0]), [255, 0]),
    "objects with None": ([1, None, 2.5], [1, np.nan, 2.5]),
    "decimals": ([Decimal("1.5"), None], [1.5, np.nan]),
    "fractions": ([Fraction(1, 4), 1], [0.25, 1]),
    "masked": (np.ma.MaskedArray([1, 2], [False, True]), [1, np.nan]),
    "pandas": (pd.Series([1.5, np.nan]), [1.5, np.nan]),
    "nullable integers": (pd.Series([1, None], dtype="Int64"), [1, np.nan]),
    "nullable floats": (pd.Series([0.5, pd.NA], dtype="Float64"), [0.5, np.nan]),
    "Arrow in pandas": (pd.Series([1, None], dtype="int64[pyarrow]"), [1, np.nan]),
    "integers beyond floats": ([10**400, -(10**400), 1], [np.inf, -np.inf, 1]),
    "nothing but None": ([None, None], [np.nan, np.nan]),
}


@pytest.mark.parametrize(("given", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers(given, expected):
    made = column(given)
    assert isinstance(made, Numbers)
    assert made.values.dtype == np.float64
    np.testing.assert_array_equal(made.values, np.array(expected, np.float64))
    np.testing.assert_array_equal(made.missing, np.isnan(expected))


TEXTS = {
    "texts": (["b", "a", "b"], ["b", "a", "b"]),
    "texts with blanks": ([" a", "a ", "\t"], ["a", "a", None]),
    "missing markers": (["NA", "?", "x"], [None, None, "x"]),
    "objects with None": (np.array(["x", None, float("nan")], object), ["x", None, None]),
    "NumPy's texts as objects": (np.array([np.str_("x"), None], object), ["x", None]),
    "NumPy's own strings": (np.array(["x", "y"], np.dtypes.StringDType()), ["x", "y"]),
    "numbers as texts": (["1", "02"], ["1", "02"]),
    "truth values": ([True, False], ["True", "False"]),
    "truth values and None": (np.array([True, None], object), ["True", None]),
    "dates": (np.array(["2024-02-29", "NaT"], "M8[D]"), ["2024-02-29", None]),
    "Python's dates": ([date(2024, 2, 29), None], ["2024-02-29", None]),
    "durations": (np.array([90, "NaT"], "m8[s]"), ["90 seconds", None]),
    "pandas' texts": (pd.Series(["x", None]), ["x", None]),
    "pandas' strings": (pd.Series(["x", pd.NA], dtype="string"), ["x", None]),
    "pandas' categories": (pd.Series(["x", None, "y"], dtype="category"), ["x", None, "y"]),
    "categories that are numbers": (pd.Series([30, 4], dtype="category"), ["30", "4"]),
    "pandas' truth values": (pd.Series([True, pd.NA], dtype="boolean"), ["True", None]),
    "pandas' times": (
        pd.Series([pd.Timestamp("2024-02-29", tz="UTC"), pd.NaT]),
        ["2024-02-29 00:00:00+00:00", None],
    ),
}


@pytest.mark.parametrize(("given", "expected"), TEXTS.values(), ids=TEXTS)
def test_texts(given, expected):
    made = column(given)
    assert texts(made) == expected
    assert made.levels == tuple(sorted({*expected} - {None}))


REFUSED = {
    "two dimensions": (np.zeros((2, 3)), r"not the shape \(2, 3\)"),
    "none": (5, r"not the shape \(\)"),
    "lists of one length": ([[1, 2], [3, 4]], r"not the shape \(2, 2\)"),
    "lists of two lengths": ([[1], [2, 3]], "one value for each row, not lists of them"),
    "a list in a cell": (np.array([[1], None], object), "a number or a text, and one here is a li"),
    "bytes": ([b"x"], "a number or a text, and one here is a bytes"),
    "records": (np.array([(1, 2)], "i4,i4"), "and one here is a tuple"),
    "complex numbers": (np.array([1j]), "and one here is a complex"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_column_is_refused_by_name(given, sentence):
    with pytest.raises(ValueError, match=rf"^column 'x' of my table: .*{sentence}"):
        Table.from_columns({"x": given}, source="my table")


def test_markers_of_texts_can_be_chosen():
    assert texts(column(["-", "NA"], missing=["-"])) == [None, "NA"]


@pytest.mark.parametrize(
    ("number", "text"), [(1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (2.0**70, "1180591620717411303424")]
)
def test_numbers_as_texts_are_whole_or_shortest(number, text):
    assert number_text(number) == text


def test_numbers_become_texts():
    made = Numbers(np.array([2.0, np.nan, 0.5, 2.0])).to_texts()
    assert texts(made) == ["2", None, "0.5", "2"]


@pytest.mark.parametrize(("text", "number"), [(" 1e3 ", 1000.0), ("1_0", None), ("x", None)])
def test_parse_number(text, number):
    assert parse_number(text) == number


def test_codes_of_levels_that_are_one_without_blanks_are_joined():
    made = Texts.encoded(np.array([0, 1, 2, -1], np.int32), ["b ", "b", "NA"])
    assert (made.levels, made.codes.tolist()) == (("b",), [0, 0, -1, -1])


def test_counts_are_of_the_rows_taken():
    made = column(["a", "b", "", "b"]).take(np.array([1, 2, 3]))
    assert made.levels == ("a", "b")
    assert made.counts().tolist() == [0, 2]
