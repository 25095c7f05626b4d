"""The base of the estimators: from `fit` to the training loop, and back to fitted attributes.

A call validates its samples (``data``), decides everything (``planning``), trains a state of its
own (``training``), and publishes the fitted attributes in one assignment at the end. After an
error, or Ctrl-C, the estimator is as it was before the call.
"""

import warnings
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer.data import computing_dtype, validate_samples, validate_validation_samples
from sk_twolayer.estimators.persistence import add_versions, check_versions
from sk_twolayer.estimators.prediction import hidden_activations
from sk_twolayer.network import unpack
from sk_twolayer.planning import kept_weights, make_checkpoint, make_plan
from sk_twolayer.sklearn_private import fit_context
from sk_twolayer.sparse import STREAM_LOCK, CurrentWeights, exchanged
from sk_twolayer.training import (
    FitTaskMixin,
    Interrupts,
    PrintedLines,
    TrainingState,
    all_units_dead,
    resolve_scorer,
    score_function,
    train,
)


class BaseTwoLayerNetwork(
    FitTaskMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """The part of the estimators that trains; it has no hyper-parameters.

    An estimator has a `_targets` class, which encodes y and decodes scores.
    """

    coefs_ = CurrentWeights()

    # The picture of an estimator in a notebook links to the documentation.
    _doc_link_module = "sk_twolayer"
    _doc_link_template = (
        "https://sk-twolayer.github.io/sk_twolayer/generated/sk_twolayer.{estimator_name}.html"
    )

    def _set_hyperparameters(self, arguments):
        """Store the arguments of a constructor under their names, as scikit-learn expects it."""
        vars(self).update((name, value) for name, value in arguments.items() if name != "self")

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples, finite numbers. Neither copied whole nor written to.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            For a classifier, labels of any kind that sorts, at least two different ones, or a label
            indicator of 0 and 1. For a regressor, continuous targets in any unit; they are
            standardised inside, and a warm start keeps the mean and scale of the first `fit`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. Zero leaves a sample out.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Samples to monitor the score on, instead of samples held out from X. In a
            :class:`~sklearn.pipeline.Pipeline` they are preprocessed like X with
            ``Pipeline(..., transform_input=["X_val"])``.

        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their y.

        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is not as described, or if training diverges: the loss of an update is not
            finite.

        Examples
        --------
        Validation samples of your own, preprocessed by the pipeline:

        >>> from sklearn import config_context
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn.pipeline import Pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sk_twolayer import TwoLayerClassifier
        >>> X, X_val, y, y_val = train_test_split(*load_iris(return_X_y=True), random_state=0)
        >>> with config_context(enable_metadata_routing=True):
        ...     classifier = TwoLayerClassifier(random_state=0)
        ...     model = Pipeline(
        ...         [
        ...             ("scale", StandardScaler()),
        ...             ("classify", classifier.set_fit_request(X_val=True, y_val=True)),
        ...         ],
        ...         transform_input=["X_val"],
        ...     ).fit(X, y, X_val=X_val, y_val=y_val)
        ...
        >>> model["classify"].best_validation_score_ == model.score(X_val, y_val)
        True
        """
        samples, validation = (X, y, sample_weight), (X_val, y_val, sample_weight_val)
        return self._train(samples, self._resolve, validation)

    def transform(self, X):
        """Compute the activations of the hidden units.

        The network computes its scores from these features. They serve as input of another model,
        or for a picture of the samples. No unit is dropped.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. Computed in chunks, so that memory stays bounded but for the result.

        Returns
        -------
        a1 : ndarray of shape (n_samples, hidden_size)
            ``max(0, X W1 + b1)``, or the `activation` in place of max, in the dtype of `coefs_`:
            float32 if the network was fitted on float32. A data frame after
            ``set_output(transform="pandas")``, with the names of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError
            If X is not as described, or its activations overflow.
        NotFittedError
            If the network is not fitted.

        Examples
        --------
        A network of 30 hidden units in the middle of a pipeline:

        >>> from sklearn.datasets import load_digits
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sk_twolayer import TwoLayerClassifier
        >>> X_train, X_test, y_train, y_test = train_test_split(
        ...     *load_digits(return_X_y=True), random_state=0
        ... )
        >>> network = TwoLayerClassifier(30, random_state=0)
        >>> model = make_pipeline(StandardScaler(), network, KNeighborsClassifier())
        >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
        True
        >>> model[:-1].transform(X_test).shape
        (450, 30)
        >>> network.get_feature_names_out()[:2]
        array(['twolayerclassifier0', 'twolayerclassifier1'], dtype=object)
        """
        return hidden_activations(self, X)

    @property
    def _n_features_out(self):
        return len(self.intercepts_[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        with STREAM_LOCK:  # another thread may train the estimator
            fitted = dict(super().__getstate__())
            state = fitted.get("_training_state")
            if state is not None and state.parameters is not None:
                state.parameters.flags.writeable = False  # the copy shares them
        if state is not None:
            fitted["_training_state"] = state.as_dict()
        elif "_training_state" in fitted:  # no training will continue from it
            fitted["batch_loss_curve_"] = None
        return add_versions(fitted)

    def __setstate__(self, fitted):
        fitted = check_versions(fitted, type(self).__name__)
        state = fitted.get("_training_state")
        if state is not None:
            state = TrainingState.from_dict(state)
            fitted["_training_state"] = state
            if state.under_way and "coefs_" not in fitted:
                fitted |= kept_weights(state)
        super().__setstate__(fitted)

    def _draft(self):
        """Return a shallow twin that validation may write to."""
        draft = object.__new__(type(self))
        vars(draft).update(vars(self))
        return draft

    @property
    def _resolve(self):
        """The function that finds the targets of y in `fit`."""
        return self._targets.resolve

    def _train(self, samples, resolve, validation=(None, None, None), *, one_pass=False):
        """Validate samples, train on them, and publish everything or nothing.

        Parameters
        ----------
        samples, validation : tuple of X, y and sample_weight
            To train on and to validate with, as the user gave them.
        resolve : callable
            Returns the targets, from the targets of the network to continue from or None, y and
            sample_weight.
        one_pass : bool, default=False
            True in `partial_fit`.

        Returns
        -------
        self : estimator
        """
        draft, known, dtype, fitted = self._draft(), None, None, None
        if hasattr(draft, "out_activation_") and (one_pass or self.warm_start):
            # A snapshot: another thread may read `coefs_`, which is then an ordinary attribute.
            fitted, known = dict(vars(draft)), self._targets.of(draft)
            dtype = draft.intercepts_[0].dtype
        check_y = self._targets.check_form
        samples = validate_samples(draft, *samples, check_y, reset=not fitted, dtype=dtype)
        targets = resolve(known, *samples[1:])
        dtype = dtype or computing_dtype(samples[0])
        if any(given is not None for given in validation):
            validation = validate_validation_samples(draft, *validation, targets, dtype=dtype)
        else:
            validation = None
        scorer = None if self.scoring is None else resolve_scorer(self)
        with Interrupts(passes_on=one_pass) as interrupts:
            plan = make_plan(draft, fitted, samples, targets, validation, one_pass)
            observers, end_fit_task = [], None
            if self.verbose:
                observers.append(PrintedLines(targets.score_name, self.scoring))
            # Callbacks set here or on a meta-estimator; the attributes have no public names.
            if not one_pass and {"_skl_callbacks", "_parent_callback_ctx"} & vars(self).keys():
                end_fit_task = self._begin_fit_task(samples, plan, observers)
            score = None
            if self.scoring is not None and plan.validation is None and not one_pass:
                warnings.warn(
                    f"scoring={self.scoring!r} scores validation samples, and there are none. Set "
                    f"early_stopping=True, or pass X_val and y_val to fit.",
                    stacklevel=4,
                )
            elif self.scoring is not None:
                y_val, view = (validation or samples)[1], partial(draft._view, plan)
                score = score_function(self.scoring, scorer, view, plan.validation, y_val)
            stopped = train(plan, score=score, observers=observers, interrupts=interrupts)
            attributes = self._attributes(plan)
            if one_pass:
                earlier = fitted and fitted["_training_state"]
                with exchanged(earlier, plan.features, plan.state) as state:
                    attributes["_training_state"] = state.without_published(attributes)
                    self._publish(plan, attributes, interrupts)
                return self
            if self.warm_start:
                attributes["_training_state"] = plan.state.without_published(attributes)
            if end_fit_task:
                end_fit_task(reconstruction_attributes=lambda: attributes)
            self._warn(stopped, interrupts, plan)
            self._publish(plan, attributes)
        return self

    def _view(self, plan, parameters):
        """Return a twin as it would be if training stopped now, which shares these parameters."""
        view = self._draft()
        vars(view).update(self._attributes_now(plan, parameters, copy=False))
        vars(view).pop("feature_names_in_", None)  # validated samples have no names
        return view

    def _attributes_now(self, plan, parameters, copy=True):
        """Return the attributes as if training stopped now, with lists and small arrays copied."""
        attributes = self._attributes(plan, parameters, copy)
        if self.warm_start and copy:
            attributes["_training_state"] = plan.state.copy().without_published(attributes)
        for name, value in attributes.items():
            if isinstance(value, list) and name != "coefs_":
                attributes[name] = list(value)
            elif isinstance(value, np.ndarray):
                attributes[name] = value.copy()
        return attributes

    def _attributes(self, plan, parameters=None, copy=False):
        """Return all fitted attributes, but for the training state."""
        state, history, validated = plan.state, plan.state.history, plan.validation is not None
        rate = state.initial_rate
        if parameters is None:
            parameters = state.parameters
        own = parameters.astype(plan.dtype, copy=copy)
        if own.dtype != parameters.dtype and not np.isfinite(own).all():
            raise ValueError(
                f"The parameters are finite in {parameters.dtype}, but not in {plan.dtype}, which "
                f"X has. Scale X, for example with StandardScaler, or pass it as float64."
            )
        W1, W2, b1, b2 = unpack(own, *state.shape)
        attributes = plan.attributes | plan.targets.attributes()
        attributes |= {
            "coefs_": [W1, W2],
            "intercepts_": [b1, b2],
            "out_activation_": plan.targets.output,
            "learning_rate_": rate,
            "learning_rate_W1_": rate and rate * state.first_layer,
            "n_iter_": state.n_epochs,
            "n_updates_": state.n_updates,
            "batch_loss_curve_": history.batch_losses,
            "loss_curve_": history.losses,
            "loss_": history.losses[-1],
            "train_scores_": history.train_scores,
            "best_loss_": None if validated else min(history.losses),
            "validation_loss_curve_": history.validation_losses or None,
            "validation_scores_": history.validation_scores or None,
            "best_validation_score_": state.best if validated else None,
            "_training_state": None,
        }
        if plan.keeps_pending:  # W1 is made when it is read
            del attributes["coefs_"]
            attributes["intercepts_"] = [b.copy() for b in attributes["intercepts_"]]
        return attributes

    def _checkpoint(self, plan):
        """Return an estimator from which this fit can be resumed."""
        return make_checkpoint(self, plan, self._attributes(plan))

    def _publish(self, plan, attributes, interrupts=None):
        """Publish the fitted attributes in one assignment; undo it if Ctrl-C came meanwhile."""
        fitted = dict(vars(self))
        for name in ("coefs_", "n_features_in_", "feature_names_in_"):  # may be absent now
            fitted.pop(name, None)
        before, self.__dict__ = vars(self), fitted | attributes
        if interrupts and interrupts.n_noted:
            self.__dict__ = before
            raise KeyboardInterrupt
        if isinstance(self.random_state, np.random.RandomState):
            self.random_state.set_state(plan.state.generator)

    def _warn(self, stopped, interrupts, plan):
        """Warn if the training was interrupted, has not converged, or left no unit alive."""
        state = plan.state
        if all_units_dead(plan):
            rate = "" if state.rate is None else f" (it was {state.initial_rate:g})"
            warnings.warn(
                f"All {self.hidden_size} hidden units are dead: max(0, z1) is 0 for the training "
                f"samples, so that the network predicts the same for each, and no gradient will "
                f"change that. Try a smaller learning_rate{rate}, inputs of mean 0, for example "
                f"with StandardScaler, a larger hidden_size, or activation='tanh'.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if interrupts.asked_to_stop():
            warnings.warn(
                f"Training interrupted by user: the estimator is fitted as it was after "
                f"{state.n_updates} updates, in epoch {state.n_epochs}.",
                stacklevel=5,
            )
        elif not stopped and (self.solver == "lbfgs" or self.learning_rate_schedule != "cosine"):
            rate = "" if self.solver == "lbfgs" else ", or a larger learning_rate"
            warnings.warn(
                f"max_iter={state.n_epochs} epochs have been trained, and the training has not "
                f"converged yet. Try a larger max_iter{rate}.",
                ConvergenceWarning,
                stacklevel=5,
            )
