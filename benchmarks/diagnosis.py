"""Measure whether the doctor names the fault, and stays silent where there is none.

    python -m pip install '.[bench]' && python benchmarks/diagnosis.py --data FOLDER

FOLDER holds tables as .csv.gz (see healthy.py for their names); those that it lacks are left out,
and scikit-learn's own are always there. Healthy trainings of varied sane settings are diagnosed,
and trainings into which one fault of random strength was put; the network, its settings, the part
of the table and the strength follow from a seed. A fault counts where it costs 20 % or more of what
healthy trainings gain over the best constant, on rows that neither the training nor the doctor
sees; where it costs less, the right answer is silence. Then the first finding's fix is made on a
copy.

Rules and thresholds were written while looking at ``SEEN_TABLES`` and at operators that are not
marked ``other``. The figures for the others tell what to expect on a table and of a fault that
nobody tuned on. With ``--quick`` a tenth of it runs; with ``--json`` all single results are
printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from backlit.insight.doctor.attainable import Attainable, attainable
from backlit.insight.doctor.diagnosis import diagnose
from backlit.insight.doctor.trial import try_fix
from backlit.training import descent
from faults import FAULTS
from healthy import BUNDLED, OTHER_TABLES, SEEN_TABLES, SOURCES, Case, healthy

COUNTS = 0.2  # the share of the gain that a fault must cost to count
LEAST_GAIN = 0.03  # where healthy trainings gain less, what a fault costs is luck
CLOSED = 0.8  # the share of the loss that a fix must give back to have worked

_shuffled = descent.permutation
_references: dict[str, Attainable] = {}


# ---- one training ------------------------------------------------------------------------------


def run_one(job: tuple[str, str, int, str]) -> dict[str, Any] | None:
    """Make one training, diagnose it, try the fix; None where the fault does not fit the table."""
    operator, table, seed, folder = job
    warnings.simplefilter("ignore")  # of linear models and trainings that were broken on purpose
    case = healthy(table, Path(folder), seed)
    if operator != "healthy":
        changed = FAULTS[operator].operator(case, np.random.default_rng([seed, 7]))
        if changed is None:
            return None
        case = changed
    started = time.process_time()
    # The trainer always shuffles, so that this fault needs another hand.
    descent.permutation = _in_order if case.unshuffled else _shuffled
    try:
        recording = case.plan.watch()
        trained = time.process_time()
        diagnosis = diagnose(recording, reference=_reference(recording))
        done = time.process_time()
        result = {
            "operator": operator, "table": table, "seed": seed, "balanced": case.balanced,
            "score": case.score(case.plan, recording), "trivial": case.trivial(),
            "found": [finding.cause for finding in diagnosis.findings],
            "confidence": [finding.confidence for finding in diagnosis.findings],
            "training_seconds": trained - started, "diagnosis_seconds": done - trained,
            "fixed": None, "numbers": diagnosis.evidence.numbers,
        }  # fmt: skip
        if operator == "healthy":
            if not case.numbers:
                fair = Case(**{**case.__dict__, "balanced": True})
                result["balanced_score"] = fair.score(case.plan, recording)
                result["balanced_trivial"] = fair.trivial()
        elif diagnosis.findings and diagnosis.findings[0].fix.alternatives:
            tried = try_fix(case.plan, diagnosis.findings[0], recording)
            result["fixed"] = case.score(tried.plan, tried.recording)
            result["changes"] = [change.to_json() for change in tried.changes]
    finally:
        descent.permutation = _shuffled
    return result


def _in_order(count: int, *_: Any, **__: Any) -> Any:
    return np.arange(count)


def _reference(recording: Any) -> Attainable:
    """Return what the data allow, made once for the same data."""
    digest = hashlib.sha256()
    for part in (recording.training, recording.held_out):
        digest.update(np.ascontiguousarray(part.x).data)
        digest.update(np.ascontiguousarray(part.y).data)
    key = digest.hexdigest()
    if key not in _references:
        _references[key] = attainable(recording)
    return _references[key]


def jobs(folder: str, quick: bool) -> list[tuple[str, str, int, str]]:
    """Return what to run."""

    def there(name: str) -> bool:
        return name in BUNDLED or (Path(folder) / f"{SOURCES[name][0]}.csv.gz").exists()

    seen, other = (list(filter(there, names)) for names in (SEEN_TABLES, OTHER_TABLES))
    found = []
    for tables, rounds in ((seen, 1 if quick else 7), (other, 2 if quick else 26)):
        found += [
            ("healthy", table, 100 * turn + number, folder)
            for turn in range(rounds)
            for number, table in enumerate(tables)
        ]
    for number, name in enumerate(FAULTS):
        for turn in range(1 if quick else 8):
            tables = (seen, other)[(turn + number) % 2]
            table = tables[(5 * number + turn) % len(tables)]
            found.append((name, table, 10_000 + 100 * turn + number, folder))
    return found


# ---- the figures ---------------------------------------------------------------------------------


def upper_bound(bad: int, count: int) -> float:
    """Return the upper end of the exact one-sided 95 % interval of a share."""
    from scipy.stats import beta

    return 1.0 if bad >= count else float(beta.ppf(0.95, bad + 1, count - bad))


def judge(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say of each training what its fault cost, and whether the doctor was right."""
    norms: dict[tuple[str, bool], tuple[float, float]] = {}
    for table in {r["table"] for r in results}:
        own = [r for r in results if r["table"] == table and r["operator"] == "healthy"]
        if not own:
            continue
        norms[table, False] = (median(r["score"] for r in own), median(r["trivial"] for r in own))
        fair = [r for r in own if "balanced_score" in r]
        if fair:
            norms[table, True] = (
                median(r["balanced_score"] for r in fair),
                median(r["balanced_trivial"] for r in fair),
            )
    judged = []
    for r in results:
        good, trivial = norms.get((r["table"], r["balanced"]), (0.0, 0.0))
        if good - trivial < LEAST_GAIN:
            continue
        cost = (good - r["score"]) / max(good - trivial, 1e-9)
        first = r["found"][0] if r["found"] else None
        fault = FAULTS.get(r["operator"])
        counts = cost >= COUNTS or (fault is not None and fault.always_counts)
        entry = {**r, "cost": cost, "counts": counts, "first": first}
        if fault is not None:
            entry |= {
                "right": first in fault.right,
                "sensible": first in (*fault.right, *fault.sensible),
                "other": fault.other,
                "fixable": fault.fixable,
            }
            if r["fixed"] is not None and cost > 0:
                entry["closed"] = (r["fixed"] - r["score"]) / max(good - r["score"], 1e-9)
        entry["other_table"] = r["table"] in OTHER_TABLES
        judged.append(entry)
    return judged


def report(results: Sequence[dict[str, Any]]) -> str:
    """Return the figures as text."""
    judged = judge(results)
    lines = []
    sane = [r for r in judged if r["operator"] == "healthy"]
    for name, some in (
        ("seen tables", [r for r in sane if not r["other_table"]]),
        ("other tables", [r for r in sane if r["other_table"]]),
    ):
        fine = [r for r in some if not r["counts"]]
        alarms = [r for r in fine if r["found"]]
        which = ", ".join(f"{c} {n}" for n, c in Counter(r["first"] for r in alarms).most_common())
        lines.append(
            f"healthy, {name}: {len(alarms)} alarms in {len(fine)} (upper 95 % bound "
            f"{upper_bound(len(alarms), len(fine)):.1%}; {len(some) - len(fine)} of {len(some)} "
            f"fell short by themselves){': ' + which if which else ''}"
        )
    sick = [r for r in judged if r["operator"] != "healthy"]
    hurt = [r for r in sick if r["counts"] and FAULTS[r["operator"]].right]
    for name, key, some in (
        ("seen operators, seen tables, first right", "right",
         [r for r in hurt if not r["other"] and not r["other_table"]]),
        ("seen operators, other tables, first right", "right",
         [r for r in hurt if not r["other"] and r["other_table"]]),
        ("seen operators, all tables, first right", "right", [r for r in hurt if not r["other"]]),
        ("other operators, other tables, sensible", "sensible",
         [r for r in hurt if r["other"] and r["other_table"]]),
        ("other operators, all tables, sensible", "sensible", [r for r in hurt if r["other"]]),
    ):  # fmt: skip
        good = sum(bool(r[key]) for r in some)
        lines.append(f"{name}: {good} of {len(some)}{f' ({good / len(some):.0%})' if some else ''}")
    mild = [r for r in sick if not r["counts"]]
    silent = sum(not r["found"] for r in mild)
    lines.append(f"harmless faults, silent: {silent} of {len(mild)}")
    fixable = [r for r in hurt if r["fixable"]]
    closed = sum(r.get("closed", 0.0) >= CLOSED for r in fixable)
    lines.append(
        f"fixable faults, the fix closes {CLOSED:.0%} of what the fault cost: {closed} of "
        f"{len(fixable)}{f' ({closed / len(fixable):.0%})' if fixable else ''}"
    )
    lines.append(
        "seconds of a processor, median: training "
        f"{median(r['training_seconds'] for r in judged):.2f}, diagnosis "
        f"{median(r['diagnosis_seconds'] for r in judged):.2f}"
    )
    lines.append("\noperator: right / counting; silent / harmless; what else was said first")
    for name, fault in FAULTS.items():
        own = [r for r in sick if r["operator"] == name]
        count = [r for r in own if r["counts"]]
        mild = [r for r in own if not r["counts"]]
        wrong = Counter(r["first"] or "silence" for r in count if not r["right"])
        wrong += Counter(r["first"] for r in mild if r["found"])
        said = ", ".join(f"{n} {c}" for n, c in wrong.most_common())
        lines.append(
            f"  {name}{' (other)' if fault.other else ''}: "
            f"{sum(r['right'] for r in count)} / {len(count)}; "
            f"{sum(not r['found'] for r in mild)} / {len(mild)}; {said}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run all, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="", help="a folder of tables")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--json", action="store_true", help="print all single results")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    todo = jobs(arguments.data, arguments.quick)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        results = [r for r in pool.imap(run_one, todo, chunksize=1) if r is not None]
    print(json.dumps(judge(results), default=float) if arguments.json else report(results))


if __name__ == "__main__":
    main()
