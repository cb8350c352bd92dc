"""Train a run once more, watched, to the same bits: what its steps did can then be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backlit.fitting.again import plan_of, prepare_again
from backlit.fitting.data import Data, is_known
from backlit.fitting.fit import start_weights
from backlit.fitting.sources import Source, as_run
from backlit.insight.doctor.trial import Plan as DoctorPlan
from backlit.insight.recording import Names, Recording
from backlit.insight.trained import watch
from backlit.networks.network import Parameters
from backlit.runs.folder import Run
from backlit.training.loop import Callback
from backlit.training.settings import Settings
from backlit.training.state import Epoch, State


def replay(
    run: Run | Path | str,
    data: Source | None = None,
    *,
    validation: Source | None = None,
    callbacks: Sequence[Callback] = (),
) -> Recording:
    """Make the steps of a run again, watched.

    The plan, the seed and the engine are in the run, so that the same bits come out; that they do
    is checked. Nothing is written.

    Parameters
    ----------
    run : Run or path
    data : as for `backlit.fit`, optional
        By default the file that the run was begun with.
    validation : as for ``data``, optional
        Only where the run was begun with a validation table.
    callbacks : sequence of callable
        ``callback(epoch, state)``, called after each epoch.

    Returns
    -------
    Recording
        Its rows are counted as in `Table`: the first below the header is row 1.

    Raises
    ------
    ValueError
        If the run is damaged, has no epoch, or was trained by L-BFGS; if the data are others; or if
        other parameters come out.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.fitting import fit
    >>> from backlit.fitting.replaying import replay
    >>> table = {"x": [1, 2, 3, 11, 12, 13] * 10, "size": [*["small"] * 3, *["large"] * 3] * 10}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recording = replay(fit(table, "size", out=folder, epochs=3), table)
    >>> recording.epochs, recording.output_names
    (3, ('large', 'small'))
    """
    return Again.of(run, data, validation).recording(callbacks)


@dataclass(frozen=True, eq=False)
class Again:
    """All that a run was made of, read again.

    Attributes
    ----------
    run : Run
    data : Data
    settings : Settings
    start : dict of str to array
        The weights that it began with.
    state : State
        Where it came to.
    """

    run: Run
    data: Data
    settings: Settings
    start: Parameters
    state: State

    @classmethod
    def of(
        cls, run: Run | Path | str, data: Source | None = None, validation: Source | None = None
    ) -> Again:
        """Read a run and its data.

        Parameters
        ----------
        run, data, validation
            As for `replay`.

        Raises
        ------
        ValueError
            If the run is damaged or has no epoch, or the data are others.
        """
        run = as_run(run)
        document = run.document()
        plan = plan_of(run, document)
        settings = plan.settings
        state = run.state(settings)
        if not state.epoch:
            raise ValueError(f"no epoch of {run.folder} is done yet, so there is nothing to replay")
        prepared = prepare_again(run, document, plan, run.model(), data, validation)
        start = _start(document.get("start"), prepared, settings)
        return cls(run, prepared, settings, start, state)

    def recording(self, callbacks: Sequence[Callback] = ()) -> Recording:
        """Make the steps again; see `replay`."""
        data = self.data
        trained, recording = watch(
            data.network,
            data.training,
            data.validation,
            self.settings,
            start=self.start,
            rows=(data.training_rows, data.validation_table.row_numbers),
            names=_names(data),
            callbacks=[*callbacks, _Until(self.state.epoch)],
        )
        if trained.state.theta.tobytes() != self.state.theta.tobytes():
            raise ValueError(
                f"{self.run.folder} was made again, and other parameters came out: it was gone on "
                "with other settings, or made by other versions or on another kind of machine; "
                "train it anew to look at its steps"
            )
        return recording

    def plan(self) -> DoctorPlan:
        """Return the training as a plan that the doctor can change."""
        data = self.data
        return DoctorPlan(data.network, data.training, data.validation, self.settings, self.start)


class _Until:
    """Ends a training where the one before it ended."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __call__(self, epoch: Epoch, state: State) -> bool:
        return epoch.number >= self.epoch


def _start(folder: Any, data: Data, settings: Settings) -> Parameters:
    """Return the weights that a run began with."""
    if folder is None:
        return start_weights(None, data, settings)
    try:
        base = Run(folder).model()
    except ValueError as error:
        raise ValueError(f"the run that this one started from cannot be read: {error}") from None
    same = is_known(base.task, data.task)
    return start_weights(base, replace(data, same_outputs=same), settings)


def _names(data: Data) -> Names:
    outputs = data.task.classes if data.task.kind == "classes" else (data.task.target,)
    return tuple(data.preparation.inputs), tuple(map(str, outputs))
