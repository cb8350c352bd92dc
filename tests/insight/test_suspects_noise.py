"""The model of wrong classes, beside data whose wrong classes are known."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import softmax

from backlit.insight.suspects_noise import ClassNoise, _Problem, fit_class_noise

ONE_WAY = np.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
EVEN = np.full((3, 3), 0.05) + 0.85 * np.eye(3)


def _drawn(flips, rows=3000, seed=0, spread=4.0, slope=1.7):
    """Draw outputs, true classes by the outputs, and given classes by the flips."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(rows, len(flips))) * spread
    chances = softmax(slope * outputs, axis=1)
    true = np.array([rng.choice(len(flips), p=p) for p in chances])
    given = np.array([rng.choice(len(flips), p=flips[each]) for each in true])
    return outputs, true, given


@pytest.mark.parametrize("flips", [ONE_WAY, EVEN], ids=["one way", "even"])
def test_flips_and_slope_are_found_again(flips):
    outputs, true, given = _drawn(flips)
    noise, error = fit_class_noise(outputs, outputs, given)
    # 1,000 rows of a class show a rate of 0.2 with a standard error of 0.013.
    np.testing.assert_allclose(noise.flips, flips, atol=0.04)
    assert abs(noise.slope - 1.7) < 0.4
    wrong = noise.wrong(outputs, given)
    count = np.sum(given != true)
    assert abs(np.sum(wrong) - count) < 2 * error < 0.5 * count


def test_chances_are_shares():
    outputs, true, given = _drawn(EVEN, rows=6000)
    noise, _ = fit_class_noise(outputs, outputs, given)
    wrong = noise.wrong(outputs, given)
    for low, high in [(0.05, 0.3), (0.3, 0.7), (0.7, 1.0)]:
        some = (wrong > low) & (wrong <= high)
        share = np.mean((given != true)[some])
        # Three standard errors of a share, and what the parameters' own error adds.
        assert abs(share - np.mean(wrong[some])) < 3 * 0.5 / np.sqrt(np.sum(some)) + 0.05


def test_overlap_is_no_noise():
    outputs, _, given = _drawn(np.eye(3), spread=0.7)  # a third of the rows is on the wrong side
    assert np.mean(np.argmax(outputs, axis=1) != given) > 0.25
    noise, _ = fit_class_noise(outputs, outputs, given)
    assert np.mean(noise.wrong(outputs, given) > 0.5) < 0.01


def test_posterior_is_bayes_rule():
    noise = ClassNoise(0.7, np.array([0.1, -0.2, 0.3]), EVEN)
    outputs = np.random.default_rng(1).normal(size=(5, 3))
    found = noise.posterior(outputs, np.array([0, 1, 2, 0, 1]))
    for row, given in enumerate([0, 1, 2, 0, 1]):
        prior = softmax(0.7 * outputs[row] + noise.biases)
        joint = [prior[true] * EVEN[true, given] for true in range(3)]
        np.testing.assert_allclose(found[row], np.array(joint) / sum(joint), rtol=1e-12)
        np.testing.assert_allclose(
            noise.wrong(outputs, np.array([0, 1, 2, 0, 1]))[row],
            1 - joint[given] / sum(joint), rtol=1e-9,
        )  # fmt: skip


def test_the_gradient_of_the_likelihood_is_right():
    outputs, _, given = _drawn(ONE_WAY, rows=40)
    problem = _Problem.of(outputs, given)
    v = np.random.default_rng(2).normal(size=1 + 3 + 6)
    prior = np.full((3, 3), 0.4)
    found = check_grad(
        lambda v: problem.objective(v, prior)[0], lambda v: problem.objective(v, prior)[1], v
    )
    # Forward differences of step 1.5e-8 on a value near 100 err by about 1e-6 a component.
    assert found < 1e-4


def test_the_same_call_gives_the_same_bits():
    outputs, _, given = _drawn(EVEN, rows=500)
    first, error = fit_class_noise(outputs, outputs, given)
    again, error_again = fit_class_noise(outputs, outputs, given)
    assert first.flips.tobytes() == again.flips.tobytes() and error == error_again


def test_a_class_without_rows_is_no_obstacle():
    outputs, _, given = _drawn(EVEN, rows=300)
    noise, _ = fit_class_noise(outputs, outputs, np.where(given == 2, 0, given))
    assert np.all(np.isfinite(noise.flips))
