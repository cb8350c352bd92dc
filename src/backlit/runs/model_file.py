"""``model.backlit``: a trained network in one file.

A zip archive, not compressed, of

    spec.json             the network, its classes, and the format's version
    weights.safetensors   the parameters, and the means and scales of inputs and targets

Both are data only: reading a model runs nothing that the file says. Equal models are equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from backlit.networks.model import Model
from backlit.networks.network import Network
from backlit.networks.scaling import Standardisation
from backlit.runs import strict_json
from backlit.runs.atomic import write_atomically

FORMAT = "backlit-model"
VERSION = 1
SPEC, WEIGHTS = "spec.json", "weights.safetensors"
DTYPES = ("float32", "float64")

Tensors = dict[str, NDArray[Any]]


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
    >>> import tempfile, pathlib, numpy as np
    >>> from backlit.networks import Model, Network, Standardisation
    >>> from backlit.runs import load_model, save_model
    >>> network = Network(inputs=2, hidden=(), outputs=2)
    >>> scaling = Standardisation(np.zeros(2), np.ones(2))
    >>> model = Model(network, network.parameters(seed=0), scaling, classes=["no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.backlit")
    ...     save_model(model, path)
    ...     load_model(path).classes
    ['no', 'yes']
    """
    write_atomically(Path(path), to_bytes(model))


def to_bytes(model: Model) -> bytes:
    """Return the content of a model's file."""
    tensors = {name: np.ascontiguousarray(array) for name, array in model.parameters.items()}
    for name, scaling in (("input", model.inputs), ("target", model.targets)):
        if scaling is not None:
            tensors[f"{name}_mean"] = scaling.mean
            tensors[f"{name}_scale"] = scaling.scale
    spec = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": model.parameters["W1"].dtype.name,
        "network": model.network.to_json(),
        "classes": model.classes,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((SPEC, strict_json.dumps(spec)), (WEIGHTS, save_tensors(tensors))):
            entry = zipfile.ZipInfo(name)  # of 1 January 1980: no clock gets into the bytes
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


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
    entries = _unpack(content)
    try:
        spec = strict_json.loads(entries[SPEC])
    except ValueError as error:
        raise ValueError(f"{SPEC}: {error}") from None
    network, dtype, classes = _read_spec(spec)
    tensors = _read_tensors(entries[WEIGHTS], _expected(network, dtype))
    return Model(
        network=network,
        parameters={name: tensors[name] for name in network.shapes},
        inputs=Standardisation(tensors["input_mean"], tensors["input_scale"]),
        targets=None
        if classes
        else Standardisation(tensors["target_mean"], tensors["target_scale"]),
        classes=classes,
    )


def _unpack(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sorted(info.filename for info in infos) != [SPEC, WEIGHTS]:
                raise ValueError(
                    f"it holds {', '.join(info.filename for info in infos) or 'nothing'}, and not "
                    f"just {SPEC} and {WEIGHTS}"
                )
            # Not compressed, so that no entry can be larger than the file.
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise ValueError("its entries are compressed, which a model's are not")
            return {info.filename: archive.read(info) for info in infos}  # checks their CRC
    except ValueError:
        raise
    except Exception as error:
        # A damaged archive raises whatever the damage makes of it: BadZipFile, RuntimeError (it
        # seems encrypted), NotImplementedError (it seems of a newer version), struct.error, ...
        problem = str(error) or type(error).__name__
        raise ValueError(f"it is damaged or no model ({problem})") from None


def _read_spec(spec: Any) -> tuple[Network, str, list[str] | list[int] | None]:
    if not isinstance(spec, dict) or spec.get("format") != FORMAT:
        raise ValueError(f'{SPEC} does not say "format": "{FORMAT}"')
    version = spec.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f"{SPEC} has no valid version, but {version!r}")
    if version > VERSION:
        raise ValueError(
            f"it is of version {version}, and this Backlit reads up to version {VERSION}; install "
            "a newer Backlit"
        )
    entries = {"format", "version", "dtype", "network", "classes"}
    for problem, names in (("lacks", entries - set(spec)), ("has unknown", set(spec) - entries)):
        if names:
            raise ValueError(f"{SPEC} {problem} {', '.join(sorted(names))}")
    if spec["dtype"] not in DTYPES:
        raise ValueError(f"{SPEC}: the dtype must be float32 or float64, not {spec['dtype']!r}")
    try:
        network = Network.from_json(spec["network"])
    except ValueError as error:
        raise ValueError(f"{SPEC}: {error}") from None
    return network, spec["dtype"], _read_classes(spec["classes"], network)


def _read_classes(classes: Any, network: Network) -> list[str] | list[int] | None:
    if network.loss != "log_loss":
        if classes is not None:
            raise ValueError(f"{SPEC} has classes, and the network predicts numbers")
        return None
    if not isinstance(classes, list) or len(classes) != network.outputs:
        raise ValueError(f"{SPEC}: the classes are not a list of {network.outputs}")
    kinds = {type(name) for name in classes}
    if kinds not in ({str}, {int}) or len(set(classes)) < len(classes):
        raise ValueError(f"{SPEC}: the classes are not all texts or all integers, each once")
    return classes


def _expected(network: Network, dtype: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return the shape and dtype of each tensor that a model of this network has."""
    expected = {name: (shape, dtype) for name, shape in network.shapes.items()}
    columns = {"input": network.inputs}
    if network.loss != "log_loss":
        columns["target"] = network.outputs
    for name, count in columns.items():
        expected[f"{name}_mean"] = expected[f"{name}_scale"] = ((count,), "float64")
    return expected


def _read_tensors(content: bytes, expected: dict[str, tuple[tuple[int, ...], str]]) -> Tensors:
    try:
        tensors: Tensors = load_tensors(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{WEIGHTS} is damaged ({error})") from None
    for problem, names in (
        ("lacks", expected.keys() - tensors.keys()),
        ("has unknown", tensors.keys() - expected.keys()),
    ):
        if names:
            raise ValueError(f"{WEIGHTS} {problem} {', '.join(sorted(names))}")
    for name, (shape, dtype) in expected.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != dtype:
            raise ValueError(
                f"{WEIGHTS}: {name} is {tensor.dtype} of shape {tensor.shape}, and the network "
                f"needs {dtype} of shape {shape}"
            )
        if not np.all(np.isfinite(tensor)):
            raise ValueError(f"{WEIGHTS}: {name} holds numbers that are not finite")
        if name.endswith("_scale") and not np.all(tensor > 0):
            raise ValueError(f"{WEIGHTS}: {name} holds numbers that are not positive")
    return tensors
