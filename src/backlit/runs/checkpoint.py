"""``checkpoint``: where training stands, to the last bit.

An archive (see ``archive.py``). Figures that may be infinite or NaN are in arrays, since JSON has
neither; those of the schedule are texts.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backlit.atomic import write_atomically
from backlit.runs.archive import Expected, Kind, check_arrays, pack, unpack
from backlit.training.state import Epoch, State

CHECKPOINT = Kind("backlit-checkpoint", 1, ("step_number", "schedule", "best_epoch", "epochs"))
FIGURES = 5  # of an epoch, besides its number


def write_checkpoint(path: Path, state: State) -> None:
    """Write a state to a file, in one indivisible act.

    Parameters
    ----------
    path : Path
    state : State

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(path, to_bytes(state))


def to_bytes(state: State) -> bytes:
    """Return the content of a checkpoint."""
    figures = np.array([epoch.figures for epoch in state.epochs], np.float64)
    facts = {
        "step_number": state.step_number,
        "schedule": {
            name: repr(float(value)) if isinstance(value, float) else value
            for name, value in state.schedule.items()
        },
        "best_epoch": state.best_epoch,
        "epochs": state.epoch,
    }
    arrays = {
        "theta": state.theta,
        "best_theta": state.best_theta,
        "lowest": np.array([state.lowest]),
        "figures": figures.reshape(-1, FIGURES),
        **{f"optimizer.{name}": array for name, array in state.optimizer.items()},
    }
    return pack(CHECKPOINT, facts, arrays)


def read_checkpoint(
    path: Path, parameters: int, optimizer: Collection[str], dtype: DTypeLike
) -> State:
    """Read a state from a file.

    Parameters
    ----------
    path : Path
    parameters : int
        How many the network has.
    optimizer : collection of str
        The names of what the optimizer remembers.
    dtype : float32 or float64

    Returns
    -------
    State

    Raises
    ------
    ValueError
        If it is damaged, of a newer version, or of another network or optimizer.
    OSError
        If the file cannot be read.
    """
    content = path.read_bytes()
    try:
        return from_bytes(content, parameters, optimizer, dtype)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a checkpoint: {error}") from None


def from_bytes(
    content: bytes, parameters: int, optimizer: Collection[str], dtype: DTypeLike
) -> State:
    """Return the state of a file's content, or raise a ``ValueError`` that says what is wrong."""
    facts, arrays = unpack(CHECKPOINT, content)
    done, best, steps = facts["epochs"], facts["best_epoch"], facts["step_number"]
    if not all(type(number) is int for number in (done, best, steps)):
        raise ValueError("its numbers of epochs and steps are not whole")
    if not (0 <= best <= done and steps >= 0):
        raise ValueError(f"its best epoch is {best} of {done}, after {steps} steps")
    flat = Expected((parameters,), np.dtype(dtype).name)
    check_arrays(
        arrays,
        {
            "theta": flat,
            "best_theta": flat,
            "lowest": Expected((1,), "float64", finite=False),
            "figures": Expected((done, FIGURES), "float64", finite=False),
            # A mean of squares may have overflowed while the parameters stay as they are.
            **{f"optimizer.{name}": flat._replace(finite=False) for name in optimizer},
        },
    )
    return State(
        theta=arrays["theta"],
        optimizer={name: arrays[f"optimizer.{name}"] for name in optimizer},
        best_theta=arrays["best_theta"],
        step_number=steps,
        schedule=_schedule(facts["schedule"]),
        best_epoch=best,
        lowest=float(arrays["lowest"][0]),
        epochs=_epochs(arrays["figures"]),
    )


def _schedule(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("what the schedule remembers is not a JSON object")
    if not all(value is None or type(value) in (int, str) for value in document.values()):
        raise ValueError("what the schedule remembers is not all numbers")
    return {
        name: float(value) if isinstance(value, str) else value for name, value in document.items()
    }


def _epochs(figures: NDArray[Any]) -> tuple[Epoch, ...]:
    return tuple(Epoch(number, *row) for number, row in enumerate(figures.tolist(), start=1))
