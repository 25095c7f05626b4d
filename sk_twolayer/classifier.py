"""`TwoLayerClassifier`: the network as a scikit-learn estimator.

This is the only module that knows hyper-parameters and labels. It validates what the user
gave before any work starts, turns labels into class numbers and weights into one array,
hands the rest to the training loop, and publishes what came out as fitted attributes.
"""

import warnings
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sk_twolayer.network import TwoLayerNetwork, compute_scores, initialize, logistic, softmax
from sk_twolayer.optimizers import SGD
from sk_twolayer.training import History, train

AUTO_LEARNING_RATE = 0.05


def computing_dtype(X):
    """Return float32 where it holds every value of X exactly by its dtype, else float64."""
    narrow = X.dtype == np.float32 or (X.dtype.kind in "iub" and X.dtype.itemsize <= 2)
    return np.dtype(np.float32 if narrow else np.float64)


def print_epoch(history, optimizer, epoch):
    """Print one aligned line about the epoch that has just ended."""
    print(
        f"epoch {epoch:5d}   loss {history.losses[-1]:10.6f}   "
        f"training accuracy {history.train_scores[-1]:.4f}   "
        f"learning rate {optimizer.learning_rate:.2e}"
    )


class TwoLayerClassifier(ClassifierMixin, BaseEstimator):
    """Fully-connected network with one hidden layer, trained by mini-batch SGD.

    The network computes ``scores = max(0, X W1 + b1) W2 + b2`` and minimises the
    cross-entropy of ``softmax(scores)`` (of the logistic sigmoid of one score, when there
    are two classes) plus ``alpha / 2 (||W1||^2 + ||W2||^2)``. It wants features of a
    similar scale: put a :class:`~sklearn.preprocessing.StandardScaler` before it.

    Parameters
    ----------
    hidden_size : int, default=100
        Number of hidden units.

    alpha : float, default=1e-3
        Strength of the L2 penalty on the weights; the biases are not penalised. It is the
        `reg` of CS231n and is *not* divided by the number of rows, as
        :class:`~sklearn.neural_network.MLPClassifier` divides its `alpha`.

    batch_size : int or "auto", default="auto"
        Rows in a mini-batch. A number above the number of rows is clipped to it, unless
        batches are drawn with replacement. "auto" is a tenth of the rows, but at least 32
        and at most 200.

    learning_rate : float or "auto", default="auto"
        Initial step size. "auto" is 0.05; the value in use is `learning_rate_`.

    learning_rate_decay : float, default=0.98
        The step size is multiplied by it after each epoch of `fit`. `partial_fit` does
        not decay it: how many chunks make an epoch only its caller knows.

    momentum : float, default=0.9
        Share of the velocity that each update keeps; 0 is plain gradient descent.

    nesterov : bool, default=True
        Use Nesterov's momentum rather than the heavy ball's.

    init : {"he", "glorot"} or float, default="he"
        Standard deviation of the Gaussian initial weights: sqrt(2 / n_in),
        sqrt(2 / (n_in + n_out)), or the number itself (the exercise's `std`). The biases
        start at zero.

    replacement : bool, default=False
        Draw every batch with replacement, as the exercise does, instead of shuffling the
        rows once an epoch. An epoch is then max(n_samples // batch_size, 1) updates.

    max_iter : int, default=200
        Most epochs of one call to `fit`.

    max_updates : int, default=None
        Most updates (mini-batches) of one call to `fit`, even inside an epoch.

    tol : float, default=1e-4
        An epoch is progress if its mean loss is at least `tol` below the best so far.

    n_iter_no_change : int, default=10
        `fit` stops after so many epochs in a row without progress. None never stops.

    class_weight : dict or "balanced", default=None
        Weights of the classes, as ``{label: weight}``, multiplied into `sample_weight`.
        "balanced" is inversely proportional to the (weighted) class frequencies; those
        of all rows seen so far, in `partial_fit`.

    warm_start : bool, default=False
        Let `fit` go on from where the last one ended: parameters, velocity, decayed
        learning rate, random numbers and history.

    random_state : int, RandomState instance, default=None
        Draws the initial weights and the batches. Pass an int for results that can be
        reproduced.

    verbose : bool, default=False
        Print a line after each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X had names that are all strings.

    coefs_ : list of ndarray
        W1 of shape (n_features_in_, hidden_size) and W2 of shape (hidden_size, n_outputs).
        There is one output per class, but only one for two classes.

    intercepts_ : list of ndarray
        b1 of shape (hidden_size,) and b2 of shape (n_outputs,).

    n_iter_ : int
        Epochs that the last call trained.

    n_updates_ : int
        Updates made since the parameters were drawn.

    learning_rate_ : float
        The initial step size in use.

    loss_ : float
        Mean loss of the last epoch.

    best_loss_ : float
        The lowest mean loss of an epoch.

    loss_curve_ : list of float
        Mean loss of each epoch.

    batch_loss_curve_ : list of float
        Loss of each batch (with the penalty) before its update.

    train_scores_ : list of float
        Mean accuracy of each epoch's batches, measured as they were trained on, every
        row counting by its weight.

    out_activation_ : {"softmax", "logistic"}
        What turns the scores into probabilities.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Any number of hidden layers.

    Notes
    -----
    The computing dtype is float32 for X of float32 or of integers of at most 16 bits,
    which float32 holds exactly, and otherwise float64. X is never copied whole: batches
    are cast as they are gathered.

    References
    ----------
    The two-layer exercise of "CS231n: Convolutional Neural Networks for Visual
    Recognition", Stanford University.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_twolayer import TwoLayerClassifier
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_digits(return_X_y=True), random_state=0
    ... )
    >>> model = make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=0))
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.97
    True
    """

    _parameter_constraints: ClassVar = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "learning_rate_decay": [Interval(Real, 0, 1, closed="right")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "init": [StrOptions({"he", "glorot"}), Interval(Real, 0, None, closed="neither")],
        "replacement": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_updates": [None, Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [None, Interval(Integral, 1, None, closed="left")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_size=100,
        *,
        alpha=1e-3,
        batch_size="auto",
        learning_rate="auto",
        learning_rate_decay=0.98,
        momentum=0.9,
        nesterov=True,
        init="he",
        replacement=False,
        max_iter=200,
        max_updates=None,
        tol=1e-4,
        n_iter_no_change=10,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_size = hidden_size
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.momentum = momentum
        self.nesterov = nesterov
        self.init = init
        self.replacement = replacement
        self.max_iter = max_iter
        self.max_updates = max_updates
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows, finite numbers. Neither copied whole nor written to.

        y : array-like of shape (n_samples,)
            The labels, of any kind that sorts; at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Zero leaves a row out.

        Returns
        -------
        self : TwoLayerClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is not what it must be, or training diverges: the loss of an
            update is not finite.
        """
        continues = self.warm_start and hasattr(self, "coefs_")
        X, y, sample_weight = self._validate(X, y, sample_weight, reset=not continues)
        classes = np.unique(y)
        if continues and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(classes) < 2:
            raise ValueError(
                f"y has only 1 class, {classes[0]}: there is nothing to tell apart. Give the "
                f"classifier rows of at least 2 classes."
            )
        return self._train(X, y, sample_weight, classes, continues=continues)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over a chunk of rows, going on from the last call.

        The velocity of the momentum goes on too, and the learning rate does not decay.
        `max_iter`, `max_updates` and `tol` play no role.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The chunk's rows.

        y : array-like of shape (n_samples,)
            Their labels.

        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. Needed in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Zero leaves a row out.

        Returns
        -------
        self : TwoLayerClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; also if `classes` is missing in the first call or differs in a
            later one, or y holds a label outside of it.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sk_twolayer import TwoLayerClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = TwoLayerClassifier(random_state=0)
        >>> for _ in range(30):
        ...     model = model.partial_fit(X, y, classes=[0, 1, 2])
        >>> model.score(X, y) > 0.9
        True
        """
        continues = hasattr(self, "coefs_")
        X, y, sample_weight = self._validate(X, y, sample_weight, reset=not continues)
        known = self.classes_ if continues and classes is None else classes
        if known is None:
            raise ValueError(
                "classes must be given in the first call to partial_fit: later chunks may "
                "hold labels that this one does not."
            )
        known = np.unique(known)
        if continues and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"classes={known} is not the same as in the previous call: {self.classes_}. "
                f"The outputs of the network cannot change; fit a new estimator."
            )
        if len(known) < 2:
            raise ValueError(f"classes={known} has only 1 class: at least 2 are needed.")
        unseen = np.setdiff1d(y, known)
        if len(unseen):
            raise ValueError(
                f"y has labels {unseen} that are not in classes {known}. Name all labels in "
                f"the first call to partial_fit."
            )
        return self._train(X, y, sample_weight, known, continues=continues, one_pass=True)

    def decision_function(self, X):
        """Compute the scores of the classes, before they become probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows. Computed in row chunks, so that memory stays bounded.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            The larger, the likelier. For two classes the score of the second one.
        """
        scores = self._scores(X)
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            The columns are in the order of `classes_`; each row sums to 1.
        """
        scores = self._scores(X)
        if self.out_activation_ == "softmax":
            softmax(scores)
            return scores
        logistic(scores)
        return np.hstack([1 - scores, scores])

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        return np.log(self.predict_proba(X))

    def predict(self, X):
        """Predict the likeliest class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        scores = self._scores(X)
        if self.out_activation_ == "softmax":
            return self.classes_[scores.argmax(axis=1)]
        return self.classes_[(scores.ravel() > 0).astype(np.intp)]

    def _scores(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return compute_scores(X, *self.coefs_, *self.intercepts_)

    def _validate(self, X, y, sample_weight, reset):
        """Check X, y and sample_weight, and leave the dtype of X as it is."""
        if not reset and self.hidden_size != len(self.intercepts_[0]):
            raise ValueError(
                f"hidden_size={self.hidden_size}, but the network to go on with has "
                f"{len(self.intercepts_[0])} hidden units. Set it back, or fit anew with "
                f"warm_start=False."
            )
        X, y = validate_data(self, X, y, reset=reset)
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X has dtype {X.dtype}: the network computes with real numbers.")
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return X, y, sample_weight

    def _row_weights(self, codes, classes, sample_weight, class_counts):
        """Multiply the weights of rows and classes; None if there are none."""
        if self.class_weight is None:
            return sample_weight
        present = class_counts > 0
        class_weight = np.ones(len(classes))
        class_weight[present] = compute_class_weight(
            self.class_weight,
            classes=classes[present],
            y=classes[present],
            sample_weight=class_counts[present],
        )
        weights = class_weight[codes]
        return weights if sample_weight is None else weights * sample_weight

    def _train(self, X, y, sample_weight, classes, *, continues, one_pass=False):
        """Train on validated input and publish the fitted attributes.

        Nothing is published before training has ended well, and what is trained is a copy
        of the parameters: after an error the estimator is what it was before.
        """
        dtype = self.coefs_[0].dtype if continues else computing_dtype(X)
        state = self._training_state if continues else None
        codes = np.searchsorted(classes, y)
        output, n_outputs, targets = "softmax", len(classes), codes
        if len(classes) == 2:
            output, n_outputs, targets = "logistic", 1, codes[:, np.newaxis].astype(dtype)
        class_counts = np.bincount(codes, weights=sample_weight, minlength=len(classes))
        if one_pass and state:
            class_counts = class_counts + state["class_counts"]
        weights = self._row_weights(codes, classes, sample_weight, class_counts)
        if weights is not None:
            weights = weights.astype(dtype)

        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = min(max(len(X) // 10, 32), 200)
        if not self.replacement:
            batch_size = min(batch_size, len(X))
        learning_rate = self.learning_rate
        if learning_rate == "auto":
            learning_rate = AUTO_LEARNING_RATE

        network = TwoLayerNetwork(
            X.shape[1],
            self.hidden_size,
            n_outputs,
            batch_size=batch_size,
            alpha=self.alpha,
            output=output,
            dtype=dtype,
        )
        optimizer = SGD(network.parameters, learning_rate, self.momentum, self.nesterov)
        rng = check_random_state(self.random_state)
        history = History()
        if continues:
            np.concatenate(
                [array.ravel() for array in (*self.coefs_, *self.intercepts_)],
                out=network.parameters,
            )
            history = History(
                list(self.batch_loss_curve_), list(self.loss_curve_), list(self.train_scores_)
            )
            if state:
                optimizer.velocity[:] = state["velocity"]
                if learning_rate == self.learning_rate_:  # else the user has chosen a new one
                    optimizer.learning_rate = state["learning_rate"]
                if isinstance(self.random_state, Integral):
                    rng.set_state(state["random_numbers"])
        else:
            initialize(network.W1, network.W2, network.b1, network.b2, self.init, rng)

        n_iter, stopped = train(
            network,
            optimizer,
            X,
            targets,
            weights,
            rng=rng,
            history=history,
            batch_size=batch_size,
            replacement=self.replacement,
            max_iter=1 if one_pass else self.max_iter,
            max_updates=None if one_pass else self.max_updates,
            learning_rate_decay=1.0 if one_pass else self.learning_rate_decay,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            on_epoch_end=partial(print_epoch, history, optimizer) if self.verbose else None,
        )
        if not stopped and not one_pass:
            warnings.warn(
                f"The loss still improved by more than tol={self.tol:g} when max_iter="
                f"{self.max_iter} epochs had been trained: the network may not have converged. "
                "Try a larger max_iter, or a larger learning_rate.",
                ConvergenceWarning,
                stacklevel=3,
            )

        self.classes_ = classes
        self.coefs_ = [network.W1, network.W2]
        self.intercepts_ = [network.b1, network.b2]
        self.out_activation_ = output
        self.learning_rate_ = learning_rate
        self.n_iter_ = n_iter
        self.n_updates_ = len(history.batch_losses)
        self.batch_loss_curve_ = history.batch_losses
        self.loss_curve_ = history.losses
        self.train_scores_ = history.train_scores
        self.loss_ = history.losses[-1]
        self.best_loss_ = min(history.losses)
        # What only a continued training needs is not kept after a plain fit.
        self._training_state = None
        if one_pass or self.warm_start:
            self._training_state = {
                "velocity": optimizer.velocity,
                "learning_rate": optimizer.learning_rate,
                "random_numbers": rng.get_state(),
                "class_counts": class_counts,
            }
        return self
