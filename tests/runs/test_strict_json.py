"""JSON as the standard has it."""

import json
import math

import pytest

from backlit.runs import strict_json


def test_documents_survive():
    document = {"a": [1, 2.5, None, True], "ä": {"b": "text"}}
    assert strict_json.loads(strict_json.dumps(document)) == document
    assert json.loads(strict_json.dumps(document)) == document


def test_what_is_not_finite_becomes_null():
    written = strict_json.dumps({"loss": math.nan, "list": (math.inf, 1.0)})
    assert strict_json.loads(written) == {"loss": None, "list": [None, 1.0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": NaN}', "NaN, which is not JSON"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'{"a": 1', "it is not JSON .line 1"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_other_content_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        strict_json.loads(content)
