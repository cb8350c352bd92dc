"""What the classifier and the regressor share: parameters, checks, and predictions."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backlit.estimators import quasi_newton
from backlit.estimators.compatible import Model, initial_theta
from backlit.estimators.course import Note
from backlit.estimators.interruption import Interrupted
from backlit.estimators.optimizers import Adam, Counted, Momentum, Optimizer, Rule
from backlit.estimators.outputs import HIDDEN, Output
from backlit.estimators.own_loss import OwnLoss, check_own_loss
from backlit.estimators.prediction import Layer, is_plain, outputs
from backlit.estimators.predictor import Predictor
from backlit.estimators.schedules import schedule_for
from backlit.estimators.seeds import fit_seeds
from backlit.estimators.settings import Settings, per_layer
from backlit.estimators.stochastic import examples_for, fit_by_batches, flat, random_for
from backlit.estimators.tasks import Tasks
from backlit.estimators.validation import Validation
from backlit.estimators.weights import begin
from backlit.execution.blas import one_thread
from backlit.training.optimizers import AdamW, RMSProp, Rprop

STOCHASTIC = ("sgd", "adam", "adamw", "rmsprop", "rprop")
TRIED = 200  # how many examples a user's own loss is tried on before a fit
SEEDS = (  # what a fit of several seeds leaves
    "seeds_", "seed_scores_", "seed_score_mean_", "seed_score_interval_", "seed_coefs_",
    "seed_intercepts_",
)  # fmt: skip


class BaseMLP(CallbackSupportMixin, Settings, ABC):
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

    @abstractmethod
    def _responses(self) -> dict[str, Callable[[NDArray[Any]], Any]]:
        """Return what each method makes of the output layer's activations."""

    def _weighted(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        """Return the weight of each example, or None."""
        return sample_weight

    # ----- Fitting -------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def resume(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Go on with a fit that Ctrl-C has interrupted, to the bits that it would have come to.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, sample_weight_val
            What the fit was given.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Itself. `max_iter` may be another one than before; it counts all epochs.

        Raises
        ------
        ValueError
            If no fit was interrupted, or the data are others.
        """
        interrupted = getattr(self, "_interrupted", None)
        if interrupted is None:
            raise ValueError("there is no interrupted fit to resume; call fit")
        validation = (X_val, y_val, sample_weight_val)
        self._fit(X, y, sample_weight, validation=validation, interrupted=interrupted)
        return self

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
        interrupted: Interrupted | None = None,
    ) -> None:
        if self.n_seeds > 1 and incremental:
            raise ValueError("partial_fit goes on with one network; set n_seeds=1")
        for name in SEEDS:
            self.__dict__.pop(name, None)
        if self.n_seeds == 1 or interrupted is not None:
            notes = self._fit_one(X, y, sample_weight, incremental, validation, interrupted)
        else:
            self.__dict__.pop("_interrupted", None)
            notes = fit_seeds(self, X, y, sample_weight, validation)
        for text, category in notes:
            warnings.warn(text, category, stacklevel=4)

    def _fit_one(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
        interrupted: Interrupted | None = None,
    ) -> list[Note]:
        hidden = self.hidden_layer_sizes
        hidden = list(hidden) if hasattr(hidden, "__iter__") else [hidden]
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        if interrupted is None:
            self.__dict__.pop("_interrupted", None)
        going_on = incremental or interrupted is not None
        first = not hasattr(self, "coefs_") or not (self.warm_start or going_on)
        given = (X, y, sample_weight)
        X, y = self._validate_input(X, y, going_on, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._weighted(given[1], sample_weight, incremental)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        if not first and y.shape[1] != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {y.shape[1]} outputs, and the network that was fitted before has "
                f"{self.coefs_[-1].shape[1]}; give as many, or fit anew with warm_start=False"
            )
        self.n_outputs_ = y.shape[1]
        random = random_for(self, first, going_on=interrupted is not None)
        if first:
            self._initialize([X.shape[1], *map(int, hidden), y.shape[1]], X.dtype, random)
        model = self._model([*(W.shape[0] for W in self.coefs_), self.coefs_[-1].shape[1]])
        stochastic = self.solver in STOCHASTIC
        tasks = Tasks(
            self, *given, "epoch" if stochastic else "iteration",
            1 if incremental else self.max_iter + (not stochastic),
        )  # fmt: skip
        with one_thread():
            if isinstance(model.output.loss, OwnLoss):
                self._check_own_loss(model.output, X[:TRIED], y[:TRIED])
            if stochastic:
                if self.early_stopping and incremental:
                    raise ValueError("partial_fit does not support early_stopping=True")
                self._continue_record()
                notes = fit_by_batches(
                    self, model, (X, y, sample_weight), validation, random, tasks,
                    incremental=incremental, fresh=first, interrupted=interrupted,
                )  # fmt: skip
            else:
                notes = self._fit_lbfgs(model, X, y, sample_weight, validation, tasks)
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        tasks.end_fit()
        return notes

    def _check_own_loss(self, output: Output, X: Any, y: NDArray[Any]) -> None:
        dtype = self.coefs_[-1].dtype
        *hidden, (W, b, _) = self._networks()[0]
        z = outputs(X, [*hidden, (W, b, "identity")]).astype(dtype, copy=False)
        check_own_loss(output, z, y if y.dtype == bool else y.astype(dtype))

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
        theta = initial_theta(model, before, random)
        self.__dict__.pop("output_is_new_", None)
        if self.start is not None:
            theta, self.output_is_new_ = begin(model, theta, self.start)
        theta = theta.astype(dtype, copy=False)
        self._set_parameters(model, theta)
        if self.solver in STOCHASTIC:
            self._begin_record()

    def _continue_record(self) -> None:
        """Begin a record if the fit before had none: another solver's, or without validation."""
        self._best: NDArray[Any] | None
        if not hasattr(self, "loss_curve_") or (
            self.early_stopping and getattr(self, "validation_scores_", None) is None
        ):
            self._begin_record()

    def _begin_record(self) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        self.best_loss_: float | None = np.inf
        self._best = None  # of early stopping, while a fit goes on
        self.__dict__.pop("validation_loss_curve_", None)
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
            None if self.clip_norm is None else float(self.clip_norm), self._decay(),
        )  # fmt: skip

    def _decay(self) -> float:
        if self.weight_decay is None:
            return AdamW().weight_decay if self.solver == "adamw" else 0.0
        return float(self.weight_decay)

    def _set_parameters(self, model: Model, theta: NDArray[Any]) -> None:
        for name, arrays in model.parts(theta).items():
            setattr(self, name, arrays)

    def _fit_lbfgs(
        self, model: Model, X: Any, y: Any, sample_weight: Any, validation: Any, tasks: Tasks
    ) -> list[Note]:
        from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
        from sklearn.utils.optimize import _check_optimize_result

        for name in ("dropout", "weight_decay", "clip_norm"):
            if getattr(model, name):
                raise ValueError(
                    f"{name} acts on single steps, and solver='lbfgs' minimises one function; "
                    "use solver='adam' or 'sgd'"
                )
        for name, given in (("X_val", validation[0]), ("callbacks", self.callbacks)):
            if given is not None:
                raise ValueError(
                    f"{name} is used after epochs and steps, and solver='lbfgs' has neither; use "
                    "solver='adam' or 'sgd'"
                )
        if self.record != "off":
            raise ValueError(
                "record watches steps of single batches, and solver='lbfgs' makes none; use "
                "solver='adam' or 'sgd', or set record='off'"
            )
        options = {
            "maxfun": self.max_fun,
            "maxiter": self.max_iter,
            "gtol": self.tol,
            **_get_additional_lbfgs_options_dict("iprint", 1 if self.verbose else -1),
        }
        self.engine_ = "reference"
        data = examples_for(X, y, sample_weight, np.float64)
        stopped = False

        def after_iteration(theta: NDArray[Any]) -> None:
            nonlocal stopped
            stopped = tasks.end(lambda: model.parts(theta.copy()))
            if stopped:
                raise StopIteration
            tasks.begin()

        tasks.begin()
        theta, result = quasi_newton.minimise(
            model, data, flat(self), options, after_iteration if tasks.anyone else None
        )
        tasks.end(None)  # the task that was begun after the last iteration
        if stopped:
            self.n_iter_ = int(result.nit)
        else:
            self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = result.fun
        self._set_parameters(model, theta)
        return []

    def _make_optimizer(self) -> Optimizer:
        rate = float(self.learning_rate_init)
        rule: Rule
        if self.solver == "sgd":
            rule = Momentum(self.momentum, bool(self.nesterovs_momentum))
        elif self.solver == "adam":
            rule = Adam(self.beta_1, self.beta_2, self.epsilon)
        elif self.solver == "adamw":
            rule = Counted(AdamW(rate, self.beta_1, self.beta_2, self.epsilon))
        elif self.solver == "rmsprop":
            rule = Counted(RMSProp(rate, epsilon=self.epsilon))
        else:
            rule = Counted(Rprop(rate))
        schedule = self.learning_rate
        if self.solver == "adam" and schedule_for(schedule) is None:
            schedule = "constant"  # scikit-learn's ways are for 'sgd' there
        return Optimizer(rule, self.learning_rate_init, schedule, self.power_t, self.max_iter)

    # ----- Predicting ----------------------------------------------------------------------------

    def _activations(self, X: Any, check_input: bool = True) -> NDArray[Any]:
        """Return the activations of the output layer."""
        if check_input and not getattr(self, "_scoring", False):
            named = hasattr(self, "feature_names_in_")
            if named or not is_plain(X, self.n_features_in_):
                X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        each = [self._completed(outputs(X, layers)) for layers in self._networks()]
        if len(each) == 1:
            return each[0]
        mean: NDArray[Any] = np.mean(each, axis=0)
        return mean

    def _networks(self) -> list[list[Layer]]:
        """Return the layers of the network; of several, where predictions are their means."""
        networks = [(self.coefs_, self.intercepts_)]
        if hasattr(self, "seed_coefs_"):
            networks = list(zip(self.seed_coefs_, self.seed_intercepts_, strict=True))
        names = per_layer("activation", self.activation, len(self.coefs_) - 1, str)
        names = (*names, self._last_activation())
        return [list(zip(*network, names, strict=True)) for network in networks]

    def _last_activation(self) -> str:
        """Return the activation of the last layer, as far as it goes by unit or by row."""
        return self.out_activation_

    def _completed(self, p: NDArray[Any]) -> NDArray[Any]:
        """Return the activations of the output layer from what a network comes to."""
        return p

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "coefs_"):  # scikit-learn's own check takes as long as a prediction
            check_is_fitted(self)

    def predictor(self, response_method: str = "predict", rows: int | None = None) -> Predictor:
        """Make prediction ready for inputs of one shape, to be called many times.

        A call takes a small part of the time that `predict` takes for a single row: kernels are
        chosen, and memory is laid out, once.

        Parameters
        ----------
        response_method : {"predict", "predict_proba"}, default "predict"
            What to return.
        rows : int or None, default None
            How many rows an input has; None for a single row without an axis of its own.

        Returns
        -------
        Predictor
            A function of an array of shape (n_features,), or (rows, n_features). It has the weights
            of now.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        ValueError
            If there is no such method, or ``rows`` is not valid.
        """
        check_is_fitted(self)
        return Predictor(self, response_method, rows)

    def save(self, path: Path | str) -> None:
        """Write the fitted estimator to a file that holds data only, for `backlit.load`.

        Weights, parameters and what the fit noted are in it; the optimizer's state and the weights
        that ``start`` holds are not.

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
        from backlit.estimators import saving  # what it needs takes time to import

        check_is_fitted(self)
        saving.save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: neither insight nor the optimizer's state, which are large.

        That state is there with ``keep_optimizer=True``, and where an interrupted fit needs it.
        """
        state: dict[str, Any] = super().__getstate__()
        if not self.keep_optimizer and "_interrupted" not in state:
            state.pop("_optimizer", None)
        state.pop("insight_", None)  # which holds the data
        return state

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
