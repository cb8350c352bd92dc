"""Whether classes or numbers are to be predicted is decided from the target, and said."""

import numpy as np
import pytest

from backlit.tables import Table, Task, decide_task


def table(values, **more):
    return Table.from_columns({"y": values, **more}, source="t.csv")


DECISIONS = {
    "texts": (["b", "a", "a"], ("a", "b"), "2 classes, since it holds text"),
    "truth values": ([True, False, True], ("False", "True"), "2 classes, since it holds text"),
    "two numbers": ([1, 0, 1], (0, 1), "2 classes, since it holds only 0 and 1"),
    "two broken numbers": ([0.5, 1, 1], ("0.5", "1"), "2 classes, since it holds only 0.5 and 1"),
    "few whole numbers": (
        [1, 2, 10] * 5,
        (1, 2, 10),
        "3 classes, since it holds 3 different whole numbers in 15 rows",
    ),
    "twenty": (
        [*range(20)] * 5,
        tuple(range(20)),
        "20 classes, since it holds 20 different whole numbers in 100 rows",
    ),
    "rare whole numbers": (
        [1, 2, 3] * 4,
        (),
        "numbers, since it holds 3 different whole numbers in 12 rows",
    ),
    "many whole numbers": (
        [*range(21)] * 100,
        (),
        "numbers, since it holds 21 different whole numbers in 2,100 rows",
    ),
    "broken numbers": ([0.5, 1, 2], (), "numbers, since not all are whole"),
    "with gaps": ([None, 0, 1, 1], (0, 1), "2 classes, since it holds only 0 and 1"),
}


@pytest.mark.parametrize(("values", "classes", "sentence"), DECISIONS.values(), ids=DECISIONS)
def test_the_target_decides(values, classes, sentence):
    task, said = decide_task(table(values), "y")
    assert task == Task("y", "classes" if classes else "numbers", classes)
    assert [*map(type, task.classes)] == [*map(type, classes)]
    assert said == f"Predicting 'y': {sentence}."


def test_the_decision_can_be_overruled_and_says_so():
    task, said = decide_task(table([0, 1, 1]), "y", "numbers")
    assert task == Task("y", "numbers")
    assert said == "Predicting 'y': numbers, as asked, although it holds only 0 and 1."
    task, said = decide_task(table([0.5, 1, 2, 2]), "y", "classes")
    assert task == Task("y", "classes", ("0.5", "1", "2"))
    assert said == "Predicting 'y': 3 classes, as asked, although not all are whole."


def test_what_is_asked_and_decided_has_the_decision_s_reason():
    _, said = decide_task(table([0, 1, 1]), "y", "classes")
    assert said == "Predicting 'y': 2 classes, since it holds only 0 and 1."


def test_classes_asked_for_may_be_numbers_and_a_few_texts():
    values = [*map(str, [*range(10)] * 10), "more", "more"]
    with pytest.raises(ValueError, match="text in 2 cells: 'more' in rows 101 and 102"):
        decide_task(table(values), "y")
    task, _ = decide_task(table(values), "y", "classes")
    assert len(task.classes) == 11


REFUSED = {
    "no such column": ({"Y": [1, 2]}, None, r"^t\.csv has no column 'y'; did you mean 'Y'\?$"),
    "all missing": (
        {"y": [None, "NA"]},
        None,
        r"^all values of the target 'y' are missing in t\.csv; was another column meant\?$",
    ),
    "one class": (
        {"y": ["yes", "yes", None]},
        None,
        r"^the target 'y' is yes in every row of t\.csv, and there is nothing to tell apart;",
    ),
    "one number": ({"y": [2.0, 2.0]}, "numbers", "^the target 'y' is 2 in every row of "),
    "infinite": (
        {"y": [1, 2, np.inf]},
        None,
        r"^column 'y' of t\.csv holds infinite values in row 3;",
    ),
    "text among numbers": (
        {"y": [*map(str, range(30)), "1O", "x", "1O"]},
        None,
        r"^column 'y' of t\.csv holds numbers, but text in 3 cells: 'x' in row 32 and '1O' in rows "
        r"31 and 33; correct or empty the cells, or declare the column as categories$",
    ),
    "numbers asked of texts": (
        {"y": ["b", "a"]},
        "numbers",
        "holds text, such as 'a', and cannot be predicted as numbers; predict classes$",
    ),
    "another kind": (
        {"y": [1, 2, 1, 2]},
        "regression",
        "^the kind of a target is 'classes' or 'numbers', not 'regression'$",
    ),
    "a class for each row": (
        {"y": ["a", "b", "c"]},
        None,
        r"^the target 'y' of t\.csv has a class of its own in each of 3 rows; was another column",
    ),
}


@pytest.mark.parametrize(("columns", "kind", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_predicted_is_refused(columns, kind, sentence):
    with pytest.raises(ValueError, match=sentence):
        decide_task(Table.from_columns(columns, source="t.csv"), "y", kind)


def test_codes_are_places_in_the_classes():
    task, _ = decide_task(table(["b", "a", None, "b"]), "y")
    assert task.codes(table(["b", "a", None, "c"])).tolist() == [1, 0, -1, -1]


def test_codes_of_numbers_are_places_in_the_classes():
    task, _ = decide_task(table([10, 9, 10, 9]), "y")
    assert task.classes == (9, 10)
    for given in ([10.0, 9, None, 8], ["10", "9", "", "8"]):
        assert task.codes(table(given)).tolist() == [1, 0, -1, -1]


def test_classes_of_rows_that_were_left_out_do_not_count():
    task, _ = decide_task(table(["a", "b", "c", "b", "a"]).take([0, 1, 3, 4]), "y")
    assert task.classes == ("a", "b")


def test_numbers_whose_last_digits_are_lost_are_no_classes():
    table = Table.from_columns({"y": [10**18 + i for i in range(200)]})
    task, _ = decide_task(table, "y", "numbers")
    assert task.kind == "numbers"
    with pytest.raises(ValueError, match="in every row"):
        decide_task(Table.from_columns({"y": [10**18, 10**18 + 1]}), "y")
    table = Table.from_columns({"y": [10**18, 2 * 10**18] * 50})
    assert decide_task(table, "y") == (
        Task("y", "numbers"),
        "Predicting 'y': numbers, since it holds numbers beyond 2**53, whose last digits are not "
        "kept.",
    )
