"""``model.backlit``: a trained network in one file, with the ways in and out of it.

An archive (see ``archive.py``) of

    facts     the network, the preparation of columns, the task, the scale of the target
    arrays    the parameters
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from backlit.networks.losses import TARGETS
from backlit.networks.network import Network
from backlit.runs.archive import Expected, Kind, check_arrays, pack, unpack
from backlit.runs.atomic import write_atomically
from backlit.runs.model import Model
from backlit.tables.preparation import Preparation
from backlit.tables.task import Task

MODEL = Kind(
    "backlit-model",
    1,
    ("dtype", "network", "preparation", "task", "target_mean", "target_scale"),
)
DTYPES = ("float32", "float64")


# ----- Writing -----------------------------------------------------------------------------------


def save_model(model: Model, path: Path | str) -> None:
    """Write a model to a file.

    Parameters
    ----------
    model : Model
    path : path
        Replaced, in one indivisible act, if there is such a file.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from backlit.networks import Network
    >>> from backlit.runs import Model, load_model, save_model
    >>> from backlit.tables import Preparation, Table, Task
    >>> preparation, _ = Preparation.fit(Table.from_columns({"x": [1.0, 2.0]}), ["x"])
    >>> network = Network(inputs=1, hidden=(), outputs=2)
    >>> task = Task("y", "classes", ("no", "yes"))
    >>> model = Model(network, network.parameters(seed=0), preparation, task)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.backlit")
    ...     save_model(model, path)
    ...     load_model(path).task.classes
    ('no', 'yes')
    """
    write_atomically(Path(path), to_bytes(model))


def to_bytes(model: Model) -> bytes:
    """Return the content of a model's file."""
    task = model.task
    facts = {
        "dtype": model.parameters["W1"].dtype.name,
        "network": model.network.to_json(),
        "preparation": model.preparation.to_json(),
        "task": {"target": task.target, "kind": task.kind, "classes": list(task.classes)},
        "target_mean": model.target_mean,
        "target_scale": model.target_scale,
    }
    return pack(MODEL, facts, model.parameters)


# ----- Reading -----------------------------------------------------------------------------------


def load_model(path: Path | str) -> Model:
    """Read a model from a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If the file is damaged, is not a model, or was written by a newer version; the message
        names the file and what is wrong with it.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        return from_bytes(content)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a model: {error}") from None


def from_bytes(content: bytes) -> Model:
    """Return the model of a file's content, or raise a ``ValueError`` that says what is wrong."""
    facts, arrays = unpack(MODEL, content)
    if facts["dtype"] not in DTYPES:
        raise ValueError(f"the dtype must be float32 or float64, not {facts['dtype']!r}")
    network = Network.from_json(facts["network"])
    preparation = Preparation.from_json(facts["preparation"])
    if len(preparation.inputs) != network.inputs:
        raise ValueError(
            f"the preparation makes {len(preparation.inputs)} inputs, and the network takes "
            f"{network.inputs}"
        )
    task = _task(facts["task"], network)
    mean, scale = facts["target_mean"], facts["target_scale"]
    if type(mean) is not float or type(scale) is not float or not 0 < scale < math.inf:
        raise ValueError("the scale of the target is not a positive number")
    check_arrays(
        arrays,
        {name: Expected(shape, facts["dtype"]) for name, shape in network.shapes.items()},
    )
    parameters = {name: arrays[name] for name in network.shapes}
    return Model(network, parameters, preparation, task, mean, scale)


def _task(document: Any, network: Network) -> Task:
    if not isinstance(document, dict) or document.keys() != {"target", "kind", "classes"}:
        raise ValueError("the task has not just target, kind and classes")
    target, kind, classes = document["target"], document["kind"], document["classes"]
    expected = "classes" if TARGETS[network.loss] == "classes" else "numbers"
    if type(target) is not str or kind != expected:
        raise ValueError(f"the task is not to predict {expected}, as the network does")
    count = max(network.outputs, 2) if kind == "classes" else 0
    if not isinstance(classes, list) or len(classes) != count:
        raise ValueError(f"the classes are not a list of {count}")
    if {type(name) for name in classes} not in ({str}, {int}, set()):
        raise ValueError("the classes are neither all texts nor all integers")
    if len({*classes}) < len(classes):
        raise ValueError("a class is there twice")
    return Task(target, kind, tuple(classes))
