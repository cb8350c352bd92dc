"""The command's arguments, exit codes and errors, and that help costs nothing."""

import subprocess
import sys

import pytest

import backlit
from backlit.cli.main import main

HEAVY = ("numpy", "scipy", "sklearn", "rich", "safetensors")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from backlit.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('imported:', [name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "demo" in result.stdout
    assert result.stdout.strip().endswith("imported: []")


def test_the_package_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "backlit", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == f"backlit {backlit.__version__}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: VERB"),
        (["demo", "mnist"], "invalid choice: 'mnist'"),
        (["demo", "--epochs", "ten"], "'ten' is not a whole number"),
        (["train", "x.csv", "--target", "y", "--learning-rate", "high"], "'high' is not a number"),
        (["train", "x.csv", "--target", "y", "--hidden", "8,x"], "'x' is not a whole number"),
        (["predict", "run"], "required: FILE"),
        (["show"], "required: RUN"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_why(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "epochs must be 1 or more and whole, not 0"),
        (["--seed", "-1"], "seed must be an integer from 0 to 2**32 - 1, not -1"),
    ],
)
def test_numbers_out_of_range_exit_with_2_and_say_why(arguments, message, tmp_path, capsys):
    assert main(["demo", "iris", "--out", str(tmp_path / "run"), *arguments]) == 2
    assert capsys.readouterr().err == f"backlit: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("problem", ["not empty", "not a folder"])
def test_a_folder_that_cannot_be_used_exits_with_2_and_one_sentence(problem, tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    out = tmp_path if problem == "not empty" else tmp_path / "file"
    assert main(["demo", "iris", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"backlit: {out} is {problem}")
    assert captured.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"
