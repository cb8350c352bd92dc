"""From columns to inputs: closed forms, gaps and levels that training never met, and JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from backlit.tables import Preparation, Table
from backlit.tables.preparation import MOST_LEVELS, CategoryColumn, NumberColumn

rng = np.random.default_rng(0)


def prepare(columns, training=None):
    table = Table.from_columns(columns)
    preparation, sentences = Preparation.fit(table, table.names, training)
    return preparation, sentences, table


# ----- Numbers -----------------------------------------------------------------------------------


def test_numbers_are_standardised_as_scikit_learn_does():
    values = rng.normal(5, 3, (50, 2)) * [1, 1000]
    preparation, _, table = prepare({"a": values[:, 0], "b": values[:, 1]})
    expected = StandardScaler().fit_transform(values)
    assert np.allclose(preparation.apply(table, float), expected, rtol=1e-12)


def test_missing_numbers_take_the_mean_and_are_indicated():
    values = np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40))
    preparation, _, table = prepare({"a": values})
    x = preparation.apply(table, float)
    imputer = SimpleImputer(add_indicator=True)
    filled = imputer.fit_transform(values[:, np.newaxis])
    present = values[~np.isnan(values)]
    assert preparation.inputs == ["a", "a is missing"]
    assert np.allclose(x[:, 0], (filled[:, 0] - present.mean()) / present.std(), atol=1e-12)
    assert np.array_equal(x[:, 1], filled[:, 1])


def test_a_number_that_is_missing_only_later_takes_the_mean():
    preparation, _, _ = prepare({"a": [1.0, 3.0]})
    later = Table.from_columns({"a": [None, 3.0]})
    assert preparation.apply(later).tolist() == [[0.0], [1.0]]


def test_only_the_training_rows_are_fitted_on():
    preparation, _, _ = prepare({"a": [1.0, 3.0, 1e6], "b": ["x", "y", "z"]}, training=[0, 1])
    number, category = preparation.columns
    assert (number.mean, number.scale) == (2.0, 1.0)
    assert category.levels == ("x", "y")


def test_huge_and_tiny_numbers_are_standardised_without_overflow():
    for unit in (1e300, 1e-300):
        preparation, _, table = prepare({"a": np.array([1.0, 2.0, 3.0]) * unit})
        assert np.allclose(preparation.apply(table)[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_inputs_have_mean_0_and_deviation_1_or_the_column_is_left_out(values):
    if len(set(values)) == 1:
        with pytest.raises(ValueError, match="no column to predict from"):
            prepare({"a": values})
        return
    preparation, _, table = prepare({"a": values})
    x = preparation.apply(table, float)
    assert abs(x.mean()) < 1e-6
    # Of numbers that differ in their last digits only, few digits of a difference are left.
    assert x.std() == pytest.approx(1, abs=1e-6) or np.ptp(values) < 1e-6 * np.max(np.abs(values))


# ----- Categories --------------------------------------------------------------------------------


def test_categories_are_one_hot_as_scikit_learn_does():
    colours = rng.choice(["red", "green", "blue"], 30)
    preparation, _, table = prepare({"c": colours})
    expected = OneHotEncoder(sparse_output=False).fit_transform(colours[:, np.newaxis])
    assert preparation.inputs == ["c = blue", "c = green", "c = red"]
    assert np.array_equal(preparation.apply(table), expected)


def test_missing_and_unknown_levels():
    preparation, _, _ = prepare({"c": ["red", None, "blue", "red"]})
    assert preparation.inputs == ["c = blue", "c = red", "c is missing"]
    later = Table.from_columns({"c": ["blue", None, "lilac"]})
    assert preparation.apply(later).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    without, _, _ = prepare({"c": ["red", "blue", "red"]})
    assert without.apply(later).tolist() == [[1, 0], [0, 0], [0, 0]]


def test_levels_beyond_the_commonest_share_an_input():
    names = [f"n{i:03}" for i in range(MOST_LEVELS + 50)]
    column = [*names, *names[50:]]  # the first 50 are rarest
    preparation, _, table = prepare({"c": column})
    (prepared,) = preparation.columns
    assert prepared.levels == tuple(names[50:])
    assert prepared.other
    x = preparation.apply(table)
    assert np.array_equal(x.sum(axis=1), np.ones(len(column)))
    assert np.array_equal(np.flatnonzero(x[:, -1]), np.arange(50))
    unknown = Table.from_columns({"c": ["nobody"]})
    assert preparation.apply(unknown)[0, -1] == 1


def test_numbers_can_be_levels_in_a_later_table():
    preparation, _, _ = prepare({"c": ["1", "2", "x", "2"]})
    later = Table.from_columns({"c": [2, 1]})
    assert preparation.apply(later).tolist() == [[0, 1, 0], [1, 0, 0]]


# ----- What is left out, and what shares a scale -------------------------------------------------


def test_columns_of_no_use_are_left_out_and_named():
    preparation, sentences, _ = prepare({
        "age": [1, 2, 3, 4], "same": [7, 7, 7, 7], "alike": list("aaaa"), "name": list("abcd"),
    })  # fmt: skip
    assert preparation.names == ["age"]
    assert sentences == (
        "Left out: 'same' and 'alike' (all rows alike), 'name' (each row another).",
    )


def test_a_nameless_column_that_counts_the_rows_is_left_out():
    counter = {"column 1": range(30), "Unnamed: 0": range(1, 31), "x": range(30)}
    preparation, sentences, _ = prepare(counter)
    assert preparation.names == ["x"]
    assert sentences == ("Left out: 'column 1' and 'Unnamed: 0' (each row another).",)


def test_texts_that_people_read_as_numbers_are_pointed_out():
    columns = {"price": ["1,234", "999", "1,234", "5.5"], "size": ["5 %", "7 %", "5 %", "5 %"],
               "code": ["A1", "12", "A1", "12"], "x": [1, 2, 3, 4]}  # fmt: skip
    _, sentences, _ = prepare(columns)
    assert sentences == (
        "Column 'price' holds categories; if '1,234' is a number in it, write it as Python does.",
        "Column 'size' holds categories; if '5 %' is a number in it, write it as Python does.",
    )


def test_a_column_of_unique_texts_and_gaps_tells_where_it_has_one():
    cabins = [None if row % 2 else f"cabin {row}" for row in range(20)]
    preparation, sentences, table = prepare({"cabin": cabins})
    assert preparation.inputs == ["cabin is missing", "cabin is another"]
    assert sentences == ()
    assert preparation.apply(table)[:, 0].tolist() == [row % 2 for row in range(20)]


def test_an_empty_column_without_a_name_is_left_out():
    preparation, sentences, _ = prepare({"x": [1, 2, 3], "column 2": [None, None, None]})
    assert preparation.names == ["x"]
    assert sentences == ("Left out: 'column 2' (all rows alike).",)


def test_a_gap_is_a_difference():
    preparation, _, table = prepare({"a": [7.0, None, 7.0], "b": ["x", "x", None]})
    assert preparation.inputs == ["a", "a is missing", "b = x", "b is missing"]
    assert preparation.apply(table).tolist() == [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_pixels_share_the_root_of_their_mean_variance():
    pixels = rng.integers(0, 256, (60, 20))
    pixels[:30] = 255
    pixels[30:, :5] //= 10
    preparation, sentences, _ = prepare({f"p{i}": pixels[:, i] for i in range(20)})
    scale = np.sqrt(np.mean(pixels.var(axis=0)))
    assert [column.scale for column in preparation.columns] == [pytest.approx(scale)] * 20
    assert [column.mean for column in preparation.columns] == pytest.approx(pixels.mean(axis=0))
    assert sentences == (
        "20 columns hold whole numbers of one range, as pixels do, and share one scale.",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels[:, :15],  # too few
        lambda pixels: pixels + 0.5,  # not whole
        lambda pixels: pixels - 1,  # below 0
        lambda pixels: pixels * np.arange(1, 21),  # of different ranges
    ],
)
def test_other_columns_have_a_scale_each(change):
    pixels = rng.integers(0, 256, (60, 20)).astype(float)
    pixels[:2], pixels[2] = 255, 0
    pixels = change(pixels)
    preparation, _, _ = prepare({f"p{i}": column for i, column in enumerate(pixels.T)})
    assert [c.scale for c in preparation.columns] == pytest.approx(pixels.std(axis=0))


# ----- Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, np.inf, 2.0]}, "column 'a' of the table holds infinite values in row 2"),
        ({"a": [None, None]}, "all values of column 'a' are missing in the table; leave"),
        ({"a": [1, 1]}, "the table has no column to predict from. Left out: 'a'"),
        (
            {"a": [*range(50), "?!", "x", "x"]},
            r"'a' of the table holds numbers, but text in 3 cells: '\?!' in row 51 and 'x' in rows",
        ),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        prepare(columns)


def test_a_slip_in_a_row_that_is_held_out_is_refused_too():
    with pytest.raises(ValueError, match="text in 1 cell: 'x' in row 51"):
        prepare({"a": [*range(50), "x"]}, training=range(40))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"c": ["x"]}, "the table lacks the column 'age'"),
        ({}, "the table lacks the columns 'age', 'c'"),
        ({"Age": [1], "c": ["x"]}, "lacks the column 'age'; did you mean 'Age'"),
        ({"age": ["old", "1", "2"], "c": list("xyx")}, "'age' .* text, such as 'old', in row 1"),
        ({"age": [1, np.inf], "c": list("xy")}, "'age' .* holds infinite values in row 2"),
        ({"age": [1, 1e300], "c": list("xy")}, "'age' .* holds 1e.300 in row 2, too far from what"),
    ],
)  # fmt: skip
def test_rows_that_the_model_cannot_take_are_refused(columns, message):
    preparation, _, _ = prepare({"age": [1, 2, 3], "c": ["x", "y", "x"]})
    with pytest.raises(ValueError, match=message):
        preparation.apply(Table.from_columns(columns))


# ----- JSON --------------------------------------------------------------------------------------

MADE = Preparation((
    NumberColumn("age", 0.1 + 0.2, 1 / 3, True),
    CategoryColumn("job", ("cook", "ä, \"b\""), False, True),
))  # fmt: skip


def test_json_is_exact():
    assert Preparation.from_json(json.loads(json.dumps(MADE.to_json()))) == MADE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: [], "not a list of columns"),
        (lambda d: {}, "not a list of columns"),
        (lambda d: d[:1] * 2, "a column twice"),
        (lambda d: [{**d[0], "kind": "date"}], "neither of numbers nor of categories"),
        (lambda d: [{**d[0], "scale": 0.0}], "the scale of column 'age' is not a positive"),
        (lambda d: [{**d[0], "scale": 1}], "the scale of a column of the preparation is 1"),
        (lambda d: [{**d[0], "more": 1}], "has not just name, mean, scale, indicator"),
        (lambda d: [{**d[1], "levels": ["a", "a"]}], "the levels of column 'job' are not texts"),
        (lambda d: [{**d[1], "levels": [1]}], "the levels of column 'job' are not texts"),
    ],
)
def test_damaged_json_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Preparation.from_json(change(MADE.to_json()))
