"""Time training against rows, width, depth, progress and threads: straight lines are expected.

    python benchmarks/scaling.py

- rows: a row of an epoch of `train()`, 1,000 to 1,000,000 rows; 20-64-64-2, batches of 200.
- width: a step with two hidden layers of so many units; 64 inputs, 10 classes, batches of 128. Its
  products of matrices grow with the square of the width, once they outweigh all else.
- depth: a step with so many hidden layers of 64 units; 64 inputs, 10 classes, batches of 128.
- epochs: a row in the first epochs, while a network 20-64-64-2 learns 200,000 rows without a wrong
  class: as it gets sure, numbers below float32's normal range appear, which processors compute with
  slowly. Its exponent should be 0.
- threads: a step of 784-1024-1024-10 with batches of 512, and of 64-128-64-10 with batches of 200;
  up to four times as many threads as cores, which should cost little.

Adam, float32, native engine, on all cores where nothing else is said. Everything is in one process,
in turn; figures are medians over the rounds. The exponent is the slope of a straight line through
the logarithms of the whole times: 1 means that twice the rows take twice as long. "Upper half" is
the same for the larger half of the sizes, where fixed costs no longer count.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from peers import AbsentError, Case, native_peer
from timing import (
    cores,
    in_turn,
    machine,
    machine_text,
    middle,
    parser,
    say,
    seconds_text,
    slope,
    table,
    write_json,
)

ROWS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
DEPTHS = (1, 2, 4, 8, 16, 32)
EPOCHS = (2, 3, 4, 6, 8, 12, 16)
PROGRESS_ROWS = 200_000
LARGE, SMALL = Case((784, 1024, 1024, 10), 512, "float32"), Case((64, 128, 64, 10), 200, "float32")


def epochs_of(rows: int, seconds: float) -> Callable[[], float]:
    """Return a call that gives the seconds of an epoch of `train()`, the median of some."""
    import numpy as np

    from backlit.networks import Network
    from backlit.training import train

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 20), np.float32)
    # A fifth of the classes is wrong, so that the network never gets too sure (see "epochs").
    y = ((x[:, 0] * x[:, 1] > 0) ^ (rng.random(rows) < 0.2)).astype(np.int64)

    def call() -> float:
        ends = [time.perf_counter()]

        def callback(*_: Any) -> bool:
            ends.append(time.perf_counter())
            return len(ends) > 4 and ends[-1] - ends[0] > seconds

        train(Network(20, (64, 64), 2), (x, y), epochs=10**6, batch_size=200, engine="native",
              callbacks=[callback])  # fmt: skip
        # The first epochs record, load kernels, and find out how many steps to make at once.
        return middle([b - a for a, b in itertools.pairwise(ends)][2:])

    return call


def progress(epochs: Sequence[int]) -> Callable[[int], Callable[[], float]]:
    """Return calls that give the seconds of one epoch; all epochs are of one training a round."""
    import numpy as np

    from backlit.networks import Network
    from backlit.training import train

    rng = np.random.default_rng(0)
    x = rng.standard_normal((PROGRESS_ROWS, 20), np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    waiting: dict[int, list[float]] = {epoch: [] for epoch in epochs}

    def call(epoch: int) -> float:
        if not waiting[epoch]:
            ends = [0.0]

            def callback(*_: Any) -> None:
                ends.append(time.perf_counter())

            train(Network(20, (64, 64), 2), (x, y), epochs=max(epochs), batch_size=200,
                  engine="native", callbacks=[callback])  # fmt: skip
            for each in epochs:
                waiting[each].append(ends[each] - ends[each - 1])
        return waiting[epoch].pop()

    return lambda epoch: lambda: call(epoch)


def steps_of(case: Case, threads: int, seconds: float) -> Callable[[], float]:
    """Return a call that gives the seconds of a step."""
    peer = native_peer(case, threads)
    peer.run(1)

    def call() -> float:
        epochs, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds or not epochs:
            peer.run(1)
            epochs += 1
        return elapsed / (epochs * case.steps)

    return call


def measure(
    what: str, sizes: Sequence[int], made: Callable[[int], Callable[[], float]], rounds: int
) -> dict[str, Any]:
    """Return the times of all sizes, and the exponents."""
    calls = {}
    for size in sizes:
        try:
            calls[str(size)] = made(size)
        except AbsentError as error:
            say(f"{what}, {size} is skipped: {error}")
    times = {int(size): each for size, each in in_turn(calls, rounds, pause=0).items()}
    found = [{"size": size, "seconds": middle(each), "all": each} for size, each in times.items()]
    result: dict[str, Any] = {"what": what, "points": found}
    for name, first in (("exponent", 0), ("upper_exponent", len(found) // 2)):
        part = found[first:]
        if len(part) > 1:
            result[name] = slope([p["size"] for p in part], [p["seconds"] for p in part])
    return result


def main() -> None:
    made = parser(__doc__)
    parts = ("rows", "width", "depth", "epochs", "threads")
    made.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=0.5, help="of one size in one round, or one "
                      "epoch where that is longer")  # fmt: skip
    made.add_argument("--most", type=int, default=max(ROWS), help="leave larger sizes out")
    options = made.parse_args()
    print(machine_text(machine()), flush=True)
    rounds, seconds, all_cores = options.rounds, options.seconds, cores()
    try:
        native_peer(SMALL, all_cores)
    except AbsentError as error:
        say(f"on one thread only: {error}")
        all_cores = 1
    threads = sorted({1, 2, 3, cores(), 2 * cores(), 4 * cores()})

    def wide(width: int) -> Case:
        return Case((64, width, width, 10), 128, "float32")

    def deep(depth: int) -> Case:
        return Case((64, *[64] * depth, 10), 128, "float32")

    plans: list[tuple[str, str, Sequence[int], Callable[[int], Callable[[], float]]]] = [
        ("rows", "rows", ROWS, lambda n: epochs_of(n, seconds)),
        ("width", "width", WIDTHS, lambda n: steps_of(wide(n), all_cores, seconds)),
        ("depth", "depth", DEPTHS, lambda n: steps_of(deep(n), all_cores, seconds)),
        ("epochs", "epochs", EPOCHS, progress(EPOCHS)),
        ("threads", "threads, large", threads, lambda n: steps_of(LARGE, n, seconds)),
        ("threads", "threads, small", threads, lambda n: steps_of(SMALL, n, seconds)),
    ]
    results = {}
    for part, what, sizes, make in plans:
        if part in options.parts:
            results[what] = measure(what, [s for s in sizes if s <= options.most], make, rounds)
            print(f"\n{show(results[what])}", flush=True)
    settings = {"rounds": rounds, "seconds": seconds, "threads": all_cores}
    write_json(options.json, "scaling", {"settings": settings, "results": results})


UNITS = {"rows": "a row", "width": "a squared unit", "depth": "a layer", "epochs": "a row"}


def relative(what: str, point: dict[str, Any], first: dict[str, Any]) -> str:
    """Return the figure that should stay the same, or, of threads, the speed beside one."""
    if what.startswith("threads"):
        return f"{first['seconds'] / point['seconds']:.2f}"
    if what == "epochs":
        return f"{point['seconds'] / PROGRESS_ROWS * 1e9:.4g}"
    share = point["seconds"] / point["size"] ** (2 if what == "width" else 1)
    return f"{share * 1e9:.4g}"


def show(result: dict[str, Any]) -> str:
    """Return the table of one quantity."""
    what, points = result["what"], result["points"]
    if not points:
        return f"{what}: nothing was measured"
    header = [what, "an epoch" if what in ("rows", "epochs") else "a step",
              f"ns {UNITS[what]}" if what in UNITS else "times as fast as one"]  # fmt: skip
    rows = [[f"{p['size']:,}", seconds_text(p["seconds"]), relative(what, p, points[0])]
            for p in points]  # fmt: skip
    text = table(header, rows)
    if what in UNITS and "exponent" in result:
        text += f"\nexponent {result['exponent']:.2f}, upper half {result['upper_exponent']:.2f}"
    return text


if __name__ == "__main__":
    main()
