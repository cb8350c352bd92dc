"""A training as a plan that can be changed, and a fix that is tried on a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from backlit.insight.doctor.attainable import Evening
from backlit.insight.doctor.findings import Change, Finding
from backlit.insight.doctor.judging import credits
from backlit.insight.recording import Recording
from backlit.insight.trained import watch
from backlit.networks.network import Network, Parameters
from backlit.training.penalties import Penalties
from backlit.training.schedules import Constant
from backlit.training.settings import Settings, changed

Arrays = tuple[Any, ...]

CHANGES = {
    "learning rate": "times this number",
    "optimizer": "another, by name",
    "schedule": "a constant learning rate",
    "seed": "this far from the one it had",
    "epochs": "times this number",
    "patience": "epochs without a better one before training stops; None for no early stop",
    "batch size": "this number",
    "penalties": "l1, l2 and decay, times this number",
    "dropout": "this share",
    "clip norm": "none",
    "hidden": "layers of these sizes",
    "activation": "this one, by name",
    "initial weights": "drawn anew, in this way",
    "inputs": '"standardise", or "even out", which also draws far values in',
    "targets": '"standardise", or "even out"',
    "loss": "this one, by name",
    "order": "shuffle the rows before training",
    "drop inputs": "leave these columns out",
    "drop rows": "leave these training rows out",
    "weights": '"balance" the classes',
}
"""What a fix can change, and what the value means."""


class Planned(Protocol):
    """A training that can be changed and made, whoever makes it."""

    def changed(self, changes: Sequence[Change]) -> Self:
        """Return a copy with some changes.

        Raises
        ------
        ValueError
            If a change cannot be made here.
        """

    def watch(self) -> Recording:
        """Make the training, and record it."""

    def outputs(self, recording: Recording, x: Any) -> NDArray[Any]:
        """Return the outputs of a recording's network for rows as they are before preparation."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A training of `backlit.training`.

    Parameters
    ----------
    network : Network
    training, validation : (x, y) or (x, y, weights)
    settings : Settings
    start : dict of str to array, optional
        The weights to begin with.
    prepare : tuple of callable
        What is done to inputs, one after another.
    restore : callable, optional
        From outputs to the unit of the targets before preparation.
    """

    network: Network
    training: Arrays
    validation: Arrays | None = None
    settings: Settings = field(default_factory=Settings)
    start: Parameters | None = None
    prepare: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...] = ()
    restore: Callable[[NDArray[Any]], NDArray[Any]] | None = None

    def watch(self) -> Recording:
        """Make the training, and record it."""
        _, recording = watch(
            self.network, self.training, self.validation, self.settings, start=self.start
        )
        return recording

    def outputs(self, recording: Recording, x: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs of a recording's network for rows as they are before preparation."""
        for prepare in self.prepare:
            x = prepare(x)
        outputs = recording.subject.outputs(recording.theta, x.astype(recording.theta.dtype))
        return outputs if self.restore is None else self.restore(outputs)

    def changed(self, changes: Sequence[Change]) -> Plan:
        """Return a copy with some changes; see `CHANGES`.

        Raises
        ------
        ValueError
            If there is no such change.
        """
        plan = self
        for change in changes:
            plan = plan._with(change)
        return plan

    def _with(self, change: Change) -> Plan:
        what, value = change.what, change.value
        settings, network = self.settings, self.network
        optimizer = settings.optimizer
        match what:
            case "learning rate":
                rate = optimizer.learning_rate * value  # type: ignore[union-attr]
                return self._set(optimizer=replace(optimizer, learning_rate=rate))  # type: ignore[type-var]
            case "optimizer":
                return self._set(optimizer=value)
            case "seed":
                return self._set(seed=(settings.seed + value) % 2**32)
            case "schedule":
                return self._set(schedule=Constant())
            case "epochs":
                return self._set(epochs=max(1, round(settings.epochs * value)))
            case "patience":
                return self._set(patience=value)
            case "batch size":
                return self._set(batch_size=value)
            case "penalties":
                old = settings.penalties
                penalties = Penalties(old.l1 * value, old.l2 * value, old.clip_norm)
                decay = getattr(optimizer, "weight_decay", 0.0) * value
                return self._set(
                    penalties=penalties,
                    optimizer=replace(optimizer, weight_decay=decay),  # type: ignore[type-var]
                )
            case "clip norm":
                return self._set(penalties=replace(settings.penalties, clip_norm=None))
            case "dropout":
                return replace(self, network=replace(network, dropout=value))
            case "hidden":
                return replace(self, network=replace(network, hidden=tuple(value)), start=None)
            case "activation":
                return replace(self, network=replace(network, activation=value), start=None)
            case "initial weights":
                return replace(self, network=replace(network, initial=value), start=None)
            case "loss" if value == "log_loss" and network.targets == "numbers":
                return self._as_classes()
            case "loss":
                return replace(self, network=replace(network, loss=value, loss_options={}))
            case "inputs":
                return self._prepared(_input_scaling(self.training[0], value))
            case "drop inputs":
                kept = np.setdiff1d(np.arange(network.inputs), value)
                plan = self._prepared(lambda x: x[:, kept])
                return replace(plan, network=replace(network, inputs=len(kept)), start=None)
            case "targets":
                return self._targets(value)
            case "order":
                order = np.random.default_rng(0).permutation(len(self.training[1]))
                return replace(self, training=tuple(array[order] for array in self.training))
            case "drop rows":
                kept = np.setdiff1d(np.arange(len(self.training[1])), value)
                return replace(self, training=tuple(array[kept] for array in self.training))
            case "weights":
                y = self.training[1]
                counts = np.bincount(y)
                weights = len(y) / np.count_nonzero(counts) / counts[y]
                return replace(self, training=(*self.training[:2], weights))
        raise ValueError(f"a change must be one of {', '.join(CHANGES)}, not {what!r}")

    def _as_classes(self) -> Plan:
        levels = np.unique(self.training[1])

        def arrays(part: Arrays) -> Arrays:
            codes = np.searchsorted(levels, np.asarray(part[1]).ravel())
            return (part[0], np.minimum(codes, len(levels) - 1), *part[2:])

        return replace(
            self,
            network=replace(self.network, outputs=len(levels), loss="log_loss", loss_options={}),
            training=arrays(self.training),
            validation=None if self.validation is None else arrays(self.validation),
            start=None,
        )

    def _set(self, **settings: Any) -> Plan:
        return replace(self, settings=changed(self.settings, **settings))

    def _prepared(self, prepare: Callable[[Any], Any]) -> Plan:
        x, *others = self.training
        validation = self.validation
        if validation is not None:
            validation = (prepare(validation[0]), *validation[1:])
        return replace(
            self, training=(prepare(x), *others), validation=validation,
            prepare=(*self.prepare, prepare),
        )  # fmt: skip

    def _targets(self, how: str) -> Plan:
        y = np.asarray(self.training[1], np.float64)
        scaling = _input_scaling(y, how)
        middle, spread = scaling.middle, scaling.spread

        def arrays(part: Arrays) -> Arrays:
            return (part[0], scaling(np.asarray(part[1], np.float64)), *part[2:])

        return replace(
            self, training=arrays(self.training),
            validation=None if self.validation is None else arrays(self.validation),
            restore=lambda outputs: outputs.astype(np.float64) * spread + middle,
        )  # fmt: skip


def _input_scaling(x: NDArray[Any], how: str) -> Evening:
    if how == "even out":
        return Evening.of(x)
    deviation = np.std(x, axis=0, dtype=np.float64)
    return Evening(
        np.mean(x, axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0), np.inf
    )


@dataclass(frozen=True, eq=False)
class Tried:
    """What a fix did to a copy of a training.

    Attributes
    ----------
    plan : Planned
        With the changes that did best.
    recording : Recording
    changes : tuple of Change
    before, after : float
        The score on the same held-out rows: accuracy, the share of right labels, or R2.
    """

    plan: Any
    recording: Recording
    changes: tuple[Change, ...]
    before: float
    after: float

    def summary(self) -> str:
        """Return what happened, in words."""
        words = "; ".join(
            change.what if change.value is None else f"{change.what} {change.value}"
            for change in self.changes
        )
        went = "rose" if self.after > self.before else "did not rise"
        return (
            f"Tried on a copy: {words}. The score on held-out rows {went}: "
            f"{self.before:.3f} before, {self.after:.3f} after."
        )


def try_fix(plan: Any, finding: Finding, recording: Recording) -> Tried:
    """Apply a finding's fix to a copy of a training, train it, and compare.

    Parameters
    ----------
    plan : Planned
        The training as it was made.
    finding : Finding
    recording : Recording
        Of the training as it was made.

    Returns
    -------
    Tried
        Of several alternatives, the one with the best score.

    Raises
    ------
    ValueError
        If the finding has no fix that a program can make, or nothing was held out.
    """
    if not finding.fix.alternatives:
        raise ValueError(f"no program can fix {finding.cause!r}; what to do: {finding.fix.words}")
    if recording.held_out is None:
        raise ValueError(
            "a fix is judged on held-out rows, and this training has none; hold some out"
        )

    def score(recording: Recording) -> float:
        part, subject = recording.held_out, recording.subject
        assert part is not None
        outputs = subject.outputs(recording.theta, part.inputs(slice(None)))
        return float(np.mean(credits(outputs, part.y, subject.targets)))

    tries = []
    for changes in finding.fix.alternatives:
        other = plan.changed(changes)
        found = other.watch()
        tries.append(Tried(other, found, tuple(changes), score(recording), score(found)))
    return max(tries, key=lambda tried: tried.after)
