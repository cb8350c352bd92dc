"""The table of cases: a new rule joins it with one line.

    case(function, call, *arguments, ...)

``function`` is what the rule is for, ``call`` a function of the differentiable ``arguments``.
`test_rules.py` checks every case against central differences in the first and second order, in
float64 and float32, as a recorded program, and (``analytic``) against a complex step.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from backlit import functions


@dataclass(frozen=True)
class Case:
    function: Callable[..., Any]
    call: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]
    analytic: bool
    order: int
    recordable: bool
    label: str


CASES: list[Case] = []


def case(
    function: Any,
    call: Any,
    *arguments: Any,
    analytic: bool = False,
    order: int = 2,
    recordable: bool = True,
) -> None:
    arrays = tuple(np.asarray(a, dtype=float) for a in arguments)
    name = getattr(function, "__name__", str(function))
    number = sum(c.function is function for c in CASES)
    CASES.append(Case(function, call, arrays, analytic, order, recordable, f"{name}-{number}"))


rng = np.random.default_rng(20)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def between(low: float, high: float, *shape: int) -> np.ndarray:
    return rng.uniform(low, high, shape)


def distinct(*shape: int) -> np.ndarray:
    """Values at least 0.1 apart, so that differences do not cross a tie."""
    size = int(np.prod(shape))
    return (rng.permutation(size) * 0.1 + rng.uniform(-0.02, 0.02, size) - 0.4).reshape(shape)


V, M, T = normal(4), normal(3, 4), normal(2, 3, 4)
POSITIVE = between(0.3, 2.0, 3, 4)
UNIT = between(-0.9, 0.9, 3, 4)
SQUARE = normal(3, 3) + 3 * np.eye(3)
STACK = normal(2, 3, 3) + 3 * np.eye(3)
SYMMETRIC = SQUARE @ SQUARE.T

# ----- Arithmetic --------------------------------------------------------------------------------
for binary in (
    np.add, np.subtract, np.multiply, np.divide,
    operator.add, operator.sub, operator.mul, operator.truediv,
):  # fmt: skip
    case(binary, binary, M, POSITIVE, analytic=True)
    case(binary, binary, V, POSITIVE, analytic=True)  # broadcast
    case(binary, binary, 0.7, POSITIVE, analytic=True)
    case(binary, lambda x, f=binary: f(x, 2.0), M)
    case(binary, lambda x, f=binary: f(2.0, x), POSITIVE)
    case(binary, binary, normal(3, 1), between(0.5, 2, 1, 4), analytic=True)
for unary in (np.negative, operator.neg, np.positive, operator.pos, np.square):
    case(unary, unary, M, analytic=True)
case(np.reciprocal, np.reciprocal, POSITIVE, analytic=True)
case(np.absolute, np.abs, M)
case(np.absolute, abs, 0.3)
case(np.fabs, np.fabs, M)
for modulo in (np.mod, operator.mod, np.fmod):
    case(modulo, modulo, between(1.1, 1.9, 3), between(0.6, 0.9, 3))
    case(modulo, modulo, -between(1.1, 1.9, 3), between(0.6, 0.9, 3))
case(np.copysign, np.copysign, M, normal(3, 4))
case(np.divmod, lambda x, y: np.divmod(x, y)[1], between(1.1, 1.9, 3), between(0.6, 0.9, 3))
case(np.divmod, lambda x, y: divmod(x, y)[1], between(1.1, 1.9, 3), between(0.6, 0.9, 3))
case(np.modf, lambda x: np.modf(x)[0], between(1.1, 1.9, 3))

# ----- Powers ------------------------------------------------------------------------------------
for power in (np.power, np.float_power, operator.pow):
    case(power, power, POSITIVE, M, analytic=True)
    case(power, power, POSITIVE, V, analytic=True)
    for exponent in (0, 1, 2, 3, -1, 0.5, 2.5, np.float64(2)):
        case(power, lambda x, f=power, e=exponent: f(x, e), POSITIVE, analytic=True)
    case(power, lambda x, f=power: f(x, 2), M)  # negative bases
    case(power, lambda x, f=power: f(x, 3.0), M)
    case(power, lambda x, f=power: f(2.0, x), M, analytic=True)
    case(power, lambda x, f=power: f(x, np.array([0.0, 1.0, 2.0, 3.0])), M)
case(np.sqrt, np.sqrt, POSITIVE, analytic=True)
case(np.cbrt, np.cbrt, POSITIVE)
case(np.cbrt, np.cbrt, -POSITIVE)

# ----- Exponentials, logarithms, circles and hyperbolas ------------------------------------------
for everywhere in (
    np.exp, np.exp2, np.expm1, np.sin, np.cos, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arctan,
):  # fmt: skip
    case(everywhere, everywhere, M, analytic=True)
    case(everywhere, everywhere, -1.3, analytic=True)
for positive in (np.log, np.log2, np.log10, np.log1p):
    case(positive, positive, POSITIVE, analytic=True)
for inside in (np.tan, np.arcsin, np.arccos, np.arctanh):
    case(inside, inside, UNIT, analytic=True)
case(np.arccosh, np.arccosh, POSITIVE + 1.1, analytic=True)
for angle in (np.deg2rad, np.rad2deg, np.radians, np.degrees):
    case(angle, angle, M)
for pair in (np.arctan2, np.hypot, np.logaddexp, np.logaddexp2):
    case(pair, pair, M, normal(3, 4))
    case(pair, pair, M, normal(4))
    case(pair, pair, M, 0.4)
case(np.sinc, np.sinc, M)
case(np.sinc, np.sinc, [0.0, 0.5])

# ----- Choices -----------------------------------------------------------------------------------
for choice in (np.maximum, np.minimum, np.fmax, np.fmin):
    case(choice, choice, distinct(3, 4), distinct(3, 4) + 0.05)
    case(choice, lambda x, f=choice: f(x, 0.0), distinct(3, 4) + 0.05)
case(np.heaviside, np.heaviside, M, 0.5)
case(np.where, lambda x, y: np.where(M > 0, x, y), M, normal(4))
case(np.where, lambda x: np.where(x > 0, x**2, np.exp(x)), M)
case(np.clip, lambda x: np.clip(x, -0.5, 0.7), distinct(3, 4) + 0.05)
case(np.clip, lambda x, lo: x.clip(lo, 0.7), distinct(3, 4) + 0.05, -0.3)
case(np.clip, lambda x: np.clip(x, None, 0.7), distinct(3, 4) + 0.05)
case(np.clip, lambda x: np.clip(x, min=0.2), distinct(3, 4) + 0.05)
case(np.select, lambda x: np.select([x > 0.5, x > 0], [x**2, x**3], np.sin(x)), M)
case(np.piecewise, lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda t: -t, lambda t: t**2]), M)
case(np.nan_to_num, np.nan_to_num, M)
for same in (np.conjugate, np.real, np.real_if_close, np.copy):
    case(same, same, M)
case(np.astype, lambda x: x.astype(np.float64), M)
case(np.astype, lambda x: np.astype(x, np.float64) * 2, M)

# ----- Reductions --------------------------------------------------------------------------------
AXES = (None, 0, 1, -1, (0, 1), (0, 2))
for reduction in (np.sum, np.mean, np.var, np.std, np.prod, np.max, np.min, np.ptp):
    for axis in AXES:
        for keepdims in (False, True):
            case(reduction, lambda x, f=reduction, a=axis, k=keepdims: f(x, axis=a, keepdims=k),
                 distinct(2, 3, 2))  # fmt: skip
    case(reduction, lambda x, f=reduction: f(x), [0.6])
for method in ("sum", "mean", "var", "std", "prod", "max", "min"):
    case(getattr(np, method), lambda x, m=method: getattr(x, m)(), distinct(5))
    case(getattr(np, method), lambda x, m=method: getattr(x, m)(axis=0), distinct(3, 4))
    case(getattr(np, method), lambda x, m=method: getattr(x, m)(1, keepdims=True), distinct(3, 4))
for spread in (np.var, np.std):
    case(spread, lambda x, f=spread: f(x, axis=0, ddof=1), M)
    case(spread, lambda x, f=spread: f(x, ddof=1.5), M)
case(np.sum, lambda x: np.add.reduce(x), M)
case(np.sum, lambda x: sum(x), V)
case(np.max, lambda x: np.maximum.reduce(x, axis=1), distinct(3, 4))
case(np.prod, np.prod, [0.0, 2.0, 3.0])
case(np.prod, np.prod, [0.0, 2.0, 0.0])
case(np.prod, lambda x: np.prod(x, axis=0), [[0.0, 2.0], [3.0, 0.0], [0.0, 1.5]])
for running in (np.cumsum, np.cumprod):
    for axis in (None, 0, 1, -1):
        case(running, lambda x, f=running, a=axis: f(x, axis=a), M)
    case(running, lambda x, f=running: f(x), [0.0, 2.0, 0.0, 3.0, 1.5])
    case(running, lambda x, f=running: f(x), normal(9))
case(np.cumprod, lambda x: x.cumprod(), V)
case(np.diff, np.diff, M)
case(np.diff, lambda x: np.diff(x, n=2, axis=0), normal(4, 3))
for axis in (None, 0, -1):
    case(np.sort, lambda x, a=axis: np.sort(x, axis=a), distinct(3, 4))
    case(np.partition, lambda x, a=axis: np.partition(x, 1, axis=a), distinct(3, 4))
HOLES = np.array([[1.0, np.nan, 2.0], [0.3, 0.4, np.nan], [0.5, 0.6, 0.7]])
for passing in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin):
    for axis in (None, 0, 1):
        case(passing, lambda x, f=passing, a=axis: f(np.where(np.isnan(HOLES), np.nan, x), axis=a),
             distinct(3, 3))  # fmt: skip
for axis in (None, 0, 1, (0, 2)):
    case(np.median, lambda x, a=axis: np.median(x, axis=a), distinct(2, 3, 3))
    case(
        np.quantile, lambda x, a=axis: np.quantile(x, 0.3, axis=a, keepdims=True), distinct(2, 3, 3)
    )
case(np.quantile, lambda x: np.quantile(x, [0.1, 0.8], axis=0), distinct(5, 2))
case(np.percentile, lambda x: np.percentile(x, 35), distinct(7))
case(np.average, np.average, M)
case(np.average, lambda x, w: np.average(x, weights=w), M, POSITIVE)
case(np.average, lambda x, w: np.average(x, axis=1, weights=w), M, between(0.5, 1, 4))
case(np.trapezoid, np.trapezoid, M)
case(np.trapezoid, lambda y, x: np.trapezoid(y, x, axis=0), normal(4, 2), np.cumsum(POSITIVE[0]))
for moments in (np.cov, np.corrcoef):
    case(moments, moments, normal(3, 5))
    case(moments, lambda x, y, f=moments: f(x, y), normal(5), normal(5))

for extreme in (np.amax, np.amin):
    case(extreme, lambda x, f=extreme: f(x, axis=0), distinct(3, 4))
case(np.sum, lambda x: np.sum(a=x, axis=0), M)
case(np.maximum, lambda x: np.clip(a=x, a_min=-0.5, a_max=x[0, 0]), distinct(3, 4) + 0.05)
case(np.average, lambda x, w: np.average(a=x, weights=w), M, POSITIVE)
# By position, and with what is rarely given.
case(np.max, lambda x: np.max(x, 1, None, True), distinct(3, 4))
case(np.sum, lambda x: np.sum(x, 0, None, None, True), M)
case(np.nansum, lambda x: np.nansum(x, 0, None, None, True), M)
case(np.clip, lambda x: np.clip(x, -0.5, 0.7, None), distinct(3, 4) + 0.05)
case(np.cov, lambda x: np.cov(x, None, False), normal(5, 3))
case(np.diff, lambda x: np.diff(x, prepend=0.5), M)
case(np.diff, lambda x: np.diff(x, axis=0, prepend=x[:1] ** 2, append=1.0), M)
for method in ("lower", "higher", "nearest", "midpoint"):
    case(np.quantile, lambda x, m=method: np.quantile(x, 0.3, method=m), distinct(7))
case(np.percentile, lambda x: np.percentile(x, [20, 70], method="midpoint", axis=0), distinct(5, 2))
case(np.interp, lambda x: np.interp(x, [0.0, 1.0, 2.0], [3.0, 1.0, 2.0]), [0.3, 1.7])
case(np.nan_to_num, lambda x: np.nan_to_num(x * np.array([1.0, np.inf]), posinf=5.0), [0.5, 0.7])

# ----- Indexing ----------------------------------------------------------------------------------
PICK = operator.getitem
case(PICK, lambda x: x[1], M)
case(PICK, lambda x: x[-1, 2], M)
case(PICK, lambda x: x[1:, ::2], M)
case(PICK, lambda x: x[::-1], M)
case(PICK, lambda x: x[..., None, 1], T)
case(PICK, lambda x: x[np.array([0, 0, 2])], M)
case(PICK, lambda x: x[[0, 2]], M)
case(PICK, lambda x: x[np.array([0, 1, 1]), np.array([2, 3, 3])], M)
case(PICK, lambda x: x[:, np.array([[0, 1], [1, 1]])], M)
case(PICK, lambda x: x[M > 0], M)
case(PICK, lambda x: x[x > 0] ** 2, M, recordable=False)
case(PICK, lambda x: x[np.ix_([0, 2], [1, 1])], M)
case(PICK, lambda x: np.sum([row**2 for row in x][1]), M)
case(np.take, lambda x: np.take(x, [0, 0, 5]), M)
case(np.take, lambda x: x.take([1, -1], axis=1), M)
case(np.take, lambda x: np.take(x, [7, 1], axis=0, mode="wrap"), M)
case(np.take_along_axis, lambda x: np.take_along_axis(x, np.argsort(M, axis=1), axis=1), M)
case(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[0, 0], [1, 1]]), axis=0),
     normal(2, 2))  # fmt: skip
case(np.compress, lambda x: np.compress([True, False, True], x, axis=0), M)
case(np.extract, lambda x: np.extract(M > 0, x), M)
case(np.delete, lambda x: np.delete(x, [1], axis=1), M)
case(np.choose, lambda x, y: np.choose([0, 1, 1, 0], [x, y]), V, normal(4))
case(np.choose, lambda x, y: np.choose([5, -1, 1, 0], [x, y], mode="wrap"), V, normal(4))
case(np.choose, lambda x, y: np.choose([5, -1, 1, 0], [x, y], mode="clip"), V, normal(4))
case(functions.put, lambda x, v: functions.put(x, 1, v), M, V)
case(functions.put, lambda x, v: functions.put(x, (slice(None), slice(1, 3)), v), M, 0.3)
case(functions.put, lambda x, v: functions.put(x, M > 0, v), M, 0.3)
case(functions.put, lambda x, v: functions.put(x, np.array([1, 1, 0]), v), V, normal(3))

# ----- Shapes ------------------------------------------------------------------------------------
case(np.reshape, lambda x: np.reshape(x, (2, 6)), M)
case(np.reshape, lambda x: x.reshape(-1), M)
case(np.reshape, lambda x: x.reshape(6, 2), M)
case(np.reshape, lambda x: np.reshape(x, (2, 6), order="F"), M)
case(np.reshape, lambda x: np.reshape(x, (2, 6), "F"), M)
case(np.ravel, np.ravel, M)
case(np.ravel, lambda x: x.flatten(), M)
case(np.ravel, lambda x: np.ravel(x, order="F"), M)
case(np.squeeze, lambda x: np.squeeze(x, axis=1), normal(3, 1, 2))
case(np.squeeze, lambda x: x.squeeze(), normal(1, 3, 1))
case(np.expand_dims, lambda x: np.expand_dims(x, (0, 2)), M)
for at_least in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    case(at_least, at_least, 0.4)
    case(at_least, at_least, V)
case(np.transpose, np.transpose, T)
case(np.transpose, lambda x: x.T, M)
case(np.transpose, lambda x: x.transpose(2, 0, 1), T)
case(np.transpose, lambda x: np.transpose(x, (-1, 0, 1)), T)
case(np.matrix_transpose, np.matrix_transpose, T)
case(np.linalg.matrix_transpose, np.linalg.matrix_transpose, T)
case(np.swapaxes, lambda x: x.swapaxes(0, 2), T)
case(np.swapaxes, lambda x: x.mT, T)
case(np.moveaxis, lambda x: np.moveaxis(x, 0, -1), T)
case(np.moveaxis, lambda x: np.moveaxis(x, (0, 1), (2, 0)), T)
for axis, start in ((2, 0), (0, 3), (1, 2), (2, 1)):
    case(np.rollaxis, lambda x, a=axis, s=start: np.rollaxis(x, a, s), T)
case(np.flip, np.flip, M)
case(np.flip, lambda x: np.flip(x, 1), M)
case(np.fliplr, np.fliplr, M)
case(np.flipud, np.flipud, M)
case(np.rot90, np.rot90, M)
case(np.rot90, lambda x: np.rot90(x, 3, (1, 2)), T)
case(np.roll, lambda x: np.roll(x, 2), M)
case(np.roll, lambda x: np.roll(x, 1, axis=1), M)
case(np.roll, lambda x: np.roll(x, (1, 2), axis=(0, 1)), M)
case(np.broadcast_to, lambda x: np.broadcast_to(x, (2, 3, 4)), M)
case(np.broadcast_to, lambda x: np.broadcast_to(x, (3, 4)), normal(3, 1))
case(np.broadcast_arrays, lambda x, y: np.broadcast_arrays(x, y)[0] * y, V, M)
case(np.meshgrid, lambda x, y: np.meshgrid(x, y)[0] * np.meshgrid(x, y, indexing="ij")[1].T, V, V)
case(np.meshgrid, lambda x, y: np.meshgrid(x, y, sparse=True)[1] * y, V, normal(4))
case(np.tile, lambda x: np.tile(x, 2), M)
case(np.tile, lambda x: np.tile(x, (2, 1, 3)), M)
case(np.tile, lambda x: np.tile(x, (2,)), T)
case(np.repeat, lambda x: np.repeat(x, 2), M)
case(np.repeat, lambda x: x.repeat([1, 0, 2], axis=0), M)
case(np.resize, lambda x: np.resize(x, (5, 3)), M)
for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
    case(np.pad, lambda x, m=mode: np.pad(x, 1, mode=m), M)
    case(np.pad, lambda x, m=mode: np.pad(x, ((0, 2), (1, 0)), m), M)
case(np.pad, lambda x: np.pad(x, (1, 2), constant_values=5.0), V)
case(np.concatenate, lambda x, y: np.concatenate([x, y]), M, normal(2, 4))
case(np.concatenate, lambda x, y: np.concatenate((x, np.ones((3, 1)), y), axis=1), M, M)
case(np.concatenate, lambda x, y: np.concatenate([x, y], axis=None), M, V)
case(np.stack, lambda x, y: np.stack([x, y, x]), M, M)
case(np.stack, lambda x, y: np.stack([x, y], axis=-1), M, M)
case(np.stack, lambda x, y: functions.array([[x, y], [1.0, x * y]]), 0.3, 0.7)
case(np.vstack, lambda x, y: np.vstack([x, y]), V, M)
case(np.hstack, lambda x, y: np.hstack([x, y]), V, normal(2))
case(np.hstack, lambda x, y: np.hstack([x, y]), M, normal(3, 1))
case(np.dstack, lambda x, y: np.dstack([x, y]), M, M)
case(np.column_stack, lambda x, y: np.column_stack([x, y]), normal(3), M)
case(np.block, lambda x, y: np.block([[x, y], [y, x]]), SQUARE, normal(3, 3))
case(np.append, lambda x, y: np.append(x, y), M, V)
case(np.append, lambda x, y: np.append(x, y, axis=0), M, normal(1, 4))
case(np.split, lambda x: np.split(x, 2)[1] * np.split(x, [1, 3])[1], V)
case(np.split, lambda x: np.split(x, 3, axis=0)[2], M)
case(np.array_split, lambda x: np.array_split(x, 3)[0], V)
case(np.vsplit, lambda x: np.vsplit(x, 3)[1], M)
case(np.hsplit, lambda x: np.hsplit(x, 2)[1], M)
case(np.dsplit, lambda x: np.dsplit(x, 2)[0], T)
case(np.unstack, lambda x: np.unstack(x, axis=1)[2], M)
for k in (-1, 0, 1, 2):
    case(np.diag, lambda x, k=k: np.diag(x, k), V)
    case(np.diag, lambda x, k=k: np.diag(x, k), M)
    case(np.diagonal, lambda x, k=k: np.diagonal(x, k, 1, 2), T)
    case(np.diagflat, lambda x, k=k: np.diagflat(x, k), normal(2, 2))
    case(np.trace, lambda x, k=k: np.trace(x, k), M)
    case(np.tril, lambda x, k=k: np.tril(x, k), M)
    case(np.triu, lambda x, k=k: np.triu(x, k), T)
    case(np.linalg.diagonal, lambda x, k=k: np.linalg.diagonal(x, offset=k), T)
    case(np.linalg.trace, lambda x, k=k: np.linalg.trace(x, offset=k), T)
case(np.trace, lambda x: np.trace(x, axis1=0, axis2=2), T)

# ----- Products ----------------------------------------------------------------------------------
SHAPES = (
    ((4,), (4,)), ((3, 4), (4,)), ((3,), (3, 4)), ((3, 4), (4, 2)), ((2, 3, 4), (4, 2)),
    ((2, 3, 4), (2, 4, 2)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,)), ((1, 3, 4), (5, 4, 2)),
)  # fmt: skip
for product in (np.matmul, operator.matmul, np.dot, np.linalg.matmul):
    for left, right in SHAPES:
        if product is np.linalg.matmul and min(len(left), len(right)) < 2:
            continue
        case(product, product, normal(*left), normal(*right), analytic=product is np.matmul)
case(np.dot, lambda x, y: x.dot(y), M, V)
case(np.dot, np.dot, 0.3, M)
case(np.inner, np.inner, V, normal(4))
case(np.inner, np.inner, M, normal(2, 4))
case(np.vdot, np.vdot, M, normal(3, 4))
case(np.outer, np.outer, V, M)
case(np.linalg.outer, np.linalg.outer, V, normal(3))
case(np.kron, np.kron, M, normal(2, 2))
case(np.kron, np.kron, V, normal(2, 2))
case(np.vecdot, np.vecdot, M, normal(3, 4))
case(np.linalg.vecdot, lambda x, y: np.linalg.vecdot(x, y, axis=0), M, normal(3, 4))
case(np.matvec, np.matvec, T, normal(2, 4))
case(np.vecmat, np.vecmat, normal(2, 3), T)
case(
    np.linalg.multi_dot,
    lambda x, y, z: np.linalg.multi_dot([x, y, z]),
    M,
    normal(4, 2),
    normal(2, 3),
)
for text in ("ij,jk->ik", "ij,jk", "ij,kj->", "ij,jk->k", "ij,jk->kij", "ji,jk->ik"):
    case(np.einsum, lambda x, y, s=text: np.einsum(s, x, y), normal(3, 3), normal(3, 3))
for text in ("ii", "ii->i", "ij->", "ij->j", "ij->ji", "i...->...", "ij->ij"):
    case(np.einsum, lambda x, s=text: np.einsum(s, x), normal(3, 3))
case(np.einsum, lambda x: np.einsum("iji->j", x), normal(3, 2, 3))
case(np.einsum, lambda x, y, z: np.einsum("ij,jk,kl->il", x, y, z), M, normal(4, 2), normal(2, 3))
case(np.einsum, lambda x, y: np.einsum("...ij,...jk->...ik", x, y), T, normal(4, 2))
case(np.einsum, lambda x, y: np.einsum("bij,bj->bi", x, y, optimize=True), T, normal(2, 4))
case(np.einsum, lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [0, 2]), M, normal(4, 2))
case(np.einsum, lambda x, y: np.einsum(x, [0, 1], y, [1]), M, V)
case(np.einsum, lambda x, y: np.einsum("i,i->i", x, y), V, normal(1))
case(np.einsum, lambda x, y: np.einsum("i,j->", x, y), V, normal(3))
case(np.tensordot, np.tensordot, T, normal(3, 4, 2))
case(np.tensordot, lambda x, y: np.tensordot(x, y, axes=1), M, normal(4, 2))
case(np.tensordot, lambda x, y: np.tensordot(x, y, axes=0), V, V)
case(np.tensordot, lambda x, y: np.tensordot(x, y, axes=([0, 2], [1, 0])), T, normal(4, 2))
case(np.linalg.tensordot, lambda x, y: np.linalg.tensordot(x, y, axes=1), M, normal(4, 2))
case(np.cross, np.cross, normal(5, 3), normal(5, 3))
case(np.cross, lambda x, y: np.cross(x, y, axis=0), normal(3, 2), normal(3, 2))
case(np.linalg.cross, np.linalg.cross, normal(3), normal(5, 3))
for mode in ("full", "same", "valid"):
    case(np.convolve, lambda x, y, m=mode: np.convolve(x, y, m), normal(6), normal(3))
    case(np.convolve, lambda x, y, m=mode: np.convolve(x, y, m), normal(4), normal(5))
case(np.polyval, np.polyval, normal(4), M)
for mode in ("full", "same", "valid"):
    case(np.correlate, lambda x, y, m=mode: np.correlate(x, y, m), normal(6), normal(3))
    case(np.correlate, lambda x, y, m=mode: np.correlate(x, y, m), normal(4), normal(4))
case(np.gradient, np.gradient, normal(5))
case(np.gradient, lambda x: np.gradient(x, 0.1)[0] * np.gradient(x, 0.1, 0.2)[1], M)
case(np.gradient, lambda x: np.gradient(x, axis=1), M)
case(np.ediff1d, np.ediff1d, M)
case(np.ediff1d, lambda x: np.ediff1d(x, to_begin=1.0, to_end=x[:2]), V)

# ----- Linear algebra ----------------------------------------------------------------------------
case(np.linalg.inv, np.linalg.inv, SQUARE)
case(np.linalg.inv, np.linalg.inv, STACK)
case(np.linalg.det, np.linalg.det, SQUARE)
case(np.linalg.det, np.linalg.det, STACK)
case(np.linalg.det, np.linalg.det, [[1.0, 2.0], [2.0, 4.0]], order=1)  # singular
case(np.linalg.det, np.linalg.det, np.zeros((2, 2)), order=1)
case(np.linalg.slogdet, lambda x: np.linalg.slogdet(x)[1], SQUARE)
case(np.linalg.slogdet, lambda x: np.linalg.slogdet(x).logabsdet, STACK)
case(np.linalg.solve, np.linalg.solve, SQUARE, normal(3))
case(np.linalg.solve, np.linalg.solve, SQUARE, normal(3, 2))
case(np.linalg.solve, np.linalg.solve, STACK, normal(2, 3, 2))
case(np.linalg.solve, np.linalg.solve, STACK, normal(3, 2))
case(np.linalg.pinv, np.linalg.pinv, normal(4, 3), order=1)
case(np.linalg.pinv, np.linalg.pinv, normal(3, 4))
for exponent in (-2, -1, 0, 1, 2, 3, 5):
    case(np.linalg.matrix_power, lambda x, n=exponent: np.linalg.matrix_power(x, n), SQUARE / 3)
case(np.linalg.cholesky, np.linalg.cholesky, SYMMETRIC)
case(np.linalg.cholesky, lambda x: np.linalg.cholesky(x + x.mT), np.stack([SYMMETRIC, np.eye(3)]))
case(np.linalg.cholesky, lambda x: np.linalg.cholesky(x, upper=True), SYMMETRIC)
case(np.linalg.eigh, lambda x: np.linalg.eigh(x)[0], SYMMETRIC)
case(np.linalg.eigh, lambda x: np.abs(np.linalg.eigh(x)[1]), SYMMETRIC)
case(np.linalg.eigh, lambda x: np.linalg.eigh(x, "U").eigenvalues, SYMMETRIC)
case(np.linalg.eigh, lambda x: np.linalg.eigh(x @ x.mT).eigenvalues, STACK)
case(np.linalg.eigvalsh, np.linalg.eigvalsh, SYMMETRIC)
TALL = normal(4, 3)
for matrix in (TALL, TALL.T, SQUARE, normal(2, 3, 4)):
    case(np.linalg.svd, lambda x: np.linalg.svd(x, full_matrices=False)[1], matrix)
    case(np.linalg.svd, lambda x: np.linalg.svd(x, compute_uv=False), matrix)
    case(np.linalg.svd, lambda x: np.abs(np.linalg.svd(x, full_matrices=False).U), matrix)
    case(np.linalg.svd, lambda x: np.abs(np.linalg.svd(x, full_matrices=False).Vh), matrix)
case(np.linalg.svdvals, np.linalg.svdvals, TALL)
case(np.linalg.qr, lambda x: np.linalg.qr(x)[0], TALL)
case(np.linalg.qr, lambda x: np.linalg.qr(x).R, STACK)
case(np.linalg.cond, np.linalg.cond, SQUARE)
case(np.linalg.cond, lambda x: np.linalg.cond(x, 1), SQUARE)
NORM = np.linalg.norm
for order in (None, 1, 2, 3, 2.5, np.inf, -np.inf):
    case(NORM, lambda x, o=order: np.linalg.norm(x, o), distinct(5) + 0.05)
    case(NORM, lambda x, o=order: np.linalg.norm(x, o, axis=1), distinct(3, 4) + 0.05)
    case(
        NORM, lambda x, o=order: np.linalg.norm(x, o, axis=0, keepdims=True), distinct(3, 4) + 0.05
    )
for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    case(NORM, lambda x, o=order: np.linalg.norm(x, o), distinct(3, 4) + 0.05)
    case(
        NORM,
        lambda x, o=order: np.linalg.norm(x, o, axis=(2, 0), keepdims=True),
        distinct(2, 3, 4) + 0.05,
    )
case(NORM, np.linalg.norm, T)
case(np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, axis=1), M)
case(np.linalg.vector_norm, np.linalg.vector_norm, M)
case(np.linalg.matrix_norm, np.linalg.matrix_norm, T)

# ----- scipy.special -----------------------------------------------------------------------------
for ufunc in (
    special.expit, special.log_expit, special.erf, special.erfc, special.erfcx, special.ndtr,
    special.log_ndtr, special.exprel, special.j0, special.j1, special.i0, special.i1,
):  # fmt: skip
    case(ufunc, ufunc, M)
case(special.exprel, special.exprel, [0.0, 1e-7])
for ufunc in (special.gamma, special.gammaln, special.loggamma, special.rgamma, special.psi,
              special.entr, special.y0, special.y1):  # fmt: skip
    case(ufunc, ufunc, POSITIVE)
for ufunc in (special.logit, special.ndtri, special.erfcinv):
    case(ufunc, ufunc, between(0.1, 0.9, 3, 4))
case(special.erfinv, special.erfinv, UNIT)
for ufunc in (
    special.xlogy,
    special.xlog1py,
    special.rel_entr,
    special.kl_div,
    special.beta,
    special.betaln,
):
    case(ufunc, ufunc, POSITIVE, between(0.5, 2, 4))
case(special.huber, special.huber, 0.55, distinct(3, 4))
for ufunc in (special.gammainc, special.gammaincc, special.jv, special.yv, special.iv):
    case(ufunc, lambda x, f=ufunc: f(2.0, x), POSITIVE)
case(special._ufuncs._zeta, lambda x: special.zeta(3.0, x), POSITIVE)

# ----- Backlit's own functions -------------------------------------------------------------------
for axis in (-1, 0, (0, 1)):
    case(functions.softmax, lambda x, a=axis: functions.softmax(x, axis=a), M)
    case(functions.log_softmax, lambda x, a=axis: functions.log_softmax(x, axis=a), M)
    case(functions.logsumexp, lambda x, a=axis: functions.logsumexp(x, axis=a), M)
    case(functions.logsumexp, lambda x, a=axis: functions.logsumexp(x, axis=a, keepdims=True), M)
case(functions.logsumexp, functions.logsumexp, M)

# ----- Interpolation -----------------------------------------------------------------------------
case(np.linspace, lambda a, b: np.linspace(a, b, 5), 0.3, 2.0)
case(np.linspace, lambda a, b: np.linspace(a, b, 4, endpoint=False, axis=-1), V, normal(4))
KNOTS = np.array([0.0, 1.0, 3.0, 4.0])
case(np.interp, lambda x, y: np.interp(x, KNOTS, y), [-1.0, 0.5, 2.2, 3.5, 7.0], V)
case(np.interp, lambda x, p, y: np.interp(x, p, y), 2.2, KNOTS, V)
case(np.full_like, lambda x, v: np.full_like(x, v) * x, M, 0.3)
case(np.full_like, lambda x, v: np.full_like(x, v, shape=(7,)), M, 0.3)
case(np.linalg.svd, lambda x: np.linalg.svd(x)[1], TALL)
