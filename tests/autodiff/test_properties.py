"""Properties that hold for all shapes, axes, broadcasts and dtypes: hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import backlit
from backlit import functions

settings.register_profile("backlit", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("backlit")

DTYPES = st.sampled_from([np.float32, np.float64])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def array(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(abs(hash((shape, seed))) % 2**32)
    return rng.uniform(0.5, 2.0, shape).astype(dtype)


def check(f, *arguments, recordable=True):
    """Shapes and dtypes fit; forward, reverse and recorded derivatives agree."""
    value, pullback = backlit.vjp(f, *arguments)
    np.testing.assert_array_equal(value, f(*arguments), strict=True)
    adjoint = array(np.shape(value), value.dtype, seed=1)
    gradients = pullback(adjoint)
    for gradient, argument in zip(gradients, arguments, strict=True):
        assert np.shape(gradient) == np.shape(argument)
        assert gradient.dtype == argument.dtype
    tangents = tuple(array(np.shape(a), a.dtype, seed=2) for a in arguments)
    _, tangent = backlit.jvp(f, arguments, tangents)
    assert np.shape(tangent) == np.shape(value) and tangent.dtype == value.dtype
    forward = np.sum(np.asarray(adjoint, float) * tangent)
    reverse = sum(
        np.sum(np.asarray(g, float) * t) for g, t in zip(gradients, tangents, strict=True)
    )
    scale = np.sum(np.abs(np.asarray(adjoint, float) * tangent)) + 1
    # 1e-4 in float32 (a few hundred roundings of 6e-8), 1e-11 in float64.
    single = any(a.dtype == np.float32 for a in (*arguments, value))
    assert abs(forward - reverse) <= (1e-4 if single else 1e-11) * scale


BINARY = st.sampled_from([
    np.add, np.subtract, np.multiply, np.divide, np.power, np.arctan2, np.hypot, np.logaddexp,
    np.maximum,
])  # fmt: skip


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3),
    DTYPES,
    DTYPES,
    BINARY,
)
def test_broadcasting_is_undone_and_dtypes_are_kept(shapes, first, second, function) -> None:
    left, right = shapes.input_shapes
    check(function, array(left, first, seed=3)[()], array(right, second, seed=4)[()])


@given(SHAPES, DTYPES, st.data())
def test_reductions(shape, dtype, data) -> None:
    function = data.draw(
        st.sampled_from([np.sum, np.mean, np.prod, np.std, np.var, np.max, np.min])
    )
    axes = st.none()
    if shape:
        axes |= st.integers(-len(shape), len(shape) - 1)
        axes |= hnp.valid_tuple_axes(len(shape), min_size=1)
    axis, keepdims = data.draw(axes), data.draw(st.booleans())
    if 0 in shape:  # the mean and the largest of nothing are not defined
        function = data.draw(st.sampled_from([np.sum, np.prod]))
    x = array(shape, dtype)[()]
    check(lambda x: function(x, axis=axis, keepdims=keepdims), x)


@given(SHAPES.filter(lambda shape: len(shape) > 0), DTYPES, st.data())
def test_indexing(shape, dtype, data) -> None:
    kinds = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    if 0 not in shape:
        kinds |= hnp.integer_array_indices(shape)
    index = data.draw(kinds)
    x = array(shape, dtype)
    check(lambda x: x[index] * 2, x)
    picked = x[index]
    check(lambda x, v: functions.put(x, index, v), x, array(np.shape(picked), dtype, seed=5)[()])


@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3), st.data())
def test_shapes_moved_about(shape, data) -> None:
    x = array(shape)
    order = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shift = data.draw(st.integers(-4, 4))
    repeats = tuple(data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=4)))
    widths = data.draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)),
                 min_size=len(shape), max_size=len(shape))
    )  # fmt: skip
    check(lambda x: np.transpose(x, order), x)
    check(lambda x: np.roll(np.flip(x, axis), shift, axis), x)
    check(lambda x: np.tile(x, repeats), x)
    check(lambda x: np.pad(x, widths), x)
    check(lambda x: np.cumsum(x, axis=axis), x)
    check(lambda x: np.cumprod(x, axis=axis), x)
    check(lambda x: np.sort(x, axis=axis), x)
    check(lambda x: np.concatenate([x, 2 * x], axis=axis), x)
    check(lambda x: np.stack([x, 2 * x], axis=axis), x)
    check(lambda x: np.repeat(x, 2, axis=axis), x)


@given(st.data(), DTYPES)
def test_matrix_products_of_stacks(data, dtype) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(
        signature=np.matmul.signature, max_dims=2, max_side=3))  # fmt: skip
    left, right = shapes.input_shapes
    check(np.matmul, array(left, dtype), array(right, dtype, seed=6))
    if len(left) <= 2 and len(right) <= 2:
        check(np.dot, array(left, dtype), array(right, dtype, seed=6))


@given(st.lists(st.sampled_from("ijk"), min_size=1, max_size=3),
       st.lists(st.sampled_from("ijkl"), min_size=0, max_size=3), st.data())  # fmt: skip
def test_einstein_sums(first, second, data) -> None:
    sizes = {"i": 2, "j": 3, "k": 1, "l": 2}
    letters = sorted({*first, *second})
    output = "".join(data.draw(st.permutations(letters))[: data.draw(st.integers(0, len(letters)))])
    text = f"{''.join(first)},{''.join(second)}->{output}"
    x, y = (array(tuple(sizes[c] for c in s), seed=7) for s in (first, second))
    check(lambda x, y: np.einsum(text, x, y), x, y[()])


@given(st.lists(st.sampled_from(range(8)), min_size=1, max_size=12), st.integers(0, 2**31))
def test_random_programs_recorded_and_immediate_give_the_same_bits(choices, seed) -> None:
    steps = [
        lambda a, b: a * b + 0.5, lambda a, b: np.tanh(a), lambda a, b: a @ b / 3,
        lambda a, b: np.where(a > b, a, np.exp(-b)), lambda a, b: a - np.mean(b, axis=0),
        lambda a, b: np.concatenate([a[:1], b[1:]]), lambda a, b: functions.softmax(a) + b,
        lambda a, b: np.sqrt(np.abs(a) + 1) * b.T,
    ]  # fmt: skip

    def f(x, y):
        for choice in choices:
            x, y = steps[choice](x, y), x
        return np.sum(x * y)

    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 3, 3))
    program = backlit.backward(backlit.record(f, x, y), argnums=(0, 1))
    value, gradients = backlit.run(program, x, y)
    truth, immediate = backlit.value_and_grad(f, argnums=(0, 1))(x, y)
    assert value == truth
    for recorded, at_once in zip(gradients, immediate, strict=True):
        np.testing.assert_array_equal(recorded, at_once)
