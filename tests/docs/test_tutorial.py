"""The tutorial is one program: its Python blocks run in order and print what it shows.

    python tests/docs/test_tutorial.py --write

puts what the blocks print now into the text block below each.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A Python block, and the text block right below it.

    Attributes
    ----------
    line : int
        Where the code starts in the tutorial.
    code : str
    shown : str
        What the text block says that the code prints; "" where there is none.
    end : int
        The offset behind the code's closing fence.
    """

    line: int
    code: str
    shown: str
    end: int


def blocks(text: str) -> list[Block]:
    """Return the Python blocks of a Markdown text."""
    found = []
    for fenced in FENCED.finditer(text):
        if fenced[1] == "python":
            line = text.count("\n", 0, fenced.start(2)) + 1
            below = FENCED.match(text, fenced.end() + 1)
            shown = below[2] if below and below[1] == "text" else ""
            found.append(Block(line, fenced[2], shown, fenced.end()))
    return found


def run(found: list[Block], folder: Path) -> list[str]:
    """Run the blocks as the one file that a reader would save them to; return what each prints.

    Recording reads the names of values from the source, so the file must exist.
    """
    file = folder / "tutorial.py"
    file.write_text("\n".join(block.code for block in found), encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    printed = []
    first = 0
    with np.printoptions(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in found:
            # Empty lines above keep the line numbers of the file.
            code = compile("\n" * first + block.code, file, "exec")
            first += block.code.count("\n") + 1
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(code, namespace)
            # An editor that strips trailing spaces must not change what is compared.
            printed.append("".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines()))
    return printed


def written(text: str, printed: list[str]) -> str:
    """Return the tutorial with a text block of what was printed below each Python block."""
    pieces = []
    end = 0
    for block, output in zip(blocks(text), printed, strict=True):
        pieces.append(text[end : block.end])
        if output:
            pieces.append(f"\n```text\n{output}```\n")
        below = FENCED.match(text, block.end + 1)
        end = below.end() if below and below[1] == "text" else block.end
    return "".join([*pieces, text[end:]])


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


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    with tempfile.TemporaryDirectory() as folder:
        new = written(TEXT, run(blocks(TEXT), Path(folder)))
    TUTORIAL.write_text(new, encoding="utf-8")
