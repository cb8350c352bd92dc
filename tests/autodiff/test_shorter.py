"""What stands in the place of a longer function of NumPy computes the same."""

import numpy as np
import pytest

import backlit
from backlit.autodiff import recording
from backlit.autodiff.composite import custom_rule
from backlit.autodiff.recording import expand
from backlit.autodiff.shorter import indexing, table
from backlit.autodiff.shorter.products import einsum
from backlit.functions import put
from backlit.program import tree

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 4))


def same(f, *arguments):
    """Expand a program, and compare what both compute; return the expanded one."""
    program = backlit.record(f, *arguments)
    shorter = expand(program)
    found = tree.leaves(backlit.run(shorter, *arguments))
    expected = tree.leaves(backlit.run(program, *arguments))
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-12 if ours.dtype == float else 1e-5, atol=1e-12
        )
    return shorter


def calls(program):
    return {instruction.function.__name__ for instruction in program.instructions}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.var(x, axis=0, ddof=1),
        lambda x: np.std(x),
        lambda x: np.linalg.norm(x, axis=1),
        lambda x: np.roll(x, (1, -1), axis=(0, 1)),
        lambda x: np.rot90(x, -1),
        lambda x: np.moveaxis(x[None], 0, 2),
        lambda x: np.pad(x, ((0, 2), (1, 0)), constant_values=0.5),
        lambda x: np.pad(x, 1, mode="reflect"),
        lambda x: np.tile(x, (2, 1, 3)),
        lambda x: np.diag(x, 1),
        lambda x: np.diagflat(x, -2),
        lambda x: np.tril(x, -1) + np.triu(x),
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.round(x, 2),
        lambda x: np.cross(x[:, :3], x[:, 1:]),
        lambda x: np.kron(x, x[:1]),
        lambda x: np.linspace(x[0], x[1], 5),
        lambda x: np.reshape(x, (2, 6), order="F"),
        lambda x: np.nanmax(np.where(x < 0, np.nan, x), axis=0),
        lambda x: put(x, (slice(None), np.array([0, 0])), x[:, :2]),
    ],
)
def test_values_and_dtypes_stay(f, dtype):
    same(f, X.astype(dtype))


def test_gradients_of_picked_elements_add_up_where_they_repeat():
    for index in (1, (slice(1, None), 2), np.array([0, 0, 2]), X > 0, (slice(None, None, -2),)):
        program = backlit.record(
            lambda x, i=index: backlit.vjp(lambda x: x[i], x)[1](np.cos(x[i]))[0], X
        )
        shorter = expand(program)
        assert "add_at" not in calls(shorter)
        np.testing.assert_allclose(backlit.run(shorter, X), backlit.run(program, X), rtol=1e-12)


def test_indices_that_are_computed():
    def f(x, k):
        return np.take_along_axis(x, k, axis=0), np.searchsorted(x[0], x[1, 2])

    same(f, np.sort(X, axis=1), np.array([[0, 1, -1, 2], [2, 2, 0, -3]]))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        ("i,j->ji", ((2,), (3,))),
        ("ij,ij->", ((2, 3), (2, 3))),
        ("iij->j", ((3, 3, 2),)),
        ("iii", ((3, 3, 3),)),
        ("...i,i...->...", ((2, 4), (4, 2))),
        ("i,i->i", ((4,), (1,))),
        ("ij,kl->", ((2, 3), (4, 5))),
        ("aij,j,ja->ai", ((2, 3, 4), (4,), (4, 2))),
    ],
)
def test_einstein_sums(text, shapes):
    arrays = [rng.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(einsum(text, *arrays), np.einsum(text, *arrays), rtol=1e-12)


def test_what_a_body_does_not_cover_stays():
    mask = X > 0
    x = backlit.record(lambda x: np.linalg.svd(x, compute_uv=False) + np.sum(mask), X)
    assert "svd" in calls(expand(x))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "LARGEST_COMPARISON", 1)
        big = backlit.record(lambda x, k: np.take_along_axis(x, k, 0), X, np.zeros((1, 4), int))
        assert "take_along_axis" in calls(expand(big))


def test_a_composite_whose_body_cannot_be_seen_stays():
    @custom_rule(lambda g, ans, x: g)
    def opaque(x):
        return np.asarray(x) * 2

    program = backlit.record(lambda x: np.var(opaque(x)), X)
    assert {"opaque", "mean"} <= calls(expand(program))


def test_a_body_that_calls_its_own_function_is_an_error():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(table.SIMPLER, np.exp, lambda x: np.exp(x) + 0)
        with pytest.raises(RuntimeError, match="exp came up again after"):
            expand(backlit.record(lambda x: np.exp(x), X))
    assert recording.DEEPEST < 100
