"""Real tables are read as those who published them describe them."""

import json
from pathlib import Path

import numpy as np
import pytest

from backlit.tables import Numbers, decide_task, read_table

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "tables"
LARGE = {"covertype", "diabetes130"}
NAMES = [
    "adult",
    "ames",
    "california",
    "churn_modelling",
    "covertype",
    "diabetes130",
    "diamonds",
    "letter",
    "mammography",
    "phoneme",
    "titanic",
    "wine_quality",
]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="shared/data/tables is not here")


@pytest.fixture(scope="module")
def facts():
    return json.loads((FOLDER / "tables.json").read_text())


def marked(name):
    return pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])


@pytest.mark.parametrize("name", [*map(marked, NAMES)])
def test_table_is_as_described(facts, name):
    fact = facts[name]
    table = read_table(FOLDER / f"{name}.csv.gz")
    assert (len(table), len(table.names)) == (fact["rows"], fact["columns"])
    missing = {column: int(np.sum(table[column].missing)) for column in table}
    assert {column: count for column, count in missing.items() if count} == fact["missing"]
    texts = {column for column in table if not isinstance(table[column], Numbers)}
    assert texts - {fact["target"]} == {*fact["text_cat"]}
    for column in texts & {*fact["card"]}:
        assert len(table[column].levels) == fact["card"][column], column


@pytest.mark.parametrize("name", [*map(marked, NAMES)])
def test_target_is_as_described(facts, name):
    fact = facts[name]
    table = read_table(FOLDER / f"{name}.csv.gz")
    task, _ = decide_task(table, fact["target"])
    if "classes" in fact:
        counts = np.bincount(task.codes(table)).tolist()
        described = {str(label): count for label, count in fact["classes"].items()}
        assert dict(zip(map(str, task.classes), counts, strict=True)) == described
    elif name == "wine_quality":  # seven whole numbers look like classes, and can be overruled
        assert len(task.classes) == 7
        assert decide_task(table, fact["target"], "numbers")[0].kind == "numbers"
    else:
        assert task.kind == "numbers"
        values = table[fact["target"]].values
        np.testing.assert_allclose(
            [np.mean(values), np.median(values), np.max(values)],
            [fact["y"]["mean"], fact["y"]["median"], fact["y"]["max"]],
            rtol=1e-12,
        )
