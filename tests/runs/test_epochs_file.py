"""``record.sqlite``: readable at any time, and what is read is what was written."""

import math
import os
import signal
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlit.runs import epochs_file
from backlit.runs.epochs_file import EpochsFile
from backlit.training.state import Epoch


def epoch(number):
    return Epoch(number, 1 / number, 0.5, 0.25, 1e-3, float(number))


def epochs(count):
    return [epoch(number) for number in range(1, count + 1)]


def bits(found):
    """Return the figures to the bit, but for what SQLite lacks: the kinds of NaN, and -0.0."""
    return [
        [struct.pack("<d", math.nan if math.isnan(x) else x + 0.0) for x in astuple(epoch)]
        for epoch in found
    ]


@pytest.fixture
def file(tmp_path):
    return EpochsFile(tmp_path / "record.sqlite")


# ----- What is written ---------------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.floats(width=64)] * 5), max_size=4))
def test_every_figure_survives(tmp_path_factory, figures):
    file = EpochsFile(tmp_path_factory.mktemp("run") / "record.sqlite")
    written = [Epoch(number, *row) for number, row in enumerate(figures, start=1)]
    file.write(written)
    assert bits(file.read()) == bits(written)


def test_epochs_are_added_and_replaced(file):
    file.write(epochs(2))
    file.write([epoch(3)])
    again = Epoch(3, 9.0, 9.0, 9.0, 9.0, 9.0)
    file.write([again, epoch(4)])
    assert file.read() == [*epochs(2), again, epoch(4)]


def test_going_on_from_an_epoch_removes_those_after_it(file):
    file.write(epochs(5))
    file.write([], after=3)
    assert file.read() == epochs(3)
    file.write([epoch(2)], after=1)
    assert file.read() == epochs(2)


def test_other_programs_can_read_the_file(file):
    file.write([Epoch(1, 0.5, math.nan, math.inf, 1e-3, 2.0)])
    with closing(sqlite3.connect(file.path)) as connection:
        rows = connection.execute("SELECT number, train_loss, validation_loss FROM epochs")
        assert rows.fetchall() == [(1, 0.5, None)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_between_two_writes_the_journal_is_empty(file):
    for number in range(1, 4):
        file.write([epoch(number)])
        journal = file.path.with_name("record.sqlite-journal")
        assert journal.stat().st_size == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a b", "what?mode=ro", "a#b", "100%", "%20", "ä", "a&b=c;d"])
def test_every_name_of_a_folder_is_taken(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    file = EpochsFile(folder / "record.sqlite")
    file.write(epochs(2))
    assert file.read() == epochs(2)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert "record.sqlite" in [p.name for p in folder.iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_folder_whose_name_is_not_utf_8_is_taken(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    file = EpochsFile(folder / "record.sqlite")
    file.write(epochs(2))
    assert file.read() == epochs(2)
    assert "record.sqlite" in [p.name for p in folder.iterdir()]


def test_a_relative_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = EpochsFile(Path("record.sqlite"))
    file.write(epochs(2))
    assert file.read() == EpochsFile(tmp_path / "record.sqlite").read() == epochs(2)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_can_be_read(file):
    file.write(epochs(3))
    file.path.with_name("record.sqlite-journal").unlink()
    file.path.parent.chmod(0o555)
    try:
        assert file.read() == epochs(3)
        file.path.chmod(0o444)
        assert file.read() == epochs(3)
        with pytest.raises(OSError, match=r"record\.sqlite'"):
            file.write([epoch(4)])
    finally:
        file.path.parent.chmod(0o755)


# ----- While it is written -----------------------------------------------------------------------

WRITER = """
import pathlib, sys
from backlit.runs.epochs_file import EpochsFile
from backlit.training.state import Epoch

file = EpochsFile(pathlib.Path(sys.argv[1]))
first, last, pause_every = map(int, sys.argv[2:])
for number in range(first, last + 1):
    if (number - first) % pause_every == 0:
        sys.stdin.readline()
    file.write([Epoch(number, 1 / number, 0.5, 0.25, 1e-3, float(number))])
    print(number, flush=True)
"""


def start_writer(file, first, last, pause_every=10**9):
    numbers = map(str, (first, last, pause_every))
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file.path), *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if pause_every > last:
        writer.stdin.close()
    return writer


def test_no_read_fails_while_another_process_writes(file):
    file.write([epoch(1)])
    found = file.read()
    with start_writer(file, 2, 301, pause_every=10) as writer:
        for target in range(11, 302, 10):  # so that reads meet the writer at work at least here
            writer.stdin.write("go\n")
            writer.stdin.flush()
            while len(found) < target:
                assert writer.poll() in (None, 0)
                found = file.read()
                assert found == epochs(len(found))
    assert writer.returncode == 0
    assert len(found) == 301


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_writer_leaves_a_prefix_with_all_that_it_had_finished(file):
    file.write([epoch(1)])
    for kill in range(12):
        found = file.read()
        with start_writer(file, len(found) + 1, 10**6) as writer:
            for _ in range(kill):
                said = int(writer.stdout.readline())
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
        finished = int(rest[-1]) if rest else (said if kill else len(found))
        after = file.read()
        assert after == epochs(len(after))
        assert len(after) >= finished


def test_two_writers_at_once_wait_for_each_other(file):
    with start_writer(file, 1, 100) as one, start_writer(file, 101, 200) as other:
        one.stdout.read()
        other.stdout.read()
    assert (one.returncode, other.returncode) == (0, 0)
    assert file.read() == epochs(200)


def hot_journal(file):
    """Leave a half-done transaction, as a writer that is killed does."""
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"  # so that pages are written before the end
        "connection.execute('PRAGMA cache_spill = 1')\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "connection.execute('UPDATE epochs SET train_loss = 77.5')\n"
        "os._exit(0)\n"
    )
    before = file.path.read_bytes()
    subprocess.run([sys.executable, "-c", script, str(file.path)], check=True)
    assert file.path.read_bytes() != before
    assert file.path.with_name("record.sqlite-journal").stat().st_size > 0


def test_a_half_done_transaction_is_undone_by_the_next_reader(file):
    file.write(epochs(500))
    hot_journal(file)
    assert file.read() == epochs(500)


def test_a_half_done_transaction_is_undone_by_the_next_writer(file):
    file.write(epochs(500))
    hot_journal(file)
    file.write([epoch(501)])
    assert file.read() == epochs(501)


# ----- Damage ------------------------------------------------------------------------------------


def assert_refused_or_same(path, content, expected):
    for suffix in ("-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        found = EpochsFile(path).read()
    except ValueError as error:
        assert str(error).startswith(f"{path} is ")
    else:
        assert found == expected


def test_flipped_bits_are_refused_or_harmless(file, tmp_path):
    file.write(epochs(3))
    content, damaged = file.path.read_bytes(), tmp_path / "damaged.sqlite"
    filled = [position for position, byte in enumerate(content) if byte]
    for position in filled:
        for bit in (0, 3, 7):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            assert_refused_or_same(damaged, bytes(changed), epochs(3))


def test_flipped_bits_in_many_pages_are_refused_or_harmless(file, tmp_path):
    file.write(epochs(300))
    content, damaged = file.path.read_bytes(), tmp_path / "damaged.sqlite"
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        assert_refused_or_same(damaged, bytes(changed), epochs(300))


def test_truncations_are_refused(file, tmp_path):
    file.write(epochs(300))
    content, damaged = file.path.read_bytes(), tmp_path / "damaged.sqlite"
    for length in range(0, len(content), 1024):
        damaged.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"damaged\.sqlite is damaged"):
            EpochsFile(damaged).read()


def test_a_changed_figure_is_refused(file):
    file.write(epochs(3))
    with closing(sqlite3.connect(file.path)) as connection, connection:
        connection.execute("UPDATE epochs SET train_loss = 0.125 WHERE number = 2")
    with pytest.raises(ValueError, match=r"is damaged: epoch 2 is not as it was written"):
        file.read()


def test_a_missing_epoch_is_refused(file):
    file.write(epochs(3))
    with closing(sqlite3.connect(file.path)) as connection, connection:
        connection.execute("DELETE FROM epochs WHERE number = 2")
    with pytest.raises(ValueError, match=r"is damaged: epoch 2"):
        file.read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("PRAGMA user_version = 2", "is of version 2, and .* up to version 1; install a newer"),
        ("PRAGMA application_id = 7", "is a database, but not a record of training"),
    ],
)
def test_other_databases_are_refused_and_left_alone(file, change, message):
    file.write(epochs(1))
    with closing(sqlite3.connect(file.path)) as connection:
        connection.execute(change)
    content = file.path.read_bytes()
    for use in (file.read, lambda: file.write([epoch(2)])):
        with pytest.raises(ValueError, match=message):
            use()
    assert file.path.read_bytes() == content


def test_a_foreign_table_is_left_alone(file):
    with closing(sqlite3.connect(file.path)) as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")
    content = file.path.read_bytes()
    with pytest.raises(ValueError, match="not a record of training"):
        file.write([epoch(1)])
    assert file.path.read_bytes() == content


def test_a_file_that_is_no_database_is_refused(file):
    file.path.write_text("epoch,loss\n" * 200)
    with pytest.raises(ValueError, match=r"record\.sqlite is damaged: file is not a database"):
        file.read()


def test_a_table_of_another_make_is_refused(file):
    file.write(epochs(1))
    with closing(sqlite3.connect(file.path)) as connection:
        connection.execute("ALTER TABLE epochs RENAME COLUMN number TO n")
    for use in (file.read, lambda: file.write([epoch(2)], after=1)):
        with pytest.raises(ValueError, match=r"record\.sqlite is damaged: no such column: number"):
            use()


def test_an_empty_file_is_refused_and_can_be_written(file):
    # What is left of a process that was killed before its first write came to an end.
    file.path.touch()
    with pytest.raises(ValueError, match=r"record\.sqlite is damaged: it is empty"):
        file.read()
    file.write(epochs(1))
    assert file.read() == epochs(1)


def test_a_folder_in_place_of_the_file_is_named(file):
    file.path.mkdir()
    with pytest.raises(ValueError, match=r"there is no file .*record\.sqlite"):
        file.read()
    with pytest.raises(OSError, match=r"unable to open database file: '.*record\.sqlite'"):
        file.write(epochs(1))


def test_a_missing_file_is_named_and_not_made(file, tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*record\.sqlite"):
        file.read()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"unable to open database file: '.*record\.sqlite'"):
        EpochsFile(tmp_path / "absent" / "record.sqlite").write([epoch(1)])


# ----- A full disk -------------------------------------------------------------------------------


def test_a_full_disk_is_named_and_keeps_what_was_there(file, monkeypatch):
    file.write(epochs(3))
    connect = sqlite3.connect

    def on_a_small_disk(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 3")  # SQLite then says what it says when full
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(epochs_file.sqlite3, "connect", on_a_small_disk)
        with pytest.raises(OSError, match=r"database or disk is full: '.*record\.sqlite'"):
            file.write(epochs(1000))
    assert file.read() == epochs(3)
    file.write([epoch(4)])
    assert file.read() == epochs(4)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
def test_a_write_that_the_system_refuses_keeps_what_was_there(file):
    file.write(epochs(3))
    script = (
        "import pathlib, resource, sys\n"
        "from backlit.runs.epochs_file import EpochsFile\n"
        "from backlit.training.state import Epoch\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "more = [Epoch(n, 0.0, 0.0, 0.0, 0.0, 0.0) for n in range(4, 2000)]\n"
        "try:\n"
        "    EpochsFile(pathlib.Path(sys.argv[1])).write(more)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(file.path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert repr(str(file.path)) in said
    assert file.read() == epochs(3)
