"""Decisions survive a spreadsheet, and are applied to the rows they are about."""

import csv

import numpy as np
import pytest

from backlit.insight.suspects_decisions import (
    COLUMNS,
    Decision,
    Decisions,
    read_decisions,
    write_decisions,
)

HEADER = "row,about,given,looks_like,decision,new_label\n"


def _columns(given=("cat", "dog"), looks_like=("dog", "cat")):
    return {
        "row": [3, 0], "part": ["training", "validation"], "reason": ["mislabelled"] * 2,
        "about": ["", ""], "given": given, "looks_like": looks_like, "chance": [0.9, 0.6],
        "evidence": ["because", "of, a comma"],
    }  # fmt: skip


def _read(tmp_path, text):
    path = tmp_path / "decisions.csv"
    path.write_text(text, encoding="utf-8")
    return read_decisions(path)


def test_what_is_written_is_read_as_keep(tmp_path):
    path = tmp_path / "decisions.csv"
    write_decisions(path, _columns())
    with open(path, newline="") as file:
        lines = [*csv.reader(file)]
    assert tuple(lines[0]) == COLUMNS and len(lines) == 3
    decisions = read_decisions(path)
    assert [(d.line, d.row, d.given, d.action) for d in decisions.each] == [
        (2, 3, "cat", "keep"), (3, 0, "dog", "keep"),
    ]  # fmt: skip
    y, weights = decisions.apply(["dog", "a", "b", "cat"])
    assert y.tolist() == ["dog", "a", "b", "cat"] and weights.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "'tis", "-1", "1e5"])
def test_no_cell_is_a_formula_and_names_come_back(tmp_path, name):
    path = tmp_path / "decisions.csv"
    write_decisions(path, _columns(given=(name, "dog"), looks_like=("dog", name)))
    with open(path, newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    for cell in cells:
        assert cell[:1] not in ("=", "+", "-", "@") or cell in ("-1", "1e5")
    text = path.read_text().replace("keep", "relabel")
    decisions = _read(tmp_path, text)
    assert decisions.each[0].given == name and decisions.each[1].new_label == name


def test_a_file_of_decisions_is_not_written_over(tmp_path):
    path = tmp_path / "decisions.csv"
    write_decisions(path, _columns())
    with pytest.raises(ValueError, match="is there already, and may hold decisions"):
        write_decisions(path, _columns())
    with pytest.raises(ValueError, match=r"are written to a \.csv file, not decisions\.xlsx"):
        write_decisions(tmp_path / "decisions.xlsx", _columns())


def test_classes_are_relabelled_and_dropped(tmp_path):
    decisions = _read(tmp_path, HEADER + "0,,a,b,relabel,\n2,,a,b,relabel,ccc\n3,,b,a,drop,\n")
    y = np.array(["a", "b", "a", "b", "ccc"])
    new, weights = decisions.apply(y, weights=[1, 2, 3, 4, 5])
    assert new.tolist() == ["b", "b", "ccc", "b", "ccc"]
    assert weights.tolist() == [1, 2, 3, 0, 5]
    assert y.tolist() == ["a", "b", "a", "b", "ccc"]
    assert str(decisions) == "0 rows to keep, 2 to relabel, 1 to drop"


def test_numbers_of_classes_have_names(tmp_path):
    decisions = _read(tmp_path, HEADER + "1,,dog,cat,relabel,\n")
    new, _ = decisions.apply(np.array([0, 1, 1]), names=("cat", "dog"))
    assert new.tolist() == [0, 0, 1] and new.dtype == np.int64


def test_a_label_of_several_is_set(tmp_path):
    decisions = _read(tmp_path, HEADER + "1,wet,0,1,relabel,\n1,cold,1,0,keep,\n0,wet,1,0,drop,\n")
    y = np.array([[1.0, 1.0], [1.0, 0.0]])
    new, weights = decisions.apply(y, names=("cold", "wet"))
    assert new.tolist() == [[1, 1], [1, 1]] and weights.tolist() == [0, 1]


def test_a_number_is_corrected(tmp_path):
    decisions = _read(tmp_path, HEADER + "1,,2.5,0.1,relabel,\n0,,1,0,relabel,7\n")
    new, _ = decisions.apply(np.array([1.0, 2.5]))
    assert new.tolist() == [7.0, 0.1]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_spreadsheet_may_use_other_marks(tmp_path, mark):
    text = "\ufeff" + (HEADER + "0,,a,b,relabel,\n").replace(",", mark).replace("\n", "\r\n")
    path = tmp_path / "decisions.csv"
    path.write_bytes(text.encode())
    assert read_decisions(path).each == (Decision(2, 0, "", "a", "relabel", "b"),)


BAD_FILES = {
    "row,decision\n": "has no column 'about', 'given', 'looks_like' and 1 more|has no column",
    HEADER.replace("about", "row"): "has no column 'about'",
    HEADER + "x,,a,b,keep,\n": "line 2: the row must be a number from 0 on, not 'x'",
    HEADER + "-1,,a,b,keep,\n": "line 2: the row must be a number from 0 on, not '-1'",
    HEADER + "1,,a,b,keep,\n2,,a,b,delete,\n": (
        "line 3: the decision must be keep, relabel or drop, not 'delete'"
    ),
    HEADER + "1,,a,b,keep,\n1,,a,b,drop,\n": "line 3: row 1 was decided about in line 2 already",
    HEADER + "1,,a,,relabel,\n": "line 2: to relabel row 1, write its new_label",
    HEADER + "1,,a,b,keep,c\n": "line 2: there is a new_label, 'c', and the decision is keep",
    HEADER + "1,,a,b,keep\n": "line 2: 5 cells, and the header has 6",
    HEADER + '1,,a,b,keep,"x\n': "line 2: unexpected end of data",
    HEADER.replace("given", "row"): "has no column 'given'",
    HEADER.replace("\n", ",row\n"): "has the column 'row' twice",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, text):
    with pytest.raises(ValueError, match=BAD_FILES[text]):
        _read(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.csv cannot be read: No such file"):
        read_decisions(tmp_path / "nowhere.csv")
    path = tmp_path / "decisions.csv"
    path.write_bytes(b"\xff\xfe1")
    with pytest.raises(ValueError, match="is not UTF-8; save it as CSV UTF-8"):
        read_decisions(path)


def _one(row=0, about="", given="a", action="relabel", new="b"):
    return Decisions("file", (Decision(2, row, about, given, action, new),))


WRONG_USES = [
    (_one(row=5), ["a", "b"], {}, "line 2: there is no row 5 in data of 2 rows"),
    (_one(given="b"), ["a", "b"], {}, "row 0 was decided about as 'b', and is 'a' in these data"),
    (_one(new="bb"), ["a", "b"], {}, "there is no label 'bb'; did you mean 'b'"),
    (_one(), ["a", "b"], {"weights": [1.0]}, r"2 rows and weights of the shape \(1,\)"),
    (_one(), ["a", "b"], {"names": ("a", "b")}, "names are for targets that are numbers"),
    (_one(), [0, 7], {"names": ("a", "b")}, "there is a class 7, and 2 names"),
    (_one(), [[0, 1]], {}, "several columns need names, one for each column"),
    (_one(), [[0, 1]], {"names": ("x",)}, "2 columns of targets and 1 names"),
    (_one(about="z"), [[0, 1]], {"names": ("x", "y")}, "there is no label or target 'z'"),
    (_one(about="x", given="0"), [[0, 1]], {"names": ("x", "y")}, "no label 'b'; 0 or 1 is needed"),
    (_one(given="0.5"), [0.5], {}, "the new label must be a number, not 'b'"),
    (_one(given="x"), [0.5], {}, "was decided about as 'x', and is '0.5' in these data"),
    (_one(), [[[1]]], {}, r"one or two dimensions, not the shape \(1, 1, 1\)"),
]


@pytest.mark.parametrize(("decisions", "y", "more", "message"), WRONG_USES)
def test_decisions_about_other_data_are_refused(decisions, y, more, message):
    with pytest.raises(ValueError, match=message):
        decisions.apply(y, **more)
