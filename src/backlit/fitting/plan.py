"""What a person asked for: everything that, with the data, decides a run to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from backlit.networks.losses import TARGETS
from backlit.networks.network import Network
from backlit.tables.task import Kind
from backlit.training.checks import plain
from backlit.training.settings import Settings

HIDDEN = (128, 64)


@dataclass(frozen=True)
class DataPlan:
    """Which columns and rows of a table are used for what.

    Attributes
    ----------
    target : str
        The column to predict.
    kind : {"classes", "numbers"}, optional
        Overrules what the target seems to be.
    ignore : tuple of str
        Columns that are not used.
    categories : tuple of str
        Columns that hold categories, even if they look like numbers.
    weights : str, optional
        The column that says how much each row counts.
    validation : float, default 0.15
        The share of rows that is held out; not used where a validation table is given.
    file, validation_file : str, optional
        Where the tables came from.
    """

    target: str
    kind: Kind | None = None
    ignore: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    weights: str | None = None
    validation: float = 0.15
    file: str | None = None
    validation_file: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in (None, "classes", "numbers"):
            raise ValueError(f"kind must be classes or numbers, not {self.kind!r}")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation must be between 0 and 1, not {self.validation!r}")
        if self.weights == self.target:
            raise ValueError(
                f"the column {self.target!r} cannot be both the target and the weights"
            )
        if self.target in self.ignore:
            raise ValueError(f"the target {self.target!r} cannot be ignored")


@dataclass(frozen=True)
class NetworkPlan:
    """A network, but for its numbers of inputs and outputs, which the table decides.

    Attributes
    ----------
    hidden : tuple of int, default (128, 64)
    activation : str, default "relu"
    loss : str, optional
        By default ``"log_loss"`` for classes and ``"squared_loss"`` for numbers.
    loss_options : dict of str to float
    dropout : float, default 0.0
    initial : str or float, default "automatic"
        All as for `Network`.
    """

    hidden: tuple[int, ...] = HIDDEN
    activation: str = "relu"
    loss: str | None = None
    loss_options: Mapping[str, float] = field(default_factory=dict, hash=False)
    dropout: float = 0.0
    initial: str | float = "automatic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(map(plain, self.hidden)))
        object.__setattr__(self, "dropout", plain(self.dropout))
        object.__setattr__(self, "initial", plain(self.initial))
        if self.loss == "label_log_loss":
            raise ValueError("label_log_loss is for several targets, and a table has one here")
        if self.loss is None and self.loss_options:
            raise ValueError(f"the loss options {dict(self.loss_options)} need a loss")
        self.build(1, 2, self.loss or "log_loss")  # refuses what no network can have

    @property
    def kind(self) -> Kind | None:
        """What the loss, if it is given, says of the target."""
        if self.loss is None:
            return None
        return "classes" if TARGETS[self.loss] == "classes" else "numbers"

    def build(self, inputs: int, classes: int, loss: str) -> Network:
        """Return the network for a number of inputs, and of classes (0 for numbers)."""
        outputs = 1 if loss == "binary_log_loss" or TARGETS.get(loss) != "classes" else classes
        return Network(
            inputs=inputs,
            hidden=self.hidden,
            outputs=outputs,
            activation=self.activation,
            loss=loss,
            loss_options=self.loss_options,
            dropout=self.dropout,
            initial=self.initial,
        )


@dataclass(frozen=True)
class Plan:
    """A whole plan: of the data, of the network, of the training."""

    data: DataPlan
    network: NetworkPlan
    settings: Settings

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON types."""
        return {
            "data": _to_json(self.data),
            "network": _to_json(self.network),
            "settings": self.settings.to_json(),
        }

    @classmethod
    def from_json(cls, document: Any) -> Plan:
        """Return the plan from what `to_json` gave.

        Raises
        ------
        ValueError
            If an entry is missing, unknown or not valid.
        """
        if not isinstance(document, dict) or document.keys() != {"data", "network", "settings"}:
            raise ValueError("the plan has not just data, network and settings")
        return cls(
            _from_json("the plan of the data", DataPlan, document["data"]),
            _from_json("the plan of the network", NetworkPlan, document["network"]),
            Settings.from_json(document["settings"]),
        )


def _to_json(plan: Any) -> dict[str, Any]:
    entries = {entry.name: getattr(plan, entry.name) for entry in fields(plan)}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in entries.items()
    }


def _from_json(what: str, made: type[Any], document: Any) -> Any:
    names = {entry.name for entry in fields(made)}
    if not isinstance(document, dict) or document.keys() != names:
        raise ValueError(f"{what} has not just {', '.join(sorted(names))}")
    entries = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    try:
        return made(**entries)
    except TypeError as error:  # a text where a number is compared
        raise ValueError(f"{what} is not valid ({error})") from None
