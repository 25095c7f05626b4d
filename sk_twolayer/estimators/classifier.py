"""`TwoLayerClassifier`: the network as a scikit-learn classifier.

This module describes the hyper-parameters, fitted attributes and predictions. The base class holds
`fit` and what happens between it and the training loop.
"""

from functools import partial
from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from sk_twolayer.data import ClassTargets
from sk_twolayer.estimators.base import BaseTwoLayerNetwork
from sk_twolayer.estimators.hyperparameters import (
    CLASSIFIER_CONSTRAINTS,
    explain_names,
    has_partial_fit,
)
from sk_twolayer.estimators.prediction import predict_scores
from sk_twolayer.network import logistic, softmax
from sk_twolayer.sklearn_private import fit_context


class TwoLayerClassifier(ClassifierMixin, BaseTwoLayerNetwork):
    """Fully-connected network with one hidden layer.

    The network computes ``scores = max(0, X W1 + b1) W2 + b2`` and minimises the
    cross-entropy of ``softmax(scores)``, with weight decay. Two classes share one score,
    whose logistic sigmoid is the probability of the second; a label indicator y has one
    score and one sigmoid per label. X is used as it is: the initial weights and the
    learning rate follow the scale of its columns, which need not be standardised, though
    it often helps.

    Parameters
    ----------
    hidden_size : int, default=200
        Number of hidden units.

    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Hidden activation: max(0, z), tanh(z), 1 / (1 + exp(-z)), or z itself.

    solver : {"adamw", "adam", "sgd", "lbfgs"}, default="adamw"
        Adam with decoupled weight decay (Loshchilov and Hutter 2019); Adam with the L2
        penalty in its gradient; mini-batch gradient descent with momentum; or L-BFGS on all
        samples at once, which suits small data, and for which an epoch is an iteration. On
        sparse samples of many features an update of "adamw" and "sgd" costs what the non-zeros
        cost; each of the others passes over all parameters several times.

    alpha : float or "auto", default="auto"
        Strength of the penalty on the weights; the biases are not penalised. For "adamw" it
        is the decoupled weight decay: an update at rate r multiplies each weight by
        ``1 - r alpha``. For the others the loss has a term
        ``alpha / 2 (||W1||^2 + ||W2||^2)``: the `reg` of CS231n, *not* divided by the number
        of samples, while :class:`~sklearn.neural_network.MLPClassifier` divides its `alpha`.
        The value in use is `alpha_`.

    batch_size : int or "auto", default="auto"
        Samples in a mini-batch. A number above the number of samples is clipped to it, unless
        batches are drawn with replacement. The value in use is `batch_size_`. Not used by
        "lbfgs".

    learning_rate : float or "auto", default="auto"
        Step size. "auto" follows the scale of the columns, so that training is stable on
        columns of any scale. The values in use are `learning_rate_` and `learning_rate_W1_`.
        Not used by "lbfgs".

    learning_rate_schedule : {"cosine", "constant", "exponential"}, default="cosine"
        "cosine" decreases the rate to zero along half a period of the cosine, over the updates
        that `max_iter` and `max_updates` allow; an interrupted fit continues its schedule when
        `warm_start` resumes it. "exponential" multiplies the rate by `learning_rate_decay`
        after each epoch. `partial_fit` keeps the rate constant.

    warmup_fraction : float, default=0.1
        Share of the planned updates in which the rate first rises to its value linearly.

    learning_rate_decay : float, default=0.95
        Factor of the rate after each epoch, with the schedule "exponential".

    momentum : float, default=0.9
        Momentum of "sgd": the factor of the velocity at each update; 0 is plain gradient
        descent.

    nesterov : bool, default=True
        Use Nesterov's momentum rather than heavy-ball momentum. Only for "sgd".

    beta_1 : float, default=0.9
        Factor of the running mean of the gradient at each update of "adamw" and "adam". For
        "adamw" it must be below the square root of `beta_2`.

    beta_2 : float, default=0.98
        Factor of the running mean of the squared gradient.

    epsilon : float, default=1e-8
        Keeps "adam" from dividing by zero: it is added to the denominator. The running mean
        of squares of "adamw" starts from its square.

    dropout : float or "auto", default="auto"
        Probability that a sample's training pass drops a hidden unit; the others are scaled by
        ``1 / (1 - dropout)`` ("inverted dropout"). Not for "lbfgs", whose line search needs the
        same loss at the same weights. The value in use is `dropout_`.

    init : {"auto", "he", "glorot"} or float, default="auto"
        Standard deviation of the Gaussian initial weights: sqrt(2 / n_in) for "he";
        sqrt(2 / (n_in + n_out)) for "glorot"; or the number itself (the exercise's `std`).
        "auto" is "he" or "glorot", after the activation, and divides each row of W1 by the root
        mean square of its column's non-zero entries, so that all columns matter alike at first.
        The biases start at zero; with "auto", b1 starts where the input of each hidden unit has
        mean zero, so that no unit begins dead.

    replacement : bool, default=False
        Draw every batch with replacement, as the exercise does, instead of shuffling the
        samples once an epoch. An epoch is then max(n_samples // batch_size, 1) updates.

    max_iter : int or "auto", default="auto"
        Number of epochs of a call to `fit`, which is also the length of the schedule. The value
        in use is `max_iter_`.

    max_updates : int, default=None
        Most updates (mini-batches) of a call to `fit`, even inside an epoch.

    tol : float, default=1e-4
        An epoch is an improvement if its mean loss is at least `tol` below the best so far; with
        validation samples, if its validation score is at least `tol` above the best. "lbfgs"
        stops when no entry of the gradient is larger and the loss has fallen by less than a
        hundredth in ten iterations.

    n_iter_no_change : int, "auto" or None, default="auto"
        `fit` stops after this many consecutive epochs without improvement, not counting the
        warm-up. None never stops. "auto" is None for the schedule "cosine", which should be
        completed, and 10 for the others. "lbfgs" uses it only with validation samples, where
        "auto" is 10.

    early_stopping : bool, default=False
        Hold samples out, monitor the validation score rather than the training loss, and keep
        the weights of the best epoch, the last one of equals. Passing `X_val` to `fit` does the
        same with samples of your own.

    scoring : str, callable or None, default=None
        The score of the validation samples after each epoch, the larger the better. None is the
        accuracy, which the network computes with the loss; "loss" is minus that loss, penalty
        included. A name of :func:`~sklearn.metrics.get_scorer_names` or a callable
        ``scorer(estimator, X, y)`` is called with a temporary, read-only view of the estimator,
        and with the weights of the samples if it takes them. Samples that `early_stopping` holds
        out are copied for it.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out, stratified by class.

    class_weight : dict or "balanced", default=None
        Weights of the classes, as ``{label: weight}``, multiplied into `sample_weight`.
        "balanced" is inversely proportional to the (weighted) class frequencies, in `partial_fit`
        of all samples so far. A label indicator takes "balanced" only.

    warm_start : bool, default=False
        Resume from the end of the last `fit`: parameters, moments, schedule, random numbers
        and history. Validation samples may differ from before: the initial weights are scored
        on them first.

    random_state : int, RandomState instance, default=None
        Draws the initial weights, the batches, the dropped units and the samples held out.
        Pass an int for reproducible results.

    verbose : bool, default=False
        Print a line after each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; the column numbers, for a label indicator.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

    coefs_ : list of ndarray
        W1 of shape ``(n_features_in_, hidden_size)`` and W2 of shape
        ``(hidden_size, n_outputs)``. There is one output per class, but only one for two
        classes.

    intercepts_ : list of ndarray
        b1 of shape ``(hidden_size,)`` and b2 of shape ``(n_outputs,)``.

    n_iter_ : int
        Epochs that the last call trained.

    n_updates_ : int
        Updates made since the parameters were drawn.

    learning_rate_ : float or None
        The step size of W2 and the biases, before the schedule; None for "lbfgs".

    learning_rate_W1_ : float or None
        The step size of W1.

    alpha_ : float
        The value in use.

    dropout_ : float
        The value in use.

    batch_size_ : int
        The value in use.

    max_iter_ : int
        The value in use.

    loss_ : float
        Mean loss of the last epoch.

    best_loss_ : float or None
        The lowest mean loss of an epoch; None if a validation score was monitored.

    loss_curve_ : list of float
        Mean loss of each epoch.

    batch_loss_curve_ : list of float or None
        Loss of each batch before its update, penalty included; with "lbfgs", of all samples
        after each iteration. None in a copy that was pickled, to keep pickles small, unless
        training can be resumed from it (after `partial_fit` or with `warm_start`).

    train_scores_ : list of float
        Mean accuracy of each epoch's batches, measured before their updates and weighted by the
        samples' weights.

    validation_scores_ : list of float or None
        Scores of the validation samples after each epoch, if there were any, by `scoring`: the
        accuracy by default.

    validation_loss_curve_ : list of float or None
        Loss on them, with the penalty, so that it compares with `loss_curve_`.

    best_validation_score_ : float or None
        Score of the weights kept: the highest of this call's `validation_scores_`, or the score
        of the weights that a warm start began with.

    out_activation_ : {"softmax", "logistic"}
        Turns the scores into probabilities.

    See Also
    --------
    TwoLayerRegressor : The same network for continuous targets.
    sklearn.neural_network.MLPClassifier : Any number of hidden layers.

    Notes
    -----
    Hyper-parameters that are "auto" are replaced by numbers that follow from the data, by the rules
    in :class:`~sk_twolayer.planning.auto.AutoRules`.

    The computing dtype is float32 for X of float32 or of integers of at most 16 bits, which float32
    holds exactly, and otherwise float64. X is never copied whole: batches are cast as they
    are gathered.

    With scikit-learn 1.9 and newer the estimator supports callbacks, by `set_callbacks`: the
    callbacks of scikit-learn, and those in :mod:`sk_twolayer.callbacks`. Older versions have no
    callbacks, and the estimator has no such method.

    References
    ----------
    The two-layer exercise of "CS231n: Convolutional Neural Networks for Visual
    Recognition", Stanford University.

    Loshchilov, Hutter. "Decoupled weight decay regularization." ICLR 2019.

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

    __module__ = "sk_twolayer"  # pickles name this address, whatever the file

    _parameter_constraints: ClassVar = CLASSIFIER_CONSTRAINTS
    _targets = ClassTargets

    @explain_names
    def __init__(
        self,
        hidden_size=200,
        *,
        activation="relu",
        solver="adamw",
        alpha="auto",
        batch_size="auto",
        learning_rate="auto",
        learning_rate_schedule="cosine",
        warmup_fraction=0.1,
        learning_rate_decay=0.95,
        momentum=0.9,
        nesterov=True,
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-8,
        dropout="auto",
        init="auto",
        replacement=False,
        max_iter="auto",
        max_updates=None,
        tol=1e-4,
        n_iter_no_change="auto",
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self._set_hyperparameters(locals())

    @available_if(has_partial_fit)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over a chunk of samples, continuing from the last call.

        The moments of the solver continue too, and the learning rate is constant. `max_iter`,
        `max_updates` and `tol` are not used. Not for "lbfgs". Chunks may be of any size: the scales
        of the columns and the "auto" learning rate follow the samples so far until there are 300,
        and stay from then on.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples of the chunk.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels, or a label indicator.

        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; the column numbers, for a label indicator.
            Needed in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. Zero leaves a sample out.

        Returns
        -------
        self : TwoLayerClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; also if `classes` is missing in the first call or differs in a
            later one, or if y holds a label outside of it.
        AttributeError
            If the solver is "lbfgs" or `early_stopping` is set.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.preprocessing import scale
        >>> from sk_twolayer import TwoLayerClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> X, model = scale(X), TwoLayerClassifier(random_state=0)
        >>> for _ in range(30):
        ...     model = model.partial_fit(X, y, classes=[0, 1, 2])
        ...
        >>> model.score(X, y) > 0.9
        True
        """
        self._validate_params()
        resolve = partial(ClassTargets.resolve_named, classes=classes)
        return self._train((X, y, sample_weight), resolve, one_pass=True)

    def decision_function(self, X):
        """Compute the scores of the classes, from which the probabilities follow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. Computed in chunks, so that memory stays bounded.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            The larger, the likelier. For two classes the score of the second one.
        """
        scores = predict_scores(self, X)
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            The columns are in the order of `classes_`. Each row sums to 1; for a label indicator
            each column is the probability of its label.
        """
        p = predict_scores(self, X)
        if self.out_activation_ == "softmax":
            softmax(p)
            return p
        logistic(p)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        with np.errstate(divide="ignore"):  # the logarithm of a probability of 0 is -inf
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Predict the likeliest class of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels out of `classes_`, or a label indicator.
        """
        scores = predict_scores(self, X)
        return ClassTargets.of(self).decode(scores)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
