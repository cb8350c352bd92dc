"""A run's folder: never overwritten, written and read as JSON."""

import json

import pytest

from backlit.runs import Run


def test_record_survives(tmp_path):
    run = Run.create(tmp_path / "new" / "run")
    run.write_record({"status": "training", "loss": float("nan")})
    run.write_record({"status": "finished", "loss": 0.5})
    assert Run(run.folder).read_record() == {
        "format": "backlit-run", "version": 1, "status": "finished", "loss": 0.5,
    }  # fmt: skip
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"


def test_an_empty_folder_may_be_used(tmp_path):
    assert Run.create(tmp_path).folder == tmp_path


def test_a_folder_with_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty, and a run never overwrites"):
        Run.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_is_no_folder(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is not a folder"):
        Run.create(tmp_path / "file" / below)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be written \(File name too long\)"):
        Run.create(tmp_path / ("x" * 300))


def test_numbers_go_on_where_they_stopped(tmp_path):
    parent = tmp_path / "runs"
    names = [Run.create_numbered(parent, "iris").folder.name for _ in range(3)]
    assert names == ["iris-1", "iris-2", "iris-3"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"is not a folder|cannot be written \(Not a directory\)"):
        Run.create_numbered(tmp_path / "file", "iris")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"run\.json cannot be read: it is not JSON"),
        ("[]", 'does not say "format": "backlit-run"'),
        ('{"format": "backlit-run", "version": 2}', "of version 2, and this Backlit reads up to"),
        ('{"format": "backlit-run", "version": null}', "of version None"),
    ],
)
def test_damaged_records_are_refused(tmp_path, content, message):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        Run(tmp_path).read_record()
