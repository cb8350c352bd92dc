"""Rules about how training went: rates, burdens, its length, the size of the network."""

from __future__ import annotations

import numpy as np

from backlit.insight.doctor import causes
from backlit.insight.doctor.evidence import Evidence
from backlit.insight.doctor.findings import Change, Finding, Fix

_PLAIN_BATCH = 32
_ENOUGH_STEPS = 2_000
_LOWER_RATES = tuple((Change("learning rate", factor),) for factor in (0.1, 0.01, 0.001))
_LARGER_BATCHES = (
    (Change("batch size", _PLAIN_BATCH), Change("epochs", 8.0)),
    (Change("learning rate", 0.1),),
    (Change("learning rate", 0.01),),
)


def gains_without_burdens(e: Evidence) -> bool:
    """Whether a few steps of Adam, with nothing but the loss, gain a fifth of what was gained."""
    return e["kept"] - e["relieved"] > 0.2 * max(1 - e["kept"], 0.1)


def _falls_by_itself(e: Evidence) -> bool:
    """Whether further steps as they were gain much of what steps without burdens gain."""
    return e["final"] - e["further x1"] > 0.4 * (e["kept"] - e["relieved"])


def penalty_holds(e: Evidence) -> Finding | None:
    """Say that penalties pull as hard as the loss, and keep it up."""
    held = (  # a penalty that is in the way has moved the weights
        e["pull"] > 0.5 and e["final"] > 0.2 and e["weights_grew"] < 0.98
        and gains_without_burdens(e) and not _falls_by_itself(e)
    )  # fmt: skip
    # From weights that were pulled to nothing, a few steps do not find the way back.
    collapsed = e["pull"] > 2 and e["final"] > 0.5 and e["weights_grew"] < 0.5
    if not (held or collapsed):
        return None
    return Finding(
        f"Penalties and decay pull up to {e['pull']:.2g} times as hard as the loss, and the "
        f"weights came to {e['weights_grew']:.2g} of what they were. Some steps without them lower "
        f"the loss from {e['final']:.2f} to {e['relieved']:.2f} (1 is the best constant).",
        causes.PENALTY,
        "the weights",
        {k: e[k] for k in ("pull", "weights_grew", "final", "relieved")},
        Fix("lower l1, l2 and decay, or leave them out",
            ((Change("penalties", 0.0),), (Change("penalties", 0.01),))),
        0.9,
    )  # fmt: skip


def dropout_burdens(e: Evidence) -> Finding | None:
    """Say that the loss without dropout falls much further."""
    cost = e["visited_late"] / max(e["looked_late"], 1e-300)
    if not e["drops"] or not gains_without_burdens(e) or _falls_by_itself(e):
        return None
    return Finding(
        f"With dropout the loss of the last epoch is {cost:.2g} times that without. Further steps "
        f"with it come to {e['further x1']:.2f}, and some without it lower the loss from "
        f"{e['kept']:.2f} to {e['relieved']:.2f} (1 is the best constant).",
        causes.DROPOUT,
        "the hidden layers",
        {"with_over_without": cost, **{k: e[k] for k in ("kept", "relieved", "further x1")}},
        Fix("let fewer units fall silent, or none",
            ((Change("dropout", 0.0),), (Change("dropout", 0.1),))),
        0.85,
    )  # fmt: skip


def clipping_slows(e: Evidence) -> Finding | None:
    """Gradients are many times as long as they may be."""
    if e["clipped"] < 5:
        return None
    return Finding(
        f"Half of the gradients are more than {e['clipped']:.3g} times as long as they may be: "
        "all steps are short, whatever the slope.",
        causes.CLIPPED,
        "the steps",
        {k: e[k] for k in ("clipped", "update_ratio_early")},
        Fix("clip at the length that one gradient in ten reaches, or not at all",
            ((Change("clip norm"),), (Change("clip norm"), Change("learning rate", 10.0)))),
        0.85,
    )  # fmt: skip


def steps_too_long(e: Evidence) -> Finding | None:
    """With a tenth or a hundredth of the rate, the same steps come lower."""
    slow = min(e["first x0.1"], e["first x0.01"])
    early = slow < 0.8 * e["first x1"]
    noisy = 0.93 if e["batch"] <= 4 else 0.7
    late = e["further x0.1"] < noisy * e["final"] and e["further x0.1"] < (
        (1 + noisy) / 2 * e["further x1"]
    )
    if not (early or late or e["diverged"]):
        return None
    words = (
        "The loss left the finite numbers. " if e["diverged"] else
        f"After the first {e.response.steps} steps the loss is {e['first x1']:.3g}; made with a "
        f"tenth or a hundredth of the rate, {slow:.3g}. "
        if early else
        f"Some further steps with a tenth of the rate lower the loss from {e['final']:.3g} to "
        f"{e['further x0.1']:.3g}. "
    )  # fmt: skip
    small = e["batch"] <= 4
    if small:
        return Finding(
            f"{words}Batches have {e['batch']:.0f} rows, and about {e['noise_batch']:.0f} would "
            "have as much gradient as noise.",
            causes.BATCH_SMALL,
            "the steps",
            {k: e[k] for k in ("batch", "noise_batch", "final", "further x0.1")},
            Fix("larger batches and more epochs, or a lower learning rate", _LARGER_BATCHES),
            0.7,
        )  # fmt: skip
    return Finding(
        f"{words}(1 is the best constant.)",
        causes.RATE_HIGH,
        "the steps",
        {k: e[k] for k in ("first x0.01", "first x0.1", "first x1", "further x0.1", "final")},
        Fix("a tenth of the learning rate, or less", _LOWER_RATES),
        0.85 if early or e["diverged"] else 0.7,
    )


def steps_too_short(e: Evidence) -> Finding | None:
    """With ten or a hundred times the rate, the same steps come far lower."""
    quick = min(e["first x10"], e["first x100"])
    creeps = e["update_ratio_early"] < 2e-4
    slow = e["update_ratio_early"] < 3e-3 and quick < 0.8 * e["first x1"]
    fell = e["last_rate"] < 0.01
    if not gains_without_burdens(e) or not (creeps or slow or fell):
        return None
    return Finding(
        f"The loss came to {e['kept']:.2f} (1 is the best constant). A step changes a layer by "
        f"at most {e['update_ratio_early']:.1e} of its size. The first {e.response.steps} "
        f"steps with ten or a hundred times the rate come to {quick:.2f} in place of "
        f"{e['first x1']:.2f}.",
        causes.RATE_LOW,
        "the steps",
        {k: e[k] for k in ("first x1", "first x10", "first x100", "update_ratio_early", "kept",
                           "last_rate")},
        Fix("ten times the learning rate, or more, and one that does not fall to nothing early",
            ((Change("learning rate", 10.0),), (Change("learning rate", 100.0),),
             (Change("learning rate", 1000.0),), (Change("schedule"),))),
        0.8,
    )  # fmt: skip


def stopped_early(e: Evidence) -> Finding | None:
    """Say that the loss was still falling when training ended."""
    falling = gains_without_burdens(e) or e["further x1"] < 0.93 * e["final"]
    if not falling or e["training_lost"] < 0.05:
        return None
    few = e["steps_an_epoch"] <= 4 and e["epochs"] >= 5
    longer = float(np.clip(round(_ENOUGH_STEPS / e["steps"]), 5, 200))
    evidence = {k: e[k] for k in ("steps", "steps_an_epoch", "epochs", "final", "further x1",
                                  "relieved")}  # fmt: skip
    if few:
        return Finding(
            f"An epoch has {e['steps_an_epoch']:.0f} steps, of {e['batch']:.0f} rows each, and "
            f"there were {e['steps']:.0f} steps in all; the loss was still falling. A batch of "
            f"{e['noise_batch']:.0f} has as much gradient as noise.",
            causes.BATCH_LARGE,
            "the steps",
            evidence,
            Fix("smaller batches: more steps for the same work",
                ((Change("batch size", _PLAIN_BATCH),), (Change("epochs", 20.0),))),
            0.75,
        )  # fmt: skip
    return Finding(
        f"After {e['steps']:.0f} steps there was more to gain: {e.response.steps} further ones "
        f"lower the loss from {e['final']:.2f} to {e['further x1']:.2f}, and some of Adam from "
        f"{e['kept']:.2f} to {e['relieved']:.2f} (1 is the best constant).",
        causes.FEW_EPOCHS,
        "the end of training",
        evidence,
        Fix("more epochs, and more patience",
            ((Change("patience", 20), Change("epochs", longer)),
             (Change("patience", 20), Change("epochs", 3 * longer)))),
        0.75,
    )  # fmt: skip


def network_narrow(e: Evidence) -> Finding | None:
    """Say that the training rows themselves are not learned, by too few units."""
    if e["training_lost"] < 0.08 or e["narrowest"] > 16:
        return None
    return Finding(
        f"The training rows are learned to {e['training_score']:.3f}, where a wider network comes "
        f"{e['training_lost']:.0%} of the way further; the loss no longer falls, whatever the "
        f"rate. The narrowest hidden layer has {e['narrowest']:.0f} units.",
        causes.NARROW,
        "the hidden layers",
        {k: e[k] for k in ("training_score", "training_lost", "narrowest", "relieved", "kept")},
        Fix("more units", ((Change("hidden", (64,)),), (Change("hidden", (128, 64)),))),
        0.75,
    )


def steps_are_noise(e: Evidence) -> Finding | None:
    """Batches of a few rows, where many are needed for as much gradient as noise."""
    if e["batch"] > 4 or e["noise_batch"] < 16 * e["batch"]:
        return None
    return Finding(
        f"Batches have {e['batch']:.0f} rows, and about {e['noise_batch']:.0f} would have as much "
        "gradient as noise: the steps mostly undo each other.",
        causes.BATCH_SMALL,
        "the steps",
        {k: e[k] for k in ("batch", "noise_batch", "final", "further x0.1")},
        Fix("larger batches and more epochs, or a lower learning rate", _LARGER_BATCHES),
        0.6,
    )


def units_died(e: Evidence) -> Finding | None:
    """Most units of a layer died on the way."""
    if e["silent at end"] < 0.8:
        return None
    return Finding(
        f"{e['silent at end']:.0%} of the units of a layer are 0 for every row at the end; at the "
        f"start {e['silent at start']:.0%} were. Steps threw them out.",
        causes.RATE_HIGH,
        "the hidden layers",
        {k: e[k] for k in ("silent at start", "silent at end")},
        Fix("a tenth of the learning rate, or less", _LOWER_RATES),
        0.7,
    )  # fmt: skip


def overfitted(e: Evidence) -> Finding | None:
    """Say that the training rows are learned, and others worse than they could be."""
    if e["training_lost"] > 0.05:
        return None
    return Finding(
        f"On the training rows the score is {e['training_score']:.3f}, on the held-out ones "
        f"{e['score']:.3f}, where a plain network that stops in time has "
        f"{e['reference_score']:.3f}.",
        causes.OVERFITTED,
        "the end of training",
        {k: e[k] for k in ("training_score", "score", "reference_score")},
        Fix("stop at the best epoch on held-out rows, or take dropout or a little decay",
            ((Change("patience", 10),), (Change("dropout", 0.3),))),
        0.5,
    )  # fmt: skip


def unexplained(e: Evidence) -> Finding:
    """Less is learned than could be, and no rule says why."""
    return Finding(
        f"The score is {e['score']:.3f}, and a plain network on the same rows has "
        f"{e['reference_score']:.3f}; no known cause shows.",
        causes.UNKNOWN,
        "the training",
        {k: e[k] for k in ("score", "reference_score", "lost")},
        Fix("begin from a plain training: two layers of 64 rectifiers, Adam at 0.001, inputs "
            "standardised",
            ((Change("activation", "relu"), Change("hidden", (64, 64)), Change("optimizer", "adam"),
              Change("inputs", "even out")),)),
        0.3,
    )  # fmt: skip


COURSE_RULES = (
    penalty_holds, clipping_slows, steps_too_long, steps_too_short, dropout_burdens,
    steps_are_noise, units_died, stopped_early,
)  # fmt: skip
# Asked only where nothing else is found.
LAST_RULES = (network_narrow, overfitted)
