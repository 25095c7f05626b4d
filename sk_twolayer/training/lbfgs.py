"""Full-batch training by L-BFGS, a quasi-Newton method, through SciPy.

Where the rows are few, the loss of all of them and its gradient cost little, and a method
that learns the curvature from successive gradients needs no learning rate and ends at a
minimum. One iteration counts as one epoch and one update.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse

from sk_twolayer.data import gather


class Interruption(BaseException):
    """Ctrl-C came: the line search is left, and its iteration comes to nothing."""


def train_lbfgs(network, plan, progress, interrupts):
    """Minimise the loss of all rows, in place.

    Parameters
    ----------
    network : TwoLayerNetwork
        Trained in place; has room for `batch_size` rows. It should compute in float64: a
        line search stumbles over the rounding of less.
    plan : Plan
        Of which `max_iter` and `max_updates` both limit the iterations, and the gradient is
        summed over batches of `batch_size` rows, to bound the memory. Training stops when no
        entry of the gradient is larger than `tol` and the loss has fallen by less than a hundredth
        in ten iterations. (Classes told apart with ease have a small gradient far above the
        minimum, where the loss still becomes much smaller, if not in every iteration.)
    progress : Progress
        Told of every iteration; tells when to stop.
    interrupts : Interrupts
        Looked at before every evaluation of the loss.

    Returns
    -------
    stopped : bool
        Whether anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        If the loss is not finite where the training starts or ends.
    KeyboardInterrupt
        If Ctrl-C came in the first iteration, or twice.
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
        """Sum over batches; each counts by its share of the rows (of their weight)."""
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
        """Record the iteration. SciPy has evaluated the point it accepted last of all."""
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
                "gtol": 1e-150,  # the square of less is 0, and leads to nan
                "ftol": 64 * np.finfo(float).eps,
            },
        )
        last_iterate[:], converged = result.x, bool(result.success)
    except Interruption:
        interrupted = True
        if state.n_epochs == 0:
            raise KeyboardInterrupt from None
    network.parameters[:] = last_iterate
    if state.n_epochs == 0:  # it started at a minimum, or where every step leads to infinity
        if not np.isfinite(result.fun):
            raise progress.divergence(f"The loss became {result.fun}", state.n_updates + 1)
        state.history.batch_losses.append(float(result.fun))
        state.n_updates += 1
        progress.end_epoch(float(result.fun), float(accuracy))
    return interrupted or stopped or converged or state.n_epochs < max_iter
