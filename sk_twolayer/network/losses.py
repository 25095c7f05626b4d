"""What is made of the scores: probabilities or predictions, their loss, and its gradient.

Several classes share a softmax. Two classes, and every label of a label indicator, have a score
whose logistic sigmoid is the probability of the label. The loss of a row is the cross-entropy,
minus the logarithm of the probability of what is true of it. Where numbers are predicted, the
scores are the predictions ("identity"), and the loss of a row is half their squared error.
"""

import numpy as np

from sk_twolayer.network.activations import logistic


def softmax(scores):
    """Replace scores by exp(scores) / sum(exp(scores)) of each row."""
    with np.errstate(over="ignore"):  # the difference of large ones may be -inf, of which exp is 0
        scores -= scores.max(axis=1, keepdims=True)  # exp never overflows
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


# The losses take the scores of a batch transposed, a column for each row of the batch: NumPy
# reduces along the outer axis of so flat an array several times faster.


def softmax_loss(scores, y):
    """Cross-entropy of softmax(scores) against the class numbers y.

    Replaces scores by its gradient, ``p`` minus one at the true class.

    Parameters
    ----------
    scores : ndarray of shape (n_classes, N)
        Overwritten.
    y : ndarray of int of shape (N,)
        True classes.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``-log p[y_i, i]`` of each row.
    correct : ndarray of bool of shape (N,)
        Whether no score was larger than that of the true class.
    """
    true = y, np.arange(len(y))
    scores -= scores.max(axis=0)  # exp never overflows
    true_scores = scores[true]
    correct = true_scores == 0
    np.exp(scores, out=scores)
    total = scores.sum(axis=0)
    losses = np.log(total) - true_scores
    scores /= total
    scores[true] -= 1
    return losses, correct


def logistic_loss(scores, Y):
    """Binary cross-entropy of the sigmoid of every score, summed over the outputs.

    Replaces scores by its gradient, ``p - Y``.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Overwritten.
    Y : ndarray of shape (N, n_outputs)
        True labels, 0 or 1.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``sum_j log(1 + exp(s_ji)) - Y_ij s_ji`` of each row.
    correct : ndarray of bool of shape (N,)
        Whether every label of the row was on the right side of zero.
    """
    correct = ((scores > 0) == Y.T).all(axis=0)
    losses = (np.logaddexp(0, scores) - Y.T * scores).sum(axis=0)
    logistic(scores)
    scores -= Y.T
    return losses, correct


def squared_loss(scores, Y):
    """Half the squared error of every score, summed over the outputs.

    Replaces scores by its gradient, ``scores - Y``.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, N)
        Overwritten.
    Y : ndarray of shape (N, n_outputs)
        True numbers.

    Returns
    -------
    losses : ndarray of shape (N,)
        ``1/2 sum_j (s_ji - Y_ij)^2`` of each row.
    explained : ndarray of shape (N,)
        ``1 - sum_j (s_ji - Y_ij)^2 / n_outputs``. Its mean is R2 if the mean of every target is 0
        and its variance 1.
    """
    scores -= Y.T
    squares = np.square(scores).sum(axis=0)
    return 0.5 * squares, 1 - squares / len(scores)


OUTPUT_LOSSES = {"softmax": softmax_loss, "logistic": logistic_loss, "identity": squared_loss}


# What validation rows are scored by. The scores have a row for each row of the batch here.


def softmax_accuracy(scores, y, weights):
    """Share of the rows, by their weight, of which no score is larger than the true class's."""
    correct = scores[np.arange(len(y)), y] == scores.max(axis=1)
    return float(weights @ correct / weights.sum())


def logistic_accuracy(scores, Y, weights):
    """Share of the rows, by their weight, whose scores are all on the right side of zero."""
    correct = ((scores > 0) == Y).all(axis=1)
    return float(weights @ correct / weights.sum())


def r2(scores, Y, weights):
    """Coefficient of determination, the mean over the outputs.

    One minus the squared error over that of the mean of Y, all by weight. As in scikit-learn's
    `r2_score`, an output whose Y is constant counts 1 if predicted exactly and 0 otherwise.
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
