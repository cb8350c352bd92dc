"""Pages of documentation that are programs: Python blocks, and text blocks of what they print.

    python -m tests.docs.pages --write README.md docs/tutorial.md

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

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A Python block, and the text block right below it.

    Attributes
    ----------
    line : int
        Where the code starts in the page.
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
    file = folder / "page.py"
    file.write_text("\n".join(block.code for block in found), encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "page"}
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
    """Return the page with a text block of what was printed below each Python block."""
    pieces = []
    end = 0
    for block, output in zip(blocks(text), printed, strict=True):
        pieces.append(text[end : block.end])
        if output:
            pieces.append(f"\n```text\n{output}```\n")
        below = FENCED.match(text, block.end + 1)
        end = below.end() if below and below[1] == "text" else block.end
    return "".join([*pieces, text[end:]])


def write(page: Path) -> None:
    """Put what the blocks of a page print now into it."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(written(text, run(blocks(text), Path(folder))), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:2] == ["--write"]:
    for name in sys.argv[2:]:
        write(Path(name))
