"""Time one training step of a multilayer perceptron, here and elsewhere.

    python -m pip install '.[bench]' && python benchmarks/training_step.py

The same network, data, batch and optimizer (Adam) in each, which is checked by what an epoch does:
the native engine on all cores and on one thread, the whole of `train()`, the reference engine,
scikit-learn, PyTorch (eager, eager with its fused Adam, and `torch.compile`), JAX with `jit` over a
`scan` of the steps, and Keras on JAX. Each is a process of its own, uses as many threads as it
likes, and has its data in memory before the clock starts; they take their turns in each round. A
figure is the median over the rounds, in microseconds a step; a ratio says how many times as long as
the native engine a peer takes. What is compiled or imported is not counted (see cold_start.py). The
share of the peak is the rate of the native engine's products of matrices beside that of NumPy's
product of two 2048 x 2048 matrices on all cores, measured in the same rounds.

Classes are random, so that no network gets sure of them soon, whoever makes more steps.
``--learning-rate`` sets another than Adam's usual one; "epochs" in scaling.py shows whether a
network that gets sure of its classes takes longer.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from peers import (
    GEMM_OPERATIONS,
    LEARNING_RATE,
    OURS,
    PEERS,
    AbsentError,
    Case,
    Peer,
    make,
    mean_loss,
)
from timing import (
    PeerError,
    Worker,
    in_turn,
    machine,
    machine_text,
    middle,
    parser,
    say,
    serve,
    table,
    unsteady,
    write_json,
)

SHORT = (
    ((4, 8, 3), 16),
    ((16, 32, 32, 2), 32),
    ((64, 128, 64, 10), 32),
    ((64, 128, 64, 10), 200),
    ((784, 512, 256, 10), 128),
    ((784, 1024, 1024, 10), 512),
)
SHAPES = (
    (4, 8, 3), (16, 32, 32, 2), (64, 128, 64, 10), (784, 100, 100, 10), (784, 512, 256, 10),
    (784, 1024, 1024, 10),
)  # fmt: skip
BATCHES = (1, 16, 32, 128, 512)


def work() -> None:
    """Be a worker: make peers, and run them."""
    current: dict[str, Any] = {}

    def prepare(
        peer: str, sizes: list[int], batch: int, dtype: str, rate: float, seconds: float
    ) -> dict[str, Any]:
        current.clear()  # the peer before, and its data
        case = Case(tuple(sizes), batch, dtype, rate)
        try:
            made = make(peer, case)
        except AbsentError as error:
            return {"absent": str(error)}
        first = timed(made, 1)
        weights = made.weights()
        gain = None
        if weights and peer != "scikit-learn":  # which draws its own weights to begin with
            gain = mean_loss(case.weights(), *case.data()) - mean_loss(weights, *case.data())
        made.run(1)
        current["peer"], epochs = made, 1
        while (each := timed(made, epochs)) < seconds / 2:
            epochs = min(4 * epochs, round(1.2 * seconds / each * epochs))
        return {"first": first, "gain": gain, "epochs": max(1, round(seconds / each * epochs))}

    serve({"prepare": prepare, "run": lambda epochs: timed(current["peer"], epochs)})


def timed(peer: Peer, epochs: int) -> float:
    began = time.perf_counter()
    peer.run(epochs)
    return time.perf_counter() - began


class Workers:
    """The workers of one dtype; those that are absent are said once."""

    def __init__(self, names: list[str], dtype: str, absent: dict[str, str]) -> None:
        self.dtype, self.absent = dtype, absent
        self.workers: dict[str, Worker] = {}
        self.names = names

    def compare(self, case: Case, rounds: int, seconds: float) -> dict[str, Any]:
        """Return what each peer took for a step of a case."""
        found: dict[str, dict[str, Any]] = {}
        calls = {}
        for name in (*self.names, "gemm"):
            if name in self.absent:
                continue
            try:
                worker = self._worker(name)
                ready = worker.ask("prepare", peer=name, sizes=case.sizes, batch=case.batch,
                                   dtype=case.dtype,
                                   rate=case.learning_rate, seconds=seconds)  # fmt: skip
            except PeerError as error:
                say(f"{name} failed, and is left out of {describe(case)}: {error}")
                self._drop(name)
                continue
            if "absent" in ready:
                self.absent[name] = ready["absent"]
                say(f"{name} is skipped: {ready['absent']}")
                self._drop(name)
                continue
            steps = case.steps if name != "gemm" else 1
            found[name] = {"first_seconds": ready["first"], "gain": ready["gain"]}
            calls[name] = self._call(worker, ready["epochs"], steps)
        measured = in_turn(calls, rounds)
        if noisy := unsteady(measured):
            say(f"{describe(case)}: unsteady, the machine was not quiet: {', '.join(noisy)}")
        for name, times in measured.items():
            found[name] |= {"microseconds": times, "median": middle(times)}
        found = {name: each for name, each in found.items() if "median" in each}
        check_gains(case, found)
        peak = found.pop("gemm", None)
        return {
            "sizes": list(case.sizes),
            "batch": case.batch,
            "dtype": case.dtype,
            "operations": case.operations,
            "peak_gigaflops": GEMM_OPERATIONS / peak["median"] / 1e3 if peak else None,
            "peers": found,
        }

    def _worker(self, name: str) -> Worker:
        if name not in self.workers:
            self.workers[name] = Worker(__file__, [name])
        return self.workers[name]

    def _call(self, worker: Worker, epochs: int, steps: int) -> Any:
        return lambda: worker.ask("run", epochs=epochs) / (epochs * steps) * 1e6

    def _drop(self, name: str) -> None:
        if name in self.workers:
            self.workers.pop(name).close()

    def close(self) -> None:
        """End them."""
        for worker in self.workers.values():
            worker.close()


def check_gains(case: Case, found: dict[str, dict[str, Any]]) -> None:
    """Say whose first epoch made the loss smaller by another amount: it computes something else."""
    gains = {name: each["gain"] for name, each in found.items() if each["gain"] is not None}
    if not gains:
        return
    usual = middle(list(gains.values()))
    for name, gain in gains.items():
        if abs(gain - usual) > 0.1 * abs(usual):
            say(f"{describe(case)}: {name}'s first epoch lowered the loss by {gain:.3g}, others' "
                f"by {usual:.3g}")  # fmt: skip


def describe(case: Case) -> str:
    return f"{'-'.join(map(str, case.sizes))}, batches of {case.batch}, {case.dtype}"


def base_of(peers: dict[str, Any]) -> str | None:
    """Return the peer that ratios are to: ours at its best."""
    ours = [name for name in ("native", "native-1", "reference") if name in peers]
    ours = [name for name in ours if name != "reference"] or ours
    return min(ours, key=lambda name: peers[name]["median"], default=None)


def summarise(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row's base, ratios to it, share of the peak, and fastest other library."""
    peers = row["peers"]
    base = base_of(peers)
    if base is None:
        return {"base": None, "ratios": {}, "share": None, "fastest": None}
    ours = peers[base]["median"]
    others = [name for name in peers if name not in OURS]
    peak = row["peak_gigaflops"]
    return {
        "base": base,
        "ratios": {name: each["median"] / ours for name, each in peers.items()},
        "share": row["operations"] / ours / 1e3 / peak if peak else None,
        "fastest": min(others, key=lambda name: peers[name]["median"], default=None),
    }


def show(rows: list[dict[str, Any]]) -> str:
    """Return the tables of times and of ratios."""
    names = [name for name in PEERS if any(name in row["peers"] for row in rows)]
    labels = [PEERS[name][0] for name in names]
    times, ratios = [], []
    for row in rows:
        what = ["-".join(map(str, row["sizes"])), str(row["batch"]), row["dtype"]]
        summary = summarise(row)
        medians = [row["peers"].get(name, {}).get("median") for name in names]
        times.append([*what, *("-" if each is None else f"{each:.1f}" for each in medians)])
        share, fastest = summary["share"], summary["fastest"]
        of_each = [summary["ratios"].get(name) for name in names]
        ratios.append([
            *what, *("-" if each is None else f"{each:.2f}" for each in of_each),
            "-" if share is None else f"{share:.0%}", PEERS[fastest][0] if fastest else "-",
        ])  # fmt: skip
    what = ["network", "batch", "dtype"]
    return (
        f"Microseconds a step\n{table([*what, *labels], times)}\n\n"
        "Times as long as the native engine at its better number of threads\n"
        f"{table([*what, *labels, 'share of peak', 'fastest other'], ratios)}"
    )


def sizes_of(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split("-"))
    if len(sizes) < 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no network; one is 64-128-64-10")
    return sizes


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--all", action="store_true", help="every shape with every batch")
    made.add_argument("--shapes", nargs="+", type=sizes_of, metavar="M-N-K")
    made.add_argument("--batches", nargs="+", type=int, metavar="N")
    made.add_argument("--dtypes", nargs="+", choices=("float32", "float64"),
                      default=["float32", "float64"])  # fmt: skip
    made.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    made.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--seconds", type=float, default=0.3, help="of one peer in one round")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        work()
        return
    cases: list[Any] = list(SHORT)
    if options.all or options.shapes or options.batches:
        cases = [(s, b) for s in options.shapes or SHAPES for b in options.batches or BATCHES]
    print(machine_text(machine()), flush=True)
    rows: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for dtype in options.dtypes:
        workers = Workers(options.peers, dtype, absent)
        try:
            for sizes, batch in cases:
                case = Case(sizes, batch, dtype, options.learning_rate)
                rows.append(workers.compare(case, options.rounds, options.seconds))
                print(f"\n{describe(case)}\n{line(rows[-1])}", flush=True)
        finally:
            workers.close()
    print(f"\n{show(rows)}")
    settings = {"rounds": options.rounds, "seconds": options.seconds,
                "learning_rate": options.learning_rate}  # fmt: skip
    results = {"settings": settings, "absent": absent, "rows": rows}
    write_json(options.json, "training_step", results)


def line(row: dict[str, Any]) -> str:
    """Return a case's times in one line, while others are still running."""
    return ", ".join(f"{PEERS[n][0]} {each['median']:.1f}" for n, each in row["peers"].items())


if __name__ == "__main__":
    main()
