"""The epoch loop: what it converges to, what it keeps, and that it repeats to the bit."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from backlit.networks import Network
from backlit.networks.randomness import Purpose, permutation
from backlit.training import (
    LBFGS,
    Adam,
    Cosine,
    Examples,
    GradientDescent,
    Momentum,
    Penalties,
    ReduceOnPlateau,
    Rprop,
    evaluate,
    train,
)
from backlit.training.parameters import Layout

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
    held_out = Examples.of(network, validation, np.float32, "validation")
    loss, score = evaluate(network, result.parameters, held_out)
    assert loss == min(losses)
    assert score == result.epochs[result.best_epoch - 1].validation_score


def test_ctrl_c_keeps_the_best_so_far():
    def interrupt(epoch, state):
        if epoch.number == 3:
            raise KeyboardInterrupt

    stopped = train(network, training, validation, epochs=50, callbacks=[interrupt])
    three = train(network, training, validation, epochs=3)
    assert stopped.outcome == "interrupted"
    assert three.outcome == "finished"
    assert len(stopped.epochs) == 3
    assert stopped.best_epoch == three.best_epoch
    for name, array in stopped.parameters.items():
        assert np.array_equal(array, three.parameters[name])


def test_a_loss_that_is_not_finite_stops_training_and_says_why():
    linear = Network(2, (), 1, loss="squared_loss")
    result = train(linear, (x, numbers), (x, numbers), optimizer=GradientDescent(1e9), epochs=30)
    assert result.outcome == "diverged"
    assert re.fullmatch(
        r"the loss is no longer finite in epoch \d, at step \d: the weights have grown to \S+, "
        r"most likely since the learning rate 1e\+09 is too large; try 1e\+08, or clip the "
        r"gradient",
        result.message,
    )
    assert all(np.isfinite(array).all() for array in result.parameters.values())


def test_inputs_too_large_for_the_first_step_are_named():
    linear = Network(2, (), 1, loss="squared_loss")
    result = train(linear, (x * 1e30, numbers), (x, numbers), epochs=3)
    assert result.outcome == "diverged"
    assert "epoch 1, at step 1: inputs or targets reach" in result.message
    assert "too much for the first step; standardise them" in result.message
    assert result.best_epoch == 0


def test_float32_is_the_default_and_stays():
    result = train(network, training, validation, epochs=2)
    assert {array.dtype for array in result.parameters.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": Adam(weight_decay=1e9)}, "since the weight decay 1e+09 is too large"),
        (
            {"penalties": Penalties(l2=1e20), "optimizer": GradientDescent()},
            "most likely since l2 1e+20 is too large",
        ),
        ({"optimizer": GradientDescent(1e30)}, "the learning rate 1e+30 is too large"),
        ({"start": 1e30}, "; begin with smaller ones"),
    ],
)
def test_the_likely_cause_of_a_loss_that_is_not_finite_is_named(settings, message):
    linear = Network(2, (4,), 1, loss="squared_loss")
    if "start" in settings:
        start = {name: 1e30 * array for name, array in linear.parameters(0).items()}
        start["W1"][0, 0] = 1e30
        settings = {"start": start}
    result = train(linear, (x, numbers), (x, numbers), epochs=50, **settings)
    assert result.outcome == "diverged"
    assert message in result.message


def test_each_epoch_is_reported_once():
    seen = []
    note = lambda epoch, state: seen.append((epoch, state.epochs[-1]))  # noqa: E731
    result = train(network, training, validation, epochs=4, callbacks=[note])
    assert seen == [(epoch, epoch) for epoch in result.epochs]
    assert [epoch.number for epoch, _ in seen] == [1, 2, 3, 4]
    assert [epoch.seconds for epoch, _ in seen] == sorted(epoch.seconds for epoch, _ in seen)


def test_a_callback_that_returns_true_ends_training():
    result = train(
        network, training, validation, epochs=50, callbacks=[lambda epoch, _: epoch.number == 4]
    )
    assert (result.outcome, len(result.epochs)) == ("stopped by a callback", 4)


def test_each_step_is_reported_with_its_rows_and_losses():
    steps = []
    train(network, training, validation, epochs=2, batch_size=16, after_step=steps.append)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2]
    for epoch in (1, 2):
        rows = np.concatenate([step.rows for step in steps if step.epoch == epoch])
        assert np.array_equal(rows, permutation(40, 0, Purpose.SHUFFLE, epoch))
    # The second step's losses are those of the parameters that the first one left.
    first, second = steps[:2]
    left = Layout(network.shapes).views(first.theta)
    losses = network.losses(left, x[second.rows].astype(np.float32), classes[second.rows])
    assert np.array_equal(losses, second.losses)


def test_examples_are_not_changed():
    before = x.copy(), classes.copy()
    train(network, training, validation, epochs=2, dtype=np.float64)
    assert np.array_equal(x, before[0])
    assert np.array_equal(classes, before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more and whole, not 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more and whole, not 0"),
        ({"patience": 0}, "patience must be 1 or more and whole, not 0"),
        ({"monitor": "accuracy"}, "monitor must be loss or score, not 'accuracy'"),
        ({"validation": None, "patience": 3}, "watch a validation part, and there is none"),
        ({"start": {"W1": x}}, "the parameters have shapes {'W1': .* and the network has"),
        ({"training": (x, classes, -noise)}, "training weights must be 60 numbers from 0 on"),
        ({"optimizer": LBFGS(), "dtype": np.float32}, "L-BFGS computes in float64"),
        ({"optimizer": LBFGS(), "batch_size": 8}, "takes all examples at once"),
        ({"optimizer": LBFGS(), "schedule": Cosine()}, "no learning rate, and so no schedule"),
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


# ----- Early stopping ----------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["loss", "score"])
def test_patience_stops_where_a_direct_count_says(monitor):
    settings = {"optimizer": Adam(0.05), "epochs": 80, "seed": 3, "monitor": monitor}
    whole = train(network, training, validation, **settings)
    figures = [
        epoch.validation_loss if monitor == "loss" else -epoch.validation_score
        for epoch in whole.epochs
    ]
    patience, waiting, lowest, expected = 6, 0, np.inf, len(figures)
    for number, figure in enumerate(figures, start=1):
        waiting, lowest = (0, figure) if figure < lowest else (waiting + 1, lowest)
        if waiting == patience:
            expected = number
            break
    stopped = train(network, training, validation, patience=patience, **settings)
    assert len(stopped.epochs) == expected < 80
    assert stopped.best_epoch == expected - patience
    assert stopped.outcome == "stopped early"
    assert f"for {patience} epochs" in stopped.message


def test_a_scorer_of_ones_own_chooses_the_epoch():
    def share_of_zeros(outputs, y, weights):
        return float(np.mean(np.argmax(outputs, axis=1) == 0))

    result = train(
        network, training, validation, optimizer=Adam(0.05), epochs=20, monitor="score",
        scorer=share_of_zeros,
    )  # fmt: skip
    scores = [epoch.validation_score for epoch in result.epochs]
    assert result.best_epoch == 1 + int(np.argmax(scores))
    outputs = network.forward(result.parameters, x[40:].astype(np.float32))
    assert share_of_zeros(outputs, None, None) == max(scores)


def test_without_a_validation_part_the_last_epoch_is_kept():
    alone = train(network, training, epochs=7)
    beside = train(network, training, validation, epochs=7)
    assert alone.best_epoch == 7
    assert np.isnan(alone.epochs[0].validation_loss)
    assert np.array_equal(alone.state.best_theta, beside.state.theta)


# ----- Weights of examples -----------------------------------------------------------------------


def test_a_weight_of_two_is_an_example_twice():
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    twice = np.concatenate([np.arange(60), np.arange(20)])
    settings = {"optimizer": GradientDescent(0.3), "epochs": 40, "dtype": np.float64}
    weighted = train(network, (x, classes, weights), batch_size=60, **settings)
    repeated = train(network, (x[twice], classes[twice]), batch_size=80, **settings)
    assert np.allclose(weighted.state.theta, repeated.state.theta, rtol=1e-9, atol=1e-12)
    assert weighted.epochs[-1].train_loss == pytest.approx(repeated.epochs[-1].train_loss)


def test_an_example_of_weight_zero_is_not_there():
    weights = np.where(np.arange(60) < 20, 0.0, 1.0)
    weighted = train(network, (x, classes, weights), epochs=3)
    without = train(network, (x[20:], classes[20:]), epochs=3)
    assert np.array_equal(weighted.state.theta, without.state.theta)


def test_validation_figures_are_weighted():
    weights = rng.uniform(0.5, 2, 20)
    result = train(network, training, (*validation, weights), epochs=1)
    losses = network.losses(result.parameters, x[40:].astype(np.float32), classes[40:])
    outputs = network.forward(result.parameters, x[40:].astype(np.float32))
    right = outputs.argmax(axis=1) == classes[40:]
    assert result.epochs[0].validation_loss == pytest.approx(np.average(losses, weights=weights))
    assert result.epochs[0].validation_score == pytest.approx(np.average(right, weights=weights))


# ----- Going on ----------------------------------------------------------------------------------

KINDS = {
    "adam": {"optimizer": Adam(0.01)},
    "momentum, cosine, clipped": {
        "optimizer": Momentum(0.05),
        "schedule": Cosine(),
        "penalties": Penalties(l2=0.01, clip_norm=0.5),
    },
    "plateau": {"optimizer": Adam(0.05), "schedule": ReduceOnPlateau(0.5, 1)},
    "rprop": {"optimizer": Rprop()},
    "float64": {"dtype": np.float64},
    "patience": {"optimizer": Adam(0.05), "patience": 4},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_going_on_after_any_epoch_gives_the_same_bits(kind, dropout):
    net = Network(2, (8,), 3, dropout=dropout)
    settings = {"epochs": 12, "batch_size": 16, **KINDS[kind]}
    states = []
    whole = train(
        net, training, validation, callbacks=[lambda _, state: states.append(state)], **settings
    )
    for state in states:
        resumed = train(net, training, validation, state=state, **settings)
        assert resumed.outcome == whole.outcome
        assert resumed.best_epoch == whole.best_epoch
        assert np.array_equal(resumed.state.theta, whole.state.theta)
        assert np.array_equal(resumed.state.best_theta, whole.state.best_theta)
        for name, array in whole.state.optimizer.items():
            assert np.array_equal(resumed.state.optimizer[name], array)
        for mine, theirs in zip(resumed.epochs, whole.epochs, strict=True):
            assert mine.train_loss == theirs.train_loss
            assert mine.validation_loss == theirs.validation_loss
            assert mine.learning_rate == theirs.learning_rate


def test_an_interrupted_epoch_is_begun_again():
    def interrupt(step):
        if step.number == 8:  # in the middle of the third epoch
            raise KeyboardInterrupt

    settings = {"epochs": 6, "batch_size": 16}
    stopped = train(network, training, validation, after_step=interrupt, **settings)
    assert (stopped.outcome, len(stopped.epochs)) == ("interrupted", 2)
    resumed = train(network, training, validation, state=stopped.state, **settings)
    whole = train(network, training, validation, **settings)
    assert np.array_equal(resumed.state.theta, whole.state.theta)


def test_training_begins_from_given_weights():
    start = network.parameters(seed=9)
    result = train(network, training, validation, start=start, epochs=1, seed=0)
    other = train(network, training, validation, epochs=1, seed=0)
    assert not np.array_equal(result.state.theta, other.state.theta)
    moved = np.abs(result.state.theta - Layout(network.shapes).flatten(start))
    assert 0 < moved.max() < 0.01  # two steps of Adam(0.001), and not from elsewhere


# ----- L-BFGS ------------------------------------------------------------------------------------


def test_lbfgs_is_trained_epoch_by_epoch():
    linear = Network(2, (), 1, loss="squared_loss")
    result = train(linear, (x, numbers), (x, numbers), optimizer=LBFGS(tolerance=1e-10))
    solution, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(60)]), numbers, rcond=None)
    assert result.outcome == "converged"
    assert result.message.startswith(f"converged after {len(result.epochs)} iterations")
    assert result.state.theta.dtype == np.float64
    assert np.allclose(result.state.theta, solution.ravel(), rtol=1e-8)
    losses = [epoch.train_loss for epoch in result.epochs]
    assert losses == sorted(losses, reverse=True)


def test_lbfgs_goes_on_from_its_last_iterate_and_stops_in_time():
    penalties = Penalties(l2=0.01)
    five = train(network, training, validation, optimizer=LBFGS(), epochs=5, penalties=penalties)
    assert (five.outcome, len(five.epochs)) == ("finished", 5)
    nine = train(
        network, training, validation, optimizer=LBFGS(), epochs=9, penalties=penalties,
        state=five.state,
    )  # fmt: skip
    assert len(nine.epochs) == 9
    assert nine.epochs[:5] == five.epochs
    early = train(network, training, validation, optimizer=LBFGS(), epochs=200, patience=3)
    assert early.outcome == "stopped early"
    assert len(early.epochs) == early.best_epoch + 3
