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


def test_numbers_survive_to_the_bit():
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1]
    assert repr(strict_json.loads(strict_json.dumps(numbers))) == repr(numbers)


def test_names_that_are_not_utf_8_survive():
    name = b"ta\xe9ble.csv".decode("utf-8", "surrogateescape")  # as the system hands it to us
    written = strict_json.dumps({name: name})
    assert written.decode("ascii")
    assert strict_json.loads(written) == json.loads(written) == {name: name}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], 'run.json does not say "format": "f"'),
        ({"format": "g", "version": 1}, 'run.json does not say "format": "f"'),
        ({"format": "f"}, "run.json has no valid version, but None"),
        ({"format": "f", "version": 0}, "run.json has no valid version, but 0"),
        ({"format": "f", "version": True}, "run.json has no valid version, but True"),
        ({"format": "f", "version": "2"}, "run.json has no valid version, but '2'"),
        ({"format": "f", "version": 4}, "of version 4, .* up to version 3; install a newer"),
    ],
)
def test_another_format_is_refused(document, message):
    with pytest.raises(ValueError, match=message):
        strict_json.check_format(document, "f", 3, "run.json")


def test_older_versions_are_taken():
    for version in (1, 2, 3):
        strict_json.check_format({"format": "f", "version": version}, "f", 3, "run.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": NaN}', "NaN, which is not JSON"),
        (b"[-Infinity]", "-Infinity, which is not JSON"),
        (b"[1e999]", "1e999, which is too large"),
        (b"[" + b"9" * 5000 + b"]", "4300 digits"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b'{"b": [{"a": 1, "a": 1}]}', "a key twice"),
        (b"", "it is not JSON .line 1"),
        (b"{} {}", "it is not JSON .line 1: Extra data"),
        (b"\xef\xbb\xbf{}", "it is not JSON .line 1: Unexpected UTF-8 BOM"),
        (b'{"a": 1', "it is not JSON .line 1"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_other_content_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        strict_json.loads(content)
