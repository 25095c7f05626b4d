"""What happens between `fit` and the training loop.

A call checks what it is given (``validation``), decides all that there is to decide
(``planning``), trains a state of its own (``training``), makes fitted attributes of what came out,
and publishes them in one assignment, when nothing can go wrong any more. After an error, or
Ctrl-C, the estimator is what it was.
"""

import warnings
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer.automatic import computing_dtype
from sk_twolayer.availability import refuse_dropout
from sk_twolayer.interrupts import Interrupts
from sk_twolayer.losses import SCORE_NAMES
from sk_twolayer.planning import plan_call
from sk_twolayer.resuming import kept_weights, make_checkpoint
from sk_twolayer.scoring import make_score, resolve_scorer
from sk_twolayer.state import TrainingState
from sk_twolayer.streams import WeightsUpToDate, put_in_place
from sk_twolayer.training import train
from sk_twolayer.validation import validate_rows, validate_validation_rows
from sk_twolayer.watchers import FitTaskMixin, PrintedLines


class BaseTwoLayerNetwork(FitTaskMixin, BaseEstimator):
    """The part of the estimators that trains; it has no parameters of its own.

    An estimator says what y may be by `_check_y`, and what it was by `_known_targets`, which makes
    targets of fitted attributes.
    """

    coefs_ = WeightsUpToDate()

    # Where the picture of an estimator links to, which else explains no parameter either.
    _doc_link_module = "sk_twolayer"
    _doc_link_template = (
        "https://sk-twolayer.github.io/sk_twolayer/generated/sk_twolayer.{estimator_name}.html"
    )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

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

    def _train_on(self, rows, resolve, rows_val=(None, None, None), *, one_pass=False):
        """Validate rows, train on them, and publish all that came out, or nothing.

        Parameters
        ----------
        rows : tuple of X, y and sample_weight
            To train on, as the user gave them.
        resolve : callable
            Makes the targets, of those of the network to go on with or None, y and sample_weight.
        rows_val : tuple of X, y and sample_weight
            To validate with.
        one_pass : bool, default=False
            Whether this is `partial_fit`.

        Returns
        -------
        self : estimator
        """
        refuse_dropout(self)
        draft, known, dtype = self._draft(), None, None
        continues = hasattr(self, "out_activation_") and (one_pass or self.warm_start)
        if continues:
            known, dtype = self._known_targets(), self.intercepts_[0].dtype
        rows = validate_rows(draft, *rows, self._check_y, reset=not continues, dtype=dtype)
        targets = resolve(known, *rows[1:])
        dtype = dtype or computing_dtype(rows[0])
        validation = validate_validation_rows(draft, *rows_val, targets, dtype=dtype)
        return self._train(draft, rows, targets, validation, continues, one_pass)

    def _train(self, draft, rows, targets, validation, continues, one_pass):
        """Train on validated rows, with the draft that knows their columns."""
        scorer = resolve_scorer(self)
        fitted = vars(self) if continues else None
        with Interrupts(passes_on=one_pass) as interrupts:
            call = plan_call(draft, fitted, *rows, targets, validation, one_pass)
            watchers = []
            if self.verbose:
                watchers.append(PrintedLines(SCORE_NAMES[targets.output], self.scoring))
            y_val, view = (validation or rows)[1], partial(draft._view, call)
            score = make_score(self.scoring, scorer, view, call.validation, y_val)
            if not one_pass:
                end_fit_task = self._begin_fit_task(rows, call, watchers)
            stopped = train(
                call.state,
                call.data,
                call.plan,
                validation=call.validation,
                score=score,
                watchers=watchers,
                interrupts=interrupts,
            )
            if one_pass:
                attributes = self._attributes(call)
                with put_in_place(fitted, call) as state:
                    attributes["_training_state"] = state.without_what_is_published(attributes)
                    self._publish(call, attributes, interrupts)
                return self
            attributes = self._attributes(call)
            if self.warm_start:
                attributes["_training_state"] = call.state.without_what_is_published(attributes)
            end_fit_task(reconstruction_attributes=lambda: attributes)
            self._warn(stopped, interrupts, call.state)
            self._publish(call, attributes)
            return self

    def _prediction_attributes(self, call, parameters, copy):
        """Return what an estimator needs to predict."""
        own = parameters.astype(call.dtype, copy=copy)
        if own.dtype != parameters.dtype and not np.isfinite(own).all():
            raise ValueError(
                f"The parameters are finite in {parameters.dtype}, but not in {call.dtype}, which "
                f"X has. Scale X, for example with StandardScaler, or pass it as float64."
            )
        W1, W2, b1, b2 = call.state.unpack(own)
        return (
            call.columns
            | call.targets.attributes()
            | {
                "coefs_": [W1, W2],
                "intercepts_": [b1, b2],
                "out_activation_": call.targets.output,
            }
        )

    def _view(self, call, parameters):
        """Return a twin that predicts with these parameters, which it can only read."""
        parameters = parameters.view()
        parameters.flags.writeable = False
        view = self._draft()
        vars(view).update(self._prediction_attributes(call, parameters, copy=False))
        vars(view).pop("feature_names_in_", None)  # which validated rows do not have any more
        return view

    def _attributes(self, call):
        """Return all fitted attributes, but for what a continued training needs."""
        history, validated = call.state.history, call.validation is not None
        attributes = self._prediction_attributes(call, call.state.parameters, copy=False)
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

    def _checkpoint(self, call):
        """Return an estimator that goes on from where the training stands."""
        return make_checkpoint(self, call.state, self._attributes(call))

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
                stacklevel=6,
            )
        elif not stopped and (self.solver == "lbfgs" or self.learning_rate_schedule != "cosine"):
            warnings.warn(
                f"max_iter={state.n_epochs} epochs have been trained, and the training has not "
                f"converged yet. Try a larger max_iter, or a larger learning_rate.",
                ConvergenceWarning,
                stacklevel=6,
            )
