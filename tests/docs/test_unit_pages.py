"""The pages on one example, on inputs and on units: their code prints and draws what they show."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, blocks, run

FOLDER = ROOT / "docs" / "insight"


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
