"""Several fits that differ in their random numbers: side by side, scored, and kept."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.metrics import get_scorer
from sklearn.utils import check_random_state

from backlit.estimators.course import INTERRUPTED, Note

LARGEST = 2**32 - 1  # of the seeds that NumPy takes


def seeds_for(random_state: Any, count: int) -> list[int]:
    """Return the seeds of several fits.

    Parameters
    ----------
    random_state : int, RandomState or None
    count : int

    Returns
    -------
    list of int
        From an int on, one after another; else drawn.

    Examples
    --------
    >>> from backlit.estimators.seeds import seeds_for
    >>> seeds_for(7, 3)
    [7, 8, 9]
    """
    if isinstance(random_state, Integral):
        return [(int(random_state) + k) % (LARGEST + 1) for k in range(count)]
    drawn = check_random_state(random_state).randint(2**31 - 1, size=count)
    return [int(seed) for seed in drawn]


def fit_seeds(
    estimator: Any, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]
) -> list[Note]:
    """Fit one network for each seed, and keep the best or all.

    Parameters
    ----------
    estimator : BaseMLP
        Takes the fitted attributes of the best.
    X, y, sample_weight, validation
        As the user gave them.

    Returns
    -------
    list of (str, type of Warning)
        What the user is to be warned of.

    Raises
    ------
    ValueError
        If a setting goes with one fit only, or as a fit raises it.
    """
    for name in ("callbacks", "warm_start"):
        if getattr(estimator, name):
            raise ValueError(f"{name} goes with one network; set n_seeds=1, or leave {name} out")
    seeds = seeds_for(estimator.random_state, estimator.n_seeds)
    root = estimator._init_callback_context(max_subtasks=len(seeds))
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    facts = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    root.call_on_fit_task_begin(**facts)
    stop = threading.Event()
    members = [_member(estimator, seed, stop.is_set) for seed in seeds]
    notes: list[list[Note]] = [[] for _ in seeds]
    scores = np.full(len(seeds), np.nan)

    def ended(k: int, found: list[Note]) -> None:
        member = members[k]
        notes[k], scores[k] = found, _score(member, X, y, sample_weight)
        if estimator.verbose:
            print(f"Seed {seeds[k]}: score {scores[k]:f}")
        task = root.subcontext(task_name="seed").call_on_fit_task_begin(**facts)
        if task.call_on_fit_task_end(**facts, reconstruction_attributes=lambda: _fitted(member)):
            stop.set()

    interrupted = _run(estimator, members, (X, y, sample_weight, validation), stop, ended)
    best = 0 if np.isnan(scores).all() else int(np.nanargmax(scores))
    for name, value in _fitted(members[best]).items():
        setattr(estimator, name, value)
    estimator.seeds_, estimator.seed_scores_ = seeds, scores.tolist()
    estimator.seed_score_mean_ = float(np.mean(scores))
    estimator.seed_score_interval_ = interval(scores)
    if estimator.seed_choice == "average":
        estimator.seed_coefs_ = [member.coefs_ for member in members]
        estimator.seed_intercepts_ = [member.intercepts_ for member in members]
    root.call_on_fit_task_end(**facts, reconstruction_attributes=dict)
    return [*_summed_up(notes, best), *([(INTERRUPTED, UserWarning)] if interrupted else [])]


def interval(scores: Any) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean score, by Student's t distribution.

    Parameters
    ----------
    scores : array, shape (seeds,)

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> from backlit.estimators.seeds import interval
    >>> low, high = interval([0.9, 0.92, 0.94])
    >>> round(low, 3), round(high, 3)
    (0.87, 0.97)
    """
    from scipy.stats import t

    count, mean = len(scores), float(np.mean(scores))
    half = float(t.ppf(0.975, count - 1) * np.std(scores, ddof=1) / math.sqrt(count))
    return mean - half, mean + half


def _member(estimator: Any, seed: int, asked_to_stop: Callable[[], bool]) -> Any:
    settings = {**estimator.get_params(deep=False), "n_seeds": 1, "random_state": seed}
    settings |= {"verbose": False, "n_threads": _threads(estimator)[1]}
    member = type(estimator)(**settings)
    member._asked_to_stop = asked_to_stop
    return member


def _threads(estimator: Any) -> tuple[int, int]:
    """Return how many fits run at once, and how many threads each has."""
    from backlit.execution.native.threads import default_threads

    threads = estimator.n_threads or default_threads()
    at_once = min(estimator.n_seeds, threads)
    return at_once, max(1, threads // at_once)


def _run(
    estimator: Any, members: list[Any], data: tuple[Any, ...], stop: threading.Event,
    ended: Callable[[int, list[Note]], None],
) -> bool:  # fmt: skip
    """Fit the members, and say whether that was interrupted."""
    X, y, sample_weight, validation = data
    config, interrupted = get_config(), False

    def fit(member: Any) -> Any:
        with config_context(**config):  # which is each thread's own
            return member._fit_one(X, y, sample_weight, validation=validation)

    with ThreadPoolExecutor(_threads(estimator)[0], thread_name_prefix="seed") as pool:
        futures = [pool.submit(fit, member) for member in members]
        try:
            for k, future in enumerate(futures):
                ended(k, future.result())
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
            wait(futures)
            for k, future in enumerate(futures):
                if future.exception() is None:
                    ended(k, future.result())
        except BaseException:
            stop.set()
            raise
    return interrupted


def _score(member: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """Return the validation score of what a member keeps, or else its score in training."""
    scores = getattr(member, "validation_scores_", None)
    if scores:
        return float(scores[getattr(member, "best_epoch_", member.n_iter_) - 1])
    if member.n_iter_ == 0:
        return math.nan
    if member.scoring == "loss":
        return -float(member.loss_)
    if member.scoring is None:
        return float(member.score(X, y, sample_weight))
    scorer = get_scorer(member.scoring) if isinstance(member.scoring, str) else member.scoring
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    return float(scorer(member, X, y, **weights))


def _fitted(member: Any) -> dict[str, Any]:
    """Return what a fit has left in a member."""
    inside = {*member.get_params(deep=False), "_asked_to_stop", "_interrupted"}
    return {name: value for name, value in vars(member).items() if name not in inside}


def _summed_up(notes: list[list[Note]], best: int) -> list[Note]:
    """Return one note for all of a kind: that of the best seed, if it has one."""
    kinds: dict[str, list[Note]] = {}
    for found in [notes[best], *notes[:best], *notes[best + 1 :]]:
        for text, category in found:
            kinds.setdefault(text[:20], []).append((text, category))
    return [
        (f"{found[0][0]} (So, or alike, {len(found)} of {len(notes)} seeds.)", found[0][1])
        for found in kinds.values()
    ]
