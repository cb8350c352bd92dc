"""Large networks are updated in place, by blocks, to the same bits as in whole; and recording keeps
no copies of what it computes."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network

from backlit.estimators import MLPClassifier, MLPRegressor, updates

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

random = np.random.RandomState(0)
X = np.where(random.uniform(size=(120, 700)) < 0.05, random.randn(120, 700), 0)
Y = random.randint(0, 4, 120)
WEIGHTS = random.uniform(0.5, 1.5, 120)


def fitted(dtype=np.float64, form=np.asarray, **settings):
    # More than LARGE parameters, and layers that end within a block.
    estimator = MLPClassifier(
        (190, 20), max_iter=2, batch_size=50, random_state=0, engine="reference", **settings
    ).fit(form(X.astype(dtype)), Y, WEIGHTS)
    arrays = [a.ravel() for a in estimator.coefs_ + estimator.intercepts_]
    return np.concatenate([*arrays, estimator.loss_curve_])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate_init": 0.1},
        {"solver": "adamw", "alpha": 0.0},
        {"solver": "rprop"},
        {"dropout": 0.2, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_blocks_change_no_bit(settings, form, dtype, monkeypatch):
    by_blocks = fitted(dtype, form, **settings)
    assert len(by_blocks) > updates.LARGE
    monkeypatch.setattr(updates, "LARGE", 10**9)
    np.testing.assert_array_equal(by_blocks, fitted(dtype, form, **settings))


def test_a_large_fit_is_scikit_learns():
    settings = {"hidden_layer_sizes": (190, 20), "max_iter": 3, "random_state": 0}
    ours = MLPClassifier(**settings, engine="reference").fit(X, Y)
    theirs = neural_network.MLPClassifier(**settings).fit(X, Y)
    for one, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * np.max(np.abs(other)))
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


def test_a_bounded_gradient_is_known_as_a_whole():
    settings = {"hidden_layer_sizes": (190,), "random_state": 0, "batch_size": 120, "alpha": 0.0}
    steps = [
        MLPRegressor(
            **settings, solver="sgd", momentum=0.0, max_iter=1, engine="reference", clip_norm=1e-3,
            learning_rate_init=rate,
        ).fit(X, Y)
        for rate in (1e-300, 0.1)
    ]  # fmt: skip
    before, after = (np.concatenate([a.ravel() for a in e.coefs_ + e.intercepts_]) for e in steps)
    np.testing.assert_allclose(np.linalg.norm(after - before), 1e-4, rtol=1e-9)


PEAK = r"""
import re, warnings
import numpy as np
from scipy import sparse
from {module} import MLPClassifier
warnings.simplefilter("ignore")
random = np.random.RandomState(0)
places = random.randint(0, 10_000, (400, 10))
rows = np.repeat(np.arange(400), 10)
X = sparse.csr_matrix((np.ones(4000), (rows, places.ravel())), (400, 10_000))
y = random.randint(0, 2, 400)
MLPClassifier((2,), max_iter=1).fit(X[:20, :10], y[:20])
def peak():  # of this process alone; what getrusage tells begins with that of its parent
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
before = peak()
MLPClassifier((200,), max_iter=1{settings}).fit(X, y)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_a_large_fit_takes_no_more_memory_than_scikit_learns():
    """The parameters have 16 MB, and the gradient and each running mean as many. scikit-learn's
    temporaries are several times that; noise of the process's peak is some 2 MB."""

    def peak(module, settings=""):
        code = PEAK.format(module=module, settings=settings)
        return int(subprocess.check_output([sys.executable, "-c", code]))

    ours, theirs = (
        peak("backlit.estimators", ", engine='reference'"),
        peak("sklearn.neural_network"),
    )
    assert ours < theirs
