"""Standardisation against scikit-learn's."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from backlit.networks import Standardisation

table = np.random.default_rng(0).normal([1, 100, -3], [0.1, 20, 3], size=(50, 3))


def test_it_is_scikit_learns():
    ours, theirs = Standardisation.fit(table), StandardScaler().fit(table)
    assert np.allclose(ours.apply(table), theirs.transform(table), rtol=1e-12)
    assert np.allclose(ours.undo(ours.apply(table)), table, rtol=1e-14)


def test_constant_columns_become_zero_and_nothing_overflows():
    constant = np.column_stack([table, np.full(50, 0.1), np.zeros(50)])
    scaling = Standardisation.fit(constant)
    assert np.array_equal(scaling.scale[3:], [1, 1])
    assert np.allclose(scaling.apply(constant)[:, 3:], 0, atol=1e-15)


def test_columns_of_one_quantity_share_their_scale():
    scaling = Standardisation.fit(table, one_scale=True)
    scaled = scaling.apply(table)
    assert np.allclose(scaled.mean(axis=0), 0)
    assert np.isclose(np.mean(scaled**2), 1)
    assert len(set(scaling.scale.tolist())) == 1
