"""The list of supported functions, generated from the table of rules.

    python -m backlit.autodiff.supported > docs/functions.md

A test compares the page in the documentation with what this prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backlit import functions
from backlit.autodiff.rules import special  # noqa: F401  (importing it enters its rules)
from backlit.autodiff.table import REWRITES, RULES
from backlit.autodiff.traced import TracedArray
from backlit.program.printing import INFIX, PREFIX, function_name

_HEADER = """# Supported functions

This page is generated from the rules (`python -m backlit.autodiff.supported > docs/functions.md`).
Everything on it may stand in a function that is differentiated or recorded, in any combination and
to any order. What happens at special points is in [conventions.md](conventions.md). For a function
that is not here, `backlit.custom_rule` adds a rule.
"""


def page() -> str:
    """Return the page as Markdown.

    Returns
    -------
    str
        One section for each module, then operators, methods, and what has gradient zero.

    Examples
    --------
    >>> from backlit.autodiff.supported import page
    >>> "np.linalg.cholesky" in page()
    True
    """
    differentiable = [f for f in (*RULES, *REWRITES) if f not in RULES or not RULES[f].constant]
    constant = [f for f, rule in RULES.items() if rule.constant]
    sections = {
        "NumPy": _named(differentiable, "np.", but=("np.linalg.", "np.fft.")),
        "numpy.linalg": _named(differentiable, "np.linalg."),
        "scipy.special": _named(differentiable, "special."),
        "backlit.functions": sorted(f"functions.{name}" for name in functions.__all__),
        "Operators": [
            *sorted({sign for f, sign in (*INFIX.items(), *PREFIX.items()) if f in RULES}),
            "x[...]",
            "abs(x)",
            "divmod(x, y)",
            "round(x)",
        ],
        "Methods and attributes of arrays": sorted(
            f".{name}"
            for name in dir(TracedArray)
            if not name.startswith("_") and name not in _REFUSED
        ),
        "Piecewise constant: gradient zero": _named(constant, "np."),
    }
    lines = [_HEADER]
    for title, entries in sections.items():
        lines.append(f"## {title}\n\n" + ", ".join(f"`{entry}`" for entry in entries) + "\n")
    return "\n".join(lines)


# Methods that a traced array has only to say what to use instead.
_REFUSED = frozenset(
    (
        *("byteswap", "fill", "getfield", "item", "itemset", "partition", "put", "resize"),
        *("setfield", "setflags", "sort", "tobytes", "tolist", "view"),
    )
)


def _named(table: list[Callable[..., Any]], prefix: str, but: tuple[str, ...] = ()) -> list[str]:
    names = {function_name(f) for f in table if f not in INFIX and f not in PREFIX}
    return sorted(n for n in names if n.startswith(prefix) and not n.startswith(but))


if __name__ == "__main__":
    print(page(), end="")
