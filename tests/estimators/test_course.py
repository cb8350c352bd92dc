"""How fits end: with the best epoch, where they diverge, and where they have too few epochs.

Truth comes from fits of another length, and from what happens when the advice is followed.
"""

import re
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.advice import missing_epochs

X, Y = load_iris(return_X_y=True)
IRIS = (StandardScaler().fit_transform(X), Y)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def quick(cls=MLPClassifier, **settings):
    settings = {"random_state": 3, "max_iter": 8, "batch_size": 40, **settings}
    return cls(hidden_layer_sizes=(6,), **settings)


def fitted(estimator, *data, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data, **more)


# ----- The best epoch ---------------------------------------------------------------------------

ROUGH = {"solver": "sgd", "learning_rate_init": 0.4, "batch_size": 15, "max_iter": 12}


@pytest.mark.parametrize("settings", [ROUGH, {**ROUGH, "solver": "adam"}], ids=str)
def test_the_epoch_with_the_least_loss_is_restored(settings):
    estimator = fitted(quick(restore_best=True, **settings), X, Y)
    best = int(np.argmin(estimator.loss_curve_)) + 1
    assert estimator.best_epoch_ == best < estimator.n_iter_ == 12
    np.testing.assert_array_equal(
        flat(estimator), flat(fitted(quick(**{**settings, "max_iter": best}), X, Y))
    )


def test_the_epoch_with_the_best_validation_score_is_restored():
    given = {"X_val": X[::3], "y_val": Y[::3]}
    estimator = fitted(quick(restore_best=True, **ROUGH), X, Y, **given)
    scores = estimator.validation_scores_
    assert len(scores) == 12  # nothing is stopped early
    assert estimator.score(X[::3], Y[::3]) == max(scores)
    assert estimator.best_epoch_ == int(np.argmax(scores)) + 1


def test_a_warm_start_ends_with_its_own_best_epoch():
    settings = {"early_stopping": True, "warm_start": True, "n_iter_no_change": 99, "max_iter": 30}
    kept = {}
    for restore_best in (False, True):
        estimator = quick(restore_best=restore_best, learning_rate_init=0.05, **settings)
        fitted(estimator, *IRIS)
        # Its rate is so high now that it never gets as good again.
        fitted(estimator.set_params(learning_rate_init=10.0), *IRIS)
        scores = estimator.validation_scores_
        assert max(scores[30:]) < max(scores[:30])
        kept[restore_best] = estimator.best_epoch_
    assert (
        kept[False] == estimator.n_iter_ == 30
    )  # scikit-learn's way: nothing was better than before
    assert kept[True] == int(np.argmax(scores[30:])) + 1 < 30


def test_early_stopping_says_which_epoch_it_kept():
    estimator = fitted(quick(early_stopping=True, **ROUGH), X, Y)
    assert estimator.best_epoch_ == int(np.argmax(estimator.validation_scores_)) + 1


def test_restore_best_is_checked():
    with pytest.raises(ValueError, match="The 'restore_best' parameter of MLPRegressor must be"):
        quick(MLPRegressor, restore_best="loss").fit(X, Y)


# ----- Validation -------------------------------------------------------------------------------


@pytest.mark.parametrize("stratify", ["binary", True, False])
def test_classes_are_held_out_as_asked(stratify):
    y = np.repeat([0, 1, 2, 3], [120, 15, 10, 5])
    steps = []
    settings = {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 1}
    estimator = quick(stratify=stratify, callbacks=steps.append, **settings)
    seen = []
    estimator.set_params(scoring=lambda e, X, y: seen.append(y) or 0.5)
    fitted(estimator, X, y)
    counts = np.bincount(seen[0], minlength=4).tolist()
    assert sum(counts) == 30
    assert (counts == [24, 3, 2, 1]) is (stratify is True)


def test_labels_are_held_out_by_their_combinations():
    x, y = make_multilabel_classification(200, n_classes=2, random_state=0)
    seen = []
    estimator = quick(
        early_stopping=True, stratify=True, scoring=lambda e, X, y: seen.append(y) or 0.5
    )
    fitted(estimator, x, y)
    whole = np.bincount(y @ [2, 1], minlength=4) / 200
    np.testing.assert_allclose(np.bincount(seen[0] @ [2, 1], minlength=4) / 20, whole, atol=0.05)


def test_two_classes_are_stratified_unless_told_otherwise():
    y = np.repeat([0, 1], [120, 30])
    for stratify, same in (("binary", True), (True, True), (False, False)):
        seen = []
        estimator = quick(early_stopping=True, stratify=stratify, max_iter=1)
        fitted(estimator.set_params(scoring=lambda e, X, y: seen.append(y) or 0.5), X, y)
        theirs = train_test_split(
            y, random_state=_after_weights(4 * 6 + 6 + 6 + 1), test_size=0.1,
            stratify=y if same else None,
        )[1]  # fmt: skip
        np.testing.assert_array_equal(seen[0], theirs)


def _after_weights(count):
    """Return the random numbers of a fit after its initial weights."""
    random = np.random.RandomState(3)
    random.uniform(size=count)
    return random


def test_classes_too_rare_to_stratify_are_refused():
    y = np.repeat([0, 1, 2], [120, 29, 1])
    with pytest.raises(ValueError, match=r"stratify=True cannot hold out validation_fraction=0.1 "):
        quick(early_stopping=True, stratify=True).fit(X, y)
    with pytest.raises(ValueError, match="The 'stratify' parameter of MLPClassifier must be"):
        quick(stratify="all").fit(X, Y)


@pytest.mark.parametrize(
    "settings", [{}, {"early_stopping": True}, {"restore_best": True}], ids=str
)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_every_fit_with_validation_has_its_curve(settings, solver):
    weights = np.linspace(0, 1, 50)
    given = {"X_val": X[::3], "y_val": Y[::3], "sample_weight_val": weights}
    estimator = quick(solver=solver, callbacks=None, **settings)
    fitted(estimator, X, Y, **given)
    assert len(estimator.validation_loss_curve_) == estimator.n_iter_
    last = fitted(quick(solver=solver, max_iter=estimator.n_iter_), X, Y)
    expected = log_loss(Y[::3], last.predict_proba(X[::3]), sample_weight=weights)
    np.testing.assert_allclose(estimator.validation_loss_curve_[-1], expected, rtol=1e-12)
    expected = last.score(X[::3], Y[::3], weights)
    np.testing.assert_allclose(estimator.validation_scores_[-1], expected, rtol=1e-12)


def test_another_fit_begins_another_validation_curve():
    estimator = fitted(quick(early_stopping=True), X, Y)
    fitted(estimator, X, Y)
    assert len(estimator.validation_loss_curve_) == len(estimator.validation_scores_) == 8
    fitted(estimator.set_params(early_stopping=False), X, Y)
    assert not hasattr(estimator, "validation_loss_curve_")


# ----- Divergence -------------------------------------------------------------------------------

DIABETES = load_diabetes(return_X_y=True)
STANDARD = (
    StandardScaler().fit_transform(DIABETES[0]),
    (DIABETES[1] - DIABETES[1].mean()) / DIABETES[1].std(),
)
WILD = {"solver": "sgd", "max_iter": 200, "batch_size": "auto"}

DIVERGING = {
    "learning rate": (quick(MLPRegressor, **WILD, learning_rate_init=1.0), *STANDARD),
    "inputs": (
        quick(MLPRegressor, **WILD, learning_rate_init=1e-3), STANDARD[0] * 3000, STANDARD[1]
    ),
    "targets": (
        quick(MLPRegressor, **WILD, learning_rate_init=0.02), STANDARD[0], STANDARD[1] * 1e4
    ),
}  # fmt: skip
CAUSES = {
    "learning rate": r"Most likely learning_rate_init=1 is too high: try 0\.1, or clip_norm=1\.0",
    "inputs": r"Most likely the inputs are not scaled \(they reach 1\.2\de\+04\)",
    "targets": r"Most likely the targets are of too large a scale \(they reach 2\.5\de\+04\)",
}


def follow(cause, estimator):
    """Do what the warning says."""
    if cause == "learning rate":
        return estimator.set_params(learning_rate_init=0.1)
    if cause == "inputs":
        return make_pipeline(StandardScaler(), estimator)
    return TransformedTargetRegressor(estimator, transformer=StandardScaler())


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("cause", DIVERGING)
def test_a_fit_that_diverges_keeps_its_best_epoch_and_names_the_cause(cause, engine):
    if engine == "native":
        pytest.importorskip("numba")
    estimator, x, y = DIVERGING[cause]
    estimator = clone(estimator).set_params(engine=engine)
    said = r"Training diverged: in epoch \d+ the loss or a weight is no longer finite\. "
    with pytest.warns(ConvergenceWarning, match=said + CAUSES[cause]) as caught:
        estimator.fit(x, y)
    assert len(caught) == 1  # no overflow is reported beside it
    assert not np.isfinite(estimator.loss_curve_[-1]) or estimator.n_iter_ > 1
    assert f"those of epoch {estimator.best_epoch_}." in str(caught[0].message)
    curve = np.array(estimator.loss_curve_)
    assert estimator.best_epoch_ == int(np.nanargmin(curve)) + 1 < estimator.n_iter_ < 200
    best = fitted(quick(MLPRegressor).set_params(
        **{**estimator.get_params(), "max_iter": estimator.best_epoch_}
    ), x, y)  # fmt: skip
    np.testing.assert_array_equal(flat(estimator), flat(best))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Training diverged")
        follow(cause, estimator).fit(x, y)


def test_where_nothing_is_finite_scikit_learn_is_quoted():
    x = np.full((20, 2), 1e200)
    texts = []
    for cls in (MLPRegressor, neural_network.MLPRegressor):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match="Solver produced non-finite") as caught:
                cls(solver="sgd", random_state=0, max_iter=5).fit(x, x[:, 0])
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_validation_decides_what_a_diverging_fit_keeps():
    estimator, x, y = DIVERGING["learning rate"]
    estimator = clone(estimator)
    with pytest.warns(ConvergenceWarning, match="Training diverged"):
        estimator.fit(x, y, X_val=x[:100], y_val=y[:100])
    scores = estimator.validation_scores_
    assert len(scores) == estimator.n_iter_
    assert np.isnan(scores[-1])
    np.testing.assert_allclose(estimator.score(x[:100], y[:100]), np.nanmax(scores), rtol=1e-12)


@pytest.mark.parametrize("method", ["partial_fit", "fit", "fit validated"])
def test_a_diverging_call_leaves_the_parameters_of_the_one_before(method):
    estimator = quick(MLPRegressor, solver="sgd", warm_start=True, batch_size="auto")
    fitted(estimator, *STANDARD)
    before, score = flat(estimator), estimator.score(*STANDARD)
    huge = STANDARD[0] * 1e200, STANDARD[1]
    with pytest.warns(ConvergenceWarning, match="kept are the parameters from before this fit"):
        given = {"X_val": STANDARD[0], "y_val": STANDARD[1]} if "validated" in method else {}
        getattr(estimator, method.split()[0])(*huge, **given)
    np.testing.assert_array_equal(flat(estimator), before)
    estimator.partial_fit(*STANDARD)  # and the optimizer begins anew
    assert estimator.score(*STANDARD) > score - 0.1


# ----- Too few epochs ---------------------------------------------------------------------------


def advice(estimator, *data, **more):
    """Return what is said beyond scikit-learn's sentence, and the fitted estimator."""
    with pytest.warns(ConvergenceWarning, match=r"^Stochastic Optimizer: Maximum ite") as caught:
        estimator.fit(*data, **more)
    return str(caught[0].message).split("hasn't converged yet. ")[1]


DIGITS = (StandardScaler().fit_transform(load_digits().data)[::3], load_digits().target[::3])


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (IRIS, {"max_iter": 60}),
        (IRIS, {"max_iter": 200}),
        (IRIS, {"max_iter": 60, "solver": "sgd"}),
        (DIGITS, {"max_iter": 20}),
    ],
    ids=["iris 60", "iris 200", "iris sgd", "digits 20"],
)
def test_where_more_epochs_help_they_matter_and_bring_what_is_said(data, settings):
    estimator = MLPClassifier((50,), random_state=0, **settings)
    said = advice(estimator, *data)
    found = re.match(
        r"The missing epochs matter: another (\d+) % of the fall of the loss so far is to be "
        r"expected\. Set max_iter=(\d+)", said
    )  # fmt: skip
    share, longer = map(int, found.groups())
    more = fitted(MLPClassifier((50,), random_state=0, **{**settings, "max_iter": longer}), *data)
    curve = estimator.loss_curve_
    brought = (curve[-1] - more.loss_) / (curve[0] - curve[-1])
    # It is a forecast; these are within a factor of two, and most within a fifth.
    assert brought / 2 < share / 100 < 2 * brought


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (DIGITS, {"max_iter": 150}),
        (IRIS, {"max_iter": 18, "solver": "sgd", "learning_rate_init": 0.1, "batch_size": 16}),
    ],
    ids=["digits", "iris rough"],
)
def test_where_more_epochs_do_not_help_they_hardly_matter(data, settings):
    estimator = MLPClassifier((50,), random_state=0, **settings)
    assert "hardly matter: " in advice(estimator, *data)
    more = fitted(MLPClassifier((50,), random_state=0, **{**settings, "max_iter": 3000}), *data)
    curve = estimator.loss_curve_
    assert min(curve) - min(more.loss_curve_) < 0.03 * (curve[0] - min(curve))


def test_a_validation_score_past_its_best_says_so():
    random = np.random.RandomState(0)
    noisy = np.where(random.uniform(size=150) < 0.3, random.randint(3, size=150), Y)
    x, x_val, y, y_val = train_test_split(IRIS[0], noisy, random_state=0)
    settings = {"learning_rate_init": 0.02, "random_state": 0, "tol": 0.0}
    estimator = MLPClassifier((100,), max_iter=150, **settings)
    said = advice(estimator, x, y, X_val=x_val, y_val=y_val)
    best = int(np.argmax(estimator.validation_scores_)) + 1
    assert said.startswith(
        f"The missing epochs do not matter: the validation score was best in epoch {best}, and no "
        f"better in the {150 - best} epochs since. Set early_stopping=True or restore_best=True"
    )
    more = MLPClassifier((100,), max_iter=450, **settings)
    fitted(more, x, y, X_val=x_val, y_val=y_val)
    assert max(more.validation_scores_) == max(estimator.validation_scores_)
    stopped = MLPClassifier(
        (100,), max_iter=150, early_stopping=True, n_iter_no_change=1000, **settings
    )
    assert "Those parameters are kept" in advice(stopped, x, y, X_val=x_val, y_val=y_val)


def test_a_validation_score_that_improves_asks_for_more():
    estimator = MLPClassifier((50,), max_iter=12, random_state=0, solver="sgd")
    data = DIGITS[0][::2], DIGITS[1][::2]
    given = {"X_val": DIGITS[0][1::2], "y_val": DIGITS[1][1::2]}
    said = advice(estimator, *data, **given)
    longer = int(re.search(r"matter: the validation score still .* Set max_iter=(\d+)", said)[1])
    more = MLPClassifier((50,), max_iter=longer, random_state=0, solver="sgd")
    fitted(more, *data, **given)
    assert more.validation_scores_[-1] > estimator.validation_scores_[-1] + 0.02


def test_a_few_epochs_tell_nothing():
    assert missing_epochs([3.0, 2.0, 1.0], None, 1e-4).startswith("So few epochs tell nothing")


def test_a_fit_without_patience_does_not_end_by_itself():
    losses = 0.5 ** np.arange(20)
    assert "end by itself" in missing_epochs(losses, None, 1e-4)
    assert "end by itself" not in missing_epochs(losses, None, 1e-4, patience=np.inf)


def test_partial_fit_says_nothing_of_epochs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick().partial_fit(X, Y, classes=[0, 1, 2])
