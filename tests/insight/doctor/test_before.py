"""What is said of data before the first step."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from backlit.insight.doctor import causes, check_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def found(*arguments, **options):
    return [finding.cause for finding in check_data(*arguments, **options).findings]


def test_sane_data_are_left_alone():
    checked = check_data(X[:300], Y[:300], (X[300:], Y[300:]))
    assert checked.findings == () and checked.notes == ()
    assert "Nothing stands in the way of a training" in checked.summary()


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer, load_diabetes])
def test_real_tables_are_left_alone_once_they_are_standardised(load):
    x, y = load(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(y))
    x, y = ((x - x.mean(0)) / x.std(0))[order], y[order]
    if y.dtype.kind == "f":
        y = (y - y.mean()) / y.std()
    half = len(y) // 2
    assert found(x[:half], y[:half], (x[half:], y[half:])) == []


def test_the_first_loss_of_one_who_knows_the_shares_is_their_entropy():
    y = np.array(["a"] * 300 + ["b"] * 100)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert check_data(X, y).initial_loss == pytest.approx(expected, rel=1e-12)


def test_scales_slips_and_far_targets_are_found():
    assert found(X * [1, 1, 1, 4000], Y) == [causes.UNSCALED]
    slipped = np.where(RNG.random(X.shape) < 0.004, 1e4 * X, X)
    assert found(slipped / slipped.std(0), Y) == [causes.FAR_INPUTS]
    assert found(X, 500 + 100 * (X[:, 0] + X[:, 1])) == [causes.TARGETS_UNSCALED]
    y = X[:, 0] + X[:, 1]
    y[:4] *= 500
    assert causes.FAR_TARGETS in found(X, y)


def test_shared_rows_are_found_and_natural_twins_are_not():
    held = X[300:].copy(), Y[300:].copy()
    held[0][:50], held[1][:50] = X[:50], Y[:50]
    assert found(X[:300], Y[:300], held) == [causes.SHARED_ROWS]
    few = RNG.integers(0, 2, (600, 4)).astype(float)  # 16 kinds of rows only
    y = (few[:, 0] > 0).astype(int) ^ (RNG.random(600) < 0.3)
    assert causes.SHARED_ROWS not in found(few[:400], y[:400], (few[400:], y[400:]))


def test_a_column_known_only_afterwards_is_found_by_name():
    y = X[:, 0] + RNG.normal(size=400)
    with_leak = np.concatenate([X, y[:, np.newaxis]], axis=1)
    checked = check_data(
        with_leak[:300], y[:300], (with_leak[300:], y[300:]), names=[*"abcd", "refund"]
    )
    assert [(f.cause, f.where) for f in checked.findings] == [(causes.GIVEAWAY, "refund")]


def test_a_held_out_part_from_elsewhere_is_found():
    assert found(X[:300], Y[:300], (X[300:] + 1.5, Y[300:])) == [causes.SHIFTED]


def test_what_does_no_harm_is_a_note():
    order = np.argsort(Y)
    x = np.concatenate([X, np.ones((400, 2))], axis=1)
    y = np.where(np.arange(400) < 8, 2, Y[order])
    checked = check_data(x, y)
    assert checked.findings == ()
    constant, alike, rare = checked.notes
    assert constant == "2 columns are the same number in every row: no harm, no use."
    assert alike.startswith("Rows that follow each other have like targets (correlation 0.9")
    assert rare.startswith("Class 2 has 8 of 400 rows")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[:5], Y[:4]), r"X has shape \(5, 4\) and its targets \(4,\)"),
        ((np.where(X > 3, np.nan, X), Y), r"X is nan in row \d+, column \d; fill in or leave out"),
        (([["a"]], [0]), "X must hold numbers, as the network takes them .*; encode texts first"),
        ((X, np.full(400, np.inf)), "the target of row 0 of X is not finite"),
        ((X, Y[:, np.newaxis] * [1, 1]), r"the targets of X have shape \(400, 2\); classes have"),
        ((X, Y, (X[:, :3], Y)), "the validation part has 3 columns, and X has 4"),
        ((X, Y, (X, Y.astype(float))), "are of another kind than y"),
        ((X, Y, (X, Y + 1)), "a class that no training row has: 2; split so that each class"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_data(*arguments)


def test_names_that_are_too_few_are_refused():
    with pytest.raises(ValueError, match="names has 1 names, and X has 4 columns"):
        check_data(X, Y, names=["a"])


def test_rare_levels_that_chance_left_out_are_no_other_preparation():
    """Of a column with many levels, most inputs are 1 in a few rows only."""
    rng = np.random.default_rng(0)
    levels = np.eye(200)[rng.integers(0, 200, 400)]
    number = rng.normal(size=(400, 1))
    x = np.concatenate([number, levels], axis=1)
    y = (number[:, 0] > 0).astype(int)
    check = check_data(x[:320], y[:320], (x[320:], y[320:]))
    assert not [f for f in check.findings if f.cause == "held-out rows prepared otherwise"]
    stretched = check_data(x[:320], y[:320], (3 * x[320:], y[320:]))
    assert [f for f in stretched.findings if f.cause == "held-out rows prepared otherwise"]


def test_columns_of_rare_levels_are_not_small_inputs():
    rng = np.random.default_rng(1)
    levels = np.eye(300)[rng.integers(0, 300, 400)]
    numbers = rng.normal(size=(400, 3))
    y = (numbers[:, 0] > 0).astype(int)
    sane = check_data(np.concatenate([numbers, levels], axis=1), y)
    assert "inputs not scaled" not in [f.cause for f in sane.findings]
    far = check_data(np.concatenate([1000 * numbers, levels], axis=1), y)
    assert "inputs not scaled" in [f.cause for f in far.findings]
