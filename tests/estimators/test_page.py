"""The page for those who come from scikit-learn: its Python runs and prints what it shows."""

import inspect
import re

import pytest
from sklearn import neural_network
from tests.docs.pages import ROOT, blocks, run, same

from backlit.estimators import MLPClassifier, MLPRegressor

TEXT = (ROOT / "docs" / "sklearn.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    found = blocks(TEXT)
    outputs = run(found, tmp_path_factory.mktemp("sklearn"))
    return {block.line: output for block, output in zip(found, outputs, strict=True)}


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: f"line {block.line}")
def test_block_prints_what_the_page_shows(block, printed):
    assert same(block, printed[block.line]), printed[block.line]


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_every_new_parameter_is_on_the_page(ours):
    theirs = getattr(neural_network, ours.__name__)
    new = set(inspect.signature(ours).parameters) - set(inspect.signature(theirs).parameters)
    assert len(new) > 3
    for name in new:
        assert re.search(rf"\b{name}\b", TEXT), name
