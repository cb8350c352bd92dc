"""Rules about the first weights: units that cannot learn from the first step on."""

from __future__ import annotations

from backlit.insight.doctor import causes
from backlit.insight.doctor.evidence import Evidence
from backlit.insight.doctor.findings import Change, Finding, Fix

_ANEW = Change("initial weights", "automatic")


def units_start_alike(e: Evidence) -> Finding | None:
    """Units of a layer that are copies get the same gradient, and stay copies."""
    if e["alike at start"] < 0.9:
        return None
    return Finding(
        f"{e['alike at start']:.0%} of the units of a layer compute the same at the first step, "
        f"and {e['alike at end']:.0%} at the last: copies get the same gradient, and stay copies "
        "but for what dropout does.",
        causes.ALIKE,
        _layer(e, "alike"),
        {k: e[k] for k in ("alike at start", "alike at end")},
        Fix("begin with random weights", ((_ANEW,),)),
        0.95,
    )


def dead_from_the_start(e: Evidence) -> Finding | None:
    """Most units of a layer are silent for all rows from the first step on."""
    if e["silent at start"] < 0.5:
        return None
    return Finding(
        f"{e['silent at start']:.0%} of the units of a layer are 0 for every row from the first "
        "step on, and no delta passes them.",
        causes.DEAD,
        _layer(e, "silent"),
        {k: e[k] for k in ("silent at start", "silent at end")},
        Fix("begin with biases at 0 and weights that the layer's size asks for", ((_ANEW,),)),
        0.9,
    )


def saturated_from_the_start(e: Evidence) -> Finding | None:
    """Most bounded units are at their bounds, though the inputs are of a usual size."""
    if e["flat at start"] < 0.3 or e["initial"] > 10:
        return None
    return Finding(
        f"{e['flat at start']:.0%} of the units of a layer are at their bounds for nine rows in "
        "ten at the first step, where hardly a delta passes.",
        causes.SATURATED,
        _layer(e, "flat"),
        {k: e[k] for k in ("flat at start", "flat at end", "largest pre-activation at start")},
        Fix("begin with weights that the layer's size asks for, and biases at 0", ((_ANEW,),)),
        0.8,
    )


def weights_start_large(e: Evidence) -> Finding | None:
    """Say that outputs begin far from 0, and the loss far above that of a guess."""
    if e["initial"] < 5 or e["largest pre-activation at start"] < 5:
        return None
    return Finding(
        f"The first loss is {e['initial']:.3g} times that of the best constant, and "
        f"pre-activations begin at {e['largest pre-activation at start']:.3g}.",
        causes.INITIAL_LARGE,
        "the first weights",
        {k: e[k] for k in ("initial", "largest pre-activation at start")},
        Fix("begin with weights that the layer's size asks for (He, Glorot)", ((_ANEW,),)),
        0.85,
    )


def weights_start_small(e: Evidence) -> Finding | None:
    """Signals die on their way from the first step on, in few layers."""
    if e["smallest pre-activation at start"] > 0.03:
        return None
    return Finding(
        "Pre-activations of a hidden layer begin at "
        f"{e['smallest pre-activation at start']:.2g} (root mean square), and deltas lose "
        f"{1 / max(e['delta ratio at start'], 1e-30):.2g} times from the last layer to the first.",
        causes.INITIAL_SMALL,
        "the first weights",
        {k: e[k] for k in ("smallest pre-activation at start", "delta ratio at start")},
        Fix("begin with weights that the layer's size asks for (He, Glorot)", ((_ANEW,),)),
        0.85,
    )


def deltas_vanish(e: Evidence) -> Finding | None:
    """Deltas lose most of their size from layer to layer, and little is learned."""
    if e["layers"] < 4 or e["delta ratio at start"] > 0.01 or e["last_epoch"] < 0.1:
        return None
    return Finding(
        f"Deltas of the first layer are {e['delta ratio at start']:.2g} of those of the last, over "
        f"{e['layers']:.0f} layers.",
        causes.VANISHING,
        "layer 1",
        {k: e[k] for k in ("delta ratio at start", "delta ratio at end", "layers")},
        Fix("take rectifiers (relu), or fewer layers",
            ((Change("activation", "relu"),),
             (Change("activation", "relu"), Change("hidden", (64,))))),
        0.9,
    )  # fmt: skip


def _layer(e: Evidence, kind: str) -> str:
    layers = e.signal.looks[0].layers[:-1]
    number = max(range(len(layers)), key=lambda place: getattr(layers[place], kind))
    return f"layer {number + 1}"


BROKEN_RULES = (units_start_alike, dead_from_the_start)
START_RULES = (
    deltas_vanish, weights_start_large,
    saturated_from_the_start, weights_start_small,
)  # fmt: skip
