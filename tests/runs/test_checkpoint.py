"""``checkpoint``: the state that was written, to the bit, or a sentence."""

import math
import os
import struct
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from backlit.runs.archive import pack, unpack
from backlit.runs.checkpoint import (
    CHECKPOINT,
    from_bytes,
    read_checkpoint,
    to_bytes,
    write_checkpoint,
)
from backlit.training.state import Epoch, State

ANY = st.floats(width=64)


@st.composite
def states(draw):
    dtype, size = draw(st.sampled_from(["float32", "float64"])), draw(st.integers(1, 5))
    width = 32 if dtype == "float32" else 64
    finite = arrays_of.arrays(
        dtype, size, elements=st.floats(width=width, allow_nan=False, allow_infinity=False)
    )
    anything = arrays_of.arrays(dtype, size, elements=st.floats(width=width))
    done = draw(st.integers(0, 3))
    epochs = tuple(Epoch(n, *(draw(ANY) for _ in range(5))) for n in range(1, done + 1))
    return State(
        theta=draw(finite),
        optimizer=draw(st.dictionaries(st.sampled_from(["mean", "square"]), anything)),
        best_theta=draw(finite),
        step_number=draw(st.integers(0, 2**60)),
        schedule=draw(
            st.dictionaries(
                st.text(max_size=5),
                st.none() | st.integers() | st.floats(allow_nan=False),
                max_size=3,
            )
        ),
        best_epoch=draw(st.integers(0, done)),
        lowest=draw(ANY),
        epochs=epochs,
    )


def bits(number):
    return struct.pack("<d", number)


def assert_same(ours, theirs):
    for one, other in ((ours.theta, theirs.theta), (ours.best_theta, theirs.best_theta)):
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
    assert ours.optimizer.keys() == theirs.optimizer.keys()
    for name, array in ours.optimizer.items():
        other = theirs.optimizer[name]
        assert (array.dtype, array.tobytes()) == (other.dtype, other.tobytes())
    assert (ours.step_number, ours.best_epoch) == (theirs.step_number, theirs.best_epoch)
    assert repr(sorted(ours.schedule.items())) == repr(sorted(theirs.schedule.items()))
    assert bits(ours.lowest) == bits(theirs.lowest)
    assert [epoch.number for epoch in ours.epochs] == [epoch.number for epoch in theirs.epochs]
    for one, other in zip(ours.epochs, theirs.epochs, strict=True):
        assert list(map(bits, astuple(one)[1:])) == list(map(bits, astuple(other)[1:]))


@given(states())
def test_states_survive_to_the_bit(state):
    content = to_bytes(state)
    found = from_bytes(content, state.theta.size, state.optimizer, state.theta.dtype)
    assert_same(found, state)
    assert to_bytes(found) == content


STATE = State(
    theta=np.array([1.0, 2.0], np.float32),
    optimizer={"velocity": np.array([3.0, 4.0], np.float32)},
    best_theta=np.array([5.0, 6.0], np.float32),
    step_number=8,
    schedule={"factor": 0.1, "best": None, "waiting": 2},
    best_epoch=1,
    lowest=0.5,
    epochs=(Epoch(1, 0.7, 0.5, 0.9, 1e-3, 1.5), Epoch(2, 0.6, math.nan, math.inf, 1e-4, 3.0)),
)


def test_states_are_written_to_a_file(tmp_path):
    path = tmp_path / "checkpoint"
    write_checkpoint(path, replace(STATE, step_number=1))
    write_checkpoint(path, STATE)
    assert_same(read_checkpoint(path, 2, ["velocity"], np.float32), STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_every_flipped_byte_is_refused_or_harmless():
    content, refused = to_bytes(STATE), 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        try:
            found = from_bytes(bytes(damaged), 2, ["velocity"], "float32")
        except ValueError as error:
            refused += 1
            assert str(error)
        else:
            assert_same(found, STATE)
    assert refused > len(content) / 2


def test_every_truncation_is_refused():
    content = to_bytes(STATE)
    for length in range(len(content)):
        with pytest.raises(ValueError, match="damaged"):
            from_bytes(content[:length], 2, ["velocity"], "float32")


@pytest.mark.parametrize(
    ("parameters", "optimizer", "dtype", "message"),
    [
        (3, ["velocity"], "float32", r"theta is float32 of shape \(2,\), .* of shape \(3,\)"),
        (2, ["velocity"], "float64", "theta is float32 .* float64"),
        (2, [], "float32", r"has unknown optimizer\.velocity"),
        (2, ["velocity", "square"], "float32", r"lacks optimizer\.square"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path, parameters, optimizer, dtype, message
):
    path = tmp_path / "checkpoint"
    write_checkpoint(path, STATE)
    with pytest.raises(
        ValueError, match=rf"checkpoint cannot be read as a checkpoint: .*{message}"
    ):
        read_checkpoint(path, parameters, optimizer, dtype)


def changed(facts=(), arrays=()):
    old_facts, old_arrays = unpack(CHECKPOINT, to_bytes(STATE))
    return pack(CHECKPOINT, {**old_facts, **dict(facts)}, {**old_arrays, **dict(arrays)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed({"best_epoch": 3}), "best epoch is 3 of 2"),
        (changed({"best_epoch": -1}), "best epoch is -1 of 2"),
        (changed({"step_number": -1}), "after -1 steps"),
        (changed({"step_number": 1.5}), "are not whole"),
        (changed({"best_epoch": True}), "are not whole"),
        (changed({"epochs": 3}), r"figures is float64 of shape \(2, 5\), .* \(3, 5\)"),
        (changed({"schedule": []}), "not a JSON object"),
        (changed({"schedule": {"waiting": [1]}}), "not all numbers"),
        (changed({"schedule": {"factor": "fast"}}), "could not convert"),
        (changed(arrays={"theta": np.array([1, np.nan], np.float32)}), "theta .* not finite"),
        (changed(arrays={"best_theta": np.array([1, np.inf], np.float32)}), "theta .* not finite"),
        (changed(arrays={"lowest": np.array([], np.float64)}), r"lowest .* of shape \(1,\)"),
    ],
)
def test_impossible_states_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        from_bytes(content, 2, ["velocity"], "float32")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_is_named_and_leaves_the_last_checkpoint(tmp_path, monkeypatch, failing):
    path = tmp_path / "checkpoint"
    write_checkpoint(path, STATE)

    def disk_is_full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, disk_is_full)
        with pytest.raises(OSError, match=r"No space left on device: .*checkpoint'"):
            write_checkpoint(path, replace(STATE, step_number=9))
    assert_same(read_checkpoint(path, 2, ["velocity"], "float32"), STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_a_missing_checkpoint_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "checkpoint", 2, [], "float32")
