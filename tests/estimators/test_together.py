"""The estimators in the company of scikit-learn's tools, and of others'."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate, learning_curve
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backlit.estimators import MLPClassifier, MLPRegressor

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


def test_a_pickle_goes_on_where_it_was(tmp_path):
    one = quick().partial_fit(X, Y, classes=[0, 1, 2])
    joblib.dump(one, tmp_path / "model")
    other = joblib.load(tmp_path / "model")
    np.testing.assert_array_equal(
        one.partial_fit(X, Y).predict_proba(X), other.partial_fit(X, Y).predict_proba(X)
    )


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
