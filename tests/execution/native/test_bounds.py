"""No kernel touches a byte that it was not given.

Kernels have raw pointers and nobody who looks where they lead. Here their sources are run as plain
Python, with stand-ins for what they import that look: an address must lie in a place that the work
reads or writes, in a captured array, or in an array bound from outside; an index must be one of the
view's; and only what the work writes may be stored to. Tasks of a phase are run in a random order,
and memory that no step has written yet is full of NaN, so that who reads it is found out.
"""

import ast
import ctypes
import math
import re
from contextlib import contextmanager
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array

import backlit
from backlit.autodiff.recording import expand
from backlit.execution.native import phases, products, tiles
from backlit.execution.native.calls import Call
from backlit.execution.native.elementwise import EXPRESSIONS
from backlit.execution.native.executor import Executable, Table, check
from backlit.execution.native.places import Buffer, Place
from backlit.execution.native.products import gemm_address
from backlit.functions import softmax
from backlit.networks import Network
from backlit.networks.activations import ACTIVATIONS
from backlit.networks.losses import LOSSES
from backlit.program import tree
from backlit.training import Adam, Nesterov, Penalties, train

rng = np.random.default_rng(0)

# ----- What kernels import, with eyes ------------------------------------------------------------


class View:
    """Numbers in memory, by positions from 0 up to their count."""

    def __init__(self, numbers, writable):
        self.numbers, self.writable = numbers, writable

    def __getitem__(self, position):
        assert 0 <= position < len(self.numbers), f"position {position} of {len(self.numbers)}"
        return self.numbers[position]

    def __setitem__(self, position, number):
        assert self.writable, "a store to what is only read"
        assert 0 <= position < len(self.numbers), f"position {position} of {len(self.numbers)}"
        self.numbers[position] = number


class Memory:
    """Where a kernel may read, and where it may write: [first byte, last byte) each."""

    def __init__(self):
        self.readable, self.writable = [], []

    def array(self, address, count, kind, *, write=False):
        """Return the numbers at an address, of which all bytes must be allowed."""
        first, last = int(address), int(address) + count * np.dtype(kind).itemsize
        allowed = self.writable if write else self.readable + self.writable
        assert count == 0 or any(start <= first and last <= end for start, end in allowed), (
            f"bytes {first} to {last} are none of {allowed}"
        )
        pointed = {"data": (first, not write), "shape": (count,), "version": 3}
        pointed["typestr"] = np.dtype(kind).str
        return np.asarray(type("Pointed", (), {"__array_interface__": pointed})())

    def carray(self, address, shape, kind):
        """Return the view that a kernel asks for; a store to it is looked at when it comes."""
        (count,) = shape
        kind = np.uint8 if kind is bool else kind
        last = int(address) + int(count) * np.dtype(kind).itemsize
        writable = any(start <= int(address) and last <= end for start, end in self.writable)
        return View(self.array(address, int(count), kind, write=writable), writable)

    def multiply(self, gemm, block):
        """Multiply as BLAS does, column by column, after a look at all that it would touch."""
        kind = {gemm_address(name): np.dtype(name) for name in ("float32", "float64")}[int(gemm)]
        given = self.array(block, 13, np.int64)
        across, other_across = (bytes(self.array(given[k], 1, np.uint8)) for k in (0, 1))
        m, n, k = (int(self.array(given[j], 1, np.int32)[0]) for j in (2, 3, 4))
        alpha, beta = (self.array(given[j], 1, kind)[0] for j in (5, 10))
        matrices = []
        for data, leading, flag, rows, columns in (
            (6, 7, across, m, k), (8, 9, other_across, k, n), (11, 12, b"n", m, n)
        ):  # fmt: skip
            assert flag in (b"n", b"t")
            rows, columns = (rows, columns) if flag == b"n" else (columns, rows)
            apart = int(self.array(given[leading], 1, np.int32)[0])
            assert apart >= max(1, rows), "BLAS refuses such a leading dimension"
            lines = [
                self.array(given[data] + j * apart * kind.itemsize, rows, kind, write=data == 11)
                for j in range(columns)
            ]
            matrices.append((lines, flag))
        (a, b, (c, _)) = matrices
        left, right = (np.array(x).T if flag == b"n" else np.array(x) for x, flag in (a, b))
        assert (alpha, beta) == (1, 0)
        for line, result in zip(c, (left @ right).T, strict=True):
            line[:] = result
        return 0

    def stack(self, size):
        """Return memory of the kernel's own, full of what is NaN as numbers."""
        self.own = np.full(size, 255, np.uint8)
        first = self.own.ctypes.data
        self.writable.append((first, first + size))
        return first

    def copy_row(self, count, source, target, zero):
        """Copy numbers."""
        row = self.array(source, count, type(zero)).copy()
        self.array(target, count, type(zero), write=True)[:] = row

    def transpose_tile(self, count, source, across, target, along, zero):
        """Transpose rows of as many numbers."""
        rows = [self.array(source + j * across, count, type(zero)).copy() for j in range(count)]
        for j, row in enumerate(np.array(rows).T):
            self.array(target + j * along, count, type(zero), write=True)[:] = row

    def multiply_rows(
        self, rows, fewer, lanes, count, depth, adds, a, a_row, a_column, b, b_row, c, c_row, zero
    ):
        """Multiply, after a look at all that it would touch."""
        kind = type(zero)
        size = np.dtype(kind).itemsize
        left = self.matrix(a, (count, depth), (a_row, a_column), kind)
        right = self.matrix(b, (depth, lanes), (b_row, size), kind)
        result = self.matrix(c, (count, lanes), (c_row, size), kind, write=True)
        result[:] = left @ right + (result if adds else 0)

    def matrix(self, address, shape, strides, kind, *, write=False):
        """Return a matrix, all of whose numbers must lie in one piece of memory."""
        reach = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
        assert min(reach) >= 0
        whole = self.array(address, sum(reach) // np.dtype(kind).itemsize + 1, kind, write=write)
        return np.lib.stride_tricks.as_strided(whole, shape, strides)


@cache
def elementary_functions():
    """Return NumPy's and SciPy's functions by the names that kernels have for them."""
    found = {}
    for function, template in EXPRESSIONS.items():
        name = re.fullmatch(r"(\w+)\(\{0\}(, \{1\})?\)", template)
        if name and name[1] not in ("abs", "bool"):
            found[name[1]] = function
    return found


class PlainTruth(ast.NodeTransformer):
    """Let comparisons be Python's truth values, which are integers in sums as Numba's are."""

    def visit_Compare(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("bool", ast.Load()), [node], [])


@cache
def compiled(source):
    body = ast.parse(source).body
    kept = ast.Module([node for node in body if not isinstance(node, ast.ImportFrom)], [])
    module = ast.fix_missing_locations(PlainTruth().visit(kept))
    return compile(module, "<kernel>", "exec")


def body_of(source, memory):
    """Return a kernel as a function of Python."""
    kinds = ("float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64")
    names = {kind: getattr(np, kind) for kind in kinds}
    names |= {"bool_": bool, "pointer": lambda address: address, "np": np, "math": math}
    ours = ("carray", "copy_row", "multiply", "multiply_rows", "stack", "transpose_tile")
    names |= {name: getattr(memory, name) for name in ours}
    names |= elementary_functions()
    exec(compiled(source), names)
    return names["kernel"]


def extent(place, address):
    """Return the bytes in memory that a place has, by the address of its first element."""
    reach = [
        (length - 1) * stride * place.dtype.itemsize
        for length, stride in zip(place.shape, place.strides, strict=True)
    ]
    first = address + sum(r for r in reach if r < 0)
    return first, address + sum(r for r in reach if r > 0) + place.dtype.itemsize


class Looked:
    """Tables that run in Python, looking at each access; and how much they have looked at."""

    def __init__(self):
        self.bound, self.bases, self.kernels = {}, {}, set()
        self.order = np.random.default_rng(1)

    def bind(self, table, buffer, array):
        self.bound.setdefault(table, {})[buffer] = array
        compiled_bind(table, buffer, array)

    def run(self, table, steps, n_threads=1, *, flush=False):
        works = [[task.works for task in phase] for phase in table.phases]
        numbers = iter(range(len(table.calls)))
        numbered = [[[(work, next(numbers)) for work in task] for task in p] for p in works]
        with np.errstate(all="ignore"):
            for step in range(steps):
                table.arena[:] = 255  # as numbers, these bytes are NaN
                for phase in numbered:
                    for task in self.order.permutation(len(phase)):
                        for work, number in phase[task]:
                            if self.call(table, work, number, step):
                                raise IndexError("an index in the data of a program is not right")

    def call(self, table, work, number, step):
        call, memory = table.calls[number], Memory()
        first = int(table.starts[number])
        words = table.words[first : first + len(call.arguments)]
        here = words.ctypes.data
        memory.readable.append((here, here + words.nbytes))
        for argument, word in zip(call.arguments, words.tolist(), strict=True):
            if not isinstance(argument, Place):
                continue
            array = argument.buffer.array
            if array is None:
                array = self.bound.get(table, {}).get(argument.buffer)
            base = self.base(table, argument, word) if array is None else array.ctypes.data
            assert word == base + argument.offset, "a word is not the address of its place"
            whole = argument.buffer.array is not None or not argument.buffer.size
            span = (base, base + array.nbytes) if whole else extent(argument, word)
            kept = any(place.buffer is argument.buffer for place in work.writes)
            (memory.writable if kept else memory.readable).append(span)
        self.kernels.add(call.source)
        return body_of(call.source, memory)(here, step)

    def base(self, table, place, word):
        """Return where a buffer in the arena begins: for all who read or write it in one place."""
        base = self.bases.setdefault((table, place.buffer), word - place.offset)
        start = table.arena.ctypes.data
        assert start <= base and base + place.buffer.size <= start + table.arena.nbytes
        return base


compiled_bind = Table.bind


@contextmanager
def looked_at():
    """Run kernels as Python, with a look at what they touch."""
    looked = Looked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "bind", lambda *given: looked.bind(*given))
        patch.setattr(Table, "run", lambda *given, **named: looked.run(*given, **named))
        yield looked


@contextmanager
def finely_cut():
    """Cut whatever can be cut, however small."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ENOUGH_SECONDS", "PART_SECONDS", "CALL_SECONDS", "MEETING_SECONDS"):
            patch.setattr(phases, name, 1e-12)
        patch.setattr(phases, "NARROW", 1)
        yield


# ----- Training steps ----------------------------------------------------------------------------

x = rng.normal(size=(11, 4))
CLASSES = rng.integers(0, 2, 11)
NUMBERS = rng.normal(size=(11, 2))
# Of the largest weight. The same arithmetic in another order of sums, and functions that differ in
# their last bits; some steps of an optimizer that divides by small numbers make that more.
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def targets(network):
    if network.targets == "classes":
        return CLASSES
    y = NUMBERS[:, : network.outputs]
    return {"labels": y > 0, "counts": np.abs(y)}.get(network.targets, y).astype(float)


def both(network, inputs=x, y=None, **settings):
    """Train by compiled kernels and by looked at ones, cut and whole, and compare."""
    part = (inputs, targets(network) if y is None else y)
    dense = part if isinstance(inputs, np.ndarray) else (inputs.toarray(), part[1])
    settings = {"epochs": 1, "batch_size": 4, "engine": "native", "dtype": "float64", **settings}
    expected = train(network, part, dense, **settings)
    kernels = set()
    for cut in (False, True):
        with looked_at() as looked:
            if cut:
                with finely_cut():
                    found = train(network, part, dense, **settings)
            else:
                found = train(network, part, dense, **settings)
        tolerance = TOLERANCE[settings["dtype"]]
        largest = np.max(np.abs(expected.state.theta))
        assert np.max(np.abs(found.state.theta - expected.state.theta)) <= tolerance * largest
        assert found.epochs[-1].validation_loss == pytest.approx(
            expected.epochs[-1].validation_loss, rel=tolerance
        )
        kernels |= looked.kernels
    return kernels


def used(kernels, text):
    return any(text in source for source in kernels)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_steps_with_every_activation_stay_in_their_places(activation):
    kernels = both(Network(4, (6, 5), 2, activation), optimizer=Nesterov(0.05))
    assert used(kernels, "multiply_rows(") and used(kernels, "order[j]")


@pytest.mark.parametrize("loss", LOSSES)
def test_steps_with_every_loss_stay_in_their_places(loss):
    both(Network(4, (6,), 1 if loss == "binary_log_loss" else 2, "tanh", loss))


def test_steps_with_dropout_penalties_and_float32_stay_in_their_places():
    both(Network(4, (6,), 2, dropout=0.3), dtype="float32")
    both(Network(4, (6,), 2), penalties=Penalties(l1=0.01, l2=0.02, clip_norm=0.5))
    both(Network(4, (), 2, loss="squared_loss"), optimizer=Adam(weight_decay=0.1), dtype="float32")
    both(Network(4, (6,), 2), batch_size=1)
    both(Network(4, (6,), 2), batch_size=11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("tiles_are", [None, tiles.NARROW, tiles.WIDE])
def test_products_of_all_sizes_stay_in_their_places(monkeypatch, dtype, across, tiles_are):
    monkeypatch.setattr(products, "tiling", lambda: tiles_are)  # none: by BLAS
    monkeypatch.setattr(tiles, "DEPTH", 24)  # so that sums are made in several parts
    monkeypatch.setattr(products, "PANEL_BYTES", 2000)
    for m, k, n in [*product(ROWS, (1, 9), (1, 40)), *product((1, 31), DEPTHS, COLUMNS)]:
        a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
        given = [np.ascontiguousarray(x.T) if across else x for x in (a, b)]

        def multiply(a, b):
            return a.T @ b.T if across else a @ b

        executable = Executable(expand(backlit.record(multiply, *given)))
        with looked_at() as looked:
            found = executable.run(*given)
        assert used(looked.kernels, "multiply_rows(" if tiles_are else "multiply(")
        # Each sum has k terms, each rounded, and is rounded as often.
        tolerance = 2 * k * np.finfo(dtype).eps * (abs(a) @ abs(b))
        assert np.all(abs(found - a @ b) <= tolerance)
        assert np.all(abs(executable.run(*given) - a @ b) <= tolerance)


ROWS = (1, 2, 3, 5, 6, 7, 8, 9, 11, 25)
DEPTHS = (1, 7, 8, 15, 24, 51)
COLUMNS = (1, 2, 3, 7, 8, 10, 15, 16, 17, 26, 40)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_with_sparse_rows_stay_in_their_places(index, dtype):
    dense = np.where(rng.random((11, 9)) < 0.3, rng.normal(size=(11, 9)), 0)
    dense[0] = dense[-1] = 0  # rows that have nothing, at both ends
    sparse = csr_array(dense)
    sparse.indices, sparse.indptr = sparse.indices.astype(index), sparse.indptr.astype(index)
    kernels = both(Network(9, (6,), 2), sparse, dtype=dtype)
    assert used(kernels, f"(2,), {index.__name__})")


# ----- Programs ----------------------------------------------------------------------------------

A, B = rng.normal(size=(2, 5, 6))
C = rng.normal(size=(3, 4, 5))
K = rng.integers(0, 6, (5, 1))
PROGRAMS = {
    "views": (lambda x: (x[::2, ::-1] * 2, np.transpose(x)[1:4] + 1, x[:, 2:3] * x), A),
    "broadcast": (lambda x, y: x[:, :1] * y + y[0], A, B),
    "an element": (lambda x, y: y - x[2, 3], A, B),
    "rows": (lambda x: (np.sum(x, axis=1), np.max(x, axis=0), np.mean(x), np.prod(x)), A),
    "three axes": (lambda x: (np.sum(x, axis=(0, 2)), np.min(x, axis=1), np.max(x)), C),
    "a long sum": (lambda x: np.sum(x, axis=1), rng.normal(size=(2, 2100))),
    "joined": (lambda x, y: np.concatenate([x[1:] * 2, y[:1], y], axis=0), A, B),
    "joined columns": (lambda x, y: np.concatenate([x * 2, y @ y.T, x[:, :2]], axis=1), A, B),
    "products": (lambda x, y: (x @ y.T @ x, x.T @ y, x[0] @ y[1], x[::2, 1:4] @ y[:3]), A, B),
    "a stack of products": (lambda x: x @ np.transpose(x, (0, 2, 1)), C),
    "picks": (lambda x, k: np.take_along_axis(x, k, 1) * 2, A, K),
    "known picks": (lambda x: x[[0, 3, -1], [1, -6, 5]] + 1, A),
    "running": (lambda x: (np.cumsum(x, axis=0), np.cumprod(x, axis=1), np.cumsum(x)), A),
    "truth": (lambda x, y: (np.where(x > y, x, 2.0), (x > 0) & (y < 1), np.any(x > 0, 0)), A, B),
    "softmax": (lambda x: (softmax(x, 0), softmax(x, 1)), A),
    "a gradient": (lambda x: backlit.grad(lambda x: np.sum(softmax(np.tanh(x), -1) ** 2))(x), A),
    "one number": (lambda x: np.exp(x) * 2 + x, np.array(0.5)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_stay_in_their_places(name, dtype):
    f, *arguments = PROGRAMS[name]
    arguments = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arguments]
    program = expand(backlit.record(f, *arguments))
    expected = tree.leaves(backlit.run(program, *arguments))
    for _ in range(2):
        with looked_at():
            found = tree.leaves(Executable(program).run(*arguments))
        with looked_at(), finely_cut():
            cut = tree.leaves(Executable(program).run(*arguments))
        for ours, again, theirs in zip(found, cut, expected, strict=True):
            # Sums in another order: some units in the last place of the largest number.
            tolerance = 50 * np.finfo(dtype).eps * np.max(np.abs(theirs), initial=0)
            assert np.allclose(ours, theirs, rtol=0, atol=tolerance)
            assert np.allclose(again, theirs, rtol=0, atol=tolerance)


# ----- What looks in the house itself ------------------------------------------------------------


def test_a_place_beyond_its_buffer_is_refused():
    buffer = Buffer(40)
    for place, bytes_ in (
        (Place(buffer, 8, (5,), (1,), np.dtype(float)), "8 to 48"),
        (Place(buffer, 0, (2, 3), (3, 1), np.dtype(float)), "0 to 48"),
        (Place(buffer, 16, (4,), (-1,), np.dtype(float)), "-8 to 24"),
    ):
        with pytest.raises(ValueError) as error:
            check([Call("", [1, place])], set())
        assert str(error.value) == (
            f"call 0 of a table reaches from byte {bytes_} of a buffer of 40 bytes"
        )
    check([Call("", [Place(buffer, 32, (5,), (-1,), np.dtype(float))])], set())


def test_an_index_in_the_data_that_is_out_of_range_is_an_error_and_a_negative_one_counts():
    program = expand(backlit.record(lambda x, k: np.take_along_axis(x, k, 1), A, K))
    executable = Executable(program)
    assert np.array_equal(executable.run(A, K - 6), np.take_along_axis(A, K, 1))
    for wrong in (6, -7, 2**62, -(2**62)):
        k = K.copy()
        k[3] = wrong
        with pytest.raises(IndexError, match="an index in the data of a program is out"):
            executable.run(A, k)
        with pytest.raises(IndexError, match="an index in the data of a program is out"):
            executable.table.alone()()
    assert np.array_equal(executable.run(A, K), np.take_along_axis(A, K, 1))


@pytest.mark.parametrize("fault", ["beyond", "before", "read only", "leading"])
def test_the_eyes_here_see(monkeypatch, fault):
    monkeypatch.setattr(products, "tiling", lambda: None)
    executable = Executable(expand(backlit.record(lambda x, y: (x @ y.T) * 2, A, B)))
    table = executable.table
    assert len(table.calls) == 2  # the product, and the loop over its elements
    loop = int(table.starts[1])
    gemm = table.words[int(table.starts[0]) : loop]
    with looked_at():
        executable.run(A, B)
        if fault == "beyond":
            table.words[loop] += 1
        elif fault == "before":
            table.words[loop + 1] -= 8
        elif fault == "read only":
            gemm[12] = gemm[7]  # the result over an operand
        else:
            ctypes.c_int32.from_address(int(gemm[13])).value += 4
        with pytest.raises(AssertionError):
            table.run(1)


# The words of the kernel for tiles: what is wrong with each, and by how much.
TILES = {"rows": (0, 1), "depth": (1, 1), "columns": (2, 1), "a step": (7, 8), "read only": (9, 0)}


@pytest.mark.parametrize("fault", TILES)
def test_the_eyes_see_tiles(fault):
    executable = Executable(expand(backlit.record(lambda x, y: x @ y, A, B.T)))
    (word, more), words = TILES[fault], executable.table.words
    with looked_at():
        executable.run(A, B.T)
        words[word] = words[word] + more if more else words[3]
        with pytest.raises(AssertionError):
            executable.table.run(1)
