import ctypes
import hashlib
import json
import math
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from backlit.execution.native import library

ADD = "def kernel(args, step):\n    return args + {}\n"

SUM = """
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

@intrinsic
def pointer(typing, address):
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))
    return types.voidptr(types.int64), generate

def kernel(args, step):
    given = carray(pointer(args), (3,), np.int64)
    terms = carray(pointer(given[1]), (given[0],), np.float32)
    total = np.float32(0)
    for i in range(given[0]):
        total += terms[i]
    carray(pointer(given[2]), (1,), np.float32)[0] = total
    return 0
"""

# Prints what is known of the kernels whose sources arrive as JSON, after the line that starts it.
PROCESS = """
import ctypes, json, sys
from backlit.execution.native import library
sources = json.loads(sys.stdin.readline())
print("ready", flush=True)
sys.stdin.readline()
call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)
statuses = [call(library.address(source))(40) for source in sources]
print(json.dumps([statuses, library.compilations(), "numba" in sys.modules]))
"""


class Other:
    """Another process that asks for kernels and calls each with the argument 40."""

    def __init__(self, sources, before=""):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", before + PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._process.stdin.write(json.dumps(sources) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n", self._process.stderr.read()

    def start(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def result(self):
        """Return the statuses, the number of compilations, and whether Numba was imported."""
        output, errors = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, errors
        assert errors == ""
        return json.loads(output)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKLIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def forget(monkeypatch):
    """Forget the kernels of this process, as the next process does."""
    return lambda: monkeypatch.setattr(library, "_addresses", {})


@pytest.fixture(autouse=True)
def nothing_known(forget):
    forget()


def call(address, argument):
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)(address)(argument)


def total(address, terms):
    result = np.zeros(1, np.float32)
    arguments = np.array([terms.size, terms.ctypes.data, result.ctypes.data], np.int64)
    assert call(address, arguments.ctypes.data) == 0
    return result[0]


def compiled_by(ask):
    before = library.compilations()
    ask()
    return library.compilations() - before


def only_file(folder):
    (file,) = folder.iterdir()
    return file


# ---- kernels ------------------------------------------------------------------------------------


def test_status_of_the_kernel_arrives(folder):
    address = library.address(ADD.format(2))
    assert [call(address, argument) for argument in (40, 0, -5)] == [42, 2, -3]


def test_kernel_reads_and_writes_memory_by_address(folder):
    terms = np.arange(1000, dtype=np.float32)
    assert total(library.address(SUM), terms) == 999 * 1000 / 2


def test_sum_is_in_the_order_written_unless_reductions_are_allowed(folder):
    # From 2**24 on, adding 1 to a single-precision number changes nothing.
    terms = np.ones(1024, np.float32)
    terms[0] = 2**24
    assert total(library.address(SUM), terms) == 2**24
    assert total(library.address(SUM, reductions=True), terms) > 2**24


def test_reductions_know_what_is_not_a_number(folder):
    source = (
        "def kernel(args, step):\n    ratio = 0.0 / args\n    return 7 if ratio != ratio else 8\n"
    )
    address = library.address(source, reductions=True)
    assert [call(address, argument) for argument in (0, 1)] == [7, 8]


def test_division_by_zero_is_not_an_exception(folder):
    source = "def kernel(args, step):\n    return 7 if 1.0 / args > 1e300 else 8\n"
    assert call(library.address(source), 0) == 7


def test_kernel_calls_the_mathematics_of_c_after_loading(folder, forget):
    source = "import math\ndef kernel(args, step):\n    return int(1000 * math.lgamma(args))\n"
    library.address(source)
    forget()
    assert compiled_by(lambda: library.address(source)) == 0
    assert call(library.address(source), 10) == int(1000 * math.lgamma(10))


def test_kernel_that_can_raise_works_but_is_not_stored(folder, forget):
    source = (
        "def kernel(args, step):\n    if args < 0:\n        raise ValueError\n    return args\n"
    )
    assert call(library.address(source), 5) == 5
    assert list(folder.iterdir()) == []
    forget()
    assert compiled_by(lambda: library.address(source)) == 1


# ---- once per process ---------------------------------------------------------------------------


def test_kernel_is_compiled_once_per_process(folder):
    addresses = []
    ask = lambda: addresses.append(library.address(ADD.format(3)))  # noqa: E731
    assert [compiled_by(ask) for _ in range(3)] == [1, 0, 0]
    assert len(set(addresses)) == 1


def test_threads_that_ask_at_once_get_one_kernel(folder):
    with ThreadPoolExecutor(8) as pool:
        before = library.compilations()
        addresses = set(pool.map(lambda _: library.address(ADD.format(4)), range(32)))
        assert library.compilations() == before + 1
    assert len(addresses) == 1


def test_number_of_kernels_does_not_disturb_any_of_them(folder):
    addresses = [library.address(ADD.format(n)) for n in range(12)]
    assert [call(address, 100) for address in addresses] == list(range(100, 112))


# ---- once per machine ---------------------------------------------------------------------------


def test_next_process_compiles_nothing_and_does_not_import_numba(folder):
    sources = [ADD.format(2), ADD.format(3)]
    for expected in ([42, 43], 2, True), ([42, 43], 0, False):
        other = Other(sources)
        other.start()
        assert other.result() == list(expected)


@pytest.mark.parametrize("number", [2, 4])
def test_processes_that_race_on_an_empty_cache_are_all_right(folder, number):
    sources = [ADD.format(n) for n in range(6)]
    # Half of them walk the list backwards, so that each finds both what is there and what is not.
    others = [Other(sources[:: 1 if n % 2 else -1]) for n in range(number)]
    for other in others:
        other.start()
    results = [sorted(other.result()[0]) for other in others]
    assert results == [[40, 41, 42, 43, 44, 45]] * number
    assert len(list(folder.iterdir())) == len(sources)

    last = Other(sources)
    last.start()
    assert last.result() == [[40, 41, 42, 43, 44, 45], 0, False]


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_another_version_of_the_compiler_compiles_anew(folder, forget, monkeypatch, package):
    library.address(ADD.format(5))
    forget()
    versions = {"numba": "1", "llvmlite": "1", package: "2"}
    try:
        compiled = []
        for known in {"numba": "1", "llvmlite": "1"}, versions:
            monkeypatch.setattr(library, "version", known.__getitem__)
            library._circumstances.cache_clear()
            forget()
            compiled.append(compiled_by(lambda: library.address(ADD.format(5))))
    finally:
        library._circumstances.cache_clear()
    assert compiled == [1, 1]


def test_another_text_of_what_kernels_import_compiles_anew(folder, forget, monkeypatch, tmp_path):
    monkeypatch.setattr(library, "files", lambda package: tmp_path)
    try:
        compiled = []
        for text in "a = 1", "a = 2", "a = 1":
            (tmp_path / "language.py").write_text(text)
            library._circumstances.cache_clear()
            forget()
            compiled.append(compiled_by(lambda: library.address(ADD.format(6))))
    finally:
        library._circumstances.cache_clear()
    assert compiled == [1, 1, 0]


# ---- faults of the disk -------------------------------------------------------------------------


def truncate(file):
    file.write_bytes(file.read_bytes()[:-7])


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def fill_at_random(file):
    file.write_bytes(random.Random(0).randbytes(2000))


def fill_with_no_machine_code_but_a_true_checksum(file):
    file.write_bytes(hashlib.sha256(b"text").digest() + b"text")


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize(
    "harm",
    [
        truncate,
        flip_a_bit,
        fill_at_random,
        fill_with_no_machine_code_but_a_true_checksum,
        empty,
        Path.unlink,
    ],
)
def test_harmed_file_is_replaced(folder, forget, harm):
    source = ADD.format(7)
    library.address(source)
    harm(only_file(folder))
    for expected in 1, 0:
        forget()
        assert compiled_by(lambda: library.address(source)) == expected
        assert call(library.address(source), 1) == 8


def test_file_of_another_kernel_is_never_run(folder, forget):
    library.address(ADD.format(8))
    wrong = only_file(folder).read_bytes()
    library.address(ADD.format(9))
    for file in folder.iterdir():
        file.write_bytes(wrong)
    forget()
    assert call(library.address(ADD.format(9)), 0) == 9


def test_folder_in_the_place_of_a_file_is_no_error(folder, forget):
    library.address(ADD.format(10))
    file = only_file(folder)
    file.unlink()
    file.mkdir()
    forget()
    assert call(library.address(ADD.format(10)), 0) == 10
    assert only_file(folder) == file


def test_file_in_the_place_of_the_folder_is_no_error(folder):
    folder.parent.mkdir()
    folder.write_text("mine")
    assert call(library.address(ADD.format(11)), 0) == 11
    assert folder.read_text() == "mine"


def test_full_disk_is_no_error_and_leaves_nothing(folder):
    pytest.importorskip("resource")
    limit = (
        "import resource\n"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))\n"
    )
    other = Other([ADD.format(2)], before=limit)
    other.start()
    assert other.result() == [[42], 1, True]
    assert list(folder.iterdir()) == []


def test_read_only_folder_is_no_error(folder, forget):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user can write everywhere")
    assert call(library.address(ADD.format(12)), 0) == 12
    assert list(folder.iterdir()) == []


# ---- which folder -------------------------------------------------------------------------------


def test_processor_that_llvm_does_not_know_is_no_error(folder):
    unknown = (
        "import llvmlite.binding as llvm\n"
        "def features():\n"
        "    raise RuntimeError('failed to get host cpu features.')\n"
        "llvm.get_host_cpu_features, llvm.get_host_cpu_name = features, lambda: ''\n"
        "from backlit.execution.native import products, tiles\n"
        "assert tiles.tiling() is None\n"  # products of matrices are BLAS's then
    )
    for compiled in (1, 0):
        other = Other([ADD.format(2)], before=unknown)
        other.start()
        assert other.result() == [[42], compiled, bool(compiled)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
@pytest.mark.parametrize("caches", [None, "caches"])
def test_folder_is_among_the_caches_of_the_user(tmp_path, monkeypatch, caches):
    monkeypatch.delenv("BACKLIT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if caches:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / caches))
    library.address(ADD.format(13))
    folder = tmp_path / (caches or ".cache") / "backlit" / "kernels"
    assert len(list(folder.iterdir())) == 1
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="there the home has another name")
def test_home_without_a_full_path_is_not_used(tmp_path, monkeypatch):
    for name in "BACKLIT_CACHE", "XDG_CACHE_HOME":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "here")
    monkeypatch.chdir(tmp_path)
    assert call(library.address(ADD.format(14)), 0) == 14
    assert list(tmp_path.iterdir()) == []


def test_user_without_a_home_is_no_error(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("BACKLIT_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert call(library.address(ADD.format(15)), 0) == 15


posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such permissions")


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_folder_that_others_can_write_is_neither_read_nor_written(folder, forget, mode):
    library.address(ADD.format(16))
    file = only_file(folder)
    folder.chmod(mode)
    forget()
    assert compiled_by(lambda: library.address(ADD.format(16))) == 1
    assert compiled_by(lambda: library.address(ADD.format(17))) == 1
    assert only_file(folder) == file


@posix
def test_file_that_others_can_write_is_not_used(folder, forget):
    library.address(ADD.format(18))
    only_file(folder).chmod(0o666)
    forget()
    assert compiled_by(lambda: library.address(ADD.format(18))) == 1


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give away"
)
def test_folder_of_another_user_is_not_used(folder, forget):
    library.address(ADD.format(19))
    os.chown(folder, 54321, -1)
    forget()
    assert compiled_by(lambda: library.address(ADD.format(19))) == 1


# ---- without Numba ------------------------------------------------------------------------------


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_backlit_is_imported_without_numba_and_llvm():
    code = (
        "import sys, backlit\n"
        "from backlit.execution.native import library\n"
        "print(library.available(), 'numba' in sys.modules, 'llvmlite' in sys.modules)"
    )
    assert run(code) == "True False False\n"


def test_library_is_not_available_without_numba():
    code = (
        "import sys\nsys.modules['numba'] = None\n"
        "from backlit.execution.native import library\nprint(library.available())"
    )
    assert run(code) == "False\n"
