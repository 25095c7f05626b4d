"""What is made of the scores: probabilities, the cross-entropy, and its gradient.

Several classes share a softmax. Two classes, and every label of a label indicator, have a score
whose logistic sigmoid is the probability of the label. The loss of a row is the cross-entropy,
minus the logarithm of the probability of what is true of it.
"""

import numpy as np

from sk_twolayer.activations import logistic


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


OUTPUT_LOSSES = {"softmax": softmax_loss, "logistic": logistic_loss}
