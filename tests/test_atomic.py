"""Files are there whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from backlit.atomic import remove_leftovers, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_is_written_and_replaced(tmp_path):
    path = tmp_path / "file"
    for content in (b"first", b"second, longer", b""):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_failure_names_the_file_keeps_the_old_one_and_leaves_nothing(
    tmp_path, monkeypatch, failing
):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def disk_is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, disk_is_full)
    with pytest.raises(OSError, match="No space left on device: ") as caught:
        write_atomically(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["absent/file", "file/file", "folder", "x" * 300])
def test_a_place_that_cannot_be_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        write_atomically(tmp_path / name, b"new")
    assert caught.value.filename == str(tmp_path / name)
    assert names(tmp_path) == ["file", "folder"]


def test_the_longest_name_that_there_is_can_be_written(tmp_path):
    path = tmp_path / ("x" * 255)
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"


def test_content_reaches_the_disk_before_the_name_does(tmp_path, monkeypatch):
    path, calls = tmp_path / "file", []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *a: (calls.append("fsync"), sync(*a)))
    monkeypatch.setattr(os, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    write_atomically(path, b"content")
    assert calls == ["fsync", "replace"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read(tmp_path, umask, mode):
    path, before = tmp_path / "file", os.umask(umask)
    try:
        write_atomically(path, b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_what_a_killed_process_leaves_can_be_removed(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from backlit.atomic import write_atomically\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "write_atomically(path, b'old')\n"
        "os.replace = lambda *_: os._exit(9)\n"  # dies before the name is there
        "write_atomically(path, b'new')\n"
    )
    path = tmp_path / "file"
    died = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert died.returncode == 9
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["file"]
