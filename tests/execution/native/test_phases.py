"""Work is cut so that tasks of a phase never meet, and nothing is lost or done twice."""

from collections import defaultdict
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlit
from backlit.autodiff.recording import expand
from backlit.execution.native import phases
from backlit.execution.native.executor import Executable
from backlit.execution.native.lowering import lower
from backlit.execution.native.phases import plan
from backlit.execution.native.products import Product
from backlit.functions import softmax
from backlit.program import tree

rng = np.random.default_rng(0)


@contextmanager
def finely_cut():
    """Cut whatever can be cut, however small."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENOUGH_SECONDS", "PART_SECONDS", "CALL_SECONDS", "MEETING_SECONDS"):
            patch.setattr(phases, name, 1e-12)
        patch.setattr(phases, "NARROW", 1)
        yield


def works_of(f, *arguments):
    return lower(expand(backlit.record(f, *arguments))).works


# ----- By bytes ----------------------------------------------------------------------------------


def bytes_of(place):
    """Return the positions in its buffer of all bytes of a place, one by one."""
    size = place.dtype.itemsize
    positions = np.full(place.shape, place.offset)
    for axis, (length, stride) in enumerate(zip(place.shape, place.strides, strict=True)):
        along = [1] * len(place.shape)
        along[axis] = length
        positions = positions + np.reshape(np.arange(length) * stride * size, along)
    return (positions[..., np.newaxis] + np.arange(size)).ravel()


def times_written(works):
    """Return how often each byte of each buffer is written."""
    counts = defaultdict(lambda: np.zeros(0, int))
    for work in works:
        for place in work.writes:
            if place.buffer not in counts:
                counts[place.buffer] = np.zeros(place.buffer.size, int)
            np.add.at(counts[place.buffer], bytes_of(place), 1)
    return counts


def check(works, planned):
    """Assert what a plan promises, by looking at every byte."""
    parts = [part for phase in planned for task in phase for part in task.works]
    before, after = times_written(works), times_written(parts)
    assert before.keys() == after.keys()
    for buffer, counts in before.items():
        assert np.array_equal(counts, after[buffer])
    for phase in planned:
        assert all(task.works for task in phase)
        owner = {}
        for number, task in enumerate(phase):
            for place in (place for part in task.works for place in part.writes):
                mine = owner.setdefault(place.buffer, np.full(place.buffer.size, -1))
                positions = bytes_of(place)
                assert np.all(np.isin(mine[positions], (-1, number))), "two tasks write a byte"
                mine[positions] = number
        for number, task in enumerate(phase):
            for place in (place for part in task.works for place in part.reads):
                if place.buffer in owner:
                    writers = owner[place.buffer][bytes_of(place)]
                    assert np.all(np.isin(writers, (-1, number))), "a task reads another's byte"


def same_bits(f, *arguments):
    """Assert that any number of threads comes to the same bits, and to the right numbers."""
    program = expand(backlit.record(f, *arguments))
    with np.errstate(all="ignore"):
        expected = tree.leaves(backlit.run(program, *arguments))
    executable = Executable(program)
    check(executable.lowered.works, executable.table.phases)
    runs = [tree.leaves(executable.run(*arguments, n_threads=n)) for n in (1, 2, 3, 8)]
    for results in runs:
        for one, other, right in zip(results, runs[0], expected, strict=True):
            assert one.tobytes() == other.tobytes()
            # Sums in another order, which later steps may make larger: against all there is.
            scale = max(float(np.max(np.abs(a))) for a in (*arguments, *expected))
            assert np.allclose(one, right, rtol=0, atol=1e-11 * scale)
    return executable


# ----- How much is cut ---------------------------------------------------------------------------


def layers(x, *weights):
    for W in weights:
        x = np.tanh(x @ W)
    return x


def test_what_is_too_little_is_one_task_in_the_order_given():
    works = works_of(layers, rng.normal(size=(8, 6)), *rng.normal(size=(3, 6, 6)))
    ((task,),) = plan(works)
    assert task.works == works
    assert plan([])[0][0].works == []


def test_rows_of_a_batch_go_through_all_layers_in_one_phase():
    works = works_of(layers, np.ones((256, 200)), *np.ones((4, 200, 200)))
    (phase,) = plan(works)
    assert len(phase) > 1
    for task in phase:
        assert [type(part).__name__ for part in task.works] == ["Product", "Loop"] * 4
    check(works, [phase])
    for number in range(0, 8, 2):
        rows = [task.works[number].c.shape for task in phase]
        assert sum(count for count, _ in rows) == 256
        assert {columns for _, columns in rows} == {200}


def test_more_work_has_not_fewer_parts_and_never_more_than_a_limit():
    parts = []
    for rows in (16, 128, 1024, 8192, 65536):
        works = works_of(layers, np.broadcast_to(1.0, (rows, 64)), np.ones((64, 64)))
        parts.append(max(len(phase) for phase in plan(works)))
    assert parts == sorted(parts)
    assert parts[0] == 1 < parts[-1] <= phases.MOST_PARTS


def test_a_large_matrix_is_not_read_anew_for_each_few_rows_of_a_batch():
    x, W = np.zeros((32, 784), np.float32), np.zeros((784, 512), np.float32)
    V = np.zeros((512, 512), np.float32)
    planned = plan(works_of(layers, x, W, V, V))
    products = [w for phase in planned for task in phase for w in task.works]
    products = [work for work in products if isinstance(work, Product)]
    assert len(products) > 3  # they are cut, by columns
    assert {work.a.shape[0] for work in products} == {32}


def test_a_gradient_of_weights_waits_for_all_rows():
    def f(x, W):
        h = np.tanh(x @ W)
        return h, x.T @ h

    works = works_of(f, np.ones((512, 128)), np.ones((128, 128)))
    planned = plan(works)
    check(works, planned)
    assert len(planned) == 2
    made = [
        [place.buffer for task in phase for part in task.works for place in part.writes]
        for phase in planned
    ]
    *_, gradient = works
    assert isinstance(gradient, Product)
    assert gradient.c.buffer in made[1] and gradient.c.buffer not in made[0]
    assert works[0].c.buffer in made[0]


def test_the_plan_does_not_depend_on_the_number_of_threads():
    program = expand(backlit.record(layers, np.ones((256, 100)), np.ones((100, 100))))
    executable = Executable(program)
    before = [len(phase) for phase in executable.table.phases]
    calls = [call.arguments for call in executable.table.calls]
    for n_threads in (1, 3, 8):
        executable.run(np.ones((256, 100)), np.ones((100, 100)), n_threads=n_threads)
    assert [len(phase) for phase in executable.table.phases] == before
    assert [call.arguments for call in executable.table.calls] == calls


# ----- What mixes rows ---------------------------------------------------------------------------

MIXING = {
    "products of all rows with all": lambda x: np.tanh(x) @ np.tanh(x).T,
    "the mean of a column": lambda x: np.tanh(np.tanh(x * 2) @ x.T) - np.mean(x @ x.T, axis=0),
    "a running sum down the rows": lambda x: np.cumsum(np.tanh(x), axis=0) * 2,
    "a running sum of everything": lambda x: np.cumsum(np.tanh(x)) * 2,
    "shares in a column": lambda x: softmax(np.tanh(x @ x.T), 0) * 2,
    "rows upside down": lambda x: np.tanh(x)[::-1] + np.tanh(x),
    "the sum of all": lambda x: np.tanh(x) - np.sum(np.tanh(x)),
    "rows moved by one": lambda x: np.concatenate([np.tanh(x)[1:], np.tanh(x)[:1]]) * np.tanh(x),
    "columns as rows": lambda x: np.reshape(np.tanh(x).T, x.shape) * 2 + x,
    "some rows": lambda x: np.tanh(x)[[3, 1, 1, -1]] * 2,
}


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_rows_begins_a_phase_and_keeps_its_bits(name):
    with finely_cut():
        executable = same_bits(MIXING[name], rng.normal(size=(13, 9)))
    assert len(executable.table.phases) > 1


def test_what_mixes_rows_keeps_its_bits_where_it_is_cut_of_its_own():
    x = rng.normal(size=(300, 200))
    for f in (MIXING["products of all rows with all"], MIXING["shares in a column"]):
        executable = same_bits(f, x)
        assert max(len(phase) for phase in executable.table.phases) > 1


STEPS = (
    lambda x, y: np.tanh(x) - y,
    lambda x, y: np.where(x > y, x, -y),
    lambda x, y: x - np.mean(y, axis=0),
    lambda x, y: x - np.sum(y, axis=1, keepdims=True),
    lambda x, y: x * np.max(y),
    lambda x, y: (x @ np.transpose(y)) @ x,
    lambda x, y: np.transpose(np.transpose(x) * 2) + y,
    lambda x, y: np.concatenate([x[1:], y[:1]]),
    lambda x, y: np.concatenate([x[:, :1], y[:, 1:]], axis=1),
    lambda x, y: np.reshape(np.ravel(x)[::-1], x.shape) / 2,
    lambda x, y: np.cumsum(x, axis=0) - np.cumsum(y, axis=1),
    lambda x, y: softmax(x, 0) + softmax(y, 1),
    lambda x, y: x[:, :1] + y[:1],
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(range(len(STEPS))), st.integers(0, 5), st.integers(0, 5)),
             min_size=1, max_size=8),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.booleans(),
)  # fmt: skip
def test_random_programs_are_cut_without_a_loss_or_a_clash(drawn, shape, finely):
    x, y = np.random.default_rng(len(drawn)).normal(size=(2, *shape))

    def program(x, y):
        values = [x, y]
        for kind, left, right in drawn:
            a, b = values[left % len(values)], values[right % len(values)]
            values.append(STEPS[kind](a, b) * 0.5)
        return tuple(values[2:])

    works = works_of(program, x, y)
    if not finely:
        check(works, plan(works))
        return
    with finely_cut():
        check(works, plan(works))
        same_bits(program, x, y)
