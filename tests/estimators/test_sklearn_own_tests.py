"""scikit-learn's own tests of its multilayer perceptron, run on ours.

The installed module of tests is loaded a second time, from its source, with our classes under the
names of its own; its test functions become ours, with their marks.
"""

import importlib.util
import inspect

import pytest

from backlit.estimators import MLPClassifier, MLPRegressor

# They call private methods that ours do not have, since their work is done by a recorded program.
EXCLUDED = {
    # Calls _loss_grad_lbfgs with buffers to fill. Gradients are compared with scikit-learn's, bit
    # for bit, in test_same_as_sklearn.py, and with differences in tests/autodiff.
    "test_gradient",
}


def _load():
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.MLPClassifier, module.MLPRegressor = MLPClassifier, MLPRegressor
    return module


def _with_ours(function, theirs):
    """Put our classes in the places of theirs in the parameters of a test."""
    for mark in getattr(function, "pytestmark", []):
        if mark.name != "parametrize":
            continue
        values = mark.args[1]
        if any(value in theirs for value in values if inspect.isclass(value)):
            values[:] = [theirs.get(value, value) for value in values]
    return function


_module = _load()
_theirs = importlib.import_module("sklearn.neural_network")
_OURS = {_theirs.MLPClassifier: MLPClassifier, _theirs.MLPRegressor: MLPRegressor}
_tests = {
    name: _with_ours(function, _OURS)
    for name, function in inspect.getmembers(_module, inspect.isfunction)
    if name.startswith("test_") and function.__module__ == _module.__name__
}
globals().update({name: test for name, test in _tests.items() if name not in EXCLUDED})

# Some of them warn, as scikit-learn's settings for its tests allow.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def global_random_seed():
    """The seed that scikit-learn's tests use unless told otherwise."""
    return 42


def test_none_of_their_classes_is_left():
    for test in _tests.values():
        assert test.__globals__["MLPClassifier"] is MLPClassifier
        for mark in getattr(test, "pytestmark", []):
            values = mark.args[1] if mark.name == "parametrize" else []
            assert not any(value in _OURS for value in values if inspect.isclass(value))


def test_what_is_excluded_is_there():
    assert set(_tests) >= EXCLUDED
    assert len(_tests) > 40
