"""What happens between `fit` and the training loop.

A call decides all that there is to decide (``planning``), trains a state of its own
(``training``), makes fitted attributes of what came out, and publishes them in one assignment,
when nothing can go wrong any more. After an error, or Ctrl-C, the estimator is what it was.
"""

import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer.interrupts import Interrupts
from sk_twolayer.planning import plan_call
from sk_twolayer.resuming import kept_weights, make_checkpoint
from sk_twolayer.state import TrainingState
from sk_twolayer.streams import WeightsUpToDate, put_in_place
from sk_twolayer.training import train
from sk_twolayer.watchers import FitTaskMixin, PrintedLines


class BaseTwoLayerNetwork(FitTaskMixin, BaseEstimator):
    """The part of the estimator that trains; it has no parameters of its own."""

    coefs_ = WeightsUpToDate()

    def __getstate__(self):
        fitted = dict(super().__getstate__())
        state = fitted.get("_training_state")
        if state is not None:
            if state.parameters is not None:  # whoever gets them does not want them to change
                state.parameters.flags.writeable = False
            fitted["_training_state"] = state.as_dict()
        elif "_training_state" in fitted:  # it will never be gone on with
            fitted["batch_loss_curve_"] = None
        return fitted

    def __setstate__(self, fitted):
        state = fitted.get("_training_state")
        if state is not None:
            state = TrainingState.from_dict(state)
            fitted = fitted | {"_training_state": state}
            if state.under_way and "coefs_" not in fitted:
                fitted |= kept_weights(state)
        super().__setstate__(fitted)

    def _draft(self):
        """Return a shallow twin that validation may write to."""
        draft = object.__new__(type(self))
        vars(draft).update(vars(self))
        return draft

    def _train(self, draft, rows, classes, validation=None, *, continues, one_pass=False):
        """Train on validated rows, and publish all that came out, or nothing.

        Parameters
        ----------
        draft : TwoLayerClassifier
            A twin, which knows the columns of the rows.
        rows : tuple of X, y and sample_weight
            To train on.
        classes : ndarray of shape (n_classes,)
            The labels.
        validation : tuple of X, y and sample_weight, default=None
            To validate with.
        continues : bool
            Whether to go on from the fitted attributes.
        one_pass : bool, default=False
            Whether this is `partial_fit`.

        Returns
        -------
        self : TwoLayerClassifier
        """
        fitted = vars(self) if continues else None
        with Interrupts(passes_on=one_pass) as interrupts:
            call = plan_call(draft, fitted, *rows, classes, validation, one_pass)
            watchers = [PrintedLines()] if self.verbose else []
            if not one_pass:
                end_fit_task = self._begin_fit_task(rows, call, classes, watchers)
            stopped = train(
                call.state,
                call.data,
                call.plan,
                validation=call.validation,
                watchers=watchers,
                interrupts=interrupts,
            )
            if one_pass:
                attributes = self._attributes(call, classes)
                with put_in_place(fitted, call) as state:
                    attributes["_training_state"] = state.without_what_is_published(attributes)
                    self._publish(call, attributes, interrupts)
                return self
            attributes = self._attributes(call, classes)
            if self.warm_start:
                attributes["_training_state"] = call.state.without_what_is_published(attributes)
            end_fit_task(reconstruction_attributes=lambda: attributes)
            self._warn(stopped, interrupts, call.state)
            self._publish(call, attributes)
            return self

    def _prediction_attributes(self, call, classes, parameters, copy):
        """Return what an estimator needs to predict."""
        own = parameters.astype(call.dtype, copy=copy)
        if own.dtype != parameters.dtype and not np.isfinite(own).all():
            raise ValueError(
                f"The parameters are finite in {parameters.dtype}, but not in {call.dtype}, which "
                f"X has. Scale X, for example with StandardScaler, or pass it as float64."
            )
        W1, W2, b1, b2 = call.state.unpack(own)
        return call.columns | {
            "classes_": classes,
            "coefs_": [W1, W2],
            "intercepts_": [b1, b2],
            "out_activation_": call.plan.network_settings["output"],
        }

    def _attributes(self, call, classes):
        """Return all fitted attributes, but for what a continued training needs."""
        history, validated = call.state.history, call.validation is not None
        attributes = self._prediction_attributes(call, classes, call.state.parameters, copy=False)
        attributes |= {
            "alpha_": call.settings.alpha,
            "batch_size_": call.settings.batch_size,
            "dropout_": call.settings.dropout,
            "max_iter_": call.settings.max_iter,
            "learning_rate_": call.state.initial_rate,
            "learning_rate_W1_": call.settings.learning_rate_W1,
            "n_iter_": call.state.n_epochs,
            "n_updates_": history.n_updates,
            "batch_loss_curve_": history.batch_losses,
            "loss_curve_": history.losses,
            "loss_": history.losses[-1],
            "train_scores_": history.train_scores,
            "best_loss_": None if validated else min(history.losses),
            "validation_loss_curve_": history.validation_losses or None,
            "validation_scores_": history.validation_scores or None,
            "best_validation_score_": call.state.best if validated else None,
            "_training_state": None,
        }
        if call.plan.rows_may_wait:  # then W1 is not up to date, and is made so when it is read
            del attributes["coefs_"]
            attributes["intercepts_"] = [b.copy() for b in attributes["intercepts_"]]
        return attributes

    def _checkpoint(self, call, classes):
        """Return an estimator that goes on from where the training stands."""
        return make_checkpoint(self, call.state, self._attributes(call, classes))

    def _publish(self, call, attributes, interrupts=None):
        """Make these the fitted attributes, all at once; take it back if Ctrl-C came."""
        names = ("coefs_", "n_features_in_", "feature_names_in_")  # which there may be no more
        fitted = {name: value for name, value in vars(self).items() if name not in names}
        before, self.__dict__ = vars(self), fitted | attributes
        if interrupts and interrupts.n_noted:
            self.__dict__ = before
            raise KeyboardInterrupt
        if isinstance(self.random_state, np.random.RandomState):
            self.random_state.set_state(call.state.generator)

    def _warn(self, stopped, interrupts, state):
        """Say what ended the training, if that is no end to be content with."""
        if interrupts.asked_to_stop():
            warnings.warn(
                f"Training interrupted by user: the estimator is fitted as it was after "
                f"{state.history.n_updates} updates, in epoch {state.n_epochs}.",
                stacklevel=5,
            )
        elif not stopped and (self.solver == "lbfgs" or self.learning_rate_schedule != "cosine"):
            warnings.warn(
                f"max_iter={state.n_epochs} epochs have been trained, and the training has not "
                f"converged yet. Try a larger max_iter, or a larger learning_rate.",
                ConvergenceWarning,
                stacklevel=5,
            )
