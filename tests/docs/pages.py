"""Pages of documentation that are programs: Python blocks, and text blocks of what they print.

    python -m tests.docs.pages --write README.md docs/tutorial.md docs/training.md

puts what the blocks print now into the text block below each. A block of ``console`` holds lines
``$ backlit ...`` and, below each, what the command printed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlit.cli.main import main

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A Python block and the text block right below it, or a command and what it printed.

    Attributes
    ----------
    line : int
        Where the code starts in the page.
    code : str
        Python; or ``$ backlit ...``.
    shown : str
        What the page says that it prints; "" where there is nothing.
    start, end : int
        The offsets in the page between which what is shown stands, or would stand.
    """

    line: int
    code: str
    shown: str
    start: int
    end: int

    @property
    def is_command(self) -> bool:
        """Whether it is a command for a shell."""
        return self.code.startswith("$ ")


def blocks(text: str) -> list[Block]:
    """Return the Python blocks and the commands of a Markdown text."""
    found = []
    for fenced in FENCED.finditer(text):
        line = text.count("\n", 0, fenced.start(2)) + 1
        if fenced[1] == "python":
            below = FENCED.match(text, fenced.end() + 1)
            if below and below[1] == "text":
                found.append(Block(line, fenced[2], below[2], fenced.end(), below.end()))
            else:
                found.append(Block(line, fenced[2], "", fenced.end(), fenced.end()))
        elif fenced[1] == "console":
            command, shown = fenced[2].split("\n", 1)
            start = fenced.start(2) + len(command) + 1
            found.append(Block(line, f"{command}\n", shown, start, fenced.end(2)))
    return found


def run(found: list[Block], folder: Path) -> list[str]:
    """Run the blocks as the one file that a reader would save them to; return what each prints.

    Recording reads the names of values from the source, so the file must exist.
    """
    file = folder / "page.py"
    file.write_text("\n".join(b.code for b in found if not b.is_command), encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "page"}
    printed = []
    first = 0
    with np.printoptions(), warnings.catch_warnings(), contextlib.chdir(folder):
        warnings.simplefilter("error")
        for block in found:
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                if block.is_command:
                    main(shlex.split(block.code)[2:])
                else:
                    # Empty lines above keep the line numbers of the file.
                    code = compile("\n" * first + block.code, file, "exec")
                    first += block.code.count("\n") + 1
                    exec(code, namespace)
            text = output.getvalue().replace(f"{folder}/", "").replace(f"{folder.resolve()}/", "")
            # An editor that strips trailing spaces must not change what is compared.
            printed.append("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    return printed


def same(block: Block, printed: str) -> bool:
    """Return whether a block printed what is shown.

    Figures of a training are not compared: in the last digits, and then in more, they depend on the
    machine.
    """
    if not block.is_command:
        return printed == block.shown
    return masked(printed) == masked(block.shown)


def masked(text: str) -> str:
    """Return a text without its figures, curves and times."""
    figures = re.sub(r"\d+\.?\d*(e[+-]\d+)?", "#", text)
    return "\n".join(line for line in figures.splitlines() if "|" not in line)


def written(text: str, printed: list[str]) -> str:
    """Return the page with what was printed below each block."""
    pieces = []
    end = 0
    for block, output in zip(blocks(text), printed, strict=True):
        pieces.append(text[end : block.start])
        if block.is_command:
            pieces.append(output)
        elif output:
            pieces.append(f"\n```text\n{output}```\n")
        end = block.end
    return "".join([*pieces, text[end:]])


def write(page: Path) -> None:
    """Put what the blocks of a page print now into it."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(written(text, run(blocks(text), Path(folder))), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:2] == ["--write"]:
    for name in sys.argv[2:]:
        write(Path(name))
