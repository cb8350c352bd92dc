"""The numbers by which the doctor decides, all of one training.

Losses are in units of the loss of the best constant outputs, so that 1 means that nothing was
learned, whatever the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlit.insight.doctor.attainable import Attainable, attainable, some_of
from backlit.insight.doctor.given import Given, neighbours_alike, tell_inputs, tell_targets
from backlit.insight.doctor.judging import (
    credits,
    log_losses,
    paired,
    trivial_outputs,
)
from backlit.insight.doctor.response import FACTORS, Response, respond
from backlit.insight.doctor.signal import Signal, follow
from backlit.insight.recording import Part, Recording

_Z = 1.96  # a normal variable is within so many deviations in 95 of 100 cases


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence(Given):
    """Everything that rules look at: what is known of the data, and of the training.

    Attributes
    ----------
    recording : Recording
    signal : Signal
    response : Response
    """

    recording: Recording
    signal: Signal
    response: Response

    @property
    def harmed(self) -> bool:
        """Whether the training certainly falls short of what the data allow.

        Of what a plain network learns beyond the best constant, 15 % are lost in the score, or a
        sixth in the loss, at the lower end of its 95 % interval.
        """
        # Worse than the best constant, on other rows or on those that it was trained on.
        if self["diverged"] or self["own_gap_z"] < -3 or self["kept"] > 1.5:
            return True
        if self["gap_z"] < 1 and self["loss_gap_z"] < 1:
            return False
        lost, more = (
            self[name] * (1 - _Z / self[f"{name}_z"]) if self[f"{name}_z"] > 0 else 0.0
            for name in ("lost", "loss_lost")
        )
        # Of few rows, neither is certain; then the training rows speak as well.
        both = self["lost"] > 0.2 and self["training_lost"] > 0.45 and self["lost_z"] > 1
        # A loss alone may be that of a network too sure of itself, which tells as well as others.
        return bool(lost > 0.15 or (more > 0.167 and self["lost"] > 0.1) or both)


def gather(
    recording: Recording, judged: Part | None = None, reference: Attainable | None = None
) -> Evidence:
    """Collect the numbers.

    Parameters
    ----------
    recording : Recording
    judged : Part, optional
        Rows to judge by; by default the held-out part.
    reference : Attainable, optional
        Of the same rows, if there is one.

    Returns
    -------
    Evidence
    """
    reference = reference or attainable(recording, judged)
    signal = follow(recording)
    response = respond(recording, signal.last)
    numbers: dict[str, float] = {}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        numbers |= _harm(recording, reference)
        numbers |= _course(recording, response)
        numbers |= _structure(recording, signal)
        training = some_of(recording.training)
        numbers |= tell_inputs(training, reference.judged, reference.unseen)
        numbers |= tell_targets(recording.training, recording.subject.targets)
        numbers |= _order(recording)
    return Evidence(
        training=training, judged=reference.judged, unseen=reference.unseen,
        targets=recording.subject.targets, outputs=reference.outputs.shape[1],
        input_names=recording.input_names, output_names=recording.output_names, numbers=numbers,
        known=reference, recording=recording, signal=signal, response=response,
    )  # fmt: skip


def _harm(recording: Recording, reference: Attainable) -> dict[str, float]:
    """How much worse than the reference the kept network is, as a share of what can be learned."""
    subject, judged = recording.subject, reference.judged
    outputs = subject.outputs(recording.theta, judged.inputs(slice(None)))
    own = credits(outputs, judged.y, subject.targets)
    gap, gap_error = reference.gap
    lost, lost_error = paired(reference.credits, own)
    training = some_of(recording.training)
    seen = credits(
        subject.outputs(recording.theta, training.inputs(slice(None))), training.y, subject.targets
    )
    found = {
        "score": float(np.mean(own)),
        "reference_score": reference.score,
        "trivial_score": float(np.mean(reference.trivial)),
        "gap_z": gap / gap_error,
        "own_gap_z": float(np.divide(*paired(own, reference.trivial))),
        "lost": lost / max(gap, 1e-9),
        "lost_z": lost / lost_error,
        "training_score": float(np.mean(seen)),
        "training_lost": float(np.mean(reference.training_credits - seen))
        / max(reference.training_gap, 1e-9),
        "rank_z": _rank_z(reference),
    }
    if subject.targets == "classes":
        constant = trivial_outputs(training.y, reference.outputs.shape[1], "classes")
        trivial = log_losses(np.broadcast_to(constant, reference.outputs.shape), judged.y)
        best, mine = log_losses(reference.outputs, judged.y), log_losses(outputs, judged.y)
        gap, gap_error = paired(trivial, best)
        lost, lost_error = paired(mine, best)
        found |= {
            "loss_gap_z": gap / gap_error,
            "loss_lost": lost / max(gap, 1e-9),
            "loss_lost_z": lost / lost_error,
        }
    else:
        found |= {
            "loss_gap_z": found["gap_z"], "loss_lost": found["lost"],
            "loss_lost_z": found["lost_z"],
        }  # fmt: skip
    return found


def _rank_z(reference: Attainable) -> float:
    """Return how certain it is that the reference's outputs rank rows by their targets.

    The largest z over classes of H. Mann and D. Whitney's test (1947), or that of C. Spearman's
    correlation.
    """
    from scipy.stats import rankdata

    y, outputs = reference.judged.y, reference.outputs
    wanted = (y[:, np.newaxis] == np.arange(outputs.shape[1])) if y.ndim == 1 else y
    found = [0.0]
    for column in range(wanted.shape[1]):
        values, ranks = rankdata(wanted[:, column]), rankdata(outputs[:, column])
        if np.ptp(values) > 0 and np.ptp(ranks) > 0:
            found.append(float(np.corrcoef(values, ranks)[0, 1]) * np.sqrt(len(y)))
    return max(found)


def _course(recording: Recording, response: Response) -> dict[str, float]:
    """How the loss went, and how it responds."""
    part, subject = recording.training, recording.subject
    constant = trivial_outputs(part.y, subject.sizes[-1], subject.targets)
    flat = subject.losses(np.broadcast_to(constant, (len(part), len(constant))), part.y)
    trivial = max(float(np.average(flat.astype(float), weights=part.weights)), 1e-300)
    by_epoch = np.nanmean(recording.visits_by_row(recording.loss.astype(float)), axis=0) / trivial
    return {
        "diverged": float("no longer finite" in recording.figures.stopped),
        "epochs": float(len(by_epoch)),
        "steps": float(len(recording.learning_rate)),
        "steps_an_epoch": float(np.sum(recording.epoch == 1)),
        "batch": float(np.max(np.diff(recording.starts))),
        "best_epoch": float(recording.figures.best_epoch),
        "last_epoch": float(by_epoch[-1]),
        "initial": response.initial / trivial,
        "final": response.final / trivial,
        "kept": response.kept / trivial,
        **{f"first x{factor:g}": response.first[factor] / trivial for factor in FACTORS},
        "further x0.1": response.further[0.1] / trivial,
        "further x1": response.further[1.0] / trivial,
        "relieved": response.relieved / trivial,
    }


def _structure(recording: Recording, signal: Signal) -> dict[str, float]:
    """Layers at the start and at the end."""
    found: dict[str, float] = {}
    hidden = max(recording.subject.depth - 1, 1)
    for name, look in (("start", signal.looks[0]), ("end", signal.looks[-1])):
        layers = look.layers
        for kind in ("silent", "flat", "alike"):
            found[f"{kind} at {name}"] = max(
                (getattr(layer, kind) for layer in layers[:-1]), default=0.0
            )
        found[f"delta ratio at {name}"] = layers[0].delta / max(layers[-1].delta, 1e-300)
    first, last = signal.looks[0], signal.looks[-1]
    begun = [layer.pre_activation for layer in first.layers[:hidden]]
    ratios = [
        [layer.update / max(layer.weights, 1e-300) for layer in look.layers]
        for look in signal.looks[: (len(signal.looks) + 1) // 2]
    ]
    clip = recording.course.clip_norm
    shortened = [0.0 if clip is None else look.data_gradient / clip for look in signal.looks]
    visits = recording.loss[recording.starts[-2] :] if len(recording.starts) > 1 else recording.loss
    late = recording.loss[-max(len(recording.training), len(visits)) :]
    return {
        **found,
        "largest pre-activation at start": max(begun),
        "smallest pre-activation at start": min(begun),
        "update_ratio_early": float(np.max(np.median(ratios, axis=0))),
        "pull": max(
            look.penalty_gradient / max(look.data_gradient, 1e-300) for look in signal.looks
        ),
        "clipped": float(np.median(shortened)),
        "noise_batch": signal.batch_size,
        "narrowest": float(min(recording.subject.sizes[1:-1], default=0)),
        "layers": float(recording.subject.depth),
        "weights_grew": sum(layer.weights for layer in last.layers)
        / max(sum(layer.weights for layer in first.layers), 1e-300),
        "drops": float(any(recording.subject.dropout)),
        "last_rate": float(recording.learning_rate[-1] / np.max(recording.learning_rate)),
        "visited_late": float(np.mean(late.astype(float))),
        "looked_late": last.loss,
    }


def _order(recording: Recording) -> dict[str, float]:
    """Whether every epoch takes the rows in one order, in which neighbours have like targets."""
    epoch = np.repeat(recording.epoch, np.diff(recording.starts))
    first, second = recording.row[epoch == 1], recording.row[epoch == 2]
    count = min(len(first), len(second))
    kept = float(np.mean(first[:count] == second[:count])) if count else float("nan")
    part = recording.training
    alike = neighbours_alike(part.y[first], recording.subject.targets)
    return {"kept_order": kept, "neighbours_alike": alike}
