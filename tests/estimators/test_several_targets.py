"""Several targets at once, each with classes of its own. Truth comes from a classifier for each
target, from scikit-learn's weights, and from what is predicted."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight

from backlit.estimators import MLPClassifier, load

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, IRIS = load_iris(return_X_y=True)
SIZE = np.digitize(X[:, 0], [5.2, 5.8, 6.4])  # four classes
Y = np.stack([IRIS, SIZE], axis=1)
NAMES = np.array(["low", "high", "more", "most"])


def quick(**settings):
    settings = {"hidden_layer_sizes": (8,), "max_iter": 8, "random_state": 0, **settings}
    return MLPClassifier(**settings)


def flat(estimator):
    return np.concatenate([a.ravel() for a in estimator.coefs_ + estimator.intercepts_])


def test_targets_that_share_no_layer_are_learned_as_by_a_classifier_each():
    settings = {
        "hidden_layer_sizes": (), "solver": "sgd", "batch_size": 150, "alpha": 0.1,
        "shuffle": False, "random_state": 0, "warm_start": True,
    }  # fmt: skip
    together = MLPClassifier(**settings, max_iter=1).fit(X, Y)
    blocks = (slice(0, 3), slice(3, 7))
    start = [(together.coefs_[0][:, b].copy(), together.intercepts_[0][b].copy()) for b in blocks]
    together.set_params(max_iter=20).fit(X, Y)
    for target, (W, b) in enumerate(start):
        alone = neural_network.MLPClassifier(**settings, max_iter=1).fit(X, Y[:, target])
        alone.coefs_, alone.intercepts_ = [W], [b]
        alone.set_params(max_iter=20).fit(X, Y[:, target])
        np.testing.assert_allclose(
            together.predict_proba(X)[target], alone.predict_proba(X), rtol=1e-9
        )
        np.testing.assert_array_equal(together.predict(X)[:, target], alone.predict(X))


def test_the_loss_is_the_sum_over_targets():
    estimator = quick().fit(X, Y, X_val=X, y_val=Y)
    expected = sum(
        log_loss(Y[:, target], p, labels=estimator.classes_[target])
        for target, p in enumerate(estimator.predict_proba(X))
    )
    np.testing.assert_allclose(estimator.validation_loss_curve_[-1], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "y",
    [
        Y,
        Y.astype(float) + 5,
        NAMES[Y],
        np.array(NAMES, object)[Y],
        np.stack([IRIS, np.full(150, 7)], axis=1),
    ],
    ids=["integers", "floats", "texts", "objects", "one class"],
)
def test_forms_are_those_of_forests(y, tmp_path):
    forest = RandomForestClassifier(n_estimators=2, random_state=0).fit(X, y)
    estimator = quick().fit(X, y)
    for ours, theirs in zip(estimator.classes_, forest.classes_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    for method in ("predict_proba", "predict_log_proba"):
        ours, theirs = getattr(estimator, method)(X), getattr(forest, method)
        assert isinstance(ours, list)
        with np.errstate(divide="ignore"):
            assert [p.shape for p in ours] == [p.shape for p in theirs(X)]
    for p in estimator.predict_proba(X):
        np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(estimator.predict_log_proba(X)[0]),
                               estimator.predict_proba(X)[0])  # fmt: skip
    found = estimator.predict(X)
    assert found.shape == y.shape
    assert found.dtype == y.dtype
    estimator.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), found)
    assert again.predict(X).dtype == found.dtype
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).predict(X), found)


def test_the_score_is_that_of_scikit_learns_multi_output_classifier():
    settings = {"hidden_layer_sizes": (20,), "max_iter": 60, "random_state": 0}
    theirs = MultiOutputClassifier(neural_network.MLPClassifier(**settings)).fit(X, Y)
    ours = MLPClassifier(**settings).fit(X, Y)
    assert ours.score(X, Y) == np.mean(np.all(ours.predict(X) == Y, axis=1))
    theirs.predict = ours.predict
    assert theirs.score(X, Y) == ours.score(X, Y)
    weights = np.linspace(0, 1, 150)
    expected = np.average(np.all(ours.predict(X) == Y, axis=1), weights=weights)
    np.testing.assert_allclose(ours.score(X, Y, weights), expected, rtol=1e-15)


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 2.0}, {1: 3.0, 3: 0.5}]])
def test_class_weights_multiply_as_in_forests(class_weight):
    own = np.linspace(0.5, 1.5, 150)
    weights = own * compute_sample_weight(class_weight, Y)
    np.testing.assert_array_equal(
        flat(quick(class_weight=class_weight).fit(X, Y, own)), flat(quick().fit(X, Y, weights))
    )


def test_early_stopping_goes_by_examples_that_are_right_in_all_targets():
    estimator = quick(early_stopping=True, max_iter=30).fit(X, Y, X_val=X[::2], y_val=Y[::2])
    assert estimator.best_validation_score_ == estimator.score(X[::2], Y[::2])
    held_out = quick(early_stopping=True, max_iter=30).fit(X, Y)
    assert len(held_out.validation_scores_) == held_out.n_iter_
    scored = quick(early_stopping=True, scoring=lambda e, X, y: e.score(X, y)).fit(X, NAMES[Y])
    assert max(scored.validation_scores_) > 0


def test_engines_and_forms_of_data_agree():
    pytest.importorskip("numba")
    weights = np.linspace(0.5, 1.5, 150)
    for dtype, close in ((np.float64, 1e-11), (np.float32, 2e-4)):
        data = np.where(X > 2, X, 0).astype(dtype)
        expected = flat(quick(engine="reference").fit(data, Y, weights))
        for engine in ("reference", "native"):
            for form in (np.asarray, sparse.csr_array):
                estimator = quick(engine=engine).fit(form(data), Y, weights)
                assert estimator.engine_ == engine
                worst = np.max(np.abs(flat(estimator) - expected))
                assert worst < close * np.max(np.abs(expected))


def test_partial_fit_takes_the_classes_of_each_target():
    classes = [[0, 1, 2], [0, 1, 2, 3]]
    one = quick().partial_fit(X[:40], Y[:40], classes=classes)  # not all classes are there
    one.partial_fit(X[40:], Y[40:])
    one.partial_fit(X, Y, classes=classes)
    assert len(one.loss_curve_) == 3
    assert [list(c) for c in one.classes_] == classes
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit, was"):
        one.partial_fit(X, Y, classes=[[0, 1, 2], [0, 1, 2]])
    with pytest.raises(ValueError, match=r"classes not in `self.classes_\[1\]`, which has"):
        one.partial_fit(X, Y + np.array([0, 1]))
    with pytest.raises(ValueError, match=r"y has 3 targets, and the network .* has 2"):
        one.partial_fit(X, np.c_[Y, IRIS])
    with pytest.raises(ValueError, match="classes must be a list with the classes of each"):
        quick().partial_fit(X, Y, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        quick().partial_fit(X, Y)


def test_warm_start_needs_the_same_classes():
    estimator = quick(warm_start=True).fit(X, Y)
    before = estimator.loss_
    assert estimator.fit(X, Y).loss_ < before
    with pytest.raises(ValueError, match=r"warm_start can only be used where .* in column 0"):
        estimator.fit(X[50:], Y[50:])
    # Validation data need not have all classes.
    estimator.fit(X, Y, X_val=X[:50], y_val=Y[:50])


def test_tags_say_so():
    tags = get_tags(MLPClassifier())
    assert tags.target_tags.multi_output
    assert tags.classifier_tags.multi_label


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("y_type", "multiclass-multioutpuT", "the kind of target 'multiclass-multioutpuT' is not"),
        ("classes_dtype", ["<i8"], "there are 2 targets, and dtypes of 1"),
        ("classes_dtype", "<i8", "the classes .* of several targets are not valid"),
        ("classes_", [0, 1, 2], "the classes 0 are not valid"),
    ],
)
def test_damaged_files_are_refused(entry, value, message, tmp_path):
    path = tmp_path / "model"
    quick().fit(X, Y).save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(contents["facts.json"])
    facts["fitted"][entry] = value
    if entry == "classes_":
        facts["fitted"]["classes_dtype"] = ["<i8"] * 3
    contents["facts.json"] = json.dumps(facts).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=f"model cannot be read as an estimator: .*{message}"):
        load(path)
