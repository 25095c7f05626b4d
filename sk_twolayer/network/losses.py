"""The output of the network: probabilities or predictions, the losses, and their gradients.

Multiclass classification takes the softmax of the scores. Binary and multilabel classification
take the logistic sigmoid of each score, which is the probability of a label. In both, the loss of a
sample is the cross-entropy: minus the log-probability of its true class or labels. In regression
the scores are the predictions, and the loss of a sample is half its squared error, its absolute
error or its pinball loss. For counts, the exponentials of the scores are the predictions, and the
loss is half the Poisson deviance.
"""

from functools import partial

import numpy as np
from scipy.special import xlogy

from sk_twolayer.network.activations import logistic


def softmax(scores):
    """Replace the scores of each sample by exp(scores) / sum(exp(scores))."""
    with np.errstate(over="ignore"):  # a difference of large scores may be -inf: its exp is 0
        scores -= scores.max(axis=1, keepdims=True)  # exp cannot overflow
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


# The losses take transposed scores, with one column per sample of the batch: NumPy reduces an array
# of this shape several times faster along its first axis.


def softmax_loss(scores, y):
    """Compute the cross-entropy of softmax(scores) against the classes y.

    Replaces the scores by their gradient: ``p``, minus one at the true class.

    Parameters
    ----------
    scores : ndarray of shape (n_classes, N)
        Overwritten.
    y : ndarray of int of shape (N,)
        True classes.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``-log p[y_i, i]`` of each sample.
    correct : ndarray of bool of shape (N,)
        True where no score is larger than the score of the true class.
    """
    true = y, np.arange(len(y))
    scores -= scores.max(axis=0)  # exp cannot overflow
    true_scores = scores[true]
    correct = true_scores == 0
    np.exp(scores, out=scores)
    total = scores.sum(axis=0)
    losses = np.log(total) - true_scores
    scores /= total
    scores[true] -= 1
    return losses, correct


def logistic_loss(scores, Y):
    """Compute the binary cross-entropy of each score's sigmoid, summed over the outputs.

    Replaces the scores by their gradient, ``p - Y``.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Overwritten.
    Y : ndarray of shape (N, n_outputs)
        True labels, 0 or 1.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``sum_j log(1 + exp(s_ji)) - Y_ij s_ji`` of each sample.
    correct : ndarray of bool of shape (N,)
        True where the sign of every score matches its label.
    """
    correct = ((scores > 0) == Y.T).all(axis=0)
    losses = (np.logaddexp(0, scores) - Y.T * scores).sum(axis=0)
    logistic(scores)
    scores -= Y.T
    return losses, correct


def squared_loss(scores, Y):
    """Compute half the squared error of each score, summed over the outputs.

    Replaces the scores by their gradient, ``scores - Y``.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Overwritten.
    Y : ndarray of shape (N, n_outputs)
        Continuous targets.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``1/2 sum_j (s_ji - Y_ij)^2`` of each sample.
    explained : ndarray of shape (N,)
        ``1 - sum_j (s_ji - Y_ij)^2 / n_outputs`` of each sample. If every target has mean 0 and
        variance 1, the mean of these values is R2.
    """
    scores -= Y.T
    squares = np.square(scores).sum(axis=0)
    return 0.5 * squares, 1 - squares / len(scores)


def pinball_loss(scores, Y, quantile, least=1.0):
    """Compute the pinball loss of each score, summed over the outputs.

    Replaces the scores by a subgradient: ``1 - quantile`` above the target, ``-quantile`` below it,
    and 0 where both are equal.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Overwritten.
    Y : ndarray of shape (N, n_outputs)
        Continuous targets.
    quantile : float
        The quantile that minimises the loss, between 0 and 1.
    least : float or ndarray of shape (n_outputs,), default=1.0
        Mean loss of the best constant prediction, for each output.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``sum_j max(quantile (Y_ij - s_ji), (1 - quantile) (s_ji - Y_ij))`` of each sample.
    explained : ndarray of shape (N,)
        One minus the mean over the outputs of loss / least: the mean of these values is D2.
    """
    errors = scores - Y.T
    np.sign(errors, out=scores)
    scores *= np.where(errors > 0, 1 - quantile, quantile)
    errors *= scores
    return errors.sum(axis=0), 1 - (errors / np.reshape(least, (-1, 1))).mean(axis=0)


def absolute_loss(scores, Y, least=1.0):
    """Compute the absolute error of each score, summed over the outputs.

    It is twice the pinball loss of the median. Replaces the scores by the sign of their error.
    """
    losses, explained = pinball_loss(scores, Y, 0.5, np.multiply(least, 0.5))
    scores *= 2
    return 2 * losses, explained


def poisson_loss(scores, Y, least=1.0, largest=np.inf):
    """Compute half the Poisson deviance of each score's exponential, summed over the outputs.

    Replaces the scores by their gradient, ``exp(scores) - Y``. Predictions above the largest target
    fit no sample. From twice the largest target on, the loss continues linearly: no exponential
    overflows, and one step of the training cannot undo all earlier ones.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Logarithms of the predictions. Overwritten.
    Y : ndarray of shape (N, n_outputs)
        Targets, none negative.
    least : float or ndarray of shape (n_outputs,), default=1.0
        Mean loss of the best constant prediction, for each output.
    largest : float or ndarray of shape (n_outputs,), default=inf
        The largest target, for each output. A larger one in Y takes its place for its sample.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``sum_j exp(s_ji) - Y_ij + Y_ij (log Y_ij - s_ji)`` of each sample.
    explained : ndarray of shape (N,)
        One minus the mean over the outputs of loss / least: the mean of these values is D2.
    """
    Y = Y.T
    logs = np.minimum(scores, np.log(2 * np.maximum(Y, np.reshape(largest, (-1, 1)))))
    means = np.exp(logs)
    losses = means * (1 + (scores - logs)) - Y + (xlogy(Y, Y) - Y * scores)
    np.subtract(means, Y, out=scores)
    return losses.sum(axis=0), 1 - (losses / np.reshape(least, (-1, 1))).mean(axis=0)


# The scores of validation samples. Here the network's scores have one row per sample.


def softmax_accuracy(scores, y, weights):
    """Return the weighted share of samples where no score is larger than the true class's."""
    correct = scores[np.arange(len(y)), y] == scores.max(axis=1)
    return float(weights @ correct / weights.sum())


def logistic_accuracy(scores, Y, weights):
    """Return the weighted share of samples where the sign of every score matches its label."""
    correct = ((scores > 0) == Y).all(axis=1)
    return float(weights @ correct / weights.sum())


def r2(scores, Y, weights):
    """Return the weighted coefficient of determination, averaged over the outputs.

    It is one minus the squared error of the scores, divided by the squared error of the mean of Y.
    As in scikit-learn's `r2_score`, an output with constant targets counts 1 if all its predictions
    are exact, and 0 otherwise.
    """
    scores, Y = scores.astype(np.float64), Y.astype(np.float64)
    around_first = Y - Y[0]  # exactly zero where Y is constant
    mean = weights @ around_first / weights.sum()
    error, spread = weights @ (scores - Y) ** 2, weights @ (around_first - mean) ** 2
    explained = np.where(error > 0, 0.0, 1.0)
    np.subtract(1, error / np.where(spread > 0, spread, 1), out=explained, where=spread > 0)
    return float(explained.mean())


def weighted_quantile(quantile, y, weights):
    """Return the smallest value with at least this share of the weights at or below it."""
    return np.quantile(y, quantile, weights=weights, method="inverted_cdf")


def log_mean(y, weights):
    """Return the logarithm of the weighted mean, or a finite number if all values are zero."""
    return np.log(max(np.average(y, weights=weights), np.finfo(np.float64).tiny))


def d2(scores, Y, weights, loss, constant):
    """Return the weighted share of a loss that the scores explain, averaged over the outputs.

    It is one minus the loss of the scores, divided by the loss of the best constant, and equals R2
    for the squared loss. An output with constant targets counts as in `r2`.

    Parameters
    ----------
    scores, Y : ndarray of shape (N, n_outputs)
    weights : ndarray of shape (N,)
    loss : callable
        Computes losses as `poisson_loss` does, and overwrites the scores.
    constant : callable
        Returns the score of least loss for targets y and weights.
    """
    explained = []
    for s, y in zip(scores.T.astype(np.float64), Y.T.astype(np.float64), strict=True):
        best = np.full_like(y, constant(y, weights))
        error, spread = (
            weights @ loss(np.array([prediction]), y[:, np.newaxis])[0] for prediction in (s, best)
        )
        if y.min() == y.max():
            explained.append(float(error <= spread))
        else:
            explained.append(1 - error / spread)
    return float(np.mean(explained))


def make_output(output):
    """Return the loss of an output layer, and the score of validation samples.

    Parameters
    ----------
    output : str or tuple
        A name, or a name and a dict of parameters of its loss: ``("quantile", {"quantile": 0.9})``.

    Returns
    -------
    loss : callable
        Computes the loss of each sample, replaces the scores by their gradient, and computes what
        the average of the score is made of.
    score : callable
        Computes the score of samples from their scores, targets and weights.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.network.losses import make_output
    >>> loss, score = make_output(("quantile", {"quantile": 0.9}))
    >>> Y, weights = np.array([[3.0], [1.0]]), np.ones(2)
    >>> loss(np.array([[2.0, 2.0]]), Y)[0]
    array([0.9, 0.1])
    >>> score(Y, Y, weights)
    1.0
    """
    name, parameters = (output, {}) if isinstance(output, str) else output
    if name in OUTPUTS:
        return OUTPUTS[name]
    quantile = parameters.get("quantile", 0.5)
    loss = {
        "absolute_error": absolute_loss,
        "quantile": partial(pinball_loss, quantile=quantile),
        "exp": poisson_loss,
    }[name]
    constant = log_mean if name == "exp" else partial(weighted_quantile, quantile)
    return partial(loss, **parameters), partial(d2, loss=loss, constant=constant)


OUTPUTS = {
    "softmax": (softmax_loss, softmax_accuracy),
    "logistic": (logistic_loss, logistic_accuracy),
    "identity": (squared_loss, r2),
}
