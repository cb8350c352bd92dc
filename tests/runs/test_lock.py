"""The lock: one training in a folder at a time, and none after its death."""

import os
import signal
import subprocess
import sys

import pytest

from backlit.runs import lock
from backlit.runs.lock import locked

HOLDER = """
import pathlib, sys
from backlit.runs.lock import locked

with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
IN_USE = "is in use by another training; wait for its end, or name another folder"


def start_holder(folder):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
    with start_holder(tmp_path) as holder:
        with pytest.raises(ValueError, match=IN_USE) as caught, locked(tmp_path):
            pass
        assert str(caught.value).startswith(str(tmp_path))
        holder.stdin.close()
        assert holder.wait() == 0
    with locked(tmp_path):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_holder_holds_nothing(tmp_path):
    with start_holder(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(tmp_path):
        pass


def test_a_second_use_in_one_process_is_refused(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match=IN_USE), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_an_error_inside_passes_through_and_frees_the_folder(tmp_path):
    with pytest.raises(OSError, match="from within"), locked(tmp_path):
        raise OSError("from within")
    with locked(tmp_path):
        pass


def test_two_folders_do_not_disturb_each_other(tmp_path):
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with locked(folders[0]), locked(folders[1]):
        pass


def test_a_program_that_is_started_inside_does_not_keep_the_lock(tmp_path):
    with locked(tmp_path):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; print('started', flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            close_fds=False,
        )
        assert child.stdout.readline() == "started\n"
    with child, locked(tmp_path):
        child.stdin.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_process_that_is_forked_inside_does_not_keep_the_lock(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from backlit.runs.lock import locked\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with locked(folder):\n"
        "    if os.fork() == 0:\n"
        "        sys.stdin.read()\n"  # lives on, with all that its parent had open
        "        os._exit(0)\n"
        "with locked(folder):\n"
        "    print('free')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "free\n"
        process.stdin.close()


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".backlit-0123456789abcdef").write_text("half a model")
    (tmp_path / ".notes").write_text("somebody's")
    (tmp_path / ".backlit-folder").mkdir()
    with locked(tmp_path):
        assert sorted(p.name for p in tmp_path.iterdir()) == [".notes", "lock"]


def test_who_is_refused_removes_nothing(tmp_path):
    with locked(tmp_path):
        (tmp_path / ".backlit-0123456789abcdef").write_text("being written")
        with pytest.raises(ValueError, match=IN_USE), locked(tmp_path):
            pass
        assert (tmp_path / ".backlit-0123456789abcdef").exists()


def test_the_file_stays(tmp_path):
    with locked(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("folder", ["absent", "file"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ValueError, match=rf"{folder} cannot be written \("),
        locked(tmp_path / folder),
    ):
        pass


def test_a_drive_without_locks_is_not_called_in_use(tmp_path, monkeypatch):
    def has_no_locks(handle):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "_lock", has_no_locks)
    with (
        pytest.raises(ValueError, match=r"cannot be locked \(Operation not supported\)"),
        locked(tmp_path),
    ):
        pass
