"""Losses against closed forms and scikit-learn's."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

import backlit
from backlit.networks import (
    absolute_loss,
    binary_log_loss,
    huber_loss,
    label_log_loss,
    log_loss,
    one_hot,
    poisson_loss,
    quantile_loss,
    squared_loss,
)
from backlit.networks.losses import LOSSES, TARGETS, check_options

rng = np.random.default_rng(0)
logits = rng.normal(size=(6, 4))
classes = np.array([0, 3, 1, 2, 2, 0])
probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_log_loss_is_scikit_learns():
    ours = log_loss(logits, classes)
    assert ours.shape == (6,)
    expected = metrics.log_loss(classes, probabilities, labels=range(4))
    assert ours.mean() == pytest.approx(expected, rel=1e-12)


def test_delta_of_log_loss_is_probability_minus_truth():
    weights = rng.normal(size=6)
    _, pullback = backlit.vjp(lambda logits: log_loss(logits, classes), logits)
    truth = np.array([[k == c for k in range(4)] for c in classes])
    assert np.allclose(pullback(weights)[0], weights[:, None] * (probabilities - truth))


def test_log_loss_survives_any_logits():
    extreme = np.array([[1000.0, -1000.0], [-1e30, 1e30]])
    assert np.array_equal(log_loss(extreme, np.array([1, 1])), [2000, 0])
    gradient = backlit.grad(lambda z: np.sum(log_loss(z, np.array([1, 1]))))(extreme)
    assert np.array_equal(gradient, [[1, -1], [0, 0]])


def test_small_log_losses_keep_their_digits():
    # log(1 + exp(-30)) = 9.4e-14, which a difference of two numbers near 1000 would lose.
    loss = log_loss(np.array([1000.0, 970.0]), np.array(0))
    assert loss == pytest.approx(0, abs=1e-13)
    assert log_loss(np.array([1000.0, 999.0]), np.array(0)) == pytest.approx(
        np.log1p(np.exp(-1.0)), rel=1e-14
    )


def test_losses_of_one_example_are_the_batchs():
    for n in range(6):
        assert log_loss(logits[n], classes[n]) == log_loss(logits, classes)[n]
        assert squared_loss(logits[n], probabilities[n]) == pytest.approx(
            squared_loss(logits, probabilities)[n]
        )


def test_squared_loss_is_half_the_sum_of_squares():
    prediction, target = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    assert np.array_equal(squared_loss(prediction, target), [2.5, 12.5])
    halves = metrics.mean_squared_error(target, prediction) * 2 / 2  # two outputs, and the half
    assert squared_loss(prediction, target).mean() == pytest.approx(halves)


def test_delta_of_squared_loss_is_the_error():
    prediction, target, weights = logits, probabilities, rng.normal(size=6)
    _, pullback = backlit.vjp(squared_loss, prediction, target)
    d_prediction, d_target = pullback(weights)
    assert np.allclose(d_prediction, weights[:, None] * (prediction - target))
    assert np.allclose(d_target, -d_prediction)


def test_losses_agree_with_differences_to_second_order():
    backlit.check_grads(lambda z: log_loss(z, classes), (logits,), order=2)
    backlit.check_grads(squared_loss, (logits, probabilities), order=2)


def test_classes_may_be_recorded():
    program = backlit.record(log_loss, logits, classes)
    others = np.array([1, 1, 1, 1, 1, 1])
    assert np.array_equal(backlit.run(program, logits, others), log_loss(logits, others))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_their_dtype(dtype):
    z, t = logits.astype(dtype), probabilities.astype(dtype)
    for loss in (lambda z: log_loss(z, classes), lambda z: squared_loss(z, t)):
        value, pullback = backlit.vjp(loss, z)
        assert value.dtype == dtype
        assert pullback(np.ones(6, dtype))[0].dtype == dtype


def test_one_hot_marks_the_class():
    assert np.array_equal(one_hot(classes, 4), np.eye(4, dtype=bool)[classes])


# ----- Classes and labels ------------------------------------------------------------------------

labels = np.array(
    [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1]]
)


def test_binary_log_loss_is_that_of_two_logits():
    two = np.array([0, 1, 1, 0, 1, 0])
    both = np.stack([np.zeros(6), logits[:, 0]], axis=1)
    ours = binary_log_loss(logits[:, :1], two)
    assert ours.shape == (6,)
    assert np.allclose(ours, log_loss(both, two), rtol=1e-13)
    expected = metrics.log_loss(two, special.expit(logits[:, 0]))
    assert ours.mean() == pytest.approx(expected, rel=1e-12)


def test_label_log_loss_is_the_sum_of_scikit_learns():
    expected = sum(
        metrics.log_loss(labels[:, k], special.expit(logits[:, k]), labels=[0, 1]) for k in range(4)
    )
    assert label_log_loss(logits, labels).mean() == pytest.approx(expected, rel=1e-12)


def test_losses_from_one_logit_survive_any_logits():
    extreme = np.array([[1000.0], [-1000.0], [1e30], [-1e30]])
    truth = np.array([0, 1, 1, 0])
    assert np.array_equal(binary_log_loss(extreme, truth), [1000, 1000, 0, 0])
    gradient = backlit.grad(lambda z: np.sum(binary_log_loss(z, truth)))(extreme)
    assert np.array_equal(gradient[:, 0], [1, -1, 0, 0])
    # log(1 + exp(-30)), which 1 - logistic(30) would lose.
    tiny = binary_log_loss(np.array([30.0]), np.array(1))
    assert tiny == pytest.approx(np.log1p(np.exp(-30.0)), rel=1e-13)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_the_cross_entropy_with_a_softened_truth(smoothing):
    truth = (1 - smoothing) * np.eye(4)[classes] + smoothing / 4
    expected = -np.sum(truth * np.log(probabilities), axis=1)
    assert np.allclose(log_loss(logits, classes, smoothing=smoothing), expected, rtol=1e-13)
    _, pullback = backlit.vjp(lambda z: log_loss(z, classes, smoothing=smoothing), logits)
    assert np.allclose(pullback(np.ones(6))[0], probabilities - truth, rtol=1e-12)

    yes, p = (1 - smoothing) * labels + smoothing / 2, special.expit(logits)
    expected = -np.sum(yes * np.log(p) + (1 - yes) * np.log(1 - p), axis=1)
    assert np.allclose(label_log_loss(logits, labels, smoothing=smoothing), expected, rtol=1e-12)
    _, pullback = backlit.vjp(lambda z: label_log_loss(z, labels, smoothing=smoothing), logits)
    assert np.allclose(pullback(np.ones(6))[0], p - yes, rtol=1e-12, atol=1e-15)


# ----- Numbers -----------------------------------------------------------------------------------

prediction = np.array([[0.3, -2.0], [0.0, 0.4], [5.0, 1.0]])
target = np.array([[0.0, 1.0], [0.0, 0.0], [-5.0, 1.5]])


def test_absolute_loss_is_scikit_learns():
    ours = absolute_loss(prediction, target)
    assert np.allclose(ours, [3.3, 0.4, 10.5])
    expected = 2 * metrics.mean_absolute_error(target, prediction)  # a sum over two outputs
    assert ours.mean() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("delta", [0.2, 1.0, 4.0])
def test_huber_loss_is_scipys(delta):
    ours = huber_loss(prediction, target, delta=delta)
    expected = special.huber(delta, prediction - target).sum(axis=1)
    assert np.allclose(ours, expected, rtol=1e-14)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_loss_is_scikit_learns(quantile):
    ours = quantile_loss(prediction, target, quantile=quantile)
    expected = 2 * metrics.mean_pinball_loss(target, prediction, alpha=quantile)
    assert ours.mean() == pytest.approx(expected, rel=1e-14)


def test_least_quantile_loss_is_at_the_quantile():
    draws = rng.exponential(size=(1001, 1))
    for quantile in (0.1, 0.5, 0.9):
        slope = backlit.grad(
            lambda p, q=quantile: np.mean(quantile_loss(p + np.zeros((1001, 1)), draws, quantile=q))
        )
        at = np.quantile(draws, quantile)
        assert slope(np.array(at - 0.01)) < 0 < slope(np.array(at + 0.01))


def test_poisson_loss_is_half_scikit_learns_deviance():
    counts = np.array([[0.0], [3.0], [1.0], [12.0]])
    log_rate = np.array([[-1.0], [0.5], [0.0], [2.0]])
    expected = metrics.mean_poisson_deviance(counts, np.exp(log_rate)) / 2
    ours = poisson_loss(log_rate, counts)
    assert ours.mean() == pytest.approx(expected, rel=1e-13)
    assert ours[2] == 0


@pytest.mark.parametrize(
    ("loss", "delta"),
    [
        (absolute_loss, lambda r: np.sign(r)),
        (huber_loss, lambda r: np.where(np.abs(r) > 1, np.sign(r), r)),
        (lambda p, t: quantile_loss(p, t, quantile=0.75),
         lambda r: np.where(r > 0, 0.25, np.where(r < 0, -0.75, -0.25))),
    ],
)  # fmt: skip
def test_deltas_of_robust_losses_are_bounded_and_halved_at_ties(loss, delta):
    weights = rng.normal(size=3)
    _, pullback = backlit.vjp(loss, prediction, target)
    d_prediction, d_target = pullback(weights)
    assert np.allclose(d_prediction, weights[:, None] * delta(prediction - target), rtol=1e-14)
    assert np.array_equal(d_target, -d_prediction)


def test_delta_of_poisson_loss_is_rate_minus_count():
    counts = np.array([[0.0, 3.0]])
    gradient = backlit.grad(lambda z: np.sum(poisson_loss(z, counts)))(np.log([[2.0, 5.0]]))
    assert np.allclose(gradient, [[2.0, 2.0]], rtol=1e-14)


# ----- All of them -------------------------------------------------------------------------------


def example(name, dtype=np.float64):
    """Return outputs and targets, away from the corners of the losses."""
    if name == "binary_log_loss":
        return logits[:, :1].astype(dtype), np.array([0, 1, 1, 0, 1, 0])
    outputs = logits.astype(dtype)
    if TARGETS[name] == "classes":
        return outputs, classes
    numbers = {"labels": labels, "counts": 3.0 * labels, "numbers": probabilities - 0.3}
    return outputs, numbers[TARGETS[name]].astype(dtype)


OPTIONS = [
    *((name, {}) for name in LOSSES),
    *((name, {"smoothing": 0.2}) for name in ("log_loss", "binary_log_loss", "label_log_loss")),
    ("huber_loss", {"delta": 0.5}),
    ("quantile_loss", {"quantile": 0.8}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_gradients_by_outputs_agree_with_differences_to_second_order(name, options):
    outputs, targets = example(name)
    backlit.check_grads(lambda z: LOSSES[name](z, targets, **options), (outputs,), order=2)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_gradients_by_targets_agree_with_differences(name, options):
    outputs, targets = example(name)
    if TARGETS[name] in ("numbers", "counts"):
        targets = targets + 0.1  # counts above 0, where the slope is finite
        backlit.check_grads(lambda t: LOSSES[name](outputs, t, **options), (targets,), order=2)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_no_value_of_a_float32_loss_is_float64(name, options):
    outputs, targets = example(name, np.float32)
    program = backlit.record(lambda z, t: LOSSES[name](z, t, **options), outputs, targets)
    program = backlit.backward(program)
    floats = {i.output.dtype for i in program.instructions if i.output.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}
    losses, d_outputs = backlit.run(program, outputs, targets, np.ones(6, np.float32))
    double, targets = example(name)
    expected, pullback = backlit.vjp(lambda z: LOSSES[name](z, targets, **options), double)
    assert np.allclose(losses, expected, rtol=1e-5, atol=1e-6)
    assert np.allclose(d_outputs, pullback(np.ones(6))[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        ("huber_loss", {"delta": 0}, "the delta of huber_loss must be a number above 0, not 0"),
        ("huber_loss", {"delta": float("nan")}, "above 0, not nan"),
        ("quantile_loss", {"quantile": 1.0}, "between 0 and 1, not 1.0"),
        ("log_loss", {"smoothing": 1}, "from 0 to below 1, not 1"),
        ("log_loss", {"smoothing": "0.1"}, "not '0.1'"),
        ("huber_loss", {"alpha": 1.0}, "huber_loss has no option 'alpha', but delta"),
        ("squared_loss", {"delta": 1.0}, "squared_loss has no option 'delta', but none"),
        ("squared_loss", [], r"are a dict of numbers, not \[\]"),
    ],
)
def test_impossible_options_are_refused(loss, options, message):
    with pytest.raises(ValueError, match=message):
        check_options(loss, options)
