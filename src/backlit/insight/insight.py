"""All that can be told of one training, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backlit.insight.recording import Recording

if TYPE_CHECKING:
    from backlit.insight.doctor.diagnosis import Diagnosis
    from backlit.insight.example import Example
    from backlit.insight.goals import Prediction
    from backlit.insight.inputs import IntegratedGradients, LinearMap
    from backlit.insight.ledger import Ledger
    from backlit.insight.pushes import Pushes
    from backlit.insight.removal import Removal
    from backlit.insight.suspects import Suspects
    from backlit.insight.units import Units


class Insight:
    """What backpropagation did in one training: each method answers one question.

    Every answer says itself in words when printed, and has ``columns()``, ``frame()`` and
    ``plot()``. Rows are named by their places in the data that were given.

    Parameters
    ----------
    recording : Recording
    told : str, default ""
        A sentence on where the recording comes from.

    Examples
    --------
    >>> from backlit.estimators import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((8,), learning_rate_init=0.05, random_state=0, record="light")
    >>> print(classifier.set_params(max_iter=500).fit(X, y).insight_)
    A network 4-8-3, trained on 150 rows for 241 epochs, one step each.
    """

    def __init__(self, recording: Recording, told: str = "") -> None:
        self.recording, self.told = recording, told

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.recording.subject.sizes))
        return f"<Insight into a network {sizes}, {self.recording.epochs} epochs>"

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return what was watched, in plain words."""
        recording = self.recording
        sizes = "-".join(map(str, recording.subject.sizes))
        if not recording.epochs:
            return f"{self.told} A network {sizes}, and {len(recording.training):,} rows."
        epochs, steps = recording.epochs, len(recording.epoch)
        each = round(steps / epochs)
        said = (
            f"A network {sizes}, trained on {len(recording.training):,} rows for {epochs} "
            f"epoch{'s' if epochs != 1 else ''}, {'one step' if each == 1 else f'{each:,} steps'} "
            "each."
        )
        return f"{self.told} {said}".strip()

    def diagnosis(self, **options: Any) -> Diagnosis:
        """Return what is wrong with the training, its network or its data; see `diagnose`."""
        from backlit.insight.doctor import diagnose

        self._need_steps("diagnosis")
        return diagnose(self.recording, **options)

    def example(self, row: int, step: int | None = None, epoch: int | None = None) -> Example:
        """Return one row of one step: every value, delta and gradient; see `example`."""
        from backlit.insight.example import example

        self._need_steps("example")
        return example(self.recording, row, step=step, epoch=epoch)

    def linear_map(self, row: Any, **options: Any) -> LinearMap:
        """Return the linear map that a network of rectifiers is near a row; see `linear_map`."""
        from backlit.insight.inputs import linear_map

        return linear_map(self.recording, row, **options)

    def integrated_gradients(self, row: Any, **options: Any) -> IntegratedGradients:
        """Return what each input adds to a prediction; see `integrated_gradients`."""
        from backlit.insight.inputs import integrated_gradients

        return integrated_gradients(self.recording, row, **options)

    def pushes(self, of: str | int | Prediction = "validation loss") -> Pushes:
        """Return how much each training row pushed a prediction or the loss; see `pushes`."""
        from backlit.insight.pushes import pushes

        self._need_steps("pushes")
        return pushes(self.recording, of)

    def removal(self, rows: Any, of: str | int | Prediction = "validation loss") -> Removal:
        """Make the training again without some rows, and return what changed; see `removal`."""
        from backlit.insight.removal import removal

        self._need_steps("removal")
        return removal(self.recording, rows, of)

    def ledger(self, by: Any = "class", **options: Any) -> Ledger:
        """Return who made weights what they are; see `ledger`."""
        from backlit.insight.ledger import ledger

        self._need_steps("ledger")
        return ledger(self.recording, by, **options)

    def units(self, **options: Any) -> Units:
        """Return what each hidden unit responds to; see `units`."""
        from backlit.insight.units import units

        return units(self.recording, **options)

    def suspects(self, **options: Any) -> Suspects:
        """Return the rows that are probably wrong, or else worth a look; see `suspects`."""
        from backlit.insight.suspects import suspects

        self._need_steps("suspects")
        return suspects(self.recording, **options)

    def _need_steps(self, question: str) -> None:
        if not self.recording.epochs:
            raise ValueError(
                f"{question} needs the steps of the training, and here are only the weights: fit "
                "with an integer random_state, with solver='adam' or 'sgd' and in one call"
            )
