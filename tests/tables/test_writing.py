"""What is written reads back the same, and a file is there whole or not at all."""

import csv
import gzip
import os
import stat
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backlit.tables import MISSING, extend_table, read_table, write_table

FORMATS = ["csv", "tsv", "csv.gz", "tsv.gz", "parquet", "feather", "parquet.gz", "feather.gz"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


# ----- Round trips -------------------------------------------------------------------------------

floats = st.sampled_from([np.float64, np.float32, np.float16]).flatmap(
    lambda dtype: arrays(dtype, st.integers(1, 20))
)
# Neither missing markers nor blanks around, which are no part of a cell; and what UTF-8 can hold.
a_text = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    .map(str.strip)
    .filter(lambda text: text not in MISSING)
)


@pytest.mark.parametrize("suffix", FORMATS[:4])
@settings(deadline=None)  # every example waits for the disk
@given(values=floats)
def test_numbers_come_back_to_the_bit(folder, suffix, values):
    path = folder / f"numbers.{suffix}"
    write_table(path, {"x": values})
    back = read_table(path)["x"].values
    np.testing.assert_array_equal(back.astype(values.dtype), values)
    present = ~np.isnan(values)
    assert np.array_equal(np.signbit(back[present]), np.signbit(values[present]))


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@settings(deadline=None)  # every example waits for the disk
@given(texts=st.lists(a_text, min_size=1), numbered=st.booleans())
def test_texts_come_back(folder, suffix, texts, numbered):
    path = folder / f"texts.{suffix}"
    columns = {"text": texts, "number": range(len(texts))}
    write_table(path, columns if numbered else {"text": texts})
    column = read_table(path, categories=["text"], missing=())["text"]
    assert [column.levels[code] for code in column.codes] == texts


@settings(deadline=None)  # every example waits for the disk
@given(texts=st.lists(a_text, min_size=1))
def test_python_reads_the_texts_too(folder, texts):
    path = folder / "texts.csv"
    write_table(path, {"text": texts, "more, or less": texts})
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["text", "more, or less"], *([text, text] for text in texts)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_back_what_is_missing(folder, suffix):
    path = folder / f"missing.{suffix}"
    write_table(
        path,
        {
            "f": [1.5, np.nan],
            "i": np.int64([2**53, -1]),
            "t": np.array(["x", None], object),
            "d": np.array(["2024-02-29", "NaT"], "M8[s]"),
            "b": [True, False],
        },
    )
    table = read_table(path)
    np.testing.assert_array_equal(table["f"].values, [1.5, np.nan])
    assert table["i"].values.tolist() == [2**53, -1]
    assert [(table[name].levels, table[name].codes.tolist()) for name in "tb"] == [
        (("x",), [0, -1]),
        (("False", "True"), [1, 0]),
    ]
    assert table["d"].missing.tolist() == [False, True]
    assert table["d"].levels[0].startswith("2024-02-29")


def test_numbers_have_the_fewest_digits(folder):
    path = folder / "digits.csv"
    write_table(path, {"half": np.float32([0.1, 1e30]), "full": [0.1, 1 / 3], "whole": [1.0, -0.0]})
    assert path.read_text() == ("half,full,whole\n0.1,0.1,1.0\n1e+30,0.3333333333333333,-0.0\n")


def test_pandas_columns_are_written_with_empty_cells_for_what_is_missing(folder):
    path = folder / "pandas.csv"
    frame = pd.DataFrame(
        {
            "i": pd.Series([1, pd.NA], dtype="object"),
            "t": ["a,b", None],
            "d": pd.to_datetime(["2024-02-29", None]).astype("M8[ns]"),
        }
    )
    write_table(path, dict(frame.items()))
    assert path.read_text() == 'i,t,d\n1,"a,b",2024-02-29T00:00:00.000000000\n,,\n'


def test_an_empty_cell_alone_in_its_row_is_no_blank_line(folder):
    path = folder / "alone.csv"
    write_table(path, {"x": [1.0, np.nan]})
    assert path.read_text() == 'x\n1.0\n""\n'


@pytest.mark.parametrize("text", [" ", "  ", "\t", "\u3000", "\ufeff"])
def test_a_text_of_blanks_alone_in_its_row_is_no_blank_line(folder, text):
    path = folder / "alone.csv"
    write_table(path, {"x": ["a", text, "b"]})
    assert len(read_table(path)) == 3


def test_equal_content_makes_equal_bytes(folder, monkeypatch):
    first, second = folder / "first.csv.gz", folder / "second.csv.gz"
    write_table(first, {"x": range(100)})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1000)
    write_table(second, {"x": range(100)})
    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes()).startswith(b"x\n0\n1\n")


# ----- More columns ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a,b\n007,x\n1e0,y\n", "a,b,p\n007,x,0.5\n1e0,y,\n"),
        ("a,b\r\n1,x\r\n2,y\r\n", "a,b,p\r\n1,x,0.5\r\n2,y,\r\n"),
        ('a,b\n"1","x ""y"""\n"2",""\n', 'a,b,p\n"1","x ""y""",0.5\n"2","",\n'),
        ('a,b\n1,"two\r\n\r\nlines"\n2,\n', 'a,b,p\n1,"two\r\n\r\nlines",0.5\n2,,\n'),
        ("a,b\n\n1,x\n   \n2,y\n\n", "a,b,p\n1,x,0.5\n2,y,\n"),
        ("a, b\n1 , é 中 \n2,🙂", "a, b,p\n1 , é 中 ,0.5\n2,🙂,\n"),
        ("\ufeffa,b\n1,x\n2,y\n", "\ufeffa,b,p\n1,x,0.5\n2,y,\n"),
        ('a\n""\n\n1\n', 'a,p\n"",0.5\n1,\n'),
        (",b\n1,2\n3,4\n", ",b,p\n1,2,0.5\n3,4,\n"),
    ],
)
def test_rows_of_text_are_copied_as_they_stand(tmp_path, before, after):
    path = tmp_path / "t.csv"
    path.write_bytes(before.encode())
    extend_table(path, path, {"p": [0.5, np.nan]})
    assert path.read_bytes().decode() == after
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_new_cells_are_quoted_where_they_must(tmp_path):
    path, out = tmp_path / "t.tsv", tmp_path / "out.tsv.gz"
    path.write_text("a\n1\n2\n")
    extend_table(path, out, {"p": ["x\ty", 'say "no"']})
    assert gzip.decompress(out.read_bytes()) == b'a\tp\n1\t"x\ty"\n2\t"say ""no"""\n'
    assert path.read_text() == "a\n1\n2\n"


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"p": [1]}, r"t\.csv has more rows than the new columns, which have 1$"),
        ({"p": [1, 2, 3]}, r"t\.csv has fewer rows than the new columns, which have 3$"),
        ({"a": [1, 2]}, r"t\.csv has a column 'a' already; rename it$"),
        ({"p": [1, 2], "q": [1]}, r"are of different lengths: 'p' has 2 rows, and 'q' has 1$"),
        ({"p": [[1], [2]]}, r"column 'p' for .*t\.csv: a column has one value for each row, not t"),
        ({}, r"there are no columns to write to .*t\.csv$"),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_change_nothing(tmp_path, columns, sentence):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(ValueError, match=sentence):
        extend_table(path, path, columns)
    assert path.read_text() == "a,b\n1,2\n3,4\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_half_a_character_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    sentence = r"t\.csv cannot be written: a cell or a name holds '\\ud800', which is no character"
    with pytest.raises(ValueError, match=sentence):
        write_table(path, {"a": ["x\ud800"]})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_damaged_source_is_refused_and_changes_nothing(tmp_path):
    source, path = tmp_path / "source.csv", tmp_path / "out.csv"
    source.write_text("a,b\n1,2\n3\n")
    path.write_text("old")
    with pytest.raises(ValueError, match=r"source\.csv, line 3: 1 cell, where the header has 2"):
        extend_table(source, path, {"p": [1, 2]})
    assert path.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"source.csv", "out.csv"}


def test_the_format_stays(tmp_path):
    with pytest.raises(ValueError, match=r"out\.parquet must be a \.csv file, as .*t\.csv is"):
        extend_table(tmp_path / "t.csv", tmp_path / "out.parquet", {"p": [1]})


# ----- Whole or not at all -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing, suffix):
    path = tmp_path / f"t.{suffix}"
    write_table(path, {"x": [1, 2]})
    old = path.read_bytes()

    def disk_is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, disk_is_full)
    for write in (
        lambda: write_table(path, {"y": [3]}),
        lambda: extend_table(path, path, {"y": [3, 4]}),
    ):
        with pytest.raises(ValueError, match=rf"t\.{suffix} cannot be written: No space left on d"):
            write()
        assert path.read_bytes() == old
        assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_table(path, {"x": [1]})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"t\.csv cannot be written: No such file or directory$"):
        write_table(tmp_path / "nowhere" / "t.csv", {"x": [1]})


def test_a_folder_in_the_place_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.mkdir()
    with pytest.raises(ValueError, match=r"t\.csv cannot be written: Is a directory$"):
        write_table(path, {"x": [1]})
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_who_may_read_the_file_stays_as_it_was(tmp_path):
    path = tmp_path / "t.csv"
    write_table(path, {"x": [1]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    write_table(path, {"x": [2]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
