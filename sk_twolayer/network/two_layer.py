"""The two-layer network: its scores, its loss and its gradients.

From a batch ``X`` of N samples, the network computes hidden activations and one score per class::

    z1 = X W1 + b1        a1 = max(0, z1)        scores = a1 W2 + b2

The module ``activations`` has other functions than max(0, z). The class probabilities are
``p = softmax(scores)``. The loss is the mean cross-entropy of the samples plus a penalty on large
weights::

    loss = -1/N sum_i log p[i, y_i]  +  alpha/2 (||W1||^2 + ||W2||^2)

With sample weights w, the first term is the weighted mean ``sum w_i l_i / sum w_i``. Binary
classification needs one score, whose logistic sigmoid is the probability of the second class. In
regression the scores are the predictions of the continuous targets Y, and half the squared error
replaces the cross-entropy: ``1/2N sum_ij (scores[i, j] - Y[i, j])^2``. The module ``losses`` has
the other losses of predictions.
"""

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.network.activations import ACTIVATIONS
from sk_twolayer.network.losses import make_output
from sk_twolayer.network.parameters import BLOCK_SIZE, blocks, n_parameters, unpack

# Inference works on chunks of at most this many bytes, which bounds its memory.
CHUNK_BYTES = 2**23


def row_chunks(n_rows, bytes_per_row, chunk_bytes=None):
    """Yield slices that cover n_rows rows, each of at most chunk_bytes (CHUNK_BYTES) or one row."""
    size = max(1, (chunk_bytes or CHUNK_BYTES) // max(bytes_per_row, 1))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def sample_chunks(X, n_samples, hidden_size, dtype):
    """Yield slices that cover samples of X, each of at most CHUNK_BYTES with its hidden layer."""
    entries = X.shape[1]
    if issparse(X):
        entries = 2 * X.nnz // max(X.shape[0], 1)  # a column number with each
    return row_chunks(n_samples, (entries + hidden_size) * np.dtype(dtype).itemsize)


def hidden_chunks(X, W1, b1, activation):
    """Yield chunks of samples, as slices, and the hidden activations of each chunk.

    The activations of a sample are nan if its products overflow. Otherwise an activation function
    may map an infinite value to a finite one, and hide the overflow.
    """
    activate, _ = ACTIVATIONS[activation]
    for rows in sample_chunks(X, X.shape[0], len(b1), W1.dtype):
        a1 = X[rows].astype(W1.dtype, copy=False) @ W1
        a1 += b1
        overflown = None
        if not np.isfinite(a1.sum()):  # checks each entry only if it must
            overflown = ~np.isfinite(a1).all(axis=1)
        activate(a1)
        if overflown is not None:
            a1[overflown] = np.nan
        yield rows, a1


@np.errstate(over="ignore", invalid="ignore")
def compute_hidden(X, W1, b1, activation="relu"):
    """Compute the hidden activations of every sample, in chunks.

    Parameters
    ----------
    X, W1, b1, activation
        As for `compute_scores`.

    Returns
    -------
    a1 : ndarray of shape (n_samples, hidden_size)
        Has the dtype of W1. Nan for samples whose products overflow.
    """
    hidden = np.empty((X.shape[0], len(b1)), dtype=W1.dtype)
    for rows, a1 in hidden_chunks(X, W1, b1, activation):
        hidden[rows] = a1
    return hidden


@np.errstate(over="ignore", invalid="ignore")
def compute_scores(X, W1, W2, b1, b2, activation="relu"):
    """Compute the scores of every sample, in chunks.

    Parameters
    ----------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
        The samples, of any real dtype. They are cast to the dtype of W1 chunk by chunk.
    W1, W2, b1, b2 : ndarray
        The parameters.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of the hidden units.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_outputs)
        Nan for samples whose products overflow.
    """
    scores = np.empty((X.shape[0], W2.shape[1]), dtype=W1.dtype)
    for rows, a1 in hidden_chunks(X, W1, b1, activation):
        np.matmul(a1, W2, out=scores[rows])
    scores += b2
    return scores


def multiply(X, W, out):
    """Write X @ W into out, for a dense or a sparse X."""
    if issparse(X):
        out[...] = X @ W
    else:
        np.matmul(X, W, out=out)


class TwoLayerNetwork:
    """Hold the parameters, the gradients, and the buffers to compute them for a batch.

    Parameters
    ----------
    n_features, hidden_size, n_outputs : int
        The shape of the network.
    batch_size : int
        Maximum number of samples in a batch.
    alpha : float, default=0.0
        Strength of the L2 penalty on W1 and W2. It is not divided by N.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of the hidden units.
    output : {"softmax", "logistic", "identity", "absolute_error", "exp"} or tuple, \
            default="softmax"
        Function that turns scores into probabilities; "identity" for predictions with the squared
        loss, and "exp" for predictions with the Poisson loss. "absolute_error" and
        ``("quantile", {"quantile": 0.9})`` are other losses of predictions that are the scores.
    dtype : dtype, default=np.float64
        Dtype of all computations.
    parameters : ndarray of shape (n_parameters,), default=None
        Vector that holds the parameters; its dtype replaces `dtype`. None makes a vector of zeros.

    Attributes
    ----------
    parameters, gradient : ndarray of shape (n_parameters,)
        The flat vectors.
    W1, W2, b1, b2, dW1, dW2, db1, db2 : ndarray
        Views into the flat vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.network import TwoLayerNetwork
    >>> network = TwoLayerNetwork(2, 3, 4, batch_size=1)
    >>> network.loss_and_gradients(np.ones((1, 2)), np.array([0]))  # log(4), and a tie is correct
    (1.3862943611198906, 1.0)
    >>> network.db2
    array([-0.75,  0.25,  0.25,  0.25])
    """

    __module__ = "sk_twolayer.network"

    def __init__(
        self,
        n_features,
        hidden_size,
        n_outputs,
        *,
        batch_size,
        alpha=0.0,
        activation="relu",
        output="softmax",
        dtype=np.float64,
        parameters=None,
    ):
        shape = (n_features, hidden_size, n_outputs)
        self.alpha = alpha
        self.activation = activation
        self.output_loss, self.output_score = make_output(output)
        if parameters is None:
            parameters = np.zeros(n_parameters(*shape), dtype)
        self.hidden_size, self.dtype = hidden_size, parameters.dtype
        self.parameters = parameters
        self.W1, self.W2, self.b1, self.b2 = unpack(parameters, *shape)
        self._make_gradient(*shape)
        dtype = self.dtype
        self._scratch = np.empty(BLOCK_SIZE, dtype)
        self._a1 = np.empty((batch_size, hidden_size), dtype)
        self._da1 = np.empty((batch_size, hidden_size), dtype)
        self._kept_a1 = None  # used with dropout only
        self._scores = np.empty((n_outputs, batch_size), dtype)
        self._ones = np.ones(batch_size, dtype)  # a product with ones is the fastest sum

    def _make_gradient(self, *shape):
        """Make room for the gradient, and for the gradient of the penalty in it."""
        self.gradient = np.empty_like(self.parameters)
        self.dW1, self.dW2, self.db1, self.db2 = unpack(self.gradient, *shape)
        n_weights = self.W1.size + self.W2.size
        self._weights = self.parameters[:n_weights]
        self._weight_gradient = self.gradient[:n_weights]

    def scores(self, X):
        """Compute the scores of every sample, in chunks."""
        return compute_scores(X, self.W1, self.W2, self.b1, self.b2, self.activation)

    def apply_pending_updates(self):
        """Do nothing: only a `LazyNetwork` has pending updates to apply."""

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return 0.5 * self.alpha * float(np.dot(self._weights, self._weights))

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out."""
        multiply(X, self.W1, out)

    def compute_dW1(self, X, dz1):
        """Write the gradient of W1, without the penalty, into ``dW1``."""
        multiply(X.T, dz1, out=self.dW1)

    def loss_and_gradients(self, X, y, sample_weight=None, keep=None):
        """Compute the loss of a batch, and write its gradient into ``gradient``.

        Parameters
        ----------
        X : ndarray or sparse CSR of shape (N, n_features)
            The samples, in the dtype of the parameters.
        y : ndarray of shape (N,) or (N, n_outputs)
            Class indices for a softmax, labels 0 or 1 for a logistic output, otherwise continuous
            targets.
        sample_weight : ndarray of shape (N,), default=None
            Sample weights: none negative, and not all zero.
        keep : ndarray of shape (N, hidden_size), default=None
            Dropout mask, 0 or 1 / (1 - probability), that multiplies the activations.

        Returns
        -------
        loss : float
            Mean loss of the samples plus the penalty.
        accuracy : float
            Weighted share of the samples that are classified correctly. For an identity output it
            is R2, provided that the targets have mean 0 and variance 1, and for the other losses
            of predictions the D2 of such targets, see ``losses``.
        """
        activate, backward = ACTIVATIONS[self.activation]
        n = X.shape[0]
        a1, da1, scores, ones = self._a1[:n], self._da1[:n], self._scores[:, :n], self._ones[:n]

        # Forward.
        self.multiply_by_W1(X, out=a1)
        a1 += self.b1
        activate(a1)
        kept_a1 = a1
        if keep is not None:
            if self._kept_a1 is None:
                self._kept_a1 = np.empty_like(self._a1)
            kept_a1 = np.multiply(a1, keep, out=self._kept_a1[:n])
        np.matmul(self.W2.T, kept_a1.T, out=scores)
        scores += self.b2[:, np.newaxis]

        # The loss of the rows, and its gradient in place of the scores.
        losses, correct = self.output_loss(scores, y)
        dscores = scores
        if sample_weight is None:
            loss, accuracy = losses.sum() / n, correct.sum() / n
            dscores /= n
        else:
            share = sample_weight / sample_weight.sum()
            loss, accuracy = share @ losses, share @ correct
            dscores *= share

        # Backward.
        np.matmul(kept_a1.T, dscores.T, out=self.dW2)
        np.matmul(dscores, ones, out=self.db2)
        if len(dscores) == 1:  # five times as fast as a matrix product
            np.multiply(dscores.T, self.W2.T, out=da1)
        else:
            np.matmul(dscores.T, self.W2.T, out=da1)
        if keep is not None:
            da1 *= keep
        backward(a1, da1)
        dz1 = da1
        self.compute_dW1(X, dz1)
        np.matmul(ones, dz1, out=self.db1)

        # The penalty.
        if self.alpha:
            squares = 0.0
            for weights, gradient in blocks(self._weights, self._weight_gradient):
                squares += float(np.dot(weights, weights))
                gradient += np.multiply(weights, self.alpha, out=self._scratch[: len(weights)])
            loss += 0.5 * self.alpha * squares
        return float(loss), float(accuracy)
