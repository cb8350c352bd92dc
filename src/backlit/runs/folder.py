"""One folder for each training.

    run.json         what was asked for, and what came out
    record.sqlite    the figures of every epoch (and record.sqlite-journal, empty between writes)
    model.backlit    the best network so far
    checkpoint       where training stands
    lock             held by the process that trains

It may be read, and copied, at any time: each file is replaced in one act.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from backlit.atomic import PREFIX, write_atomically
from backlit.runs import strict_json
from backlit.runs.checkpoint import read_checkpoint, write_checkpoint
from backlit.runs.epochs_file import EpochsFile
from backlit.runs.lock import LOCK, locked
from backlit.runs.model import Model
from backlit.runs.model_file import load_model, save_model
from backlit.runs.row import RowPredictor
from backlit.tables.table import Table
from backlit.training.loop import initial_state
from backlit.training.parameters import Layout
from backlit.training.settings import Settings
from backlit.training.state import Epoch, State

FORMAT = "backlit-run"
VERSION = 1
DOCUMENT, RECORD, MODEL, CHECKPOINT = "run.json", "record.sqlite", "model.backlit", "checkpoint"

# What a folder may hold and still count as empty: a run whose making was killed before its last
# file, `run.json`, came into place.
_UNFINISHED = (MODEL, RECORD, f"{RECORD}-journal", CHECKPOINT, LOCK)


class Run:
    """A run's folder.

    Parameters
    ----------
    folder : path

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit
    >>> from backlit.runs import Run
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0] * 10, "y": [3.0, 5.0, 7.0, 9.0] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = fit(table, "y", out=folder, kind="numbers", epochs=3, hidden=(4,))
    ...     run = Run(folder)
    ...     run.document()["status"], len(run.epochs()), run.model().task.target
    ('finished', 3, 'y')
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    # ----- Reading -------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Read ``run.json``: what was asked for, and what came out.

        Returns
        -------
        dict
            Among others ``status``, ``data``, ``network``, ``settings``, ``prepared`` and, once
            training has ended, ``outcome``.

        Raises
        ------
        ValueError
            If there is none, or it is damaged or of a newer version.
        """
        path = self.folder / DOCUMENT
        if not self.folder.is_dir():
            raise ValueError(f"there is no run in {self.folder}: it is not a folder")
        try:
            document = strict_json.loads(path.read_bytes())
            strict_json.check_format(document, FORMAT, VERSION, DOCUMENT)
            if document.pop("digest", None) != _digest(document):
                raise ValueError("it is not as it was written")
        except FileNotFoundError:
            raise ValueError(f"there is no run in {self.folder}: it has no {DOCUMENT}") from None
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        return {key: value for key, value in document.items() if key not in ("format", "version")}

    def epochs(self) -> list[Epoch]:
        """Read the figures of every epoch, also while training goes on.

        Raises
        ------
        ValueError
            If the file is missing, damaged or of a newer version.
        """
        return EpochsFile(self.folder / RECORD).read()

    def model(self) -> Model:
        """Read the best network so far.

        Raises
        ------
        ValueError
            If the file is missing, damaged or of a newer version.
        """
        path = self.folder / MODEL
        if not path.is_file():
            raise ValueError(f"there is no model in {self.folder}: it has no {MODEL}")
        return load_model(path)

    def predict(self, rows: Table | Mapping[str, Any]) -> NDArray[Any]:
        """Predict the class, or the number, of each row; see `Model.predict`."""
        return self.model().predict(rows)

    def predictor(self) -> RowPredictor:
        """Make the prediction of single rows ready; see `Model.predictor`."""
        return self.model().predictor()

    def state(self, settings: Settings) -> State:
        """Read where training stands.

        Parameters
        ----------
        settings : Settings
            Of the training.

        Raises
        ------
        ValueError
            If the file is missing, damaged, of a newer version, or does not fit.
        """
        path = self.folder / CHECKPOINT
        if not path.is_file():
            raise ValueError(f"{self.folder} has no {CHECKPOINT} to go on from")
        network = self.model().network
        blank = initial_state(network, settings)
        size, dtype = Layout(network.shapes).size, settings.dtype_meant()
        state = read_checkpoint(path, size, list(blank.optimizer), dtype)
        if state.schedule.keys() != blank.schedule.keys():
            raise ValueError(f"{path} is not of the schedule that {DOCUMENT} says")
        return state

    # ----- Writing -------------------------------------------------------------------------------

    def write_document(self, document: Mapping[str, Any]) -> None:
        """Write ``run.json``: JSON types; what is not finite becomes null."""
        # As it will be read: what is not finite is null.
        made = strict_json.loads(
            strict_json.dumps({"format": FORMAT, "version": VERSION, **document})
        )
        content = strict_json.dumps({**made, "digest": _digest(made)})
        write_atomically(self.folder / DOCUMENT, content)

    def write_model(self, model: Model) -> None:
        """Write ``model.backlit``."""
        save_model(model, self.folder / MODEL)

    def write_state(self, state: State, recorded: int) -> None:
        """Write ``record.sqlite``, then ``checkpoint``.

        In this order, so that the record never lacks an epoch that training goes on from.

        Parameters
        ----------
        state : State
        recorded : int
            How many of the state's epochs are in the record already; any beyond are replaced.
        """
        EpochsFile(self.folder / RECORD).write(state.epochs[recorded:], after=recorded)
        write_checkpoint(self.folder / CHECKPOINT, state)

    def rewrite_state(self, state: State) -> None:
        """Write a state over a record that is behind, ahead, or damaged.

        The checkpoint holds the figures of all epochs, and a copy of the folder that was made while
        the record was written may hold half of a transaction.
        """
        try:
            self.write_state(state, recorded=0)
            self.epochs()
        except ValueError:
            for name in (RECORD, f"{RECORD}-journal"):
                (self.folder / name).unlink(missing_ok=True)
            self.write_state(state, recorded=0)

    # ----- Making --------------------------------------------------------------------------------

    @staticmethod
    def check_free(folder: Path | str) -> None:
        """Refuse a folder that a new run cannot have.

        Parameters
        ----------
        folder : path

        Raises
        ------
        ValueError
            If it exists and is not an empty folder, or cannot be written.
        """
        folder = Path(folder)
        try:
            if folder.is_dir():
                if not all(map(_is_unfinished, folder.iterdir())):
                    raise ValueError(
                        f"{folder} is not empty, and a run never overwrites; name another folder"
                    )
            elif folder.exists() or folder.is_symlink():
                raise ValueError(f"{folder} is not a folder; name another")
            parent = next(parent for parent in folder.absolute().parents if parent.exists())
        except OSError as error:
            raise ValueError(
                f"{folder} cannot be written ({error.strerror}); name another folder"
            ) from None
        if not parent.is_dir():
            raise ValueError(
                f"{folder} cannot be made, since {parent} is not a folder; name another"
            )
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ValueError(f"{folder} cannot be written (no permission); name another folder")

    @classmethod
    def create(
        cls, folder: Path | str, document: Mapping[str, Any], model: Model, state: State
    ) -> Run:
        """Make a new run's folder with all of its files, in one act, or fill an empty one.

        Parameters
        ----------
        folder : path
            Must not exist, or be empty.
        document : dict
            The content of ``run.json``.
        model : Model
        state : State

        Returns
        -------
        Run

        Raises
        ------
        ValueError
            If the folder exists and is not empty, or cannot be written; nothing is left behind.
        """
        cls.check_free(folder)
        folder = Path(folder)
        place = folder.resolve() if folder.is_symlink() else folder.absolute()
        made = [parent for parent in place.parents if not parent.exists()]
        try:
            if place.is_dir():  # somebody may stand in it, or a disk begin there: it stays
                cls._fill(place, document, model, state)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=place.parent, prefix=PREFIX) as beside:
                    new = cls(Path(beside, "run"))
                    new._write(document, model, state)
                    os.replace(new.folder, place)  # no one ever sees half a run
        except BaseException as error:
            with suppress(OSError):
                for parent in made:
                    parent.rmdir()
            if not isinstance(error, OSError):
                raise
            cls.check_free(folder)  # somebody may have been faster
            raise ValueError(
                f"{folder} cannot be written ({error.strerror}); name another folder"
            ) from None
        return cls(folder)

    @classmethod
    def _fill(cls, place: Path, document: Mapping[str, Any], model: Model, state: State) -> None:
        """Put the files of a new run into an empty folder, ``run.json`` last."""
        with locked(place):
            try:
                cls.check_free(place)
                with tempfile.TemporaryDirectory(dir=place, prefix=PREFIX) as inside:
                    new = cls(Path(inside, "run"))
                    new._write(document, model, state)
                    for path in sorted(
                        new.folder.iterdir(), key=lambda file: file.name == DOCUMENT
                    ):
                        os.replace(path, place / path.name)
            except OSError:
                for name in _UNFINISHED:
                    (place / name).unlink(missing_ok=True)
                raise

    def _write(self, document: Mapping[str, Any], model: Model, state: State) -> None:
        self.folder.mkdir()
        self.write_model(model)
        self.write_state(state, recorded=0)
        self.write_document(document)


def _is_unfinished(path: Path) -> bool:
    return path.name in _UNFINISHED or path.name.startswith(PREFIX)


def _digest(document: Mapping[str, Any]) -> str:
    """Return a text that is the same only for the same document."""
    return "sha256:" + hashlib.sha256(strict_json.dumps(document)).hexdigest()


def numbered(parent: Path | str, name: str) -> Path:
    """Return ``<parent>/<name>-<number>`` with the first number that is free.

    Parameters
    ----------
    parent : path
    name : str

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If ``parent`` is not a folder.
    """
    if Path(parent).exists() and not Path(parent).is_dir():
        raise ValueError(f"{parent} is not a folder; name another with out")
    number = 1
    while Path(parent, f"{name}-{number}").exists():
        number += 1
    return Path(parent, f"{name}-{number}")
