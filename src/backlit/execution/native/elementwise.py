"""Functions that act on each element by itself, as expressions of the kernels' language.

In an expression, ``{0}``, ``{1}`` and so on stand for the operands.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from scipy import special

# A program has the operators where the source had them.
UFUNC_OF: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.pow: np.power,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.abs: np.absolute,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
    operator.invert: np.invert,
    operator.lshift: np.left_shift,
    operator.rshift: np.right_shift,
}

# The comparisons of an operand with itself carry NaN through, as NumPy does.
EXPRESSIONS: dict[np.ufunc, str] = {
    np.add: "{0} + {1}",
    np.subtract: "{0} - {1}",
    np.multiply: "{0} * {1}",
    np.true_divide: "{0} / {1}",
    np.negative: "-{0}",
    np.positive: "{0}",
    np.square: "{0} * {0}",
    np.absolute: "abs({0})",
    np.sign: "({0} if {0} != {0} else ({0} > 0) - ({0} < 0))",
    np.maximum: "({0} if {0} > {1} or {0} != {0} else {1})",
    np.minimum: "({0} if {0} < {1} or {0} != {0} else {1})",
    np.sqrt: "np.sqrt({0})",
    np.exp: "exp({0})",
    np.expm1: "expm1({0})",
    np.exp2: "exp2({0})",
    np.log: "log({0})",
    np.log2: "log2({0})",
    np.log10: "log10({0})",
    np.log1p: "log1p({0})",
    np.sin: "sin({0})",
    np.cos: "cos({0})",
    np.tanh: "tanh({0})",
    np.power: "{0} ** {1}",
    np.greater: "{0} > {1}",
    np.greater_equal: "{0} >= {1}",
    np.less: "{0} < {1}",
    np.less_equal: "{0} <= {1}",
    np.equal: "{0} == {1}",
    np.not_equal: "{0} != {1}",
    np.logical_and: "bool({0}) and bool({1})",
    np.logical_or: "bool({0}) or bool({1})",
    np.logical_not: "not {0}",
    np.isnan: "{0} != {0}",
    np.isfinite: "{0} - {0} == 0",
    np.isinf: "{0} == {0} and {0} - {0} != 0",
    np.bitwise_and: "{0} & {1}",
    np.bitwise_or: "{0} | {1}",
    np.bitwise_xor: "{0} ^ {1}",
    np.invert: "~{0}",
    np.left_shift: "{0} << {1}",
    np.right_shift: "{0} >> {1}",
    special.erf: "erf({0})",
    special.erfc: "erfc({0})",
    special.expit: "logistic({0})",
}
