"""`TwoLayerRegressor`: the network as a scikit-learn estimator that predicts numbers.

All that is said in ``classifier`` holds for it; what differs is the loss, and what y may be.
"""

from functools import partial

# What checks the hyper-parameters of scikit-learn's own estimators, and lets callbacks go when
# `fit` ends, has no public name.
from sklearn.base import RegressorMixin, _fit_context

from sk_twolayer.availability import AvailableUnlessRefused, refuse_partial_fit
from sk_twolayer.base import BaseTwoLayerNetwork
from sk_twolayer.forward import ForwardMixin
from sk_twolayer.hyperparameters import HyperParameters
from sk_twolayer.numeric_targets import NumericTargets, check_numbers
from sk_twolayer.persistence import VersionedState
from sk_twolayer.predictions import NumberPredictionsMixin


class TwoLayerRegressor(
    NumberPredictionsMixin,
    ForwardMixin,
    RegressorMixin,
    VersionedState,
    HyperParameters,
    BaseTwoLayerNetwork,
):
    """Fully-connected network with one hidden layer, for one or several numbers.

    The network computes ``scores = max(0, X W1 + b1) W2 + b2``, an output for each target, and
    minimises half their squared error, summed over the targets, with weight decay. It is trained
    on standardised targets: y is brought to mean 0 and variance 1 inside, and predictions are
    brought back, so that y may have any unit. Nothing is done to X: the initial weights and the
    learning rate follow the scale of its columns, which need not be standardised, though it often
    helps.

    Parameters
    ----------
    hidden_size : int, default=200
        Number of hidden units.

    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Hidden activation: max(0, z), tanh(z), 1 / (1 + exp(-z)), or z itself.

    solver : {"adamw", "adam", "sgd", "lbfgs"}, default="adamw"
        Adam with decoupled weight decay (Loshchilov and Hutter 2019); Adam with the L2
        penalty in its gradient; mini-batch gradient descent with momentum; or L-BFGS on all
        rows at once, which suits small data, and for which an epoch is an iteration. For
        sparse rows of many features an update of "adamw" and "sgd" costs what the non-zeros
        cost, while each of the others' passes over all parameters several times.

    alpha : float or "auto", default="auto"
        Strength of the penalty on the weights; the biases are not penalised. For "adamw" it
        is the decoupled weight decay: an update at rate r multiplies each weight by
        ``1 - r alpha``, and "auto" is 400 over the number of rows, but at most 1.5; less, in
        proportion, where rows are more than ``7 n_features_in_**2``; and 0 in `partial_fit`. For
        the others the loss has a term ``alpha / 2 (||W1||^2 + ||W2||^2)``, and "auto" is 1e-3.
        That is the `reg` of CS231n, *not* divided by the number of rows, as
        :class:`~sklearn.neural_network.MLPRegressor` divides its `alpha`. The value in use
        is `alpha_`.

    batch_size : int or "auto", default="auto"
        Rows in a mini-batch. A number above the number of rows is clipped to it, unless
        batches are drawn with replacement. "auto" is a twentieth of the rows, from 64 to 100, for
        "adamw", and a tenth, from 32 to 200, for the others. Where features are rare (see Notes)
        "adamw" takes a tenth as well, from 64 to 200, or a fiftieth if the rows are sparse; so
        does "sgd", from 32, if a feature of sparse rows occurs less than once in such a batch on
        average. In `partial_fit` it is a fiftieth for "adamw", from 32 to 200. The value in use
        is `batch_size_`. Not used by "lbfgs".

    learning_rate : float or "auto", default="auto"
        Step size, before the schedule. "auto" follows from up to 1,000 of the rows, so that
        columns of any scale are trained on steadily:

        - "adamw": 0.06, but for W1 at most 1 over the mean L1 norm of the rows, as a step of
          Adam moves the input of a hidden unit by about the rate times that norm, and at
          most 0.006 if features are rare (see Notes);
        - "adam": 0.02, but at most 1 over that norm;
        - "sgd": 1 over the sum of `hidden_size` and twice the mean squared norm of the rows times
          the number of targets, which bounds the curvature of the loss, but at most 0.1.

        In `partial_fit`, where the rate is constant, 0.06, 0.02 and the bounds by the L1 norm
        are divided by three. The values in use are `learning_rate_` and `learning_rate_W1_`.
        Not used by "lbfgs".

    learning_rate_schedule : {"cosine", "constant", "exponential"}, default="cosine"
        "cosine" lets the rate fall to zero along half a period of the cosine, over the
        updates that `max_iter` and `max_updates` allow; a fit that was interrupted goes on
        with its plan when `warm_start` resumes it. "exponential" multiplies the rate by
        `learning_rate_decay` after each epoch. `partial_fit`, which knows no end, keeps the
        rate constant.

    warmup_fraction : float, default=0.1
        Share of the planned updates in which the rate first rises to its value linearly.

    learning_rate_decay : float, default=0.95
        Factor of the rate after each epoch, with the schedule "exponential".

    momentum : float, default=0.9
        Momentum of "sgd": the factor of the velocity at each update; 0 is plain gradient
        descent.

    nesterov : bool, default=True
        Use Nesterov's momentum rather than the heavy ball's. Only for "sgd".

    beta_1 : float, default=0.9
        How much "adamw" and "adam" keep of their running mean of the gradient. For "adamw"
        it must be below the square root of `beta_2`.

    beta_2 : float, default=0.98
        How much they keep of their running mean of its square.

    epsilon : float, default=1e-8
        Keeps the division of "adam" from zero, added to the denominator; that of "adamw",
        whose running mean of squares starts from its square.

    dropout : float or "auto", default="auto"
        Probability that a hidden unit is dropped in a row's training pass; the others are
        scaled by ``1 / (1 - dropout)`` ("inverted dropout"). "auto" is 0, as predictions are sums
        over all units. Not for "lbfgs", whose line search needs the same loss at the same
        weights. The value in use is `dropout_`.

    init : {"auto", "he", "glorot"} or float, default="auto"
        Standard deviation of the Gaussian initial weights: sqrt(2 / n_in) for "he";
        sqrt(2 / (n_in + n_out)) for "glorot"; or the number itself (the exercise's `std`).
        "auto" is "he" with the activation "relu" and "glorot" with the others, and divides
        each row of W1 by the root mean square of its column's non-zero entries (of up to
        1,000 rows), so that all columns matter alike at first. The biases start at zero.

    replacement : bool, default=False
        Draw every batch with replacement, as the exercise does, instead of shuffling the
        rows once an epoch. An epoch is then max(n_samples // batch_size, 1) updates.

    max_iter : int or "auto", default="auto"
        Most epochs of one call to `fit`. "auto" is 20, or as many as make 300 updates; 6,
        or as many as make 140, for "adamw" if features are rare (see Notes); 200 for "lbfgs".
        The value in use is `max_iter_`.

    max_updates : int, default=None
        Most updates (mini-batches) of one call to `fit`, even inside an epoch.

    tol : float, default=1e-4
        An epoch is an improvement if its mean loss is at least `tol` below the best so far;
        with validation rows, if its validation score is as much above the best. "lbfgs"
        stops when no entry of the gradient is larger and the loss has fallen by less than a
        hundredth in ten iterations.

    n_iter_no_change : int, "auto" or None, default="auto"
        `fit` stops after this many consecutive epochs without improvement, those of the warm-up
        not counted. None never stops. "auto" is None for the schedule "cosine", whose plan is
        best carried out, as its last epochs gain most, and 10 for the others. With "lbfgs" only
        where there are validation rows, where "auto" is 10.

    early_stopping : bool, default=False
        Hold rows out and monitor the validation score rather than the training loss, and
        keep the weights of the best epoch, the last one of equals. Passing `X_val` to `fit`
        does the same with rows of one's own.

    scoring : str, callable or None, default=None
        What validation rows are scored by after each epoch, the bigger the better. None is the
        R2, which the network computes with the loss; "loss" is minus that loss, penalty
        included; a name of :func:`~sklearn.metrics.get_scorer_names` or a callable
        ``scorer(estimator, X, y)`` is asked, shown an estimator as it would be if the fit stopped,
        which it must not keep, and the weights of the rows, if it takes them. Rows that
        `early_stopping` holds out are copied for it.

    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out.

    warm_start : bool, default=False
        Resume from the end of the last `fit`: parameters, moments, schedule, random numbers
        and history. Validation rows may be others than before: the weights that training
        starts from are scored on them first.

    random_state : int, RandomState instance, default=None
        Draws the initial weights, the batches, the dropped units and the rows held out.
        Pass an int for results that can be reproduced.

    verbose : bool, default=False
        Print a line after each epoch.

    Attributes
    ----------
    y_mean_ : ndarray of shape (n_targets,)
        Mean of each target, by weight, in the rows that the parameters were drawn for: those of
        `fit`, or of the first `partial_fit`.

    y_scale_ : ndarray of shape (n_targets,)
        Standard deviation of each target in them; the absolute value of one that is constant, or
        1 if that is zero.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

    coefs_ : list of ndarray
        W1 of shape ``(n_features_in_, hidden_size)`` and W2 of shape ``(hidden_size, n_targets)``.

    intercepts_ : list of ndarray
        b1 of shape ``(hidden_size,)`` and b2 of shape ``(n_targets,)``. The parameters are
        those of the scores, which are predictions in units of `y_scale_` from `y_mean_`.

    n_iter_ : int
        Epochs that the last call trained.

    n_updates_ : int
        Updates made since the parameters were drawn.

    learning_rate_ : float or None
        The step size in use, before the schedule, of W2 and the biases; None for "lbfgs".

    learning_rate_W1_ : float or None
        That of W1.

    alpha_ : float
        The value in use.

    dropout_ : float
        The value in use.

    batch_size_ : int
        The value in use.

    max_iter_ : int
        The value in use.

    loss_ : float
        Mean loss of the last epoch. It has the units of standardised targets: 0.5 a target is
        that of predicting the mean.

    best_loss_ : float or None
        The lowest mean loss of an epoch; None if a validation score was monitored.

    loss_curve_ : list of float
        Mean loss of each epoch.

    batch_loss_curve_ : list of float or None
        Loss of each batch (with the penalty) before its update; with "lbfgs", of all rows
        after each iteration. None in a copy that was pickled, to keep pickles small, unless
        training can be resumed from it (after `partial_fit` or with `warm_start`).

    train_scores_ : list of float
        Mean R2 of each epoch's batches, measured as they were trained on, every row counting by
        its weight: 1 less the mean squared error in units of `y_scale_`.

    validation_scores_ : list of float or None
        Scores on the validation rows after each epoch, if there were any: what `scoring` says,
        R2 by default.

    validation_loss_curve_ : list of float or None
        Loss on them, with the penalty, so that it compares with `loss_curve_`.

    best_validation_score_ : float or None
        That of the weights kept: the highest of this call's `validation_scores_`, or of the
        weights that a warm start began with.

    out_activation_ : "identity"
        The scores are the predictions, but for `y_mean_` and `y_scale_`.

    See Also
    --------
    TwoLayerClassifier : The same network for classes.
    sklearn.neural_network.MLPRegressor : Any number of hidden layers.

    Notes
    -----
    With y standardised as ``t``, the loss of N rows is
    ``1/2N sum_ij (scores[i, j] - t[i, j])^2``. Its gradient is that of
    :class:`~sklearn.neural_network.MLPRegressor`, which divides the loss that it reports by the
    number of targets, but not its gradient, and does not standardise y.

    The computing dtype is float32 for X of float32 or of integers of at most 16 bits,
    which float32 holds exactly, and otherwise float64; predictions have it, too. X is never copied
    whole: batches are cast as they are gathered.

    "auto" takes features for rare, as words are in texts, if fewer than a tenth of the entries
    of (up to 1,000 of) the rows are not zero, however they are stored. benchmarks/README.md has
    the measurements by which the numbers behind "auto" were chosen.

    With scikit-learn 1.9 and newer the estimator supports callbacks, by `set_callbacks`: those of
    scikit-learn, and those in ``sk_twolayer.callbacks``. Before, scikit-learn has none, and there
    is no such method.

    References
    ----------
    Hastie, Tibshirani, Friedman. "The elements of statistical learning", section 11.3. 2nd ed.,
    Springer 2009.

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
    """

    _check_y = staticmethod(check_numbers)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows, finite numbers. Neither copied whole nor written to.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The numbers to predict, in any unit; they are standardised inside. With `warm_start`
            they go on in the units of the first `fit`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Zero leaves a row out.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to monitor the score on, instead of holding rows of X out. In a
            :class:`~sklearn.pipeline.Pipeline` they are preprocessed as X is with
            ``Pipeline(..., transform_input=["X_val"])``.

        y_val : array-like of shape (n_val,) or (n_val, n_targets), default=None
            Their numbers.

        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : TwoLayerRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is not what it must be, or training diverges: the loss of an
            update is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_twolayer import TwoLayerRegressor
        >>> x = np.linspace(-3, 3, 500)[:, np.newaxis]
        >>> Y = np.hstack([np.sin(x), 1000 * np.cos(x)])
        >>> model = TwoLayerRegressor(random_state=0)
        >>> model = model.fit(x[::2], Y[::2], X_val=x[1::2], y_val=Y[1::2])
        >>> model.predict(x[:5]).shape, model.best_validation_score_ > 0.95
        ((5, 2), True)
        """
        rows, rows_val = (X, y, sample_weight), (X_val, y_val, sample_weight_val)
        return self._train_on(rows, NumericTargets.resolve, rows_val)

    @partial(AvailableUnlessRefused, check=refuse_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over a chunk of rows, going on from the last call.

        The moments of the solver go on too, and the learning rate is constant. `max_iter`,
        `max_updates` and `tol` play no role. Not for "lbfgs". The first chunk says in which units
        y is trained on, for good: it should hold enough rows to tell the mean and the scale.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The chunk's rows.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Zero leaves a row out.

        Returns
        -------
        self : TwoLayerRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `fit`; also if y has another number of targets than before.
        NotAvailableError
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
        >>> model.score(X, y) > 0.9
        True
        """
        self._validate_params()
        return self._train_on((X, y, sample_weight), NumericTargets.resolve, one_pass=True)

    def _known_targets(self):
        """Return the units that the network predicts in."""
        return NumericTargets(self.y_mean_, self.y_scale_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
