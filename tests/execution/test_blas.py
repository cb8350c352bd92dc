"""BLAS is held at one thread by whoever needs it, and let go when nobody does any more."""

import importlib

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from backlit.execution.blas import one_thread

importlib.import_module("scipy.linalg.cython_blas")


def threads():
    """Return the number of threads of NumPy's BLAS and of SciPy's, if they are two."""
    found = {"scipy": 0, "numpy": 0}
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        for name in found:
            if f"{name}.libs" in library.filepath:
                found[name] = library.num_threads
    return found


before = threads()
needs_two = pytest.mark.skipif(
    not all(count > 1 for count in before.values()),
    reason="NumPy and SciPy share one BLAS here, or it has one thread anyway",
)


@pytest.fixture(autouse=True)
def as_found():
    """Other libraries' fits, in tests before these, may have left a limit of their own."""
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        for name, count in before.items():
            if f"{name}.libs" in library.filepath and count:
                library.set_num_threads(count)


@needs_two
def test_uses_that_overlap_end_with_the_last():
    for first, second in (("all", "all"), ("all", "scipy"), ("scipy", "all"), ("scipy", "scipy")):
        one, other = one_thread(first), one_thread(second)
        one.__enter__()
        other.__enter__()
        assert threads()["scipy"] == 1
        one.__exit__(None, None, None)
        assert threads()["scipy"] == 1
        assert threads()["numpy"] == (1 if second == "all" else before["numpy"])
        other.__exit__(None, None, None)
        assert threads() == before


@needs_two
def test_numpy_keeps_its_threads_where_only_scipys_blas_is_held():
    with one_thread("scipy"):
        assert threads() == {"scipy": 1, "numpy": before["numpy"]}
    assert threads() == before


def test_an_error_lets_go_as_well():
    with pytest.raises(ZeroDivisionError), one_thread():
        np.divide(1, 1)
        1 / 0  # noqa: B018
    assert threads() == before
