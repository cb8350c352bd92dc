"""Kernels by address: compiled by Numba once per machine, then loaded from a private folder.

What is kept is the object file that LLVM makes of a kernel, under a name that is a hash of all it
depends on, behind a checksum. Numba has a cache of its own, but it consists of pickles, and needs
Numba to be imported before anything is loaded. A kernel that is loaded from here needs LLVM only:
a process whose kernels are all there never imports Numba.

The machine code that runs is the same, byte for byte, in the process that compiled it and in those
that load it. No fault of the disk is an error: without a usable folder, or with a file that is not
what it should be, the kernel is compiled.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Sums may be reordered, so that they use the vector unit. Full fast mathematics would also let the
# compiler assume that nothing is ever NaN.
_REDUCTIONS = {"reassoc", "nsz"}

_lock = threading.Lock()
_addresses: dict[tuple[str, bool], int] = {}
_alive: list[Any] = []  # what owns the machine code: it must outlive every caller of an address
_compilations = 0
_library_numbers = itertools.count()


def available() -> bool:
    """Return whether Numba is installed, so that kernels can be compiled.

    Returns
    -------
    bool
        Found without importing Numba, which takes some tenths of a second.

    Examples
    --------
    >>> from backlit.execution.native import library
    >>> library.available()
    True
    """
    return find_spec("numba") is not None


def compilations() -> int:
    r"""Return how many kernels this process has compiled, not counting loaded ones.

    Returns
    -------
    int
        It stays the same when a kernel is asked for again.

    Examples
    --------
    >>> from backlit.execution.native import library
    >>> source = "def kernel(args, step):\n    return 0\n"
    >>> first = library.address(source)
    >>> before = library.compilations()
    >>> library.address(source) == first, library.compilations() - before
    (True, 0)
    """
    return _compilations


def address(source: str, *, reductions: bool = False) -> int:
    r"""Return the address of a kernel's machine code, compiled or loaded when it is new.

    The text is executed as a module: it must be generated text, never something that was read.

    Parameters
    ----------
    source : str
        A module that defines ``kernel``, a function of two 64-bit integers that returns a 32-bit
        integer, in what Numba compiles without Python objects. It imports nothing of Backlit from
        outside this package, on whose text the stored kernels depend.
    reductions : bool, default False
        Whether sums may be added up in another order than the one written.

    Returns
    -------
    int
        Of a C function ``int32_t (int64_t, int64_t)``, valid as long as the process lives.

    Raises
    ------
    ImportError
        If the kernel has to be compiled and Numba cannot be imported.
    numba.core.errors.NumbaError
        If Numba cannot compile the kernel.

    Examples
    --------
    >>> import ctypes
    >>> from backlit.execution.native import library
    >>> kernel = library.address("def kernel(args, step):\n    return args + step\n")
    >>> ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64)(kernel)(41, 1)
    42
    """
    with _lock:
        known = _addresses.get((source, reductions))
        if known is None:
            known = _loaded_or_compiled(source, reductions)
            _addresses[source, reductions] = known
        return known


def _loaded_or_compiled(source: str, reductions: bool) -> int:
    global _compilations
    name = _name(source, reductions)
    folder = _private_folder()
    stored = _read(folder, name) if folder else None
    if stored is not None:
        with suppress(RuntimeError):  # LLVM's, such as for a file that is another kernel's
            return _link(stored, name)

    callback = _compile(source, name, reductions)
    _compilations += 1
    code = _object_file(callback, name)
    try:
        linked = _link(code, name)
    except RuntimeError:
        # It calls into Numba or Python, as one that can raise does. Only Numba can link that.
        _alive.append(callback)
        return int(callback.address)
    if folder:
        _write(folder, name, code)
    return linked


def processor_features() -> dict[str, bool]:
    """Return which sets of instructions this processor has, by LLVM's names.

    Returns
    -------
    dict of str to bool
        Empty where LLVM does not know the processor.

    Examples
    --------
    >>> from backlit.execution.native import library
    >>> library.processor_features().get("no such instructions", False)
    False
    """
    return dict(_features())


def _features() -> Any:
    """Return LLVM's collection of features; an empty one for a processor that it does not know."""
    llvm = _llvm()
    try:
        return llvm.get_host_cpu_features()
    except RuntimeError:
        return llvm.FeatureMap()


# ---- machine code ------------------------------------------------------------------------------


def _name(source: str, reductions: bool) -> str:
    """Return a name that differs if anything does that the machine code depends on."""
    subject = repr((_circumstances(), reductions, source))
    return "kernel_" + hashlib.sha256(subject.encode()).hexdigest()


@cache
def _circumstances() -> str:
    """Return a hash of what the machine code of every kernel depends on."""
    llvm = _llvm()
    texts = sorted(
        (file.name, file.read_bytes())
        for file in files("backlit.execution.native").iterdir()
        if file.name.endswith(".py")
    )
    subject = (
        texts,
        version("numba"),
        version("llvmlite"),
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        _features().flatten(),
    )
    return hashlib.sha256(repr(subject).encode()).hexdigest()


def _compile(source: str, name: str, reductions: bool) -> Any:
    """Return Numba's C callback of a kernel."""
    from numba import cfunc

    module = {"__name__": name}
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module)
    decorate = cfunc(
        "int32(int64, int64)",
        error_model="numpy",  # divisions that do not raise are vectorised
        fastmath=_REDUCTIONS if reductions else False,
    )
    return decorate(module["kernel"])


def _object_file(callback: Any, name: str) -> bytes:
    """Return a relocatable object file whose one function for others is the kernel, so named."""
    llvm = _llvm()
    module = llvm.parse_assembly(callback.inspect_llvm())
    for function in module.functions:
        if function.name == callback.native_name:
            function.name = name
        elif not function.is_declaration:
            function.linkage = llvm.Linkage.internal

    # Numba's callback prints an exception of the kernel, by calls that need Numba. Once the kernel
    # is internal, LLVM sees whether it can raise at all, and drops them if it cannot.
    machine = _machine()
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return bytes(machine.emit_object(module))


def _link(code: bytes, name: str) -> int:
    """Return the address of the kernel in an object file, which is loaded for good."""
    builder = _llvm().JITLibraryBuilder()
    builder.add_object_img(code).add_current_process().export_symbol(name)
    library = builder.link(_linker(), f"{name}.{next(_library_numbers)}")
    _alive.append(library)
    return int(library[name])


@cache
def _machine() -> Any:
    llvm = _llvm()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features().flatten(),
        opt=3,
        # Code, constants and the C library may lie more than 2 GiB apart.
        reloc="static" if _is_x86() else "default",
        codemodel="jitdefault",
        jit=True,
    )


def _is_x86() -> bool:
    return str(_llvm().get_process_triple()).startswith(("x86_64", "i386", "i686"))


@cache
def _linker() -> Any:
    return _llvm().create_lljit_compiler(suppress_errors=True)  # it raises them, and prints as well


@cache
def _llvm() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


# ---- the folder --------------------------------------------------------------------------------


def _private_folder() -> Path | None:
    """Return the folder of kernels, made if need be, or None if there is none to be trusted."""
    cache_folder = _cache_folder()
    if cache_folder is None:
        return None
    folder = cache_folder / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except OSError:
        return None


def _cache_folder() -> Path | None:
    """Return ``$BACKLIT_CACHE``, or Backlit's folder among the user's caches, or None."""
    chosen = os.environ.get("BACKLIT_CACHE")
    if chosen:
        return Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:  # neither an environment variable nor the system's list of users names it
        return None
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "backlit" if caches.is_absolute() else None


def _is_private(status: os.stat_result) -> bool:
    """Return whether nobody else can write what this is the status of: it is run as code."""
    if sys.platform == "win32":
        return True  # the folder is in the user's profile, which others cannot write
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _read(folder: Path, name: str) -> bytes | None:
    """Return the stored object file of a kernel, or None if there is no whole one."""
    try:
        with open(folder / name, "rb") as file:
            content = file.read() if _is_private(os.fstat(file.fileno())) else b""
    except OSError:
        return None
    checksum, code = content[:32], content[32:]
    return code if checksum == hashlib.sha256(code).digest() else None


def _write(folder: Path, name: str, code: bytes) -> None:
    """Store the object file of a kernel, if the disk allows it.

    The file appears whole under its name: other processes may be reading or writing the same one.
    """
    with suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=folder)
        try:
            with open(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(temporary, folder / name)
        finally:
            with suppress(FileNotFoundError):  # it has its name by now
                os.unlink(temporary)
