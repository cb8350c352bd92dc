"""The arguments of each verb. Nothing here imports more than argparse.

What is not given stays None, and so the defaults live in one place: in the Python that the verb
calls.
"""

from __future__ import annotations

import argparse
from typing import Any

DATASETS = ("digits", "breast_cancer", "wine", "iris", "diabetes")


def add_train(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit train``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "train",
        help="train a network on a table",
        usage="backlit train FILE --target COLUMN [options]\n"
        "       backlit train --resume RUN [FILE] [--epochs N] [--patience N]",
        description="Train a multilayer perceptron on a table. A part of the rows is held out, and "
        "the epoch that is best on it is kept, in a folder with everything that was done. Ctrl-C "
        "stops it and keeps the best so far; --resume goes on.",
    )
    option = parser.add_argument
    option("file", nargs="?", metavar="FILE",
           help=".csv, .tsv, .parquet or .feather, each also with .gz")  # fmt: skip

    option = parser.add_argument_group("data").add_argument
    option("--target", metavar="COLUMN", help="the column to predict")
    option("--kind", choices=("classes", "numbers"),
           help="what the target holds (default: decided from it, and said)")  # fmt: skip
    option("--ignore", type=_names, action="extend", metavar="COLUMNS",
           help="columns not to use, with commas between them")  # fmt: skip
    option("--categories", type=_names, action="extend", metavar="COLUMNS",
           help="columns that hold categories, even if they look like numbers")  # fmt: skip
    option("--weights", metavar="COLUMN", help="the column that says how much each row counts")
    option("--validation", type=_share_or_file, metavar="SHARE|FILE",
           help="the share of rows to hold out, or a table of its own (default: 0.15)")  # fmt: skip

    option = parser.add_argument_group("network").add_argument
    option("--hidden", type=_sizes, metavar="N,N",
           help="units of each hidden layer, or none (default: 128,64)")  # fmt: skip
    option("--activation", metavar="NAME",
           help="relu (default), leaky_relu, elu, selu, gelu, silu, mish, softplus, tanh, "
           "logistic, identity")  # fmt: skip
    option("--dropout", type=_number, metavar="SHARE",
           help="the share of hidden units that fall silent in a step (default: 0)")  # fmt: skip
    option("--initial", type=_name_or_number, metavar="NAME|X",
           help="how weights start: automatic (default), glorot_uniform, he_uniform, "
           "lecun_uniform, or within plus and minus X")  # fmt: skip
    option("--loss", metavar="NAME",
           help="log_loss (default for classes), binary_log_loss; squared_loss (default for "
           "numbers), absolute_loss, huber_loss, quantile_loss, poisson_loss")  # fmt: skip
    option("--smoothing", type=_number, metavar="SHARE", help="of labels, for the log losses")
    option("--delta", type=_number, metavar="X",
           help="of huber_loss, in standard deviations of the target (default: 1)")  # fmt: skip
    option("--quantile", type=_number, metavar="Q", help="of quantile_loss (default: 0.5)")

    option = parser.add_argument_group("training").add_argument
    option("--epochs", type=_integer, metavar="N",
           help="how often to go through the training part at most (default: 100)")  # fmt: skip
    option("--learning-rate", type=_number, metavar="X", help="(default: the optimizer's)")
    option("--batch-size", type=_integer, metavar="N",
           help="rows in a step (default: 16 to 256, by their number)")  # fmt: skip
    option("--optimizer", metavar="NAME",
           help="adamw (default), adam, gradient_descent, momentum, nesterov, rmsprop, rprop, "
           "lbfgs")  # fmt: skip
    option("--schedule", metavar="NAME",
           help="of the learning rate: plateau (default), constant, step, cosine, one_cycle, "
           "inverse_scaling")  # fmt: skip
    option(
        "--weight-decay",
        type=_number,
        metavar="X",
        help="decoupled from the gradient (default: 0.1 with the default optimizer)",
    )
    option("--l1", type=_number, metavar="X", help="adds X * sum(|weights|) to the loss")
    option("--l2", type=_number, metavar="X", help="adds X / 2 * sum(weights ** 2) to the loss")
    option("--clip-norm", type=_number, metavar="X", help="the largest norm of the gradient")
    option("--patience", type=_integer, metavar="N",
           help="stop after N epochs that were not better; 0: never (default: 20)")  # fmt: skip
    option("--monitor", choices=("loss", "score"),
           help="which figure of the held-out part must be better (default: loss)")  # fmt: skip
    option("--seed", type=_integer, metavar="N",
           help="of the split, the weights and the order of rows (default: 0)")  # fmt: skip
    option("--engine", choices=("auto", "reference", "native"),
           help="NumPy, or compiled kernels (default: auto, by the predicted work)")  # fmt: skip
    option("--threads", dest="n_threads", type=_integer, metavar="N",
           help="the most to use; the results are the same (default: all processors)")  # fmt: skip
    option("--dtype", choices=("float32", "float64"), help="(default: float32)")

    option = parser.add_argument_group("run").add_argument
    option("--out", metavar="DIR",
           help="a new or empty folder for the run (default: backlit-runs/NAME-N)")  # fmt: skip
    option("--from", dest="start", metavar="RUN", help="start from the weights of this run")
    option("--resume", metavar="RUN", help="go on with this run; FILE only if it has moved")
    option("--json", action="store_true", help="print a line of JSON for each epoch")
    option("--python", action="store_true",
           help="train nothing; print the Python that does the same")  # fmt: skip
    return parser


def add_predict(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit predict``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "predict",
        help="predict the rows of a table with a trained network",
        description="Write the rows of a table as they are, with a column 'prediction' and, for "
        "classes, a column 'probability_CLASS' for each. If the table holds the target, the "
        "score is said, too.",
    )
    option = parser.add_argument
    option("run", metavar="RUN", help="the folder of a run, or a model.backlit")
    option("file", metavar="FILE", help="a table with the columns that the run was trained on")
    option("--out", metavar="FILE",
           help="where to write, in the format of FILE (default: the terminal)")  # fmt: skip
    return parser


def add_show(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit show``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "show",
        help="show what a run did",
        description="Show a run's data, network, curve, scores and time; also while it trains.",
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    return parser


def add_doctor(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit doctor``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "doctor",
        help="say what is wrong with a run, and what to change",
        description="Make the steps of a run again, and say what is wrong with its training, "
        "network or data, with the numbers that speak for it and what to change; or that nothing "
        "is. The exit code is 0 if nothing was found, and 1 if something was.",
    )
    option = parser.add_argument
    option("run", metavar="RUN", help="the folder of a run")
    option("file", nargs="?", metavar="FILE", help="its table, if it has moved")
    option("--json", action="store_true", help="print JSON")
    option("--try", dest="tries", action="store_true",
           help="apply the first fix to a copy, train it, and compare")  # fmt: skip
    option("--seeds", dest="n_seeds", type=_integer, metavar="N",
           help="train it with N seeds, to see whether they agree")  # fmt: skip
    return parser


def add_demo(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit demo``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "demo",
        help="train a network on a data set that comes with scikit-learn",
        description="Train a network on a real data set that comes with scikit-learn (nothing is "
        "downloaded), and compare it with other models on rows that none of them has seen.",
    )
    option = parser.add_argument
    option("dataset", nargs="?", default="digits", choices=DATASETS, metavar="DATASET",
           help=f"one of {', '.join(DATASETS)} (default: digits)")  # fmt: skip
    option("--out", metavar="DIR",
           help="a new or empty folder for the run (default: backlit-runs/DATASET-N)")  # fmt: skip
    option("--epochs", type=_integer, default=100, metavar="N",
           help="how often to go through the training part at most (default: 100)")  # fmt: skip
    option("--seed", type=_integer, default=0, metavar="N",
           help="of the split, the weights and the order of rows (default: 0)")  # fmt: skip
    return parser


def add_warmup(verbs: Any) -> argparse.ArgumentParser:
    """Add ``backlit warmup``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "warmup",
        help="compile what training may need, once per machine",
        description="Compile the kernels of all activations, losses and optimizers into the cache "
        "($BACKLIT_CACHE, or the user's), so that no training waits for a compiler.",
    )
    return parser


# ----- From texts to values ----------------------------------------------------------------------


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(text: str) -> tuple[int, ...]:
    if text.strip() in ("", "none"):
        return ()
    return tuple(_integer(part) for part in text.split(","))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _name_or_number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _share_or_file(text: str) -> str | float:
    return _name_or_number(text)
