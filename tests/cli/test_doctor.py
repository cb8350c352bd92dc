"""``backlit doctor``: words or JSON, an exit code that tells, and a fix that is tried."""

import json

import numpy as np
import pytest

from backlit.cli.main import main
from backlit.fitting import fit
from backlit.training import Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
TABLE = {
    "a": X[:, 0], "b": X[:, 1], "c": X[:, 2],
    "kind": np.where(X[:, 0] > X[:, 1], "up", "down"),
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    rows = zip(*TABLE.values(), strict=True)
    path.write_text("\n".join([",".join(TABLE), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module")
def sick(file):
    out = file.parent / "sick"
    fit(str(file), "kind", out=out, hidden=(16,), epochs=30, optimizer=Adam(3e-7))
    return str(out)


def test_a_healthy_run_has_no_finding(file, capsys):
    out = file.parent / "healthy"
    fit(str(file), "kind", out=out, hidden=(16,), epochs=30, optimizer=Adam(3e-3))
    assert main(["doctor", str(out)]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out


def test_a_finding_is_said_and_sets_the_exit_code(sick, capsys):
    assert main(["doctor", sick]) == 1
    assert "Learning rate too low" in capsys.readouterr().out


def test_what_was_tried_is_said_in_a_sentence(sick, capsys):
    assert main(["doctor", sick, "--try"]) == 1
    said = capsys.readouterr().out.strip().splitlines()[-1]
    assert said.startswith("Tried on a copy: learning rate")
    assert "The score on held-out rows rose" in said


def test_json_has_the_findings_and_what_was_tried(sick, capsys):
    assert main(["doctor", sick, "--json", "--try"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["findings"][0]["cause"] == "learning rate too low"
    assert set(document["findings"][0]) == {
        "symptom", "cause", "where", "evidence", "fix", "confidence",
    }  # fmt: skip
    assert document["tried"]["after"] > document["tried"]["before"] + 0.2


def test_a_run_that_cannot_be_made_again_is_one_sentence(tmp_path, capsys):
    assert main(["doctor", str(tmp_path)]) == 2
    assert "there is no run in" in capsys.readouterr().err
