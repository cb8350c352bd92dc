"""Rules of the ufuncs of `scipy.special`. Imported when the first of them is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from backlit.autodiff.table import elementwise

_TWO_OVER_ROOT_PI = float(2 / np.sqrt(np.pi))
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))

# ----- Logistic function and entropies -----------------------------------------------------------
elementwise(special.expit, lambda g, ans, x: g * (ans * (1 - ans)))
elementwise(special.log_expit, lambda g, ans, x: g * special.expit(-x))
elementwise(special.logit, lambda g, ans, x: g / (x * (1 - x)))
elementwise(
    special.xlogy,
    lambda g, ans, x, y: g * np.log(y),
    lambda g, ans, x, y: g * np.where(x == 0, 0, x / np.where(x == 0, 1, y)),
)
elementwise(
    special.xlog1py,
    lambda g, ans, x, y: g * np.log1p(y),
    lambda g, ans, x, y: g * np.where(x == 0, 0, x / np.where(x == 0, 1, 1 + y)),
)
elementwise(special.entr, lambda g, ans, x: g * (-np.log(x) - 1))
elementwise(
    special.rel_entr,
    lambda g, ans, x, y: g * (np.log(x / y) + 1),
    lambda g, ans, x, y: g * (-x / y),
)
elementwise(
    special.kl_div,
    lambda g, ans, x, y: g * np.log(x / y),
    lambda g, ans, x, y: g * (1 - x / y),
)
elementwise(
    special.huber,
    lambda g, ans, delta, r: g * np.maximum(np.abs(r) - delta, 0),
    lambda g, ans, delta, r: g * np.clip(r, -delta, delta),
)
elementwise(special.exprel, lambda g, ans, x: g * _exprel_slope(ans, x))


def _exprel_slope(ans: Any, x: Any) -> Any:
    """(e^x - exprel(x)) / x, and its limit 1/2 + x/3 at the origin, where both sides vanish."""
    near = np.abs(x) < 1e-5
    return np.where(near, 0.5 + x / 3, (np.exp(x) - ans) / np.where(near, 1, x))


# ----- Error functions and the normal distribution -----------------------------------------------
elementwise(special.erf, lambda g, ans, x: g * (_TWO_OVER_ROOT_PI * np.exp(-x * x)))
elementwise(special.erfc, lambda g, ans, x: -g * (_TWO_OVER_ROOT_PI * np.exp(-x * x)))
elementwise(special.erfcx, lambda g, ans, x: g * (2 * x * ans - _TWO_OVER_ROOT_PI))
elementwise(special.erfinv, lambda g, ans, x: g * np.exp(ans * ans) / _TWO_OVER_ROOT_PI)
elementwise(special.erfcinv, lambda g, ans, x: -g * np.exp(ans * ans) / _TWO_OVER_ROOT_PI)
elementwise(special.ndtr, lambda g, ans, x: g * np.exp(-x * x / 2) / _ROOT_TWO_PI)
elementwise(special.ndtri, lambda g, ans, x: g * np.exp(ans * ans / 2) * _ROOT_TWO_PI)
elementwise(special.log_ndtr, lambda g, ans, x: g * np.exp(-x * x / 2 - ans) / _ROOT_TWO_PI)

# ----- The gamma function and its kin ------------------------------------------------------------
elementwise(special.gamma, lambda g, ans, x: g * (ans * special.psi(x)))
elementwise(special.gammaln, lambda g, ans, x: g * special.psi(x))
elementwise(special.loggamma, lambda g, ans, x: g * special.psi(x))
elementwise(special.rgamma, lambda g, ans, x: -g * (ans * special.psi(x)))
elementwise(special.psi, lambda g, ans, x: g * special.zeta(2.0, x))
# The function `zeta` is a thin wrapper; its ufunc is what NumPy hands to us.
elementwise(special._ufuncs._zeta, None, lambda g, ans, s, x: -g * (s * special.zeta(s + 1.0, x)))
elementwise(
    special.beta,
    lambda g, ans, a, b: g * (ans * (special.psi(a) - special.psi(a + b))),
    lambda g, ans, a, b: g * (ans * (special.psi(b) - special.psi(a + b))),
)
elementwise(
    special.betaln,
    lambda g, ans, a, b: g * (special.psi(a) - special.psi(a + b)),
    lambda g, ans, a, b: g * (special.psi(b) - special.psi(a + b)),
)
elementwise(
    special.gammainc,
    None,
    lambda g, ans, a, x: g * np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a)),
)
elementwise(
    special.gammaincc,
    None,
    lambda g, ans, a, x: -g * np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a)),
)

# ----- Bessel functions --------------------------------------------------------------------------
elementwise(special.j0, lambda g, ans, x: -g * special.j1(x))
elementwise(special.j1, lambda g, ans, x: g * (special.j0(x) - special.jv(2.0, x)) / 2)
elementwise(special.y0, lambda g, ans, x: -g * special.y1(x))
elementwise(special.y1, lambda g, ans, x: g * (special.y0(x) - special.yv(2.0, x)) / 2)
elementwise(
    special.jv, None, lambda g, ans, n, x: g * (special.jv(n - 1, x) - special.jv(n + 1, x)) / 2
)
elementwise(
    special.yv, None, lambda g, ans, n, x: g * (special.yv(n - 1, x) - special.yv(n + 1, x)) / 2
)
elementwise(
    special.iv, None, lambda g, ans, n, x: g * (special.iv(n - 1, x) + special.iv(n + 1, x)) / 2
)
elementwise(special.i0, lambda g, ans, x: g * special.i1(x))
elementwise(special.i1, lambda g, ans, x: g * (special.i0(x) + special.iv(2.0, x)) / 2)
