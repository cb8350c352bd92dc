"""How many labels are wrong, and the chance that one is: a model of noise in classes.

The network says of each row how it leans: mean outputs ``s``, one for each class. Two things stand
between them and the label that was given:

    p(true = i | row)   = softmax(slope * s + biases)[i]
    p(given = j | row)  = sum over i of p(true = i | row) * flips[i, j]

The first says how sure the network should have been, the second how labels went wrong. That the
two can be told apart rests on rows about which the network is sure: however far from a boundary,
a share of them has another label, and that share is ``flips`` (the "anchor points" of T. Liu and
D. Tao, "Classification with noisy labels by importance reweighting", 2016). Where errors are from
overlapping classes instead, they become rarer with the distance, and ``flips`` stays near 0. So
noise that goes one way, from one class to another, is found, and needs no rule of its own.

All of it is fitted at once, by maximum likelihood with a weak prior: each class shares the overall
rate of flips, evenly over the other classes, as if ``PRIOR_ROWS`` rows had shown it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from backlit.execution.blas import one_thread

PRIOR_ROWS = 20.0
MOST_ROWS, MOST_OUTPUTS = 4000, 50_000
"""Of more rows that have more outputs, every so many-th is enough to fit the few numbers of the
model."""

_GROUPS = 8  # of the jackknife
_STARTS = (0.01, 0.15)  # rates of noise: the likelihood may have a hill at either end


@dataclass(frozen=True, eq=False)
class ClassNoise:
    """How given classes come about.

    Attributes
    ----------
    slope : float
        How much surer the rows are than the outputs say.
    biases : array of float64, shape (classes,)
    flips : array of float64, shape (classes, classes)
        The chance that a row of a true class (the first axis) is given each class.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects_noise import ClassNoise
    >>> noise = ClassNoise(1.0, np.zeros(2), np.array([[0.9, 0.1], [0.0, 1.0]]))
    >>> noise.posterior(np.array([[5.0, 0.0], [0.0, 5.0]]), np.array([1, 1])).round(2)
    array([[0.94, 0.06],
           [0.  , 1.  ]])
    """

    slope: float
    biases: NDArray[np.float64]
    flips: NDArray[np.float64]

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the chance of each class, before the given one is known.

        Parameters
        ----------
        outputs : array, shape (examples, classes)

        Returns
        -------
        array of float64, shape (examples, classes)
        """
        z = self.slope * outputs + self.biases
        p = np.exp(z - np.max(z, axis=1, keepdims=True))
        p /= np.sum(p, axis=1, keepdims=True)
        probabilities: NDArray[np.float64] = p
        return probabilities

    def posterior(self, outputs: NDArray[Any], given: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the chance of each class to be the true one, now that the given one is known.

        Parameters
        ----------
        outputs : array, shape (examples, classes)
        given : array of int, shape (examples,)

        Returns
        -------
        array of float64, shape (examples, classes)
        """
        joint = self.probabilities(outputs) * self.flips[:, given].T
        return joint / np.maximum(np.sum(joint, axis=1, keepdims=True), np.finfo(float).tiny)

    def wrong(self, outputs: NDArray[Any], given: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the chance that each given class is wrong; shape (examples,)."""
        right = self.posterior(outputs, given)[np.arange(len(given)), given]
        wrong: NDArray[np.float64] = 1 - right
        return wrong


def fit_class_noise(
    early: NDArray[Any], outputs: NDArray[Any], given: NDArray[np.intp]
) -> tuple[ClassNoise, float]:
    """Fit the model.

    Parameters
    ----------
    early : array, shape (examples, classes)
        Mean outputs of the first epochs.
    outputs : array, shape (examples, classes)
        Mean outputs of all epochs that are read, for which slope and biases are. The flips are the
        mean of two estimates, since each errs to another side: in the first epochs the network has
        not learned all that there is, and takes rare rows for wrong ones; later it knows wrong rows
        too well.
    given : array of int, shape (examples,)

    Returns
    -------
    ClassNoise
    error : float
        The standard error of the number of wrong classes among the examples.
    """
    most = max(MOST_ROWS, MOST_OUTPUTS // outputs.shape[1])
    some = slice(None, None, -(-len(given) // most))
    both, labels = (early[some], outputs[some]), given[some]
    with one_thread():
        starts = []
        for each in both:
            tries = [_fit(each, labels, rate) for rate in _STARTS]
            starts.append(min(tries, key=lambda found: found[1])[0])
        noise = _joined(starts, both[1], labels)
        wrong = noise.wrong(outputs, given)
        groups = np.arange(len(labels)) % _GROUPS
        left_out = []
        for group in range(_GROUPS):
            others = groups != group
            found = [
                _fit(each[others], labels[others], start=start)[0]
                for each, start in zip(both, starts, strict=True)
            ]
            joined = _joined(found, both[1][others], labels[others])
            left_out.append(np.sum(joined.wrong(outputs, given)))
    # The delete-a-group jackknife (J. Shao and D. Tu, "The Jackknife and Bootstrap", 1995, 2.3);
    # given the model, each row is wrong or not by its chance; and the two estimates differ.
    spread = (_GROUPS - 1) / _GROUPS * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)
    sizes = np.bincount(given, minlength=len(noise.flips))
    first, second = (float(sizes @ (1 - np.diag(each.flips))) for each in starts)
    return noise, float(np.sqrt(spread + np.sum(wrong * (1 - wrong)) + (first - second) ** 2 / 4))


def _joined(found: list[ClassNoise], outputs: NDArray[Any], given: NDArray[np.intp]) -> ClassNoise:
    """Return the model with the mean flips of several."""
    flips = np.mean([each.flips for each in found], axis=0)
    return _fit_link(replace(found[-1], flips=flips), outputs, given)


def _fit(
    outputs: NDArray[Any], given: NDArray[np.intp], rate: float = 0.0,
    start: ClassNoise | None = None,
) -> tuple[ClassNoise, float]:  # fmt: skip
    """Return slope, biases and flips, and minus the logarithm of their posterior density."""
    classes = outputs.shape[1]
    other = ~np.eye(classes, dtype=bool)
    problem = _Problem.of(outputs, given)
    if start is None:
        flips = np.full((classes, classes), rate / (classes - 1))
        np.fill_diagonal(flips, 1 - rate)
        start = ClassNoise(2.0 / problem.scale, np.zeros(classes), flips)
    else:
        rate = problem.rate(start)
    v = problem.pack(start)
    bounds = [(-3, 5), *[(-5, 5)] * classes, *[(-14, 2)] * int(other.sum())]
    noise = start
    for _ in range(4):  # the overall rate, which the prior is about, settles soon
        prior = np.where(other, rate / (classes - 1), 1 - rate) * PRIOR_ROWS
        found = minimize(
            problem.objective, v, (prior,), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 60},
        )  # fmt: skip
        v = found.x
        noise = problem.unpack(v)
        before, rate = rate, problem.rate(noise)
        if abs(rate - before) < 0.02 * before:
            break
    return noise, float(found.fun)


def _fit_link(noise: ClassNoise, outputs: NDArray[Any], given: NDArray[np.intp]) -> ClassNoise:
    """Return the model with the same flips, and the slope and the biases for other outputs."""
    problem = _Problem.of(outputs, given)
    head = 1 + outputs.shape[1]
    v = problem.pack(replace(noise, slope=2.0 / problem.scale))
    prior = np.zeros_like(noise.flips)

    def objective(link: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        value, gradient = problem.objective(np.concatenate([link, v[head:]]), prior)
        return value, gradient[:head]

    bounds = [(-3, 5), *[(-5, 5)] * (head - 1)]
    found = minimize(objective, v[:head], jac=True, method="L-BFGS-B", bounds=bounds)
    link = problem.unpack(np.concatenate([found.x, v[head:]]))
    return replace(link, flips=noise.flips)


@dataclass(frozen=True, eq=False)
class _Problem:
    """The likelihood, as a function of one vector: log slope, biases, logits of the flips."""

    outputs: NDArray[np.float64]  # of mean square 1
    scale: float
    given: NDArray[np.intp]
    present: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, outputs: NDArray[Any], given: NDArray[np.intp]) -> _Problem:
        order = np.argsort(given, kind="stable")
        outputs = outputs[order] - np.mean(outputs[order], axis=1, keepdims=True)
        scale = float(np.sqrt(np.mean(outputs**2))) or 1.0
        present, starts = np.unique(given[order], return_index=True)
        return cls(outputs / scale, scale, given[order], present, starts)

    def pack(self, noise: ClassNoise) -> NDArray[np.float64]:
        flips = np.maximum(noise.flips, 1e-7)
        logits = np.log(flips / np.diag(flips)[:, np.newaxis])
        other = ~np.eye(len(flips), dtype=bool)
        return np.concatenate([[np.log(noise.slope * self.scale)], noise.biases, logits[other]])

    def unpack(self, v: NDArray[Any]) -> ClassNoise:
        classes = self.outputs.shape[1]
        logits = np.zeros((classes, classes))
        logits[~np.eye(classes, dtype=bool)] = v[1 + classes :]
        flips = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        flips /= np.sum(flips, axis=1, keepdims=True)
        return ClassNoise(float(np.exp(v[0])) / self.scale, v[1 : 1 + classes], flips)

    def rate(self, noise: ClassNoise) -> float:
        """Return the share of wrong classes, with the prior's: half a row in fifty."""
        wrong = noise.wrong(self.outputs * self.scale, self.given)
        return float((np.sum(wrong) + 0.5) / (len(wrong) + 50))

    def objective(self, v: NDArray[Any], prior: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        noise = self.unpack(v)
        flips, classes = noise.flips, len(noise.flips)
        p = noise.probabilities(self.outputs * self.scale)
        joint = p * flips[:, self.given].T
        likelihood = np.maximum(np.sum(joint, axis=1), np.finfo(float).tiny)
        value = -np.sum(np.log(likelihood)) - np.sum(prior * np.log(flips))
        value += 0.5 * np.sum(noise.biases**2)
        by_logit = joint / likelihood[:, np.newaxis] - p
        by_flips = np.zeros((classes, classes))
        by_flips[:, self.present] = np.add.reduceat(
            p / likelihood[:, np.newaxis], self.starts, axis=0
        ).T
        weighted = by_flips * flips + prior
        by_flip_logits = weighted - flips * np.sum(weighted, axis=1, keepdims=True)
        gradient = np.concatenate([
            [np.exp(v[0]) * np.sum(by_logit * self.outputs)],
            np.sum(by_logit, axis=0) - noise.biases,
            by_flip_logits[~np.eye(classes, dtype=bool)],
        ])  # fmt: skip
        return float(value), -gradient
