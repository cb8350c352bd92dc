"""From a table to a run: what is used, what is said, what is written, what is refused."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import backlit
from backlit.fitting import Watcher, fit, predict
from backlit.runs import Run
from backlit.training import LBFGS, Constant, GradientDescent, Penalties, Rprop

rng = np.random.default_rng(0)
ROWS = 240
age = rng.uniform(18, 80, ROWS)
job = rng.choice(["cook", "judge", "nurse"], ROWS)
hours = np.where(rng.random(ROWS) < 0.2, np.nan, rng.uniform(10, 60, ROWS))
pay = 20 + 0.5 * age + np.where(job == "judge", 30, 0) + rng.normal(size=ROWS)
rich = np.where(pay > np.median(pay), "yes", "no")
TABLE = {"age": age, "job": job, "hours": hours, "rich": rich}
NUMBERS = {"age": age, "job": job, "hours": hours, "pay": pay}
SMALL = {"hidden": (8,), "epochs": 5}


def bits(run):
    return (run.folder / "model.backlit").read_bytes()


def write_csv(path, table):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        cells = ([("" if cell != cell else cell) for cell in column] for column in table.values())
        writer.writerows(zip(*cells, strict=True))
    return path


# ----- What is learned ---------------------------------------------------------------------------


def test_classes_are_learned_and_predicted_by_their_names(tmp_path):
    run = fit(TABLE, "rich", out=tmp_path / "run", epochs=60)
    columns, scores = predict(run, TABLE)
    assert set(columns["prediction"]) == {"yes", "no"}
    assert scores["accuracy"] == np.mean(columns["prediction"] == rich) > 0.93
    assert np.allclose(columns["probability_yes"] + columns["probability_no"], 1)
    chosen = np.where(columns["probability_yes"] > 0.5, "yes", "no")
    assert np.array_equal(chosen, columns["prediction"])


def test_numbers_are_predicted_in_their_units(tmp_path):
    run = fit(NUMBERS, "pay", out=tmp_path / "run", epochs=100)
    columns, scores = predict(run, NUMBERS)
    assert list(columns) == ["prediction"]
    rmse = np.sqrt(np.mean((columns["prediction"] - pay) ** 2))
    assert scores["RMSE"] == pytest.approx(rmse)
    assert rmse < 3 < np.std(pay) / 5


@pytest.mark.parametrize(
    ("loss", "options", "share_below"),
    [
        ("quantile_loss", {"quantile": 0.9}, (0.8, 1.0)),
        ("quantile_loss", {"quantile": 0.1}, (0.0, 0.2)),
        ("huber_loss", {"delta": 0.5}, (0.3, 0.7)),
        ("absolute_loss", {}, (0.3, 0.7)),
    ],
)
def test_losses_for_numbers_do_what_they_are_for(loss, options, share_below, tmp_path):
    run = fit(NUMBERS, "pay", out=tmp_path / "run", loss=loss, loss_options=options, epochs=60)
    below = np.mean(pay < run.predict(NUMBERS))
    assert share_below[0] <= below <= share_below[1]


def test_counts_are_predicted_as_counts(tmp_path):
    counts = rng.poisson(np.exp(age / 30))
    table = {"age": age, "visits": counts}
    run = fit(table, "visits", out=tmp_path / "run", loss="poisson_loss", epochs=60)
    predicted = run.predict(table)
    assert predicted.min() > 0
    assert np.mean(predicted) == pytest.approx(np.mean(counts), rel=0.1)
    assert np.corrcoef(predicted, np.exp(age / 30))[0, 1] > 0.95


def test_one_output_tells_two_classes_apart(tmp_path):
    run = fit(TABLE, "rich", out=tmp_path / "run", loss="binary_log_loss", epochs=60)
    columns, scores = predict(run, TABLE)
    assert run.model().network.outputs == 1
    assert scores["accuracy"] > 0.93
    assert np.allclose(columns["probability_yes"] + columns["probability_no"], 1)


@pytest.mark.parametrize("optimizer", [LBFGS(), Rprop(), GradientDescent(0.1)])
def test_every_kind_of_optimizer_trains(optimizer, tmp_path):
    run = fit(TABLE, "rich", out=tmp_path / "run", optimizer=optimizer, epochs=40)
    assert run.document()["outcome"]["scores"]["accuracy"] > 0.85


def test_rows_of_weight_zero_do_not_count(tmp_path):
    wrong = np.where(np.arange(ROWS) % 2, rich, np.where(rich == "yes", "no", "yes"))
    table = {**TABLE, "rich": wrong, "trust": np.arange(ROWS) % 2}
    run = fit(table, "rich", weights="trust", out=tmp_path / "run", epochs=60)
    right = np.arange(ROWS) % 2 == 1
    assert "trust" not in run.model().preparation.names
    assert np.mean(run.predict(TABLE)[right] == rich[right]) > 0.9


def test_scores_and_baseline_are_weighted_as_training_is(tmp_path):
    weights = np.where(rich == "yes", 3.0, 0.5)
    run = fit({**TABLE, "w": weights}, "rich", weights="w", out=tmp_path / "run", **SMALL)
    document = run.document()
    best = run.epochs()[document["outcome"]["best_epoch"] - 1]
    scores = document["outcome"]["scores"]
    assert scores["accuracy"] == pytest.approx(best.validation_score)
    assert scores["log loss"] == pytest.approx(best.validation_loss, rel=1e-5)
    assert document["prepared"]["baseline"]["accuracy"] == pytest.approx(3 / 3.5, abs=0.02)


@pytest.mark.parametrize("size", [(512, 512), (8,)])
def test_the_bits_do_not_depend_on_the_threads_of_blas(size, tmp_path):
    script = (
        "import sys, numpy as np, backlit\n"
        "x = np.random.default_rng(0).normal(size=(600, 60))\n"
        "table = {f'x{i}': column for i, column in enumerate(x.T)}\n"
        "table['y'] = x[:, 0] * x[:, 1]\n"
        f"backlit.fit(table, 'y', out=sys.argv[1], hidden={size}, batch_size=256, epochs=2)\n"
    )
    for threads in "12":
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", script, tmp_path / threads]
        subprocess.run(command, check=True, env=environment)
    assert bits(Run(tmp_path / "1")) == bits(Run(tmp_path / "2"))


# ----- What is used and said ---------------------------------------------------------------------


def test_nothing_is_fitted_on_the_held_out_part(tmp_path):
    held_out = {**{name: column[:60] for name, column in TABLE.items()}, "age": age[:60] * 1000}
    training = {name: column[60:] for name, column in TABLE.items()}
    run = fit(training, "rich", validation=held_out, out=tmp_path / "run", **SMALL)
    (column,) = (c for c in run.model().preparation.columns if c.name == "age")
    assert column.mean == pytest.approx(np.mean(age[60:]))
    assert column.scale == pytest.approx(np.std(age[60:]))
    assert run.document()["prepared"]["rows"] == {"training": 180, "validation": 60}


def test_the_held_out_share_is_stratified(tmp_path):
    rare = np.where(np.arange(ROWS) < 20, "rare", "common")
    run = fit({"age": age, "kind": rare}, "kind", out=tmp_path / "run", validation=0.25, **SMALL)
    prepared = run.document()["prepared"]
    assert prepared["rows"] == {"training": 180, "validation": 60}
    assert prepared["baseline"]["accuracy"] == pytest.approx(55 / 60)  # 5 of the 20 rare ones


def test_what_was_decided_is_said(tmp_path):
    table = {**TABLE, "constant": np.ones(ROWS), "name": [f"person {i}" for i in range(ROWS)]}
    table["rich"] = np.where(np.arange(ROWS) < 7, None, rich)
    table["rich"][10] = "perhaps"
    run = fit(table, "rich", out=tmp_path / "run", **SMALL)
    assert run.document()["prepared"]["notes"] == [
        "Predicting 'rich': 3 classes, since it holds text.",
        "Left out of the table: 7 rows without a value of 'rich'.",
        "Class 'perhaps' (1 row) stays in the training part: no held-out row tells how well it is "
        "learnt.",
        "Left out: 'constant' (all rows alike), 'name' (each row another).",
    ]
    assert run.model().preparation.names == ["age", "job", "hours"]


def test_columns_can_be_ignored_and_declared(tmp_path):
    table = {"age": age, "code": rng.integers(1, 4, ROWS), "rich": rich, "job": job}
    path = write_csv(tmp_path / "people.csv", table)
    run = fit(path, "rich", out=tmp_path / "run", ignore=["job"], categories=["code"], **SMALL)
    assert run.model().preparation.inputs == ["age", "code = 1", "code = 2", "code = 3"]


def test_categories_can_be_declared_of_a_table_in_memory(tmp_path):
    table = {"age": age, "code": np.arange(ROWS) % 3, "rich": rich}
    run = fit(table, "rich", out=tmp_path / "run", categories="code", **SMALL)
    assert run.model().preparation.inputs == ["age", "code = 0", "code = 1", "code = 2"]
    assert run.predict({**table, "code": np.arange(ROWS) % 3 * 1.0}).shape == (ROWS,)


def test_pixels_share_a_scale(tmp_path):
    pixels = rng.integers(0, 256, (ROWS, 20)) * (rng.random((ROWS, 20)) < np.linspace(0.05, 1, 20))
    pixels[:60] = 255
    table = {**{f"p{i}": pixels[:, i] for i in range(20)}, "rich": rich}
    run = fit(table, "rich", out=tmp_path / "run", **SMALL)
    scales = {column.scale for column in run.model().preparation.columns}
    assert len(scales) == 1
    assert run.document()["prepared"]["notes"][1].startswith("20 columns hold whole numbers")


@pytest.mark.parametrize(
    ("values", "settings", "kind"),
    [
        (rng.integers(3, 9, ROWS), {}, "classes"),
        (rng.integers(3, 9, ROWS), {"kind": "numbers"}, "numbers"),
        (rng.integers(3, 9, ROWS), {"loss": "absolute_loss"}, "numbers"),
        (rng.integers(0, 200, ROWS), {}, "numbers"),
        (rng.integers(0, 30, ROWS), {"kind": "classes"}, "classes"),
    ],
)
def test_classes_or_numbers_is_decided_and_can_be_overruled(values, settings, kind, tmp_path):
    run = fit({"age": age, "y": values}, "y", out=tmp_path / "run", **SMALL, **settings)
    assert run.model().task.kind == kind


# ----- What is written ---------------------------------------------------------------------------


def test_the_same_call_gives_the_same_bits(tmp_path):
    runs = [fit(TABLE, "rich", out=tmp_path / str(i), **SMALL, seed=i // 2) for i in range(3)]
    assert bits(runs[0]) == bits(runs[1]) != bits(runs[2])


def test_a_file_a_table_and_a_data_frame_give_the_same_bits(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = write_csv(tmp_path / "people.csv", TABLE)
    sources = [TABLE, path, str(path), backlit.read_table(path), pandas.DataFrame(TABLE)]
    runs = [fit(data, "rich", out=tmp_path / str(i), **SMALL) for i, data in enumerate(sources)]
    assert len({bits(run) for run in runs}) == 1


def test_a_run_holds_what_was_asked_for_and_what_came_out(tmp_path):
    run = fit(TABLE, "rich", out=tmp_path / "run", **SMALL, schedule=Constant())
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "checkpoint", "lock", "model.backlit", "record.sqlite", "record.sqlite-journal", "run.json",
    ]  # fmt: skip
    assert (run.folder / "record.sqlite-journal").stat().st_size == 0
    document = json.loads((run.folder / "run.json").read_text())
    assert document["status"] == "finished"
    assert document["settings"]["epochs"] == 5
    assert document["network"]["hidden"] == [8]
    assert document["data"]["target"] == "rich"
    epochs = run.epochs()
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert document["outcome"]["best_epoch"] == best.number
    assert document["outcome"]["scores"]["accuracy"] == pytest.approx(best.validation_score)
    assert document["outcome"]["scores"]["log loss"] == pytest.approx(best.validation_loss, 1e-5)


def test_a_watcher_is_told(tmp_path):
    said = []

    class Listener(Watcher):
        def begun(self, run, document):
            said.append(("begun", document["status"], Run(run.folder).document()["status"]))

        def epoch(self, epoch, state):
            said.append(epoch.number)
            return epoch.number == 3

        def ended(self, run, document):
            said.append(("ended", document["status"]))

    fit(TABLE, "rich", out=tmp_path / "run", watcher=Listener(), hidden=(4,))
    assert said == [
        ("begun", "training", "training"), 1, 2, 3, ("ended", "stopped by a callback"),
    ]  # fmt: skip


def test_runs_that_nobody_names_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_csv(tmp_path / "people.csv", TABLE)
    folders = [fit(path, "rich", **SMALL).folder for _ in range(2)]
    folders.append(fit(TABLE, "rich", **SMALL).folder)
    assert [str(folder) for folder in folders] == [
        "backlit-runs/people-1", "backlit-runs/people-2", "backlit-runs/rich-1",
    ]  # fmt: skip


# ----- Starting from another run -----------------------------------------------------------------


def test_fine_tuning_starts_from_the_weights_of_a_run(tmp_path):
    first = fit(TABLE, "rich", out=tmp_path / "first", epochs=40, hidden=(16,))
    again = fit(
        TABLE, "rich", out=tmp_path / "again", start=first, epochs=1, patience=None,
        optimizer=GradientDescent(1e-12),
    )  # fmt: skip
    for name, array in first.model().parameters.items():
        assert np.allclose(again.model().parameters[name], array, atol=1e-9)
    assert again.model().preparation == first.model().preparation


def test_fine_tuning_to_other_classes_begins_with_a_new_output_layer(tmp_path):
    first = fit(TABLE, "rich", out=tmp_path / "first", epochs=20, hidden=(16,))
    table = {**TABLE, "third": rng.choice(["a", "b", "c"], ROWS)}
    run = fit(
        table, "third", out=tmp_path / "other", start=first.folder, epochs=1,
        optimizer=GradientDescent(1e-12),
    )  # fmt: skip
    old, new = first.model(), run.model()
    assert np.allclose(new.parameters["W1"], old.parameters["W1"], atol=1e-9)
    assert new.parameters["W2"].shape == (16, 3)
    assert new.task.classes == ("a", "b", "c")


def test_fine_tuning_on_fewer_classes_keeps_the_others(tmp_path):
    table = {**TABLE, "job": None, "rich": job}
    del table["job"]
    first = fit(table, "rich", out=tmp_path / "first", epochs=5, hidden=(8,))
    some = job != "judge"
    fewer = {name: np.asarray(column)[some] for name, column in table.items()}
    run = fit(fewer, "rich", out=tmp_path / "fewer", start=first, epochs=2)
    assert run.model().task.classes == ("cook", "judge", "nurse")


def test_the_network_to_start_from_must_not_read_its_own_target(tmp_path):
    first = fit(TABLE, "rich", out=tmp_path / "first", **SMALL)
    for changes, what in (({"target": "job"}, "target"), ({"weights": "age"}, "weights")):
        with pytest.raises(ValueError, match=f"is an input of the run .* cannot be the {what}"):
            fit(TABLE, **{"target": "rich", **changes}, start=first, out=tmp_path / "x")
    for option in ("ignore", "categories"):
        with pytest.raises(ValueError, match="ignore and categories cannot be given with a run to"):
            fit(TABLE, "rich", start=first, out=tmp_path / "x", **{option: ["age"]})
    assert not (tmp_path / "x").exists()


def test_another_kind_of_target_begins_with_a_new_output_layer(tmp_path):
    first = fit(TABLE, "rich", out=tmp_path / "first", **SMALL)
    table = {**TABLE, "pay": pay}
    run = fit(table, "pay", out=tmp_path / "second", start=first, epochs=2)
    assert run.document()["prepared"]["notes"][0] == (
        "Predicting 'pay': numbers, since not all are whole."
    )
    assert run.model().task.kind == "numbers"
    assert run.model().network.outputs == 1


# ----- Codes that look like numbers --------------------------------------------------------------


@pytest.fixture
def coded(tmp_path):
    """Return files of codes: all of them, and some that are only digits."""
    codes = np.array(["007", "12", "A1"])[np.arange(ROWS) % 3]
    is_seven = np.where(codes == "007", "01", "02")
    table = {"code": codes, "x": age, "y": is_seven}
    digits = codes != "A1"
    whole = write_csv(tmp_path / "whole.csv", table)
    return whole, write_csv(tmp_path / "digits.csv", {k: v[digits] for k, v in table.items()})


def test_codes_are_read_alike_in_every_file(coded, tmp_path):
    whole, digits = coded
    run = fit(whole, "y", validation=digits, categories=["y"], out=tmp_path / "run", epochs=60)
    said = run.document()["outcome"]["scores"]["accuracy"]
    _, scores = predict(run, digits)
    assert said == scores["accuracy"] > 0.9
    again = fit(digits, "y", start=run, out=tmp_path / "again", epochs=1)
    assert again.model().task.classes == ("01", "02")
    assert again.epochs()[0].train_loss < 0.5


def test_what_does_not_fit_the_weights_to_start_from_is_refused(tmp_path):
    first = fit(TABLE, "rich", out=tmp_path / "first", **SMALL)
    with pytest.raises(ValueError, match=r"hidden cannot be \(9,\), since the weights .* \(8,\)"):
        fit(TABLE, "rich", out=tmp_path / "x", start=first, hidden=(9,))
    with pytest.raises(ValueError, match="the table lacks the columns 'job', 'hours'"):
        fit({"age": age, "rich": rich}, "rich", out=tmp_path / "x", start=first)
    assert not (tmp_path / "x").exists()


# ----- What is refused ---------------------------------------------------------------------------


def changed(**columns):
    return {**TABLE, **columns}


def with_cells(column, **cells):
    """Return a column in which some cells (by row, counted from 0) are others."""
    made = np.array(column, object)
    for row, cell in cells.items():
        made[int(row.removeprefix("row"))] = cell
    return made


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (TABLE, {"target": "rihc"}, "no column 'rihc' for a target; did you mean 'rich'"),
        (TABLE, {"ignore": ["jobs"]}, "no column 'jobs'; did you mean 'job'"),
        (TABLE, {"weights": "job"}, "the weights 'job' of the table are not numbers"),
        (TABLE, {"weights": "hours"}, "must be numbers from 0 on, and one is nan in rows"),
        (changed(rich=["yes"] * ROWS), {}, "the target 'rich' is yes in every row"),
        (changed(rich=[None] * ROWS), {}, "all values of the target 'rich' are missing"),
        (changed(hours=np.full(ROWS, np.nan)), {}, "all values of column 'hours' are missing"),
        (changed(age=np.where(age > 79, np.inf, age)), {}, "'age' .* holds infinite values in row"),
        (
            changed(age=with_cells(age, row4="old", row7="young", row9="old")),
            {},
            "'age' .* holds numbers, but text in 3 cells: 'young' in row 8 and 'old' in rows 5 and",
        ),
        ({"rich": rich}, {}, "has no column to predict from, besides 'rich'"),
        ({"rich": rich, "x": np.ones(ROWS)}, {}, r"no column to predict from. Left out: 'x'"),
        (TABLE, {"kind": "numbers"}, "holds text, .* cannot be predicted as numbers"),
        (TABLE, {"loss": "squared_loss"}, "holds text, .* cannot be predicted as numbers"),
        (TABLE, {"loss": "log_los"}, "loss must be one of .*, not 'log_los'"),
        (TABLE, {"activation": "rilu"}, "activation must be one of .*, not 'rilu'"),
        (TABLE, {"hidden": (0,)}, "the sizes of layers are integers from 1 on, not 0"),
        (TABLE, {"dropout": 1.0}, "dropout must be a number from 0 to below 1"),
        (TABLE, {"optimizer": LBFGS(), "dropout": 0.1}, "L-BFGS needs the same objective at each"),
        (TABLE, {"optimizer": LBFGS(), "penalties": Penalties(l1=0.1)}, "neither l1 nor clip_norm"),
        (changed(w=np.zeros(ROWS)), {"weights": "w"}, "weights must be 204 numbers from 0"),
        (TABLE, {"hidden": (10**12,)}, "a network 1-1000000000000-2 is too large to hold"),
        (TABLE, {"optimizer": "adm"}, "optimizer must be one of .*, not 'adm'"),
        (TABLE, {"optimizer": GradientDescent}, "the optimizer must be one of .* or made of one"),
        (TABLE, {"optimizer": None}, "the optimizer must be one of .* not None"),
        (TABLE, {"dtype": "zz"}, "dtype must be float32 or float64, not zz"),
        (TABLE, {"validation": 1.5}, "validation must be between 0 and 1, not 1.5"),
        (TABLE, {"epochs": 0}, "epochs must be 1 or more and whole, not 0"),
        (TABLE, {"loss_options": {"delta": 1.0}}, "the loss options .* need a loss"),
        (changed(age=-age), {"target": "age", "loss": "poisson_loss"}, "is for counts, and 'age'"),
        (
            changed(rich=job),
            {"loss": "binary_log_loss"},
            "binary_log_loss is for two classes, and 'rich' has 3",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_written(table, settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fit(table, **{"target": "rich", "out": tmp_path / "new" / "run", **settings})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty, and a run never overwrites"):
        fit("there-is-no-such-file.csv", "y", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = {
        "hidden": np.array([8]), "epochs": np.int64(3), "seed": np.uint8(1),
        "batch_size": np.int32(9), "dropout": np.float32(0.5), "validation": np.float32(0.25),
        "penalties": Penalties(np.float64(0)),
    }  # fmt: skip
    run = fit(TABLE, "rich", out=tmp_path / "numpy", **settings)
    plain = {
        "hidden": 8, "epochs": 3, "seed": 1, "batch_size": 9, "dropout": 0.5, "validation": 0.25,
    }  # fmt: skip
    assert bits(run) == bits(fit(TABLE, "rich", out=tmp_path / "plain", **plain))


def test_a_setting_that_there_is_not_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(TypeError, match=r"no setting 'learning_rate', but .* the optimizer's"):
        fit(TABLE, "rich", out=tmp_path / "run", learning_rate=0.1)


def test_a_target_names_no_folder_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("../evil", "/abs", "a/b", "x" * 300, "..."):
        run = fit({"age": age, name: rich}, name, **SMALL)
        assert run.folder.parent.name == "backlit-runs"
        assert len(run.folder.name) < 70
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_training_that_diverges_keeps_the_best_and_says_why(tmp_path):
    run = fit(
        NUMBERS, "pay", out=tmp_path / "run", optimizer=GradientDescent(1e9), schedule=Constant()
    )
    document = run.document()
    assert document["status"] == "diverged"
    assert "learning rate 1e+09 is too large" in document["outcome"]["message"]
    assert np.all(np.isfinite(run.predict(NUMBERS)))
