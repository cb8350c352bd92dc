"""Python source that does what a command does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def call(function: str, keywords: Mapping[str, Any]) -> str:
    """Return a program that calls a public function.

    Parameters
    ----------
    function : str
        A name in `backlit`.
    keywords : dict of str to value
        Texts, numbers, lists, tuples and the settings of `backlit.training`.

    Returns
    -------
    str

    Examples
    --------
    >>> from backlit.cli.python import call
    >>> print(call("fit", {"data": "iris.csv", "target": "species"}), end="")
    import backlit
    <BLANKLINE>
    run = backlit.fit(
        data='iris.csv',
        target='species',
    )
    """
    settings = sorted({type(v).__name__ for v in keywords.values() if is_dataclass(v)})
    imports = ["import backlit"]
    if settings:
        imports.append(f"from backlit.training import {', '.join(settings)}")
    arguments = "".join(f"    {name}={_source(value)},\n" for name, value in keywords.items())
    return "\n".join(imports) + f"\n\nrun = backlit.{function}(\n{arguments})\n"


def _source(value: Any) -> str:
    """Return an expression; of settings, only what differs from the defaults."""
    if not is_dataclass(value):
        return repr(value)
    given = (
        f"{field.name}={getattr(value, field.name)!r}"
        for field in fields(value)
        if getattr(value, field.name) != field.default
    )
    return f"{type(value).__name__}({', '.join(given)})"
