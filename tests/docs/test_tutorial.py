"""The tutorial is one program: its Python blocks run in order and print what it shows."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import FENCED, ROOT, blocks, run, written

TUTORIAL = ROOT / "docs" / "tutorial.md"
TEXT = TUTORIAL.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    found = blocks(TEXT)
    outputs = run(found, tmp_path_factory.mktemp("tutorial"))
    return {block.line: output for block, output in zip(found, outputs, strict=True)}


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: f"line {block.line}")
def test_block_prints_what_the_tutorial_shows(block, printed):
    assert printed[block.line] == block.shown


def test_every_text_block_is_the_output_of_the_python_block_above():
    shown = [block.shown for block in blocks(TEXT) if block.shown]
    assert [fenced[2] for fenced in FENCED.finditer(TEXT) if fenced[1] != "python"] == shown


def test_names_of_values_in_the_prose_occur_in_a_printed_program():
    prose = FENCED.sub("", TEXT)
    names = set(re.findall(r"`(d_\w+)`", prose))
    assert names
    outputs = "".join(block.shown for block in blocks(TEXT))
    assert names <= set(re.findall(r"\w+", outputs))


def test_links_lead_to_files_of_the_project():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", FENCED.sub("", TEXT))
    assert [link for link in links if not (TUTORIAL.parent / link).exists()] == []


def test_a_wrong_number_is_noticed(tmp_path):
    text = "```python\nprint(6 * 7)\n```\n\n```text\n41\n```\n"
    (block,) = blocks(text)
    assert block.shown == "41\n"
    assert run([block], tmp_path) == ["42\n"]
    assert written(text, ["42\n"]) == text.replace("41", "42")
