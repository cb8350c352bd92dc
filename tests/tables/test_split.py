"""A part of the rows is held out, with the classes in the proportions of the whole."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backlit.tables import split_by_class, split_rows

fractions = st.floats(0.01, 0.99)


@given(st.integers(2, 200).flatmap(lambda rows: st.permutations(range(rows))), fractions)
def test_parts_are_disjoint_and_whole_and_of_the_size_asked(order, fraction):
    training, held_out = split_rows(order, fraction)
    assert sorted([*training, *held_out]) == [*range(len(order))]
    assert (training.tolist(), held_out.tolist()) == (sorted(training), sorted(held_out))
    wanted = len(order) * fraction
    assert len(held_out) in (math.ceil(wanted), round(wanted), len(order) - 1)
    assert len(training) >= 1
    assert len(held_out) >= 1


@given(st.lists(st.integers(0, 5), min_size=2, max_size=200), fractions, st.randoms())
def test_classes_keep_their_proportions_and_a_row_in_training(codes, fraction, random):
    codes = np.array(codes)
    counts = np.bincount(codes, minlength=6)
    assume(np.max(counts) > 1)
    order = random.sample(range(len(codes)), len(codes))
    training, held_out, sentences = split_by_class(order, fraction, codes, "abcdef")
    assert sorted([*training, *held_out]) == [*range(len(codes))]
    kept = np.bincount(codes[training], minlength=6)
    given_ = np.bincount(codes[held_out], minlength=6)
    assert np.all(kept[counts > 0] >= 1)
    size = min(math.ceil(len(codes) * fraction - 1e-9), len(codes) - 1)
    assert np.all(np.abs(given_ - counts * size / len(codes)) < 1)
    # Fewer than asked only where every class is at its bound: its share rounded up, or but one row.
    assert 1 <= len(held_out) <= size
    if len(held_out) < size:
        bound = np.minimum(-(-counts * size // len(codes)), np.maximum(counts - 1, 0))
        np.testing.assert_array_equal(given_, bound)
    assert len(sentences) == bool(np.any((counts > 0) & (given_ == 0)))


def test_the_first_rows_in_order_are_held_out():
    order = [5, 2, 0, 4, 1, 3]
    assert split_rows(order, 1 / 3)[1].tolist() == [2, 5]
    _, held_out, _ = split_by_class(order, 1 / 3, [0, 0, 0, 1, 1, 1], ["a", "b"])
    assert held_out.tolist() == [2, 5]


@pytest.mark.parametrize(("rows", "fraction", "size"), [(30, 0.1, 3), (10, 0.25, 3), (2, 0.9, 1)])
def test_the_share_is_rounded_up_but_for_rounding_errors(rows, fraction, size):
    assert len(split_rows(range(rows), fraction)[1]) == size


def test_the_largest_remainders_get_the_rows_that_rounding_leaves():
    # Shares 2.7, 1.65 and 0.65 of five rows: 2, 1 and 0, and the two left go to the largest rests.
    codes = [0] * 54 + [1] * 33 + [2] * 13
    _, held_out, _ = split_by_class(range(100), 0.05, codes, "abc")
    assert np.bincount(np.array(codes)[held_out]).tolist() == [3, 2]


def test_rare_classes_stay_in_training_and_it_is_said():
    codes = [0] * 60 + [1] * 3 + [2]
    training, held_out, sentences = split_by_class(range(64), 0.1, codes, ["a", "b", "c"])
    assert {60, 61, 62, 63} <= {*training}
    assert len(held_out) == 7
    assert sentences == (
        "Classes 'b' (3 rows) and 'c' (1 row) stay in the training part: no held-out row tells how "
        "well they are learnt.",
    )


def test_a_large_class_does_not_pay_for_many_that_have_one_row():
    codes = [*[0] * 10, *range(1, 11)]
    training, held_out, _ = split_by_class(range(20), 0.5, codes, range(11))
    assert (len(training), held_out.tolist()) == (15, [0, 1, 2, 3, 4])


def test_a_class_without_rows_is_not_spoken_of():
    assert split_by_class(range(4), 0.5, [0, 0, 2, 2], ["a", "b", "c"])[2] == ()


@pytest.mark.parametrize("fraction", [0, 1, -0.5, math.nan])
def test_a_share_that_is_none_is_refused(fraction):
    sentence = f"the share that is held out is between 0 and 1, not {fraction}"
    with pytest.raises(ValueError, match=sentence):
        split_rows([0, 1], fraction)
    with pytest.raises(ValueError, match=sentence):
        split_by_class([0, 1], fraction, [0, 0], ["a"])


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match=r"^1 row cannot be split into two parts$"):
        split_rows([0], 0.5)
    with pytest.raises(ValueError, match="no row can be held out: each is the only one of its cl"):
        split_by_class([0, 1], 0.5, [0, 1], ["a", "b"])
