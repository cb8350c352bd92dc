"""Runs that are stopped, killed, copied or damaged, and gone on with."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from backlit.fitting import fit, resume
from backlit.fitting import recorder as recording
from backlit.runs import Run
from backlit.training import LBFGS, Adam, Constant, Momentum

rng = np.random.default_rng(0)
ROWS = 200
x = rng.normal(size=(ROWS, 3))
noisy = np.where(x[:, 0] * x[:, 1] + 0.5 * rng.normal(size=ROWS) > 0, "up", "down")
TABLE = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": noisy}
PLAN = {"hidden": (8,), "epochs": 12, "patience": None}


@pytest.fixture(autouse=True)
def write_after_every_epoch(monkeypatch):
    monkeypatch.setattr(recording, "SECONDS", 0.0)


def figures(run):
    """Return what must be the same bits: all figures but the time."""
    rows = [
        (e.number, e.train_loss, e.validation_loss, e.validation_score, e.learning_rate)
        for e in run.epochs()
    ]
    return (
        rows,
        (run.folder / "model.backlit").read_bytes(),
        run.document()["outcome"]["best_epoch"],
    )


def interrupt_after(number):
    def callback(epoch, state):
        if epoch.number == number:
            raise KeyboardInterrupt

    return callback


# ----- The same bits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"dropout": 0.2},
        {"optimizer": Momentum(0.05), "schedule": Constant(), "dtype": "float64"},
        {"patience": 3, "epochs": 60},
    ],
)
@pytest.mark.parametrize("number", [1, 5])
def test_a_run_that_was_interrupted_goes_on_to_the_same_bits(plan, number, tmp_path):
    plan = {**PLAN, **plan}
    whole = fit(TABLE, "y", out=tmp_path / "whole", **plan)
    stopped = fit(TABLE, "y", out=tmp_path / "x", callbacks=[interrupt_after(number)], **plan)
    assert stopped.document()["status"] == "interrupted"
    assert len(stopped.epochs()) == number
    resumed = resume(stopped, TABLE)
    assert resumed.document()["status"] == whole.document()["status"]
    assert figures(resumed) == figures(whole)


def test_more_epochs_are_as_if_they_had_been_asked_for_at_once(tmp_path):
    few = fit(TABLE, "y", out=tmp_path / "few", **{**PLAN, "epochs": 4})
    with pytest.raises(ValueError, match=r"has 4 epochs already \(finished all 4 epochs\)"):
        resume(few, TABLE)
    more = resume(few, TABLE, epochs=12)
    assert figures(more) == figures(fit(TABLE, "y", out=tmp_path / "many", **PLAN))
    assert more.document()["settings"]["epochs"] == 12


def test_a_run_that_stopped_early_goes_on_with_more_patience_only(tmp_path):
    plan = {"hidden": (8,), "epochs": 80, "patience": 2, "optimizer": Adam(0.05)}
    early = fit(TABLE, "y", out=tmp_path / "early", **plan)
    done = len(early.epochs())
    assert done < 60
    for given in ({}, {"epochs": 200}, {"patience": 2}):
        with pytest.raises(ValueError, match="to go on, give a patience above 2, or of 0"):
            resume(early, TABLE, **given)
    with pytest.raises(ValueError, match=rf"has {done} epochs already .*give more epochs"):
        resume(early, TABLE, epochs=done - 1)
    more = resume(early, TABLE, patience=0)
    assert len(more.epochs()) == 80
    whole = fit(TABLE, "y", out=tmp_path / "whole", **{**plan, "patience": None})
    assert figures(more) == figures(whole)


def test_lbfgs_goes_on_from_its_last_iterate(tmp_path):
    plan = {**PLAN, "optimizer": LBFGS(), "schedule": Constant()}
    stopped = fit(TABLE, "y", out=tmp_path / "x", callbacks=[interrupt_after(5)], **plan)
    before = stopped.epochs()
    resumed = resume(stopped, TABLE)
    assert len(resumed.epochs()) == 12
    assert resumed.epochs()[:5] == before
    assert resumed.epochs()[-1].train_loss < before[-1].train_loss


def test_fine_tuning_is_gone_on_with(tmp_path):
    base = fit(TABLE, "y", out=tmp_path / "base", **PLAN)
    other = {**TABLE, "y": np.where(x[:, 2] > 0, "up", "down")}
    plan = {"epochs": 9, "patience": None, "start": base}
    whole = fit(other, "y", out=tmp_path / "whole", **plan)
    stopped = fit(other, "y", out=tmp_path / "x", callbacks=[interrupt_after(4)], **plan)
    shutil.rmtree(base.folder)  # it is not needed any more
    assert figures(resume(stopped, other)) == figures(whole)


def test_the_record_is_made_again_from_the_checkpoint(tmp_path):
    whole = fit(TABLE, "y", out=tmp_path / "whole", **PLAN)
    stopped = fit(TABLE, "y", out=tmp_path / "x", callbacks=[interrupt_after(6)], **PLAN)
    record = stopped.folder / "record.sqlite"
    for content in (None, b"", b"junk" * 99, record.read_bytes()[:5000]):
        shutil.copytree(stopped.folder, tmp_path / "copy")
        (tmp_path / "copy" / "record.sqlite").unlink()
        if content is not None:
            (tmp_path / "copy" / "record.sqlite").write_bytes(content)
        assert figures(resume(tmp_path / "copy", TABLE)) == figures(whole)
        shutil.rmtree(tmp_path / "copy")


def test_a_copy_made_at_any_moment_goes_on(tmp_path):
    copies = []

    def copy(epoch, state):
        copies.append(tmp_path / f"copy{epoch.number}")
        shutil.copytree(tmp_path / "run", copies[-1])

    whole = fit(TABLE, "y", out=tmp_path / "run", callbacks=[copy], **PLAN)
    for folder in copies:
        resumed = Run(folder)
        assert resumed.document()["status"] == "training"
        assert len(resumed.epochs()) <= 12
        resumed.model()
        assert figures(resume(folder, TABLE, epochs=12)) == figures(whole)


# ----- Killed ------------------------------------------------------------------------------------

SCRIPT = """
import sys
from backlit.fitting import recorder
from backlit.cli.main import main
recorder.SECONDS = 0.0
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments):
    return [sys.executable, "-c", SCRIPT, *map(str, arguments)]


@pytest.mark.slow
def test_killed_at_any_moment_a_run_goes_on_to_the_same_bits(tmp_path):
    path = tmp_path / "table.csv"
    rows = zip(*TABLE.values(), strict=True)
    path.write_text("a,b,c,y\n" + "".join(f"{a},{b},{c},{y}\n" for a, b, c, y in rows))
    options = ["--target", "y", "--hidden", "8", "--patience", "0", "--batch-size", "2"]
    begin = [path, *options, "--epochs", "400", "--json"]
    whole = tmp_path / "whole"
    subprocess.run(command("train", *begin, "--out", whole), check=True, capture_output=True)

    folder, generator, kills = tmp_path / "run", random.Random(0), 0
    deadline = time.monotonic() + 300
    while kills < 20:
        assert time.monotonic() < deadline
        started = folder.exists()
        verb = (
            ["train", "--resume", folder, "--json"]
            if started
            else ["train", *begin, "--out", folder]
        )
        process = subprocess.Popen(command(*verb), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = process.stdout.readline() if generator.random() < 0.8 else b""
        time.sleep(generator.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0), errors.decode()
        if process.returncode == 0 and b"begun" in first:
            break  # it came to its end before it was killed
        kills += 1
        if folder.exists():  # whatever the moment, it can be read
            run = Run(folder)
            assert run.document()["status"] in ("training", "finished")
            assert [epoch.number for epoch in run.epochs()] == list(range(1, len(run.epochs()) + 1))
            run.model()
    assert kills >= 20
    if Run(folder).document()["status"] == "training":
        finish = command("train", "--resume", folder, "--json")
        subprocess.run(finish, check=True, capture_output=True)
    assert figures(Run(folder)) == figures(Run(whole))


def test_a_second_process_is_refused_and_reads_go_on(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,y\n" + "".join(f"{a},{y}\n" for a, y in zip(x[:, 0], noisy, strict=True)))
    folder = tmp_path / "run"
    options = ["--target", "y", "--patience", "0", "--epochs", "1000000", "--json", "--out", folder]
    process = subprocess.Popen(
        command("train", path, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.stdout.readline()
        with pytest.raises(ValueError, match="is in use by another training"):
            resume(folder)
        second = subprocess.run(
            command("train", "--resume", folder), capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert second.stderr.startswith(f"backlit: {folder} is in use by another training")
        seen = reads = 0
        deadline = time.monotonic() + 60
        while (reads < 50 or seen == 0) and time.monotonic() < deadline:
            reads += 1
            run = Run(folder)
            epochs = run.epochs()
            assert len(epochs) >= seen
            seen = len(epochs)
            assert run.document()["status"] == "training"
            run.model()
        assert seen > 0
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 130
    finally:
        process.kill()
        process.communicate()
    assert Run(folder).document()["status"] == "interrupted"
    assert len(Run(folder).epochs()) >= seen


# ----- What is refused ---------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path):
    return fit(TABLE, "y", out=tmp_path / "run", callbacks=[interrupt_after(3)], **PLAN)


def test_other_rows_are_refused(stopped):
    other = {**TABLE, "a": np.where(np.arange(ROWS) == 100, 9.0, x[:, 0])}
    with pytest.raises(ValueError, match=r"does not hold the rows that .* was begun with"):
        resume(stopped, other)
    with pytest.raises(ValueError, match="was not begun with a file; give its data again"):
        resume(stopped)


def test_a_file_that_has_moved_can_be_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,y\n" + "".join(f"{a},{y}\n" for a, y in zip(x[:, 0], noisy, strict=True)))
    run = fit(path, "y", out=tmp_path / "run", callbacks=[interrupt_after(3)], **PLAN)
    path.rename(tmp_path / "moved.csv")
    with pytest.raises(ValueError, match=r"are no longer at .*table\.csv; name their file"):
        resume(run)
    assert len(resume(run, tmp_path / "moved.csv").epochs()) == 12


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", b"{", r"run\.json cannot be read: it is not JSON"),
        ("run.json", b'{"format": "backlit-run", "version": 9}', "of version 9, .* newer Backlit"),
        ("run.json", b'{"format": "backlit-run", "version": 1}', "it is not as it was written"),
        ("checkpoint", b"junk", "checkpoint cannot be read as a checkpoint: it is damaged"),
        ("model.backlit", b"junk", "model.backlit cannot be read as a model: it is damaged"),
        ("run.json", None, r"there is no run in .*: it has no run\.json"),
        ("checkpoint", None, "has no checkpoint to go on from"),
        ("model.backlit", None, r"there is no model in .*: it has no model\.backlit"),
    ],
)
def test_damaged_runs_are_refused_by_name_and_left_alone(stopped, name, content, message):
    path = stopped.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    before = {file.name: file.read_bytes() for file in stopped.folder.iterdir()}
    with pytest.raises(ValueError, match=message):
        resume(stopped, TABLE)
    assert {file.name: file.read_bytes() for file in stopped.folder.iterdir()} == before


def test_a_folder_without_a_run_is_refused_and_left_alone(tmp_path):
    with pytest.raises(ValueError, match="there is no run in"):
        resume(tmp_path, TABLE)
    with pytest.raises(ValueError, match="it is not a folder"):
        resume(tmp_path / "nowhere", TABLE)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_stops_training_and_loses_nothing(stopped, monkeypatch):
    whole = figures(resume(stopped, TABLE))
    shutil.rmtree(stopped.folder)
    run = fit(TABLE, "y", out=stopped.folder, callbacks=[interrupt_after(3)], **PLAN)
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 8:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"\(No space left on device\); training has stopped after"):
        resume(run, TABLE)
    monkeypatch.setattr(os, "fsync", real)
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]
    assert figures(resume(run, TABLE)) == whole
