"""Time one training step of a multilayer perceptron, here and elsewhere.

    python -m pip install '.[bench]' && python benchmarks/training_step.py

The same network, data, batch and optimizer (Adam) in each: the native and the reference engine,
scikit-learn, PyTorch's eager mode, and JAX with ``jit`` over a ``scan`` of the steps. A figure is
the median over rounds in turn, in microseconds a step, with data already in memory; the ratios say
how many times longer the others take than the native engine. Each uses as many threads as it likes;
the native engine uses one.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.networks import Network
from backlit.training import Adam, Settings
from backlit.training.engines import NativeSteps, ReferenceSteps
from backlit.training.examples import Examples
from backlit.training.parameters import Layout

SHAPES = [
    ((16, 32, 32, 2), 32),
    ((64, 128, 64, 10), 32),
    ((64, 128, 64, 10), 200),
    ((784, 512, 256, 10), 128),
]
ROUNDS = 7
SECONDS = 0.3  # of each, in a round

Run = Callable[[int], None]


def data(sizes: tuple[int, ...], rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, sizes[0])).astype(np.float32)
    return x, rng.integers(0, sizes[-1], rows)


def backlit_steps(made: type[Any], sizes: tuple[int, ...], batch: int) -> Run:
    network = Network(sizes[0], sizes[1:-1], sizes[-1])
    optimizer = Adam()
    x, y = data(sizes, 64 * batch)
    examples = Examples.of(network, (x, y), np.float32, "training")
    steps = made(network, optimizer, Settings(optimizer, batch_size=batch), examples)
    theta = Layout(network.shapes).flatten(network.parameters(0))
    state = optimizer.initial_state(theta)
    order = np.random.default_rng(0).permutation(len(x)).reshape(-1, batch)

    def run(count: int) -> None:
        nonlocal theta, state
        rows = order[np.arange(count) % len(order)]
        theta, state, _ = steps.run(theta, state, rows, np.full(count, 1e-3, np.float32), 1)

    return run


def scikit_learn(sizes: tuple[int, ...], batch: int) -> Run:
    from sklearn.neural_network import MLPClassifier

    x, y = data(sizes, 64 * batch)
    network = MLPClassifier(sizes[1:-1], batch_size=batch, solver="adam", alpha=0)
    classes = np.arange(sizes[-1])

    def run(count: int) -> None:
        for _ in range(max(1, count // 64)):  # an epoch is 64 steps
            network.partial_fit(x, y, classes=classes)

    return run


def pytorch(sizes: tuple[int, ...], batch: int) -> Run:
    import torch

    x, y = (torch.from_numpy(array) for array in data(sizes, 64 * batch))
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters())
    loss = torch.nn.CrossEntropyLoss()
    order = torch.randperm(len(x)).reshape(-1, batch)

    def run(count: int) -> None:
        for step in range(count):
            rows = order[step % len(order)]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()

    return run


def jax(sizes: tuple[int, ...], batch: int) -> Run:
    import jax
    import jax.numpy as jnp

    x, y = (jnp.asarray(array) for array in data(sizes, 64 * batch))
    rng = np.random.default_rng(0)
    parameters = [
        (jnp.asarray(rng.normal(size=(m, n), scale=(2 / m) ** 0.5), jnp.float32), jnp.zeros(n))
        for m, n in itertools.pairwise(sizes)
    ]
    order = jnp.asarray(rng.permutation(len(x)).reshape(-1, batch))

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        *hidden, (W, b) = parameters
        for V, c in hidden:
            x = jax.nn.relu(x @ V + c)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x @ W + b), y[:, None], axis=1))

    def step(carry: Any, rows: Any) -> Any:
        parameters, mean, square, number = carry
        gradient = jax.grad(loss)(parameters, x[rows], y[rows])
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
        parameters = jax.tree.map(
            lambda p, m, s: p
            - 1e-3 * (m / (1 - 0.9**number)) / (jnp.sqrt(s / (1 - 0.999**number)) + 1e-8),
            parameters, mean, square,
        )  # fmt: skip
        return (parameters, mean, square, number + 1), 0.0

    epoch = jax.jit(lambda carry: jax.lax.scan(step, carry, order)[0])
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    carry = (parameters, zeros, zeros, jnp.float32(1))

    def run(count: int) -> None:
        nonlocal carry
        for _ in range(max(1, count // 64)):
            carry = epoch(carry)
        jax.block_until_ready(carry)

    return run


PEERS: dict[str, Callable[[tuple[int, ...], int], Run]] = {
    "native": lambda sizes, batch: backlit_steps(NativeSteps, sizes, batch),
    "reference": lambda sizes, batch: backlit_steps(ReferenceSteps, sizes, batch),
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "JAX": jax,
}


def main() -> None:
    print(f"{'network':>20} {'batch':>5}" + "".join(f"{name:>15}" for name in PEERS))
    for sizes, batch in SHAPES:
        runs: dict[str, Run] = {}
        for name, make in PEERS.items():
            try:
                runs[name] = make(sizes, batch)
            except ImportError:
                continue  # not installed
        times: dict[str, list[float]] = {name: [] for name in runs}
        counts: dict[str, int] = {}
        for name, run in runs.items():  # compile, and see how many steps fill the time
            run(64)
            began = time.perf_counter()
            run(64)
            counts[name] = max(1, round(SECONDS / (time.perf_counter() - began))) * 64
        for _ in range(ROUNDS):
            for name, run in runs.items():
                began = time.perf_counter()
                run(counts[name])
                times[name].append((time.perf_counter() - began) / counts[name] * 1e6)
        medians = {name: statistics.median(each) for name, each in times.items()}
        cells = [
            f"{medians[name]:7.1f} ({medians[name] / medians['native']:4.1f}x)"
            if name in medians else "-" for name in PEERS
        ]  # fmt: skip
        shape = "-".join(map(str, sizes))
        print(f"{shape:>20} {batch:>5}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
