"""Train MNIST's digits to 2.2 % test error: seconds, work, memory, size, beside others.

    python benchmarks/time_to_accuracy.py --data FOLDER

A network 784-100-100-10 with the settings of scikit-learn's own benchmark (bench_mnist.py): Adam,
learning rate 0.001, batches of 200, alpha 0.0001; with ``--solver sgd``, its other one: learning
rate 0.2, Nesterov's momentum 0.9. float32, pixels from 0 to 1, each library's own initial weights.

A training is a process of its own. After each epoch the 10,000 test digits are classified, and
training ends when the error is at the target. The clock stands still meanwhile, and while
libraries and data are loaded. Several seeds, in turn; printed are medians. CPU seconds are those of
all threads. Memory is the process's largest resident set; "before" is the one when libraries and
data are in memory. The installed size is that of the distribution with all that it requires.

FOLDER holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k files, also as .gz
(as at https://ossci-datasets.s3.amazonaws.com/mnist/), in itself or in a folder mnist.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib
import re
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from timing import (
    Worker,
    in_turn,
    installed,
    machine,
    machine_text,
    middle,
    parser,
    say,
    seconds_text,
    serve,
    table,
    write_json,
)

HIDDEN = (100, 100)
BATCH = 200  # scikit-learn's "auto"
ALPHA = 1e-4
RATE, SGD_RATE, MOMENTUM = 1e-3, 0.2, 0.9
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")

# ``after_epoch(classify)`` says whether the error of ``classify(x)`` is low enough.
AfterEpoch = Callable[[Callable[[Any], Any]], bool]


def find(folder: Path) -> list[Path]:
    """Return MNIST's four files.

    Raises
    ------
    FileNotFoundError
        If one is absent; the message names it.
    """
    missing = ""
    for place in (folder, folder / "mnist", folder / "classics" / "mnist"):
        paths = []
        for stem in FILES:
            names = (f"{stem}-ubyte", f"{stem}-ubyte.gz", f"{stem}-ubyte".replace("-idx", ".idx"))
            path = next((place / name for name in names if (place / name).is_file()), None)
            if path is None:
                missing = missing or f"{stem}-ubyte.gz"
                break
            paths.append(path)
        if len(paths) == len(FILES):
            return paths
    raise FileNotFoundError(f"{missing} is neither in {folder} nor in a folder mnist in it")


def read(path: Path) -> Any:
    """Return the array in an idx file: a magic number, the sizes, the bytes."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        content = file.read()
    sizes = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def digits(folder: Path) -> tuple[Any, Any, Any, Any]:
    """Return x and y to train on, and x and y to test on."""
    images, labels, test_images, test_labels = map(read, find(folder))
    found = []
    for each in (images, test_images):
        x = each.reshape(len(each), -1).astype(np.float32)
        x /= 255
        found.append(x)
    return found[0], labels.astype(np.int64), found[1], test_labels.astype(np.int64)


# ---- the trainers: each goes on until it is told to stop ----------------------------------------


def backlit(x: Any, y: Any, solver: str, seed: int, after_epoch: AfterEpoch) -> None:
    """Train with `backlit.training.train`."""
    from backlit.networks import Network
    from backlit.training import Adam, Layout, Nesterov, Penalties, train

    network = Network(x.shape[1], HIDDEN, 10)
    layout = Layout(network.shapes)

    def callback(_: Any, state: Any) -> bool:
        parameters = layout.views(state.theta)
        return after_epoch(lambda rows: np.argmax(network.forward(parameters, rows), axis=1))

    train(
        network, (x, y), callbacks=[callback], seed=seed, epochs=10**6, batch_size=BATCH,
        optimizer=Adam(RATE) if solver == "adam" else Nesterov(SGD_RATE, momentum=MOMENTUM),
        penalties=Penalties(l2=ALPHA / BATCH),  # scikit-learn divides alpha by the batch's size
    )  # fmt: skip


def scikit_learn(x: Any, y: Any, solver: str, seed: int, after_epoch: AfterEpoch) -> None:
    """Train an `MLPClassifier`, an epoch for each `partial_fit`."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        HIDDEN, solver=solver, alpha=ALPHA, batch_size=BATCH, momentum=MOMENTUM,
        learning_rate_init=RATE if solver == "adam" else SGD_RATE,
        random_state=np.random.RandomState(seed),  # a number would give each epoch the same order
    )  # fmt: skip
    while True:
        model.partial_fit(x, y, classes=np.arange(10))
        if after_epoch(model.predict):
            return


def pytorch(x: Any, y: Any, solver: str, seed: int, after_epoch: AfterEpoch) -> None:
    """Train in PyTorch's eager mode, with its fused optimizers."""
    import torch

    torch.manual_seed(seed)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], HIDDEN[0]), torch.nn.ReLU(),
        torch.nn.Linear(*HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN[1], 10),
    )  # fmt: skip
    named = dict(model.named_parameters())
    groups: Any = [
        {"params": [p for name, p in named.items() if name.endswith("weight")],
         "weight_decay": ALPHA / BATCH},
        {"params": [p for name, p in named.items() if name.endswith("bias")]},
    ]  # fmt: skip
    optimizer = (
        torch.optim.Adam(groups, lr=RATE, fused=True)
        if solver == "adam"
        else torch.optim.SGD(groups, lr=SGD_RATE, momentum=MOMENTUM, nesterov=True, fused=True)
    )
    log_loss = torch.nn.CrossEntropyLoss()

    def classify(rows: Any) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(rows)).argmax(dim=1).numpy()

    while True:
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            log_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        if after_epoch(classify):
            return


# What a table calls a trainer, what trains, its module, and the distribution that is installed.
TRAINERS: dict[str, tuple[str, Callable[..., None], str, str]] = {
    "backlit": ("Backlit", backlit, "backlit.training", "backlit"),
    "scikit-learn": ("scikit-learn", scikit_learn, "sklearn.neural_network", "scikit-learn"),
    "torch": ("PyTorch", pytorch, "torch", "torch"),
}


def work(name: str, folder: Path) -> None:
    """Be a worker: one training, measured."""

    def measure(solver: str, seed: int, target: float, epochs: int) -> dict[str, Any]:
        warnings.simplefilter("ignore")
        _, train, module, _ = TRAINERS[name]
        importlib.import_module(module)
        x, y, test_x, test_y = digits(folder)
        before = peak_memory()
        errors: list[float] = []
        wall = cpu = 0.0
        began = (time.perf_counter(), time.process_time())

        def after_epoch(classify: Callable[[Any], Any]) -> bool:
            nonlocal wall, cpu, began
            wall += time.perf_counter() - began[0]
            cpu += time.process_time() - began[1]
            errors.append(float(np.mean(classify(test_x) != test_y)))
            began = (time.perf_counter(), time.process_time())
            return errors[-1] <= target or len(errors) >= epochs

        train(x, y, solver, seed, after_epoch)
        return {
            "seconds": wall, "cpu_seconds": cpu, "epochs": len(errors), "errors": errors,
            "reached": errors[-1] <= target, "memory_before": before, "memory": peak_memory(),
            "data": x.nbytes + y.nbytes + test_x.nbytes + test_y.nbytes,
        }  # fmt: skip

    serve({"measure": measure})


def peak_memory() -> int | None:
    """Return the bytes of this process's largest resident set, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# ---- the installed size ------------------------------------------------------------------------


def closure(name: str) -> list[Distribution]:
    """Return an installed distribution and all that it requires, without extras."""
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        key = re.sub("[-_.]+", "-", waiting.pop()).lower()
        if key in found:
            continue
        try:
            found[key] = distribution(key)
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, found[key].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())


def size_of(found: Distribution) -> int:
    """Return the bytes of a distribution's files, without what Python compiles of them."""
    paths = {Path(str(found.locate_file(file))) for file in found.files or ()}
    if not any(path.suffix == ".py" for path in paths):  # installed in place
        with contextlib.suppress(ImportError):
            package = importlib.import_module(found.metadata["Name"].replace("-", "_"))
            if package.__file__:
                paths |= set(Path(package.__file__).parent.rglob("*"))
    return sum(path.stat().st_size for path in paths
               if path.suffix != ".pyc" and path.is_file())  # fmt: skip


def sizes(name: str) -> dict[str, int]:
    """Return the installed size of a distribution and of each that it requires."""
    if not installed("packaging"):
        return {}
    return {found.metadata["Name"]: size_of(found) for found in closure(name)}


# ---- the comparison ----------------------------------------------------------------------------


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--data", type=Path, metavar="FOLDER", help="with the files of MNIST")
    made.add_argument("--solver", choices=("adam", "sgd"), default="adam")
    made.add_argument("--peers", nargs="+", choices=list(TRAINERS), default=list(TRAINERS))
    made.add_argument("--target", type=float, default=0.022, help="the test error to reach")
    made.add_argument("--epochs", type=int, default=60, help="the most that are made")
    made.add_argument("--rounds", type=int, default=5, help="trainings of each, with seeds 0, 1 ..")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.data is None:
        made.error("--data FOLDER is needed: the folder with the files of MNIST")
    if options.worker:
        work(options.worker, options.data)
        return
    try:
        find(options.data)
    except FileNotFoundError as error:
        made.error(str(error))
    print(machine_text(machine()), flush=True)
    runs: dict[str, list[dict[str, Any]]] = {}
    absent = {name: f"{TRAINERS[name][2]} is not installed" for name in options.peers
              if not installed(TRAINERS[name][2].partition(".")[0])}  # fmt: skip
    for name, reason in absent.items():
        say(f"{name} is skipped: {reason}")

    def one(name: str) -> Callable[[], float]:
        def call() -> float:
            worker = Worker(__file__, [name, "--data", str(options.data)])
            try:
                done = worker.ask("measure", solver=options.solver, seed=len(runs.get(name, ())),
                                  target=options.target, epochs=options.epochs)  # fmt: skip
            finally:
                worker.close()
            runs.setdefault(name, []).append(done)
            how = "" if done["reached"] else ", not reached"
            say(f"{TRAINERS[name][0]}: {done['seconds']:.1f} s, {done['epochs']} epochs{how}")
            return float(done["seconds"])

        return call

    in_turn({name: one(name) for name in options.peers if name not in absent}, options.rounds)
    results = {
        "settings": {"solver": options.solver, "target": options.target, "epochs": options.epochs,
                     "rounds": options.rounds},
        "absent": absent,
        "peers": {name: {**summarise(each), "sizes": sizes(TRAINERS[name][3]), "runs": each}
                  for name, each in runs.items()},
    }  # fmt: skip
    print(f"\n{show(results)}")
    write_json(options.json, "time_to_accuracy", results)


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over trainings, and how many reached the target."""
    medians = {
        name: None if runs[0][name] is None else middle([run[name] for run in runs])
        for name in ("seconds", "cpu_seconds", "epochs", "memory_before", "memory")
    }
    medians["epoch_seconds"] = middle([run["seconds"] / run["epochs"] for run in runs])
    return {**medians, "reached": sum(run["reached"] for run in runs)}  # fmt: skip


def show(results: dict[str, Any]) -> str:
    """Return the table."""
    header = ["", "reached", "epochs", "time", "CPU time", "one epoch", "peak memory",
              "of it before", "installed size"]  # fmt: skip
    return table(header, [
        [TRAINERS[name][0], f"{each['reached']} of {len(each['runs'])}", f"{each['epochs']:.0f}",
         seconds_text(each["seconds"]), seconds_text(each["cpu_seconds"]),
         seconds_text(each["epoch_seconds"]), bytes_text(each["memory"]),
         bytes_text(each["memory_before"]), bytes_text(sum(each["sizes"].values()) or None)]
        for name, each in results["peers"].items()
    ])  # fmt: skip


def bytes_text(count: float | None) -> str:
    return "-" if count is None else f"{count / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
