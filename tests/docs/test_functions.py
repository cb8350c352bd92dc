"""The list of supported functions is the one that the rules give."""

from __future__ import annotations

from pathlib import Path

from backlit.autodiff.supported import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_generated_from_the_rules() -> None:
    assert (DOCS / "functions.md").read_text(encoding="utf-8") == page(), (
        "run: python -m backlit.autodiff.supported > docs/functions.md"
    )
