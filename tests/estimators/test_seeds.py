"""Several seeds in one fit: each is the fit with that seed, and what is kept is what they say."""

import os
import pickle
import signal
import threading

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.callback.tests import _utils
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from backlit.estimators import MLPClassifier, MLPRegressor, load
from backlit.estimators.engines import ReferenceSteps

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def quick(cls=MLPClassifier, **settings):
    settings = {"random_state": 3, "max_iter": 5, "batch_size": 40, **settings}
    return cls(hidden_layer_sizes=(6,), **settings)


SETTINGS = [
    {"early_stopping": True},
    {"restore_best": True, "dropout": 0.2},
    {"engine": "native"},
    {"solver": "lbfgs"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_seed_has_the_bits_of_its_own_fit(settings):
    if settings.get("engine") == "native":
        pytest.importorskip("numba")
    several = quick(n_seeds=3, seed_choice="average", **settings).fit(X, Y)
    assert several.seeds_ == [3, 4, 5]
    apart = [quick(**{**settings, "random_state": seed}).fit(X, Y) for seed in (3, 4, 5)]
    for k, one in enumerate(apart):
        arrays = several.seed_coefs_[k] + several.seed_intercepts_[k]
        for ours, alone in zip(arrays, one.coefs_ + one.intercepts_, strict=True):
            np.testing.assert_array_equal(ours, alone)
    mean = np.mean([one.predict_proba(X) for one in apart], axis=0)
    np.testing.assert_array_equal(several.predict_proba(X), mean)
    np.testing.assert_array_equal(several.predict(X), mean.argmax(axis=1))


@pytest.mark.parametrize("settings", [{}, *SETTINGS[:2]], ids=str)
def test_the_best_is_kept_with_all_that_its_fit_says(settings):
    several = quick(n_seeds=4, **settings).fit(X, Y)
    apart = [quick(**{**settings, "random_state": seed}).fit(X, Y) for seed in several.seeds_]
    if "early_stopping" in settings:
        expected = [one.best_validation_score_ for one in apart]
    else:
        expected = [one.score(X, Y) for one in apart]
    assert several.seed_scores_ == expected
    assert len(set(expected)) > 1
    best = apart[int(np.argmax(expected))]
    np.testing.assert_array_equal(flat(several), flat(best))
    for name in ("loss_curve_", "n_iter_", "loss_", "validation_scores_", "t_", "engine_"):
        assert getattr(several, name) == getattr(best, name)
    assert not hasattr(several, "seed_coefs_")


def test_scores_are_those_that_are_asked_for():
    weights = np.linspace(0.5, 1, 150)
    several = quick(n_seeds=2, scoring="neg_log_loss").fit(X, Y, weights)
    apart = [quick(random_state=seed).fit(X, Y, weights) for seed in (3, 4)]
    expected = [-log_loss(Y, e.predict_proba(X), sample_weight=weights) for e in apart]
    np.testing.assert_allclose(several.seed_scores_, expected, rtol=1e-12)
    several = quick(n_seeds=2, restore_best=True).fit(X, Y, X_val=X[::3], y_val=Y[::3])
    expected = [
        quick(random_state=seed, restore_best=True)
        .fit(X, Y, X_val=X[::3], y_val=Y[::3])
        .score(X[::3], Y[::3])
        for seed in (3, 4)
    ]
    assert several.seed_scores_ == expected


def test_the_interval_of_the_mean_is_students():
    several = quick(n_seeds=5).fit(X, Y)
    scores = several.seed_scores_
    np.testing.assert_allclose(several.seed_score_mean_, np.mean(scores), rtol=1e-15)
    expected = stats.ttest_1samp(scores, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose(several.seed_score_interval_, expected, rtol=1e-12)


def test_numbers_are_averaged_too():
    several = quick(MLPRegressor, n_seeds=3, seed_choice="average").fit(X[:, :2], X[:, 2:])
    apart = [quick(MLPRegressor, random_state=seed).fit(X[:, :2], X[:, 2:]) for seed in (3, 4, 5)]
    mean = np.mean([one.predict(X[:, :2]) for one in apart], axis=0)
    np.testing.assert_array_equal(several.predict(X[:, :2]), mean)


def test_seeds_are_drawn_where_there_is_no_int():
    several = quick(n_seeds=3, random_state=np.random.RandomState(0), max_iter=1).fit(X, Y)
    assert several.seeds_ == np.random.RandomState(0).randint(2**31 - 1, size=3).tolist()
    assert len(set(quick(n_seeds=3, random_state=None, max_iter=1).fit(X, Y).seeds_)) == 3
    assert quick(n_seeds=2, random_state=2**32 - 1, max_iter=1).fit(X, Y).seeds_ == [2**32 - 1, 0]


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_averages_are_pickled_saved_and_cloned(cls, tmp_path):
    several = quick(cls, n_seeds=3, seed_choice="average", early_stopping=True).fit(X, Y)
    several.save(tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(several)), load(tmp_path / "model")):
        np.testing.assert_array_equal(again.predict(X), several.predict(X))
        for name in ("seeds_", "seed_scores_", "seed_score_mean_", "seed_score_interval_"):
            assert getattr(again, name) == getattr(several, name)
    np.testing.assert_array_equal(clone(several).fit(X, Y).predict(X), several.predict(X))


def test_a_fit_of_one_seed_forgets_the_others():
    estimator = quick(n_seeds=2, seed_choice="average").fit(X, Y)
    estimator.set_params(n_seeds=1).fit(X, Y)
    np.testing.assert_array_equal(estimator.predict_proba(X), quick().fit(X, Y).predict_proba(X))
    assert not hasattr(estimator, "seeds_")


def test_seeds_are_searched_over():
    search = GridSearchCV(quick(n_seeds=2, seed_choice="average"), {"alpha": [0.1, 1.0]}, cv=2)
    assert len(search.fit(X, Y).best_estimator_.seeds_) == 2


def test_scikit_learns_callbacks_are_told_of_each_seed():
    callback = _utils.RecordingCallback()
    quick(n_seeds=3).set_callbacks(callback).fit(X, Y)
    ends = [r for r in callback.record if r["name"] == "on_fit_task_end"]
    assert [r["context"].task_name for r in ends] == ["seed"] * 3 + ["fit"]
    for seed, end in zip((3, 4, 5), ends, strict=False):
        expected = quick(random_state=seed).fit(X, Y)
        np.testing.assert_array_equal(flat(end["kwargs"]["fitted_estimator"]), flat(expected))


def test_verbose_says_the_score_of_each_seed(capsys):
    several = quick(n_seeds=2, verbose=True).fit(X, Y)
    expected = [f"Seed {k}: score {v:f}" for k, v in zip((3, 4), several.seed_scores_, strict=True)]
    assert capsys.readouterr().out.splitlines() == expected


def test_ctrl_c_ends_all_seeds(monkeypatch):
    step, calls = ReferenceSteps._step, []

    def pressed(*arguments):
        calls.append(threading.current_thread())
        if len(calls) == 30:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: to the process
        return step(*arguments)

    monkeypatch.setattr(ReferenceSteps, "_step", pressed)
    estimator = quick(n_seeds=4, max_iter=1000, tol=0.0, n_iter_no_change=np.inf)
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        estimator.fit(X, Y)
    assert len(calls) < 4000
    assert threading.main_thread() not in calls
    assert estimator.predict(X).shape == (150,)
    with pytest.raises(ValueError, match="no interrupted fit"):
        estimator.resume(X, Y)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_one_warning_stands_for_all_seeds():
    said = r"Maximum iterations \(5\) .* \(So, or alike, 3 of 3 seeds\.\)"
    with pytest.warns(UserWarning, match=said) as caught:
        quick(n_seeds=3).fit(X, Y)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"n_seeds": 0},
            r"The 'n_seeds' parameter of MLPClassifier must be an int in .*\[1, inf\)",
        ),
        ({"seed_choice": "all"}, "The 'seed_choice' parameter of MLPClassifier must be"),
        ({"n_seeds": 2, "callbacks": print}, "callbacks goes with one network; set n_seeds=1"),
        ({"n_seeds": 2, "warm_start": True}, "warm_start goes with one network; set n_seeds=1"),
        ({"n_seeds": 2, "dropout": [0.1, 0.2]}, "dropout must be one value or have one for each"),
    ],
)
def test_settings_of_seeds_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(X, Y)


def test_partial_fit_has_one_seed():
    estimator = quick(n_seeds=2, seed_choice="average").fit(X, Y)
    before = estimator.predict_proba(X)
    with pytest.raises(ValueError, match="partial_fit goes on with one network; set n_seeds=1"):
        estimator.partial_fit(X, Y)
    np.testing.assert_array_equal(estimator.predict_proba(X), before)
