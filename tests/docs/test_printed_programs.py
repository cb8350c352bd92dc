"""A printed program runs by itself, to the bit, in a process that has only NumPy and SciPy.

Every function below is recorded, printed and written to a file. One child process, in which
nothing but the standard library, NumPy and SciPy can be imported, executes all files on inputs
that differ from the recorded ones. Its results must have the structure, the dtypes and the bits
that `backlit.run` computes here.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import backlit
from backlit.functions import log_softmax, logsumexp, put, softmax, stop_gradient
from backlit.program import Program, Value, tree

rng = np.random.default_rng(7)


@dataclass
class Case:
    """A program to print, and other arguments than those it was recorded with."""

    program: Program
    arguments: tuple[Any, ...]


CASES: dict[str, Case] = {}


def case(*arguments: Any, argnums: int | tuple[int, ...] | None = None) -> Callable[..., Any]:
    """Record the decorated function as a case, and its backward pass as another one."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        program = backlit.record(function, *arguments)
        others = tree.map_leaves(other, arguments)
        CASES[function.__name__] = Case(program, others)
        if argnums is not None:
            # An output that is not one scalar has an adjoint to be given: the weights, say.
            value = backlit.run(program, *others)
            scalar = not isinstance(value, (tuple, list, dict)) and np.ndim(value) == 0
            seed = () if scalar else (tree.map_leaves(lambda leaf: leaf * 0 + 0.75, value),)
            with_backward = backlit.backward(program, argnums)
            CASES[f"{function.__name__}, backward"] = Case(with_backward, (*others, *seed))
        return function

    return decorate


def other(leaf: Any) -> Any:
    """Return another value of the same kind, so that a number baked into a program shows."""
    if isinstance(leaf, (float, np.floating)):
        return type(leaf)(leaf * 1.25)
    floats = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    return leaf * leaf.dtype.type(1.25) if floats else leaf


def normal(*shape: int, dtype: Any = np.float64) -> Any:
    return rng.normal(size=shape).astype(dtype)


def positive_definite(n: int) -> Any:
    a = normal(n, n)
    return a @ a.T + n * np.eye(n)


# ----- Networks ----------------------------------------------------------------------------------


def dense_layers(*sizes: int, dtype: Any = np.float64) -> list[dict[str, Any]]:
    return [
        {"W": normal(n, m, dtype=dtype) / 2, "b": normal(m, dtype=dtype) / 10}
        for n, m in pairwise(sizes)
    ]


LABELS = np.eye(3)[[0, 2, 1, 1, 0]]
INPUTS = normal(5, 4)


@case(dense_layers(4, 6, 6, 3), INPUTS, LABELS, argnums=0)
def multilayer_perceptron(layers, x, labels):
    for layer in layers[:-1]:
        x = np.tanh(x @ layer["W"] + layer["b"])
    logits = x @ layers[-1]["W"] + layers[-1]["b"]
    return -np.sum(labels * log_softmax(logits), axis=1)  # one loss per example


@case(
    {"W1": normal(4, 6, dtype=np.float32), "W2": normal(6, dtype=np.float32)},
    INPUTS.astype(np.float32),
    argnums=(0, 1),
)
def single_precision(params, x):
    h = np.maximum(x @ params["W1"], 0)
    gelu = 0.5 * h * (1 + np.tanh(0.7978845608028654 * (h + 0.044715 * h**3)))
    return np.mean((gelu @ params["W2"]) ** 2, dtype=np.float32)


@case(normal(3, 3) / 2, normal(2, 3), normal(4, 2), argnums=(0, 1))
def recurrent(W, U, inputs):
    state = np.zeros(3)
    for x in inputs:
        state = np.tanh(state @ W + x @ U)
    return np.sum(state**2)


@case({"W": normal(4, 3), "b": np.zeros(3)}, INPUTS, LABELS, 0.1)
def training_step(params, x, labels, learning_rate):
    def loss(params):
        logits = x @ params["W"] + params["b"]
        return np.mean(logsumexp(logits, axis=1) - np.sum(labels * logits, axis=1))

    value, gradient = backlit.value_and_grad(loss)(params)
    return value, {key: params[key] - learning_rate * gradient[key] for key in params}


@case(normal(3, 2), normal(3, 2))
def hessian_times_vector(w, v):
    return backlit.hvp(lambda w: np.sum(np.tanh(w @ w.T) ** 2), (w,), (v,))


# ----- Products and linear algebra ---------------------------------------------------------------


@case(normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 4), argnums=(0, 1, 2))
def attention(queries, keys, values):
    scores = np.einsum("bqd,bkd->bqk", queries, keys) / np.sqrt(4.0)
    return np.einsum("bqk,bkd->bqd", softmax(scores, axis=-1), values)


@case(normal(3, 4), normal(4, 2), argnums=(0, 1))
def products(a, b):
    return np.tensordot(a, b, axes=1), np.kron(a, b), np.outer(a, b), np.dot(a, b), a.T @ a


@case(positive_definite(3), normal(3), argnums=(0, 1))
def linear_algebra(a, b):
    lower = np.linalg.cholesky(a)
    sign, logdet = np.linalg.slogdet(a)
    values, vectors = np.linalg.eigh(a)
    return {
        "solve": np.linalg.solve(a, b),
        "inv": np.linalg.inv(lower),
        "logdet": sign * logdet + np.linalg.det(a),
        "spectrum": (values, vectors**2),
        "norm": np.linalg.norm(a),
    }


@case(normal(4, 3), argnums=0)
def singular_values(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.abs(u) @ np.diag(s) @ np.abs(vt), np.linalg.pinv(a)


# ----- Choices, indexing, shapes -----------------------------------------------------------------


@case(np.array([-1.0, 0.0, 2.0]), argnums=0)
def branch_not_taken(x):
    return np.where(x > 0, np.sqrt(x + 2), x * 3)


@case(normal(4, 5), argnums=0)
def indexing(x):
    rows = np.array([0, 2, 2, -1])
    mask = np.array([True, False, True, True])
    return [
        x[1], x[-1, 2], x[1:, ::2], x[..., 0], x[:, np.newaxis, 3], x[rows], x[rows, 1], x[mask],
        x[::-1, (0, 3)],
    ]  # fmt: skip


@case(normal(4, 3), argnums=0)
def picked_along_an_axis(x):
    order = np.argsort(x, axis=0)
    return np.take_along_axis(x, order, axis=0), put(x, (0, slice(None)), 2.0) * 3


@case(normal(6), argnums=0)
def sorted_and_ranked(x):
    return np.sort(x), np.diff(x, n=2), np.max(x), np.argmax(x) * x, np.clip(x, -0.5, 0.5)


@case(np.array([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]]), argnums=0)
def cumulative_with_zeros(x):
    return np.cumprod(x, axis=1), np.prod(x, axis=1), np.cumsum(x), np.var(x), np.std(x, axis=0)


@case(normal(2, 3), normal(2, 1), argnums=(0, 1))
def shapes(a, b):
    joined = np.concatenate([a, b], axis=1)
    left, right = np.split(joined, 2, axis=1)
    return (
        np.stack([left, right]), np.pad(a, ((1, 0), (0, 2))), np.roll(a, 1, axis=1), np.flip(b),
        np.tile(b, (2, 2)), np.repeat(a, 2, axis=0), np.reshape(a, (3, 2)), np.tril(a), np.ravel(b),
        np.broadcast_to(b, (3, 2, 1)), np.moveaxis(a, 0, 1),
    )  # fmt: skip


# ----- Composites and scipy.special --------------------------------------------------------------


@backlit.custom_rule(lambda g, ans, x: g * special.expit(x))
def softplus(x):
    largest = np.maximum(x, 0)
    return largest + special.log1p(np.exp(x - 2 * largest))


@case(normal(4, 3), argnums=0)
def composites(x):
    probabilities = softmax(x)
    scale = stop_gradient(np.max(x))
    return probabilities, logsumexp(x, axis=(0, 1)), log_softmax(x, axis=0) * scale, softplus(x)


@backlit.custom_rule(lambda g, ans, x: g * np.exp(-softplus(-x)))
def softplus_of_parts(x):
    return np.concatenate([softplus(x[:1]), softplus(x[1:])])


@case(normal(3), argnums=0)
def composite_of_composites(x):
    return softplus_of_parts(x)


case(normal(4, 3), argnums=0)(softmax)  # recorded by itself, it must not call itself when printed


@case(np.array([0.3, 0.6, 0.75]), argnums=0)
def special_functions(p):
    return (
        special.expit(p), special.logit(p), special.erf(p), special.gammaln(p), special.psi(p),
        special.xlogy(p, p), special.entr(p),
    )  # fmt: skip


# ----- Captured arrays, literals, names ----------------------------------------------------------

TABLE = normal(4, 2)
COUNTS = np.array([3, 1, 4], dtype=np.int32)


@case(normal(3, 4), argnums=0)
def captured_arrays(x):
    local = TABLE[:3] * 2
    return x @ TABLE + local, COUNTS * np.sum(x, axis=1), TABLE


@case(np.array([0.5, -2.0]), argnums=0)
def literals(x):
    return (
        np.minimum(x, np.inf), np.maximum(x, -np.inf), x * -0.0, np.where(x > 0, x, np.nan),
        x + 1e-320, x / 3, x ** -1, -x, np.float64(0.1) * x, x * np.int64(3), x + True, 7.5,
    )  # fmt: skip


@case(np.array([0.5, -2.0], dtype=np.float32), argnums=0)
def single_precision_literals(x):
    third = np.float32(1) / np.float32(3)
    return {
        "product": x * third,
        "scalar": third * np.sum(x),
        "wide": x.astype(np.float64) / 3,
        "gate": x * ((x > 0) * third),  # a plain float would make the gate float64
    }


@case(np.array([0.4, 1.2, 2.4]))
def negative_base(x):
    return (-2.0) ** np.round(x), (-3) - x, x - (-3)


@case(0.5, np.float32(0.25), argnums=(0, 1))
def scalars(x, y):
    return np.sin(x) * x, {"y": [y * y, (np.exp(y),)]}


@case(normal(3), normal(3), 2, argnums=(0, 1))
def unfortunate_names(special, softmax, power):
    np_ = special * softmax
    inf, nan, lambda_ = np_ + 1, np_ - 1, logsumexp(np_)
    unfortunate_names = inf**power
    return unfortunate_names * nan + lambda_


@case(normal(3), argnums=0)
def several_lines_and_letters(θ):
    λ = (
        np.sin(θ)  # a "comment" with \\ and a quote'
        + np.cos(
            θ
        )
    )  # fmt: skip
    return {3: λ, "a b": [θ, ()], "nothing": None}


@case({f"weights_of_a_layer_{k}": normal(2) for k in range(6)}, argnums=0)
def many_arguments(params):
    return sum(np.sum(w**2) for w in params.values())


@case(normal(2), normal(2), argnums=(0, 1))
def without_dependence(x, y):
    return np.sum(np.sign(x)) + np.sum(y)


# ----- The child process -------------------------------------------------------------------------


def flatten(result: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a result under names that tell tuples, lists, dicts and None apart."""
    if isinstance(result, dict):
        for key, part in result.items():
            yield from flatten(part, path + "{" + repr(key) + "}")
    elif isinstance(result, (tuple, list)):
        opening, closing = "()" if isinstance(result, tuple) else "[]"
        for position, part in enumerate(result):
            yield from flatten(part, path + opening + str(position) + closing)
    elif result is None:
        yield path + "None", np.empty(0)
    else:
        yield path, result


PREPARE = """
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

class OnlyNumPyAndSciPy:
    known = {*sys.stdlib_module_names, "numpy", "scipy"}

    def find_spec(self, name, path=None, target=None):
        # A part of the standard library, too, but with the platform in its name.
        data_of_sysconfig = name.startswith("_sysconfigdata")
        if name.partition(".")[0] not in self.known and not data_of_sysconfig:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyNumPyAndSciPy())
sys.modules["backlit"] = None
"""

EXECUTE = """
import runpy
import traceback
import numpy as np

def execute(file):
    *_, program = runpy.run_path(str(file)).values()  # the function that is defined last
    with np.load(file.with_suffix(".inputs.npz"), allow_pickle=False) as given:
        # A scalar argument is a scalar, not an array without axes.
        inputs = [given[f"arr_{k}"][()] for k in range(len(given))]
    with np.errstate(all="ignore"):  # an infinite derivative is a value like any other
        results = dict(flatten(program(*inputs)))
    np.savez(file.with_suffix(".results.npz"), **{"result" + k: r for k, r in results.items()})

for file in Path(sys.argv[1]).glob("*.py"):
    try:
        execute(file)
    except Exception:
        file.with_suffix(".error").write_text(traceback.format_exc(), encoding="utf-8")
"""


def in_a_bare_process(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", PREPARE + script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Execute all programs in one child process; return each case's file."""
    folder = tmp_path_factory.mktemp("printed")
    files = {}
    for number, (name, one) in enumerate(CASES.items()):
        files[name] = file = folder / f"{number:03}-{one.program.name}.py"
        file.write_text(str(one.program), encoding="utf-8")
        np.savez(file.with_suffix(".inputs.npz"), *inputs_in_order(one))
    child = in_a_bare_process(inspect.getsource(flatten) + EXECUTE, str(folder))
    assert child.returncode == 0, child.stderr
    return files


def inputs_in_order(one: Case) -> list[Any]:
    """Return what the printed function takes: the inputs' leaves, then the captured arrays."""
    expected = tree.leaves(one.program.arguments)
    given = tree.leaves(one.arguments)
    inputs = [g for e, g in zip(expected, given, strict=True) if isinstance(e, Value)]
    return inputs + list(one.program.captured.values())


@pytest.mark.parametrize("name", CASES)
def test_printed_program_gives_the_same_bits(name, executed):
    one, file = CASES[name], executed[name]
    error = file.with_suffix(".error")
    assert not error.exists(), error.read_text(encoding="utf-8")
    with np.load(file.with_suffix(".results.npz"), allow_pickle=False) as saved:
        printed = {key.removeprefix("result"): saved[key] for key in saved}
    expected = dict(flatten(backlit.run(one.program, *one.arguments)))
    assert list(printed) == list(expected)
    for path, value in expected.items():
        value = np.asarray(value)
        assert printed[path].dtype == value.dtype, path
        assert printed[path].shape == value.shape, path
        assert printed[path].tobytes() == value.tobytes(), path


@pytest.mark.parametrize("package", ["backlit", "sklearn", "safetensors"])
def test_the_bare_process_cannot_import(package):
    child = in_a_bare_process(f"import numpy, scipy.special\nimport {package}")
    assert child.returncode == 1
    assert "ModuleNotFoundError" in child.stderr.splitlines()[-1]


def test_the_cases_use_what_they_are_meant_to_use():
    used = {i.function.__name__ for one in CASES.values() for i in one.program.instructions}
    assert used >= {
        "add_at", "einsum", "where", "softmax", "logsumexp", "log_softmax", "softplus", "put",
        "expit", "erf", "gammaln", "cumprod", "sort", "solve", "svd", "cholesky", "getitem",
    }  # fmt: skip
