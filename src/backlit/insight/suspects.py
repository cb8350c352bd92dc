"""One list of suspect rows: which rows are probably wrong, and why.

All of it is read from one training and its replay; nothing is trained again.
`suspects_outputs.py` says what is read, `suspects_noise.py` and `suspects_residuals.py` how that
becomes a chance, `suspects_reasons.py` which reason a row is given, and `suspects_decisions.py`
what becomes of the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.insight.answer import Answer
from backlit.insight.recording import Recording
from backlit.insight.suspects_decisions import Decisions, read_decisions, write_decisions
from backlit.insight.suspects_judgement import Judgement, judge
from backlit.insight.suspects_neighbours import nearest_rows, remoteness, same_rows
from backlit.insight.suspects_outputs import hear
from backlit.insight.suspects_reasons import (
    PROBABLY,
    REASONS,
    Suspect,
    evidence_of,
    reasons_of,
    text_of,
)
from backlit.tables.wording import counted

__all__ = ["Decisions", "Flow", "Suspect", "Suspects", "read_decisions", "suspects"]

_SHOWN = 5  # suspects in a summary


@dataclass(frozen=True)
class Flow:
    """Labels of one class that were given another one.

    Attributes
    ----------
    about : str
        The label that is meant; empty for classes.
    true, given : str
    rate : float
        Which share of the rows of the true class was given the other one.
    count : float
        How many rows that is.
    """

    about: str
    true: str
    given: str
    rate: float
    count: float


@dataclass(frozen=True, eq=False)
class Suspects(Answer):
    """Suspect rows, and what is known of all rows.

    Attributes
    ----------
    suspects : tuple of Suspect
        By reason, the likeliest first.
    counts : dict of str to int
        How many rows each reason holds for, also those that are not listed.
    expected_wrong : float
        How many labels are wrong, by the model of noise; of several labels or targets, in all.
    error : float
        Its standard error.
    flows : tuple of Flow
        Where wrong labels go one way, the largest first: at least 5 rows, and 1.7 times as many as
        if they were spread evenly.
    rows : array of int, shape (examples,)
        Where each example is in the user's data: the training part, then the part held out.
    held_out : array of bool, shape (examples,)
    chance : array of float64, shape (examples,)
        That what is given for the row is wrong: the largest over labels or targets.
    margin : array of float64, shape (examples,)
        The mean margin over the epochs that were read: the least over labels or targets.
    epochs : int
        How many epochs were read.
    questions : int
        How many labels or targets a row has.
    subject : {"label", "number"}
        What they are.
    """

    suspects: tuple[Suspect, ...]
    counts: dict[str, int]
    expected_wrong: float
    error: float
    flows: tuple[Flow, ...]
    rows: NDArray[np.intp]
    held_out: NDArray[np.bool_]
    chance: NDArray[np.float64]
    margin: NDArray[np.float64]
    epochs: int
    questions: int
    subject: str

    def summary(self) -> str:
        """Return how many labels are wrong, where they go, and the first suspects."""
        total, what = len(self.rows) * self.questions, self.subject
        low = max(self.expected_wrong - 2 * self.error, 0)
        high = min(self.expected_wrong + 2 * self.error, total)
        lines = [
            f"About {self.expected_wrong:.0f} of {counted(total, what)} are wrong "
            f"({low:.0f} to {high:.0f})."
        ]
        if self.expected_wrong < 0.5 and not self.counts["mislabelled"]:
            lines = [f"No sign of wrong ones among {counted(total, what)} (at most {high:.0f})."]
        for flow in self.flows[:3]:
            of = f" of {flow.about!r}" if flow.about else ""
            lines.append(
                f"{flow.rate:.1%} of the rows that are {flow.true!r}{of} are given {flow.given!r} "
                f"(about {flow.count:.0f})."
            )
        found = [f"{self.counts[reason]:,} {reason}" for reason in REASONS if self.counts[reason]]
        lines.append(f"Worth a look: {', '.join(found) or 'none'}.")
        for suspect in self.suspects[:_SHOWN]:
            lines.append(
                f"  row {suspect.row} ({suspect.part}), {suspect.reason}, wrong with a chance of "
                f"{suspect.chance:.2f}: {suspect.evidence}"
            )
        if len(self.suspects) > _SHOWN:
            lines.append(f"  and {len(self.suspects) - _SHOWN:,} more, in frame()")
        return "\n".join(lines)

    def columns(self) -> dict[str, Any]:
        """Return the suspects as a table."""
        names = [name for name in Suspect.__dataclass_fields__ if "neighbour" not in name]
        found: dict[str, Any] = {name: [getattr(s, name) for s in self.suspects] for name in names}
        found["neighbours"] = [" ".join(map(str, s.neighbours)) for s in self.suspects]
        found["neighbour_labels"] = [", ".join(s.neighbour_labels) for s in self.suspects]
        return found

    def write_decisions(self, path: Path | str) -> None:
        """Write the suspects to a CSV file in which a person decides about each.

        Parameters
        ----------
        path : path
            A new file that ends in ``.csv``. Edit its columns ``decision`` (keep, relabel, drop)
            and ``new_label``, and read it by `read_decisions`.

        Raises
        ------
        ValueError
            If there is such a file, or it cannot be written.
        """
        columns = self.columns()
        columns["chance"] = [round(chance, 4) for chance in columns["chance"]]
        write_decisions(path, columns)

    def _draw(self, axes: Any) -> None:
        order = np.argsort(-self.chance)
        axes.plot(np.arange(1, len(order) + 1), self.chance[order], color="tab:blue")
        axes.axhline(PROBABLY, color="gray", linewidth=0.8, linestyle=":")
        low, high = self.expected_wrong - 2 * self.error, self.expected_wrong + 2 * self.error
        axes.axvspan(max(low, 0.5), max(high, 1), color="tab:red", alpha=0.15, linewidth=0)
        axes.axvline(
            max(self.expected_wrong, 0.5), color="tab:red",
            label=f"about {self.expected_wrong:.0f} wrong labels",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(0, 1)
        axes.set_xlabel("rows, the likeliest to be wrong first")
        axes.set_ylabel("chance that the label is wrong")
        axes.legend()


def suspects(recording: Recording, *, most: int = 200) -> Suspects:
    """List the rows of a training that are probably wrong, or else worth a look.

    Each row is judged by what the *other* rows taught the network about it, in the epochs before
    the network began to learn rows by heart; rows that were held out are judged as well. How many
    labels are wrong, and whether they go from one class to another, is estimated from the rows
    about which the network is sure. Nothing is trained again: the training's steps are replayed.

    A row has the first of these reasons that holds:

    - mislabelled: what is given is more likely wrong than right, even if a standard error fewer
      labels are wrong than expected;
    - contradictory twin: another row has the same inputs and something else is given for it;
    - outlier: far from all other rows (six robust deviations of the logarithm of the distance);
    - ambiguous: the network leans to something else, and classes overlap there;
    - memorised: the network leans clearly to something else, and fits the row in the end.

    Parameters
    ----------
    recording : Recording
        Of a training for classes, labels, numbers or counts.
    most : int, default 200
        How many rows are listed for each reason; all are counted.

    Returns
    -------
    Suspects

    Raises
    ------
    ValueError
        If ``most`` is not a positive integer, there are fewer than 20 rows, or the training had no
        finite loss.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.suspects import suspects
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(-3, 1, (200, 2)), rng.normal(3, 1, (200, 2))])
    >>> y = np.repeat([0, 1], 200)
    >>> y[:6] = 1
    >>> _, recording = watch(Network(2, (8,), 2), (x, y), epochs=20)
    >>> found = suspects(recording)
    >>> first = found.suspects[0]
    >>> first.row in range(6), first.reason, first.given, first.looks_like
    (True, 'mislabelled', 'class 1', 'class 0')
    """
    if type(most) is not int or most < 1:
        raise ValueError(f"most is the number of rows to list, from 1 on, not {most!r}")
    training, held_out = recording.training, recording.held_out
    total = len(training) + (0 if held_out is None else len(held_out))
    if total < 20:
        raise ValueError(f"suspects are found among 20 rows or more, and there are {total}")
    heard = hear(recording)
    judgements = judge(recording, heard)
    x = _all_inputs(recording)
    far, twins = remoteness(x), same_rows(x)
    listed: list[tuple[int, Judgement, int]] = []  # the reason's place, and which row
    reason_of_row = np.full(total, len(REASONS))
    for judgement in judgements:
        reasons = reasons_of(judgement, twins, far, heard.held_out)
        reason_of_row = np.minimum(reason_of_row, reasons)
        for place in range(len(REASONS)):
            these = np.flatnonzero(reasons == place)
            if REASONS[place] == "outlier":
                these = these[np.argsort(-far[these], kind="stable")]
                if judgement is not judgements[0]:
                    continue  # that a row is far is said once
            else:
                these = these[np.lexsort((judgement.margin[these], -judgement.chance[these]))]
            listed += [(place, judgement, int(row)) for row in these[:most]]
    listed.sort(key=lambda each: each[0])
    found = _described(recording, heard.y, heard.rows, listed, x, far, twins)
    tally = Counter(reason_of_row.tolist())
    wrong = sum(float(np.sum(judgement.chance)) for judgement in judgements)
    return Suspects(
        tuple(found), {reason: tally[place] for place, reason in enumerate(REASONS)}, wrong,
        float(np.sqrt(sum(judgement.error**2 for judgement in judgements))),
        _flows(recording, judgements), heard.rows, heard.held_out,
        np.max([judgement.chance for judgement in judgements], axis=0),
        np.min([judgement.margin for judgement in judgements], axis=0), heard.epochs,
        len(judgements), "label" if judgements[0].noise is not None else "number",
    )  # fmt: skip


def _all_inputs(recording: Recording) -> Any:
    parts = [p.x for p in (recording.training, recording.held_out) if p is not None]
    if hasattr(parts[0], "tocsr"):
        from scipy.sparse import vstack

        return vstack(parts, format="csr")
    return np.concatenate(parts)


def _names(recording: Recording) -> Sequence[str]:
    """Return what the values of a target are called; nothing for numbers."""
    return {"classes": recording.output_names, "labels": ("0", "1")}.get(
        recording.subject.targets, ()
    )


def _described(
    recording: Recording, y: NDArray[Any], rows: NDArray[np.intp],
    listed: Sequence[tuple[int, Judgement, int]], x: Any, far: NDArray[Any],
    twins: Sequence[NDArray[np.intp]],
) -> list[Suspect]:  # fmt: skip
    names = _names(recording)
    same = {int(one): group for group in twins for one in group}
    near = nearest_rows(x, np.array([row for _, _, row in listed], np.intp))
    found = []
    for (place, judgement, row), neighbours in zip(listed, near, strict=True):
        labels = tuple(text_of(value, names) for value in judgement.given[neighbours])
        others = [int(rows[each]) for each in same.get(row, ()) if each != row]
        reason = REASONS[place]
        found.append(
            Suspect(
                int(rows[row]), "training" if row < len(recording.training) else "validation",
                reason, judgement.about, text_of(judgement.given[row], names),
                text_of(judgement.looks_like[row], names), float(judgement.chance[row]),
                float(judgement.support[row]), float(judgement.margin[row]), float(far[row]),
                tuple(int(each) for each in rows[neighbours]), labels,
                evidence_of(reason, judgement, row, names, float(far[row]), labels, others),
            )
        )  # fmt: skip
    return found


def _flows(recording: Recording, judgements: Sequence[Judgement]) -> tuple[Flow, ...]:
    names = _names(recording)
    expected = sum(float(np.sum(judgement.chance)) for judgement in judgements)
    flows = []
    for judgement in judgements:
        if judgement.noise is None:
            continue
        flips = judgement.noise.flips
        size = np.bincount(judgement.given, minlength=len(flips)) @ np.linalg.pinv(flips)
        for true, given in np.argwhere(~np.eye(len(flips), dtype=bool)):
            rate = float(flips[true, given])
            count = rate * max(float(size[true]), 0.0)
            if count >= max(5, 1.7 * expected / (len(judgements) * len(flips) * (len(flips) - 1))):
                flows.append(Flow(judgement.about, names[true], names[given], rate, count))
    return tuple(sorted(flows, key=lambda flow: -flow.count))
