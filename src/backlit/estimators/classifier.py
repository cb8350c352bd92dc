"""The classifier."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

from backlit.estimators.base import BaseMLP
from backlit.estimators.outputs import Output, slices
from backlit.estimators.own_loss import OwnLoss
from backlit.estimators.prediction import activate
from backlit.estimators.targets import (
    SeveralTargets,
    are_several,
    check_classes,
    classes_at_partial_fit,
)
from backlit.estimators.validation import Validation, accuracy


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A classifier: a multilayer perceptron that takes the place of scikit-learn's.

    With the parameters that scikit-learn's class has, it draws the same random numbers and makes
    the same steps. What comes after ``max_fun`` is Backlit's own, and off by default.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, shape (hidden layers,), default=(100,)
        The number of units of each hidden layer. Empty for a linear model.
    activation : str or sequence of str, default='relu'
        Of the hidden layers, or of each of them. scikit-learn's are 'identity', 'logistic', 'tanh'
        and 'relu'; besides, 'leaky_relu', 'elu', 'selu', 'softplus', 'gelu', 'silu' and 'mish'.
    solver : {'lbfgs', 'sgd', 'adam', 'adamw', 'rmsprop', 'rprop'}, default='adam'
        L-BFGS, a quasi-Newton method on all examples at once; stochastic gradient descent with
        momentum; or Adam. Besides, with the mathematics of `backlit.training`: AdamW; RMSProp,
        which keeps 0.9 of its running mean; and Rprop, which takes a step of ``learning_rate_init``
        first and then goes by the signs of derivatives.
    alpha : float, default=0.0001
        Strength of the L2 term ``alpha / 2 * sum(W**2)``, which is divided by the number (or the
        summed weight) of a batch's examples. So its strength depends on the size of the batch.
    batch_size : int or 'auto', default='auto'
        Examples of a batch. 'auto' is ``min(200, n_samples)``, and all for 'rprop'.
    learning_rate : str, schedule or callable, default='constant'
        How the learning rate goes on. scikit-learn's 'constant' stays; 'invscaling' falls as
        ``learning_rate_init / (t + 1)**power_t``, where ``t`` counts examples; 'adaptive' is
        divided by 5 where there is no progress. 'adam' stays with each of these, as there. Besides,
        for all solvers but 'lbfgs': 'cosine', 'one_cycle' and 'step' (a tenth every 30 epochs) run
        their course over ``max_iter`` epochs, step by step; 'plateau' takes 0.3 of the rate after
        more than 5 epochs without a better loss (of the validation part, if there is one); a
        schedule of `backlit.training`, such as ``StepDecay(every=1, factor=0.95)``; or a function
        ``f(epoch, epochs)`` of your own that returns what multiplies the rate.
    learning_rate_init : float, default=0.001
        The learning rate at the start. For all solvers but 'lbfgs'.
    power_t : float, default=0.5
        The exponent of 'invscaling'.
    max_iter : int, default=200
        The largest number of epochs, or of iterations of L-BFGS.
    shuffle : bool, default=True
        Whether each epoch takes the examples in a new order.
    random_state : int, RandomState or None, default=None
        Draws initial weights, orders, and the hold-out. An int for the same fit each time.
    tol : float, default=1e-4
        Progress, of the loss or of the validation score, that is less than this is none.
    verbose : bool, int or 'progress', default=False
        Whether to print the loss of each epoch. 'progress' shows a bar on a terminal or in a
        notebook, and some lines elsewhere. For 'sgd' and 'adam'.
    warm_start : bool, default=False
        Whether `fit` begins with the parameters of the last fit, in place of new ones.
    momentum : float, default=0.9
        The part of the last step that is kept, from 0 to 1. For 'sgd'.
    nesterovs_momentum : bool, default=True
        Whether momentum is Nesterov's. For 'sgd'.
    early_stopping : bool, default=False
        Whether to stop where the score of a validation part makes no progress, in place of the
        loss, and to end with the best epoch's parameters.
    validation_fraction : float, default=0.1
        The share of the examples that is held out for `early_stopping`.
    beta_1, beta_2 : float, default=0.9 and 0.999
        How much of the running means of the gradient and of its square is kept. For 'adam' and
        'adamw'.
    epsilon : float, default=1e-8
        Keeps the quotient finite. For 'adam', 'adamw' and 'rmsprop'.
    n_iter_no_change : int or inf, default=10
        Epochs without progress after which training stops (or 'adaptive' lowers the learning rate).
    max_fun : int, default=15000
        The largest number of evaluations of the loss. For 'lbfgs'.
    engine : {'auto', 'reference', 'native'}, default='auto'
        Who runs the steps: NumPy, or compiled kernels. 'auto' goes by the predicted work.
    class_weight : dict, 'balanced', list of dict or None, default=None
        How much the examples of each class count; 'balanced' makes all classes count the same. A
        list has a dict for each label or target. The weights of an example's labels or targets are
        multiplied, as scikit-learn's forests do it.
    dropout : float or sequence of float, default=0.0
        The share of hidden activations that fall silent in a step, for all hidden layers or for
        each, from 0 to below 1. Not for 'lbfgs'.
    weight_decay : float or None, default=None
        At each step, weights shrink by the learning rate times this, apart from the gradient. None
        is 0.01 for 'adamw', and else 0. Not for 'lbfgs'.
    clip_norm : float or None, default=None
        The largest Euclidean norm that a gradient may have. Not for 'lbfgs'.
    scoring : str, callable or None, default=None
        What scores the validation part: the name of one of scikit-learn's scorers, a function of
        ``(estimator, X, y)``, or 'loss' for less loss. None is accuracy.
    n_threads : int or None, default=None
        The most threads of compiled kernels. None takes one for each processor. The bits of a fit
        do not depend on it.
    callbacks : callable, sequence of callable or None, default=None
        Each is called after each step with a `backlit.estimators.Step`: epoch, number, rows of the
        batch, learning rate, loss and parameters. One that returns True ends the fit. For 'sgd'
        and 'adam'. (scikit-learn's callbacks, called after each epoch, are given to
        `set_callbacks`.)
    restore_best : bool, default=False
        Whether `fit` ends with the parameters of its best epoch: by the validation score where
        there is one, else by the loss in `loss_curve_`. For 'sgd' and 'adam'.
    keep_optimizer : bool, default=False
        Whether a warm start goes on with what the optimizer remembers: running means and number of
        steps of 'adam', velocity and learning rate of 'sgd'.
    keep_random_state : bool, default=False
        Whether warm starts and partial fits with an int as `random_state` go on with its random
        numbers, in place of drawing the same ones, and so the same orders, each time.
    n_seeds : int, default=1
        How many networks `fit` trains, side by side on as many threads as there are: with an int
        as `random_state`, each as a fit with `random_state`, `random_state` + 1 and so on; else,
        with seeds drawn from it. They are scored: on what each of them holds out or on `X_val`,
        or else on the training data.
    seed_choice : {'best', 'average'}, default='best'
        Which of them are kept: the one with the highest score, or all, so that predictions are
        means of probabilities. `coefs_` are those of the best in either case.
    stratify : bool or 'binary', default='binary'
        Whether the part that is held out has the same share of each class: always, never, or where
        there are two classes only.
    loss : 'log_loss' or callable, default='log_loss'
        The surprise at what is true, or a function of your own in NumPy: ``f(p, y)`` returns one
        number for each example, from two arrays of shape (examples, classes): the probabilities
        that `predict_proba` gives, kept within the dtype's ``eps`` of 0 and 1, and numbers that are
        1 for the true class or for each label, and else 0. Of several targets, it is called for
        each, and the sum counts.
    label_smoothing : float, default=0.0
        From 0 to below 1: the share of the truth that is spread evenly over all classes of a
        target, or over yes and no of a label.
    start : Weights or None, default=None
        The weights to begin with, in place of drawn ones: `backlit.estimators.weights_of` takes
        them out of a fitted model. Inputs, hidden layers and activations must be the same. The
        output layer is drawn where it has another number of outputs or another activation.
    record : {'off', 'light'}, default='off'
        Whether to watch what the steps compute. Then `insight_` tells what backpropagation did: the
        losses, margins and gradient norms of each example at each step are kept, in memory only,
        and steps can be made again. The fit is the same, and takes little longer.

    Attributes
    ----------
    classes_ : array or list of array
        The classes, in the order of `predict_proba`. Of several targets, those of each.
    coefs_ : list of array, shape (inputs, units)
        The weights of each layer.
    intercepts_ : list of array, shape (units,)
        The biases of each layer.
    loss_ : float
        Of the last epoch.
    best_loss_ : float or None
        The least so far. None with `early_stopping`.
    loss_curve_ : list of float
        Of each epoch: the mean over its batches, each before its step, L2 term included.
    validation_scores_ : list of float or None
        Of each epoch, where there is a validation part.
    validation_loss_curve_ : list of float
        Of each epoch, where there is a validation part; without the L2 term.
    best_validation_score_ : float or None
        None without `early_stopping`.
    best_epoch_ : int
        Whose parameters were kept, counted from 1 in the last fit; with `early_stopping` or
        `restore_best`, and after a fit that diverged.
    seeds_, seed_scores_ : list of int, list of float
        Of each network, with `n_seeds` above 1.
    seed_score_mean_ : float
    seed_score_interval_ : tuple of float
        The 95 % confidence interval of the mean, by Student's t distribution. Scores of the best
        epochs, and of networks chosen for their scores, are optimistic.
    seed_coefs_, seed_intercepts_ : list of list of array
        Of each network, with ``seed_choice='average'``.
    t_ : int
        Examples seen so far, counted with each epoch anew.
    n_iter_ : int
        Epochs, or iterations of L-BFGS.
    n_layers_ : int
    n_outputs_ : int
        Units of the output layer.
    out_activation_ : str
        Of the output layer.
    n_features_in_ : int
    feature_names_in_ : array of str, shape (n_features_in_,)
        Where the inputs have names.
    engine_ : {'reference', 'native'}
        Who ran the steps.
    output_is_new_ : bool
        With `start`: whether the output layer was drawn.
    insight_ : Insight
        What backpropagation did, with ``record='light'``; not in pickles.

    See Also
    --------
    MLPRegressor : predicts numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from backlit.estimators import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier(solver="lbfgs", tol=0.01, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    """

    _parameter_constraints = {  # noqa: RUF012  (scikit-learn's base class has it so)
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, str, None],
        "stratify": ["boolean", StrOptions({"binary"})],
        "loss": [StrOptions({"log_loss"}), callable],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    class_weight: Any
    label_smoothing: float
    _label_binarizer: Any  # a LabelBinarizer, or SeveralTargets

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        engine: str = "auto",
        class_weight: Any = None,
        dropout: Any = 0.0,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        scoring: Any = None,
        n_threads: int | None = None,
        callbacks: Any = None,
        restore_best: bool = False,
        keep_optimizer: bool = False,
        keep_random_state: bool = False,
        n_seeds: int = 1,
        seed_choice: str = "best",
        stratify: Any = "binary",
        loss: Any = "log_loss",
        label_smoothing: float = 0.0,
        start: Any = None,
        record: str = "off",
    ) -> None:
        self._store(locals())

    def _output(self) -> Output:
        targets = self._label_binarizer
        blocks = targets.blocks if isinstance(targets, SeveralTargets) else ()
        activation, loss = "logistic", "binary_log_loss"
        if blocks or targets.y_type_ == "multiclass":
            activation, loss = "softmax", "log_loss"
        own = OwnLoss(self.loss) if callable(self.loss) else loss
        return Output(activation, own, smoothing=float(self.label_smoothing), blocks=blocks)

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        first = not hasattr(self, "classes_") or not (self.warm_start or incremental)
        several = are_several(y) if first else isinstance(self._label_binarizer, SeveralTargets)
        if first:
            self._label_binarizer = SeveralTargets.of(y) if several else LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif several:
            self._label_binarizer.check(y, self.warm_start and not held_out)
        else:
            check_classes(unique_labels(y), self.classes_, self.warm_start and not held_out)
        return X, self._label_binarizer.transform(y).astype(bool)

    def _weighted(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' counts the classes of all examples, and partial_fit sees "
                "some; give a dict from class to weight"
            )
        y = np.asarray(y)
        weights = compute_sample_weight(
            self.class_weight, y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        )
        return weights if sample_weight is None else sample_weight * weights

    def _labels(self, p: NDArray[Any]) -> Any:
        """Return the classes that activations of the output layer stand for."""
        if isinstance(self._label_binarizer, SeveralTargets):
            return self._label_binarizer.inverse_transform(p)
        # As the binarizer does it, which needs twice the time of a prediction to look at one row.
        if self._label_binarizer.y_type_ == "multiclass":
            return self.classes_[np.argmax(p, axis=1)]
        if self._label_binarizer.y_type_ == "binary" and len(self.classes_) == 2:
            return self.classes_[(p.ravel() > 0.5).astype(np.intp)]
        return self._label_binarizer.inverse_transform(p.ravel() if p.shape[1] == 1 else p)

    def _probabilities(self, p: NDArray[Any]) -> Any:
        """Return the probabilities of all classes or labels; of several targets, a list."""
        if isinstance(self._label_binarizer, SeveralTargets):
            return [p[:, block] for block in slices(self._label_binarizer.blocks)]
        if p.shape[1] == 1:
            p = p.ravel()
            return np.vstack([1 - p, p]).T
        return p

    def _responses(self) -> dict[str, Callable[[NDArray[Any]], Any]]:
        return {"predict": self._labels, "predict_proba": self._probabilities}

    def _plain_score(self, validation: Validation, p: NDArray[Any]) -> float:
        if len(self.classes_) == 1:
            return 1.0
        if isinstance(self._label_binarizer, SeveralTargets):
            truth = self._label_binarizer.inverse_transform(validation.targets)
            right = np.all(self._labels(p) == truth, axis=1)
            return float(np.average(right, weights=validation.weights))
        return accuracy(p, validation.targets, validation.weights, self.out_activation_)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:
        """Fit the network.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)
        y : array, shape (n_samples,) or (n_samples, n_outputs)
            Classes; or, for each label, whether an example has it; or, for each of several targets,
            its class.
        sample_weight : array, shape (n_samples,), default=None
            How much each example counts.
        X_val, y_val, sample_weight_val : default=None
            Validation data in the same forms. They are scored after each epoch, and
            `early_stopping` goes by them and holds nothing out.

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        ValueError
            If data or parameters are not valid, the engine cannot run the fit, or parameters do not
            stay finite.
        """
        self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda estimator: estimator._has_epochs())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Go on with one epoch.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)
        y : array, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array, shape (n_samples,), default=None
        classes : array, shape (n_classes,), or list of array, default=None
            All classes that will ever come. The first call needs them. Of several targets, a list
            with those of each.

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        ValueError
            As `fit`; and with `early_stopping`, which one epoch has no use for.
        """
        if several := classes_at_partial_fit(self, y, classes):
            self._label_binarizer, self.classes_ = several, several.classes_
        elif _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict classes, labels, or the class of each target.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples,), (n_samples, n_labels) or (n_samples, n_targets)
        """
        self._check_is_fitted()
        found: NDArray[Any] = self._labels(self._activations(X))
        return found

    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, n_classes)
            In the order of `classes_`. Of labels, each is by itself, and they need not sum to 1. Of
            several targets, a list of such arrays.
        """
        self._check_is_fitted()
        return self._probabilities(self._activations(X))

    def predict_log_proba(self, X: Any) -> Any:
        """Predict logarithms of probabilities.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, n_classes)
            In the order of `classes_`. Of several targets, a list of such arrays.
        """
        p = self.predict_proba(X)
        if isinstance(p, list):
            return [np.log(of_target, out=of_target) for of_target in p]
        return np.log(p, out=p)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the share of the examples that are predicted right in all they have.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)
        y : array, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array, shape (n_samples,), default=None

        Returns
        -------
        float
            Of labels and of several targets, an example is right where all of its labels or targets
            are, as of scikit-learn's `MultiOutputClassifier`.
        """
        self._check_is_fitted()
        if not isinstance(self._label_binarizer, SeveralTargets):
            return float(super().score(X, y, sample_weight))
        right = np.all(self.predict(X) == np.asarray(y), axis=1)
        return float(np.average(right, weights=sample_weight))

    def _last_activation(self) -> str:
        if isinstance(self._label_binarizer, SeveralTargets):
            return "identity"  # each target has a softmax of its own
        return super()._last_activation()

    def _completed(self, p: NDArray[Any]) -> NDArray[Any]:
        if isinstance(self._label_binarizer, SeveralTargets):
            for block in slices(self._label_binarizer.blocks):
                p[:, block] = activate("softmax", p[:, block])
        return p

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
