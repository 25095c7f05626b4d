"""What is recorded of a training, and when it has come far enough.

After each epoch the loss and the score go into the history, the validation rows are scored,
the best parameters are kept, and whoever watches is told. The value that has to improve is the
validation score where there are validation rows, and the training loss where there are none.
"""

from math import inf, isfinite, sqrt

import numpy as np

from sk_twolayer.blocks import blocks, bytes_per_row, row_chunks


class Progress:
    """Record every epoch in the state, keep the best parameters, and tell when to stop.

    Parameters
    ----------
    state : TrainingState
        Whose history is appended to, and whose counters are started anew.
    network : TwoLayerNetwork
        The network in training, around the parameters of the state.
    plan : Plan
        Whose `tol` and `n_iter_no_change` tell when to stop.
    validation : Data, default=None
        Rows to validate with. Then `finish` puts the best parameters back.
    score : callable
        What they are scored by, as in ``scoring``.
    watchers : list, default=()
        Of objects as in ``watchers``, told of every epoch.
    interrupts : Interrupts
        Looked at in long validations.
    """

    def __init__(self, state, network, plan, validation, score, watchers, interrupts):
        self.state, self.network, self.plan = state, network, plan
        self.validation, self.score = validation, score
        self.watchers, self.interrupts = watchers, interrupts
        self.in_epoch = False
        if state.under_way:  # a checkpoint has counted and kept what goes on here
            state.under_way = False
            return
        state.n_epochs = state.epochs_without_progress = 0
        if validation is None:
            state.best = max((-loss for loss in state.history.losses), default=-inf)
        else:
            # What was kept before may have been scored on other rows.
            state.best = -inf
            if state.history.losses:
                _, state.best = self.evaluate()
            state.best_parameters = self.current_parameters().copy()

    def current_parameters(self):
        """Return all parameters, up to date."""
        self.network.catch_up()
        return self.state.parameters

    def kept_parameters(self):
        """Return the parameters to keep if training stopped now: the best, or the last."""
        return self.current_parameters() if self.validation is None else self.state.best_parameters

    def evaluate(self):
        """Compute the loss on the validation rows, and the score that has to improve."""
        loss, score = evaluate(self.network, self.validation, self.interrupts)
        return loss, self.score(self, loss, score)

    def start_epoch(self):
        """Tell the watchers, unless the epoch has started already."""
        if not self.in_epoch:
            self.in_epoch = True
            for watcher in self.watchers:
                watcher.epoch_starts(self)

    def end_epoch(self, loss, train_score):
        """Take note of an epoch that has ended; return whether to stop."""
        state, history = self.state, self.state.history
        state.n_epochs += 1
        self.in_epoch = False
        history.losses.append(loss)
        history.train_scores.append(train_score)
        value = -loss
        if self.validation is not None:
            validation_loss, value = self.evaluate()
            if not isfinite(validation_loss):
                raise self.divergence(
                    f"The validation loss became {validation_loss}", history.n_updates, state.rate
                )
            history.validation_losses.append(validation_loss)
            history.validation_scores.append(value)
            if value >= state.best:  # of equal ones the last, which has learned for longer
                state.best_parameters[:] = self.current_parameters()

        # What little the warm-up improves is no reason to give up.
        warming_up = 0 < state.position <= self.plan.schedule.n_warmup
        improved = warming_up or value >= state.best + self.plan.tol
        state.epochs_without_progress = 0 if improved else state.epochs_without_progress + 1
        state.best = max(state.best, value)
        asked_to_stop = [watcher.epoch_ended(self) for watcher in self.watchers]
        return any(asked_to_stop) or state.epochs_without_progress == self.plan.n_iter_no_change

    def finish(self):
        """Refuse numbers that are not finite, and keep the best parameters."""
        if self.in_epoch:  # an iteration of L-BFGS that came to nothing
            for watcher in self.watchers:
                watcher.abandon_epoch()
        if not self.plan.rows_may_wait:
            self.network.catch_up()
        self.check_finite()
        if self.validation is not None:
            self.state.parameters[:] = self.state.best_parameters
            self.state.best_parameters = None

    def check_finite(self):
        """Refuse moments that are not finite, which never recover, and useless parameters.

        Those are parameters whose products with one another, as in the scores, are not finite.
        """
        parameters, *moments = self.state.vectors
        limits = [sqrt(np.finfo(parameters.dtype).max)] + [inf] * len(moments)
        for vector, limit in zip(self.state.vectors, limits, strict=True):
            if not all(-limit < block.min() <= block.max() < limit for (block,) in blocks(vector)):
                history, rate = self.state.history, self.state.rate
                what = "parameters" if vector is parameters else "moments of the optimizer"
                raise self.divergence(f"The {what} became infinite", history.n_updates, rate)

    def divergence(self, what, update, learning_rate=None):
        """Make the error that says what went wrong at an update, and what to try."""
        rate = advice = ""
        if learning_rate is not None:
            rate = f", with learning_rate={learning_rate:g}"
            advice = f"a smaller learning_rate (say, {learning_rate / 10:g}), or "
        return ValueError(
            f"{what} at update {update}{rate}: training diverged and was stopped. Try {advice}"
            f"inputs of a smaller scale, for example with StandardScaler in a pipeline before "
            f"the network."
        )


def evaluate(network, data, interrupts):
    """Compute the loss, penalty included, and the score of the network: its accuracy, or R2."""
    rows, y = data.rows, data.y[data.rows]
    weights = np.ones(len(rows)) if data.sample_weight is None else data.sample_weight[rows]
    scores = np.empty((len(rows), len(network.b2)), network.dtype)
    for chunk in row_chunks(len(rows), bytes_per_row(data.X, network.hidden_size, "d")):
        interrupts.asked_to_stop()  # only a second Ctrl-C ends it here
        scores[chunk] = network.scores(data.X[rows[chunk]])
    score = network.output_score(scores, y, weights)
    losses, _ = network.output_loss(scores.T, y)  # which overwrites the scores
    return float(weights @ losses) / float(weights.sum()) + network.penalty(), score
