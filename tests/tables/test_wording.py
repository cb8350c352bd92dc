"""Parts of sentences read well for one, few and many."""

import pytest

from backlit.tables.wording import counted, listed, nearest, rows


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ("", ""),
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("abcd", "a, b, c and d"),
        ("abcde", "a, b, c and 2 more"),
    ],
)
def test_lists(parts, text):
    assert listed([*parts]) == text


def test_counts():
    assert counted(1, "class", "classes") == "1 class"
    assert counted(1200, "class", "classes") == "1,200 classes"
    assert counted(0, "row") == "0 rows"


def test_rows():
    assert rows([3]) == "row 3"
    assert rows(range(2, 10)) == "rows 2, 3, 4 and 5 more"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("incme", "; did you mean 'income'?"),
        (" INCOME", "; did you mean 'income'?"),
        ("zip", "; there are 'age', 'sex' and 'income'"),
    ],
)
def test_names_that_are_near(name, text):
    assert nearest(name, ["age", "sex", "income"]) == text


def test_no_names():
    assert nearest("x", []) == ""
