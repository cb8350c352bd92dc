"""README shows what its code prints, names the commands that CI runs, and links to real files."""

from __future__ import annotations

import re

from tests.docs.pages import FENCED, ROOT, blocks, run, same

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_prints_what_readme_shows(tmp_path) -> None:
    found = blocks(TEXT)
    assert found
    for block, printed in zip(found, run(found, tmp_path), strict=True):
        assert same(block, printed), f"line {block.line}: {printed}"


def test_the_two_commands_are_the_ones_that_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python -m pip install . && backlit demo" in TEXT
    assert "python -m pip install '.[test]' && pytest" in TEXT
    assert "install --quiet '.[test]'" in script and "\npytest\n" in script
    assert "backlit demo" in script


def test_links_lead_to_files_of_the_project() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        prose = FENCED.sub("", page.read_text(encoding="utf-8"))
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
