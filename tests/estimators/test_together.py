"""The estimators in the company of scikit-learn's tools, and of others'."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate, learning_curve
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from backlit.estimators import MLPClassifier, MLPRegressor, weights_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def quick(cls=MLPClassifier):
    return cls(hidden_layer_sizes=(6,), max_iter=15, random_state=0, learning_rate_init=0.1)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(MLPClassifier, Theirs), (MLPRegressor, TheirRegressor)]
)
def test_parameters_are_theirs_and_more(ours, theirs):
    own, known = ours().get_params(), theirs().get_params()
    assert {name: own[name] for name in known} == known
    names, wanted = list(ours.__init__.__annotations__), list(theirs._get_param_names())
    assert set(wanted) < set(names)
    given = [name for name in names if name in known]
    assert names[: len(given)] == given  # what is new comes last


@pytest.mark.parametrize("copy", [lambda e: pickle.loads(pickle.dumps(e)), clone])
def test_copies_fit_the_same(copy):
    one = quick().fit(X, Y)
    other = copy(one).fit(X, Y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_a_pickle_with_the_optimizer_goes_on_where_it_was(tmp_path):
    one = quick()
    one.keep_optimizer = True
    one.partial_fit(X, Y, classes=[0, 1, 2])
    joblib.dump(one, tmp_path / "model")
    other = joblib.load(tmp_path / "model")
    np.testing.assert_array_equal(
        one.partial_fit(X, Y).predict_proba(X), other.partial_fit(X, Y).predict_proba(X)
    )


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_pickle_is_as_small_as_the_weights_and_goes_on_with_a_new_optimizer(solver):
    one = MLPClassifier((200, 200), solver=solver, max_iter=5, random_state=0, shuffle=False)
    one.fit(X, Y)
    content = pickle.dumps(one)
    size = sum(array.nbytes for array in one.coefs_ + one.intercepts_)
    assert size < len(content) < 1.05 * size
    again, anew = pickle.loads(content), quick().set_params(**one.get_params())
    np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))
    # An optimizer that knows nothing yet, at the same weights, makes the same steps.
    anew.set_params(start=weights_of(one)).partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_array_equal(again.partial_fit(X, Y).coefs_[0], anew.coefs_[0])
    assert again.set_params(warm_start=True).fit(X, Y).loss_ < one.loss_


def test_files_of_skops_hold_an_estimator():
    skops = pytest.importorskip("skops.io")
    one = quick().fit(X, Y)
    content = skops.dumps(one)
    trusted = skops.get_untrusted_types(data=content)
    assert trusted == ["backlit.estimators.classifier.MLPClassifier"]
    other = skops.loads(content, trusted=trusted)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    np.testing.assert_array_equal(other.fit(X, Y).predict_proba(X), one.predict_proba(X))


@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_a_search_finds_what_it_finds_with_theirs(backend):
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(3,), (6,)]}
    scores = []
    for cls in (Theirs, MLPClassifier):
        with joblib.parallel_config(backend, n_jobs=2):
            search = GridSearchCV(quick(cls), grid, cv=3).fit(X, Y)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


def test_in_pipelines_and_ensembles():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    columns = ColumnTransformer([("scaled", StandardScaler(), ["a", "b", "c"])])
    models = [
        make_pipeline(columns, quick()),
        CalibratedClassifierCV(quick(), cv=2),
        BaggingClassifier(quick(), n_estimators=2, random_state=0),
        StackingClassifier(
            [("ours", quick()), ("line", LogisticRegression())], LogisticRegression(), cv=2
        ),
    ]
    for model in models:
        assert model.fit(frame, Y).score(frame, Y) > 0.6


def test_inspection():
    fitted = quick().fit(X, Y)
    found = permutation_importance(fitted, X, Y, n_repeats=2, random_state=0)
    assert found.importances_mean.argmax() in (2, 3)  # the petals
    sizes, *_ = learning_curve(quick(), X, Y, cv=2, train_sizes=[0.5, 1.0])
    assert list(sizes) == [37, 75]


def test_metadata_routing():
    weights = np.linspace(0.5, 1.5, len(Y))
    with config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        result = cross_validate(
            model, X, Y, params={"sample_weight": weights}, cv=3, return_estimator=True
        )
        theirs = quick(Theirs).set_fit_request(sample_weight=True)
        theirs = theirs.set_score_request(sample_weight=True)
        expected = cross_validate(theirs, X, Y, params={"sample_weight": weights}, cv=3)
    np.testing.assert_allclose(result["test_score"], expected["test_score"], rtol=1e-12)


def test_feature_names_are_kept_and_checked():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    fitted = quick().fit(frame, Y)
    assert list(fitted.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("dcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X)


def test_frames_of_polars_go_in_and_through():
    polars = pytest.importorskip("polars")
    frame, labels = polars.DataFrame(X, schema=list("abcd")), polars.Series("kind", Y)
    fitted = quick().fit(frame, labels)
    assert list(fitted.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(fitted.predict_proba(frame), quick().fit(X, Y).predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("dcba")])
    scaler = StandardScaler().set_output(transform="polars")
    model = make_pipeline(scaler, quick()).fit(frame, labels)
    assert list(model[-1].feature_names_in_) == list("abcd")
    assert model.score(frame, labels) > 0.6


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_search_takes_frames(kind):
    library = pytest.importorskip(kind)
    frame = library.DataFrame({name: X[:, k] for k, name in enumerate("abcd")})
    columns = ColumnTransformer([("scaled", StandardScaler(), ["a", "b"])], remainder="passthrough")
    model = Pipeline([("columns", columns.set_output(transform=kind)), ("network", quick())])
    search = GridSearchCV(model, {"network__alpha": [1e-4, 10.0]}, cv=3).fit(frame, Y)
    assert search.best_estimator_["network"].n_features_in_ == 4
    assert len(search.predict(frame)) == len(Y)


def test_validation_data_go_through_a_pipeline_as_metadata():
    with config_context(enable_metadata_routing=True):
        network = quick().set_fit_request(X_val=True, y_val=True)
        model = make_pipeline(StandardScaler(), network, transform_input=["X_val"])
        model.fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    scaler = StandardScaler().fit(X[::2])
    alone = quick().fit(
        scaler.transform(X[::2]), Y[::2], X_val=scaler.transform(X[1::2]), y_val=Y[1::2]
    )
    np.testing.assert_array_equal(model[-1].validation_loss_curve_, alone.validation_loss_curve_)


def test_weights_of_examples_are_routed_through_a_pipeline_as_theirs_are():
    weights = np.linspace(0.1, 1.9, len(Y))
    found = []
    with config_context(enable_metadata_routing=True):
        for cls in (Theirs, MLPClassifier):
            network = quick(cls).set_fit_request(sample_weight=True)
            scaler = StandardScaler().set_fit_request(sample_weight=False)
            model = make_pipeline(scaler, network).fit(X, Y, sample_weight=weights)
            found.append(model.predict_proba(X))
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: TransformedTargetRegressor(model, transformer=StandardScaler()),
        lambda model: BaggingRegressor(model, n_estimators=2, random_state=0),
        lambda model: StackingRegressor([("network", model)], Ridge(), cv=2),
    ],
    ids=["transformed target", "bagging", "stacking"],
)
def test_regressors_predict_in_ensembles_what_theirs_do(wrap):
    found = [
        wrap(quick(cls)).fit(X[:, :3], X[:, 3]).predict(X[:, :3])
        for cls in (TheirRegressor, MLPRegressor)
    ]
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_a_search_in_processes():
    with joblib.parallel_config("loky", n_jobs=2):
        search = GridSearchCV(quick(), {"alpha": [1e-4, 1.0]}, cv=2).fit(X, Y)
    alone = GridSearchCV(quick(), {"alpha": [1e-4, 1.0]}, cv=2).fit(X, Y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
