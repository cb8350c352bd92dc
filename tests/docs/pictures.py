"""Pictures of pages of documentation, drawn by their own Python blocks.

    python -m tests.docs.pictures docs/insight/example.md docs/insight/units.md

runs the blocks of the pages, and puts the PNG files that they write into docs/pictures.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.docs.pages import ROOT, blocks, run


def draw(page: Path, folder: Path) -> list[str]:
    """Run the blocks of a page, copy the PNG files that they write into a folder; return names."""
    with tempfile.TemporaryDirectory() as place:
        run(blocks(page.read_text(encoding="utf-8")), Path(place))
        drawn = sorted(Path(place).glob("*.png"))
        for file in drawn:
            shutil.copy(file, folder)
        return [file.name for file in drawn]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(*draw(Path(name), ROOT / "docs" / "pictures"))
