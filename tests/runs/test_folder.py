"""A run's folder: there whole or not at all, never overwritten, and readable at any time."""

import json
import math
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backlit.networks import Network
from backlit.runs import Model, Run
from backlit.runs.folder import numbered
from backlit.tables import Preparation, Task
from backlit.tables.preparation import NumberColumn
from backlit.training import ReduceOnPlateau, Settings, train
from backlit.training.loop import initial_state
from backlit.training.settings import ALL_OPTIMIZERS

NETWORK = Network(1, (3,), 2)
PREPARATION = Preparation((NumberColumn("x", 0.0, 1.0, indicator=False),))
MODEL = Model(NETWORK, NETWORK.parameters(), PREPARATION, Task("y", "classes", ("no", "yes")))
SETTINGS = Settings(epochs=3)
STATE = initial_state(NETWORK, SETTINGS)
DOCUMENT = {"status": "training", "loss": 0.5}
FILES = ["checkpoint", "model.backlit", "record.sqlite", "record.sqlite-journal", "run.json"]
FILLED = sorted([*FILES, "lock"])  # in a folder that was there before

x = np.linspace(-1, 1, 40)[:, np.newaxis]
EXAMPLES = x, (x[:, 0] > 0).astype(int)


def create(folder):
    return Run.create(folder, DOCUMENT, MODEL, STATE)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ----- Making ------------------------------------------------------------------------------------


def test_a_new_run_has_all_of_its_files(tmp_path):
    run = create(tmp_path / "new" / "run")
    assert everything(run.folder) == FILES
    assert everything(tmp_path) == ["new", "new/run", *(f"new/run/{name}" for name in FILES)]
    assert run.document() == DOCUMENT
    assert run.epochs() == []
    assert run.model().task == MODEL.task
    assert np.array_equal(run.state(SETTINGS).theta, STATE.theta)
    assert list(run.predict({"x": [3.0]})) == list(MODEL.predict({"x": [3.0]}))


def test_an_empty_folder_may_be_used(tmp_path):
    assert create(tmp_path / "run").folder == tmp_path / "run"
    (tmp_path / "empty").mkdir()
    assert everything(create(tmp_path / "empty").folder) == FILLED


def test_an_empty_folder_stays_the_same_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    before = (tmp_path / "empty").stat().st_ino  # somebody may stand in it
    create(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_ino == before


@pytest.mark.parametrize("moved", range(len(FILLED)))
def test_a_folder_whose_making_was_killed_may_be_used(tmp_path, moved):
    whole = create(tmp_path / "whole").folder
    (tmp_path / "killed").mkdir()
    for name in FILLED[:moved]:  # all but run.json, which comes last
        (tmp_path / "killed" / name).write_bytes(
            (whole / name).read_bytes() if name in FILES else b""
        )
    assert create(tmp_path / "killed").document() == DOCUMENT


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few make links")
def test_a_link_to_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "large-disk")
    run = create(tmp_path / "link")
    assert run.folder.is_symlink()
    assert everything(tmp_path / "large-disk") == FILLED


def test_a_relative_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert create("run").epochs() == []
    assert everything(tmp_path / "run") == FILES


@pytest.mark.parametrize("name", ["a b", "per%20cent", "ä#1", "what?", "x" * 255])
def test_every_name_is_taken(tmp_path, name):
    assert create(tmp_path / name).epochs() == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_umask_says_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        run = create(tmp_path / "run")
    finally:
        os.umask(before)
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o750
    for name in FILES:
        assert stat.S_IMODE((run.folder / name).stat().st_mode) == 0o640


def test_a_folder_with_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for use in (create, Run.check_free):
        with pytest.raises(ValueError, match="is not empty, and a run never overwrites; name ano"):
            use(tmp_path)
    assert everything(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file", r"file is not a folder; name another"),
        ("file/run", r"file/run cannot be made, since .*file is not a folder; name another"),
        ("file/a/b", r"file/a/b cannot be made, since .*file is not a folder; name another"),
        ("nowhere", r"nowhere is not a folder; name another"),
        ("x" * 300, r"xxx cannot be written \(File name too long\); name another folder"),
    ],
)
def test_a_place_where_no_folder_can_be_is_refused(tmp_path, place, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for use in (create, Run.check_free):
        with pytest.raises(ValueError, match=message):
            use(tmp_path / place)
    assert everything(tmp_path) == ["file", "nowhere"]


def test_a_name_that_is_too_long_leaves_no_folder_above_it(tmp_path):
    with pytest.raises(ValueError, match=r"xxx cannot be written \(File name too long\); name"):
        create(tmp_path / "new" / ("x" * 300))
    assert everything(tmp_path) == []


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(ValueError, match=r"cannot be written \(no permission\); name another"):
        create(tmp_path / "locked" / "new" / "run")


@pytest.mark.parametrize(
    ("failing", "before"), [*(("fsync", n) for n in range(3)), *(("replace", n) for n in range(4))]
)
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, failing, before):
    real, calls = getattr(os, failing), []

    def fails_later(*arguments):
        calls.append(arguments)
        if len(calls) > before:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, failing, fails_later)
    with pytest.raises(
        ValueError, match=r"run cannot be written \(No space left on device\); name another folder"
    ):
        create(tmp_path / "new" / "deep" / "run")
    assert everything(tmp_path) == []


def test_a_full_disk_leaves_an_empty_folder_as_it_was(tmp_path, monkeypatch):
    def disk_is_full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "fsync", disk_is_full)
    with pytest.raises(ValueError, match="No space left"):
        create(tmp_path / "run")
    assert everything(tmp_path) == ["run"]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "new" / "run")
    assert everything(tmp_path) == []


def test_of_two_that_make_the_same_folder_at_once_one_wins(tmp_path, monkeypatch):
    real = os.replace

    def after_another(source, target):
        monkeypatch.setattr(os, "replace", real)
        if Path(target).name == "run":
            Run.create(tmp_path / "run", {"status": "faster"}, MODEL, STATE)
        else:
            monkeypatch.setattr(os, "replace", after_another)
        real(source, target)

    monkeypatch.setattr(os, "replace", after_another)
    with pytest.raises(ValueError, match="is not empty, and a run never overwrites"):
        create(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert Run(tmp_path / "run").document() == {"status": "faster"}


def test_of_many_processes_that_make_the_same_folder_at_once_one_wins(tmp_path):
    script = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from tests.runs.test_folder import create\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    create(sys.argv[2])\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "else:\n"
        "    print('won')\n"
    )
    root, folder = Path(__file__).parents[2], tmp_path / "new" / "run"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].strip() for process in processes]
    assert sorted(said) == sorted(
        ["won"] + 2 * [f"{folder} is not empty, and a run never overwrites; name another folder"]
    )
    assert everything(tmp_path) == ["new", "new/run", *(f"new/run/{name}" for name in FILES)]


def test_numbers_go_on_where_they_stopped(tmp_path):
    parent = tmp_path / "runs"
    made = [create(numbered(parent, "iris")).folder.name for _ in range(3)]
    assert made == ["iris-1", "iris-2", "iris-3"]
    assert numbered(parent, "wine") == parent / "wine-1"
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is not a folder; name another with out"):
        numbered(tmp_path / "file", "iris")


# ----- run.json ----------------------------------------------------------------------------------


def test_documents_survive_and_are_replaced(tmp_path):
    run = create(tmp_path / "run")
    run.write_document({"status": "finished", "scores": {"R2": 0.1}, "names": ["ä"], "none": None})
    assert run.document() == {
        "status": "finished", "scores": {"R2": 0.1}, "names": ["ä"], "none": None
    }  # fmt: skip
    written = json.loads((run.folder / "run.json").read_text("utf-8"))
    assert written.pop("digest").startswith("sha256:")
    assert written == {"format": "backlit-run", "version": 1, **run.document()}


def test_every_changed_character_of_a_document_is_noticed(tmp_path):
    run = create(tmp_path / "run")
    path = run.folder / "run.json"
    content, document = path.read_bytes(), run.document()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        try:
            found = run.document()
        except ValueError as error:
            assert str(error).startswith(f"{path} cannot be read: ")
        else:  # a blank of another kind
            assert found == document


def test_what_is_not_finite_becomes_null(tmp_path):
    run = create(tmp_path / "run")
    run.write_document({"loss": math.nan, "scores": [math.inf, 1.0]})
    assert run.document() == {"loss": None, "scores": [None, 1.0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"run\.json cannot be read: it is not JSON"),
        (b"{", r"run\.json cannot be read: it is not JSON"),
        (b"\xff", r"run\.json cannot be read: it is not UTF-8 text"),
        (b"[]", 'does not say "format": "backlit-run"'),
        (b'{"format": "backlit-model", "version": 1}', 'does not say "format": "backlit-run"'),
        (b'{"format": "backlit-run", "version": 2}', "of version 2, and .* install a newer Backl"),
        (b'{"format": "backlit-run", "version": null}', "no valid version, but None"),
        (b'{"format": "backlit-run", "version": 1, "loss": NaN}', "NaN, which is not JSON"),
    ],
)
def test_damaged_documents_are_refused(tmp_path, content, message):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Run(tmp_path).document()


def test_a_folder_that_holds_no_run_is_named(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(ValueError, match=r"there is no run in .*: it has no run\.json"):
        run.document()
    with pytest.raises(ValueError, match=r"there is no file .*record\.sqlite"):
        run.epochs()
    with pytest.raises(ValueError, match=r"there is no model in .*: it has no model\.backlit"):
        run.model()
    with pytest.raises(ValueError, match="has no checkpoint to go on from"):
        run.state(SETTINGS)
    with pytest.raises(ValueError, match=r"there is no run in .*: it is not a folder"):
        Run(tmp_path / "absent").document()
    assert everything(tmp_path) == []


# ----- Where training stands ---------------------------------------------------------------------


def trained(settings, epochs=2):
    return train(NETWORK, EXAMPLES, EXAMPLES, settings, epochs=epochs).state


def assert_same(ours, theirs):
    for one, other in ((ours.theta, theirs.theta), (ours.best_theta, theirs.best_theta)):
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
    assert {name: array.tobytes() for name, array in ours.optimizer.items()} == {
        name: array.tobytes() for name, array in theirs.optimizer.items()
    }
    for name in ("step_number", "schedule", "best_epoch", "lowest", "epochs"):
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name))  # equal, or both NaN


@pytest.mark.parametrize("name", ALL_OPTIMIZERS)
def test_the_state_of_every_optimizer_survives(tmp_path, name):
    settings = Settings(ALL_OPTIMIZERS[name]())
    state = trained(settings)
    run = create(tmp_path / "run")
    run.write_state(state, recorded=0)
    assert_same(run.state(settings), state)
    assert run.epochs() == list(state.epochs)
    assert len(run.epochs()) == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_state_of_a_watching_schedule_survives(tmp_path, dtype):
    settings = Settings(schedule=ReduceOnPlateau(patience=1), dtype=dtype)
    state = trained(settings)
    run = create(tmp_path / "run")
    run.write_state(state, recorded=0)
    assert_same(run.state(settings), state)
    assert state.schedule


def test_only_new_epochs_are_added_to_the_record(tmp_path):
    run, state = create(tmp_path / "run"), trained(SETTINGS, epochs=3)
    first = replace(state, epochs=state.epochs[:2], best_epoch=0)
    run.write_state(first, recorded=0)
    run.write_state(state, recorded=2)
    assert run.epochs() == list(state.epochs)
    run.write_state(first, recorded=1)  # what is beyond belongs to a future that was lost
    assert run.epochs() == list(state.epochs[:2])


def test_the_record_is_never_behind_the_checkpoint(tmp_path, monkeypatch):
    run, state = create(tmp_path / "run"), trained(SETTINGS)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run.write_state(state, recorded=0)
    assert (len(run.epochs()), run.state(SETTINGS).epoch) == (2, 0)


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        (Network(1, (4,), 2), Settings(), r"theta is float32 of shape \(14,\), .* \(18,\)"),
        (NETWORK, Settings(dtype="float64"), "theta is float32 .* float64"),
        (NETWORK, Settings(ALL_OPTIMIZERS["momentum"]()), r"lacks optimizer\.velocity"),
        (NETWORK, Settings(schedule=ReduceOnPlateau()), r"is not of the schedule that run\.json"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, network, settings, message):
    run = create(tmp_path / "run")
    run.write_model(Model(network, network.parameters(), PREPARATION, MODEL.task))
    with pytest.raises(ValueError, match=rf"checkpoint .*{message}"):
        run.state(settings)
