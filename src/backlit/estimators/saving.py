"""Estimators in files that hold data only, without pickle.

An archive (see ``backlit.runs.archive``) of

    facts     the class, its parameters, and what the fit noted
    arrays    weights and biases

The optimizer's state and the weights that ``start`` holds are not in it, so that a file has the
size of the parameters: `partial_fit` of an estimator that was loaded begins with a fresh optimizer,
and its ``start`` is None.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelBinarizer

from backlit.atomic import write_atomically
from backlit.estimators.targets import SeveralTargets
from backlit.runs.archive import Expected, Kind, check_arrays, pack, unpack
from backlit.training.settings import ALL_SCHEDULES, make

ESTIMATOR = Kind("backlit-estimator", 1, ("class", "dtype", "sizes", "parameters", "fitted"))
# What a fit notes, where it is there. Each is a number, a text, None, or a list of these.
FITTED = (
    "n_features_in_", "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "engine_",
    "loss_", "best_loss_", "loss_curve_", "validation_scores_", "validation_loss_curve_",
    "best_validation_score_", "best_epoch_", "_no_improvement_count", "quantiles_",
    "seeds_", "seed_scores_", "seed_score_mean_", "seed_score_interval_", "output_is_new_",
)  # fmt: skip
TARGETS = ("binary", "multiclass", "multilabel-indicator")


def save(estimator: Any, path: Path | str) -> None:
    """Write a fitted estimator to a file.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    path : path
        Replaced, in one indivisible act, if there is such a file.

    Raises
    ------
    ValueError
        If a parameter is an object that is no data: a RandomState, or a function as ``scoring``.
    OSError
        If the file cannot be written.
    """
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    fitted = {name: getattr(estimator, name) for name in FITTED if hasattr(estimator, name)}
    if hasattr(estimator, "feature_names_in_"):
        fitted["feature_names_in_"] = estimator.feature_names_in_.tolist()
    if hasattr(estimator, "classes_"):
        binarizer = estimator._label_binarizer
        several = isinstance(binarizer, SeveralTargets)
        each = binarizer.classes_ if several else [binarizer.classes_]
        names, dtypes = [c.tolist() for c in each], [c.dtype.str for c in each]
        fitted["classes_"], fitted["classes_dtype"] = (
            (names, dtypes) if several else (names[0], dtypes[0])
        )
        fitted["y_type"] = binarizer.y_type_
    facts = {
        "class": type(estimator).__name__,
        "dtype": coefs[0].dtype.name,
        "sizes": [*(W.shape[0] for W in coefs), coefs[-1].shape[1]],
        "parameters": {
            name: None if name == "start" else _to_json(value, name)
            for name, value in estimator.get_params().items()
        },
        "fitted": {name: _to_json(value, name) for name, value in fitted.items()},
    }
    arrays = {f"W{layer}": W for layer, W in enumerate(coefs, start=1)}
    arrays |= {f"b{layer}": b for layer, b in enumerate(intercepts, start=1)}
    for letter, networks in zip("Wb", _networks(estimator), strict=True):
        for seed, network in enumerate(networks, start=1):
            own = {f"seed{seed}.{letter}{layer}": a for layer, a in enumerate(network, start=1)}
            arrays |= own
    write_atomically(Path(path), pack(ESTIMATOR, facts, arrays))


def _networks(estimator: Any) -> tuple[Any, Any]:
    """Return the parameters of the networks whose predictions are averaged, if any are."""
    return getattr(estimator, "seed_coefs_", []), getattr(estimator, "seed_intercepts_", [])


def load(path: Path | str) -> Any:
    """Read a fitted estimator from a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    ValueError
        If the file is damaged, is not an estimator's, or was written by a newer version; the
        message names the file and what is wrong with it.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import backlit
    >>> from backlit.estimators import MLPRegressor
    >>> regressor = MLPRegressor(solver="lbfgs", random_state=0).fit(np.eye(3), [1.0, 2.0, 4.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "regressor.backlit")
    ...     regressor.save(path)
    ...     again = backlit.load(path)
    >>> bool(np.all(again.predict(np.eye(3)) == regressor.predict(np.eye(3))))
    True
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        return _from_bytes(content)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as an estimator: {error}") from None


def _from_bytes(content: bytes) -> Any:
    from backlit.estimators import MLPClassifier, MLPRegressor

    facts, arrays = unpack(ESTIMATOR, content)
    classes = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
    if facts["class"] not in classes:
        raise ValueError(f"the class must be one of {', '.join(classes)}, not {facts['class']!r}")
    sizes = facts["sizes"]
    if facts["dtype"] not in ("float32", "float64"):
        raise ValueError(f"the dtype must be float32 or float64, not {facts['dtype']!r}")
    if not isinstance(sizes, list) or len(sizes) < 2 or {type(size) for size in sizes} != {int}:
        raise ValueError(f"the sizes of layers must be two integers or more, not {sizes!r}")
    for entry in ("parameters", "fitted"):
        if not isinstance(facts[entry], dict):
            raise ValueError(f"the entry {entry} must be an object")
    parameters = {name: _of_json(value) for name, value in facts["parameters"].items()}
    fitted = {name: _of_json(value) for name, value in facts["fitted"].items()}
    known = {*FITTED, "feature_names_in_", "classes_", "classes_dtype", "y_type"}
    if unknown := set(fitted) - known:
        raise ValueError(f"the fit has unknown entries {', '.join(sorted(unknown))}")
    try:
        estimator = classes[facts["class"]](**parameters)
        estimator._validate_params()
    except TypeError as error:
        raise ValueError(f"its parameters are not those of the class: {error}") from None
    layers = list(enumerate(pairwise(sizes), start=1))
    expected = {f"W{layer}": Expected(shape, facts["dtype"]) for layer, shape in layers}
    expected |= {f"b{layer}": Expected((units,), facts["dtype"]) for layer, (_, units) in layers}
    averaged = estimator.seed_choice == "average" and isinstance(fitted.get("seeds_"), list)
    seeds = [f"seed{k}." for k, _ in enumerate(fitted["seeds_"] if averaged else (), start=1)]
    one = dict(expected)
    expected |= {f"{seed}{name}": array for seed in seeds for name, array in one.items()}
    check_arrays(arrays, expected)
    if seeds:
        estimator.seed_coefs_ = [[arrays[f"{s}W{layer}"] for layer, _ in layers] for s in seeds]
        estimator.seed_intercepts_ = [
            [arrays[f"{s}b{layer}"] for layer, _ in layers] for s in seeds
        ]
    estimator.coefs_ = [arrays[f"W{layer}"] for layer, _ in layers]
    estimator.intercepts_ = [arrays[f"b{layer}"] for layer, _ in layers]
    estimator._best = None
    if "feature_names_in_" in fitted:
        estimator.feature_names_in_ = np.array(fitted.pop("feature_names_in_"), object)
    if isinstance(estimator, MLPClassifier):
        estimator._label_binarizer = _binarizer(
            *(fitted.pop(name, None) for name in ("classes_", "classes_dtype", "y_type"))
        )
        estimator.classes_ = estimator._label_binarizer.classes_
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator


def _binarizer(classes: Any, dtype: Any, y_type: Any) -> LabelBinarizer | SeveralTargets:
    """Return what turns classes into outputs, as the fit had made it."""
    if y_type == SeveralTargets.y_type_:
        if not isinstance(classes, list) or not isinstance(dtype, list):
            raise ValueError(f"the classes {classes!r} of several targets are not valid")
        if len(classes) != len(dtype):
            raise ValueError(f"there are {len(classes)} targets, and dtypes of {len(dtype)}")
        each = zip(classes, dtype, strict=True)
        return SeveralTargets([_classes(*one) for one in each])
    if y_type not in TARGETS:
        raise ValueError(f"the kind of target {y_type!r} is not valid")
    known = _classes(classes, dtype)
    binarizer = LabelBinarizer()
    if y_type == "multilabel-indicator":
        return binarizer.fit(np.eye(len(known), dtype=int))
    return binarizer.fit(known)


def _classes(classes: Any, dtype: Any) -> NDArray[Any]:
    if not isinstance(classes, list):
        raise ValueError(f"the classes {classes!r} are not valid")
    try:
        kind = np.dtype(dtype).kind
    except TypeError:
        kind = "?"
    if kind not in "iufbUO" or (kind == "O" and {type(name) for name in classes} != {str}):
        raise ValueError(f"classes must be numbers, booleans or texts, not of dtype {dtype!r}")
    return np.array(classes, dtype)


# ----- JSON, with the few values that it lacks ---------------------------------------------------


def _to_json(value: Any, name: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple):
        return {"tuple": [_to_json(part, name) for part in value]}
    if isinstance(value, list):
        return [_to_json(part, name) for part in value]
    for kind, made in ALL_SCHEDULES.items():
        if type(value) is made:
            return {"schedule": {"name": kind, **asdict(value)}}
    if isinstance(value, dict):
        return {"dict": [[_to_json(part, name) for part in pair] for pair in value.items()]}
    raise ValueError(
        f"{name}={value!r} is no data and cannot be saved; set it to a number, a text or None first"
    )


def _of_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_of_json(part) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((kind, inside),) = value.items()
        if kind == "float" and inside in ("inf", "-inf", "nan"):
            return float(inside)
        if kind == "tuple" and isinstance(inside, list):
            return tuple(_of_json(inside))
        if kind == "schedule":
            return make("schedule", inside, ALL_SCHEDULES)
        if kind == "dict" and isinstance(inside, list):
            pairs = _of_json(inside)
            if all(type(pair) is list and len(pair) == 2 and _is_key(pair[0]) for pair in pairs):
                return dict(pairs)
    raise ValueError(f"{value!r} is not a value that was saved")


def _is_key(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))
