"""Text files are read as they are meant, and what is wrong with one is said in a sentence."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest

from backlit.tables import Texts, read_table


@pytest.fixture
def file(tmp_path):
    def write(content: bytes | str, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def texts(column):
    assert isinstance(column, Texts)
    return [None if code < 0 else column.levels[code] for code in column.codes]


# ----- What is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_line_is_one(file, end):
    table = read_table(file(end.join(["a,b", "1,x", "2,y", ""])))
    assert table["a"].values.tolist() == [1, 2]
    assert texts(table["b"]) == ["x", "y"]


def test_the_last_line_needs_no_end(file):
    assert read_table(file("a\n1\n2"))["a"].values.tolist() == [1, 2]


def test_a_byte_order_mark_is_no_part_of_the_first_name(file):
    assert read_table(file(b'\xef\xbb\xbf"a",b\n1,2\n')).names == ["a", "b"]


def test_quoted_cells_hold_delimiters_quotation_marks_and_ends_of_lines(file):
    table = read_table(file('n,text\n1,"a, b"\n2,"say ""no"""\n3,"two\n\nlines"\n'))
    assert texts(table["text"]) == ["a, b", 'say "no"', "two\n\nlines"]


def test_blanks_around_cells_and_names_are_no_part_of_them(file):
    table = read_table(file('a , b, c\n 1 , x , "y, z"\n'))
    assert table.names == ["a", "b", "c"]
    assert table["a"].values.tolist() == [1]
    assert (texts(table["b"]), texts(table["c"])) == (["x"], ["y, z"])


def test_blank_lines_are_no_rows(file):
    table = read_table(file("\n  \na,b\n\n1,2\n  \r\n\n3,4\n\n\n"))
    assert table["a"].values.tolist() == [1, 3]


def test_blank_lines_are_no_rows_in_one_column_either_but_a_quoted_nothing_is(file):
    values = read_table(file('a\n1\n\n   \n""\n3\n'))["a"].values
    np.testing.assert_array_equal(values, [1, np.nan, 3])


def test_tabs_without_anything_between_are_a_row_of_a_tsv(file):
    table = read_table(file("a\tb\n\t\n1\t2\n", "t.tsv"))
    np.testing.assert_array_equal(table["a"].values, [np.nan, 1])


def test_a_column_without_a_name_is_named_by_its_place(file):
    assert read_table(file(",b,\n1,2,3\n")).names == ["column 1", "b", "column 3"]


def test_tsv_keeps_commas(file):
    assert texts(read_table(file("a\tb\n1\tx, y\n", "t.tsv"))["b"]) == ["x, y"]


def test_a_quoted_comma_in_the_only_name_is_no_wrong_delimiter(file):
    assert read_table(file('"last, first"\n"Doe, Jo"\n')).names == ["last, first"]


def test_a_long_cell_is_read(file):
    text = "x" * 131_072
    assert texts(read_table(file(f"a\n{text}\n"))["a"]) == [text]


# ----- What is refused ---------------------------------------------------------------------------

REFUSED = {
    "nothing": (b"", "t.csv", "is empty, and a table has a header and rows"),
    "blank lines only": (b"\n \r\n\n", "t.csv", "is empty, and a table has a header and rows"),
    "a byte order mark only": (b"\xef\xbb\xbf", "t.csv", "is empty"),
    "a header only": (b"a,b\n", "t.csv", "has a header and no rows"),
    "a short row": (
        b"a,b,c\n1,2,3\n\n4,5\n",
        "t.csv",
        "t.csv, line 4: 2 cells, where the header has 3; correct the line",
    ),
    "a long row": (b"a\n1,2\n", "t.csv", "line 2: 2 cells, where the header has 1"),
    "a short row of two lines": (b'a,b\n1,2\n"x\ny"\n3,4\n', "t.csv", "line 3: 1 cell, where"),
    "Latin-1": (
        "a,b\n1,x\n2,é\n".encode("latin-1"),
        "t.csv",
        "t.csv, line 3, is not UTF-8 text; save it in UTF-8",
    ),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "t.csv", "is text in UTF-16; save it in UTF-8"),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), "t.csv", "line 1, holds a zero"),
    "zero bytes": (b"a,b\n1,2\n3,\0\n", "t.csv", "t.csv, line 3, holds a zero byte"),
    "an open quotation mark": (
        b'a,b\n1,2\n3,"x\n4,y\n',
        "t.csv",
        "t.csv, line 3: unexpected end of data; is a quotation mark open?",
    ),
    "text behind a quotation mark": (b'a,b\n1,2\n3,"x" y\n', "t.csv", "line 3: ',' expected"),
    "an endless cell": (
        b'a,b\n1,2\n3,"' + b"x\n" * 70_000,
        "t.csv",
        "line 3: field larger than field limit (131072); is a quotation mark open?",
    ),
    "semicolons": (
        b"a;b;c\n1;2;3\n",
        "t.csv",
        "has ';' between its cells, where a .csv file has ','; convert it",
    ),
    "tabs in a .csv": (b"a\tb\n1\t2\n", "t.csv", "has '\\t' between its cells"),
    "commas in a .tsv": (b"a,b\n1,2\n", "t.tsv", "has ',' between its cells, where a .tsv file"),
    "names twice": (
        b"a,b,a ,c,b\n1,2,3,4,5\n",
        "t.csv",
        "has more than one column named 'a' and 'b'; rename them",
    ),
    "no gzip": (b"a,b\n1,2\n", "t.csv.gz", "is damaged, or not compressed by gzip: Not a gzipped"),
    "half a gzip": (
        gzip.compress(b"a,b\n" + os.urandom(3000).hex().encode())[:2000],
        "t.csv.gz",
        "is damaged, or not compressed by gzip: Compressed file ended before",
    ),
    "a gzip with a wrong sum": (
        gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + bytes(8),
        "t.csv.gz",
        "is damaged, or not compressed by gzip: CRC check failed",
    ),
    "a gzip with wrong content": (
        gzip.compress(b"a,b\n1,2\n", mtime=0)[:10] + b"\xff" * 20,
        "t.csv.gz",
        "is damaged, or not compressed by gzip: Error -3",
    ),
    "gzip named .csv": (gzip.compress(b"a\n1\n"), "t.csv", "compressed by gzip; let its name end"),
    "Parquet named .csv": (
        b"PAR1\x15\x04",
        "t.csv",
        "is a Parquet file; let its name end in .parquet",
    ),
    "Feather named .csv.gz": (gzip.compress(b"ARROW1\0\0"), "t.csv.gz", "is a Feather file"),
    "a workbook": (b"PK\x03\x04....", "t.csv", "is a workbook or an archive; save the table as"),
    "another suffix": (
        b"a,b\n",
        "t.xlsx",
        "has the suffix '.xlsx', and tables are read and written as .csv, .tsv, .parquet, "
        ".feather, each also with .gz; convert it",
    ),
    "no suffix": (b"a,b\n", "table", "has no suffix, and tables are"),
    "only .gz": (b"a,b\n", "table.gz", "has no suffix, and tables are"),
}


def test_a_column_may_be_named_as_parquet_files_begin(file):
    assert read_table(file("PAR1,ARROW1\n1,2\n")).names == ["PAR1", "ARROW1"]


@pytest.mark.parametrize(("content", "name", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_a_file_is_said(file, content, name, sentence):
    path = file(content, name)
    with pytest.raises(ValueError, match=re.escape(sentence)) as error:
        read_table(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match=r"^there is no file .*nowhere\.csv$"):
        read_table(tmp_path / "nowhere.csv")


def test_a_folder(tmp_path):
    path = tmp_path / "t.csv"
    path.mkdir()
    with pytest.raises(ValueError, match=r"t\.csv is a folder; name a file in it$"):
        read_table(path)


def test_a_file_that_may_not_be_read(file, monkeypatch):
    path = file("a\n1\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"t\.csv cannot be read: Permission denied$"):
        read_table(path)


def test_a_file_without_a_header_is_noticed(tmp_path):
    path = tmp_path / "sonar.csv"
    path.write_text("0.02,0.0371,0.0428,R\n0.0453,0.0523,0.0843,R\n")
    with pytest.raises(ValueError, match=r"has numbers such as 0\.02 in its first line, where the"):
        read_table(path)
    path.write_text("0,1,2,target\n0.5,0.6,0.7,R\n")  # names that a data frame gives
    assert read_table(path).names == ["0", "1", "2", "target"]
