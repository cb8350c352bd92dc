"""Default settings on real data reach what a well-trained network reaches."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from backlit.fitting import fit, predict
from backlit.networks.randomness import Purpose, permutation
from backlit.tables import read_table

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not here"),
]


def test_adult_is_85_percent_right_on_the_official_test_rows(tmp_path):
    table = read_table(DATA / "tables" / "adult.csv.gz")
    training, test = table.take(range(32_561)), table.take(range(32_561, 48_842))
    run = fit(training, "income", out=tmp_path / "run")
    _, scores = predict(run, test)
    assert scores["accuracy"] >= 0.850


@pytest.mark.parametrize("seed", [0, 1])
def test_california_has_an_error_below_054_on_a_random_fifth(seed, tmp_path):
    table = read_table(DATA / "tables" / "california.csv.gz")
    order = permutation(len(table), seed, Purpose.SPLIT)
    fifth = len(table) // 5
    run = fit(table.take(order[fifth:]), "MedHouseVal", out=tmp_path / "run")
    _, scores = predict(run, table.take(order[:fifth]))
    assert scores["RMSE"] < 0.54


def digits(name):
    folder = DATA / "classics" / "mnist"
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
    columns = {f"pixel {place}": column for place, column in enumerate(pixels.T)}
    return {**columns, "digit": np.frombuffer(labels, np.uint8, offset=8)}


def test_mnist_with_100_hidden_units_is_wrong_in_at_most_25_of_1000(tmp_path):
    run = fit(digits("train"), "digit", hidden=(100,), out=tmp_path / "run")
    _, scores = predict(run, digits("t10k"))
    assert 1 - scores["accuracy"] <= 0.025
