"""Check derivatives against numerical ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlit.autodiff.derivatives import jvp, vjp
from backlit.autodiff.pullback import as_leaf
from backlit.program import tree


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of ``f`` with central differences, up to an order.

    Parameters
    ----------
    f : callable
    args : tuple
        The arguments at which to check.
    order : int, default 2
        The highest derivative: of the first order, of the gradient itself, and so on.
    modes : sequence of {"fwd", "rev"}, default both
        Check `jvp`, `vjp` or both.
    atol, rtol : float, optional
        The tolerance. By default twice the cube root of the unit roundoff (1.2e-5 in float64, 1e-2
        in float32): with that root as its step, a central difference is far more accurate, unless
        third derivatives are large.
    eps : float, optional
        The step of the differences; by default the cube root of the unit roundoff.
    seed : int, default 0
        Of the random direction and adjoint.

    Raises
    ------
    AssertionError
        If they differ; the message says in which order and mode, and both numbers.

    Notes
    -----
    A central difference of the directional derivative is compared with the forward derivative,
    and its product with a random adjoint with the reverse one:
    ``<v, J t>`` and ``<v J, t>`` are the same number.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.check_grads(lambda x: np.sum(np.sin(x) ** 2), (np.ones(3),), order=3)
    """
    if order < 1:
        raise ValueError(f"check_grads: order is {order}; give 1 or more")
    _check(f, tuple(args), order, 1, tuple(modes), atol, rtol, eps, np.random.default_rng(seed))


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    depth: int,
    modes: tuple[str, ...],
    atol: float | None,
    rtol: float | None,
    eps: float | None,
    rng: np.random.Generator,
) -> None:
    primals = tuple(
        tree.fill(arg, iter([as_leaf("check_grads", leaf, position, path)
                             for path, leaf in tree.leaves_with_paths(arg)]))
        for position, arg in enumerate(args)
    )  # fmt: skip
    precision = max((np.finfo(leaf.dtype).eps for leaf in tree.leaves(primals)), default=1e-16)
    step = eps or float(precision ** (1 / 3))
    scale = 2 * float(precision ** (1 / 3))
    absolute, relative = scale if atol is None else atol, scale if rtol is None else rtol

    direction = tree.map_leaves(lambda leaf: _random(rng, leaf), primals)
    difference = _difference(f, primals, direction, step)
    if "fwd" in modes:
        _, forward = jvp(f, primals, direction)
        _compare("jvp", depth, difference, forward, absolute, relative)
    value, pullback = vjp(f, *primals)
    adjoint = tree.map_leaves(lambda leaf: _random(rng, leaf), value)
    if "rev" in modes:
        expected = _inner(adjoint, difference)
        found = _inner(pullback(adjoint), direction)
        size = _inner(tree.map_leaves(np.abs, adjoint), tree.map_leaves(np.abs, difference))
        if not abs(expected - found) <= absolute + relative * max(size, abs(expected)):
            raise AssertionError(
                f"order {depth}: the reverse derivative is {found}, the central difference "
                f"{expected}"
            )
    if order > 1:

        def pull(adjoint: Any, *primals: Any) -> Any:
            return vjp(f, *primals)[1](adjoint)

        _check(pull, (adjoint, *primals), order - 1, depth + 1, modes, atol, rtol, eps, rng)


def _random(rng: np.random.Generator, leaf: Any) -> Any:
    """Return random numbers of size about 1, none so small that an error would hide behind it."""
    shape = np.shape(leaf)
    numbers = np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))
    return numbers.astype(np.asarray(leaf).dtype)[()]


def _difference(f: Any, primals: Any, direction: Any, step: float) -> Any:
    ahead = f(*tree.map_leaves(lambda x, t: x + x.dtype.type(step) * t, primals, direction))
    behind = f(*tree.map_leaves(lambda x, t: x - x.dtype.type(step) * t, primals, direction))
    return tree.map_leaves(
        lambda a, b: (np.asarray(a, dtype=float) - np.asarray(b, dtype=float)) / (2 * step),
        ahead, behind,
    )  # fmt: skip


def _inner(first: Any, second: Any) -> float:
    products = tree.map_leaves(
        lambda a, b: float(np.sum(np.asarray(a, dtype=float) * np.asarray(b, dtype=float))),
        first, second,
    )  # fmt: skip
    return sum(tree.leaves(products))


def _compare(mode: str, depth: int, expected: Any, found: Any, atol: float, rtol: float) -> None:
    def one(e: Any, d: Any) -> None:
        if not np.allclose(d, e, atol=atol, rtol=rtol):
            raise AssertionError(
                f"order {depth}: {mode} gives {np.asarray(d)}, the central difference {e}"
            )

    tree.map_leaves(one, expected, found)
