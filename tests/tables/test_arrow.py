"""Parquet and Feather: types of Arrow become numbers or texts, and stay as they are in the file."""

import datetime
import decimal
import gzip
import sys

import numpy as np
import pandas as pd
import pytest

from backlit.tables import Numbers, Texts, extend_table, read_table, write_table

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

SUFFIXES = ["parquet", "feather"]


def store(table, path):
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        feather.write_feather(table, path)


def load(path):
    return parquet.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)


def texts(column):
    assert isinstance(column, Texts)
    return [None if code < 0 else column.levels[code] for code in column.codes]


NUMBERS = {
    "integers with nulls": (pa.array([1, None], pa.int16()), [1, np.nan]),
    "floats": (pa.array([0.5, None], pa.float32()), [0.5, np.nan]),
    "decimals": (pa.array([decimal.Decimal("1.50"), None]), [1.5, np.nan]),
    "nulls": (pa.nulls(2), [np.nan, np.nan]),
}
TEXTS = {
    "texts": (pa.array(["x", None]), ["x", None]),
    "long texts": (pa.array(["x", "NA"], pa.large_string()), ["x", None]),
    "a dictionary": (pa.array(["x", None]).dictionary_encode(), ["x", None]),
    "truth values": (pa.array([True, None]), ["True", None]),
    "dates": (pa.array([datetime.date(2024, 2, 29), None]), ["2024-02-29", None]),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("given", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers(tmp_path, suffix, given, expected):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"x": given}), path)
    column = read_table(path)["x"]
    assert isinstance(column, Numbers)
    np.testing.assert_array_equal(column.values, expected)


def test_a_dictionary_of_integers_is_of_categories(tmp_path):
    path = tmp_path / "t.feather"  # Parquet does not keep it
    store(pa.table({"x": pa.array([70, 8]).dictionary_encode()}), path)
    column = read_table(path)["x"]
    assert texts(column) == ["70", "8"]
    assert column.declared


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("given", "expected"), TEXTS.values(), ids=TEXTS)
def test_texts(tmp_path, suffix, given, expected):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"x": given}), path)
    assert texts(read_table(path)["x"]) == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_can_be_declared_categories(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"zip": [10115, 10117], "name": ["x", "y"]}), path)
    table = read_table(path, categories=["zip", "name"])
    assert texts(table["zip"]) == ["10115", "10117"]
    assert table["zip"].declared
    assert table["name"].declared


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_index_of_a_data_frame_is_no_column(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    frame = pd.DataFrame({"x": [1, 2]}, index=[9, 4])
    store(pa.Table.from_pandas(frame), path)
    assert "__index_level_0__" in load(path).column_names
    assert read_table(path).names == ["x"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_compressed_file_is_read(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"x": [1, 2]}), path)
    packed = tmp_path / f"t.{suffix}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_table(packed)["x"].values.tolist() == [1, 2]


# ----- More columns ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_columns_leave_the_others_as_they_are(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    columns = {
        "i": pa.array([1, None], pa.int16()),
        "c": pa.array(["x", "y"]).dictionary_encode(),
        "t": pa.array([0, None], pa.timestamp("us", "UTC")),
        "l": pa.array([[1], [2, 3]]),
    }
    store(pa.table(columns), path)
    before = load(path)
    extend_table(path, path, {"p": np.float32([0.5, 1]), "q": ["yes", "no"]})
    after = load(path)
    assert after.column_names == ["i", "c", "t", "l", "p", "q"]
    assert after.select(before.column_names).equals(before)
    assert after["p"].type == pa.float32()
    assert after["q"].to_pylist() == ["yes", "no"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_pandas_finds_its_index_again(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"x": pd.Categorical(["a", "b"])}, index=pd.Index([9, 4], name="case"))
    frame.to_parquet(path)
    extend_table(path, path, {"p": [0.5, 1.0]})
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame.assign(p=[0.5, 1.0]))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"p": [1]}, r"t\.parquet has 2 rows, and the new columns 1$"),
        ({"x": [1, 2]}, r"t\.parquet has a column 'x' already; rename it$"),
        ({"p": np.array([1, "x"], object)}, r"^the columns for .*t\.parquet: "),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_change_nothing(tmp_path, columns, sentence):
    path = tmp_path / "t.parquet"
    store(pa.table({"x": [1, 2]}), path)
    old = path.read_bytes()
    with pytest.raises(ValueError, match=sentence):
        extend_table(path, path, columns)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


# ----- What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["nothing", "text", "half", "zeros"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, suffix, damage):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"x": list(range(1000)), "y": ["text"] * 1000}), path)
    whole = path.read_bytes()
    half = len(whole) // 2
    damaged = {
        "nothing": b"",
        "text": b"a,b\n1,2\n",
        "half": whole[:half],
        "zeros": whole[:8] + bytes(len(whole) - 16) + whole[-8:],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=rf"t\.{suffix} is damaged or no {suffix} file: ") as error:
        read_table(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_such_file(tmp_path, suffix):
    with pytest.raises(ValueError, match=rf"^there is no file .*t\.{suffix}$"):
        read_table(tmp_path / f"t.{suffix}")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[1], [2, 3]], "a cell is a number or a text, and one here is a ndarray"),
        ([{"a": 1}, {"a": 2}], "and one here is a dict"),
        ([b"x", b"y"], "and one here is a bytes"),
    ],
)
def test_cells_of_many_values_are_refused(tmp_path, values, sentence):
    path = tmp_path / "t.parquet"
    store(pa.table({"x": [1, 2], "y": values}), path)
    with pytest.raises(ValueError, match=rf"^column 'y' of .*t\.parquet: .*{sentence}"):
        read_table(path)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (pa.table({"x": pa.array([], pa.int64())}), "columns and no rows"),
        (pa.table({}), "no columns"),
        (pa.table([[1], [2]], names=["x", "x"]), "more than one column named 'x'; rename them"),
    ],
)
def test_tables_without_content_or_with_names_twice_are_refused(tmp_path, table, sentence):
    path = tmp_path / "t.feather"
    store(table, path)
    with pytest.raises(ValueError, match=rf"t\.feather has {sentence}$"):
        read_table(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_pyarrow_the_error_says_how_to_get_it(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"t.{suffix}"
    store(pa.table({"x": [1]}), path)
    for module in ("pyarrow", "pyarrow.parquet", "pyarrow.feather"):
        monkeypatch.setitem(sys.modules, module, None)
    sentence = r"needs pyarrow: pip install 'backlit\[arrow\]', or convert it to \.csv$"
    with pytest.raises(ValueError, match=sentence):
        read_table(path)
    with pytest.raises(ValueError, match=sentence):
        write_table(path, {"x": [1]})
