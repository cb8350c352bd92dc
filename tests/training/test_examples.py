"""Examples: brought to the network's dtype, or refused with a sentence."""

import numpy as np
import pytest

from backlit.networks import Network
from backlit.training import Examples

x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
CLASSES = Network(2, (), 3)
NUMBERS = Network(2, (), 1, loss="squared_loss")
LABELS = Network(2, (), 2, loss="label_log_loss")
COUNTS = Network(2, (), 1, loss="poisson_loss")
BINARY = Network(2, (), 1, loss="binary_log_loss")


def test_examples_are_brought_to_the_dtype_without_copying_what_fits():
    examples = Examples.of(CLASSES, (x, np.array([0, 1, 2], np.int8)), np.float32, "training")
    assert (examples.x.dtype, examples.y.dtype) == (np.float32, np.int64)
    assert examples.weights.tolist() == [1, 1, 1]
    assert len(examples) == 3
    y = np.array([[1.0], [2.0], [3.0]])
    fitting = Examples.of(NUMBERS, (x, y), np.float64, "training")
    assert fitting.x is x
    assert np.shares_memory(fitting.y, y)


def test_lists_will_do():
    examples = Examples.of(CLASSES, (x.tolist(), [0, 1, 2], [1, 0, 2]), np.float32, "training")
    assert examples.x.tolist() == [[1, 2], [5, 6]]
    assert examples.y.tolist() == [0, 2]
    assert examples.weights.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("network", "y", "message"),
    [
        (LABELS, [[0, 1], [1, 0.5], [0, 0]], "the test labels must be 0 or 1, not 0.5"),
        (COUNTS, [[0], [1], [-2]], "the test counts must not be negative, and one is -2"),
        (BINARY, [0, 1, 2], "the test classes go from 0 to 2, .* classes from 0 to 1"),
        (NUMBERS, [1, 2, 3], r"the test targets have shape \(3,\), .* needs \(3, 1\)"),
        (CLASSES, [0.0, 1.0, 2.0], r"the test classes must be integers of shape \(3,\), not float"),
        (NUMBERS, [[1], [np.nan], [2]], r"the test targets are not finite at \[1, 0\]"),
    ],
)
def test_targets_that_do_not_fit_the_loss_are_refused(network, y, message):
    with pytest.raises(ValueError, match=message):
        Examples.of(network, (x, np.array(y)), np.float32, "test")


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, -1], [0, 0, 0], [1, np.nan, 1], [1, np.inf, 1]])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="the test weights must be 3 numbers from 0 on, finite"):
        Examples.of(CLASSES, (x, np.array([0, 1, 2]), weights), np.float32, "test")


def test_a_part_is_a_pair_or_a_triple():
    with pytest.raises(ValueError, match=r"the test part is \(x, y\) or \(x, y, weights\), not 1"):
        Examples.of(CLASSES, (x,), np.float32, "test")
