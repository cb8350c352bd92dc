"""Counted randomness against published vectors, and against what chance would do."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from backlit.networks.randomness import Purpose, permutation, threefry, uniform


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_hash_gives_the_known_answers_of_its_authors(counter, key, expected):
    # Random123, kat_vectors, threefry2x32 with 20 rounds.
    words = [tuple(np.array([word], np.uint32) for word in pair) for pair in (key, counter)]
    assert tuple(int(word[0]) for word in threefry(*words)) == expected


def test_draws_are_the_same_in_any_pieces_and_any_order():
    whole = uniform(np.arange(1000), seed=3, purpose=Purpose.WEIGHTS, epoch=5)
    pieces = [uniform(np.arange(a, a + 100), 3, Purpose.WEIGHTS, 5) for a in range(0, 1000, 100)]
    backwards = uniform(np.arange(1000)[::-1], 3, Purpose.WEIGHTS, 5)
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(backwards[::-1], whole)
    assert uniform(7, 3, Purpose.WEIGHTS, 5) == whole[7]


def test_draws_are_uniform():
    draws = uniform(np.arange(100_000), seed=0, purpose=Purpose.WEIGHTS)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Mean 1/2 and variance 1/12, to five of their standard errors.
    assert abs(draws.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / draws.size)
    assert abs(draws.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / draws.size)
    counts, _ = np.histogram(draws, bins=256, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 1e-4


def test_draws_are_the_same_numbers_in_float32():
    draws = uniform(np.arange(10_000), seed=1, purpose=Purpose.WEIGHTS)
    assert np.array_equal(draws.astype(np.float32), draws)


@pytest.mark.parametrize("changed", ["seed", "purpose", "epoch", "position"])
def test_draws_with_any_other_key_are_independent(changed):
    key = {"seed": 0, "purpose": 1, "epoch": 0}
    first = uniform(np.arange(20_000), **key)
    if changed == "position":
        first, second = first[:-1], first[1:]
    else:
        second = uniform(np.arange(20_000), **{**key, changed: key[changed] + 1})
    correlation = np.corrcoef(first, second)[0, 1]
    assert abs(correlation) < 5 / np.sqrt(len(first))
    cells, _, _ = np.histogram2d(first, second, bins=16, range=((0, 1), (0, 1)))
    assert stats.chisquare(cells.ravel()).pvalue > 1e-4


def test_every_order_of_three_is_equally_likely():
    orders = [tuple(permutation(3, 0, Purpose.SHUFFLE, epoch).tolist()) for epoch in range(3000)]
    counts = [orders.count(order) for order in permutations(range(3))]
    assert sum(counts) == 3000
    assert stats.chisquare(counts).pvalue > 1e-4


def test_permutation_holds_each_position_once():
    assert sorted(permutation(1000, 1, Purpose.SHUFFLE).tolist()) == list(range(1000))
    assert permutation(0, 1, Purpose.SHUFFLE).shape == (0,)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be an integer from 0 to .*, not {seed}"):
        uniform(np.arange(3), seed=seed, purpose=Purpose.WEIGHTS)
