"""The training loop: from rows and a network to a trained network and its history.

An epoch is one pass over the rows in batches. Each batch is gathered into buffers that
were allocated once, its loss and gradients are computed, and the optimizer moves the
parameters; after the epoch the learning rate decays, and whoever watches the progress
says whether to stop.
"""

from dataclasses import dataclass, field
from math import ceil, inf, isfinite

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.network import bytes_per_row, row_chunks


@dataclass
class Data:
    """Rows to train on or to validate with; arrays of any dtype, never written to.

    Attributes
    ----------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What ``network.output_loss`` takes.
    sample_weight : ndarray of shape (n_samples,) or None
    rows : ndarray of int, default=None
        The rows that count; None for all whose weight is not zero.
    """

    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    rows: np.ndarray | None = None

    def __post_init__(self):
        if self.rows is None:
            weights = self.sample_weight
            self.rows = np.arange(len(self.y)) if weights is None else np.flatnonzero(weights)


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
    validation_losses, validation_scores : list of float
        Loss, with the penalty, and accuracy on the validation rows after each epoch.
    n_forgotten : int
        Updates before the first of `batch_losses`, whose losses a pickle has left out.
    """

    batch_losses: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    train_scores: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    n_forgotten: int = 0

    @property
    def n_updates(self):
        """Updates so far."""
        return self.n_forgotten + len(self.batch_losses)


class Progress:
    """Record every epoch, keep the best weights, and tell when to stop.

    The value that has to improve by `tol` is the validation score, where there are
    validation rows, and the training loss where there are none.

    Parameters
    ----------
    network : TwoLayerNetwork
        The network in training.
    history : History
        Appended to.
    validation : Data, default=None
        Rows to validate with. Then `finish` puts the best weights back.
    tol, n_iter_no_change : float, int or None
        `end_epoch` tells to stop after so many epochs in a row without an improvement of
        `tol`; None never does.

    Attributes
    ----------
    n_epochs : int
        Epochs that have ended.
    watchers : list
        Of objects as in ``callbacks``, told of every epoch.
    """

    def __init__(self, network, history, validation=None, tol=0.0, n_iter_no_change=None):
        self.network = network
        self.history = history
        self.validation = validation
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.watchers = []
        self.n_epochs = 0
        self.epochs_without_progress = 0
        self.in_epoch = False
        # A lazy network has no second copy of itself to go back to, nor time to make one.
        self.last_parameters = None if network.lazy else network.parameters.copy()
        self.last_update = len(history.batch_losses)
        if validation is None:
            self.best = max((-loss for loss in history.losses), default=-inf)
        else:
            self.best = max(history.validation_scores, default=-inf)
            self.best_parameters = network.parameters.copy()

    def start_epoch(self):
        """Tell the watchers, unless the epoch has started already."""
        if not self.in_epoch:
            self.in_epoch = True
            for watcher in self.watchers:
                watcher.epoch_starts()

    def end_epoch(self, loss, train_score):
        """Take note of an epoch that has ended; return whether to stop."""
        self.n_epochs += 1
        self.in_epoch = False
        if self.last_parameters is not None:
            self.last_parameters[:] = self.network.parameters
        self.last_update = len(self.history.batch_losses)
        self.history.losses.append(loss)
        self.history.train_scores.append(train_score)
        value = -loss
        if self.validation is not None:
            validation_loss, value = evaluate(self.network, self.validation)
            self.history.validation_losses.append(validation_loss)
            self.history.validation_scores.append(value)
            if value > self.best:
                self.best_parameters[:] = self.network.parameters

        improved = value >= self.best + self.tol
        self.epochs_without_progress = 0 if improved else self.epochs_without_progress + 1
        self.best = max(self.best, value)
        asked_to_stop = [watcher.epoch_ended(self) for watcher in self.watchers]
        return any(asked_to_stop) or self.epochs_without_progress == self.n_iter_no_change

    def kept_parameters(self):
        """Return the parameters to keep if training stopped now: the best, or the last."""
        return self.network.parameters if self.validation is None else self.best_parameters

    def break_off(self):
        """Go back to the end of the last epoch, if a copy was made, as if that were all."""
        if self.last_parameters is not None:
            self.network.parameters[:] = self.last_parameters
            del self.history.batch_losses[self.last_update :]

    def finish(self):
        """Keep the parameters to keep, and refuse infinite ones."""
        if self.in_epoch:
            for watcher in self.watchers:
                watcher.abandon_epoch()
        if self.validation is not None:
            self.network.parameters[:] = self.best_parameters
        if not self.network.is_finite():
            raise self.divergence("The parameters became infinite")

    def divergence(self, what, learning_rate=None):
        """Make the error that says what went wrong, and what to try."""
        rate = advice = ""
        if learning_rate is not None:
            rate = f", with learning_rate={learning_rate:g}"
            advice = f"a smaller learning_rate (say, {learning_rate / 10:g}), or "
        return ValueError(
            f"{what} at update {self.history.n_updates + 1}{rate}: training diverged and "
            f"was stopped. Try {advice}inputs of a smaller scale, for example with "
            f"StandardScaler in a pipeline before the classifier."
        )


def evaluate(network, data):
    """Compute the loss, penalty included, and the accuracy of the network, in row chunks."""
    total_loss = total_correct = total_weight = 0.0
    for chunk in row_chunks(len(data.rows), bytes_per_row(data.X, network.hidden_size, "d")):
        rows = data.rows[chunk]
        scores = network.scores(data.X[rows])
        losses, correct = network.output_loss(scores.T, data.y[rows])
        weights = np.ones(len(rows)) if data.sample_weight is None else data.sample_weight[rows]
        total_loss += float(weights @ losses)
        total_correct += float(weights @ correct)
        total_weight += float(weights.sum())
    return total_loss / total_weight + network.penalty(), total_correct / total_weight


def gather(array, rows, buffer):
    """Copy some rows of an array into a buffer, casting them to the buffer's dtype."""
    if issparse(array):
        return array[rows].astype(buffer.dtype, copy=False)
    out = buffer[: len(rows)]
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


def most_epochs(n_rows, batch_size, replacement, max_iter, max_updates):
    """Return how many epochs there can be, of the limits on epochs and on updates."""
    if max_updates is None:
        return max_iter
    updates = max(n_rows // batch_size, 1) if replacement else ceil(n_rows / batch_size)
    return min(max_iter, ceil(max_updates / updates))


class Dropout:
    """Draw which hidden units of a batch are kept, and how their activations are scaled.

    Dropped units count 0 and the others 1 / (1 - probability), so that the expected
    activation is that of the whole network, which predictions use unchanged.
    """

    def __init__(self, probability, batch_size, hidden_size, dtype):
        self.probability = probability
        self.keep = np.empty((batch_size, hidden_size), dtype)

    def start_epoch(self, rng):
        """Seed a fast generator for the draws of one epoch."""
        self.generator = np.random.default_rng(rng.randint(2**31))

    def draw(self, n_rows):
        """Return what to multiply the activations of n_rows rows by."""
        keep = self.keep[:n_rows]
        self.generator.random(out=keep, dtype=keep.dtype)
        np.greater_equal(keep, self.probability, out=keep, casting="unsafe")
        keep *= 1 / (1 - self.probability)
        return keep


@np.errstate(over="ignore", invalid="ignore")  # on the way to a divergence, which is an error
def train(
    network,
    optimizer,
    data,
    progress,
    rng,
    *,
    batch_size,
    replacement=False,
    dropout=0.0,
    max_iter=1,
    max_updates=None,
    learning_rate_decay=1.0,
):
    """Train the network on batches of rows, in place.

    Parameters
    ----------
    network : TwoLayerNetwork or LazyNetwork
        Trained in place; has room for `batch_size` rows.
    optimizer : SGD, Adam or LazyNetwork
        Updates ``network.parameters``.
    data : Data
        The rows to train on.
    progress : Progress
        Told of every epoch; tells when to stop.
    rng : numpy.random.RandomState
        Draws the batches.
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
    learning_rate_decay : float, default=1.0
        The rate is multiplied by it after each epoch.

    Returns
    -------
    stopped : bool
        Whether anything but `max_iter` ended the training.

    Raises
    ------
    ValueError
        At the update whose loss is not finite.
    """
    dtype = network.dtype
    X_buffer = np.empty((0 if issparse(data.X) else batch_size, data.X.shape[1]), dtype)
    y_buffer = np.empty((batch_size, *data.y.shape[1:]), data.y.dtype)
    weights = keep = None
    if dropout:
        dropout = Dropout(dropout, batch_size, network.hidden_size, dtype)
    batch_losses = progress.history.batch_losses
    last_update = inf if max_updates is None else len(batch_losses) + max_updates

    for _epoch in range(max_iter):
        progress.start_epoch()
        epoch_loss = epoch_accuracy = epoch_weight = 0.0
        if dropout:
            dropout.start_epoch(rng)

        for rows in draw_batches(data.rows, batch_size, replacement, rng):
            X, y = gather(data.X, rows, X_buffer), gather(data.y, rows, y_buffer)
            if data.sample_weight is not None:
                weights = data.sample_weight[rows]
            if dropout:
                keep = dropout.draw(len(rows))

            loss, accuracy = network.loss_and_gradients(X, y, weights, keep)
            if not isfinite(loss):
                raise progress.divergence(f"The loss became {loss}", optimizer.learning_rate)
            optimizer.update(network.gradient)

            batch_losses.append(loss)
            batch_weight = len(rows) if weights is None else float(weights.sum())
            epoch_loss += batch_weight * loss
            epoch_accuracy += batch_weight * accuracy
            epoch_weight += batch_weight
            if len(batch_losses) == last_update:
                break

        stopped = progress.end_epoch(epoch_loss / epoch_weight, epoch_accuracy / epoch_weight)
        optimizer.learning_rate *= learning_rate_decay
        stopped = stopped or len(batch_losses) == last_update
        if stopped:
            break
    return stopped
