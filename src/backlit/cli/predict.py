"""``backlit predict``: the rows of a table, with what a network makes of them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from backlit.cli.summary import number
from backlit.fitting import predict as predict_file
from backlit.tables.formats import format_of
from backlit.tables.wording import counted


def predict(run: str, file: str, out: str | None) -> None:
    """Predict, write, and say the scores if the table holds the target.

    Parameters
    ----------
    run, file : str
    out : str or None
        None for the terminal.

    Raises
    ------
    ValueError
        As `backlit.fitting.predict`; and if the format is not one for a terminal.
    """
    if out is not None:
        columns, scores = predict_file(run, file, out)
    else:
        form = format_of(Path(file))
        if not form.is_text:
            raise ValueError(f"a .{form.name} file cannot go to a terminal; name a file with --out")
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, f"predictions.{form.name}")
            columns, scores = predict_file(run, file, written)
            with written.open("rb") as rows:
                try:
                    shutil.copyfileobj(rows, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
                except BrokenPipeError:
                    raise
                except OSError as error:
                    raise OSError(f"the output cannot be written ({error.strerror})") from None
    # Beside the rows, which may go into a pipe.
    rows_count = f"{counted(len(columns['prediction']), 'row')} predicted"
    measured = ", ".join(f"{name} {number(value)}" for name, value in scores.items())
    print(f"{rows_count}{'; ' if measured else ''}{measured}.", file=sys.stderr)
