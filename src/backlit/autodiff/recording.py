"""From a function to a program, and from a program to the program with its backward pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backlit.autodiff.derivatives import vjp
from backlit.autodiff.errors import TraceError
from backlit.autodiff.pullback import Argnums
from backlit.autodiff.shorter import CASTS, applied, simpler
from backlit.autodiff.tape import RecordingTape
from backlit.autodiff.traced import Traced, TracedArray, TracedScalar
from backlit.autodiff.transcript import Transcript
from backlit.execution.reference import bind, evaluate
from backlit.program import tree
from backlit.program.printing import value_names
from backlit.program.program import Program
from backlit.program.simplify import simplify
from backlit.program.values import Value

# How often functions may be put in the place of others before that is taken to go on for ever.
DEEPEST = 25


def record(f: Callable[..., Any], *arguments: Any) -> Program:
    """Run ``f`` once and write down what it computed, as a program.

    Parameters
    ----------
    f : callable
        A function written in NumPy.
    *arguments : arrays, floats, or nested tuples, lists and dicts of these
        Examples: the program holds for their shapes and dtypes. Integers and booleans that are
        not arrays, strings and ``None`` are taken as fixed.

    Returns
    -------
    Program
        ``print`` it to read it as NumPy source, `run` it on other arrays of the same shapes, or
        give it to `backward`.

    Raises
    ------
    TraceError
        If ``f`` branches on a value, or does what NumPy does not let us see; the message names
        the line.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> def loss(w, x):
    ...     y = np.tanh(x * w)
    ...     return np.sum(y**2)
    >>> program = backlit.record(loss, 0.5, np.ones(3))
    >>> program
    <Program loss: 2 inputs, 4 instructions, 1 outputs>
    """
    return simplify(_record(f, arguments))


def backward(program: Program, argnums: Argnums = 0) -> Program:
    """Write the backward pass of a program.

    Parameters
    ----------
    program : Program
    argnums : int or sequence of int, default 0
        The arguments to differentiate by.

    Returns
    -------
    Program
        Its results are ``(outputs, gradients)``. If the program's output is one scalar, it has
        the program's arguments. Otherwise it has one more, the adjoint of the outputs: for the
        loss of each example, the weight of each example.

    Raises
    ------
    TraceError
        If an instruction has no rule, or an argument is not floating-point.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> step = backlit.backward(backlit.record(lambda x: np.sum(x**2), np.ones(2)))
    >>> backlit.run(step, np.array([3.0, 4.0]))
    (np.float64(25.0), array([6., 8.]))
    """
    outputs = program.output_values()
    scalar = isinstance(program.outputs, Value) and program.outputs.shape == ()
    single = isinstance(argnums, int)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    arguments = tree.fill(program.arguments, iter(_example_leaves(program)))
    for value in outputs:
        if value.dtype is None or value.dtype.kind != "f":
            raise TraceError(
                f"backward: {program.name} has an output of dtype {value.dtype}, and only "
                "floating-point values have a gradient; record a function that returns its loss"
            )

    def with_backward(*given: Any) -> Any:
        own = given if scalar else given[:-1]
        tape: Any = next(leaf._tape for leaf in tree.leaves(given) if isinstance(leaf, Traced))
        chosen = [own[position] for position in wanted]

        def of_chosen(*differentiated: Any) -> Any:
            filled = list(own)
            for position, argument in zip(wanted, differentiated, strict=True):
                filled[position] = argument
            return _replay(program, filled, tape)

        value, pullback = vjp(of_chosen, *chosen)
        gradients = pullback(np.ones_like(value) if scalar else given[-1])
        return value, gradients[0] if single else gradients

    seeds = () if scalar else (
        tree.map_leaves(lambda value: np.ones(value.shape, value.dtype), program.outputs),
    )  # fmt: skip
    with_backward.__name__ = program.name
    return simplify(_record(with_backward, (*arguments, *seeds), program))


def extend(program: Program, further: Callable[[Callable[[Value], Any]], Any]) -> Program:
    """Add outputs to a program that are computed from its values on the way.

    Parameters
    ----------
    program : Program
    further : callable
        ``further(find)`` returns the outputs to add, a tree of arrays computed in NumPy;
        ``find(value)`` is the array that the program computes for one of its values.

    Returns
    -------
    Program
        Its results are ``(outputs, further outputs)``. The instructions of the first program are
        all there, so that its own outputs are the same to the bit.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> from backlit.autodiff.recording import extend
    >>> program = backlit.record(lambda x: np.sum(np.exp(x)), np.zeros(3))
    >>> largest = extend(program, lambda find: np.max(find(program.instructions[0].output)))
    >>> backlit.run(largest, np.array([0.0, 1.0, 0.0]))
    (np.float64(4.718281828459045), np.float64(2.718281828459045))
    """

    def with_further(*given: Any) -> Any:
        tape: Any = next(leaf._tape for leaf in tree.leaves(given) if isinstance(leaf, Traced))
        values = _replayed(program, given, tape)
        outputs = tree.map_leaves(values.__getitem__, program.outputs)
        return outputs, further(values.__getitem__)

    with_further.__name__ = program.name
    arguments = tree.fill(program.arguments, iter(_example_leaves(program)))
    return simplify(_record(with_further, arguments, program, _Silent))


def expand(program: Program) -> Program:
    """Replace each composite, and each longer function of NumPy, by shorter ones.

    The results are the same but for rounding. What has no shorter form stays (`shorter`).

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
        Another program with the same inputs and the same outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> from backlit.autodiff.recording import expand
    >>> from backlit.functions import softmax
    >>> program = backlit.record(softmax, np.ones(3))
    >>> len(program.instructions), len(expand(program).instructions)
    (1, 5)
    """
    replaced: list[str] = []

    def one_level(*given: Any) -> Any:
        values = bind(program, given)
        tape: Any = next(leaf._tape for leaf in tree.leaves(given) if isinstance(leaf, Traced))
        last = program.last_read()
        for instruction in program.instructions:
            body = simpler(instruction.function)
            found: Any = NotImplemented
            if body is not None:
                shorter = replace(instruction, function=partial(applied, body, instruction.output))
                tape.expanded = instruction
                found = evaluate(shorter, values)
                tape.expanded = None
            if found is NotImplemented:
                tape.replayed = instruction
                evaluate(instruction, values)
                tape.replayed = None
            else:
                replaced.append(instruction.function.__name__)
            del found  # for large networks, all values together would be many times the parameters
            for value in last.get(instruction.output, ()):
                del values[value]
        return tree.map_leaves(values.__getitem__, program.outputs)

    one_level.__name__ = program.name
    arguments = tree.fill(program.arguments, iter(_example_leaves(program)))
    for _ in range(DEEPEST):
        if not any(simpler(i.function) for i in program.instructions):
            break
        replaced.clear()
        with np.errstate(all="ignore"):
            shorter = _record(one_level, arguments, program, _Silent)
        if not replaced:
            break
        program = simplify(shorter)
    else:
        raise RuntimeError(
            f"expand: {', '.join(sorted(set(replaced)))} came up again after {DEEPEST} rounds; a "
            "body in backlit.autodiff.shorter must be made of shorter functions than its own"
        )
    instructions = [
        replace(i, function=np.astype) if i.function in CASTS else i for i in program.instructions
    ]
    return replace(program, instructions=instructions)


def _replay(program: Program, arguments: list[Any], tape: RecordingTape) -> Any:
    """Run ``program`` on values that are being recorded, keeping its names and lines."""
    values = _replayed(program, tuple(arguments), tape)
    return tree.map_leaves(values.__getitem__, program.outputs)


def _replayed(
    program: Program, arguments: tuple[Any, ...], tape: RecordingTape
) -> dict[Value, Any]:
    """Return all values of ``program`` on arguments that are being recorded."""
    values = bind(program, arguments)
    for instruction in program.instructions:
        tape.replayed = instruction
        evaluate(instruction, values)
    tape.replayed = None
    return values


def _example_leaves(program: Program) -> list[Any]:
    """Return the leaves that the program was recorded with, fixed ones in their places."""
    examples = dict(zip(program.inputs, program.examples, strict=True))
    return [
        examples[leaf] if isinstance(leaf, Value) else leaf
        for leaf in tree.leaves(program.arguments)
    ]


# ----- Recording ---------------------------------------------------------------------------------


class _Silent(Transcript):
    """Of a program whose warnings were given when it was recorded."""

    def _warn_of_promotion(self) -> None:
        pass


def _record(
    f: Callable[..., Any],
    arguments: tuple[Any, ...],
    forward: Program | None = None,
    kind: type[Transcript] = Transcript,
) -> Program:
    """Run ``f`` on traced values; keep the names and lines of ``forward`` where it is replayed."""
    tape = RecordingTape(until=_record.__code__)
    if forward is not None:
        tape.replayed_inputs = forward.inputs
    leaves = [leaf for _, leaf in tree.leaves_with_paths(arguments)]
    inputs: list[Value] = []
    examples: list[Any] = []
    traced: list[Any] = []
    shown: list[Any] = []
    names = _argument_names(f, arguments, forward)
    for leaf, name in zip(leaves, names, strict=True):
        example = _as_example(leaf)
        if example is None:
            traced.append(leaf)
            shown.append(leaf)
            continue
        value = Value(example.shape, example.dtype, name)
        traced.append((TracedArray if example.shape else TracedScalar)(example, tape, len(inputs)))
        inputs.append(value)
        examples.append(example)
        shown.append(value)
    tape.entries.extend([None] * len(inputs))
    try:
        result = f(*tree.fill(arguments, iter(traced)))
    finally:
        entries = tape.close()
    transcript = kind(tape, entries, inputs)
    return Program(
        name=_program_name(f),
        inputs=inputs,
        arguments=tree.fill(arguments, iter(shown)),
        examples=examples,
        outputs=transcript.outputs(result),
        captured=transcript.captured,
        instructions=transcript.instructions,
        fixed=transcript.fixed,
    )


def _as_example(leaf: Any) -> Any:
    """Return an input as NumPy sees it, or None for what is taken as fixed."""
    if isinstance(leaf, Traced):
        raise TraceError(
            "record: an argument is itself being differentiated or recorded; record the function "
            "outside, and use run(program, x) inside"
        )
    if type(leaf) is float:
        return np.float64(leaf)
    if isinstance(leaf, (np.ndarray, np.floating)):
        if leaf.dtype.kind not in "fiub":
            raise TraceError(
                f"record: an argument has dtype {leaf.dtype}; give floating-point, integer or "
                "boolean arrays"
            )
        return leaf
    return None


def _argument_names(
    f: Callable[..., Any], arguments: tuple[Any, ...], forward: Program | None
) -> list[str]:
    """Name each leaf: the parameter's name, or the keys that lead to it."""
    if forward is not None:
        names = [v.name if isinstance(v, Value) else "" for v in tree.leaves(forward.arguments)]
        count = sum(1 for _ in tree.leaves_with_paths(arguments))
        seeds = _output_names(forward)
        return names + [f"d_{name}" for name in seeds][: count - len(names)]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if isinstance(f, np.ufunc):
        named = ["x", "y"][: f.nin]
    names = []
    for path, _ in tree.leaves_with_paths(arguments):
        position, *keys = path
        if not keys:
            names.append(named[position] if position < len(named) else "")
        elif isinstance(keys[-1], str) and keys[-1].isidentifier():
            names.append("_".join(str(key) for key in keys))
        else:
            names.append("")  # named after the variable that holds it (`naming.py`)
    return names


def _output_names(program: Program) -> list[str]:
    given = value_names(program)
    return [given[value] for value in program.output_values()]


def _program_name(f: Callable[..., Any]) -> str:
    name = getattr(f, "__name__", "program")
    return name if name.isidentifier() else "program"
