"""What the classifier and the regressor share: parameters, checks, and the course of a fit."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backlit.estimators import quasi_newton, saving
from backlit.estimators.compatible import Model, initial_theta
from backlit.estimators.descent import Epochs, batch_size_for
from backlit.estimators.engines import (
    Data,
    NativeSteps,
    ReferenceSteps,
    SparseSteps,
    Steps,
    choose_engine,
)
from backlit.estimators.optimizers import Adam, Momentum, Optimizer, Rule
from backlit.estimators.outputs import HIDDEN, Output
from backlit.estimators.prediction import activate
from backlit.estimators.settings import Settings, per_layer
from backlit.estimators.validation import Validation, given_or_held_out
from backlit.execution.blas import one_thread

STOCHASTIC = ("sgd", "adam")


class BaseMLP(Settings, ABC):
    """The part of `MLPClassifier` and `MLPRegressor` that is the same."""

    # ----- What differs --------------------------------------------------------------------------

    @abstractmethod
    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        """Return inputs and targets, checked."""

    @abstractmethod
    def _output(self) -> Output:
        """Return what the output layer is."""

    @abstractmethod
    def _plain_score(self, validation: Validation, p: NDArray[Any]) -> float:
        """Return the default score of the output layer's activations on validation data."""

    def _weighted(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        """Return the weight of each example, or None."""
        return sample_weight

    # ----- Fitting -------------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
    ) -> Any:
        hidden = self.hidden_layer_sizes
        hidden = list(hidden) if hasattr(hidden, "__iter__") else [hidden]
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        labels = y
        X, y = self._validate_input(X, y, incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._weighted(labels, sample_weight, incremental)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        if not first and y.shape[1] != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {y.shape[1]} outputs, and the network that was fitted before has "
                f"{self.coefs_[-1].shape[1]}; give as many, or fit anew with warm_start=False"
            )
        self.n_outputs_ = y.shape[1]
        random = check_random_state(self.random_state)
        if first:
            self._initialize([X.shape[1], *map(int, hidden), y.shape[1]], X.dtype, random)
        model = self._model([*(W.shape[0] for W in self.coefs_), self.coefs_[-1].shape[1]])
        with one_thread():
            if self.solver in STOCHASTIC:
                self._fit_stochastic(model, X, y, sample_weight, validation, random, incremental)
            else:
                self._fit_lbfgs(model, X, y, sample_weight, validation)
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _initialize(self, sizes: list[int], dtype: Any, random: np.random.RandomState) -> None:
        """Draw parameters, and begin the record of the fit."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._output().activation
        model = self._model(sizes)
        one = isinstance(self.activation, str)
        names = [self.activation] if one else [*model.activations] or ["identity"]
        before = (names + names[-1:] * len(sizes))[: len(sizes) - 1]
        theta = initial_theta(model, before, random).astype(dtype, copy=False)
        self._set_parameters(model, theta)
        if self.solver in STOCHASTIC:
            self._begin_record(theta)

    def _begin_record(self, theta: NDArray[Any]) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        self.best_loss_: float | None = np.inf
        self._best: NDArray[Any] | None = theta.copy() if self.early_stopping else None
        if self.early_stopping:
            self.validation_scores_ = []
            self.best_validation_score_ = -np.inf
            self.best_loss_ = None

    def _model(self, sizes: list[int]) -> Model:
        layers = len(sizes) - 2
        activation, dropout = self.activation, self.dropout
        activations = per_layer("activation", activation, layers, str)
        for name in activations:
            if name not in HIDDEN:
                raise ValueError(f"activation must have names of {', '.join(HIDDEN)}, got {name!r}")
        rates = tuple(float(rate) for rate in per_layer("dropout", dropout, layers, (Real,)))
        for rate in rates:
            if not 0 <= rate < 1:
                raise ValueError(f"dropout must be from 0 to below 1 in each layer, got {rate!r}")
        return Model(
            tuple(sizes), activations, self._output(), float(self.alpha),
            rates if any(rates) else (),
            None if self.clip_norm is None else float(self.clip_norm), float(self.weight_decay),
        )  # fmt: skip

    def _theta(self) -> NDArray[Any]:
        theta: NDArray[Any] = np.concatenate(
            [np.ravel(array) for array in (*self.coefs_, *self.intercepts_)]
        )
        return theta

    def _set_parameters(self, model: Model, theta: NDArray[Any]) -> None:
        views = model.layout.views(theta)
        layers = range(1, len(model.sizes))
        self.coefs_ = [views[f"W{layer}"] for layer in layers]
        self.intercepts_ = [views[f"b{layer}"] for layer in layers]

    def _data(self, X: Any, y: Any, sample_weight: Any, dtype: Any) -> Data:
        """Bring examples to the dtype of the parameters. Booleans stay booleans."""
        y = y if y.dtype == bool else np.ascontiguousarray(y, dtype)
        weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype)
        if isinstance(X, np.ndarray):
            return Data(np.ascontiguousarray(X, dtype), y, weights)
        return Data(X.astype(dtype, copy=False).tocsr(), y, weights)

    def _fit_lbfgs(self, model: Model, X: Any, y: Any, sample_weight: Any, validation: Any) -> None:
        from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
        from sklearn.utils.optimize import _check_optimize_result

        for name in ("dropout", "weight_decay", "clip_norm"):
            if getattr(model, name):
                raise ValueError(
                    f"{name} acts on single steps, and solver='lbfgs' minimises one function; "
                    "use solver='adam' or 'sgd'"
                )
        if validation[0] is not None:
            raise ValueError("X_val is used after each epoch, and solver='lbfgs' has no epochs")
        loud = self.verbose is True or self.verbose >= 1
        options = {
            "maxfun": self.max_fun,
            "maxiter": self.max_iter,
            "gtol": self.tol,
            **_get_additional_lbfgs_options_dict("iprint", 1 if loud else -1),
        }
        self.engine_ = "reference"
        data = self._data(X, y, sample_weight, np.float64)
        theta, result = quasi_newton.minimise(model, data, self._theta(), options)
        self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = result.fun
        self._set_parameters(model, theta)

    def _fit_stochastic(
        self, model: Model, X: Any, y: Any, sample_weight: Any, validation: Any,
        random: np.random.RandomState, incremental: bool,
    ) -> None:  # fmt: skip
        theta = self._theta()
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = self._make_optimizer()
        optimizer = self._optimizer
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if not hasattr(self, "loss_curve_") or (
            self.early_stopping and getattr(self, "validation_scores_", None) is None
        ):
            self._begin_record(theta)  # the fit before was another solver's, or without validation
        (X, y, sample_weight), watched = given_or_held_out(
            self, X, y, sample_weight, validation, random
        )
        data = self._data(X, y, sample_weight, theta.dtype)
        size = batch_size_for(self.batch_size, len(data))
        if optimizer.state is None:
            optimizer.state = optimizer.rule.initial_state(theta)
        epochs = 1 if incremental else self.max_iter
        steps = self._make_steps(model, optimizer.rule, data, size, epochs, theta, random)
        shuffle = random if self.shuffle else None
        run = Epochs(steps, optimizer, data, size, shuffle)
        try:
            self._run_epochs(model, run, watched, incremental)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=3)
        finally:
            self._set_parameters(model, steps.theta)
        if self.early_stopping and self._best is not None:
            self._set_parameters(model, self._best)
            # A warm start that finds nothing better ends, as in scikit-learn, with its last epoch.
            self._best = None

    def _make_steps(
        self, model: Model, rule: Rule, data: Data, size: int, epochs: int, theta: NDArray[Any],
        random: np.random.RandomState,
    ) -> Steps:  # fmt: skip
        self.engine_ = choose_engine(self.engine, model, rule, data, size, epochs, theta.dtype)
        seed = int(random.randint(2**31)) if model.dropout else 0
        kind: type[Steps] = NativeSteps
        if self.engine_ == "reference":
            kind = ReferenceSteps if isinstance(data.x, np.ndarray) else SparseSteps
        assert self._optimizer.state is not None
        return kind(model, rule, data, theta, self._optimizer.state, seed)

    def _make_optimizer(self) -> Optimizer:
        if self.solver == "adam":
            rule: Rule = Adam(self.beta_1, self.beta_2, self.epsilon)
            return Optimizer(rule, self.learning_rate_init)
        rule = Momentum(self.momentum, bool(self.nesterovs_momentum))
        return Optimizer(rule, self.learning_rate_init, self.learning_rate, self.power_t)

    def _run_epochs(
        self, model: Model, epochs: Epochs, watched: Validation | None, incremental: bool
    ) -> None:
        self.n_iter_ = 0
        count = len(epochs.data)
        for _ in range(self.max_iter):
            loss = epochs.run()
            if watched is not None:
                self._set_parameters(model, epochs.steps.theta)
            self.n_iter_ += 1
            self.loss_ = loss
            self.t_ += count
            self.loss_curve_.append(loss)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
            self._note_progress(epochs.steps.theta, watched)
            epochs.optimizer.epoch_ends(self.t_)
            if self._no_improvement_count > self.n_iter_no_change:
                what = "Validation score" if self.early_stopping else "Training loss"
                message = (
                    f"{what} did not improve more than tol={self.tol:f} for "
                    f"{self.n_iter_no_change:.0f} consecutive epochs."
                )
                if epochs.optimizer.stops(message, self.verbose):
                    break
                self._no_improvement_count = 0
            if incremental:
                break
            if self.n_iter_ == self.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                    "optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=4,
                )

    def _note_progress(self, theta: NDArray[Any], watched: Validation | None) -> None:
        """Count epochs without progress, of the validation score or of the loss."""
        if watched is not None:
            score = watched.score(self)
            if self.validation_scores_ is None:
                self.validation_scores_ = []
            self.validation_scores_.append(score)
            if self.verbose:
                print(f"Validation score: {score:f}")
        if self.early_stopping:
            best = self.best_validation_score_
            assert best is not None
            self._no_improvement_count = (
                self._no_improvement_count + 1 if score < best + self.tol else 0
            )
            if score > best:
                self.best_validation_score_ = score
                self._best = theta.copy()
            return
        loss, least = self.loss_curve_[-1], self.best_loss_
        assert least is not None
        self._no_improvement_count = (
            self._no_improvement_count + 1 if loss > least - self.tol else 0
        )
        self.best_loss_ = min(least, loss) if loss < least else least

    # ----- Predicting ----------------------------------------------------------------------------

    def _activations(self, X: Any, check_input: bool = True) -> NDArray[Any]:
        """Return the activations of the output layer."""
        if check_input and not getattr(self, "_scoring", False):
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        names = per_layer("activation", self.activation, len(self.coefs_) - 1, str)
        a = X
        for W, b, name in zip(
            self.coefs_, self.intercepts_, (*names, self.out_activation_), strict=True
        ):
            a = safe_sparse_dot(a, W)
            a += b
            a = activate(name, a)
        return a

    def save(self, path: Path | str) -> None:
        """Write the fitted estimator to a file that holds data only; `backlit.estimators.load`.

        Parameters
        ----------
        path : path
            Replaced, in one indivisible act, if there is such a file.

        Raises
        ------
        NotFittedError
            If there is nothing to save yet.
        ValueError
            If a parameter is an object that is no data: a RandomState, or a function as
            ``scoring``.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self)
        saving.save(self, path)

    def _has_epochs(self) -> bool:
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
