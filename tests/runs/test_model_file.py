"""``model.backlit``: it survives to the bit, or is refused with a sentence."""

import io
import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load, save

from backlit.networks import Model, Network, Standardisation
from backlit.runs import load_model, save_model
from backlit.runs.model_file import SPEC, WEIGHTS, from_bytes, to_bytes

rng = np.random.default_rng(0)


def classifier(dtype=np.float32):
    network = Network(2, (2,), 2)
    inputs = Standardisation(rng.normal(size=2), rng.uniform(1, 2, size=2))
    return Model(network, network.parameters(0, dtype), inputs, classes=["no", "yes"])


def regressor():
    network = Network(3, (), 2, "tanh", "squared_loss")
    scalings = [Standardisation(rng.normal(size=n), rng.uniform(1, 2, size=n)) for n in (3, 2)]
    return Model(network, network.parameters(0), *scalings)


def assert_same(ours, theirs):
    assert ours.network == theirs.network
    assert ours.classes == theirs.classes
    assert to_bytes(ours) == to_bytes(theirs)  # every number, to the bit
    assert (ours.targets is None) == (theirs.targets is None)


@pytest.mark.parametrize("model", [classifier(), classifier(np.float64), regressor()])
def test_models_survive_to_the_bit(model, tmp_path):
    path = tmp_path / "model.backlit"
    save_model(model, path)
    loaded = load_model(path)
    assert_same(loaded, model)
    x = rng.normal(size=(5, model.network.inputs))
    assert np.array_equal(loaded.predict(x), model.predict(x))


def test_equal_models_are_equal_bytes():
    model = classifier()
    other = Model(
        model.network,
        dict(reversed(model.parameters.items())),
        Standardisation(model.inputs.mean.copy(), model.inputs.scale.copy()),
        classes=["no", "yes"],
    )
    assert to_bytes(model) == to_bytes(other)


def test_other_programs_can_read_the_file():
    model = classifier()
    with zipfile.ZipFile(io.BytesIO(to_bytes(model))) as archive:
        assert archive.namelist() == [SPEC, WEIGHTS]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(archive.read(SPEC))["network"]["hidden"] == [2]
        tensors = load(archive.read(WEIGHTS))
    assert np.array_equal(tensors["W1"], model.parameters["W1"])


def test_every_damaged_byte_is_refused_or_harmless():
    model = classifier()
    content = to_bytes(model)
    refused = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        try:
            loaded = from_bytes(bytes(damaged))
        except ValueError as error:
            refused += 1
            assert str(error)
        else:
            assert_same(loaded, model)
    assert refused > len(content) / 2  # all of the content, and most of the zip's own tables


def test_every_truncation_is_refused():
    content = to_bytes(classifier())
    for length in range(0, len(content), 7):
        with pytest.raises(ValueError, match="damaged or no model"):
            from_bytes(content[:length])


def rewritten(change_spec=lambda spec: None, change_tensors=lambda tensors: None, extra=()):
    """Return a valid archive with another content."""
    with zipfile.ZipFile(io.BytesIO(to_bytes(classifier()))) as archive:
        spec, tensors = json.loads(archive.read(SPEC)), load(archive.read(WEIGHTS))
    spec = change_spec(spec) or spec
    change_tensors(tensors)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(SPEC, json.dumps(spec))
        archive.writestr(WEIGHTS, save(tensors))
        for name in extra:
            archive.writestr(name, "")
    return buffer.getvalue()


def set_spec(**entries):
    return lambda spec: spec.update(entries)


def test_rewritten_without_change_it_is_still_a_model():
    assert from_bytes(rewritten()).network == classifier().network


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_spec(format="other"), 'does not say "format": "backlit-model"'),
        (lambda spec: ["list"], 'does not say "format"'),
        (set_spec(version=2), "of version 2, .* reads up to version 1; install a newer Backlit"),
        (set_spec(version="1"), "no valid version, but '1'"),
        (set_spec(version=True), "no valid version, but True"),
        (set_spec(script="rm"), "has unknown script"),
        (lambda spec: spec.pop("classes") and None, "lacks classes"),
        (set_spec(dtype="float16"), "must be float32 or float64, not 'float16'"),
        (set_spec(dtype=["float32"]), "must be float32 or float64"),
        (set_spec(dtype="float64"), "W1 is float32 of shape .* needs float64"),
        (set_spec(network=None), "the network is not a JSON object"),
        (lambda spec: spec["network"].update(inputs=-1), "sizes of layers are integers"),
        (lambda spec: spec["network"].update(inputs=10**12), "W1 is float32 of shape"),
        (lambda spec: spec["network"].update(hidden=[2, 2]), "lacks W3, b3"),
        (lambda spec: spec["network"].update(hidden=[]), "has unknown W2, b2"),
        (lambda spec: spec["network"].update(loss="squared_loss"), "has classes, and"),
        (set_spec(classes=None), "the classes are not a list of 2"),
        (set_spec(classes=["no"]), "the classes are not a list of 2"),
        (set_spec(classes=["no", "no"]), "each once"),
        (set_spec(classes=["no", 1]), "not all texts or all integers"),
        (set_spec(classes=[[], {}]), "not all texts or all integers"),
    ],
)
def test_wrong_specifications_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        from_bytes(rewritten(change_spec=change))


def set_tensor(name, array):
    return lambda tensors: tensors.update({name: array})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("b1"), "lacks b1"),
        (set_tensor("b9", np.zeros(1, np.float32)), "has unknown b9"),
        (set_tensor("b1", np.zeros(3, np.float32)), r"b1 is float32 of shape \(3,\), .* \(2,\)"),
        (set_tensor("b1", np.zeros(2, np.int64)), "b1 is int64"),
        (set_tensor("b1", np.array([0, np.nan], np.float32)), "b1 holds numbers that are not fin"),
        (set_tensor("input_scale", np.array([1.0, 0.0])), "input_scale .* not positive"),
        (set_tensor("target_mean", np.zeros(2)), "has unknown target_mean"),
    ],
)
def test_wrong_tensors_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        from_bytes(rewritten(change_tensors=change))


def test_unknown_entries_are_refused():
    with pytest.raises(ValueError, match=r"it holds .*, setup\.py, and not just"):
        from_bytes(rewritten(extra=["setup.py"]))


def test_compressed_entries_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SPEC, " " * 10**6)
        archive.writestr(WEIGHTS, "")
    with pytest.raises(ValueError, match="are compressed"):
        from_bytes(buffer.getvalue())


def test_errors_name_the_file_and_the_problem(tmp_path):
    path = tmp_path / "model.backlit"
    path.write_bytes(b"nothing of ours")
    with pytest.raises(
        ValueError, match=r"model\.backlit cannot be read as a model: it is damaged"
    ):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent")
