"""The course of a fit by batches: its epochs, when it ends, and which parameters are kept."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from backlit.estimators.advice import cause_of_divergence, missing_epochs
from backlit.estimators.compatible import Model
from backlit.estimators.descent import Epochs
from backlit.estimators.reports import Report
from backlit.estimators.tasks import Tasks
from backlit.estimators.validation import Validation

INTERRUPTED = "Training interrupted by user."

Note: TypeAlias = tuple[str, type[Warning]]  # what the user is to be warned of, and how


class Course:
    """Runs the epochs of a fit, and writes what they come to into the estimator.

    Parameters
    ----------
    estimator : BaseMLP
        Its record (``loss_curve_`` and what goes with it) and its ``n_iter_`` go on.
    model : Model
    epochs : Epochs
    watched : Validation or None
    tasks : Tasks
    report : Report

    Attributes
    ----------
    notes : list of (str, type of Warning)
        What the user is to be warned of, when the fit is complete.
    """

    def __init__(
        self, estimator: Any, model: Model, epochs: Epochs, watched: Validation | None,
        tasks: Tasks, report: Report,
    ) -> None:  # fmt: skip
        self.estimator, self.model, self.epochs = estimator, model, epochs
        self.watched, self.tasks, self.report = watched, tasks, report
        self.ctrl_c = epochs.ctrl_c
        self.notes: list[Note] = []
        # The best of the epochs of this fit: by the validation score, or by less training loss.
        self.best: NDArray[Any] | None = None
        self.best_value = -np.inf
        self.best_epoch = 0
        self.diverged = False
        epochs.number = len(estimator.loss_curve_)

    def run(self, most: int, incremental: bool) -> None:
        """Run epochs until one of them is the last.

        Parameters
        ----------
        most : int
            Of epochs, with those that were run before an interruption.
        incremental : bool
            Whether this is a partial fit: one epoch, without a word on convergence.
        """
        estimator = self.estimator
        while estimator.n_iter_ < most:
            if self._epoch():
                return
        if not incremental:
            self.notes.append((self._too_few(), ConvergenceWarning))

    def _epoch(self) -> bool:
        """Run an epoch, and say whether it is the last."""
        self.ctrl_c.let_through()
        if self.tasks.anyone:
            with self.ctrl_c.open():
                self.tasks.begin()
        loss = self.epochs.run()
        if loss is None:
            self.tasks.end(None)
            return True
        theta = self.epochs.steps.theta
        finite = bool(np.isfinite(loss) and np.isfinite(theta).all())
        score, validation_loss = self._validate(theta)
        self.epochs.hand_over()
        last = self._note(loss, score, validation_loss, finite) or self.epochs.stopped
        if self.tasks.anyone:
            with self.ctrl_c.open():
                last |= self.tasks.end(self._fitted if finite else None)
        return last

    def _validate(self, theta: NDArray[Any]) -> tuple[float | None, float | None]:
        if self.watched is None:
            return None, None
        self.estimator._set_parameters(self.model, theta)
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with self.ctrl_c.open(), quiet:
            return self.watched.score(self.estimator)

    def _note(
        self, loss: float, score: float | None, validation_loss: float | None, finite: bool
    ) -> bool:
        """Write down an epoch, and say whether it is the last."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.loss_ = loss
        estimator.t_ += len(self.epochs.data)
        estimator.loss_curve_.append(loss)
        if score is not None:
            estimator.validation_loss_curve_.append(validation_loss)
            if estimator.validation_scores_ is None:
                estimator.validation_scores_ = []
            estimator.validation_scores_.append(score)
        self.report.epoch(estimator.n_iter_, loss, score)
        if not finite:
            self.diverged = True
            return True
        self._keep_the_best(loss, score)
        self._count_progress(loss, score)
        noted = loss if validation_loss is None else validation_loss
        self.epochs.optimizer.epoch_ends(estimator.t_, noted)
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return False
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change:.0f} consecutive epochs."
        )
        if self.epochs.optimizer.stops(message, self.report.prints_lines):
            return True
        estimator._no_improvement_count = 0
        return False

    def _keep_the_best(self, loss: float, score: float | None) -> None:
        estimator, value = self.estimator, -loss if score is None else score
        if value > self.best_value:
            self.best_value, self.best_epoch = value, estimator.n_iter_
            self.best = self.epochs.steps.theta.copy()
        if estimator.early_stopping and score > estimator.best_validation_score_:
            estimator._best = self.best  # better than all others, and so than those of this fit

    def _count_progress(self, loss: float, score: float | None) -> None:
        """Count epochs without progress, of the validation score or of the loss."""
        estimator, count = self.estimator, self.estimator._no_improvement_count
        if estimator.early_stopping:
            best = estimator.best_validation_score_
            estimator._no_improvement_count = count + 1 if score < best + estimator.tol else 0
            if score > best:
                estimator.best_validation_score_ = score
            return
        least = estimator.best_loss_
        estimator._no_improvement_count = count + 1 if loss > least - estimator.tol else 0
        if loss < least:
            estimator.best_loss_ = loss

    # ----- What is kept --------------------------------------------------------------------------

    def result(self) -> tuple[NDArray[Any], int]:
        """Return the parameters that the fit ends with, as it stands, and their epoch.

        Returns
        -------
        theta : array, shape (parameters,)
        epoch : int
            Counted from 1 in this fit.
        """
        estimator = self.estimator
        best = estimator._best if estimator.early_stopping else None
        if estimator.restore_best or self.diverged:
            best = self.best
        # A warm start that finds nothing better ends, as in scikit-learn, with its last epoch.
        if best is None:
            return self.epochs.steps.theta, estimator.n_iter_
        return best, self.best_epoch

    def kept(self) -> dict[str, Any]:
        """Return what a fit that goes on after an interruption needs of this one."""
        names = ("best", "best_value", "best_epoch")
        return {"_best": self.estimator._best, **{name: getattr(self, name) for name in names}}

    def go_on_from(self, kept: dict[str, Any]) -> None:
        """Stand where another fit was interrupted.

        Parameters
        ----------
        kept : dict
            Of `kept`.
        """
        for name, value in kept.items():
            setattr(self.estimator if name == "_best" else self, name, value)

    def _fitted(self) -> dict[str, Any]:
        theta, _ = self.result()
        return self.model.parts(theta.copy())

    # ----- What the user is told -----------------------------------------------------------------

    def _too_few(self) -> str:
        estimator = self.estimator
        said = (
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet."
        )
        count = estimator.n_iter_
        scores = None if self.watched is None else estimator.validation_scores_[-count:]
        advice = missing_epochs(
            estimator.loss_curve_[-count:], scores, estimator.tol, estimator.n_iter_no_change,
            estimator.early_stopping,
        )  # fmt: skip
        return f"{said} {advice}"

    def explain_divergence(self, before: bool) -> None:
        """Note that the last epoch left the finite numbers, why, and what is kept.

        Parameters
        ----------
        before : bool
            Whether the parameters from before this fit are kept.
        """
        estimator, data = self.estimator, self.epochs.data
        kept = (
            "the parameters from before this fit" if before else f"those of epoch {self.best_epoch}"
        )
        self.notes.append((
            f"Training diverged: in epoch {estimator.n_iter_} the loss or a weight is no longer "
            f"finite. {cause_of_divergence(data.x, data.y, estimator)} The parameters that are "
            f"kept are {kept}.",
            ConvergenceWarning,
        ))  # fmt: skip
