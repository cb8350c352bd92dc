"""The same network, data, batch and Adam in every library that the benchmarks compare.

Each peer is a function of a `Case` that returns a `Peer`: the data is in memory by then, the
weights are the same in all (but in scikit-learn, which draws its own, from the same distribution),
and ``run(epochs)`` makes steps as the library's documentation recommends.
"""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from timing import cores, installed

LEARNING_RATE = 1e-3  # Adam's usual one
MOST_BYTES = 2**25  # of inputs, where an epoch has 256 steps

Weights = list[tuple[Any, Any]]


@dataclass(frozen=True)
class Case:
    """A network and a batch.

    Attributes
    ----------
    sizes : tuple of int
        Units of each layer, from inputs to classes.
    batch : int
    dtype : str
        ``"float32"`` or ``"float64"``.
    learning_rate : float
    """

    sizes: tuple[int, ...]
    batch: int
    dtype: str
    learning_rate: float = LEARNING_RATE

    @property
    def steps(self) -> int:
        """How many steps an epoch has."""
        bytes_ = 256 * self.batch * self.sizes[0] * np.dtype(self.dtype).itemsize
        return 256 if bytes_ <= MOST_BYTES else 64

    @property
    def operations(self) -> int:
        """Floating-point operations of a step's products of matrices.

        Three products for each layer, two for the first: nobody needs the gradient of the inputs.
        """
        products = [m * n for m, n in itertools.pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def data(self) -> tuple[Any, Any]:
        """Return normal inputs, and classes that have nothing to do with them."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.steps * self.batch, self.sizes[0]), np.float32)
        return x.astype(self.dtype), rng.integers(0, self.sizes[-1], len(x))

    def weights(self) -> Weights:
        """Return the weights to begin with (X. Glorot and Y. Bengio, 2010, section 4.2)."""
        rng, made = np.random.default_rng(1), []
        for m, n in itertools.pairwise(self.sizes):
            bound = (6 / (m + n)) ** 0.5
            made.append((rng.uniform(-bound, bound, (m, n)), rng.uniform(-bound, bound, n)))
        return [(W.astype(self.dtype), b.astype(self.dtype)) for W, b in made]

    def order(self) -> Any:
        """Return which rows each step takes."""
        return np.random.default_rng(2).permutation(self.steps * self.batch).reshape(-1, self.batch)


@dataclass(frozen=True)
class Peer:
    """A network that is ready to be trained.

    Attributes
    ----------
    run : callable
        ``run(epochs)`` returns when its steps are done.
    weights : callable
        ``weights()`` returns the weights of now, as arrays of shape (inputs, outputs), and biases.
    """

    run: Callable[[int], None]
    weights: Callable[[], Weights]


class AbsentError(Exception):
    """A peer that this machine does not have; the message says why."""


def mean_loss(weights: Weights, x: Any, y: Any) -> float:
    """Return the mean log loss of weights, computed in float64 by NumPy."""
    a = x.astype(np.float64)
    for k, (W, b) in enumerate(weights):
        a = (np.maximum(a, 0) if k else a) @ np.asarray(W, np.float64) + np.asarray(b, np.float64)
    a -= a.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.sum(np.exp(a), axis=1)) - a[np.arange(len(y)), y]))


# ---- this project ------------------------------------------------------------------------------


def _network(case: Case) -> Any:
    from backlit.networks import Network

    return Network(case.sizes[0], case.sizes[1:-1], case.sizes[-1])


def _start(case: Case) -> dict[str, Any]:
    return {
        name: array
        for k, (W, b) in enumerate(case.weights(), start=1)
        for name, array in ((f"W{k}", W), (f"b{k}", b))
    }


def _listed(parameters: dict[str, Any]) -> Weights:
    return [(parameters[f"W{k}"], parameters[f"b{k}"]) for k in range(1, len(parameters) // 2 + 1)]


def native_steps(name: str, threads: int, *arguments: Any, **settings: Any) -> Any:
    """Return an engine's steps, on a number of threads.

    Raises
    ------
    AbsentError
        If the installed version has one thread only.
    """
    from backlit.training import Settings, engines

    by_setting = "n_threads" in {field.name for field in fields(Settings)}
    if by_setting:
        settings["n_threads"] = threads
    network, optimizer, examples = arguments
    steps = getattr(engines, name)(network, optimizer, Settings(optimizer, **settings), examples)
    if not by_setting and hasattr(steps, "n_threads"):
        steps.n_threads = threads
    elif not by_setting and threads > 1:
        raise AbsentError("this version has one thread")
    return steps


def _steps(case: Case, name: str, threads: int) -> Peer:
    from backlit.execution.blas import one_thread
    from backlit.training import Adam, Examples, Layout

    # Loaded before BLAS is held at one thread, as in `train`.
    importlib.import_module("scipy.linalg.cython_blas")
    network, optimizer = _network(case), Adam(learning_rate=case.learning_rate)
    examples = Examples.of(network, case.data(), case.dtype, "training")
    steps = native_steps(
        name, threads, network, optimizer, examples, batch_size=case.batch, dtype=case.dtype
    )
    layout = Layout(network.shapes)
    theta = layout.checked(_start(case), case.dtype)
    state, number = optimizer.initial_state(theta), 1
    order, rates = case.order(), np.full(case.steps, case.learning_rate, case.dtype)

    def run(epochs: int) -> None:
        nonlocal theta, state, number
        with one_thread():
            for _ in range(epochs):
                theta, state, _ = steps.run(theta, state, order, rates, number)
                number += case.steps

    return Peer(run, lambda: _listed(layout.views(theta)))


def native_peer(case: Case, threads: int) -> Peer:
    """Compiled kernels, on a number of threads."""
    return _steps(case, "NativeSteps", threads)


def native(case: Case) -> Peer:
    """Compiled kernels, on all cores."""
    return native_peer(case, cores())


def native_1(case: Case) -> Peer:
    """Compiled kernels, on one thread."""
    return native_peer(case, 1)


def reference(case: Case) -> Peer:
    """One NumPy call for each instruction, which is what a program means."""
    return _steps(case, "ReferenceSteps", 1)


def train(case: Case) -> Peer:
    """Call `backlit.training.train`, with its recording, preparing and shuffling."""
    from backlit.training import Adam, train

    network, examples = _network(case), case.data()
    parameters = _start(case)

    def run(epochs: int) -> None:
        nonlocal parameters
        parameters = train(
            network, examples, start=parameters, optimizer=Adam(learning_rate=case.learning_rate),
            epochs=epochs, batch_size=case.batch, dtype=case.dtype, engine="native",
        ).parameters  # fmt: skip

    return Peer(run, lambda: _listed(parameters))


# ---- others ------------------------------------------------------------------------------------


def scikit_learn(case: Case) -> Peer:
    """`MLPClassifier`, an epoch for each `partial_fit`."""
    from sklearn.neural_network import MLPClassifier

    x, y = case.data()
    model = MLPClassifier(
        case.sizes[1:-1], solver="adam", learning_rate_init=case.learning_rate,
        batch_size=case.batch, alpha=0, random_state=np.random.RandomState(0),
    )  # fmt: skip
    classes = np.arange(case.sizes[-1])

    def run(epochs: int) -> None:
        for _ in range(epochs):
            model.partial_fit(x, y, classes=classes)

    def weights() -> Weights:
        # Of two classes, scikit-learn has one output, which is the difference of two.
        *hidden, (W, b) = zip(model.coefs_, model.intercepts_, strict=True)
        if W.shape[1] == 1:
            W, b = np.hstack([0 * W, W]), np.concatenate([0 * b, b])
        return [*hidden, (W, b)]

    return Peer(run, weights)


def _pytorch(case: Case, fused: bool, compiled: bool) -> Peer:
    import torch

    x, y = (torch.from_numpy(array) for array in case.data())
    layers: list[Any] = []
    for W, b in case.weights():
        layer = torch.nn.Linear(*W.shape, dtype=x.dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    # A rate that is a tensor does not make `torch.compile` compile each step anew.
    rate = torch.tensor(case.learning_rate) if compiled else case.learning_rate
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=fused or None)
    log_loss = torch.nn.CrossEntropyLoss()
    order = torch.from_numpy(case.order())

    def loss(x: Any, y: Any) -> Any:
        return log_loss(model(x), y)

    update = optimizer.step
    if compiled:
        loss, update = torch.compile(loss), torch.compile(update)

    def run(epochs: int) -> None:
        for _ in range(epochs):
            for rows in order:
                optimizer.zero_grad()
                loss(x[rows], y[rows]).backward()
                update()

    def weights() -> Weights:
        linear = [layer for layer in model if hasattr(layer, "weight")]
        return [(each.weight.detach().numpy().T, each.bias.detach().numpy()) for each in linear]

    return Peer(run, weights)


def torch_eager(case: Case) -> Peer:
    """PyTorch's eager mode with its default Adam."""
    return _pytorch(case, fused=False, compiled=False)


def torch_fused(case: Case) -> Peer:
    """PyTorch's eager mode with `Adam(fused=True)`."""
    return _pytorch(case, fused=True, compiled=False)


def torch_compile(case: Case) -> Peer:
    """`torch.compile` of the network with its loss, and of Adam's step."""
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise AbsentError("torch.compile needs a C++ compiler, and there is none")
    import torch

    torch._dynamo.config.recompile_limit = 64  # networks of one process, each its own function
    torch.compiler.reset()
    return _pytorch(case, fused=False, compiled=True)


def jax_scan(case: Case) -> Peer:
    """JAX: `jit` of an epoch, which is a `scan` over the steps."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    x, y = (jnp.asarray(array) for array in case.data())
    order = jnp.asarray(case.order())
    start = [(jnp.asarray(W), jnp.asarray(b)) for W, b in case.weights()]

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        *hidden, (W, b) = parameters
        for V, c in hidden:
            x = jax.nn.relu(x @ V + c)
        scores = jax.nn.log_softmax(x @ W + b)
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1))

    def step(carry: Any, batch: Any) -> Any:
        parameters, mean, square, number = carry
        gradient = jax.grad(loss)(parameters, *batch)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
        rate, root = case.learning_rate / (1 - 0.9**number), (1 - 0.999**number) ** 0.5
        parameters = jax.tree.map(
            lambda p, m, s: p - rate * m / (jnp.sqrt(s) / root + 1e-8), parameters, mean, square
        )
        return (parameters, mean, square, number + 1), None

    def steps(carry: Any, x: Any, y: Any, order: Any) -> Any:
        return jax.lax.scan(lambda c, rows: step(c, (x[rows], y[rows])), carry, order)[0]

    epoch = jax.jit(steps, donate_argnums=0)  # the memory of the old carry is written to
    zeros = jax.tree.map(jnp.zeros_like, start)
    carry = (start, zeros, jax.tree.map(jnp.copy, zeros), jnp.asarray(1, case.dtype))

    def run(epochs: int) -> None:
        nonlocal carry
        for _ in range(epochs):
            carry = epoch(carry, x, y, order)
        jax.block_until_ready(carry)

    return Peer(run, lambda: [(np.array(W), np.array(b)) for W, b in carry[0]])


def keras_jax(case: Case) -> Peer:
    """Keras on JAX: `compile` with 32 steps an execution, and `fit`."""
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import keras

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    keras.config.set_floatx(case.dtype)
    keras.backend.clear_session()
    x, y = case.data()
    layers = [keras.layers.Dense(n, activation="relu") for n in case.sizes[1:-1]]
    model = keras.Sequential([keras.Input(case.sizes[:1]), *layers,
                              keras.layers.Dense(case.sizes[-1])])  # fmt: skip
    model.set_weights([array for pair in case.weights() for array in pair])
    model.compile(
        optimizer=keras.optimizers.Adam(case.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=32,
    )

    def run(epochs: int) -> None:
        model.fit(x, y, batch_size=case.batch, epochs=epochs, verbose=0)

    def weights() -> Weights:
        arrays = model.get_weights()
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    return Peer(run, weights)


def gemm(case: Case) -> Peer:
    """NumPy's product of two matrices of 2048 x 2048: an epoch is one product."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2048, 2048)).astype(case.dtype) for _ in range(2))
    c = np.empty_like(a)

    def run(epochs: int) -> None:
        for _ in range(epochs):
            np.matmul(a, b, out=c)

    return Peer(run, list)


GEMM_OPERATIONS = 2 * 2048**3

# What a table calls a peer, what makes it, and which modules it needs.
PEERS: dict[str, tuple[str, Callable[[Case], Peer], tuple[str, ...]]] = {
    "native": ("native, all cores", native, ("numba",)),
    "native-1": ("native, 1 thread", native_1, ("numba",)),
    "train": ("train()", train, ("numba",)),
    "reference": ("reference", reference, ()),
    "scikit-learn": ("scikit-learn", scikit_learn, ("sklearn",)),
    "torch": ("PyTorch", torch_eager, ("torch",)),
    "torch-fused": ("PyTorch, fused", torch_fused, ("torch",)),
    "torch-compile": ("torch.compile", torch_compile, ("torch",)),
    "jax": ("JAX", jax_scan, ("jax",)),
    "keras": ("Keras on JAX", keras_jax, ("keras", "jax")),
}
OURS = ("native", "native-1", "train", "reference")


def make(name: str, case: Case) -> Peer:
    """Return a peer for a case.

    Raises
    ------
    AbsentError
        If something that it needs is not installed.
    """
    if name == "gemm":
        return gemm(case)
    _, made, modules = PEERS[name]
    for module in modules:
        if not installed(module):
            raise AbsentError(f"{module} is not installed")
    warnings.simplefilter("ignore")
    return made(case)
