"""The training loop: a plan in, a trained state and its history out.

An epoch is one pass over the samples in batches. Each batch is gathered into buffers that were
allocated once; the network computes its loss and gradients; and the optimizer moves the parameters.
After each epoch `Progress` decides whether to stop.
"""

from functools import partial
from math import inf, isfinite

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.data import draw_batches, gather
from sk_twolayer.network import Dropout, TwoLayerNetwork
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.sparse import LazyNetwork, LazyOptimizer, LazyRows
from sk_twolayer.training.interrupts import Interrupts
from sk_twolayer.training.lbfgs import train_lbfgs
from sk_twolayer.training.progress import Progress


@np.errstate(over="ignore", invalid="ignore")  # on the way to a divergence, which is an error
def train(plan, *, score=None, observers=(), interrupts=None):
    """Train as planned: move the state of the plan, in place.

    Parameters
    ----------
    plan : Plan
        The data, the state and every number. After an error its state is of no use.
    score : callable, default=None
        Scores the validation samples, see ``scoring.score_function``. None takes the accuracy or
        R2 of the network.
    observers : sequence of Observer, default=()
        Notified of every epoch.
    interrupts : Interrupts, default=None
        Asked between two updates whether Ctrl-C came.

    Returns
    -------
    stopped : bool
        True if anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        If the training diverges: at the update whose loss is not finite, or at the end if the
        parameters or moments are not.
    KeyboardInterrupt
        If Ctrl-C came before the first update, or twice.
    """
    interrupts = interrupts or Interrupts()
    network, optimizer = make_network_and_optimizer(plan)
    progress = Progress(plan, network, score, observers, interrupts)
    if plan.solver == "lbfgs":
        stopped = train_lbfgs(network, plan, progress, interrupts)
    else:
        stopped = train_in_batches(network, optimizer, plan, progress, interrupts)
    progress.finish()
    return stopped


def make_network_and_optimizer(plan):
    """Make a network and an optimizer around the arrays of the state."""
    state, settings = plan.state, plan.network_settings | {"batch_size": plan.batch_size}
    if plan.solver == "lbfgs":
        return TwoLayerNetwork(*state.shape, parameters=state.parameters, **settings), None
    make_optimizer = partial(OPTIMIZERS[plan.solver], **plan.optimizer_settings)
    if state.pending is None:
        network = TwoLayerNetwork(*state.shape, parameters=state.parameters, **settings)
        return network, make_optimizer(state.parameters, state.moments)
    W1_rows = state.rows
    parameters, *moments = (vector[W1_rows[0].size :] for vector in state.vectors)
    rest = make_optimizer(parameters, moments)  # of W2, b1 and b2
    some_features = plan.features is not None
    rows = LazyRows(W1_rows, state.pending, rest, settings["alpha"], some_features)
    network = LazyNetwork(rows, *state.shape, parameters=state.parameters, **settings)
    return network, LazyOptimizer(rows, network)


def train_in_batches(network, optimizer, plan, progress, interrupts):
    """Train on mini-batches; return True if anything but `max_iter` ended the training."""
    data, state, batch_size = plan.data, plan.state, plan.batch_size
    rng = np.random.RandomState()
    rng.set_state(state.generator)
    X_buffer = np.empty((0 if issparse(data.X) else batch_size, data.X.shape[1]), network.dtype)
    y_buffer = np.empty((batch_size, *data.y.shape[1:]), data.y.dtype)
    weights = keep = None
    dropout = None
    if plan.dropout:
        dropout = Dropout(plan.dropout, batch_size, network.hidden_size, network.dtype)
    last_update = inf if plan.max_updates is None else state.n_updates + plan.max_updates
    interrupts.raise_if_noted()  # before the first update there is nothing to keep

    for _epoch in range(plan.max_iter):
        progress.start_epoch()
        epoch_loss = epoch_accuracy = epoch_weight = 0.0
        if dropout:
            dropout.start_epoch(rng)

        for indices in draw_batches(data.indices, batch_size, plan.replacement, rng):
            X, y = gather(data.X, indices, X_buffer), gather(data.y, indices, y_buffer)
            if data.sample_weight is not None:
                weights = data.sample_weight[indices]
            if dropout:
                keep = dropout.draw(len(indices))

            loss, accuracy = network.loss_and_gradients(X, y, weights, keep)
            del X  # free this batch before gathering the next, to bound peak memory
            state.rate = state.base_rate * plan.schedule.factor(state.position)
            if not isfinite(loss):
                raise progress.divergence(f"The loss became {loss}", state.n_updates + 1)
            state.n_updates += 1
            state.n_moment_updates += 1
            if plan.schedule.n_updates:  # a stream has no plan
                state.position += 1
            optimizer.update(network.gradient, state.rate, state.n_moment_updates)

            state.history.batch_losses.append(loss)
            batch_weight = len(indices) if weights is None else float(weights.sum())
            epoch_loss += batch_weight * loss
            epoch_accuracy += batch_weight * accuracy
            epoch_weight += batch_weight
            if interrupts.asked_to_stop() or state.n_updates == last_update:
                break

        state.generator = rng.get_state()
        stopped = progress.end_epoch(epoch_loss / epoch_weight, epoch_accuracy / epoch_weight)
        state.base_rate *= plan.learning_rate_decay
        if stopped or interrupts.asked_to_stop() or state.n_updates == last_update:
            return True
    return False
