"""`TwoLayerRegressor`: the network as a scikit-learn regressor.

This module describes the hyper-parameters, fitted attributes and predictions. The base class holds
`fit` and what happens between it and the training loop.
"""

from functools import partial
from typing import ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from sk_twolayer.data import RegressionTargets
from sk_twolayer.estimators.base import BaseTwoLayerNetwork
from sk_twolayer.estimators.hyperparameters import (
    REGRESSOR_CONSTRAINTS,
    chosen_loss,
    explain_names,
    has_partial_fit,
)
from sk_twolayer.estimators.prediction import predict_scores
from sk_twolayer.sklearn_private import fit_context


class TwoLayerRegressor(RegressorMixin, BaseTwoLayerNetwork):
    """Fully-connected network with one hidden layer, for one continuous target or several.

    The network computes ``scores = max(0, X W1 + b1) W2 + b2`` and minimises half their
    squared error, or another `loss`, with weight decay. It is trained on standardised targets,
    and predictions are in the units of y. X is used as it is: the initial weights and the
    learning rate follow the scale of its columns, which need not be standardised, though it
    often helps.

    Parameters
    ----------
    hidden_size : int, default=200
        Number of hidden units.

    loss : {"squared_error", "absolute_error", "quantile", "poisson"}, default="squared_error"
        What the predictions are for: the mean of y at given features; its median, on which
        outliers have little influence; its `quantile`; or the mean of counts or rates, none
        negative, as the exponential of the scores. The losses are half the squared error, the
        absolute error, the pinball loss, and half the Poisson deviance. A warm start and later
        chunks of a stream refuse another loss.

    quantile : float, default=None
        The quantile to predict, between 0 and 1, with ``loss="quantile"``, which needs it. Not
        used by the other losses.

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
        of samples, while :class:`~sklearn.neural_network.MLPRegressor` divides its `alpha`.
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
        R2, which the network computes with the loss, and for another loss than the squared
        error the D2: the share of the loss of the best constant that is explained. "loss" is
        minus the loss, penalty included. A name of :func:`~sklearn.metrics.get_scorer_names` or a
        callable ``scorer(estimator, X, y)`` is called with a temporary, read-only view of the
        estimator, and with the weights of the samples if it takes them. Samples that
        `early_stopping` holds out are copied for it.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.

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
    y_mean_ : ndarray of shape (n_targets,)
        The constant prediction of least loss in the samples of the first call of `fit`, or of the
        first calls of `partial_fit`, until they have seen 300 samples. It is the weighted mean of
        each target; for "absolute_error" its median, and for "quantile" its quantile.

    y_scale_ : ndarray of shape (n_targets,)
        Standard deviation of each target in these samples. For "absolute_error" and "quantile" it
        is the mean distance from `y_mean_` of the nearest nine tenths, on which outliers have no
        influence, and for "poisson" the mean. For a constant target it is its absolute value,
        or 1 if that is zero.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

    coefs_ : list of ndarray
        W1 of shape ``(n_features_in_, hidden_size)`` and W2 of shape
        ``(hidden_size, n_targets)``.

    intercepts_ : list of ndarray
        b1 of shape ``(hidden_size,)`` and b2 of shape ``(n_targets,)``. The parameters
        give the scores, which are predictions in units of `y_scale_` from `y_mean_`, or for
        "poisson" the logarithms of predictions in units of `y_scale_`.

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
        Mean loss of the last epoch, of standardised targets: with the squared error, predicting
        the mean costs 0.5 for each target.

    best_loss_ : float or None
        The lowest mean loss of an epoch; None if a validation score was monitored.

    loss_curve_ : list of float
        Mean loss of each epoch.

    batch_loss_curve_ : list of float or None
        Loss of each batch before its update, penalty included; with "lbfgs", of all samples
        after each iteration. None in a copy that was pickled, to keep pickles small, unless
        training can be resumed from it (after `partial_fit` or with `warm_start`).

    train_scores_ : list of float
        Mean R2 of each epoch's batches, measured before their updates and weighted by the
        samples' weights: 1 minus the mean squared error in units of `y_scale_`. For another loss
        it is the D2: 1 minus the loss over the loss of predicting `y_mean_`.

    validation_scores_ : list of float or None
        Scores of the validation samples after each epoch, if there were any, by `scoring`: the
        R2 or D2 by default.

    validation_loss_curve_ : list of float or None
        Loss on them, with the penalty, so that it compares with `loss_curve_`.

    best_validation_score_ : float or None
        Score of the weights kept: the highest of this call's `validation_scores_`, or the score
        of the weights that a warm start began with.

    out_activation_ : {"identity", "exp"}
        Turns the scores into standardised predictions: "exp" for "poisson".

    See Also
    --------
    TwoLayerClassifier : The same network for classes.
    sklearn.neural_network.MLPRegressor : Any number of hidden layers.
    sklearn.ensemble.HistGradientBoostingRegressor : Trees, with losses of the same names.

    Notes
    -----
    With y standardised as ``t``, the loss of N samples is
    ``1/2N sum_ij (scores[i, j] - t[i, j])^2``. Its gradient is the gradient of
    :class:`~sklearn.neural_network.MLPRegressor`, which divides the loss that it reports by the
    number of targets, but not its gradient, and does not standardise y.

    Of the error e of a standardised target, the absolute error is ``|e|``, and the pinball loss is
    ``max(-quantile e, (1 - quantile) e)``. Both have a kink at 0, where the gradient in use is 0.
    "lbfgs" is made for smooth losses: with these two it may end at a kink, somewhat above the
    minimum. With "poisson" a target t is divided by its mean, and the loss is
    ``exp(score) - t + t (log(t) - score)``. Predictions above the largest target fit no sample:
    above twice its value the loss continues linearly, so that no exponential overflows.

    `score` is the R2 whatever the loss; :func:`~sklearn.metrics.d2_pinball_score` and
    :func:`~sklearn.metrics.d2_tweedie_score` compare models by the loss that they minimise.

    Hyper-parameters that are "auto" are replaced by numbers that follow from the data, by the rules
    in :class:`~sk_twolayer.planning.auto.AutoRules`.

    The computing dtype is float32 for X of float32 or of integers of at most 16 bits, which float32
    holds exactly, and otherwise float64, also for predictions. X is never copied whole: batches are
    cast as they are gathered.

    With scikit-learn 1.9 and newer the estimator supports callbacks, by `set_callbacks`: the
    callbacks of scikit-learn, and those in :mod:`sk_twolayer.callbacks`. Older versions have no
    callbacks, and the estimator has no such method.

    References
    ----------
    Hastie, Tibshirani, Friedman. "The elements of statistical learning", section 11.3. 2nd ed.,
    Springer 2009.

    Koenker, Bassett. "Regression quantiles." Econometrica 46 (1978), 33-50.

    Loshchilov, Hutter. "Decoupled weight decay regularization." ICLR 2019.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_twolayer import TwoLayerRegressor
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *make_friedman1(1000, random_state=0), random_state=0
    ... )
    >>> model = make_pipeline(StandardScaler(), TwoLayerRegressor(random_state=0))
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True

    Several targets, each in its own unit, and validation samples:

    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 500)[:, np.newaxis]
    >>> Y = np.hstack([np.sin(x), 1000 * np.cos(x)])
    >>> model = TwoLayerRegressor(random_state=0)
    >>> model = model.fit(x[::2], Y[::2], X_val=x[1::2], y_val=Y[1::2])
    >>> model.predict(x[:5]).shape, model.best_validation_score_ > 0.95
    ((5, 2), True)

    The limits that 90 % of all targets lie between, which depend on x, and the mean of counts:

    >>> rng = np.random.RandomState(0)
    >>> x = rng.uniform(0, 3, (4000, 1))
    >>> y = (1 + x.ravel()) * rng.standard_normal(4000)
    >>> low, high = (
    ...     TwoLayerRegressor(loss="quantile", quantile=q, random_state=0).fit(x[:2000], y[:2000])
    ...     for q in (0.05, 0.95)
    ... )
    >>> inside = (low.predict(x[2000:]) < y[2000:]) & (y[2000:] < high.predict(x[2000:]))
    >>> bool(0.87 < inside.mean() < 0.93)
    True
    >>> y = rng.poisson(np.exp(x[:, 0]))
    >>> counts = TwoLayerRegressor(loss="poisson", random_state=0).fit(x, y)
    >>> bool(abs(counts.predict([[2.0]])[0] - np.exp(2)) < 0.5)
    True
    """

    __module__ = "sk_twolayer"  # pickles name this address, whatever the file

    _parameter_constraints: ClassVar = REGRESSOR_CONSTRAINTS
    _targets = RegressionTargets

    @explain_names
    def __init__(
        self,
        hidden_size=200,
        *,
        loss="squared_error",
        quantile=None,
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
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self._set_hyperparameters(locals())

    @available_if(has_partial_fit)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over a chunk of samples, continuing from the last call.

        The moments of the solver continue too, and the learning rate is constant. `max_iter`,
        `max_updates` and `tol` are not used. Not for "lbfgs". Chunks may be of any size: the scales
        of y and of the columns of X, and the "auto" learning rate, follow the samples so far until
        there are 300, and stay from then on.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples of the chunk.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. Zero leaves a sample out.

        Returns
        -------
        self : TwoLayerRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; also if y has another number of targets than before, or if `loss` or
            `quantile` has changed.
        AttributeError
            If the solver is "lbfgs" or `early_stopping` is set.

        Examples
        --------
        >>> from sklearn.datasets import make_friedman1
        >>> from sklearn.preprocessing import scale
        >>> from sk_twolayer import TwoLayerRegressor
        >>> X, y = make_friedman1(1000, random_state=0)
        >>> X, model = scale(X), TwoLayerRegressor(random_state=0)
        >>> for _ in range(30):
        ...     model = model.partial_fit(X, y)
        ...
        >>> model.score(X, y) > 0.9
        True
        """
        self._validate_params()
        return self._train((X, y, sample_weight), self._resolve, one_pass=True)

    @property
    def _resolve(self):
        return partial(RegressionTargets.resolve, loss=chosen_loss(self))

    def predict(self, X):
        """Predict the target or targets of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. Computed in chunks, so that memory stays bounded.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of the y that the network was fitted on: its scores times `y_scale_`, plus
            `y_mean_`, in the dtype of the network. With ``loss="poisson"``, the exponentials of the
            scores times `y_scale_`, which are above zero.
        """
        scores = predict_scores(self, X)
        return RegressionTargets.of(self).decode(scores)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags
