"""One folder for each training: ``run.json``, what was done, and ``model.backlit``, the result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from backlit.networks.model import Model
from backlit.runs import strict_json
from backlit.runs.atomic import write_atomically
from backlit.runs.model_file import load_model, save_model

FORMAT = "backlit-run"
VERSION = 1
RECORD, MODEL = "run.json", "model.backlit"


class Run:
    """A run's folder.

    Parameters
    ----------
    folder : path

    Examples
    --------
    >>> import tempfile
    >>> from backlit.runs import Run
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     run = Run.create(f"{parent}/first")
    ...     run.write_record({"status": "training"})
    ...     run.read_record()["status"]
    'training'
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @classmethod
    def create(cls, folder: Path | str) -> Run:
        """Make a folder for a new run.

        Parameters
        ----------
        folder : path
            Must not exist, or be empty.

        Raises
        ------
        ValueError
            If it exists and is not an empty folder, or cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ValueError(f"{folder} is not empty, and a run never overwrites; name another")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise ValueError(f"{folder} cannot be written; name another folder")
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"{folder} is not a folder; name another") from None
        except OSError as error:
            raise ValueError(f"{folder} cannot be written ({error.strerror})") from None
        return cls(folder)

    @classmethod
    def create_numbered(cls, parent: Path | str, name: str) -> Run:
        """Make the folder ``<parent>/<name>-<number>`` with the first number that is free.

        Raises
        ------
        ValueError
            If it cannot be written.
        """
        number = 1
        while True:
            folder = Path(parent, f"{name}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:  # taken, perhaps by another process just now
                if not Path(parent).is_dir():
                    raise ValueError(f"{parent} is not a folder; name another") from None
                number += 1
            except OSError as error:
                raise ValueError(f"{folder} cannot be written ({error.strerror})") from None
            else:
                return cls(folder)

    def write_record(self, record: dict[str, Any]) -> None:
        """Write ``run.json``: JSON types; what is not finite becomes null."""
        document = {"format": FORMAT, "version": VERSION, **record}
        write_atomically(self.folder / RECORD, strict_json.dumps(document))

    def write_model(self, model: Model) -> None:
        """Write ``model.backlit``."""
        save_model(model, self.folder / MODEL)

    def read_record(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises
        ------
        ValueError
            If it is damaged or of a newer version.
        OSError
            If it cannot be read.
        """
        path = self.folder / RECORD
        try:
            record = strict_json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError(f'{path} cannot be read: it does not say "format": "{FORMAT}"')
        version = record.get("version")
        if type(version) is not int or not 1 <= version <= VERSION:
            raise ValueError(
                f"{path} cannot be read: it is of version {version!r}, and this Backlit reads "
                f"up to version {VERSION}"
            )
        return record

    def read_model(self) -> Model:
        """Read ``model.backlit``; see `load_model` for errors."""
        return load_model(self.folder / MODEL)
