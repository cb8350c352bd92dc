"""``backlit demo`` on real data, from the command to the files."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, root_mean_squared_error

from backlit.cli.datasets import load
from backlit.cli.main import main
from backlit.runs import Run


def command(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "backlit", "demo", *arguments],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_iris_is_trained_compared_and_written(tmp_path):
    for number in (1, 2):
        result = command("iris", "--epochs", "20", folder=tmp_path)
        assert f"The run is in {os.path.join('backlit-runs', f'iris-{number}')}" in result.stdout
    assert result.stderr == ""
    assert result.stdout.count("epoch ") - result.stdout.count("kept epoch ") == 10
    for model in ("this network", "always the commonest class", "logistic regression", "boosted"):
        assert model in result.stdout
    first, second = (Run(tmp_path / "backlit-runs" / f"iris-{n}") for n in (1, 2))
    record = first.read_record()
    assert record["status"] == "finished"
    assert record["data"]["rows"] == {"training": 96, "validation": 24, "test": 30}
    assert [epoch["number"] for epoch in record["epochs"]] == list(range(1, 21))
    losses = [epoch["validation_loss"] for epoch in record["epochs"]]
    assert record["best_epoch"] == 1 + int(np.argmin(losses))
    # The same command makes the same model, to the bit.
    models = [(run.folder / "model.backlit").read_bytes() for run in (first, second)]
    assert models[0] == models[1]


def test_the_written_model_predicts_from_raw_numbers_as_was_printed(tmp_path):
    for name in ("wine", "diabetes"):
        out = tmp_path / name
        assert main(["demo", name, "--epochs", "30", "--out", str(out), "--seed", "1"]) == 0
        data, run = load(name, seed=1), Run(out)
        predicted = run.read_model().predict(data.test[0])
        scores = run.read_record()["scores"]["this network"]
        if name == "wine":
            true = np.array(data.classes)[data.test[1]]
            assert scores == {"accuracy": accuracy_score(true, predicted)}
            assert scores["accuracy"] > 0.8
        else:
            rmse = root_mean_squared_error(data.test[1], predicted[:, 0])
            assert scores["RMSE"] == pytest.approx(rmse)


def test_digits_are_learned(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["demo", "digits", "--epochs", "15", "--out", str(out)]) == 0
    scores = {name: s["accuracy"] for name, s in Run(out).read_record()["scores"].items()}
    assert scores["this network"] > 0.93
    assert scores["always the commonest class"] < 0.2
    printed = capsys.readouterr().out
    for name, score in scores.items():
        assert any(name in line and f"{score:.3f}" in line for line in printed.splitlines())


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine", "iris", "diabetes"])
def test_splits_are_disjoint_complete_and_stratified(name):
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")()
    data = load(name, seed=0)
    parts = [data.training, data.validation, data.test]
    assert sum(len(x) for x, _ in parts) == len(table.data)
    together = np.concatenate([np.column_stack([x, y]) for x, y in parts])
    whole = np.column_stack([table.data, table.target])
    assert np.array_equal(np.sort(together, axis=0), np.sort(whole, axis=0))
    if data.classes is not None:
        for _, y in parts:
            for k in range(len(data.classes)):
                assert np.mean(y == k) == pytest.approx(np.mean(table.target == k), abs=0.03)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_ctrl_c_writes_the_best_model_so_far(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "backlit", "demo", "digits", "--epochs", "100000",
         "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    run = Run(tmp_path / "run")
    assert process.stdout is not None
    process.stdout.readline()  # the introduction: training begins
    try:
        process.communicate(timeout=1.5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    assert "Interrupted after" in printed
    record = run.read_record()
    assert record["status"] == "interrupted"
    assert 0 < len(record["epochs"]) < 100_000
    predicted = run.read_model().predict(load("digits", seed=0).test[0])
    score = accuracy_score(load("digits", seed=0).test[1], predicted)
    assert record["scores"] == {"this network": {"accuracy": score}}
