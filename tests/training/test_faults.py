"""Trainings by kernels on data, disks, machines and processes that are not as one would wish.

Each comes to what the reference engine comes to, or to one clear sentence.
"""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from backlit.execution.native import library, phases, threads
from backlit.networks import Network
from backlit.training import Examples, Settings, train
from backlit.training.engines import NativeSteps

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 4))
CLASSES = rng.integers(0, 3, 50)
NETWORK = Network(4, (6, 5), 3)
NUMBERS = Network(4, (6,), 2, "tanh", "squared_loss")
y = rng.normal(size=(50, 2))

# Of the largest weight, after 3 epochs: other orders of sums, made more by an optimizer that
# divides by small numbers.
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def trained(engine, network, part, **settings):
    settings = {"epochs": 3, "batch_size": 16, "dtype": "float64", **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that another engine runs it would be one
        return train(network, part, part, engine=engine, **settings)


def agree(ours, theirs, dtype="float64"):
    theta, expected = ours.state.theta, theirs.state.theta
    assert theta.dtype == expected.dtype == dtype
    assert np.max(np.abs(theta - expected)) <= TOLERANCE[dtype] * np.max(np.abs(expected))


def right(part, plain=None, network=NETWORK, dtype="float64", **settings):
    """Train by kernels on a part, and by the reference engine on the plain arrays of it."""
    settings["dtype"] = dtype
    native = trained("native", network, part, **settings)
    agree(native, trained("reference", network, plain or part, **settings), dtype)
    return native


# ----- Data that lie in other ways ---------------------------------------------------------------


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def every_second_column(array):
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 99, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def backwards(array):
    return array[::-1].copy()[::-1]


def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


WAYS = (read_only, every_second_column, backwards, np.asfortranarray, big_endian)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_data_may_lie_in_any_way(way, dtype):
    inputs = x.astype(dtype)
    before = inputs.copy()
    right((way(inputs), way(CLASSES)), (inputs, CLASSES), dtype=dtype)
    right((way(inputs), way(y), way(np.ones(50))), (inputs, y), network=NUMBERS, dtype=dtype)
    assert np.array_equal(inputs, before)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_data_of_another_dtype_are_brought_to_the_one_of_the_training(kind):
    inputs = np.abs(x * 3).astype(kind)
    for classes in (CLASSES.astype(np.int8), CLASSES.astype(np.uint64)):
        right((inputs, classes), (inputs.astype(np.float32), CLASSES), dtype="float32")


def test_mapped_data_are_read_where_they_are(tmp_path):
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", CLASSES)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("x.npy", "y.npy")]
    right(tuple(mapped), (x, CLASSES))
    settings = Settings(dtype="float64")
    examples = Examples.of(NETWORK, tuple(mapped), "float64", "training")
    data = NativeSteps(NETWORK, settings.optimizer, settings, examples).data
    for array, file in zip(data, mapped, strict=False):
        assert np.shares_memory(array, file)
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)


def test_one_row_and_a_batch_larger_than_the_data():
    right((x, CLASSES), batch_size=1000)
    right((x[:1], CLASSES[:1]), batch_size=7)
    right((x[:17], CLASSES[:17]), batch_size=16)


# ----- What is refused ---------------------------------------------------------------------------


def sentence(network, part):
    """Return the one sentence with which both engines refuse a training."""
    texts = set()
    for engine in ("reference", "native"):
        with pytest.raises(ValueError) as error:
            trained(engine, network, part)
        texts.add(str(error.value))
    (text,) = texts
    assert "\n" not in text
    return text


def test_numbers_that_are_not_finite_are_refused_with_their_place():
    for number in (np.nan, np.inf, -np.inf):
        wrong, targets = x.copy(), y.copy()
        wrong[7, 2] = targets[3, 1] = number
        assert sentence(NETWORK, (wrong, CLASSES)) == (
            "the training inputs are not finite at [7, 2]"
        )
        assert sentence(NUMBERS, (x, targets)) == "the training targets are not finite at [3, 1]"
    assert "weights must be 50 numbers" in sentence(NETWORK, (x, CLASSES, np.full(50, np.nan)))


def test_classes_that_there_are_not_are_refused():
    for wrong in (3, -1):
        classes = np.array([*CLASSES[:-1], wrong])
        first, last = classes.min(), classes.max()
        assert sentence(NETWORK, (x, classes)) == (
            f"the training classes go from {first} to {last}, and the network has classes from 0 "
            "to 2"
        )


def test_no_rows_and_wrong_shapes_are_refused():
    assert sentence(NETWORK, (x[:0], CLASSES[:0])) == "the training part has no examples"
    assert sentence(NETWORK, (x[:, :3], CLASSES)) == (
        "the training inputs have shape (50, 3), and the network takes (examples, 4)"
    )


@pytest.mark.parametrize("sizes", [(4, (0,), 3), (4, (5, 0), 3), (0, (5,), 3), (4, (5,), 0)])
def test_a_layer_without_units_is_refused(sizes):
    with pytest.raises(ValueError) as error:
        Network(*sizes)
    assert str(error.value) == "the sizes of layers are integers from 1 on, not 0"


# ----- The folder of kernels ---------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A training of a process that knows no kernel, with a folder that holds none."""
    monkeypatch.setenv("BACKLIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "_addresses", {})
    return tmp_path / "cache" / "kernels"


def small(**settings):
    """Train what has few kernels."""
    right((x, y), network=Network(4, (), 2, loss="squared_loss"), **settings)


@pytest.mark.slow
def test_a_full_disk_does_not_stop_a_training(empty_cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    before = library.compilations()
    small()
    assert library.compilations() > before
    assert list(empty_cache.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there the home has another name")
def test_a_machine_without_a_home_trains(tmp_path):
    (tmp_path / "file").touch()  # below which nobody can make a folder
    home = str(tmp_path / "file" / "home")
    result = run_alone({"HOME": home, "XDG_CACHE_HOME": "", "BACKLIT_CACHE": ""})
    assert result == run_alone({"BACKLIT_CACHE": str(tmp_path / "cache")})


@pytest.mark.slow
def test_kernels_that_have_been_harmed_are_made_anew(empty_cache, monkeypatch):
    small()
    for number, file in enumerate(sorted(empty_cache.iterdir())):
        content = bytearray(file.read_bytes())
        content[(number * 37) % len(content)] ^= 255
        file.write_bytes(content)
    monkeypatch.setattr(library, "_addresses", {})
    before = library.compilations()
    small()
    assert library.compilations() > before


ALONE = """
import hashlib, sys
import numpy as np
from backlit.networks import Network
from backlit.training import train
x = np.random.default_rng(0).normal(size=(50, 4))
sys.stdin.readline()
theta = train(Network(4, (), 2, loss="squared_loss"), (x, x[:, :2]), engine="native",
              epochs=3, batch_size=16).state.theta
print(hashlib.sha256(theta.tobytes()).hexdigest())
"""


def start_alone(environment):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ALONE], env={**os.environ, **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_alone(environment):
    """Return a digest of what a process of its own has trained."""
    out, errors = start_alone(environment).communicate("\n", timeout=120)
    assert errors == "" and len(out) == 65
    return out


@pytest.mark.slow
def test_two_processes_that_begin_at_once_without_kernels_train_the_same(tmp_path):
    environment = {"BACKLIT_CACHE": str(tmp_path)}
    processes = [start_alone(environment) for _ in range(2)]
    results = [process.communicate("\n", timeout=200) for process in processes]
    assert results[0] == results[1] == (run_alone(environment), "")
    assert not [file for file in (tmp_path / "kernels").iterdir() if file.name.startswith("tmp")]


# ----- Processors --------------------------------------------------------------------------------


def threads_alone(environment, before=""):
    code = f"import os\n{before}\nfrom backlit.execution.native.threads import default_threads\n"
    result = subprocess.run(
        [sys.executable, "-c", code + "print(default_threads())"], capture_output=True, text=True,
        check=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    return int(result.stdout)


def test_a_limit_of_threads_and_of_processors_is_kept():
    assert threads_alone({"OMP_NUM_THREADS": "1"}) == 1
    assert threads_alone({"OMP_NUM_THREADS": "1,4"}) == 1
    most = threads_alone({"OMP_NUM_THREADS": ""})
    assert most >= 1
    for text in ("100000", "many", "-3", "0"):
        assert 1 <= threads_alone({"OMP_NUM_THREADS": text}) <= most
    if hasattr(os, "sched_setaffinity"):
        one = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
        assert threads_alone({"OMP_NUM_THREADS": ""}, one) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 8),
     ("", 8), ("1 2 3\n", 8), ("900000 100000\n", 8)],
)  # fmt: skip
def test_the_limit_of_a_control_group_is_kept(monkeypatch, text, expected):
    monkeypatch.setattr(threads, "_allowed_processors", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert threads.default_threads() == expected


# ----- Threads and processes ---------------------------------------------------------------------


@pytest.fixture
def finely_cut(monkeypatch):
    for name in ("ENOUGH_SECONDS", "PART_SECONDS", "CALL_SECONDS", "MEETING_SECONDS"):
        monkeypatch.setattr(phases, name, 1e-12)


def test_trainings_of_several_threads_of_python_are_right(finely_cut):
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(train, NETWORK, (x, CLASSES), engine="native", dtype="float64", epochs=3,
                        batch_size=16, seed=seed, n_threads=2)
            for seed in range(6)
        ]  # fmt: skip
        for seed, run in enumerate(runs):
            agree(run.result(), trained("reference", NETWORK, (x, CLASSES), seed=seed))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_process_that_has_trained_trains(finely_cut):
    before = trained("native", NETWORK, (x, CLASSES), n_threads=2).state.theta
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that waits for threads of its parent would wait forever
        code = 1
        try:
            after = trained("native", NETWORK, (x, CLASSES), n_threads=2).state.theta
            code = 0 if np.array_equal(after, before) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    again = trained("native", NETWORK, (x, CLASSES), n_threads=2).state.theta
    assert np.array_equal(again, before)


def test_an_exception_in_a_callback_leaves_the_threads_free(finely_cut):
    def fail(epoch, state):
        raise LookupError("of the user")

    with pytest.raises(LookupError, match="of the user"):
        train(NETWORK, (x, CLASSES), engine="native", n_threads=2, epochs=3, callbacks=[fail])
    with threads.team(2) as submit:
        assert submit is not None
    right((x, CLASSES), n_threads=2)
