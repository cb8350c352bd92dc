"""Two engines, one training: they agree, go on from each other's states, and are chosen by work."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from backlit.estimators import MLPClassifier
from backlit.execution.native import library, phases
from backlit.execution.native.elementwise import EXPRESSIONS
from backlit.fitting import fit, resume
from backlit.networks import Network
from backlit.networks.activations import ACTIVATIONS
from backlit.networks.losses import LOSSES
from backlit.training import (
    LBFGS,
    Adam,
    AdamW,
    Cosine,
    GradientDescent,
    Momentum,
    Nesterov,
    Penalties,
    RMSProp,
    Rprop,
    Settings,
    train,
)
from backlit.training.engines import choose_engine, unsupported

rng = np.random.default_rng(0)
x = rng.normal(size=(70, 4))
CLASSES = rng.integers(0, 3, 70)
NUMBERS = rng.normal(size=(70, 2))
LABELS = (rng.normal(size=(70, 3)) > 0).astype(float)


def targets(network):
    if network.targets == "classes":
        return np.minimum(CLASSES, max(network.outputs, 2) - 1)
    y = NUMBERS[:, : network.outputs]
    return {"labels": y > 0, "counts": np.abs(y)}.get(network.targets, y).astype(float)


def both(network, weights=None, **settings):
    """Train by both engines, and compare."""
    part = (x, targets(network), weights)
    settings = {"dtype": np.float64, "epochs": 3, "batch_size": 16, **settings}
    reference = train(network, part, engine="reference", **settings)
    native = train(network, part, engine="native", **settings)
    largest = np.max(np.abs(reference.state.theta))
    assert np.max(np.abs(native.state.theta - reference.state.theta)) <= 1e-10 * largest
    for name, array in reference.state.optimizer.items():
        other = native.state.optimizer[name]
        assert np.allclose(other, array, rtol=1e-8, atol=1e-10 * np.max(np.abs(array)))
    for ours, theirs in zip(native.epochs, reference.epochs, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-9)
        assert ours.learning_rate == theirs.learning_rate
    return reference, native


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_agrees(activation):
    both(Network(4, (6, 5), 3, activation))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_agrees(loss):
    outputs = {"log_loss": 3, "binary_log_loss": 1}.get(loss, 2)
    both(Network(4, (6,), outputs, "tanh", loss))


@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss", "label_log_loss"])
def test_smoothed_losses_agree(loss):
    outputs = {"log_loss": 3, "binary_log_loss": 1}.get(loss, 2)
    both(Network(4, (6,), outputs, "tanh", loss, {"smoothing": 0.1}))


@pytest.mark.parametrize(
    "optimizer",
    [
        GradientDescent(0.2), Momentum(0.05), Nesterov(0.05), RMSProp(), Adam(), AdamW(),
        Rprop(), Adam(weight_decay=0.1),
    ],
)  # fmt: skip
def test_every_optimizer_agrees(optimizer):
    both(Network(4, (6,), 3, "tanh"), optimizer=optimizer)


def test_penalties_schedules_weights_and_linear_networks_agree():
    both(Network(4, (6,), 3), penalties=Penalties(l1=0.01, l2=0.02, clip_norm=0.5))
    both(Network(4, (6,), 3), schedule=Cosine())
    both(Network(4, (6,), 3), weights=rng.uniform(0, 2, 70))
    both(Network(4, (), 2, loss="squared_loss"), optimizer=GradientDescent(0.1))
    both(Network(4, (6,), 3), batch_size=70)
    both(Network(4, (6,), 3), batch_size=1, epochs=1)


def test_float32_agrees_over_the_first_epochs():
    network = Network(4, (16, 8), 3)
    part = (x, CLASSES)
    one, other = (train(network, part, engine=e, epochs=3) for e in ("reference", "native"))
    assert other.state.theta.dtype == np.float32
    assert np.max(np.abs(one.state.theta - other.state.theta)) < 1e-5


def test_the_same_call_gives_the_same_bits_however_it_is_cut():
    network = Network(4, (6,), 3)
    whole = train(network, (x, CLASSES), engine="native", epochs=6, batch_size=16)
    again = train(network, (x, CLASSES), engine="native", epochs=6, batch_size=16)
    step_by_step = train(
        network, (x, CLASSES), engine="native", epochs=6, batch_size=16, after_step=lambda _: None
    )
    states = []
    train(network, (x, CLASSES), engine="native", epochs=6, batch_size=16,
          callbacks=[lambda _, state: states.append(state)])  # fmt: skip
    resumed = train(network, (x, CLASSES), engine="native", epochs=6, batch_size=16,
                    state=states[2])  # fmt: skip
    for other in (again, step_by_step, resumed):
        assert np.array_equal(other.state.theta, whole.state.theta)
        assert [e.train_loss for e in other.epochs] == [e.train_loss for e in whole.epochs]


def test_another_depth_width_or_batch_compiles_nothing():
    train(Network(4, (6, 5), 3), (x, CLASSES), engine="native", epochs=1, batch_size=16)
    before = library.compilations()
    for hidden, size in (((7,), 9), ((20, 10, 5), 33), ((2, 2), 70)):
        train(Network(4, hidden, 3), (x, CLASSES), engine="native", epochs=1, batch_size=size)
    assert library.compilations() == before


@pytest.mark.parametrize("loss", ["squared_loss", "huber_loss", "quantile_loss"])
def test_another_number_of_outputs_or_rows_compiles_nothing(loss):
    y = rng.normal(size=(70, 7))

    def run(outputs, size):
        network = Network(4, (6, 5), outputs, loss=loss)
        train(network, (x, y[:, :outputs]), engine="native", epochs=1, batch_size=size)

    run(3, 16)
    before = library.compilations()
    for outputs, size in ((2, 20), (5, 33), (7, 70)):
        run(outputs, size)
    assert library.compilations() == before


def test_another_batch_of_an_estimator_compiles_nothing():
    def run(size):
        MLPClassifier((6, 5), batch_size=size, max_iter=2, engine="native").fit(x, CLASSES)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        run(16)
        before = library.compilations()
        for size in (17, 32, 70):
            run(size)
    assert library.compilations() == before


def test_other_numbers_in_the_settings_compile_nothing():
    def run(number):
        train(
            Network(4, (6, 5), 3, loss_options={"smoothing": number}, dropout=number),
            (x, CLASSES), engine="native", epochs=1, batch_size=16,
            optimizer=AdamW(number, 1 - number, 1 - number / 10, number / 1e5, number),
            penalties=Penalties(number, number, number),
        )  # fmt: skip

    run(0.1)
    before = library.compilations()
    for number in (0.2, 0.3, 0.41):
        run(number)
    assert library.compilations() == before


def test_a_loss_that_is_not_finite_stops_the_native_engine_at_the_same_step():
    linear = Network(4, (), 2, loss="squared_loss")
    settings = {"optimizer": GradientDescent(1e9), "epochs": 30, "batch_size": 16}
    messages = [
        train(linear, (x, NUMBERS), engine=engine, **settings).message.split(":")[0]
        for engine in ("reference", "native")
    ]
    assert messages[0] == messages[1]
    assert messages[0].startswith("the loss is no longer finite in epoch")


# ----- The choice --------------------------------------------------------------------------------


def test_the_choice_follows_the_predicted_work():
    small, large = Network(4, (8,), 3), Network(100, (128, 64), 3)
    assert choose_engine(small, Settings(epochs=100), 150) == "reference"
    assert choose_engine(large, Settings(epochs=100), 30_000) == "native"
    assert choose_engine(large, Settings(epochs=100, engine="reference"), 30_000) == "reference"
    assert choose_engine(small, Settings(engine="native"), 150) == "native"
    assert choose_engine(large, Settings(LBFGS()), 10**9) == "reference"


def test_what_has_no_kernel_is_run_by_the_reference_executor(monkeypatch):
    monkeypatch.delitem(EXPRESSIONS, np.exp)
    network = Network(4, (6,), 3)
    assert "exp(float32 (30, 3))" in unsupported(network, Settings(batch_size=30), 30)
    why = "the native engine cannot run this training, and the reference engine does: "
    with pytest.warns(UserWarning, match=f"{why}line .*: no native kernel runs exp") as warned:
        native = train(network, (x, CLASSES), engine="native", epochs=2)
    assert len(warned) == 1
    reference = train(network, (x, CLASSES), engine="reference", epochs=2)
    assert np.array_equal(native.state.theta, reference.state.theta)


def test_dropout_silences_the_same_units_in_both_engines():
    network = Network(4, (20, 10), 3, dropout=0.4)
    settings = {"epochs": 3, "batch_size": 8, "dtype": "float64", "seed": 3}
    one, other = (
        train(network, (x, CLASSES), engine=e, **settings) for e in ("reference", "native")
    )
    assert np.max(np.abs(one.state.theta - other.state.theta)) < 1e-12


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_inputs_train_as_dense_ones(engine, index):
    dense = np.where(rng.random((70, 40)) < 0.2, rng.normal(size=(70, 40)), 0)
    sparse = csr_array(dense)
    sparse.indices, sparse.indptr = sparse.indices.astype(index), sparse.indptr.astype(index)
    network = Network(40, (12, 8), 3)
    settings = {"engine": engine, "epochs": 4, "batch_size": 16, "dtype": "float64"}
    settings |= {"patience": 4, "n_threads": 2}
    with finely_cut():
        one = train(network, (dense, CLASSES), (dense, CLASSES), **settings)
        other = train(network, (sparse, CLASSES), (sparse, CLASSES), **settings)
    assert np.max(np.abs(one.state.theta - other.state.theta)) < 1e-12
    assert abs(one.epochs[-1].validation_loss - other.epochs[-1].validation_loss) < 1e-12


@pytest.mark.slow
def test_after_warming_up_nothing_is_compiled(tmp_path):
    code = (
        "import sys\n"
        "from backlit.cli.main import main\n"
        "main(['warmup'])\n"
        "import numpy as np\n"
        "from backlit.execution.native import library\n"
        "from backlit.networks import Network\n"
        "from backlit.training import AdamW, train\n"
        "x = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)\n"
        "before = library.compilations()\n"
        "assert before > 50, before\n"
        "train(Network(5, (30, 20, 10), 4, 'tanh'), (x, np.arange(300) % 4),\n"
        "      (x, np.arange(300) % 4), engine='native', epochs=2, optimizer=AdamW())\n"
        "print(library.compilations() - before)\n"
    )
    environment = {**os.environ, "BACKLIT_CACHE": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert "kernels compiled for" in result.stdout
    assert result.stdout.endswith("\n0\n")


@contextmanager
def finely_cut():
    """Cut steps for threads, however small they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENOUGH_SECONDS", "PART_SECONDS", "CALL_SECONDS", "MEETING_SECONDS"):
            patch.setattr(phases, name, 1e-12)
        yield


@pytest.mark.parametrize("loss", ["log_loss", "squared_loss", "label_log_loss"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_any_number_of_threads_computes_the_same_bits(loss, dropout):
    outputs, y = {"log_loss": (3, CLASSES), "squared_loss": (2, NUMBERS)}.get(loss, (3, LABELS))
    network = Network(4, (20, 10), outputs, loss=loss, dropout=dropout)
    with finely_cut():
        runs = [
            train(network, (x, y), (x, y), engine="native", epochs=4, batch_size=16, n_threads=n)
            for n in (1, 2, 3, 8)
        ]
    for run in runs[1:]:
        assert np.array_equal(run.state.theta, runs[0].state.theta)
        assert [e.validation_loss for e in run.epochs] == [
            e.validation_loss for e in runs[0].epochs
        ]
    reference = train(network, (x, y), engine="reference", epochs=4, batch_size=16)
    assert np.allclose(reference.state.theta, runs[0].state.theta, rtol=0, atol=1e-4)


def test_several_trainings_in_threads_of_python_do_not_disturb_each_other():
    network = Network(4, (20, 10), 3)

    def run(seed):
        return train(network, (x, CLASSES), engine="native", epochs=20, seed=seed, n_threads=2)

    with finely_cut():
        alone = [run(seed).state.theta for seed in range(4)]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(run, range(4)))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other.state.theta)


def test_python_goes_on_while_an_epoch_runs():
    # A thread of Python counts while the steps run; with the interpreter's lock held it could not.
    rows = np.zeros((20_000, 300), np.float32)
    network = Network(300, (300, 300), 2)
    counted, done = [0], threading.Event()

    def count():
        while not done.wait(0.001):
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    began = time.monotonic()
    train(network, (rows, np.zeros(20_000, int)), engine="native", epochs=1, batch_size=128)
    seconds = time.monotonic() - began
    done.set()
    thread.join()
    assert counted[0] > 5 * seconds  # of about 1000 a second, on a machine that has nothing to do


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to a process of its own")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_in_the_middle_of_an_epoch_keeps_what_there_is(threads):
    code = (
        "import numpy as np, sys\n"
        "from backlit.networks import Network\n"
        "from backlit.training import train\n"
        "x = np.zeros((200_000, 400), np.float32)\n"
        "y = np.zeros(len(x), int)\n"
        "small = (x[:1000], y[:1000])\n"
        "network = Network(400, (600, 600), 3)\n"
        "train(network, small, engine='native', epochs=1, batch_size=512)\n"
        "print('ready', flush=True)\n"
        f"trained = train(network, (x, y), engine='native', epochs=1000, batch_size=512, "
        f"n_threads={threads})\n"
        "print(trained.outcome, len(trained.epochs))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)  # in the middle of the first epoch, which takes many seconds
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == "interrupted 0\n", err


def test_without_numba_everything_runs():
    code = (
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'numba' else found(name, *a)\n"
        "import numpy as np\n"
        "from backlit.networks import Network\n"
        "from backlit.training.engines import choose_engine\n"
        "from backlit.training import Settings\n"
        "print(choose_engine(Network(100, (128,), 3), Settings(), 10**6))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "reference\n"
    assert result.stderr.count("Numba is not installed; python -m pip install numba") == 1


def test_with_a_broken_numba_everything_runs(tmp_path):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('numba is broken here')\n")
    code = (
        "from backlit.networks import Network\n"
        "from backlit.training.engines import choose_engine\n"
        "from backlit.training import Settings\n"
        "print(choose_engine(Network(100, (128,), 3), Settings(), 10**6))\n"
    )
    environment = {
        **os.environ, "PYTHONPATH": str(tmp_path), "BACKLIT_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.stdout == "reference\n"
    assert result.stderr.count("the reference engine does: numba is broken here") == 1


def test_the_choice_is_kept_with_the_run(tmp_path):
    table = {f"x{i}": column for i, column in enumerate(x.T)}
    table["y"] = CLASSES
    plan = {"hidden": (8,), "epochs": 6, "patience": None, "engine": "native"}

    def stop(epoch, state):
        return epoch.number == 3

    whole = fit(table, "y", out=tmp_path / "whole", **plan)
    part = fit(table, "y", out=tmp_path / "part", callbacks=[stop], **plan)
    assert (
        part.document()["settings"]["engine"] == part.document()["prepared"]["engine"] == "native"
    )
    resumed = resume(part, table)
    models = [(run.folder / "model.backlit").read_bytes() for run in (whole, resumed)]
    assert models[0] == models[1]
    chosen = fit(table, "y", out=tmp_path / "auto", hidden=(8,), epochs=2)
    assert chosen.document()["prepared"]["engine"] == "reference"
