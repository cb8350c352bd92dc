"""The settings of a training, in one place, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from backlit.training.checks import Checked, check_count, plain
from backlit.training.lbfgs import LBFGS
from backlit.training.optimizers import OPTIMIZERS, Adam, Optimizer, Rprop
from backlit.training.penalties import Penalties
from backlit.training.schedules import SCHEDULES, Constant, ReduceOnPlateau, Schedule

ALL_OPTIMIZERS: dict[str, type[Any]] = {**OPTIMIZERS, "lbfgs": LBFGS}
ALL_SCHEDULES: dict[str, type[Any]] = {**SCHEDULES, "plateau": ReduceOnPlateau}

# Of many rows, larger batches: each step costs more and is less noisy. Of few, smaller ones, so
# that an epoch is more than a handful of steps.
_BATCHES = ((2_000, 16), (20_000, 32), (100_000, 64), (400_000, 128))
_LARGEST_BATCH = 256


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Parameters
    ----------
    optimizer : Optimizer or LBFGS, default Adam()
    schedule : Schedule or ReduceOnPlateau, default Constant()
        Asked before each step; `ReduceOnPlateau` watches the validation loss. L-BFGS has none.
    penalties : Penalties, default Penalties()
    epochs : int, default 100
        The most that are made. An iteration of L-BFGS is an epoch.
    batch_size : int, optional
        By default by the number of examples: 16 for up to 2,000, 32 for up to 20,000, then 64, 128
        and 256; for `Rprop`, all of them.
    patience : int, optional
        Stop when so many epochs in a row were not better than the best. None goes on to the end.
    monitor : {"loss", "score"}, default "loss"
        Which figure of the validation part says what is better.
    seed : int, default 0
        Of the initial weights, the order of examples and dropout.
    dtype : float32 or float64, optional
        Kept as its name. By default float32; for L-BFGS float64, which is all that it has.
    engine : {"auto", "reference", "native"}, default "auto"
        Who runs the steps: NumPy, or compiled kernels; by default by the predicted work.
    n_threads : int, optional
        The most that the native engine uses; the results are the same bits for any number. By
        default as many as there are processors for this process.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> from backlit.training import Settings
    >>> Settings.from_json(Settings(epochs=5).to_json()) == Settings(epochs=5)
    True
    """

    optimizer: Optimizer | LBFGS = field(default_factory=Adam)
    schedule: Schedule | ReduceOnPlateau = field(default_factory=Constant)
    penalties: Penalties = field(default_factory=Penalties)
    epochs: int = 100
    batch_size: int | None = None
    patience: int | None = None
    monitor: Literal["loss", "score"] = "loss"
    seed: int = 0
    dtype: DTypeLike | None = None
    engine: Literal["auto", "reference", "native"] = "auto"
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "seed", "n_threads"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        for name, known in (("optimizer", ALL_OPTIMIZERS), ("schedule", ALL_SCHEDULES)):
            given = getattr(self, name)
            if isinstance(given, str):
                object.__setattr__(self, name, make(name, {"name": given}, known))
            elif isinstance(given, type) or not isinstance(given, Checked):
                raise ValueError(
                    f"the {name} must be one of {', '.join(known)}, or made of one of "
                    f"backlit.training's classes, not {given!r}"
                )
        if not isinstance(self.penalties, Penalties):
            raise ValueError(f"penalties must be Penalties(...), not {self.penalties!r}")
        check_count("epochs", self.epochs)
        for name in ("batch_size", "patience", "n_threads"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.engine not in ("auto", "reference", "native"):
            raise ValueError(f"engine must be auto, reference or native, not {self.engine!r}")
        if self.monitor not in ("loss", "score"):
            raise ValueError(f"monitor must be loss or score, not {self.monitor!r}")
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be an integer from 0 to 2**32 - 1, not {self.seed!r}")
        if self.dtype is not None:
            try:
                name = np.dtype(self.dtype).name
            except TypeError:
                name = str(self.dtype)
            if name not in ("float32", "float64"):
                raise ValueError(f"dtype must be float32 or float64, not {name}")
            object.__setattr__(self, "dtype", name)
        if isinstance(self.optimizer, LBFGS):
            if self.dtype == "float32":
                raise ValueError("L-BFGS computes in float64, and dtype='float32' was asked for")
            if self.schedule != Constant():
                raise ValueError("L-BFGS has no learning rate, and so no schedule of one")
            if self.batch_size is not None:
                raise ValueError("L-BFGS takes all examples at once, and so no batch_size")
            if self.penalties.l1 or self.penalties.clip_norm is not None:
                raise ValueError(
                    "L-BFGS needs a smooth objective: neither l1 nor clip_norm, only l2"
                )

    @property
    def batched(self) -> Optimizer | None:
        """The optimizer, if it takes batches."""
        return None if isinstance(self.optimizer, LBFGS) else self.optimizer

    def dtype_meant(self) -> np.dtype[Any]:
        """Return the dtype, chosen if it was not given."""
        automatic = np.float64 if isinstance(self.optimizer, LBFGS) else np.float32
        return np.dtype(automatic if self.dtype is None else self.dtype)

    def batch_size_for(self, examples: int) -> int:
        """Return the size of batches, for a number of examples."""
        if isinstance(self.optimizer, LBFGS | Rprop) and self.batch_size is None:
            return examples
        automatic = next((size for most, size in _BATCHES if examples <= most), _LARGEST_BATCH)
        return min(self.batch_size or automatic, examples)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "optimizer": _named(self.optimizer, ALL_OPTIMIZERS),
            "schedule": _named(self.schedule, ALL_SCHEDULES),
            "penalties": asdict(self.penalties),
        }

    @classmethod
    def from_json(cls, document: Any) -> Settings:
        """Return settings from what `to_json` gave.

        Raises
        ------
        ValueError
            If an entry is missing, unknown or out of its range.
        """
        entries = _checked(
            "the training's settings", document, {field.name for field in fields(cls)}
        )
        entries["optimizer"] = make("optimizer", entries["optimizer"], ALL_OPTIMIZERS)
        entries["schedule"] = make("schedule", entries["schedule"], ALL_SCHEDULES)
        names = {field.name for field in fields(Penalties)}
        entries["penalties"] = Penalties(**_checked("the penalties", entries["penalties"], names))
        return cls(**entries)


def changed(settings: Settings, **changes: Any) -> Settings:
    """Return settings with some of them in place of others.

    Parameters
    ----------
    settings : Settings
    **changes
        By name.

    Raises
    ------
    TypeError
        If there is no such setting.
    ValueError
        If one is out of its range.

    Examples
    --------
    >>> from backlit.training.settings import Settings, changed
    >>> changed(Settings(), epochs=3).epochs
    3
    """
    if not isinstance(settings, Settings):
        raise TypeError(f"settings must be Settings(...), not {settings!r}")
    known = [entry.name for entry in fields(settings)]
    for name in changes:
        if name not in known:
            raise TypeError(
                f"there is no setting {name!r}, but {', '.join(known)}; a learning rate and a "
                "weight decay are the optimizer's, as in Adam(learning_rate=0.01)"
            )
    return replace(settings, **changes)


def make(kind: str, document: Any, known: Mapping[str, type[Any]]) -> Any:
    """Make an optimizer or a schedule of its name and settings.

    Parameters
    ----------
    kind : str
        What an error calls it.
    document : dict
        ``name``, and settings that differ from the defaults.
    known : dict of str to type

    Raises
    ------
    ValueError
        If the name or a setting is unknown, or a setting is out of its range.

    Examples
    --------
    >>> from backlit.training.settings import ALL_OPTIMIZERS, make
    >>> make("optimizer", {"name": "adam", "beta1": 0.8}, ALL_OPTIMIZERS).beta1
    0.8
    """
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        raise ValueError(f"the {kind} has no name")
    entries = dict(document)
    name = entries.pop("name")
    if name not in known:
        raise ValueError(f"{kind} must be one of {', '.join(known)}, not {name!r}")
    allowed = [field.name for field in fields(known[name])]
    for entry in entries:
        if entry not in allowed:
            raise ValueError(f"{name} has no setting {entry!r}, but {', '.join(allowed) or 'none'}")
    return known[name](**entries)


def _named(thing: Any, known: Mapping[str, type[Any]]) -> dict[str, Any]:
    for name, made in known.items():
        if type(thing) is made:
            return {"name": name, **asdict(thing)}
    raise ValueError(
        f"{type(thing).__name__} is not one of {', '.join(known)}, and cannot be saved"
    )


def _checked(what: str, document: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"{what} are not a JSON object")
    for problem, entries in (
        ("lack", names - set(document)),
        ("have unknown", set(document) - names),
    ):
        if entries:
            raise ValueError(f"{what} {problem} {', '.join(sorted(entries))}")
    return dict(document)
