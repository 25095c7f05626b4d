"""Full-batch training by L-BFGS, a quasi-Newton method, through SciPy.

With few samples, the loss of all samples and its gradient are cheap. L-BFGS estimates the curvature
from successive gradients, so that it needs no learning rate and ends at a minimum. One iteration
counts as one epoch and one update.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse

from sk_twolayer.data import gather


class Interruption(BaseException):
    """Leave the line search after Ctrl-C, and discard its iteration."""


def train_lbfgs(network, plan, progress, interrupts):
    """Minimise the loss of all training samples, in place.

    Training stops when no entry of the gradient is larger than `tol` and the loss has fallen by
    less than a hundredth in ten iterations. The gradient alone is not enough: with separable
    classes it is small far above the minimum.

    Parameters
    ----------
    network : TwoLayerNetwork
        Trained in place. It has buffers for `batch_size` samples, and computes in float64: float32
        is too inexact for a line search.
    plan : Plan
        `max_iter` and `max_updates` both limit the iterations. The gradient is summed over batches
        of `batch_size` samples, to bound peak memory.
    progress : Progress
        Records every iteration, and decides to stop.
    interrupts : Interrupts
        Checked before every evaluation of the loss.

    Returns
    -------
    stopped : bool
        True unless training ended by `max_iter` alone.

    Raises
    ------
    ValueError
        If the loss is not finite at the start or at the end.
    KeyboardInterrupt
        After Ctrl-C in the first iteration, or a second Ctrl-C.
    """
    data, state, batch_size = plan.data, plan.state, plan.batch_size
    indices, sample_weight = data.indices, data.sample_weight
    max_iter = min(plan.max_iter, plan.max_updates or plan.max_iter)
    all_weight = len(indices) if sample_weight is None else sample_weight[indices].sum()
    X_buffer = np.empty((0 if issparse(data.X) else batch_size, data.X.shape[1]))
    y_buffer = np.empty((batch_size, *data.y.shape[1:]), data.y.dtype)
    last_iterate = network.parameters.copy()
    gradient = accuracy = None
    stopped = converged = interrupted = False

    def loss_and_gradient(parameters):
        """Average the batches, each weighted by its share of the samples or of their weights."""
        nonlocal gradient, accuracy
        if interrupts.asked_to_stop():
            raise Interruption
        progress.start_epoch()
        network.parameters[:] = parameters
        loss, gradient, accuracy = 0.0, np.zeros_like(parameters), 0.0
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            X, y = gather(data.X, batch, X_buffer), gather(data.y, batch, y_buffer)
            weights = None if sample_weight is None else sample_weight[batch]
            share = (len(batch) if weights is None else weights.sum()) / all_weight
            batch_loss, batch_accuracy = network.loss_and_gradients(X, y, weights)
            loss += share * batch_loss
            accuracy += share * batch_accuracy
            network.gradient *= share
            gradient += network.gradient
        return loss, gradient

    def iteration_ended(intermediate_result):
        """Record the iteration; SciPy's last evaluation was at the accepted point."""
        nonlocal stopped
        loss, earlier_losses = float(intermediate_result.fun), state.history.batch_losses
        falls = loss < 0.99 * (earlier_losses[-10] if state.n_epochs >= 10 else start_loss)
        last_iterate[:] = network.parameters[:] = intermediate_result.x
        earlier_losses.append(loss)
        state.n_updates += 1
        if not np.isfinite(loss):
            raise progress.divergence(f"The loss became {loss}")
        stopped = progress.end_epoch(loss, float(accuracy))
        if stopped or (np.abs(gradient).max() <= plan.tol and not falls):
            stopped = True
            raise StopIteration

    try:
        start_loss, _ = loss_and_gradient(last_iterate)
        if not np.isfinite(start_loss):
            raise progress.divergence(f"The loss is {start_loss}", state.n_updates + 1)
        result = minimize(
            loss_and_gradient,
            last_iterate.copy(),
            jac=True,
            method="L-BFGS-B",
            callback=iteration_ended,
            options={
                "maxiter": max_iter,
                "maxfun": 100 * max_iter,
                "gtol": 1e-150,  # a smaller value has the square 0, which leads to nan
                "ftol": 64 * np.finfo(float).eps,
            },
        )
        last_iterate[:], converged = result.x, bool(result.success)
    except Interruption:
        interrupted = True
        if state.n_epochs == 0:
            raise KeyboardInterrupt from None
    network.parameters[:] = last_iterate
    if state.n_epochs == 0:  # it started at a minimum, or every step led to an infinite loss
        if not np.isfinite(result.fun):
            raise progress.divergence(f"The loss became {result.fun}", state.n_updates + 1)
        state.history.batch_losses.append(float(result.fun))
        state.n_updates += 1
        progress.end_epoch(float(result.fun), float(accuracy))
    return interrupted or stopped or converged or state.n_epochs < max_iter
