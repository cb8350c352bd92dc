"""Numbers one by one, and their spreads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlit.autodiff.calls import is_traced
from backlit.autodiff.shorter.table import SIMPLER, Body, axes_of, stands_for
from backlit.autodiff.table import RULES

# ----- Elementwise -------------------------------------------------------------------------------


@stands_for(np.float_power)
def _float_power(x: Any, y: Any) -> Any:
    return np.power(np.astype(x, np.float64), y) if np.ndim(x) or is_traced(x) else np.power(x, y)


@stands_for(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    if a.dtype.kind != "f":
        return NotImplemented
    if decimals == 0:
        return np.rint(a)
    power = 10.0 ** abs(decimals)
    return np.rint(a * power) / power if decimals > 0 else np.rint(a / power) * power


@stands_for(np.fix)
def _fix(x: Any) -> Any:
    return np.trunc(x)


@stands_for(np.isposinf)
def _isposinf(x: Any) -> Any:
    return x == np.inf


@stands_for(np.isneginf)
def _isneginf(x: Any) -> Any:
    return x == -np.inf


@stands_for(np.sinc)
def _sinc(x: Any) -> Any:
    angle = math.pi * np.where(x == 0, 1e-20, x)
    return np.sin(angle) / angle


# ----- Spreads, and what passes over NaN ---------------------------------------------------------


@stands_for(np.var)
def _var(
    a: Any, axis: Any = None, *, ddof: Any = 0, correction: Any = 0, keepdims: Any = False
) -> Any:
    axes = axes_of(axis, a.ndim)
    offset = a - np.mean(a, axis=axes, keepdims=True)
    free = math.prod(a.shape[k] for k in axes) - (ddof or correction)
    return np.sum(offset * offset, axis=axes, keepdims=keepdims) / max(float(free), 0.0)


@stands_for(np.std)
def _std(a: Any, axis: Any = None, **keywords: Any) -> Any:
    return np.sqrt(_var(a, axis, **keywords))


def _nan_extreme(extreme: Body, neutral: float) -> Body:
    def body(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
        empty = np.isnan(a)
        result = extreme(np.where(empty, neutral, a), axis=axis, keepdims=keepdims)
        return np.where(np.all(empty, axis=axis, keepdims=keepdims), np.nan, result)

    return body


SIMPLER[np.nanmax] = _nan_extreme(np.max, -np.inf)
SIMPLER[np.nanmin] = _nan_extreme(np.min, np.inf)


@stands_for(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    equal = RULES[np.corrcoef].equal
    assert equal is not None
    return np.minimum(np.maximum(equal(x, y, rowvar), -1), 1)
