"""``backlit doctor``: what is wrong with a run, and what to change."""

from __future__ import annotations

import json
import sys

from backlit.fitting.replaying import Again
from backlit.insight.doctor import Diagnosis, diagnose, try_fix
from backlit.insight.doctor.trial import Tried


def doctor(
    folder: str,
    file: str | None = None,
    *,
    as_json: bool = False,
    tries: bool = False,
    n_seeds: int | None = None,
) -> int:
    """Make a run again, watched, and print what is wrong with it.

    Parameters
    ----------
    folder : str
    file : str, optional
        The table, if it has moved.
    as_json : bool, default False
        Whether to print JSON: ``{"findings": [...]}``, and ``"tried"`` with ``tries``.
    tries : bool, default False
        Whether to apply the fix of the first finding that has one to a copy, and train it.
    n_seeds : int, optional
        With how many seeds to train it, to see whether they agree.

    Returns
    -------
    int
        How many findings there are.

    Raises
    ------
    ValueError
        If the run cannot be made again.
    """
    again = Again.of(folder, file)
    _say(f"Making {again.state.epoch} epochs again, and a plain network beside them ...")
    recording, plan = again.recording(), again.plan()
    diagnosis = diagnose(recording, plan=plan, n_seeds=n_seeds)
    tried = None
    fixable = [finding for finding in diagnosis.findings if finding.fix.alternatives]
    if tries and fixable:
        _say(f"Trying to fix: {fixable[0].cause} ...")
        tried = try_fix(plan, fixable[0], recording)
    print(_json(diagnosis, tried) if as_json else _words(diagnosis, tried))
    return len(diagnosis.findings)


def _json(diagnosis: Diagnosis, tried: Tried | None) -> str:
    document = diagnosis.to_json()
    if tried is not None:
        document["tried"] = {
            "changes": [change.to_json() for change in tried.changes],
            "before": tried.before,
            "after": tried.after,
        }
    return json.dumps(document)


def _words(diagnosis: Diagnosis, tried: Tried | None) -> str:
    return str(diagnosis) if tried is None else f"{diagnosis}\n\n{tried.summary()}"


def _say(what: str) -> None:
    """Tell whoever waits at a terminal what goes on."""
    if sys.stderr.isatty():
        print(what, file=sys.stderr)
