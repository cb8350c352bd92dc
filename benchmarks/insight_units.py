"""Time the answers about one example, inputs and units, and compare integrated gradients.

    python benchmarks/insight_units.py

Two networks of rectifiers, in float32: 64-128-64-10 with 1,797 digits (of scikit-learn), batches
of 32, and 784-256-128-10 with 5,000 random rows, batches of 128; 5 epochs each. Times are medians
over the rounds, everything in one process and in turn; ``example`` is at the fifth step, so that
replaying, which is training again, does not count.

Integrated gradients: how much is missing to the value, as a part of the sum of the absolute
contributions, at the default tolerance, beside the rule of Gauss and Legendre with 50 points on the
whole way, which other libraries take by default; the median and the largest of 8 rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from backlit import grad
from backlit.insight.example import example
from backlit.insight.inputs import IntegratedGradients, integrated_gradients, linear_map
from backlit.insight.recording import Recording
from backlit.insight.trained import watch
from backlit.insight.units import units
from backlit.networks import Network
from timing import (
    in_turn,
    machine,
    machine_text,
    middle,
    parser,
    say,
    seconds_text,
    table,
    unsteady,
    write_json,
)

ROWS = 8


def recordings() -> dict[str, Recording]:
    """Return both trainings."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((5000, 784), np.float32)
    cases = {
        "64-128-64-10": ((128, 64), 32, digits.data / 16, digits.target),
        "784-256-128-10": ((256, 128), 128, wide, np.argmax(wide[:, :10], axis=1)),
    }
    found = {}
    for name, (hidden, batch, x, y) in cases.items():
        network = Network(x.shape[1], hidden, 10)
        found[name] = watch(network, (x, y), epochs=5, batch_size=batch)[1]
    return found


def timed(call: Callable[[], Any]) -> Callable[[], float]:
    """Return a call that gives the seconds of another one."""

    def seconds() -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    return seconds


def answers(recording: Recording) -> dict[str, Callable[[], float]]:
    """Return what is timed."""
    row = int(recording.training.rows[recording.row[recording.starts[4]]])
    one = example(recording, row, step=5)
    features = {"first": recording.training.x[:, 10], "second": recording.training.x[:, 20]}
    calls: dict[str, Callable[[], Any]] = {
        "example": lambda: example(recording, row, step=5),
        "its story": lambda: str(one),
        "its check (1,000 parameters)": one.check,
        "linear map": lambda: linear_map(recording, row),
        "integrated gradients": lambda: integrated_gradients(recording, row),
        "units": lambda: units(recording),
        "units, 2 features, 999 times": lambda: units(recording, features=features),
    }
    return {name: timed(call) for name, call in calls.items()}


def fixed(recording: Recording, found: IntegratedGradients) -> float:
    """Return what 50 fixed points miss of the value, in the sum of absolute contributions."""
    nodes, weights = np.polynomial.legendre.leggauss(50)
    assert found.inputs is not None
    way = found.inputs - found.baseline
    theta = recording.theta.astype(np.float64)
    outputs = recording.subject.outputs(theta, found.inputs[np.newaxis])[0]
    second, first = np.argsort(outputs)[-2:]
    slopes = grad(
        lambda points: np.sum(recording.subject.outputs(theta, points) @ sides)
    )  # fmt: skip
    sides = np.zeros(len(outputs))
    sides[[first, second]] = 1, -1
    points = found.baseline + (nodes[:, np.newaxis] + 1) / 2 * way
    contributions = way * (weights / 2 @ slopes(points))
    missing = found.value - found.start - np.sum(contributions)
    return float(abs(missing) / np.sum(np.abs(contributions)))


def main() -> None:
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    found = recordings()
    times, errors = {}, {}
    for name, recording in found.items():
        times[name] = in_turn(answers(recording), given.rounds)
        rows = [integrated_gradients(recording, row) for row in range(ROWS)]
        own = [abs(one.residual) / float(np.sum(np.abs(one.contributions))) for one in rows]
        errors[name] = {
            "adaptive": own,
            "50 points": [fixed(recording, one) for one in rows],
            "pieces": [one.pieces for one in rows],
        }
        if noisy := unsteady(times[name]):
            say(f"{name}: unsteady: {', '.join(noisy)}")
    print(machine_text(machine()), end="\n\n")
    names = list(times[next(iter(times))])
    lines = [[n, *(seconds_text(middle(times[case][n])) for case in times)] for n in names]
    print(table(["answer", *times], lines), end="\n\n")
    lines = []
    for kind in ("adaptive", "50 points"):
        for said, of in (("median", middle), ("largest", max)):
            lines.append([f"{kind}, {said}", *(f"{of(errors[case][kind]):.1e}" for case in errors)])
    lines.append(["pieces, median", *(f"{middle(errors[case]['pieces']):g}" for case in errors)])
    print(table(["missing to the value", *errors], lines))
    write_json(
        given.json, "insight_units", {"rounds": given.rounds, "seconds": times, "missing": errors}
    )


if __name__ == "__main__":
    main()
