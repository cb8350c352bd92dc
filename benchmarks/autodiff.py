"""The time of an immediate gradient, beside HIPS/autograd, PyTorch and JAX.

    python -m pip install '.[bench]' && python benchmarks/autodiff.py

Each row is one small NumPy function; what is timed is its gradient at one point, forward and
backward, as the library's own user would call it: `backlit.grad(f)(x)`, `autograd.grad(f)(x)`,
`f(x).backward()` on a fresh leaf, and `jax.grad(f)(x)` without `jit` (immediate, like the others).
The libraries are interleaved within each round (the arrays are too small for threads); printed are
medians over the rounds in microseconds, the ratios of ours to theirs, and their geometric means.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import backlit

RNG = np.random.default_rng(0)
X = np.linspace(0.1, 1.0, 10)
Y = X + 0.5
W = RNG.standard_normal((10, 10))
ROWS, A, B = RNG.standard_normal((32, 64)), RNG.standard_normal((64, 16)), np.linspace(-1, 1, 16)


def repeat(step: Callable[[Any], Any], x: Any, times: int) -> Any:
    """Apply ``step`` again and again."""
    for _ in range(times):
        x = step(x)
    return x


# What is differentiated, in terms of a NumPy-like module n; at which point; with which constants.
CASES: list[tuple[Any, ...]] = [
    ("sin(x)", lambda n, x: n.sin(x), 0.7),
    ("x * x + x", lambda n, x: x * x + x, 0.7),
    ("sum(sin(x))", lambda n, x: n.sum(n.sin(x)), X),
    ("sum(y * x + x)", lambda n, x, y: n.sum(y * x + x), X, Y),
    ("sum(exp(x) / (1 + exp(x)))", lambda n, x: n.sum(n.exp(x) / (1 + n.exp(x))), X),
    ("mean((x - y)**2)", lambda n, x, y: n.mean((x - y) ** 2), X, Y),
    ("sum(where(x > .5, x * x, x))", lambda n, x: n.sum(n.where(x > 0.5, x * x, x)), X),
    ("sum(tanh(W @ x))", lambda n, x, w: n.sum(n.tanh(n.matmul(w, x))), X, W),
    ("x[3] * x[4]", lambda n, x: x[3] * x[4], X),
    ("sum(x[2:] - x[:-2])", lambda n, x: n.sum(x[2:] - x[:-2]), X),
    ("sum(reshape(x, (2, 5)).T**3)", lambda n, x: n.sum(n.reshape(x, (2, 5)).T ** 3), X),
    ("20 times sin, summed", lambda n, x: n.sum(repeat(n.sin, x, 20)), X),
    ("20 times a * x + x", lambda n, x: n.sum(repeat(lambda a: a * x + x, x, 20)), X),
    ("a layer, 32 rows of 64", lambda n, x, a, b: n.sum(n.tanh(x @ a + b) ** 2), ROWS, A, B),
]


def backlit_gradient(f: Any, x: Any, constants: list[Any]) -> Callable[[], Any]:
    """Return a call that computes the gradient with Backlit."""
    gradient = backlit.grad(lambda x: f(np, x, *constants))
    return lambda: gradient(x)


def autograd_gradient(f: Any, x: Any, constants: list[Any]) -> Callable[[], Any]:
    """Return a call that computes the gradient with HIPS/autograd."""
    module = importlib.import_module("autograd.numpy")
    gradient = importlib.import_module("autograd").grad(lambda x: f(module, x, *constants))
    return lambda: gradient(x)


def torch_gradient(f: Any, x: Any, constants: list[Any]) -> Callable[[], Any]:
    """Return a call that computes the gradient with PyTorch, eagerly."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    tensors = [torch.tensor(c) for c in constants]
    point = torch.tensor(x, dtype=torch.float64)

    def call() -> Any:
        leaf = point.clone().requires_grad_(True)
        f(torch, leaf, *tensors).backward()
        return leaf.grad.numpy()

    return call


def jax_gradient(f: Any, x: Any, constants: list[Any]) -> Callable[[], Any]:
    """Return a call that computes the gradient with JAX, without `jit`."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = importlib.import_module("jax.numpy")
    arrays = [jnp.asarray(c) for c in constants]
    gradient = jax.grad(lambda x: f(jnp, x, *arrays))
    point = jnp.asarray(x)
    return lambda: gradient(point).block_until_ready()


PEERS = {"backlit": backlit_gradient, "autograd": autograd_gradient, "torch": torch_gradient,
         "jax": jax_gradient}  # fmt: skip


def time_round(call: Callable[[], Any], seconds: float) -> float:
    """Return the seconds of one call, from as many calls as fit into ``seconds``."""
    calls, start = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed > seconds:
            return elapsed / calls


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.02, help="of one library in one round")
    options = parser.parse_args()
    peers = [name for name in PEERS if name == "backlit" or importlib.util.find_spec(name)]
    versions = [f"{name} {importlib.import_module(name).__version__}"
                if hasattr(importlib.import_module(name), "__version__") else name
                for name in (*peers, "numpy")]  # fmt: skip
    print(f"Python {platform.python_version()}, {', '.join(versions)}; medians in microseconds\n")
    header = "".join(f"{name:>10}" for name in peers) + "".join(f"{'/' + n:>10}" for n in peers[1:])
    print(f"{'gradient of':34}{header}")
    ratios: dict[str, list[float]] = {name: [] for name in peers[1:]}
    for label, f, x, *constants in CASES:
        calls = {name: PEERS[name](f, x, constants) for name in peers}
        truth = calls["backlit"]()
        for call in calls.values():
            np.testing.assert_allclose(np.asarray(call()), truth, rtol=1e-9, atol=1e-12)
        times: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(options.rounds):
            for name, call in calls.items():
                times[name].append(time_round(call, options.seconds) * 1e6)
        ours = median(times["backlit"])
        row = "".join(f"{median(times[name]):10.1f}" for name in peers)
        for name in peers[1:]:
            ratios[name].append(ours / median(times[name]))
            row += f"{ratios[name][-1]:10.2f}"
        print(f"{label:34}{row}")
    means = {n: math.exp(sum(map(math.log, r)) / len(r)) for n, r in ratios.items() if r}
    print(f"{'geometric mean':34}{'':{10 * len(peers)}}"
          + "".join(f"{mean:10.2f}" for mean in means.values()))  # fmt: skip
    print(f"{'largest':34}{'':{10 * len(peers)}}"
          + "".join(f"{max(r):10.2f}" for r in ratios.values()))  # fmt: skip


if __name__ == "__main__":
    main()
