"""The diagnosis of a training: what is wrong, the most likely first, or that nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from backlit.insight.answer import Answer
from backlit.insight.doctor import causes
from backlit.insight.doctor.attainable import Attainable
from backlit.insight.doctor.evidence import Evidence, gather
from backlit.insight.doctor.findings import Finding
from backlit.insight.doctor.generalisation import SCORES, Generalisation, generalise
from backlit.insight.doctor.limit import Limit, meaning_of_limit
from backlit.insight.doctor.minimum import Minimum, find_minimum
from backlit.insight.doctor.rules import (
    BROKEN_RULES,
    COURSE_RULES,
    DATA_RULES,
    LAST_RULES,
    PREPARATION_RULES,
    START_RULES,
)
from backlit.insight.doctor.rules.course import unexplained
from backlit.insight.doctor.seeds import Seeds, try_seeds
from backlit.insight.doctor.signal import Signal
from backlit.insight.recording import Part, Recording

Rule: TypeAlias = Callable[[Evidence], Finding | None]

_MOST = 3
# These spoil what everything else is judged by, and so come first.
_FIRST = (
    causes.NOTHING_TOLD, causes.WRONG_LOSS, causes.SHARED_ROWS, causes.GIVEAWAY, causes.SHIFTED,
    causes.FAR_TARGETS,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Diagnosis(Answer):
    """What is wrong with a training.

    Attributes
    ----------
    findings : tuple of Finding
        The most likely first; empty where nothing is wrong.
    evidence : Evidence
        The numbers that rules look at.
    seeds : Seeds or None
        Whether other seeds agree, if that was asked for.
    """

    findings: tuple[Finding, ...]
    evidence: Evidence
    seeds: Seeds | None = None

    @property
    def signal(self) -> Signal:
        """The sizes of activations, deltas, gradients and updates by layer, over the training."""
        return self.evidence.signal

    @cached_property
    def minimum(self) -> Minimum:
        """Whether a minimum was found; computed when first asked for."""
        return find_minimum(self.evidence.recording)

    @cached_property
    def generalisation(self) -> Generalisation:
        """Whether it generalises, beside other models; computed when first asked for.

        Raises
        ------
        ValueError
            If no rows were held out.
        """
        reference = self.evidence.reference
        return generalise(self.evidence.recording, reference.judged if reference.unseen else None)

    @property
    def limit(self) -> Limit:
        """What it means that all epochs were used up, or not."""
        return meaning_of_limit(self.evidence)

    def summary(self) -> str:
        """Return the findings in words, or that nothing is wrong."""
        e, name = self.evidence, SCORES[self.evidence.recording.subject.targets]
        rows = "held-out" if e.reference.unseen else "training"
        scores = (
            f"On the {rows} rows the {name} is {e['score']:.3f}; a plain network on the same rows "
            f"has {e['reference_score']:.3f}, the best constant {e['trivial_score']:.3f}."
        )
        listed = [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        if not listed:
            scores = f"Nothing is wrong, as far as can be seen. {scores}"
        return "\n".join([scores, *listed, *([str(self.seeds)] if self.seeds else [])])

    def columns(self) -> Mapping[str, Any]:
        """Return the findings, one row each."""
        return {
            "cause": [f.cause for f in self.findings],
            "where": [f.where for f in self.findings],
            "symptom": [f.symptom for f in self.findings],
            "fix": [f.fix.words for f in self.findings],
            "confidence": [f.confidence for f in self.findings],
        }

    def to_json(self) -> dict[str, Any]:
        """Return ``{"findings": [...]}`` as JSON types."""
        document: dict[str, Any] = json.loads(
            json.dumps(
                {"findings": [finding.to_json() for finding in self.findings]}, default=_plain
            )
        )
        return document

    def _draw(self, axes: Any) -> None:
        self.signal._draw(axes)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else list(value)


def diagnose(
    recording: Recording,
    *,
    data: tuple[Any, Any] | None = None,
    reference: Attainable | None = None,
    plan: Any = None,
    n_seeds: int | None = None,
) -> Diagnosis:
    """Say what is wrong with a training, and nothing where nothing is.

    Parameters
    ----------
    recording : Recording
    data : (x, y), optional
        Rows to judge by that were not trained on, prepared as the network takes them; by default
        the held-out part. Without either, only what the training rows show is judged.
    reference : Attainable, optional
        What a plain network reaches on the same rows, if that is known from an earlier diagnosis of
        the same data; see `backlit.insight.doctor.attainable.attainable`.
    plan : Planned, optional
        The training as it was made, to make it again; see `backlit.insight.doctor.Plan`.
    n_seeds : int, optional
        With how many seeds to make it, its own among them; then `Diagnosis.seeds` says whether they
        agree.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        If ``data`` does not fit the network, or seeds are asked for without a plan.

    Notes
    -----
    A plain network is trained on the same rows, and the recorded training is repeated once; so this
    takes about as long as two trainings. Symptoms that healthy trainings show as well (small
    gradients, dead units, a wobbling loss) count only where the training certainly falls short of
    the plain network.

    Examples
    --------
    >>> import numpy as np
    >>> from backlit.insight.doctor import diagnose
    >>> from backlit.insight.trained import watch
    >>> from backlit.networks import Network
    >>> from backlit.training import Adam
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 3))
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> network = Network(3, (16,), 2)
    >>> parts = (x[:200], y[:200]), (x[200:], y[200:])
    >>> _, recording = watch(network, *parts, epochs=30, optimizer=Adam(3e-7))
    >>> [finding.cause for finding in diagnose(recording).findings][:1]
    ['learning rate too low']
    >>> _, recording = watch(network, *parts, epochs=30, optimizer=Adam(3e-3))
    >>> diagnose(recording).findings
    ()
    """
    if n_seeds is not None and plan is None:
        raise ValueError("n_seeds makes the training again, and needs plan= to say how it was made")
    judged = None if data is None else _part(recording, *data)
    seeds = None if n_seeds is None else try_seeds(plan, recording, n_seeds)
    evidence = gather(recording, judged, reference)
    return Diagnosis(findings_of(evidence), evidence, seeds)


def _part(recording: Recording, x: Any, y: Any) -> Part:
    x, y = np.asarray(x, recording.theta.dtype), np.asarray(y)
    width = recording.subject.sizes[0]
    if x.ndim != 2 or x.shape[1] != width or len(x) != len(y) or not len(y):
        raise ValueError(
            f"data has inputs of shape {x.shape} and targets of shape {y.shape}; the network takes "
            f"(examples, {width}) and a target for each"
        )
    if y.shape[1:] != recording.training.y.shape[1:]:
        raise ValueError(
            f"data has targets of shape {y.shape}, and those of the training have shape "
            f"{recording.training.y.shape}"
        )
    return Part(
        x, y.astype(recording.training.y.dtype), np.ones(len(y), x.dtype), np.arange(len(y))
    )


def findings_of(evidence: Evidence) -> tuple[Finding, ...]:
    """Ask all rules.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    tuple of Finding
        The most likely first, three at most.
    """
    asked = (rule(evidence) for rule in DATA_RULES)
    of_data = [finding for finding in asked if finding is not None]
    first = [f for f in of_data if f.cause in _FIRST]
    if first:
        return tuple(first[:_MOST])
    own: list[Finding] = []
    # Where hardly anything is learned, that a rare class is ignored is no cause.
    rare = any(f.cause == causes.RARE for f in of_data) and evidence["training_lost"] > 0.5
    if evidence.harmed or rare:
        own = _asked(evidence, (*BROKEN_RULES, *PREPARATION_RULES, *START_RULES, *COURSE_RULES))
        own = own or _asked(evidence, LAST_RULES)
        if not own and evidence.harmed:
            own = [unexplained(evidence)]
    return tuple([*own, *of_data][:_MOST])


def _asked(evidence: Evidence, rules: Sequence[Rule]) -> list[Finding]:
    """Return what rules find, each cause once."""
    found: dict[str, Finding] = {}
    for rule in rules:
        finding = rule(evidence)
        if finding is not None:
            found.setdefault(finding.cause, finding)
    return list(found.values())
