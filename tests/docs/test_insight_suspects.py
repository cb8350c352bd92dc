"""The page on suspects is a program that prints what it shows."""

import matplotlib
import pytest

from tests.docs.pages import ROOT, blocks, run

TEXT = (ROOT / "docs" / "insight" / "suspects.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_prints_what_it_shows(tmp_path):
    found = blocks(TEXT)
    with matplotlib.rc_context({"svg.hashsalt": "backlit"}):
        printed = run(found, tmp_path)
    assert [each.shown for each in found] == printed
    assert (tmp_path / "suspects.svg").stat().st_size < 100_000
