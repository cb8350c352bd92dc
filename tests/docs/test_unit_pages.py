"""The pages on one example, on inputs and on units: their code prints and draws what they show."""

from __future__ import annotations

import re
import runpy
import sys

import pytest

from tests.docs.pages import ROOT, blocks, run

FOLDER = ROOT / "docs" / "insight"
CLASSICS = ROOT.parent / "shared" / "data" / "classics"


@pytest.mark.parametrize("name", ["example", "inputs", "units"])
def test_a_page_prints_and_draws_what_it_shows(name, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    found = blocks(text)
    for block, printed in zip(found, run(found, tmp_path), strict=True):
        assert printed == block.shown, f"line {block.line}: {printed}"
    pictures = re.findall(r"!\[[^]]+\]\((\.\./pictures/[^)]+)\)", text)
    assert pictures and all((FOLDER / picture).is_file() for picture in pictures)
    drawn = {file.name for file in tmp_path.glob("*.png")}
    assert drawn == {picture.split("/")[-1] for picture in pictures}


@pytest.mark.slow
@pytest.mark.skipif(not CLASSICS.is_dir(), reason="shared/data/classics is not here")
def test_the_units_of_the_classics_are_as_the_page_says(monkeypatch, capsys):
    text = (FOLDER / "units.md").read_text(encoding="utf-8")
    (shown,) = re.findall(
        r"```sh\npython docs/insight/classics.py FOLDER\n```\n\n```text\n(.*?)```", text, re.S
    )
    monkeypatch.setattr(sys, "argv", ["classics.py", str(CLASSICS)])
    runpy.run_path(str(FOLDER / "classics.py"), run_name="__main__")
    assert capsys.readouterr().out == shown
