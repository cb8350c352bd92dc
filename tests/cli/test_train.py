"""``backlit train``, ``predict`` and ``show``: a table in, a trained network out."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pytest

import backlit
from backlit.cli.main import main
from backlit.runs import Run

rng = np.random.default_rng(0)
ROWS = 150
height = rng.normal(170, 10, ROWS)
colour = rng.choice(["red", "green", "blue"], ROWS)
label = np.where(height + np.where(colour == "red", 15, 0) > 172, "tall", "short")
LINES = [f"{h:.1f},{c},{y}" for h, c, y in zip(height, colour, label, strict=True)]
TEXT = "height,colour,label\n" + "".join(line + "\n" for line in LINES)
SHORT = ["--hidden", "8", "--epochs", "30"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    return path


def train(table, *options, out):
    return main(["train", str(table), "--target", "label", *SHORT, "--out", str(out), *options])


def predictions(path, separator=","):
    return [line.split(separator) for line in path.read_text().splitlines()]


# ----- From a table to predictions ---------------------------------------------------------------


def test_train_then_predict(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(table, out=out) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("Predicting 'label': 2 classes, since it holds text.\n")
    assert "127 rows to train on, 23 held out; 2 columns, 4 inputs." in printed.out
    assert (
        "Network 4-8-2 (relu), 58 parameters; log_loss; adamw, learning rate 0.001" in printed.out
    )
    assert printed.out.count("\nepoch ") == 10
    assert printed.out.endswith(f"The run is in {out}\n")

    predicted = tmp_path / "predicted.csv"
    assert main(["predict", str(out), str(table), "--out", str(predicted)]) == 0
    header, *rows = predictions(predicted)
    assert header == [
        "height", "colour", "label", "prediction", "probability_short", "probability_tall",
    ]  # fmt: skip
    assert [",".join(row[:3]) for row in rows] == LINES
    right = np.mean([row[2] == row[3] for row in rows])
    assert right > 0.8
    assert capsys.readouterr().err == (
        f"150 rows predicted; accuracy {right:.4f}, log loss "
        f"{np.mean([-np.log(float(row[4 + (row[2] == 'tall')])) for row in rows]):.4f}.\n"
    )


def test_predictions_go_to_the_terminal_in_the_format_of_the_input(table, tmp_path):
    out = tmp_path / "run"
    assert train(table, out=out) == 0
    other = tmp_path / "new.tsv.gz"
    rows = ["colour\theight\tname", "red\t190\tAnn", "lilac\t\tBob"]
    other.write_bytes(gzip.compress("\n".join(rows).encode()))
    result = subprocess.run(
        [sys.executable, "-m", "backlit", "predict", out, other],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    header, ann, bob = (line.split("\t") for line in result.stdout.splitlines())
    assert header == [
        "colour",
        "height",
        "name",
        "prediction",
        "probability_short",
        "probability_tall",
    ]
    assert ann[:4] == ["red", "190", "Ann", "tall"]
    assert bob[:3] == ["lilac", "", "Bob"]  # a level and a gap that training never met
    assert float(bob[4]) + float(bob[5]) == pytest.approx(1)
    assert result.stderr == "2 rows predicted.\n"


def test_numbers_are_predicted_and_parquet_is_read_and_written(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, out, predicted = tmp_path / "t.parquet", tmp_path / "run", tmp_path / "p.parquet"
    pq.write_table(pa.table({"x": height, "c": colour, "y": 2 * height}), path)
    assert main(["train", str(path), "--target", "y", "--out", str(out)]) == 0
    assert main(["predict", str(out), str(path)]) == 2
    assert (
        "a .parquet file cannot go to a terminal; name a file with --out" in capsys.readouterr().err
    )
    assert main(["predict", str(out), str(path), "--out", str(predicted)]) == 0
    written = pq.read_table(predicted)
    assert written.column_names == ["x", "c", "y", "prediction"]
    assert np.corrcoef(written["prediction"].to_numpy(), 2 * height)[0, 1] > 0.95


def test_columns_that_are_missing_are_named_together(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(table, out=out) == 0
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    capsys.readouterr()
    assert main(["predict", str(out), str(other), "--out", str(tmp_path / "p.csv")]) == 2
    assert capsys.readouterr().err == f"backlit: {other} lacks the columns 'height', 'colour'\n"
    assert not (tmp_path / "p.csv").exists()


def test_a_model_alone_predicts(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(table, out=out) == 0
    (out / "model.backlit").rename(tmp_path / "alone.backlit")
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "alone.backlit"), str(table)]) == 0


# ----- What is printed ---------------------------------------------------------------------------


def test_json_lines_are_for_programs(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(table, "--json", out=out) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["begun", *["epoch"] * 30, "ended"]
    assert lines[0]["rows"] == {"training": 127, "validation": 23}
    epochs = Run(out).epochs()
    for line, epoch in zip(lines[1:-1], epochs, strict=True):
        assert line["number"] == epoch.number
        assert line["train_loss"] == epoch.train_loss
        assert line["validation_loss"] == epoch.validation_loss
        assert line["validation_score"] == epoch.validation_score
        assert line["seconds"] > 0
    assert lines[-1]["status"] == "finished"
    assert lines[-1]["scores"] == Run(out).document()["outcome"]["scores"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--optimizer", "momentum", "--learning-rate", "0.05", "--schedule", "cosine"],
        ["--weight-decay", "0.1", "--l1", "1e-4", "--clip-norm", "1", "--dropout", "0.1"],
        ["--smoothing", "0.1", "--patience", "0", "--batch-size", "50", "--dtype", "float64"],
        ["--optimizer", "lbfgs", "--hidden", "none", "--ignore", "colour", "--validation", "0.3"],
        ["--initial", "0.3", "--activation", "tanh", "--seed", "5", "--monitor", "score"],
    ],
)
def test_the_python_that_is_printed_does_the_same(table, tmp_path, options, capsys):
    outs = [tmp_path / name for name in ("command", "python")]
    assert train(table, *options, out=outs[0]) == 0
    capsys.readouterr()
    assert train(table, *options, "--python", out=outs[1]) == 0
    assert not outs[1].exists()
    subprocess.run([sys.executable, "-c", capsys.readouterr().out], check=True)
    models = [(out / "model.backlit").read_bytes() for out in outs]
    assert models[0] == models[1]
    documents = [Run(out).document() for out in outs]
    assert documents[0]["settings"] == documents[1]["settings"]
    assert documents[0]["network"] == documents[1]["network"]


def test_resuming_is_printed_as_python_too(capsys):
    assert main(["train", "--resume", "some/run", "--epochs", "9", "--python"]) == 0
    printed = capsys.readouterr().out
    assert (
        printed
        == "import backlit\n\nrun = backlit.resume(\n    run='some/run',\n    epochs=9,\n)\n"
    )


def test_show_tells_what_a_run_did(table, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(table, out=out) == 0
    capsys.readouterr()
    assert main(["show", str(out)]) == 0
    printed = capsys.readouterr().out
    document = Run(out).document()
    assert f"Data: {table.resolve()}, target 'label'." in printed
    assert "Network 4-8-2 (relu), 58 parameters" in printed
    assert "loss: . train, o validation" in printed
    assert "30 epochs in " in printed
    assert "Finished all 30 epochs." in printed
    accuracy = document["outcome"]["scores"]["accuracy"]
    baseline = document["prepared"]["baseline"]["accuracy"]
    assert f"accuracy {accuracy:.4f} (a constant: {baseline:.4f})" in printed
    assert max(map(len, printed.splitlines())) < 200


def test_on_a_terminal_there_is_a_live_bar(table, tmp_path):
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "backlit", "train", table, "--target", "label", *SHORT,
         "--out", tmp_path / "run"],
        stdout=secondary, stderr=secondary, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(secondary)
    seen = b""
    while True:
        try:
            piece = os.read(primary, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.close(primary)
    assert process.wait() == 0
    text = seen.decode()
    assert "30/30" in text
    assert "━" in text
    assert "Finished all 30 epochs." in text


# ----- Stopping and going on ---------------------------------------------------------------------


def test_ctrl_c_keeps_the_best_and_resume_goes_on(table, tmp_path, capsys):
    out, whole = tmp_path / "run", tmp_path / "whole"
    options = ["--hidden", "8", "--batch-size", "1", "--patience", "0", "--epochs", "150"]
    process = subprocess.Popen(
        [sys.executable, "-m", "backlit", "train", table, "--target", "label", *options, "--json",
         "--out", out],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(3):  # begun, and two epochs
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert json.loads(printed.splitlines()[-1])["status"] == "interrupted"
    assert 2 <= len(Run(out).epochs()) < 150
    assert main(["train", "--resume", str(out)]) == 0
    assert main(["train", str(table), "--target", "label", *options, "--out", str(whole)]) == 0
    assert (out / "model.backlit").read_bytes() == (whole / "model.backlit").read_bytes()


def test_fine_tuning_from_a_run(table, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(table, out=first) == 0
    options = ["--target", "label", "--from", str(first), "--epochs", "3", "--out", str(second)]
    assert main(["train", str(table), *options]) == 0
    losses = [run.epochs()[0].train_loss for run in (Run(first), Run(second))]
    assert losses[1] < losses[0]


def test_diverging_exits_with_1_and_says_why(table, tmp_path, capsys):
    options = ["--optimizer", "gradient_descent", "--learning-rate", "1e30"]
    assert train(table, *options, out=tmp_path / "run") == 1
    assert "is too large; try" in capsys.readouterr().out
    assert Run(tmp_path / "run").document()["status"] == "diverged"


def test_a_pipe_that_closes_does_not_stop_training(table, tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "backlit", "train", table, "--target", "label", *SHORT,
         "--out", out],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        errors = process.stderr.read()
    assert (process.wait(), errors) == (0, b"")
    assert Run(out).document()["status"] == "finished"


def test_a_closed_output_or_a_narrow_alphabet_is_no_reason_to_fail(table, tmp_path):
    table.write_text(TEXT.replace("tall", "größer").replace("short", "小"), encoding="utf-8")
    options = f"{sys.executable} -m backlit train {table} --target label --hidden 4 --epochs 2"
    closed = subprocess.run(f"{options} --out {tmp_path}/a >&-", shell=True, capture_output=True)
    assert (closed.returncode, closed.stderr) == (0, b"")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    narrow = subprocess.run(f"{options} --out {tmp_path}/b", shell=True, capture_output=True,
                            env=environment)  # fmt: skip
    assert (narrow.returncode, narrow.stderr) == (0, b"")


def test_figures_that_are_not_finite_are_null_in_json(table, tmp_path, capsys):
    assert train(table, "--initial", "1e30", "--json", out=tmp_path / "run") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["status"] == "diverged"


# ----- What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "train needs FILE: backlit train FILE --target COLUMN"),
        (["{table}"], "train needs --target COLUMN: backlit train FILE --target COLUMN"),
        (["nowhere.csv", "--target", "y"], "there is no file nowhere.csv"),
        (["{table}", "--target", "labl"], "{table} has no column 'labl' for a target; did you mean "
         "'label'?"),
        (["{table}", "--target", "label", "--optimizer", "adm"], "optimizer must be one of "
         "gradient_descent, momentum, nesterov, rmsprop, adam, adamw, rprop, lbfgs, not 'adm'"),
        (["{table}", "--target", "label", "--schedule", "cos"], "schedule must be one of constant, "
         "step, cosine, one_cycle, inverse_scaling, plateau, not 'cos'"),
        (["{table}", "--target", "label", "--optimizer", "lbfgs", "--learning-rate", "1"],
         "lbfgs has no setting 'learning_rate', but memory, tolerance"),
        (["{table}", "--target", "label", "--learning-rate", "-1"],
         "learning_rate must be above 0, not -1.0"),
        (["{table}", "--target", "label", "--epochs", "0"],
         "epochs must be 1 or more and whole, not 0"),
        (["--resume", "{table}", "--hidden", "3"], "--hidden cannot be changed when a run is "
         "resumed; start another with --from"),
        (["--resume", "nowhere"], "there is no run in nowhere: it is not a folder"),
    ],
)  # fmt: skip
def test_one_sentence_on_stderr_exit_code_2_and_nothing_written(arguments, message, table, capsys):
    before = sorted(table.parent.iterdir())
    given = [argument.format(table=table) for argument in arguments]
    assert main(["train", *given]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"backlit: {message.format(table=table)}\n"
    assert sorted(table.parent.iterdir()) == before


def test_the_public_names_are_those_that_are_printed():
    for name in ("fit", "resume", "predict", "Run", "Table", "read_table"):
        assert name in backlit.__all__
        assert getattr(backlit, name).__name__ == name
