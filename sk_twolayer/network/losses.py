"""The output of the network: probabilities or predictions, the losses, and their gradients.

Multiclass classification takes the softmax of the scores. Binary and multilabel classification
take the logistic sigmoid of each score, which is the probability of a label. In both, the loss of a
sample is the cross-entropy: minus the log-probability of its true class or labels. In regression
the scores are the predictions ("identity"), and the loss of a sample is half its squared error.
"""

import numpy as np

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


OUTPUT_LOSSES = {"softmax": softmax_loss, "logistic": logistic_loss, "identity": squared_loss}


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


OUTPUT_SCORES = {"softmax": softmax_accuracy, "logistic": logistic_accuracy, "identity": r2}
SCORE_NAMES = {"softmax": "accuracy", "logistic": "accuracy", "identity": "R2"}
