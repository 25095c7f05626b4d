"""What happens between `fit` and the training loop.

Validate what the user gave, before any work starts; turn labels into targets and all
weights into one array; make the network and its optimizer, or take up those of the last
call; train; publish what came out as fitted attributes.
"""

import warnings
from dataclasses import replace
from functools import partial
from math import ceil
from multiprocessing import current_process
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from sk_twolayer.automatic import (
    auto_batch_size,
    auto_init,
    auto_learning_rate,
    computing_dtype,
)
from sk_twolayer.callbacks import CallbackTasks, PrintedLines
from sk_twolayer.lazy import LazyNetwork
from sk_twolayer.lbfgs import train_lbfgs
from sk_twolayer.network import (
    TwoLayerNetwork,
    initialize,
    n_parameters,
    unpack,
)
from sk_twolayer.optimizers import SGD, Adam
from sk_twolayer.persistence import VersionedState
from sk_twolayer.targets import check_labels, count_classes, encode, weigh_rows
from sk_twolayer.training import Data, History, Progress, most_epochs, train


def in_main_process():
    """Return whether this process is that of the user, not one that works for it."""
    return current_process().name == "MainProcess"


class BaseTwoLayerNetwork(CallbackSupportMixin, VersionedState, BaseEstimator):
    """The part of the estimator that trains; it has no parameters of its own."""

    # After `partial_fit` on sparse rows, the network that knows which rows of W1 wait, and
    # its settings.
    _lazy_network = None

    @property
    def coefs_(self):
        """W1 and W2, of which the rows of W1 are up to date when they are looked at."""
        if "coefs_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'coefs_'")
        self._catch_up()
        return vars(self)["coefs_"]

    @coefs_.setter
    def coefs_(self, coefs):
        vars(self)["coefs_"] = coefs

    def __getstate__(self):
        self._catch_up()
        state = dict(super().__getstate__())
        state.pop("_lazy_network", None)
        if state.get("_training_state", {}) is None:  # it will never be gone on with
            state["batch_loss_curve_"] = None
        return state

    def _validate(self, X, y, sample_weight, reset):
        """Check X, y and sample_weight, and leave the dtype of X as it is."""
        X, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", multi_output=True)
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X has dtype {X.dtype}: the network computes with real numbers.")
        y = check_labels(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return X, y, sample_weight

    def _validate_validation_rows(self, X_val, y_val, sample_weight_val):
        """Check what `fit` was given to validate with; None if that was nothing."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val is provided, but X_val and y_val were not.")
            return None
        if y_val is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X_val is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        return self._validate(X_val, y_val, sample_weight_val, reset=False)

    def _train(self, X, y, sample_weight, classes, validation, *, continues, one_pass=False):
        """Train on validated input and publish the fitted attributes.

        Nothing is published before training has ended well, and what is trained is a copy
        of the parameters: after an error the estimator is what it was before. Only chunks of
        sparse rows are trained in place, and after an error they have been trained on in part.
        """
        state = self._check_state() if continues else {}
        rng = check_random_state(self.random_state)
        if state and isinstance(self.random_state, Integral):
            rng.set_state(state["random_numbers"])
        dtype = self.intercepts_[0].dtype if continues else computing_dtype(X)
        # A line search stumbles over the rounding of float32.
        training_dtype = np.dtype(np.float64) if self.solver == "lbfgs" else dtype

        data, class_counts = self._make_data(
            X, y, sample_weight, classes, training_dtype, state, one_pass
        )
        split_seed = state.get("split_seed")
        if validation is not None:
            X_val, y_val, sample_weight_val = validation
            validation = Data(X_val, encode(y_val, classes, training_dtype), sample_weight_val)
        elif self.early_stopping:
            split_seed = rng.randint(2**31) if split_seed is None else split_seed
            data, validation = self._hold_out(data, y, split_seed)

        output, n_outputs = "softmax", len(classes)
        if data.y.ndim == 2:
            output, n_outputs = "logistic", data.y.shape[1]
        shape = (X.shape[1], self.hidden_size, n_outputs)
        # Updates on sparse rows touch few rows of W1. Then a chunk is trained in place, as a
        # copy of all would take longer than the training.
        lazy = self.solver == "sgd" and issparse(X)
        in_place = lazy and one_pass
        if continues:
            parameters = self._gather_parameters(training_dtype, copy=not in_place)
        else:
            parameters = np.zeros(n_parameters(*shape), training_dtype)
            init = auto_init(self.activation) if self.init == "auto" else self.init
            initialize(*unpack(parameters, *shape), init, rng)
        batch_size = self.batch_size
        if batch_size == "auto" or self.solver == "lbfgs":
            batch_size = auto_batch_size(self.solver, data)
        if not self.replacement:
            batch_size = min(batch_size, len(data.rows))
        learning_rate, current_rate = self._resolve_learning_rate(data, state, batch_size)
        network, optimizer = self._make_network_and_optimizer(
            shape, output, parameters, batch_size, current_rate, state, lazy, in_place
        )

        def fitted_attributes(parameters, copy=True):
            """Make what an estimator needs to predict."""
            W1, W2, b1, b2 = unpack(parameters.astype(dtype, copy=copy), *shape)
            return {
                "classes_": classes,
                "coefs_": [W1, W2],
                "intercepts_": [b1, b2],
                "out_activation_": output,
            }

        # L-BFGS has a criterion of its own, and may creep along a valley for a while.
        own_criterion = self.solver == "lbfgs" and validation is None
        progress = Progress(
            network,
            self._history() if continues else History(),
            validation,
            tol=self.tol,
            n_iter_no_change=None if own_criterion else self.n_iter_no_change,
        )
        if self.verbose:
            progress.watchers.append(PrintedLines(optimizer))
        end_fit_task = None
        if not one_pass:
            end_fit_task = self._begin_fit_task(
                X, y, sample_weight, data, batch_size, progress, fitted_attributes
            )
        completed = self._run(network, optimizer, data, progress, rng, batch_size, one_pass)

        if not in_place:
            self._lazy_network = None
            if lazy:
                network.catch_up()
        self._publish(fitted_attributes(parameters, copy=False), learning_rate, progress)
        # What only a continued training needs is not kept after a plain fit.
        self._training_state = None
        if (one_pass or self.warm_start) and completed:
            self._training_state = {
                "solver": self.solver,
                "learning_rate": self.learning_rate,
                "optimizer": optimizer and optimizer.remember(),
                "random_numbers": rng.get_state(),
                "class_counts": class_counts,
                "split_seed": split_seed,
            }
        if end_fit_task is not None:
            end_fit_task(reconstruction_attributes={})
        return self

    def _make_data(self, X, y, sample_weight, classes, dtype, state, one_pass):
        """Return the rows to train on, and the weight of each class in them."""
        targets = encode(y, classes, dtype)
        class_counts = self._count_classes(y, classes, sample_weight, state, one_pass)
        weights = weigh_rows(y, classes, sample_weight, self.class_weight, class_counts)
        if weights is not None:
            weights = weights.astype(dtype, copy=False)
        return Data(X, targets, weights), class_counts

    def _run(self, network, optimizer, data, progress, rng, batch_size, one_pass):
        """Train, with the warnings that belong to it; return whether no Ctrl-C cut it off."""
        max_iter, max_updates, decay = self.max_iter, self.max_updates, self.learning_rate_decay
        if one_pass:
            max_iter, max_updates, decay = 1, None, 1.0
        completed = True
        try:
            if self.solver == "lbfgs":
                max_iter = min(max_iter, max_updates or max_iter)
                stopped = train_lbfgs(
                    network, data, progress, max_iter=max_iter, tol=self.tol, batch_size=batch_size
                )
            else:
                stopped = train(
                    network,
                    optimizer,
                    data,
                    progress,
                    rng,
                    batch_size=batch_size,
                    replacement=self.replacement,
                    dropout=self.dropout,
                    max_iter=max_iter,
                    max_updates=max_updates,
                    learning_rate_decay=decay,
                )
        except KeyboardInterrupt:
            if progress.n_epochs == 0 or not in_main_process():
                raise
            stopped, completed = True, False
            progress.break_off()
            warnings.warn(
                f"Training interrupted by user: the estimator is fitted as it was after epoch "
                f"{progress.n_epochs}.",
                stacklevel=4,
            )
        progress.finish()
        if not stopped and not one_pass:
            warnings.warn(
                f"max_iter={self.max_iter} epochs have been trained, and the training has not "
                f"converged yet. Try a larger max_iter, or a larger learning_rate.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return completed

    def _begin_fit_task(self, X, y, sample_weight, data, batch_size, progress, fitted_attributes):
        """Tell scikit-learn's callbacks that a fit begins; return what tells them its end."""
        n_rows, one_each = len(data.rows), self.solver == "lbfgs"  # one update each epoch
        context = self._init_callback_context(
            max_subtasks=most_epochs(
                n_rows,
                n_rows if one_each else batch_size,
                self.replacement,
                self.max_iter,
                self.max_updates,
            )
        )
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**arguments)
        if hasattr(self, "_skl_callbacks"):
            progress.watchers.append(CallbackTasks(context, fitted_attributes, **arguments))
        return partial(context.call_on_fit_task_end, **arguments)

    def _count_classes(self, y, classes, sample_weight, state, one_pass):
        """Return the weight of each class: of all chunks so far, if y is a chunk."""
        if y.ndim == 2:
            return None
        counts = count_classes(y, classes, sample_weight)
        if one_pass:
            return counts + state.get("class_counts", 0)
        if np.count_nonzero(counts) < 2:
            raise ValueError(
                f"y has only 1 class of a weight above zero, {classes[counts > 0][0]}: there is "
                f"nothing to tell apart. Give the classifier rows of at least 2."
            )
        return counts

    def _check_state(self):
        """Return what the last call left to go on from; refuse if the network changed."""
        if self.hidden_size != len(self.intercepts_[0]):
            raise ValueError(
                f"hidden_size={self.hidden_size}, but the network to go on with has "
                f"{len(self.intercepts_[0])} hidden units. Set it back, or fit anew with "
                f"warm_start=False."
            )
        return self._training_state or {}

    def _hold_out(self, data, y, seed):
        """Split the rows, stratified by class, into those to train on and to validate with."""
        stratify = y[data.rows] if y.ndim == 1 else None
        test_size = ceil(self.validation_fraction * len(data.rows))
        if stratify is not None:  # a row of each class at least
            test_size = max(test_size, len(np.unique(stratify)))
        rows, rows_val = train_test_split(
            data.rows, test_size=test_size, stratify=stratify, random_state=seed
        )
        if len(rows_val) < 2:
            raise ValueError(
                f"The validation set is too small: it has {len(rows_val)} row. Increase "
                f"'validation_fraction' ({self.validation_fraction}) or the size of your dataset."
            )
        return replace(data, rows=rows), replace(data, rows=rows_val)

    def _resolve_learning_rate(self, data, state, batch_size):
        """Return the initial step size, and the one to go on with."""
        if self.solver == "lbfgs":
            return None, None
        same = state.get("solver") == self.solver and state["learning_rate"] == self.learning_rate
        if same:  # one that has decayed goes on, unless the user has chosen another one
            return self.learning_rate_, state["optimizer"]["learning_rate"]
        rate = self.learning_rate
        if rate == "auto":
            rate = auto_learning_rate(self.solver, data, batch_size)
        return rate, rate

    def _make_network_and_optimizer(
        self, shape, output, parameters, batch_size, learning_rate, state, lazy, in_place
    ):
        """Make them around the parameters, with what the solver remembers of the last call."""
        settings = {
            "batch_size": batch_size,
            "alpha": self.alpha,
            "activation": self.activation,
            "output": output,
        }
        memory = state["optimizer"] if state.get("solver") == self.solver else None
        if lazy:
            settings |= {"momentum": self.momentum, "nesterov": self.nesterov}
            if in_place and self._lazy_network is not None:
                last, last_settings = self._lazy_network
                room = last_settings["batch_size"]
                if batch_size <= room and settings | {"batch_size": room} == last_settings:
                    last.learning_rate = learning_rate
                    return last, last
            self._catch_up()
            velocity = memory["velocity"] if memory else np.zeros_like(parameters)
            if memory and not (in_place and velocity.flags.writeable):
                velocity = velocity.copy()
            network = LazyNetwork(
                *shape,
                parameters=parameters,
                velocity=velocity,
                learning_rate=learning_rate,
                **settings,
            )
            if in_place:
                self._lazy_network = network, settings
            return network, network

        network = TwoLayerNetwork(*shape, parameters=parameters, **settings)
        optimizer = None
        if self.solver == "sgd":
            optimizer = SGD(parameters, learning_rate, self.momentum, self.nesterov)
        elif self.solver == "adam":
            optimizer = Adam(parameters, learning_rate, self.beta_1, self.beta_2, self.epsilon)
        if memory and optimizer:
            optimizer.recall(memory)
        return network, optimizer

    def _gather_parameters(self, dtype, copy):
        """Return the flat vector of the fitted parameters, or a copy."""
        arrays = [*vars(self)["coefs_"], *vars(self)["intercepts_"]]
        vector = arrays[0].base
        in_one = vector is not None and all(array.base is vector for array in arrays)
        if in_one and not copy and vector.ndim == 1 and vector.flags.writeable:
            return vector
        self._catch_up()
        return np.concatenate([array.ravel() for array in arrays], dtype=dtype)

    def _catch_up(self):
        """Bring the rows of W1 up to date that have waited since the last chunk."""
        if self._lazy_network is not None:
            network, _ = self._lazy_network
            network.catch_up()

    def _history(self):
        return History(
            list(self.batch_loss_curve_ or []),
            list(self.loss_curve_),
            list(self.train_scores_),
            list(self.validation_loss_curve_ or []),
            list(self.validation_scores_ or []),
            self.n_updates_ - len(self.batch_loss_curve_ or []),
        )

    def _publish(self, fitted_attributes, learning_rate, progress):
        """Set what `fit` and `partial_fit` leave to the user."""
        for name, value in fitted_attributes.items():
            setattr(self, name, value)
        history = progress.history
        self.learning_rate_ = learning_rate
        self.n_iter_ = progress.n_epochs
        self.batch_loss_curve_ = history.batch_losses
        self.n_updates_ = history.n_updates
        self.loss_curve_ = history.losses
        self.loss_ = history.losses[-1]
        self.train_scores_ = history.train_scores
        self.best_loss_ = None if progress.validation is not None else min(history.losses)
        self.validation_loss_curve_ = history.validation_losses or None
        self.validation_scores_ = history.validation_scores or None
        self.best_validation_score_ = max(history.validation_scores, default=None)
