"""The archive: it survives to the bit, or is refused with a sentence."""

import io
import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load, save

from backlit.runs.archive import ARRAYS, FACTS, Expected, Kind, check_arrays, pack, unpack

KIND = Kind("test-sums", 2, ("total", "names"))
CONTENT_FACTS = {"total": 0.1, "names": ["ä", "b"]}
CONTENT_ARRAYS = {
    "parts": np.array([[1.5, -0.0, np.nan]], np.float32),
    "none": np.zeros((0, 6)),
    "few": np.array([1e-320]),
}
CONTENT = pack(KIND, CONTENT_FACTS, CONTENT_ARRAYS)


def assert_same(facts, arrays):
    assert facts == CONTENT_FACTS
    assert arrays.keys() == CONTENT_ARRAYS.keys()
    for name, array in arrays.items():
        expected = CONTENT_ARRAYS[name]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()


def test_content_survives_to_the_bit():
    assert_same(*unpack(KIND, CONTENT))


def test_equal_content_is_equal_bytes():
    backwards = dict(reversed(CONTENT_ARRAYS.items()))
    backwards["parts"] = np.asfortranarray(np.repeat(backwards["parts"], 2, axis=0))[::2]
    assert pack(KIND, dict(CONTENT_FACTS), backwards) == CONTENT


def test_other_programs_can_read_it():
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        document = json.loads(archive.read(FACTS))
        arrays = load(archive.read(ARRAYS))
    assert document == {"format": "test-sums", "version": 2, **CONTENT_FACTS}
    assert_same(CONTENT_FACTS, arrays)


def test_every_flipped_bit_is_refused_or_harmless():
    refused = 0
    for position in range(len(CONTENT)):
        for bit in range(8):
            damaged = bytearray(CONTENT)
            damaged[position] ^= 1 << bit
            try:
                found = unpack(KIND, bytes(damaged))
            except ValueError as error:
                refused += 1
                assert str(error)
            else:
                assert_same(*found)
    assert refused > 8 * len(CONTENT) / 2  # all of the content, and most of the zip's own tables


def test_every_truncation_is_refused():
    for length in range(len(CONTENT)):
        with pytest.raises(ValueError, match="damaged"):
            unpack(KIND, CONTENT[:length])


@pytest.mark.parametrize("garbage", [b"x", b"\0" * 100, b"PK\x05\x06", CONTENT[:50]])
def test_garbage_around_it_is_refused_or_harmless(garbage):
    for damaged in (garbage + CONTENT, CONTENT + garbage):
        try:
            found = unpack(KIND, damaged)
        except ValueError as error:
            assert str(error)
        else:
            assert_same(*found)


def rezipped(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def with_document(document):
    return rezipped([(FACTS, json.dumps(document)), (ARRAYS, save(CONTENT_ARRAYS))])


DOCUMENT = {"format": "test-sums", "version": 2, **CONTENT_FACTS}


def test_rewritten_by_another_program_it_can_be_read():
    assert_same(*unpack(KIND, with_document(DOCUMENT)))
    assert unpack(KIND, with_document({**DOCUMENT, "version": 1}))[0] == CONTENT_FACTS


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**DOCUMENT, "version": 3}, "of version 3, and this Backlit reads up to version 2; inst"),
        ({**DOCUMENT, "version": True}, "no valid version, but True"),
        ({**DOCUMENT, "version": 0}, "no valid version, but 0"),
        ({**DOCUMENT, "format": "other"}, 'does not say "format": "test-sums"'),
        ([], 'does not say "format"'),
        ({**DOCUMENT, "script": ""}, "has unknown script"),
        ({"format": "test-sums", "version": 2, "total": 1}, "lacks names"),
    ],
)
def test_other_documents_are_refused(document, message):
    with pytest.raises(ValueError, match=message):
        unpack(KIND, with_document(document))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rezipped([]), "it holds nothing, and not just"),
        (rezipped([(FACTS, "{}"), (ARRAYS, b""), ("setup.py", "")]), r"setup\.py, and not just"),
        (rezipped([(FACTS, "{"), (ARRAYS, b"")]), "is not JSON"),
        (rezipped([(FACTS, json.dumps(DOCUMENT)), (ARRAYS, b"")]), f"{ARRAYS} is damaged"),
        (rezipped([(FACTS, " " * 10**6), (ARRAYS, b"")], zipfile.ZIP_DEFLATED), "are compressed"),
    ],
)
def test_other_archives_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        unpack(KIND, content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused():
    twice = rezipped([(FACTS, json.dumps(DOCUMENT)), (ARRAYS, b""), (FACTS, "{}")])
    with pytest.raises(ValueError, match="and not just"):
        unpack(KIND, twice)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "lacks a, b"),
        ({"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)}, "has unknown c"),
        ({"a": np.ones(3), "b": np.ones(2)}, r"a is float64 of shape \(3,\), .* shape \(2,\)"),
        ({"a": np.ones(2, np.float32), "b": np.ones(2)}, "a is float32 .* float64 of shape"),
        ({"a": np.array([1, np.inf]), "b": np.ones(2)}, "a holds numbers that are not finite"),
    ],
)
def test_other_arrays_are_refused(arrays, message):
    expected = {"a": Expected((2,), "float64"), "b": Expected((2,), "float64", finite=False)}
    with pytest.raises(ValueError, match=message):
        check_arrays(arrays, expected)


def test_arrays_need_not_be_finite_where_that_is_said():
    check_arrays({"b": np.array([np.nan])}, {"b": Expected((1,), "float64", finite=False)})
