"""Who is told of a fit: scikit-learn's callbacks after epochs, plain functions after steps.

Truth comes from other fits: that of k epochs is what a callback is to see after epoch k.
"""

import importlib.util
import inspect
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.callback.tests import _utils
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def quick(cls=MLPClassifier, **settings):
    settings = {"random_state": 3, "max_iter": 4, "batch_size": 40, **settings}
    return cls(hidden_layer_sizes=(6,), **settings)


# ----- scikit-learn's own tests of estimators that support callbacks ----------------------------


class WithData(MLPRegressor):
    """In scikit-learn's tests, `fit` has data of its own."""

    def fit(self, X=None, y=None, sample_weight=None):
        X = np.arange(12.0).reshape(6, 2) / 12 if X is None else X
        return super().fit(X, X[:, 0] if y is None else y, sample_weight)


def in_their_place(max_iter=20):
    return WithData(hidden_layer_sizes=(2,), max_iter=max_iter, tol=0.0, n_iter_no_change=np.inf)


def _theirs():
    spec = importlib.util.find_spec("sklearn.callback.tests.test_callback_support")
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    copy.MaxIterEstimator = in_their_place
    return {
        name: test
        for name, test in inspect.getmembers(copy, inspect.isfunction)
        if name.startswith("test_") and test.__module__ == copy.__name__
    }


_THEIRS = _theirs()
_IN_PROCESSES = _THEIRS.pop("test_function_no_callback_support")  # which cannot load our stand-in
globals().update(_THEIRS)


def test_their_tests_are_run():
    assert len(_THEIRS) > 4


def test_clones_in_threads_call_back():
    _IN_PROCESSES(2, "threads", _utils.RecordingCallback)


# ----- Tasks ------------------------------------------------------------------------------------


def recorded(estimator, *data, callback=_utils.RecordingCallback, **more):
    callback = callback()
    estimator.set_callbacks(callback).fit(*data, **more)
    return callback.record


def ends(record):
    return [r for r in record if r["name"] == "on_fit_task_end"]


@pytest.mark.parametrize("settings", [
    {}, {"solver": "sgd"}, {"early_stopping": True}, {"restore_best": True}
], ids=str)  # fmt: skip
def test_there_is_one_task_for_each_epoch(settings):
    record = recorded(quick(**settings), X, Y)
    names = [r["name"] for r in record]
    pair = ["on_fit_task_begin", "on_fit_task_end"]
    assert names == ["setup", pair[0], *pair * 4, pair[1], "teardown"]
    contexts = [r["context"] for r in ends(record)]
    assert [(c.task_name, c.task_id) for c in contexts] == [
        *(("epoch", k) for k in range(4)), ("fit", 0)
    ]  # fmt: skip
    assert contexts[-1].max_subtasks == 4
    assert contexts[0].parent is contexts[-1]


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"restore_best": True}])
def test_a_task_ends_with_the_estimator_of_a_fit_that_ends_there(settings):
    record = ends(recorded(quick(**settings), X, Y))
    for epochs, one in enumerate(record[:-1], start=1):
        expected = quick(**{**settings, "max_iter": epochs}).fit(X, Y)
        np.testing.assert_array_equal(flat(one["kwargs"]["fitted_estimator"]), flat(expected))
    last = record[-1]["kwargs"]["fitted_estimator"]
    np.testing.assert_array_equal(last.predict(X), quick(**settings).fit(X, Y).predict(X))


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_callbacks_change_no_bit(settings):
    plain, called = quick(**settings).fit(X, Y), quick(**settings)
    recorded(called, X, Y)
    np.testing.assert_array_equal(flat(plain), flat(called))


def test_a_task_has_the_training_part():
    pandas = pytest.importorskip("pandas")
    frame, weights = pandas.DataFrame(X, columns=list("abcd")), np.linspace(0.5, 1, 150)
    record = ends(recorded(quick(early_stopping=True), frame, Y, weights))
    given = record[0]["kwargs"]
    assert list(given["X"].columns) == list("abcd")
    assert len(given["X"]) == given["X"].index.nunique() == 135
    np.testing.assert_array_equal(Y[given["X"].index], given["y"])
    np.testing.assert_array_equal(weights[given["X"].index], given["metadata"]["sample_weight"])
    assert len(record[-1]["kwargs"]["X"]) == 150
    given["fitted_estimator"].predict(given["X"])  # the names of features fit


def test_an_early_return_ends_the_fit():
    estimator = quick()
    record = recorded(estimator, X, Y, callback=_utils.StopFitCallback)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 1
    assert [r["name"] for r in record][-2:] == ["on_fit_task_end", "teardown"]
    np.testing.assert_array_equal(flat(estimator), flat(quick(max_iter=1).fit(X, Y)))


def test_iterations_of_lbfgs_are_tasks():
    settings = {"solver": "lbfgs", "max_iter": 6}
    record = ends(recorded(quick(**settings), X, Y))
    assert [r["context"].task_name for r in record] == ["iteration"] * 7 + ["fit"]
    for iterations, one in enumerate(record[:6], start=1):
        expected = quick(**{**settings, "max_iter": iterations}).fit(X, Y)
        np.testing.assert_allclose(
            flat(one["kwargs"]["fitted_estimator"]), flat(expected), rtol=1e-12
        )
    estimator = quick(**settings)
    recorded(estimator, X, Y, callback=_utils.StopFitCallback)
    assert estimator.n_iter_ == 1


def test_partial_fit_is_a_fit_of_one_epoch():
    estimator = quick()
    callback = _utils.RecordingCallback()
    estimator.set_callbacks(callback).partial_fit(X, Y, classes=[0, 1, 2])
    assert callback.count_hooks("on_fit_task_end") == 2


def test_scores_are_monitored():
    monitor = ScoringMonitor(scoring="accuracy")
    quick().set_callbacks(monitor).fit(X, Y)
    found = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert found == [quick(max_iter=k).fit(X, Y).score(X, Y) for k in (1, 2, 3, 4)]


def test_a_pipeline_and_a_search_show_the_bars_of_their_epochs(capsys):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick()), {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    shown = capsys.readouterr().out
    assert shown.count("| MLPClassifier - fit") >= 5
    assert "100%" in shown


def test_a_search_propagates_callbacks_to_each_epoch():
    callback = _utils.RecordingAutoPropagatedCallback()
    GridSearchCV(quick(), {"alpha": [0.1, 1.0]}, cv=2).set_callbacks(callback).fit(X, Y)
    epochs = [r for r in ends(callback.record) if r["context"].task_name == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 4


def test_what_is_no_callback_of_theirs_is_refused():
    with pytest.raises(TypeError, match="must be instances following the FitCallback protocol"):
        quick().set_callbacks(print)


# ----- Steps ------------------------------------------------------------------------------------

ENGINES = ["reference", pytest.param("native", marks=pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="without Numba there are no kernels"
))]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [{}, {"solver": "sgd", "dropout": 0.2}], ids=str)
def test_steps_are_told_and_change_no_bit(engine, settings):
    steps = []
    plain = quick(engine=engine, **settings).fit(X, Y)
    told = quick(engine=engine, callbacks=steps.append, **settings).fit(X, Y)
    np.testing.assert_array_equal(flat(plain), flat(told))
    assert plain.loss_curve_ == told.loss_curve_
    assert [step.number for step in steps] == list(range(1, 17))
    assert [step.epoch for step in steps] == np.repeat([1, 2, 3, 4], 4).tolist()
    for epoch in range(4):
        own = steps[4 * epoch : 4 * epoch + 4]
        assert [len(step.rows) for step in own] == [40, 40, 40, 30]
        np.testing.assert_array_equal(np.sort(np.concatenate([s.rows for s in own])), range(150))
        mean = sum(step.loss * len(step.rows) for step in own) / 150
        np.testing.assert_allclose(mean, told.loss_curve_[epoch], rtol=1e-12)
    np.testing.assert_array_equal(steps[-1].theta, flat(told))
    for one, other in zip(
        steps[-1].coefs + steps[-1].intercepts, told.coefs_ + told.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    third = quick(engine=engine, max_iter=3, **settings).fit(X, Y)
    np.testing.assert_array_equal(steps[11].theta, flat(third))  # it does not change any more


def test_a_step_is_what_its_rows_rate_and_loss_say():
    """Plain gradient descent, made again by hand."""
    steps = []
    data = X[:, :3], X[:, 3]
    MLPRegressor(
        hidden_layer_sizes=(), solver="sgd", momentum=0.0, alpha=0.0, learning_rate_init=0.01,
        batch_size=50, max_iter=1, random_state=0, callbacks=[steps.append],
    ).fit(*data)  # fmt: skip
    for before, after in pairwise(steps):
        x, y = data[0][after.rows], data[1][after.rows, np.newaxis]
        missed = x @ before.coefs[0] + before.intercepts[0] - y
        np.testing.assert_allclose(after.loss, 0.5 * np.mean(missed**2), rtol=1e-12)
        expected = before.coefs[0] - after.learning_rate * x.T @ missed / 50
        np.testing.assert_allclose(after.coefs[0], expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_returns_true_ends_the_fit(engine):
    steps = []

    def sixth(step):
        steps.append(step)
        return step.number == 6

    estimator = quick(engine=engine, callbacks=(sixth, steps.append)).fit(X, Y)
    assert len(steps) == 12  # all are called, and then no more
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 1
    np.testing.assert_array_equal(flat(estimator), steps[-1].theta)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_epoch_whose_last_step_ends_the_fit_is_written_down(engine):
    estimator = quick(engine=engine, callbacks=lambda step: step.number == 8).fit(X, Y)
    two = quick(engine=engine, max_iter=2).fit(X, Y)
    np.testing.assert_array_equal(flat(estimator), flat(two))
    assert estimator.loss_curve_ == two.loss_curve_


def test_rows_are_those_of_the_training_part():
    steps = []
    quick(early_stopping=True, callbacks=steps.append, max_iter=1).fit(X, Y)
    np.testing.assert_array_equal(np.sort(np.concatenate([s.rows for s in steps])), range(135))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "The 'callbacks' parameter of MLPClassifier must be"),
        ([print, 3], "callbacks must be functions of a step, got 3; scikit-learn's callbacks are"),
    ],
)
def test_what_is_no_function_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        quick(callbacks=given).fit(X, Y)


def test_lbfgs_has_no_steps():
    with pytest.raises(ValueError, match="callbacks is used after epochs and steps, and solver="):
        quick(solver="lbfgs", callbacks=print).fit(X, Y)


def test_functions_are_cloned_and_not_saved(tmp_path):
    estimator = quick(callbacks=print)
    assert clone(estimator).callbacks is print
    with pytest.raises(ValueError, match=r"callbacks=.*print.* is no data and cannot be saved"):
        quick(max_iter=1).fit(X, Y).set_params(callbacks=print).save(tmp_path / "model")


# ----- Threads ----------------------------------------------------------------------------------


def test_the_bits_do_not_depend_on_the_number_of_threads():
    pytest.importorskip("numba")
    random = np.random.RandomState(0)
    x, y = random.randn(600, 64), random.randint(3, size=600)
    fits = [
        MLPClassifier(
            (128, 64), max_iter=2, random_state=0, engine="native", n_threads=count
        ).fit(x, y)
        for count in (None, 1, 2, 3)
    ]  # fmt: skip
    assert {fit.engine_ for fit in fits} == {"native"}
    for fit in fits[1:]:
        np.testing.assert_array_equal(flat(fit), flat(fits[0]))


def test_as_many_threads_are_asked_for_as_may_be(monkeypatch):
    pytest.importorskip("numba")
    from backlit.execution.native.repeated import Repeated
    from backlit.execution.native.threads import default_threads

    run, asked = Repeated.run, set()

    def noted(self, state, sources, order, steps, n_threads=1):
        asked.add(n_threads)
        return run(self, state, sources, order, steps, n_threads)

    monkeypatch.setattr(Repeated, "run", noted)
    quick(engine="native", n_threads=3).fit(X, Y)
    assert asked == {3}
    asked.clear()
    quick(engine="native").fit(X, Y)
    assert asked == {default_threads()}


@pytest.mark.parametrize("given", [0, -1, 1.5, "all"])
def test_threads_are_checked(given):
    message = (
        r"The 'n_threads' parameter of MLPClassifier must be an int in the range \[1, inf\) or None"
    )
    with pytest.raises(ValueError, match=message):
        quick(n_threads=given).fit(X, Y)


# ----- The bar ----------------------------------------------------------------------------------


def test_progress_is_some_lines_where_nothing_can_be_redrawn(capsys):
    quick(verbose="progress", max_iter=25, early_stopping=True, n_iter_no_change=30).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13  # every other epoch, and the last
    for line in lines:
        assert line.startswith("epoch ")
        assert "loss " in line and "validation score " in line and line.endswith(" left")
    assert lines[-1].split()[1] == "25"


def test_progress_is_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any output for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    estimator = quick(verbose="progress", max_iter=25).fit(X, Y)
    shown = capsys.readouterr().out
    assert "25/25" in shown
    assert f"loss {estimator.loss_:.4f}" in shown
    assert "━" in shown


def test_progress_changes_no_bit_and_is_checked():
    np.testing.assert_array_equal(
        flat(quick(verbose="progress").fit(X, Y)), flat(quick().fit(X, Y))
    )
    with pytest.raises(ValueError, match=r"The 'verbose' parameter of MLPClassifier .*'progress'"):
        quick(verbose="bar").fit(X, Y)
