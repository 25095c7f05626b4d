"""The training loop: from rows and a network to a trained network and its history.

An epoch is one pass over the rows in batches. Each batch is gathered into a buffer that
was allocated once, its loss and gradients are computed, and the optimizer moves the
parameters; after the epoch the learning rate decays and the loop asks whether the loss
still improves.
"""

from dataclasses import dataclass, field
from math import inf, isfinite

import numpy as np


@dataclass
class History:
    """What training recorded; a later training may append to it.

    Attributes
    ----------
    batch_losses : list of float
        Loss of every batch, before its update, with the penalty.
    losses : list of float
        Mean of them over each epoch, every batch counting by its rows (their weight).
    train_scores : list of float
        Mean accuracy of the batches of each epoch, measured as they were trained on.
    """

    batch_losses: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    train_scores: list = field(default_factory=list)


def gather(array, rows, out):
    """Copy some rows of an array into a buffer, casting them to the buffer's dtype."""
    if array.dtype == out.dtype and array.flags.c_contiguous:
        # mode="clip" writes straight into `out`; the default would buffer the result.
        np.take(array, rows, axis=0, out=out, mode="clip")
    else:
        out[...] = array[rows]  # np.take would copy the whole of a strided array first
    return out


def draw_batches(rows, batch_size, replacement, rng):
    """One epoch of batches of row numbers: shuffled, or drawn with replacement.

    With replacement an epoch is max(n // batch_size, 1) batches; without, the last one
    holds what remains.
    """
    n = len(rows)
    if replacement:
        for _ in range(max(n // batch_size, 1)):
            yield rows[rng.choice(n, batch_size)]
    else:
        shuffled = rows[rng.permutation(n)]
        for start in range(0, n, batch_size):
            yield shuffled[start : start + batch_size]


@np.errstate(over="ignore", invalid="ignore")  # on the way to a divergence, which is an error
def train(
    network,
    optimizer,
    X,
    y,
    sample_weight,
    *,
    rng,
    history,
    batch_size,
    replacement=False,
    max_iter=1,
    max_updates=None,
    learning_rate_decay=1.0,
    tol=0.0,
    n_iter_no_change=None,
    on_epoch_end=None,
):
    """Train the network on batches of rows, in place.

    Parameters
    ----------
    network : TwoLayerNetwork
        Trained in place; has room for `batch_size` rows.
    optimizer : SGD
        Updates ``network.parameters``.
    X : ndarray of shape (n_samples, n_features)
        Rows of any real dtype, neither copied nor written to.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What ``network.output_loss`` takes.
    sample_weight : ndarray of shape (n_samples,) or None
        Rows of weight zero are left out.
    rng : numpy.random.RandomState
        Draws the batches.
    history : History
        Appended to.
    batch_size : int
        Rows a batch.
    replacement : bool, default=False
        Draw every batch with replacement instead of shuffling the rows.
    max_iter : int, default=1
        Most epochs.
    max_updates : int, default=None
        Most batches, even inside an epoch.
    learning_rate_decay : float, default=1.0
        The rate is multiplied by it after each epoch.
    tol, n_iter_no_change : float, int or None
        Stop when the epoch's loss has not been below the best one by `tol` for so many
        epochs in a row; None never stops.
    on_epoch_end : callable, default=None
        Called with the number of the epoch, from 1, after each.

    Returns
    -------
    n_iter : int
        Epochs trained, the last perhaps in part.
    stopped : bool
        Whether anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        At the update whose loss is not finite, or if the last one left such parameters.
    """
    rows = np.arange(len(X)) if sample_weight is None else np.flatnonzero(sample_weight)
    X_buffer = np.empty((batch_size, X.shape[1]), network.parameters.dtype)
    y_buffer = np.empty((batch_size, *y.shape[1:]), y.dtype)
    w_batch = None
    best_loss = min(history.losses, default=inf)
    epochs_without_progress = 0
    first_update = len(history.batch_losses)

    for epoch in range(1, max_iter + 1):
        epoch_loss = epoch_accuracy = epoch_weight = 0.0

        for batch in draw_batches(rows, batch_size, replacement, rng):
            X_batch = gather(X, batch, out=X_buffer[: len(batch)])
            y_batch = gather(y, batch, out=y_buffer[: len(batch)])
            if sample_weight is not None:
                w_batch = sample_weight[batch]

            loss, accuracy = network.loss_and_gradients(X_batch, y_batch, w_batch)
            if not isfinite(loss):
                raise divergence(f"The loss became {loss}", history, optimizer)
            optimizer.update(network.gradient)

            weight = len(batch) if w_batch is None else float(w_batch.sum())
            epoch_loss += weight * loss
            epoch_accuracy += weight * accuracy
            epoch_weight += weight
            history.batch_losses.append(loss)
            out_of_updates = len(history.batch_losses) - first_update == max_updates
            if out_of_updates:
                break

        history.losses.append(epoch_loss / epoch_weight)
        history.train_scores.append(epoch_accuracy / epoch_weight)
        if on_epoch_end is not None:
            on_epoch_end(epoch)

        optimizer.learning_rate *= learning_rate_decay
        improved = history.losses[-1] <= best_loss - tol
        epochs_without_progress = 0 if improved else epochs_without_progress + 1
        best_loss = min(best_loss, history.losses[-1])
        stopped = out_of_updates or epochs_without_progress == n_iter_no_change
        if stopped:
            break

    if not np.isfinite(network.parameters).all():
        raise divergence("The parameters became infinite", history, optimizer)
    return epoch, stopped


def divergence(what, history, optimizer):
    """Make the error that says what went wrong, and what to try."""
    return ValueError(
        f"{what} at update {len(history.batch_losses) + 1}, with learning_rate="
        f"{optimizer.learning_rate:g}: training diverged and was stopped. Try a smaller "
        f"learning_rate (say, {optimizer.learning_rate / 10:g}), or inputs of a smaller scale, "
        f"for example with StandardScaler in a pipeline before the classifier."
    )
