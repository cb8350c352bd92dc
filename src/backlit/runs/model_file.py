"""``model.backlit``: a trained network in one file, with the ways in and out of it.

An archive (see ``archive.py``) of

    facts     the network, the preparation of columns, the task, the scale of the target
    arrays    the parameters
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backlit.atomic import write_atomically
from backlit.networks.network import Network
from backlit.runs.archive import Expected, Kind, check_arrays, pack, unpack
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
    task = _task(facts["task"])
    mean, scale = facts["target_mean"], facts["target_scale"]
    if type(mean) is not float or type(scale) is not float:
        raise ValueError(f"the target's mean {mean!r} and scale {scale!r} are not numbers")
    shapes = network.shapes
    check_arrays(arrays, {name: Expected(shape, facts["dtype"]) for name, shape in shapes.items()})
    parameters = {name: arrays[name] for name in shapes}
    return Model(network, parameters, preparation, task, mean, scale)


def _task(document: Any) -> Task:
    if not isinstance(document, dict) or document.keys() != {"target", "kind", "classes"}:
        raise ValueError("the task has not just target, kind and classes")
    target, kind, classes = document["target"], document["kind"], document["classes"]
    if type(target) is not str:
        raise ValueError(f"the target of the task must be a text, not {target!r}")
    if kind not in ("classes", "numbers"):
        raise ValueError(f"the kind of the task must be classes or numbers, not {kind!r}")
    types = {type(name) for name in classes} if isinstance(classes, list) else None
    if types not in ({str}, {int}, set()):
        raise ValueError("the classes are not a list of texts, or of integers")
    if len({*classes}) < len(classes):
        raise ValueError("a class is there twice")
    return Task(target, kind, tuple(classes))
