"""The page on the doctor: its Python runs, and prints what it shows but for the figures."""

from __future__ import annotations

import pytest

from backlit.insight.doctor import causes
from tests.docs.pages import ROOT, blocks, masked, run

PAGE = ROOT / "docs" / "insight" / "doctor.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    pytest.importorskip("matplotlib")
    found = blocks(TEXT)
    outputs = run(found, tmp_path_factory.mktemp("doctor"))
    return {block.line: output for block, output in zip(found, outputs, strict=True)}


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: f"line {block.line}")
def test_block_prints_what_the_page_shows(block, printed):
    # Figures of a training depend on the machine in their last digits.
    assert masked(printed[block.line]) == masked(block.shown), printed[block.line]


def test_every_cause_is_on_the_page():
    names = [value for name, value in vars(causes).items() if name.isupper()]
    assert len(names) > 25
    for name in names:
        if name != causes.UNKNOWN:
            assert name in TEXT, name
