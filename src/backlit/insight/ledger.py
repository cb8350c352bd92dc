"""Who made a weight what it is: its initial value and all that was added to it.

Each step adds a sum over rows to the weights (see `backlit.insight.responses`): so a weight is a
sum over all rows of all steps. A gradient that works on through momentum is followed from the last
step to the first, so that all it ever does is booked to the row, and to the epoch, that it came
from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.execution.blas import one_thread
from backlit.insight.answer import Answer
from backlit.insight.backwards import Parts, backwards, ensure_memory, kept_steps, parts_of
from backlit.insight.chosen import Chosen, choose
from backlit.insight.grouping import Grouping, group
from backlit.insight.naming import Naming
from backlit.insight.recording import Recording

SHOWN = 10
UP, DOWN = "#0072B2", "#D55E00"


@dataclass(frozen=True, eq=False)
class Ledger(Answer):
    """The account of some weights.

    ``initial + sum(contributions) + penalty + decay + earlier + rounding == final``, for each.

    Attributes
    ----------
    name : str
        What the account is of, as it is called in a sentence.
    naming : Naming
        Of the network's units and parameters.
    places : array of int, shape (parameters,)
        Where they are among the flat parameters.
    by : str
        What contributions are grouped by.
    groups : tuple of str
    contributions : array of float64, shape (groups, parameters)
        What the gradients of each group's rows added to each weight.
    initial, final : array of float64, shape (parameters,)
        Before the first step, and as they were kept.
    penalty, decay : array of float64, shape (parameters,)
        What the L1 and L2 penalties, and decoupled decay, added.
    earlier : array of float64, shape (parameters,)
        What the optimizer's memory at the start added; 0 where training began with none.
    rounding : array of float64, shape (parameters,)
    """

    name: str
    naming: Naming
    places: NDArray[np.intp]
    by: str
    groups: tuple[str, ...]
    contributions: NDArray[np.float64]
    initial: NDArray[np.float64]
    final: NDArray[np.float64]
    penalty: NDArray[np.float64]
    decay: NDArray[np.float64]
    earlier: NDArray[np.float64]
    rounding: NDArray[np.float64]

    @property
    def parameters(self) -> list[str]:
        """The names of the weights and biases."""
        return self.naming.parameters(self.places)

    @property
    def entries(self) -> dict[str, NDArray[np.float64]]:
        """What was added to the weights, by the name of the line: shape (parameters,) each."""
        by_group = {
            f"{self.by} {name}": line
            for name, line in zip(self.groups, self.contributions, strict=True)
        }
        return {
            **by_group, "penalties": self.penalty, "weight decay": self.decay,
            "earlier momentum": self.earlier, "rounding": self.rounding,
        }  # fmt: skip

    def columns(self) -> Mapping[str, Any]:
        """Return the account line by line.

        Of a single weight, what each line added. Of several, the Euclidean length of what it added,
        and its share in the way from the initial to the final weights: its part along that way,
        divided by the way's length. Shares add up to 1.
        """
        entries = self.entries
        if len(self.places) == 1:
            lines = {"initial": self.initial, **entries, "final": self.final}
            return {"line": list(lines), "added": np.array([v[0] for v in lines.values()])}
        way = self.final - self.initial
        squared = way @ way
        return {
            "line": list(entries),
            "length": np.array([np.linalg.norm(line) for line in entries.values()]),
            "share": np.array(
                [line @ way / squared if squared else 0.0 for line in entries.values()]
            ),
        }

    def summary(self) -> str:
        """Return the account in plain words."""
        columns = self.columns()
        single = len(self.places) == 1
        if single:
            start, end = float(self.initial[0]), float(self.final[0])
            what = f"{self.name[0].upper()}{self.name[1:]}"
            head = f"{what} began as {start:.4g} and became {end:.4g}"
            lines, values = columns["line"][1:-1], columns["added"][1:-1]
        else:
            way = np.linalg.norm(self.final - self.initial)
            head = (
                f"The {len(self.places):,} weights and biases of {self.name} went a way of length "
                f"{way:.4g}"
            )
            lines, values = columns["line"], columns["share"]
        count = len(self.groups)
        strongest = np.argsort(-np.abs(values[:count]), kind="stable")[:SHOWN]
        # Rounding is told where it reaches a digit that is shown.
        least = 5e-5 * np.max(np.abs(values), initial=0)
        shown = [*strongest, *(k for k in range(count, len(lines)) if abs(values[k]) > least)]
        rest = float(np.sum(values[:count]) - np.sum(values[strongest]))
        text = [f"{head}. What was added:" if single else f"{head}. Shares in it:"]
        text += [f"  {lines[k]}: {_number(values[k], single)}" for k in shown]
        if count > len(strongest):
            text.insert(
                len(strongest) + 1,
                f"  the other {count - len(strongest)}: {_number(rest, single)}",
            )
        text.append("An optimizer's divisors are taken as given: no line tells who made them.")
        return "\n".join(text)

    def _draw(self, axes: Any) -> None:
        columns, count = self.columns(), len(self.groups)
        single = len(self.places) == 1
        values = columns["added"][1:-1] if single else columns["share"]
        names = columns["line"][1:-1] if single else columns["line"]
        strongest = np.sort(np.argsort(-np.abs(values[:count]), kind="stable")[: 2 * SHOWN])
        chosen = [*strongest, *range(count, len(names))][::-1]
        colours = [UP if values[k] > 0 else DOWN for k in chosen]
        axes.barh([names[k] for k in chosen], [values[k] for k in chosen], color=colours)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.tick_params(axis="y", labelsize=8)
        said = "added to" if single else "share in the way of"
        axes.set_xlabel(f"{said} {self.name}")


def _number(value: float, single: bool) -> str:
    return f"{value:+.4g}" if single else f"{value:+.1%}"


def ledger(
    recording: Recording,
    by: str | Sequence[Any] | NDArray[Any] = "class",
    *,
    layer: int | None = None,
    unit: int | None = None,
    source: int | str | None = None,
) -> Ledger:
    """Return who made weights what they are.

    Parameters
    ----------
    recording : Recording
    by : {"row", "class", "epoch"} or sequence
        What contributions are grouped by: the rows themselves; the classes of the targets; the
        epochs; or anything, given as a label for each row of your data, in its order.
    layer : int, optional
        Whose weights, counted from 1; by default those of the whole network.
    unit : int, optional
        Only what goes into this unit of the layer, counted from 1.
    source : int or str, optional
        Only the weight from this unit of the layer below, counted from 1; in the first layer, from
        this input, by its position counted from 1 or its name; or ``"bias"``.

    Returns
    -------
    Ledger

    Raises
    ------
    ValueError
        If there is no such layer, unit or grouping, or the optimizer's steps are no sum over rows
        (Rprop).
    MemoryError
        If groups times weights need more memory than there is.

    Notes
    -----
    The account of a group needs 8 bytes for each weight. Sums are kept in float64. Of clipped
    steps, rows are booked with what was left of them; of dropout, with the units that were there.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.ledger import ledger
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> x = np.linspace(-1, 1, 64)[:, np.newaxis]
    >>> _, recording = watch(Network(1, (8,), 2), (x, (x[:, 0] > 0).astype(int)), epochs=9)
    >>> account = ledger(recording, by="class", layer=2, unit=1, source="bias")
    >>> added = account.contributions.sum(axis=0) + account.rounding
    >>> bool(np.allclose(account.initial + added, account.final, rtol=0, atol=1e-15))
    True
    """
    chosen = choose(recording, layer, unit, source)
    grouping = group(recording, by)
    needed = 8 * len(grouping.names) * len(chosen.places)
    ensure_memory(
        needed,
        f"a ledger of {len(chosen.places):,} weights by {len(grouping.names):,} {grouping.by}s",
        "ask for a layer or a unit, or for fewer groups",
    )
    with one_thread():
        return _write(recording, chosen, grouping)


def _write(recording: Recording, chosen: Chosen, grouping: Grouping) -> Ledger:
    places, steps = chosen.places, kept_steps(recording)
    theta, state = recording.course.begin()
    size = theta.size
    contributions = np.zeros((len(grouping.names), len(places)))
    penalty, decay = np.zeros(len(places)), np.zeros(len(places))
    inherited: NDArray[np.float64] = np.zeros(size)
    memory = ""
    for moment in backwards(recording, steps):
        parts = parts_of(recording, moment)
        answered, memory = parts.response, parts.response.memory
        # What the memory, and the gradient, of this step add to each weight from here to the end.
        of_memory = answered.carried + inherited
        of_gradient = (answered.direct + answered.feed * of_memory).astype(np.float64)
        inherited = answered.keep * of_memory
        given = of_gradient[places]
        for number, members in grouping.members(moment):
            contributions[number] += given * _gradient(parts, chosen, members)
        penalty += given * parts.penalty[places]
        decay += parts.decay[places]
    earlier = (inherited * state[memory])[places] if memory else np.zeros(len(places))
    initial = theta[places].astype(np.float64)
    final = recording.theta[places].astype(np.float64)
    booked = np.sum(contributions, axis=0) + penalty + decay + earlier
    return Ledger(
        chosen.name, Naming.of(recording), places, grouping.by, grouping.names, contributions,
        initial, final, penalty, decay, earlier, final - initial - booked,
    )  # fmt: skip


def _gradient(
    parts: Parts, chosen: Chosen, members: NDArray[np.intp] | slice
) -> NDArray[np.float64]:
    """Return the weighted sum of the gradients of some of a batch's examples."""
    passes, shares = parts.passes, parts.shares[members, np.newaxis]
    pieces = []
    for block in chosen.blocks:
        own = passes.deltas[block.layer - 1][members, block.units] * shares
        if block.bias:
            pieces.append(np.sum(own, axis=0))
        else:
            inputs = passes.inputs[block.layer - 1][members, block.sources]
            pieces.append((inputs.T @ own).ravel())
    return np.concatenate(pieces)
