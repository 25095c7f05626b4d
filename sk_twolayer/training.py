"""The training loop: from rows and a network to a trained network and its history.

An epoch is one pass over the rows in batches. Each batch is gathered into buffers that
were allocated once, its loss and gradients are computed, and the optimizer moves the
parameters; after the epoch the learning rate decays, and `Progress` tells whether to stop.
"""

from dataclasses import dataclass, field
from functools import partial
from math import inf, isfinite

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.batches import Dropout, draw_batches, gather
from sk_twolayer.interrupts import Interrupts
from sk_twolayer.lazy import LazyNetwork
from sk_twolayer.lbfgs import train_lbfgs
from sk_twolayer.network import TwoLayerNetwork
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.progress import Progress
from sk_twolayer.schedules import Schedule
from sk_twolayer.scoring import own_score


@dataclass(frozen=True)
class Plan:
    """All that was decided before the first update.

    Attributes
    ----------
    solver : {"sgd", "adam", "lbfgs"}
        Which optimizer.
    optimizer_settings : dict
        Its keyword arguments, such as `momentum`.
    network_settings : dict
        Those of the network: `alpha`, `activation`, `output`.
    batch_size : int
        Rows a batch.
    replacement : bool, default=False
        Draw every batch with replacement instead of shuffling the rows.
    dropout : float, default=0.0
        Probability that a hidden unit is left out of a batch's row.
    max_iter : int, default=1
        Most epochs.
    max_updates : int, default=None
        Most batches, even inside an epoch.
    schedule : Schedule, default=Schedule()
        By what factor the rate is multiplied at each update.
    learning_rate_decay : float, default=1.0
        The rate is multiplied by it after each epoch.
    tol, n_iter_no_change : float, int or None
        Stop after so many epochs in a row without an improvement of `tol`; None never does.
    rows_may_wait : bool, default=False
        Whether rows of W1 may be left waiting for their updates, as between chunks of a stream.
    some_features : bool, default=False
        Whether the state holds the rows of some features alone, of a stream that has others.
    """

    solver: str
    optimizer_settings: dict
    network_settings: dict
    batch_size: int
    replacement: bool = False
    dropout: float = 0.0
    max_iter: int = 1
    max_updates: int | None = None
    schedule: Schedule = field(default_factory=Schedule)
    learning_rate_decay: float = 1.0
    tol: float = 0.0
    n_iter_no_change: int | None = None
    rows_may_wait: bool = False
    some_features: bool = False


@np.errstate(over="ignore", invalid="ignore")  # on the way to a divergence, which is an error
def train(state, data, plan, *, validation=None, score=own_score, watchers=(), interrupts=None):
    """Train on the rows as planned: move the state, in place.

    Parameters
    ----------
    state : TrainingState
        Moved in place. After an error it is of no use.
    data : Data
        The rows to train on.
    plan : Plan
        How.
    validation : Data, default=None
        Rows to validate with after each epoch.
    score : callable, default=own_score
        What they are scored by, as in ``scoring``.
    watchers : list, default=()
        Of objects as in ``watchers``, told of every epoch.
    interrupts : Interrupts, default=None
        Looked at between two updates.

    Returns
    -------
    stopped : bool
        Whether anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        If the training diverges: at the update whose loss is not finite, or at the end if the
        parameters or moments are not.
    KeyboardInterrupt
        If Ctrl-C came before the first update, or twice.
    """
    interrupts = interrupts or Interrupts()
    network, optimizer = make_network_and_optimizer(state, data, plan)
    progress = Progress(state, network, plan, validation, score, watchers, interrupts)
    if plan.solver == "lbfgs":
        stopped = train_lbfgs(network, data, plan, progress, interrupts)
    else:
        stopped = train_in_batches(network, optimizer, data, plan, progress, interrupts)
    progress.finish()
    return stopped


def make_network_and_optimizer(state, data, plan):
    """Make them around the arrays of the state; on sparse rows they may be one."""
    settings = plan.network_settings | {"batch_size": plan.batch_size}
    if plan.solver == "lbfgs":
        return TwoLayerNetwork(*state.shape, parameters=state.parameters, **settings), None
    make_optimizer = partial(OPTIMIZERS[plan.solver], **plan.optimizer_settings)
    if state.missed is None:
        network = TwoLayerNetwork(*state.shape, parameters=state.parameters, **settings)
        return network, make_optimizer(state.parameters, state.moments)
    network = LazyNetwork(
        *state.shape,
        parameters=state.parameters,
        moments=state.moments,
        missed=state.missed,
        make_optimizer=make_optimizer,
        some_features=plan.some_features,
        **settings,
    )
    return network, network


def train_in_batches(network, optimizer, data, plan, progress, interrupts):
    """Train on mini-batches; return whether anything but `max_iter` ended it."""
    state, history, batch_size = progress.state, progress.state.history, plan.batch_size
    rng = np.random.RandomState()
    rng.set_state(state.generator)
    X_buffer = np.empty((0 if issparse(data.X) else batch_size, data.X.shape[1]), network.dtype)
    y_buffer = np.empty((batch_size, *data.y.shape[1:]), data.y.dtype)
    weights = keep = None
    dropout = Dropout(plan.dropout, batch_size, network.hidden_size, network.dtype)
    last_update = inf if plan.max_updates is None else history.n_updates + plan.max_updates
    interrupts.raise_if_noted()  # before the first update there is nothing to keep

    for _epoch in range(plan.max_iter):
        progress.start_epoch()
        epoch_loss = epoch_accuracy = epoch_weight = 0.0
        if plan.dropout:
            dropout.start_epoch(rng)

        for rows in draw_batches(data.rows, batch_size, plan.replacement, rng):
            X, y = gather(data.X, rows, X_buffer), gather(data.y, rows, y_buffer)
            if data.sample_weight is not None:
                weights = data.sample_weight[rows]
            if plan.dropout:
                keep = dropout.draw(len(rows))

            state.rate = state.base_rate * plan.schedule.factor(state.position)
            loss, accuracy = network.loss_and_gradients(X, y, weights, keep)
            del X  # sparse rows have no buffer, and the next ones shall not come on top
            if not isfinite(loss):
                what, update = f"The loss became {loss}", history.n_updates + 1
                raise progress.divergence(what, update, state.rate)
            state.n_moment_updates += 1
            if plan.schedule.n_updates:  # a chunk of a stream is no part of a plan
                state.position += 1
            optimizer.update(network.gradient, state.rate, state.n_moment_updates)

            history.batch_losses.append(loss)
            batch_weight = len(rows) if weights is None else float(weights.sum())
            epoch_loss += batch_weight * loss
            epoch_accuracy += batch_weight * accuracy
            epoch_weight += batch_weight
            if interrupts.asked_to_stop() or history.n_updates == last_update:
                break

        state.generator = rng.get_state()
        stopped = progress.end_epoch(epoch_loss / epoch_weight, epoch_accuracy / epoch_weight)
        state.base_rate *= plan.learning_rate_decay
        if stopped or interrupts.asked_to_stop() or history.n_updates == last_update:
            return True
    return False
