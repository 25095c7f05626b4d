"""Full-batch training by L-BFGS, a quasi-Newton method, through SciPy.

Where the rows are few, the loss of all of them and its gradient cost little, and a method
that learns the curvature from successive gradients needs no learning rate and ends at a
minimum. One iteration counts as one epoch and one update.
"""

import numpy as np
from scipy.optimize import minimize

from sk_twolayer.training import gather


def train_lbfgs(network, data, progress, *, max_iter, tol, batch_size=1000):
    """Minimise the loss of all rows, in place.

    Parameters
    ----------
    network : TwoLayerNetwork
        Trained in place; has room for `batch_size` rows. It should compute in float64: a
        line search stumbles over the rounding of less.
    data : Data
        The rows to train on.
    progress : Progress
        Told of every iteration; tells when to stop.
    max_iter : int
        Most iterations.
    tol : float
        Stop when no entry of the gradient is larger and the loss has ceased to fall by a
        thousandth an iteration. (Classes told apart with ease have a small gradient far
        above the minimum, where every iteration still makes the loss much smaller.)
    batch_size : int, default=1000
        The gradient is summed over batches of so many rows, to bound the memory.

    Returns
    -------
    stopped : bool
        Whether anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        If the loss is not finite where the training starts.
    """
    rows, sample_weight = data.rows, data.sample_weight
    all_weight = len(rows) if sample_weight is None else sample_weight[rows].sum()
    X_buffer = np.empty((batch_size, data.X.shape[1]))
    y_buffer = np.empty((batch_size, *data.y.shape[1:]), data.y.dtype)
    gradient = accuracy = None
    stopped = False

    def loss_and_gradient(parameters):
        """Sum over batches; each counts by its share of the rows (of their weight)."""
        nonlocal gradient, accuracy
        progress.start_epoch()
        network.parameters[:] = parameters
        loss, gradient, accuracy = 0.0, np.zeros_like(parameters), 0.0
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
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
        loss, earlier_losses = float(intermediate_result.fun), progress.history.batch_losses
        falls = loss < 0.999 * (earlier_losses[-1] if progress.n_epochs else start_loss)
        network.parameters[:] = intermediate_result.x
        earlier_losses.append(loss)
        stopped = progress.end_epoch(loss, float(accuracy))
        if stopped or (np.abs(gradient).max() <= tol and not falls):
            stopped = True
            raise StopIteration

    with np.errstate(over="ignore", invalid="ignore"):
        start_loss, _ = loss_and_gradient(network.parameters.copy())
        if not np.isfinite(start_loss):
            raise progress.divergence(f"The loss is {start_loss}")
        result = minimize(
            loss_and_gradient,
            network.parameters.copy(),
            jac=True,
            method="L-BFGS-B",
            callback=iteration_ended,
            options={
                "maxiter": max_iter,
                "maxfun": 100 * max_iter,
                "gtol": 0,
                "ftol": 64 * np.finfo(float).eps,
            },
        )
    network.parameters[:] = result.x
    if progress.n_epochs == 0:  # it started at a minimum
        progress.history.batch_losses.append(float(result.fun))
        progress.end_epoch(float(result.fun), float(accuracy))
    return stopped or progress.n_epochs < max_iter or bool(result.success)
