"""Rules about the data: labels, the split, scales, far values."""

from __future__ import annotations

import numpy as np

from backlit.insight.doctor import causes
from backlit.insight.doctor.attainable import attainable, train_plainly
from backlit.insight.doctor.evidence import Evidence
from backlit.insight.doctor.findings import Change, Finding, Fix
from backlit.insight.doctor.giveaways import told_by_columns, twins
from backlit.insight.doctor.given import Given
from backlit.insight.doctor.judging import credits, paired
from backlit.insight.recording import Part


def inputs_tell_nothing(e: Evidence) -> Finding | None:
    """Neither a sane network nor this one beats the best constant on held-out rows."""
    if not e.unseen or e["gap_z"] > 2 or e["loss_gap_z"] > 2:
        return None
    if e["own_gap_z"] > 2 or e["rank_z"] > 3.3:
        return None
    if e.targets == "classes" and len(e.judged) - np.max(np.bincount(e.judged.y)) < 30:
        return None  # too few rows of other classes to say so
    return Finding(
        f"On rows that were not trained on, a plain network scores {e['reference_score']:.3f} and "
        f"the best constant {e['trivial_score']:.3f}: no difference can be told.",
        causes.NOTHING_TOLD,
        "the inputs and the targets",
        {k: e[k] for k in ("reference_score", "trivial_score", "gap_z", "loss_gap_z")},
        Fix("check that each row has its own target (a sorted or shuffled column comes loose), and "
            "whether these columns can tell it at all"),
        0.9,
    )  # fmt: skip


def rows_on_both_sides(e: Given) -> Finding | None:
    """Held-out rows are training rows, more often than training rows are each other's twins."""
    if not e.unseen:
        return None
    part, judged = e.training, e.judged
    shared, natural = twins(part.inputs(slice(None)), part.y, judged.inputs(slice(None)), judged.y)
    share = float(np.mean(shared))
    spread = 3 * np.sqrt(natural * (1 - natural) / len(shared))
    if share < natural + spread + 0.05:
        return None
    return Finding(
        f"{share:.0%} of the held-out rows are training rows as well, target and all; among "
        f"themselves, {natural:.0%} of the training rows have a twin. The held-out score praises "
        "what was learned by heart.",
        causes.SHARED_ROWS,
        f"{int(np.sum(shared))} held-out rows",
        {"shared": share, "natural": natural},
        Fix("remove duplicates before the split, or keep all rows of one origin on one side"),
        0.9,
    )


def a_column_gives_away(e: Given) -> Finding | None:
    """One column alone tells the target, far better than all others together."""
    part = e.training
    kind = e.targets
    if kind not in ("classes", "numbers") or (kind == "numbers" and part.y.shape[1] > 1):
        return None
    x, y = part.inputs(slice(None)), part.y
    told = told_by_columns(x, y.ravel(), kind == "classes")
    column = int(np.argmax(told))
    if told[column] < 0.6 or len(told) < 2:
        return None
    others = np.delete(np.arange(len(told)), column)

    def without(some: Part) -> Part:
        return Part(some.inputs(slice(None))[:, others], some.y, some.weights, some.rows)

    count = e.reference.outputs.shape[1]
    rest = train_plainly(without(part), without(e.judged), kind, count)
    best = 1.0 if kind == "numbers" else 1 - float(np.mean(e.reference.trivial))
    rest_told = rest.gap[0] / max(best, 1e-9)
    all_told = e.reference.gap[0] / max(best, 1e-9)
    alone = max(float(told[column]), 0.0)
    lost = 1 - rest_told / max(all_told, 1e-9)
    second = float(np.max(told[others]))
    copy = alone > 0.95 and second < 0.8 * alone
    if not copy and not (all_told > 0.9 and lost > 0.3 and alone > rest_told + 0.1):
        return None
    name = e.input_names[column]
    return Finding(
        f"{name} alone tells {alone:.0%} of what there is to tell, all other columns together "
        f"{rest_told:.0%}.",
        causes.GIVEAWAY,
        name,
        {"alone": alone, "others": rest_told, "all": all_told, "column": float(column)},
        Fix("ask whether this column is known before the target is; if not, leave it out",
            ((Change("drop inputs", (column,)),),)),
        0.85,
    )  # fmt: skip


def classes_as_numbers(e: Given) -> Finding | None:
    """Numbers that are classes: as classes they are told far better."""
    if e.numbers.get("target_levels", np.inf) > 50 or not e["target_whole"]:
        return None
    if e["target_levels"] < 3:
        return None
    part, judged = e.training, e.judged
    levels = np.unique(part.y)
    if not np.all(np.isin(judged.y, levels)):
        return None

    def classes(some: Part) -> Part:
        codes = np.searchsorted(levels, some.y.ravel())
        return Part(some.x, codes, some.weights, some.rows)

    as_classes = train_plainly(classes(part), classes(judged), "classes", len(levels))
    nearest = np.argmin(np.abs(e.reference.outputs - levels), axis=1)
    right = nearest == classes(judged).y
    better = as_classes.credits - right
    gain = float(np.mean(better)) / max(
        float(np.mean(as_classes.credits - as_classes.trivial)), 1e-9
    )
    error = float(np.std(better)) / np.sqrt(len(better))
    if gain < 0.35 or float(np.mean(better)) < 4 * error:
        return None
    return Finding(
        f"The targets are {len(levels)} whole numbers. Predicted as numbers and rounded, "
        f"{np.mean(right):.0%} of them are right; as classes {as_classes.score:.0%}.",
        causes.WRONG_LOSS,
        "the output layer",
        {"as_numbers": float(np.mean(right)), "as_classes": as_classes.score, "gain": gain},
        Fix("predict classes: an output for each, and log_loss",
            ((Change("loss", "log_loss"),),)),
        0.85,
    )  # fmt: skip


def rare_class_ignored(e: Evidence) -> Finding | None:
    """Nothing but the commonest class is told, though the inputs tell a rare one."""
    if e.numbers.get("rarest", 1.0) > 0.4 or e["own_gap_z"] > 1.5:
        return None
    counts = np.bincount(e.training.y)
    rare = np.flatnonzero(
        (counts > 0) & (counts < 0.4 * len(e.training) / np.count_nonzero(counts))
    )
    some = np.isin(e.judged.y, rare)
    if np.sum(some) < 5:
        return None
    subject = e.recording.subject
    outputs = subject.outputs(e.recording.theta, e.judged.inputs(slice(None)))
    own = credits(outputs, e.judged.y, "classes")[some]
    balanced = attainable(e.recording, e.judged if e.unseen else None, balanced=True)
    fair = balanced.credits[some]
    better, error = paired(fair, own)
    if np.mean(own) > 0.4 * np.mean(fair) or better < 0.2 or better < 2 * error:
        return None
    names = ", ".join(e.output_names[k] for k in rare[:5]) + ("" if len(rare) <= 5 else ", ...")
    return Finding(
        f"Of the held-out rows of {names}, {np.mean(own):.0%} are told; where all classes count "
        f"the same, {np.mean(fair):.0%}. The commonest class is said of nearly "
        "every row.",
        causes.RARE,
        names,
        {"told": float(np.mean(own)), "told_where_balanced": float(np.mean(fair)),
         "rows": float(np.sum(some))},
        Fix("if rare classes matter, let all classes count the same, by weights of the rows",
            ((Change("weights", "balance"),),)),
        0.7,
    )  # fmt: skip


def held_out_differs(e: Given) -> Finding | None:
    """Say that the columns of held-out rows lie elsewhere than in training."""
    if not e.unseen or not ((e["shift_size"] > 0.3 and e["shift"] > 4) or e["stretch"] > 0.4):
        return None
    return Finding(
        f"Half of the columns lie {e['shift_size']:.2f} deviations or more from where they lie in "
        f"the training rows, or are wider or narrower by {np.exp(e['stretch']):.2f} times.",
        causes.SHIFTED,
        "the held-out rows",
        {k: e[k] for k in ("shift_size", "shift", "stretch")},
        Fix("prepare all rows by the numbers of the training rows; and split at random, unless "
            "the order in time matters"),
        0.8,
    )  # fmt: skip


def far_targets(e: Given) -> Finding | None:
    """Say that a few far targets hold most of the loss."""
    if "target_farthest" not in e.numbers or e["target_farthest"] < 12:
        return None
    y = e.training.y.astype(float)
    squares = np.sum((y - np.median(y, axis=0)) ** 2, axis=1)
    count = max(1, len(y) // 50)
    held = float(np.sum(np.sort(squares)[-count:]) / np.sum(squares))
    if held < 0.6:
        return None
    return Finding(
        f"The farthest target is {e['target_farthest']:.0f} spreads from the median, and the "
        f"farthest {count} rows hold {held:.0%} of all squared distance.",
        causes.FAR_TARGETS,
        f"{count} rows",
        {"farthest": e["target_farthest"], "held": held},
        Fix("look at these rows; if they are slips, drop them, and if not, draw them in or take "
            "absolute_loss",
            ((Change("targets", "even out"),), (Change("loss", "absolute_loss"),))),
        0.85,
    )  # fmt: skip


# ----- Only where the training falls short --------------------------------------------------------


def far_inputs(e: Given) -> Finding | None:
    """Say that a few far values set the scale of their columns."""
    if e["farthest"] < 60 or e["squeezed"] > 0.3:
        return None
    return Finding(
        f"The farthest input is {e['farthest']:.3g} spreads from its column's median; "
        f"{e['far_rows']:.1%} of the rows have such a value. The others share a small part of "
        "their column's scale.",
        causes.FAR_INPUTS,
        "the inputs",
        {k: e[k] for k in ("farthest", "far_rows", "squeezed")},
        Fix("look at the farthest values: slips, or codes such as -999 for missing ones? Draw far "
            "values in before scaling",
            ((Change("inputs", "even out"),),)),
        0.8,
    )  # fmt: skip


def inputs_not_scaled(e: Given) -> Finding | None:
    """Columns are far larger, smaller or more unlike than weights are made for."""
    large = e["largest_column"] > 15
    small = e["median_column"] < 0.1
    if not (large or small):
        return None
    return Finding(
        f"Columns go up to {e['largest_column']:.3g} (root mean square; half of them are below "
        f"{e['median_column']:.2g}), and initial weights are made for columns around 1.",
        causes.UNSCALED,
        "the inputs",
        {k: e[k] for k in ("largest_column", "median_column", "smallest_deviation")},
        Fix("standardise the inputs: less the mean, over the deviation",
            ((Change("inputs", "standardise"),), (Change("inputs", "even out"),))),
        0.85,
    )  # fmt: skip


def targets_not_scaled(e: Given) -> Finding | None:
    """Numbers far from 0 or far apart: outputs begin around 0, within a few units."""
    if "target_size" not in e.numbers or 0.05 < e["target_size"] < 8:
        return None
    return Finding(
        f"Targets have a root mean square of {e['target_size']:.3g} and a deviation of "
        f"{e['target_deviation']:.3g}; outputs begin around 0, within 1 or so.",
        causes.TARGETS_UNSCALED,
        "the targets",
        {k: e[k] for k in ("target_size", "target_deviation")},
        Fix("standardise the targets, and turn predictions back",
            ((Change("targets", "standardise"),),)),
        0.85,
    )  # fmt: skip


def rows_in_an_order(e: Evidence) -> Finding | None:
    """Epochs go through the rows in one order, in which neighbours have like targets."""
    if not (e["kept_order"] > 0.9 or np.isnan(e["kept_order"])) or e["neighbours_alike"] < 0.3:
        return None
    return Finding(
        "Every epoch takes the rows in one order, and rows that follow each other have like "
        f"targets (correlation {e['neighbours_alike']:.2f}): the network learns the last ones and "
        "forgets the first.",
        causes.ORDER,
        "the order of the rows",
        {k: e[k] for k in ("kept_order", "neighbours_alike")},
        Fix("shuffle the rows before each epoch", ((Change("order"),),)),
        0.9,
    )


DATA_RULES = (
    held_out_differs, classes_as_numbers, rows_on_both_sides, a_column_gives_away, far_targets,
    inputs_tell_nothing, rare_class_ignored,
)  # fmt: skip
PREPARATION_RULES = (rows_in_an_order, far_inputs, inputs_not_scaled, targets_not_scaled)
