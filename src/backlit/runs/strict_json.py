"""JSON as the standard has it: no NaN, no key twice."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def dumps(document: Any) -> bytes:
    """Write a document; a number that is not finite becomes ``null``.

    Parameters
    ----------
    document : nested dict, list, str, int, float, bool and None

    Returns
    -------
    bytes
        UTF-8, indented, to be read by people too.
    """
    text = json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    # A name of a file may hold half a character, which UTF-8 lacks. Of it this makes \\udc80, which
    # JSON reads as what it was.
    return text.encode(errors="backslashreplace") + b"\n"


def line(document: Any) -> str:
    """Return a document as one line of text; a number that is not finite becomes ``null``."""
    return json.dumps(_finite(document), ensure_ascii=False, allow_nan=False)


def loads(content: bytes) -> Any:
    """Read a document.

    Raises
    ------
    ValueError
        If it is not JSON in UTF-8, holds NaN, an infinity or a number too large for a float, or
        has a key twice.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    try:
        return json.loads(
            text, parse_constant=_refuse, parse_float=_float, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (line {error.lineno}: {error.msg})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_format(document: Any, format: str, version: int, name: str) -> None:
    """Refuse a document that is not of a format, or of a newer version of it.

    Parameters
    ----------
    document : JSON types
    format : str
        What its entry ``format`` must say.
    version : int
        The newest that can be read.
    name : str
        What an error calls the document.

    Raises
    ------
    ValueError
    """
    if not isinstance(document, dict) or document.get("format") != format:
        raise ValueError(f'{name} does not say "format": "{format}"')
    found = document.get("version")
    if type(found) is not int or found < 1:
        raise ValueError(f"{name} has no valid version, but {found!r}")
    if found > version:
        raise ValueError(
            f"it is of version {found}, and this Backlit reads up to version {version}; install a "
            "newer Backlit"
        )


def _finite(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _finite(entry) for key, entry in document.items()}
    if isinstance(document, (list, tuple)):
        return [_finite(entry) for entry in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"it holds {text}, which is too large")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found
