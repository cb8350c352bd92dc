"""The format that ``model.backlit`` and ``checkpoint`` share: facts and arrays in one file.

A zip archive, not compressed, of

    facts.json            JSON, with the format's name and version
    arrays.safetensors    named arrays

Both are data only: reading them runs nothing that the file says. Equal content is equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from backlit.runs import strict_json

FACTS, ARRAYS = "facts.json", "arrays.safetensors"

Arrays = dict[str, NDArray[Any]]


class Kind(NamedTuple):
    """One kind of archive.

    Attributes
    ----------
    format : str
        What the facts' entry ``format`` says.
    version : int
        The one that is written, and the newest that is read.
    entries : tuple of str
        The other facts; each must be there, and no more.
    """

    format: str
    version: int
    entries: tuple[str, ...]


class Expected(NamedTuple):
    """What an array has to be.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    finite : bool, default True
        Whether every number in it must be finite.
    """

    shape: tuple[int, ...]
    dtype: str
    finite: bool = True


# ----- Writing -----------------------------------------------------------------------------------


def pack(kind: Kind, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of an archive.

    Parameters
    ----------
    kind : Kind
    facts : dict
        The entries that ``kind`` names, in JSON types.
    arrays : dict of str to array

    Returns
    -------
    bytes

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.runs.archive import Kind, pack, unpack
    >>> kind = Kind("example-sum", 1, ("total",))
    >>> unpack(kind, pack(kind, {"total": 3}, {"parts": np.array([1, 2])}))
    ({'total': 3}, {'parts': array([1, 2])})
    """
    document = {"format": kind.format, "version": kind.version, **facts}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    contents = {FACTS: strict_json.dumps(document), ARRAYS: save_tensors(contiguous)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name)  # of 1 January 1980: no clock gets into the bytes
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


# ----- Reading -----------------------------------------------------------------------------------


def unpack(kind: Kind, content: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return what an archive holds.

    Parameters
    ----------
    kind : Kind
    content : bytes

    Returns
    -------
    facts : dict
        With exactly the entries that ``kind`` names; what they hold is for the caller to judge.
    arrays : dict of str to array
        Of any names, shapes and dtypes; see `check_arrays`.

    Raises
    ------
    ValueError
        If the content is damaged, is of another kind, or was written by a newer version.
    """
    contents = _read_zip(content)
    try:
        document = strict_json.loads(contents[FACTS])
    except ValueError as error:
        raise ValueError(f"{FACTS}: {error}") from None
    strict_json.check_format(document, kind.format, kind.version, FACTS)
    facts = {name: fact for name, fact in document.items() if name not in ("format", "version")}
    _check_names(FACTS, facts, kind.entries)
    try:
        return facts, load_tensors(contents[ARRAYS])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{ARRAYS} is damaged ({error})") from None


def check_arrays(arrays: Arrays, expected: Mapping[str, Expected]) -> None:
    """Refuse arrays that are not what is expected.

    Parameters
    ----------
    arrays : dict of str to array
    expected : dict of str to Expected

    Raises
    ------
    ValueError
        If an array is missing, unknown, of another shape or dtype, or not finite.
    """
    _check_names(ARRAYS, arrays, expected)
    for name, (shape, dtype, finite) in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{ARRAYS}: {name} is {array.dtype} of shape {array.shape}, and should be {dtype} "
                f"of shape {shape}"
            )
        if finite and not np.all(np.isfinite(array)):
            raise ValueError(f"{ARRAYS}: {name} holds numbers that are not finite")


def _read_zip(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sorted(info.filename for info in infos) != sorted([FACTS, ARRAYS]):
                raise ValueError(
                    f"it holds {', '.join(info.filename for info in infos) or 'nothing'}, and not "
                    f"just {FACTS} and {ARRAYS}"
                )
            # Not compressed, so that no entry can be larger than the file.
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise ValueError("its entries are compressed, which Backlit's are not")
            return {info.filename: archive.read(info) for info in infos}  # checks their CRC
    except ValueError:
        raise
    except Exception as error:
        # A damaged archive raises whatever the damage makes of it: BadZipFile, RuntimeError (it
        # seems encrypted), NotImplementedError (it seems of a newer version), struct.error, ...
        problem = str(error) or type(error).__name__
        raise ValueError(f"it is damaged or not written by Backlit ({problem})") from None


def _check_names(where: str, found: Collection[str], expected: Collection[str]) -> None:
    for problem, names in (
        ("lacks", set(expected) - set(found)),
        ("has unknown", set(found) - set(expected)),
    ):
        if names:
            raise ValueError(f"{where} {problem} {', '.join(sorted(names))}")
