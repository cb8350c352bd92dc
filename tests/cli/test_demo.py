"""``backlit demo`` on real data, from the command to the files."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, root_mean_squared_error

from backlit.cli import demo
from backlit.cli.datasets import TARGET, load
from backlit.cli.main import main
from backlit.fitting import fit
from backlit.runs import Run
from backlit.tables import Numbers


def values(column):
    """Return the numbers, or the texts, of a column."""
    return column.values if isinstance(column, Numbers) else np.array(column.levels)[column.codes]


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
    assert result.stdout.count("\nepoch ") == 10
    for model in ("this network", "always the commonest class", "logistic regression", "boosted"):
        assert model in result.stdout
    first, second = (Run(tmp_path / "backlit-runs" / f"iris-{n}") for n in (1, 2))
    document = first.document()
    assert document["status"] == "finished"
    assert document["prepared"]["rows"] == {"training": 96, "validation": 24}
    assert [epoch.number for epoch in first.epochs()] == list(range(1, 21))
    losses = [epoch.validation_loss for epoch in first.epochs()]
    assert document["outcome"]["best_epoch"] == 1 + int(np.argmin(losses))
    # The same command makes the same model, to the bit.
    models = [(run.folder / "model.backlit").read_bytes() for run in (first, second)]
    assert models[0] == models[1]


def test_the_written_model_predicts_from_raw_numbers_as_was_printed(tmp_path):
    for name in ("wine", "diabetes"):
        out = tmp_path / name
        assert main(["demo", name, "--epochs", "30", "--out", str(out), "--seed", "1"]) == 0
        data, run = load(name, seed=1), Run(out)
        predicted = run.predict(data.test)
        scores = run.document()["comparison"]["this network"]
        true = values(data.test[TARGET])
        if name == "wine":
            assert scores == {"accuracy": accuracy_score(true, predicted)}
            assert scores["accuracy"] > 0.8
        else:
            assert scores["RMSE"] == pytest.approx(root_mean_squared_error(true, predicted))


def test_digits_are_learned(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["demo", "digits", "--epochs", "15", "--out", str(out)]) == 0
    scores = {name: s["accuracy"] for name, s in Run(out).document()["comparison"].items()}
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
    rows = np.concatenate([part.row_numbers for part in parts])
    assert np.array_equal(np.sort(rows), np.arange(1, len(table.data) + 1))
    for part in parts:
        where = part.row_numbers - 1
        for feature, column in zip(table.feature_names, table.data.T, strict=True):
            assert np.array_equal(part[str(feature)].values, column[where])
        if data.kind == "numbers":
            assert np.array_equal(part[TARGET].values, table.target[where])
        else:
            named = np.asarray(table.target_names)[table.target]
            assert np.array_equal(values(part[TARGET]), named[where])
            for label in table.target_names:
                share = np.mean(named[where] == label)
                assert share == pytest.approx(np.mean(named == label), abs=0.03)


def test_ctrl_c_writes_the_best_model_so_far(tmp_path, monkeypatch, capsys):
    def interrupt(epoch, state):
        if epoch.number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(demo, "fit", partial(fit, callbacks=[interrupt]))
    run = Run(tmp_path / "run")
    assert main(["demo", "digits", "--out", str(run.folder)]) == 130
    captured = capsys.readouterr()
    assert captured.err == ""
    printed = captured.out
    assert "Interrupted" in printed
    assert f"To go on: backlit train --resume {run.folder}" in printed
    document = run.document()
    assert document["status"] == "interrupted"
    assert len(run.epochs()) == 3
    test = load("digits", seed=0).test
    score = accuracy_score(values(test[TARGET]), run.predict(test))
    assert document["comparison"] == {"this network": {"accuracy": score}}
