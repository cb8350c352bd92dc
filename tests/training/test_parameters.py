"""One flat buffer, seen by name."""

import numpy as np

from backlit.training import Layout

layout = Layout({"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)})


def test_views_share_the_buffer():
    theta = np.zeros(layout.size)
    views = layout.views(theta)
    views["W1"][1, 2] = 5
    views["b2"][0] = 7
    assert np.array_equal(np.nonzero(theta)[0], [5, 12])
    assert {name: view.shape for name, view in views.items()} == layout.shapes


def test_flatten_undoes_views_in_any_order_of_names():
    theta = np.arange(layout.size, dtype=np.float32)
    views = dict(reversed(layout.views(theta).items()))
    flat = layout.flatten(views)
    assert np.array_equal(flat, theta)
    assert flat.dtype == np.float32
    assert not np.shares_memory(flat, theta)
