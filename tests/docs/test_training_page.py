"""The page on training: its Python runs, its commands print what it shows, its settings exist."""

from __future__ import annotations

import re

import pytest

from backlit.cli.main import main
from backlit.fitting.fit import default_settings
from backlit.networks.activations import ACTIVATIONS
from backlit.training.settings import ALL_OPTIMIZERS, ALL_SCHEDULES
from tests.docs.pages import ROOT, blocks, masked, run, same, written

PAGE = ROOT / "docs" / "training.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    found = blocks(TEXT)
    outputs = run(found, tmp_path_factory.mktemp("training"))
    return {block.line: output for block, output in zip(found, outputs, strict=True)}


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: f"line {block.line}")
def test_block_prints_what_the_page_shows(block, printed):
    assert same(block, printed[block.line]), printed[block.line]


def row(option: str) -> str:
    (found,) = re.findall(rf"^\| `--{option}`.*$", TEXT, re.MULTILINE)
    return found


def test_every_choice_is_on_the_page_and_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    helped = capsys.readouterr().out
    choices = {"activation": ACTIVATIONS, "optimizer": ALL_OPTIMIZERS, "schedule": ALL_SCHEDULES}
    for option, names in choices.items():
        for name in names:
            assert f"`{name}`" in row(option), name
            assert re.search(rf"\b{name}\b", helped), name


def test_the_defaults_on_the_page_are_the_defaults():
    settings = default_settings()
    assert f"| {settings.epochs}, {settings.patience} |" in TEXT
    assert f"| `{settings.to_json()['optimizer']['name']}` |" in row("optimizer")
    assert f"| `{settings.to_json()['schedule']['name']}` |" in row("schedule")


def test_another_sentence_of_a_command_is_noticed(tmp_path):
    text = "```console\n$ backlit train nowhere.csv --target y\nbacklit: all is well, 1.5\n```\n"
    (block,) = blocks(text)
    (printed,) = run([block], tmp_path)
    assert printed == "backlit: there is no file nowhere.csv\n"
    assert not same(block, printed)
    assert written(text, [printed]) == text.replace(
        "all is well, 1.5", "there is no file nowhere.csv"
    )


def test_only_figures_are_masked():
    assert masked("loss 0.51 in 3 s\n 2 |..\nend") == masked("loss 0.4 in 12 s\n 5 |.\nend")
    assert masked("loss 0.51") != masked("score 0.51")
