"""``model.backlit``: it survives to the bit, or is refused with a sentence."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load, save

from backlit.networks import Network
from backlit.runs import Model, load_model, save_model
from backlit.runs.archive import ARRAYS, FACTS, pack, unpack
from backlit.runs.model_file import MODEL, from_bytes, to_bytes
from backlit.tables import Preparation, Table, Task
from backlit.tables.preparation import CategoryColumn, NumberColumn

TABLE = Table.from_columns(
    {
        "size": [1.5, None, 0.1, 7e300, -2.0],
        "colour": ["blé", "red", None, "never seen", "red"],
        "plain": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
)
PREPARATION = Preparation(
    (
        NumberColumn("size", 0.1, 1e300, indicator=True),
        CategoryColumn("colour", ("blé", "red"), missing=True, other=True),
        NumberColumn("plain", -0.0, 3.3, indicator=False),
    )
)
INPUTS = 7


def drawn(network, dtype="float32"):
    """Return parameters of which no bit is a matter of course."""
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=s).astype(dtype) for name, s in network.shapes.items()}


def classifier(classes=("no", "yes"), dtype="float32", loss="log_loss", hidden=(2,)):
    outputs = 1 if loss == "binary_log_loss" else len(classes)
    network = Network(INPUTS, hidden, outputs, loss=loss)
    task = Task("y", "classes", classes)
    return Model(network, drawn(network, dtype), PREPARATION, task)


def regressor(loss, dtype="float32", mean=0.0, scale=1.0, **options):
    network = Network(INPUTS, (3, 2), 1, "tanh", loss, options)
    task = Task("y", "numbers")
    return Model(network, drawn(network, dtype), PREPARATION, task, mean, scale)


MODELS = [
    classifier(),
    classifier(dtype="float64"),
    classifier(("a", "ä", "\U0001f600", "")),
    classifier((-1, 0, 10**12), hidden=()),
    classifier(loss="binary_log_loss"),
    regressor("squared_loss", mean=0.1, scale=1e-300),
    regressor("squared_loss", "float64", mean=-1e300, scale=5e-324),
    regressor("huber_loss", delta=0.1),
    regressor("quantile_loss", quantile=1 / 3),
    regressor("poisson_loss"),
]
MODEL_FILE = to_bytes(classifier())


def assert_same(ours, theirs):
    assert (ours.network, ours.preparation, ours.task) == (
        theirs.network,
        theirs.preparation,
        theirs.task,
    )
    assert (ours.target_mean, ours.target_scale) == (theirs.target_mean, theirs.target_scale)
    assert ours.parameters.keys() == theirs.parameters.keys()
    for name, array in ours.parameters.items():
        other = theirs.parameters[name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert array.tobytes() == other.tobytes()


# ----- What survives -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_models_survive_to_the_bit_and_predict_the_same(model, tmp_path):
    path = tmp_path / "model.backlit"
    save_model(model, path)
    loaded = load_model(str(path))
    assert_same(loaded, model)
    assert loaded.outputs(TABLE).tobytes() == model.outputs(TABLE).tobytes()
    predicted = loaded.predict(TABLE)
    assert predicted.dtype == model.predict(TABLE).dtype
    assert np.array_equal(predicted, model.predict(TABLE))
    assert [p.name for p in tmp_path.iterdir()] == ["model.backlit"]


def test_equal_models_are_equal_bytes():
    model = classifier()
    backwards = dict(reversed(model.parameters.items()))
    other = Model(model.network, backwards, model.preparation, model.task)
    assert to_bytes(other) == MODEL_FILE


def test_an_older_model_is_replaced(tmp_path):
    path = tmp_path / "model.backlit"
    for model in MODELS[:2]:
        save_model(model, path)
    assert_same(load_model(path), MODELS[1])


def test_what_is_loaded_can_be_trained_on():
    loaded = from_bytes(MODEL_FILE)
    loaded.parameters["W1"] += 1


def test_other_programs_can_read_the_file():
    with zipfile.ZipFile(io.BytesIO(MODEL_FILE)) as archive:
        assert archive.namelist() == [FACTS, ARRAYS]
        facts, tensors = json.loads(archive.read(FACTS)), load(archive.read(ARRAYS))
    assert facts["network"]["hidden"] == [2]
    assert facts["task"] == {"target": "y", "kind": "classes", "classes": ["no", "yes"]}
    assert np.array_equal(tensors["W1"], classifier().parameters["W1"])


# ----- Damage ------------------------------------------------------------------------------------


def test_every_damaged_byte_is_refused_or_harmless():
    model, refused = classifier(), 0
    for position in range(len(MODEL_FILE)):
        damaged = bytearray(MODEL_FILE)
        damaged[position] ^= 1 << (position % 8)
        try:
            loaded = from_bytes(bytes(damaged))
        except ValueError as error:
            refused += 1
            assert str(error)
        else:
            assert_same(loaded, model)
    assert refused > len(MODEL_FILE) / 2  # all of the content, and most of the zip's own tables


def test_every_truncation_is_refused():
    for length in range(len(MODEL_FILE)):
        with pytest.raises(ValueError, match="damaged"):
            from_bytes(MODEL_FILE[:length])


def test_errors_name_the_file_and_the_problem(tmp_path):
    path = tmp_path / "model.backlit"
    path.write_bytes(b"nothing of ours")
    with pytest.raises(
        ValueError, match=r"model\.backlit cannot be read as a model: it is damaged or not written"
    ):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent")


def test_no_pickle_is_ever_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = pickle.dumps(Trap())
    facts, _ = unpack(MODEL, MODEL_FILE)
    document = json.dumps({"format": MODEL.format, "version": MODEL.version, **facts})
    saved = io.BytesIO()
    np.savez(saved, W1=np.array([Trap()], dtype=object))
    for content in (trap, saved.getvalue(), zipped(document, trap), zipped(trap, save({}))):
        with pytest.raises(ValueError, match=r"damaged|UTF-8|and not just"):
            from_bytes(content)
    assert not (tmp_path / "sprung").exists()


def zipped(facts, arrays):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(FACTS, facts)
        archive.writestr(ARRAYS, arrays)
    return buffer.getvalue()


# ----- Written by another hand -------------------------------------------------------------------


def rewritten(place, value, model=MODEL_FILE):
    """Return a well-made file of which one entry is another; ``...`` takes the entry away."""
    facts, arrays = unpack(MODEL, model)
    *inside, last = place
    entry = facts
    for key in inside:
        entry = entry[key]
    if value is ...:
        del entry[last]
    else:
        entry[last] = value
    document = json.dumps({"format": MODEL.format, "version": MODEL.version, **facts})
    return zipped(document, save(arrays))


def test_rewritten_without_change_it_is_the_same_model():
    assert_same(from_bytes(rewritten(["dtype"], "float32")), classifier())


NETWORK, TASK, FIRST, SECOND = ["network"], ["task"], ["preparation", 0], ["preparation", 1]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["format"], "other", 'does not say "format": "backlit-model"'),
        (["version"], 2, "of version 2, .* reads up to version 1; install a newer Backlit"),
        (["script"], "rm", "has unknown script"),
        (["task"], ..., "lacks task"),
        (["dtype"], "float16", "must be float32 or float64, not 'float16'"),
        (["dtype"], ["float32"], r"must be float32 or float64, not \['float32'\]"),
        (["dtype"], "float64", "W1 is float32 of shape .* should be float64"),
        # the network
        (["network"], None, "the network is not a JSON object"),
        ([*NETWORK, "depth"], 3, "the network has unknown depth"),
        ([*NETWORK, "loss"], ..., "the network lacks loss"),
        ([*NETWORK, "inputs"], -1, "sizes of layers are integers from 1 on, not -1"),
        ([*NETWORK, "inputs"], 7.0, "sizes of layers are integers from 1 on, not 7.0"),
        ([*NETWORK, "inputs"], True, "sizes of layers are integers from 1 on, not True"),
        ([*NETWORK, "inputs"], 10**12, "a network 1000000000000-2-2 is too large to hold"),
        ([*NETWORK, "inputs"], 10**6, r"W1 is float32 .* should be .* \(1000000, 2\)"),
        ([*NETWORK, "outputs"], 3, r"W2 is .* should be float32 of shape \(2, 3\)"),
        ([*NETWORK, "hidden"], 2, "hidden sizes are not a list"),
        ([*NETWORK, "hidden"], ["2"], "sizes of layers are integers from 1 on, not '2'"),
        ([*NETWORK, "hidden"], [2, 2], "lacks W3, b3"),
        ([*NETWORK, "hidden"], [], "has unknown W2, b2"),
        ([*NETWORK, "activation"], "__import__", "activation must be one of .*'__import__'"),
        ([*NETWORK, "activation"], ["relu"], r"activation must be one of .*\['relu'\]"),
        ([*NETWORK, "loss"], "hinge", "loss must be one of .*, not 'hinge'"),
        ([*NETWORK, "loss"], "binary_log_loss", "binary_log_loss has one output, not 2"),
        ([*NETWORK, "loss"], "squared_loss", "squared_loss is not for a target that holds cl"),
        ([*NETWORK, "loss"], "label_log_loss", "label_log_loss is not for a target"),
        ([*NETWORK, "loss_options"], [], "options of a loss are a dict"),
        ([*NETWORK, "loss_options"], {"delta": 1.0}, "log_loss has no option 'delta'"),
        ([*NETWORK, "loss_options"], {"smoothing": 2.0}, "the smoothing of log_loss must be"),
        ([*NETWORK, "dropout"], "0.5", "dropout must be a number .*, not '0.5'"),
        ([*NETWORK, "initial"], None, "initial must be one of .*, not None"),
        # the preparation
        (["preparation"], [], "the preparation is not a list of columns"),
        (["preparation"], {}, "the preparation is not a list of columns"),
        (["preparation", 0], None, "neither of numbers nor of categories"),
        (["preparation", 2], ..., "the preparation makes 6 inputs, and the network takes 7"),
        ([*FIRST, "kind"], "date", "neither of numbers nor of categories"),
        ([*FIRST, "mean"], ..., "has not just name, mean, scale, indicator"),
        ([*FIRST, "mean"], 1, "the mean of a column of the preparation is 1"),
        ([*FIRST, "mean"], float("nan"), "it holds NaN, which is not JSON"),
        ([*FIRST, "scale"], 0.0, "the scale of column 'size' is not a positive number"),
        ([*FIRST, "indicator"], 1, "the indicator of a column of the preparation is 1"),
        ([*FIRST, "indicator"], False, "the preparation makes 6 inputs, and the network takes 7"),
        ([*FIRST, "name"], "plain", "the preparation has a column twice"),
        ([*SECOND, "levels"], ["red", 1], "the levels of column 'colour' are not texts"),
        ([*SECOND, "levels"], ["red", "red"], "the levels of column 'colour' .* each once"),
        ([*SECOND, "levels"], [["red"], {}], "the levels of column 'colour' are not texts"),
        # the task
        (["task"], [], "the task has not just target, kind and classes"),
        ([*TASK, "target"], ..., "the task has not just target, kind and classes"),
        ([*TASK, "target"], 3, "the target of the task must be a text, not 3"),
        ([*TASK, "kind"], "numbers", "log_loss is not for a target that holds numbers"),
        ([*TASK, "kind"], ["classes"], r"must be classes or numbers, not \['classes'\]"),
        ([*TASK, "classes"], None, "the classes are not a list of texts, or of integers"),
        ([*TASK, "classes"], ["no", 1], "the classes are not a list of texts, or of integers"),
        ([*TASK, "classes"], [0, True], "the classes are not a list of texts, or of integers"),
        ([*TASK, "classes"], [[], {}], "the classes are not a list of texts, or of integers"),
        ([*TASK, "classes"], ["no", "no"], "a class is there twice"),
        ([*TASK, "classes"], ["no"], "network tells 2 classes apart, and the task has 1"),
        ([*TASK, "classes"], [], "network tells 2 classes apart, and the task has 0"),
        # the scale of the target
        (["target_mean"], None, "the target's mean None and scale 1.0 are not numbers"),
        (["target_scale"], 1, "the target's mean 0.0 and scale 1 are not numbers"),
        (["target_scale"], 0.0, "scale 0.0 are not a finite and a positive number"),
        (["target_scale"], -1.0, "scale -1.0 are not a finite and a positive number"),
    ],
)
def test_wrong_facts_are_refused(place, value, message):
    with pytest.raises(ValueError, match=message):
        from_bytes(rewritten(place, value))


def places(document, place=()):
    """Yield the place of every entry."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, entry in entries:
        yield [*place, key]
        if isinstance(entry, dict | list):
            yield from places(entry, (*place, key))


@pytest.mark.parametrize("value", [None, True, -1, 2**70, 0.5, "", "text", [], [[]], {}, {"a": 1}])
def test_whatever_stands_in_place_of_an_entry_is_a_model_or_a_sentence(value):
    facts, _ = unpack(MODEL, MODEL_FILE)
    for place in places(facts):
        try:
            predicted = from_bytes(rewritten(place, value)).predict(TABLE)
        except ValueError as error:
            assert str(error)
        else:
            assert len(predicted) == len(TABLE)


def test_a_number_too_large_for_a_float_is_refused():
    facts, arrays = unpack(MODEL, MODEL_FILE)
    document = json.dumps({"format": MODEL.format, "version": MODEL.version, **facts})
    content = document.replace('"target_mean": 0.0', '"target_mean": 1e999')
    with pytest.raises(ValueError, match=r"facts\.json: it holds 1e999, which is too large"):
        from_bytes(zipped(content, save(arrays)))


def test_a_model_of_numbers_predicts_one():
    network = Network(INPUTS, (), 2, loss="squared_loss")
    file = to_bytes(regressor("squared_loss"))
    arrays = drawn(network)
    facts, _ = unpack(MODEL, file)
    with pytest.raises(ValueError, match="the network does not predict one number"):
        from_bytes(pack(MODEL, {**facts, "network": network.to_json()}, arrays))
    with pytest.raises(ValueError, match="the network does not predict one number"):
        from_bytes(rewritten(["task", "classes"], ["a"], file))
    with pytest.raises(ValueError, match="the network does not predict one number"):
        from_bytes(rewritten(["network", "loss"], "label_log_loss", file))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("b1", None, "lacks b1"),
        ("b9", np.zeros(1, np.float32), "has unknown b9"),
        ("b1", np.zeros(3, np.float32), r"b1 is float32 of shape \(3,\), .* of shape \(2,\)"),
        ("b1", np.zeros((2, 1), np.float32), r"b1 is float32 of shape \(2, 1\)"),
        ("b1", np.zeros(2, np.int64), "b1 is int64"),
        ("b1", np.zeros(2), "b1 is float64"),
        ("b1", np.array([0, np.nan], np.float32), "b1 holds numbers that are not finite"),
        ("W2", np.full((2, 2), -np.inf, np.float32), "W2 holds numbers that are not finite"),
    ],
)
def test_wrong_parameters_are_refused(name, array, message):
    facts, arrays = unpack(MODEL, MODEL_FILE)
    arrays = {**arrays, name: array}
    if array is None:
        del arrays[name]
    with pytest.raises(ValueError, match=message):
        from_bytes(pack(MODEL, facts, arrays))
