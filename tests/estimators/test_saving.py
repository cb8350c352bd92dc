"""Estimators come back from files as they were, and files hold data only."""

import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError

from backlit import load
from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
LABELS = make_multilabel_classification(150, random_state=0)[1]


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (MLPClassifier(), Y),
        (MLPClassifier(n_iter_no_change=np.inf, class_weight={0: 2.0}), Y),
        (MLPClassifier(early_stopping=True), np.array(["a", "bc", "d"])[Y]),
        (MLPClassifier(solver="lbfgs"), np.array(["a", "bc", "d"], object)[Y]),
        (MLPClassifier(activation=["gelu"]), Y == 1),
        (MLPClassifier(), LABELS),
        (MLPClassifier(), np.full(150, 7)),
        (MLPRegressor(loss="quantile", quantile=0.9), X[:, 0]),
        (MLPRegressor(loss="poisson"), X),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_loaded_is_what_was_saved(estimator, y, dtype, tmp_path):
    path = tmp_path / "model.backlit"
    inputs = X.astype(dtype)
    estimator.set_params(max_iter=4, hidden_layer_sizes=(6,), random_state=0).fit(inputs, y)
    estimator.save(path)
    again = load(path)
    assert again.get_params() == estimator.get_params()
    found, expected = again.predict(inputs), estimator.predict(inputs)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    private = {"_optimizer", "_label_binarizer", "_best", "coefs_", "intercepts_"}
    for name, value in vars(estimator).items():
        if name not in private:
            np.testing.assert_equal(getattr(again, name), value)
    # Fits of both go on in the same way.
    np.testing.assert_array_equal(
        again.fit(inputs, y).predict(inputs), estimator.fit(inputs, y).predict(inputs)
    )


def test_names_of_features_are_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    MLPRegressor(max_iter=2).fit(frame, Y).save(tmp_path / "model")
    with pytest.raises(ValueError, match="feature names"):
        load(tmp_path / "model").predict(frame[list("dcba")])


def test_a_file_has_the_size_of_the_parameters(tmp_path):
    estimator = MLPClassifier((300, 300), max_iter=1).fit(X, Y)
    estimator.save(tmp_path / "model")
    size = sum(array.nbytes for array in estimator.coefs_ + estimator.intercepts_)
    assert size < (tmp_path / "model").stat().st_size < 1.02 * size
    with zipfile.ZipFile(tmp_path / "model") as archive:
        assert archive.namelist() == ["facts.json", "arrays.safetensors"]


def test_training_goes_on_after_loading(tmp_path):
    MLPClassifier(random_state=0).partial_fit(X, Y, classes=[0, 1, 2]).save(tmp_path / "model")
    again = load(tmp_path / "model").partial_fit(X, Y)
    assert len(again.loss_curve_) == 2
    assert again.loss_curve_[1] < again.loss_curve_[0]


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(NotFittedError):
        MLPClassifier().save(tmp_path / "model")
    random = np.random.RandomState(0)
    estimator = MLPClassifier(max_iter=1, random_state=random).fit(X, Y)
    with pytest.raises(ValueError, match=r"random_state=RandomState.* cannot be saved"):
        estimator.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"MLPRegressor"', b'"MLPRegressoR"', "the class must be one of"),
        (b'"float64"', b'"float16"', "the dtype must be float32 or float64"),
        (b'"adam"', b'"adan"', "The 'solver' parameter"),
        (b'"momentum"', b'"momentun"', "its parameters are not those"),
        (b'"t_"', b'"T_"', "unknown entries T_"),
    ],
)
def test_damaged_files_are_refused(old, new, message, tmp_path):
    path = tmp_path / "model"
    MLPRegressor(max_iter=1).fit(X, Y).save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert contents["facts.json"].count(old) == 1
    contents["facts.json"] = contents["facts.json"].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=rf"model cannot be read as an estimator: .*{message}"):
        load(path)
