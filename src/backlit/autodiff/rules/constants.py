"""Functions that are constant between their jumps: comparisons, rounding, positions, shapes.

Their gradient is zero. While recording they are instructions like any other.
"""

from __future__ import annotations

import operator

import numpy as np

from backlit.autodiff.table import constant, rewrite

# ----- Comparisons and logic ---------------------------------------------------------------------
constant(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
constant(operator.and_, operator.or_, operator.xor, operator.invert)
constant(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
constant(np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
constant(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert)
constant(np.isnan, np.isinf, np.isfinite, np.isneginf, np.isposinf, np.signbit)
constant(np.isclose, np.allclose, np.array_equal, np.array_equiv, np.iscomplexobj, np.isrealobj)
constant(np.isreal, np.iscomplex, np.isin)
constant(np.any, np.all, np.count_nonzero)

# ----- Rounding and signs ------------------------------------------------------------------------
constant(np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.fix)
constant(np.floor_divide, operator.floordiv, np.spacing)

# ----- Positions ---------------------------------------------------------------------------------
constant(np.argmax, np.argmin, np.argsort, np.argpartition, np.nanargmax, np.nanargmin)
constant(np.nonzero, np.flatnonzero, np.argwhere, np.searchsorted, np.digitize, np.lexsort)

# ----- Shapes and new arrays ---------------------------------------------------------------------
constant(np.zeros_like, np.ones_like, np.empty_like, np.imag)
constant(np.linalg.matrix_rank)
constant(np.result_type, np.can_cast, np.min_scalar_type, np.common_type)
rewrite(
    np.full_like,
    lambda a, fill_value, dtype=None, order="K", subok=True, shape=None: (
        np.zeros_like(a, dtype=dtype, shape=shape) + fill_value
    ),
)
rewrite(np.shape, lambda a: a.shape)
rewrite(np.ndim, lambda a: a.ndim)
rewrite(np.size, lambda a, axis=None: a.size if axis is None else a.shape[axis])
