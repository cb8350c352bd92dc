"""Run a recorded program by the engine that is asked for, and tell what an engine makes of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

from backlit.autodiff.errors import TraceError
from backlit.autodiff.recording import expand, record
from backlit.execution import reference
from backlit.execution.blas import one_thread
from backlit.program.program import Program
from backlit.program.simplify import fold_constants

Engine: TypeAlias = Literal["reference", "native"]

# What has been made ready for the native engine, or None if that cannot be; as long as somebody
# has the program.
_prepared: WeakKeyDictionary[Program, Any] = WeakKeyDictionary()


def run(
    program: Program,
    *arguments: Any,
    engine: Engine = "reference",
    n_threads: int | None = None,
) -> Any:
    """Run a program.

    Parameters
    ----------
    program : Program
    *arguments
        In the structure, shapes and dtypes that the program was recorded with.
    engine : {"reference", "native"}, default "reference"
        NumPy, one instruction at a time; or compiled kernels, which are made ready at the first
        call with the program (what it has captured is then taken as it is at that moment).
        `explain_engine` tells what they do.
    n_threads : int, optional
        The most that the native engine uses; by default as many as there are processors. The
        results are the same bits for any number.

    Returns
    -------
    The program's outputs, in the structure that the recorded function returned.

    Raises
    ------
    ValueError
        If an argument is missing or has another structure, shape or dtype; the engine is unknown;
        or there are no such threads.

    Warns
    -----
    UserWarning
        Once for a program that the native engine cannot run: which instruction is the cause. The
        reference engine then runs it.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> program = backlit.record(lambda x: np.sum(x * x), np.ones(2))
    >>> float(backlit.run(program, np.array([3.0, 4.0])))
    25.0
    >>> float(backlit.run(program, np.array([3.0, 4.0]), engine="native"))
    25.0
    """
    if engine not in ("reference", "native"):
        raise ValueError(f"run: engine must be 'reference' or 'native', not {engine!r}")
    if n_threads is not None and (type(n_threads) is not int or n_threads < 1):
        raise ValueError(f"run: n_threads must be 1 or more and whole, not {n_threads!r}")
    if engine == "reference":
        return reference.run(program, *arguments)
    from backlit.execution.native.threads import default_threads

    if program not in _prepared:
        explanation = explain_engine(program)
        if explanation.engine == "reference":
            warnings.warn(
                f"the native engine cannot run {program.name}, and the reference engine does: "
                f"{explanation.reason}",
                stacklevel=2,
            )
        _prepared[program] = explanation.executable
    executable = _prepared[program]
    if executable is None:
        return reference.run(program, *arguments)
    with one_thread("scipy"):
        return executable.run(*arguments, n_threads=n_threads or default_threads())


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the native engine makes of a program; ``print`` it to read it.

    Attributes
    ----------
    engine : {"reference", "native"}
        Who runs it, if the native engine is asked for.
    reason : str
        Why the native engine cannot; empty if it can.
    programs : dict of str to Program
        The program before and after each pass that prepares it, by the pass's name.
    kernels : dict of str to int
        How many kernels of each kind are called.
    phases : list of int
        In how many parts the work of each phase is cut: threads meet after each.
    arena : int
        The bytes of memory for what lies between inputs and outputs.
    seconds : float
        How long one run takes on one core, roughly.
    executable : Executable or None
        What `run` runs.
    """

    engine: Engine
    reason: str = ""
    programs: dict[str, Program] = field(default_factory=dict)
    kernels: dict[str, int] = field(default_factory=dict)
    phases: list[int] = field(default_factory=list)
    arena: int = 0
    seconds: float = 0.0
    executable: Any = None

    def __str__(self) -> str:
        if self.engine == "reference":
            return f"reference engine: {self.reason}"
        counts = ", ".join(
            f"{len(program.instructions)} {name}" for name, program in self.programs.items()
        )
        calls = ", ".join(f"{count} {name}" for name, count in self.kernels.items())
        cut = (
            "one thread: the work is too little for more"
            if len(self.phases) == 1
            else f"{len(self.phases)} phases, of {', '.join(map(str, self.phases))} parts"
        )
        return "\n".join(
            [
                "native engine",
                f"  instructions  {counts}",
                f"  kernels       {calls}",
                f"  threads       {cut}",
                f"  memory        {self.arena} bytes beside inputs and outputs",
                f"  time          about {1e6 * self.seconds:.3g} microseconds on one core",
            ]
        )


def explain_engine(program: Program | Callable[..., Any], *arguments: Any) -> Explanation:
    """Tell how the native engine runs a program, or which instruction it cannot run.

    Parameters
    ----------
    program : Program or callable
        A function is recorded first, with the arguments.
    *arguments
        Of the function.

    Returns
    -------
    Explanation

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> explanation = backlit.explain_engine(lambda A: np.linalg.det(A), np.eye(3))
    >>> explanation.engine, explanation.reason.rpartition(": ")[2]
    ('reference', 'no native kernel runs det(float64 (3, 3))')
    >>> explanation = backlit.explain_engine(lambda x: np.sum(np.tanh(x) ** 2), np.ones(100))
    >>> explanation.kernels
    {'loop': 1, 'reduction': 1}
    """
    if not isinstance(program, Program):
        program = record(program, *arguments)
    if find_spec("numba") is None:
        return Explanation("reference", "Numba is not installed")
    from backlit.execution.native.calls import UnsupportedError
    from backlit.execution.native.executor import Executable

    programs = {"recorded": program}
    try:
        programs["with composites written out"] = expanded = expand(program)
        programs["with constants folded"] = folded = fold_constants(expanded)
        executable = Executable(folded)
    except (UnsupportedError, TraceError, ImportError) as error:
        return Explanation("reference", str(error), programs)
    table = executable.table
    works = [work for phase in table.phases for task in phase for work in task.works]
    return Explanation(
        "native",
        programs=programs,
        kernels=dict(Counter(type(work).__name__.lower() for work in works)),
        phases=[len(phase) for phase in table.phases],
        arena=len(table.arena),
        seconds=table.seconds,
        executable=executable,
    )
