"""The epoch loop: what it converges to, what it keeps, and that it repeats to the bit."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from backlit.networks import Network
from backlit.networks.randomness import Purpose, permutation
from backlit.training import Adam, GradientDescent, evaluate, train

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 2))
noise = rng.normal(size=60)
classes = (x[:, 0] - x[:, 1] + noise > 0).astype(int) + (x[:, 1] + noise > 1)
numbers = (2 * x[:, :1] - x[:, 1:] + 1) + 0.3 * noise[:, np.newaxis]
training, validation = (x[:40], classes[:40]), (x[40:], classes[40:])
network = Network(2, (8,), 3)


def test_linear_regression_reaches_the_least_squares_solution():
    linear = Network(2, (), 1, loss="squared_loss")
    result = train(linear, (x, numbers), (x, numbers), optimizer=GradientDescent(0.5), epochs=300,
                   batch_size=60, dtype=np.float64)  # fmt: skip
    solution, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(60)]), numbers, rcond=None)
    assert np.allclose(result.parameters["W1"], solution[:2], rtol=1e-8)
    assert np.allclose(result.parameters["b1"], solution[2], rtol=1e-8)


def test_logistic_regression_reaches_the_minimum_that_scipy_finds():
    linear = Network(2, (), 3)
    result = train(linear, (x, classes), (x, classes), optimizer=GradientDescent(2.0), epochs=1500,
                   batch_size=60, dtype=np.float64)  # fmt: skip

    def loss(theta):
        logits = x @ theta[:6].reshape(2, 3) + theta[6:]
        return -log_softmax(logits, axis=1)[np.arange(60), classes].mean()

    least = minimize(loss, np.zeros(9), method="BFGS", options={"gtol": 1e-7})
    ours = np.concatenate([result.parameters["W1"].ravel(), result.parameters["b1"]])
    assert loss(ours) == pytest.approx(least.fun, rel=1e-7)
    # Adding a number to all logits changes nothing, so compare what is determined.
    theirs = (x @ least.x[:6].reshape(2, 3)) + least.x[6:]
    logits = linear.forward(result.parameters, x)
    assert np.allclose(log_softmax(logits, axis=1), log_softmax(theirs, axis=1), atol=1e-3)


def test_epochs_visit_every_batch_in_counted_order():
    linear = Network(2, (), 1, loss="squared_loss")
    rate, size = 0.05, 16  # 60 examples: three batches and a short one
    result = train(linear, (x, numbers), (x, numbers), optimizer=GradientDescent(rate), epochs=3,
                   batch_size=size, seed=4, dtype=np.float64)  # fmt: skip
    start = linear.parameters(4, np.float64)
    W, b = start["W1"], start["b1"]
    train_losses = []
    for epoch in (1, 2, 3):
        order = permutation(60, 4, Purpose.SHUFFLE, epoch)
        total = 0.0
        for first in range(0, 60, size):
            batch = order[first : first + size]
            error = x[batch] @ W + b - numbers[batch]
            total += np.sum(error**2) / 2
            W = W - rate * x[batch].T @ error / len(batch)
            b = b - rate * error.mean(axis=0)
        train_losses.append(total / 60)
    assert result.best_epoch == 3  # far from the minimum, each epoch is better than the last
    assert np.allclose(result.parameters["W1"], W, rtol=1e-12)
    assert np.allclose(result.parameters["b1"], b, rtol=1e-12)
    assert np.allclose([epoch.train_loss for epoch in result.epochs], train_losses, rtol=1e-12)


def test_the_same_call_gives_the_same_bits():
    first, second, other = (
        train(network, training, validation, epochs=5, seed=s) for s in (1, 1, 2)
    )
    for name, array in first.parameters.items():
        assert np.array_equal(array, second.parameters[name])
    assert not np.array_equal(first.parameters["W1"], other.parameters["W1"])
    for mine, yours in zip(first.epochs, second.epochs, strict=True):
        assert (mine.train_loss, mine.validation_loss) == (yours.train_loss, yours.validation_loss)


def test_the_best_epoch_is_kept():
    # A rate at which this network overfits its 40 examples: the best epoch is not the last.
    result = train(network, training, validation, optimizer=Adam(0.05), epochs=60)
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert result.best_epoch == 1 + int(np.argmin(losses)) < 60
    loss, score = evaluate(network, result.parameters, (x[40:].astype(np.float32), classes[40:]))
    assert loss == min(losses)
    assert score == result.epochs[result.best_epoch - 1].validation_score


def test_ctrl_c_keeps_the_best_so_far():
    def interrupt(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    stopped = train(network, training, validation, epochs=50, after_epoch=interrupt)
    three = train(network, training, validation, epochs=3)
    assert stopped.interrupted
    assert not three.interrupted
    assert len(stopped.epochs) == 3
    assert stopped.best_epoch == three.best_epoch
    for name, array in stopped.parameters.items():
        assert np.array_equal(array, three.parameters[name])


def test_nothing_is_kept_of_epochs_that_went_wrong():
    linear = Network(2, (), 1, loss="squared_loss")
    with np.errstate(over="ignore", invalid="ignore"):
        result = train(
            linear, (x, numbers), (x, numbers), optimizer=GradientDescent(1e9), epochs=30
        )
    assert not np.isfinite(result.epochs[-1].validation_loss)
    assert all(np.isfinite(array).all() for array in result.parameters.values())


def test_float32_is_the_default_and_stays():
    result = train(network, training, validation, epochs=2)
    assert {array.dtype for array in result.parameters.values()} == {np.dtype(np.float32)}


def test_each_epoch_is_reported_once():
    seen = []
    result = train(network, training, validation, epochs=4, after_epoch=seen.append)
    assert seen == result.epochs
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert seen[-1].seconds_left == 0
    assert all(epoch.seconds_left > 0 for epoch in seen[:-1])


def test_examples_are_not_changed():
    before = x.copy(), classes.copy()
    train(network, training, validation, epochs=2, dtype=np.float64)
    assert np.array_equal(x, before[0])
    assert np.array_equal(classes, before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ({"dtype": np.float16}, "dtype must be float32 or float64, not float16"),
        ({"seed": -1}, "seed must be an integer from 0"),
        (
            {"training": (x[:, :1], classes)},
            r"training inputs have shape \(60, 1\), .* takes .*2\)",
        ),
        ({"training": (x[:0], classes[:0])}, "the training part has no examples"),
        ({"training": (x, classes[:9])}, r"training classes must be integers of shape \(60,\)"),
        ({"training": (x, classes / 2)}, "must be integers of shape .*, not float64"),
        ({"validation": (x, classes + 1)}, "validation classes go from 1 to 3, .* from 0 to 2"),
        ({"validation": (np.where(x > 0, np.inf, x), classes)}, "validation inputs are not finite"),
    ],
)
def test_wrong_settings_and_examples_are_refused(changes, message):
    arguments = {"training": training, "validation": validation, **changes}
    with pytest.raises(ValueError, match=message):
        train(network, **arguments)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (numbers[:, 0], r"training targets have shape \(60,\), and the network needs \(60, 1\)"),
        (np.where(noise[:, np.newaxis] > 1, np.nan, numbers), "training targets are not finite"),
    ],
)
def test_wrong_targets_are_refused(targets, message):
    linear = Network(2, (), 1, loss="squared_loss")
    with pytest.raises(ValueError, match=message):
        train(linear, (x, targets), (x, numbers))
