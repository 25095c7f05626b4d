"""Progress of a training: its record, its best parameters, and the decision to stop.

After each epoch the loss and the score are recorded, the validation samples are scored, the best
parameters are kept, and the observers are notified. The quantity that has to improve is the
validation score if there are validation samples, and the training loss otherwise.
"""

from math import inf, isfinite, sqrt

import numpy as np

from sk_twolayer.network import blocks, compute_hidden, sample_chunks, unpack


class Progress:
    """Record every epoch in the state, keep the best parameters, and decide when to stop.

    Parameters
    ----------
    plan : Plan
        Its state is recorded in. With validation samples, `finish` restores the best parameters.
    network : TwoLayerNetwork
        The network in training, around the parameters of the state.
    score : callable or None
        Scores the validation samples; None takes the accuracy or R2 of the network.
    observers : sequence of Observer
        Notified of every epoch.
    interrupts : Interrupts
        Asked in long validations whether Ctrl-C came.
    """

    def __init__(self, plan, network, score, observers, interrupts):
        self.plan, self.state, self.network = plan, plan.state, network
        self.validation, self.score = plan.validation, score
        self.observers, self.interrupts = observers, interrupts
        self.in_epoch = False
        state = self.state
        if state.under_way:  # a checkpoint has counted epochs, and has the best parameters
            state.under_way = False
            return
        state.n_epochs = state.epochs_without_progress = 0
        if self.validation is None:
            state.best = -min(state.history.losses, default=inf)
        else:
            # The last best score may be of other validation samples.
            state.best = self.evaluate()[1] if state.history.losses else -inf
            state.best_parameters = self.current_parameters().copy()

    def current_parameters(self):
        """Return all parameters, with no update pending."""
        self.network.apply_pending_updates()
        return self.state.parameters

    def kept_parameters(self):
        """Return the parameters to keep if training stopped now: the best, or the last."""
        return self.current_parameters() if self.validation is None else self.state.best_parameters

    def evaluate(self):
        """Compute the loss on the validation samples, and the score that has to improve."""
        loss, own_score = evaluate(self.network, self.validation, self.interrupts)
        return loss, own_score if self.score is None else self.score(self, loss, own_score)

    def start_epoch(self):
        """Notify the observers, unless the epoch has started already."""
        if not self.in_epoch:
            self.in_epoch = True
            for observer in self.observers:
                observer.epoch_starts(self)

    def end_epoch(self, loss, train_score):
        """Record an epoch that has ended; return True to stop."""
        state, history = self.state, self.state.history
        state.n_epochs += 1
        self.in_epoch = False
        history.losses.append(loss)
        history.train_scores.append(train_score)
        value = -loss
        if self.validation is not None:
            validation_loss, value = self.evaluate()
            if not isfinite(validation_loss):
                raise self.divergence(f"The validation loss became {validation_loss}")
            history.validation_losses.append(validation_loss)
            history.validation_scores.append(value)
            if value >= state.best:  # the last of equal ones, which has trained for longer
                state.best_parameters[:] = self.current_parameters()

        # The loss may hardly fall in the warm-up, and that is no reason to stop.
        warming_up = 0 < state.position <= self.plan.schedule.n_warmup
        improved = warming_up or value >= state.best + self.plan.tol
        state.epochs_without_progress = 0 if improved else state.epochs_without_progress + 1
        state.best = max(state.best, value)
        stop = state.epochs_without_progress == self.plan.n_iter_no_change
        for observer in self.observers:
            if observer.epoch_ended(self):
                stop = True
        return stop

    def finish(self):
        """Raise if the training has diverged; restore the best parameters."""
        if self.in_epoch:  # an iteration of L-BFGS that came to nothing
            for observer in self.observers:
                observer.abandon_epoch()
        if not self.plan.keeps_pending:
            self.network.apply_pending_updates()
        self.check_finite()
        if self.validation is not None:
            self.state.parameters[:] = self.state.best_parameters
            self.state.best_parameters = None

    def check_finite(self):
        """Raise if the optimizer state is not finite, or if products of the parameters overflow."""
        state = self.state
        limit, what = sqrt(np.finfo(state.parameters.dtype).max), "parameters"
        for vector in (state.parameters, *state.moments):
            for (block,) in blocks(vector):
                if not -limit < block.min() <= block.max() < limit:
                    raise self.divergence(f"The {what} became infinite")
            limit, what = inf, "moments of the optimizer"

    def divergence(self, what, update=None):
        """Return the error that says what went wrong at an update, and what to try."""
        update, rate = self.state.n_updates if update is None else update, self.state.rate
        at_rate = advice = ""
        if rate is not None:
            at_rate = f", with learning_rate={rate:g}"
            advice = f"a smaller learning_rate (say, {rate / 10:g}), or "
        return ValueError(
            f"{what} at update {update}{at_rate}: training diverged and was stopped. Try {advice}"
            f"inputs of a smaller scale, for example with StandardScaler in a pipeline before "
            f"the network."
        )


def evaluate(network, data, interrupts):
    """Compute the loss, penalty included, and the accuracy or R2 of the network on samples."""
    indices, y = data.indices, data.y[data.indices]
    weights = np.ones(len(y)) if data.sample_weight is None else data.sample_weight[indices]
    scores = np.empty((len(y), len(network.b2)), network.dtype)
    for chunk in sample_chunks(data.X, len(y), network.hidden_size, "d"):
        interrupts.asked_to_stop()  # only a second Ctrl-C ends it here
        scores[chunk] = network.scores(data.X[indices[chunk]])
    score = network.output_score(scores, y, weights)
    losses, _ = network.output_loss(scores.T, y)  # which overwrites the scores
    return float(weights @ losses) / float(weights.sum()) + network.penalty(), score


def all_units_dead(plan):
    """Return True if no hidden unit is active on training samples: 200 of them, evenly spaced."""
    state, data, settings = plan.state, plan.data, plan.network_settings
    if settings["activation"] != "relu":
        return False
    chosen = data.indices[np.linspace(0, len(data.indices) - 1, 200).astype(int)]
    W1, _, b1, _ = unpack(state.parameters, *state.shape)
    return not compute_hidden(data.X[chosen], W1, b1).any()
