"""The network itself: its parameters, its scores, its loss and its gradients.

A two-layer network sees a batch ``X`` of N rows, mixes the features into hidden units,
bends them, and mixes the hidden units into one score per class::

    z1 = X W1 + b1        a1 = max(0, z1)        scores = a1 W2 + b2

(the hidden units may bend otherwise than by max(0, z), see ``ACTIVATIONS``).
The scores become probabilities ``p = softmax(scores)``, and the loss is how surprised
those probabilities are by the true classes, plus a penalty on large weights::

    loss = -1/N sum_i log p[i, y_i]  +  alpha/2 (||W1||^2 + ||W2||^2)

With sample weights w the first term is the weighted mean, ``sum w_i l_i / sum w_i``. Two
classes need one score only, whose logistic sigmoid is the probability of the second.

All parameters live in one flat vector laid out ``[W1 | W2 | b1 | b2]``, of which the four
are views, and the gradient has the same layout: so an update of everything is a handful
of NumPy calls, and the penalty applies to the leading slice.
"""

import numpy as np
from scipy.sparse import issparse

# Inference and initialisation work on pieces of at most this many bytes, so that their
# memory stays bounded however many rows or features there are.
CHUNK_BYTES = 2**23

# What passes over all parameters works on blocks of so many, which stay in the processor's
# cache from one operation to the next.
BLOCK_SIZE = 2**15


def relu(z):
    """Replace z by max(0, z), with a row of zeros: NumPy is half as fast against a scalar."""
    np.maximum(z, np.zeros(z.shape[1], z.dtype), out=z)


def relu_backward(a, da):
    """Multiply da by the derivative: 1 where a > 0, else 0."""
    np.greater(a, 0, out=a, casting="unsafe")
    da *= a


def tanh(z):
    """Replace z by tanh(z)."""
    np.tanh(z, out=z)


def tanh_backward(a, da):
    """Multiply da by the derivative, 1 - a^2."""
    a *= a
    np.subtract(1, a, out=a)
    da *= a


def logistic(z):
    """Replace z by 1 / (1 + exp(-z)), written with tanh, which never overflows."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def logistic_backward(a, da):
    """Multiply da by the derivative, a (1 - a)."""
    da *= a
    np.subtract(1, a, out=a)
    da *= a


def identity(z):
    """Leave z as it is."""


def identity_backward(a, da):
    """Leave da as it is: the derivative is 1."""


# Each activation works in place, and so does its backward pass, which knows the derivative
# from the activation a = f(z) alone, and may spend a: nobody needs it afterwards.
ACTIVATIONS = {
    "relu": (relu, relu_backward),
    "tanh": (tanh, tanh_backward),
    "logistic": (logistic, logistic_backward),
    "identity": (identity, identity_backward),
}


def n_parameters(n_features, hidden_size, n_outputs):
    """Length of the flat vector ``[W1 | W2 | b1 | b2]``."""
    return (n_features + n_outputs) * hidden_size + hidden_size + n_outputs


def unpack(vector, n_features, hidden_size, n_outputs):
    """Return the views W1, W2, b1, b2 of the flat vector.

    Parameters
    ----------
    vector : ndarray of shape (n_parameters,)
        The parameters, or anything laid out like them.
    n_features, hidden_size, n_outputs : int
        The shape of the network.

    Returns
    -------
    W1 : ndarray of shape (n_features, hidden_size)
    W2 : ndarray of shape (hidden_size, n_outputs)
    b1 : ndarray of shape (hidden_size,)
    b2 : ndarray of shape (n_outputs,)

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.network import unpack
    >>> W1, W2, b1, b2 = unpack(np.arange(9.0), 2, 2, 1)
    >>> W2
    array([[4.],
           [5.]])
    >>> b2
    array([8.])
    """
    ends = np.cumsum([n_features * hidden_size, hidden_size * n_outputs, hidden_size])
    W1, W2, b1, b2 = np.split(vector, ends)
    return W1.reshape(n_features, hidden_size), W2.reshape(hidden_size, n_outputs), b1, b2


def blocks(*vectors):
    """Cut vectors of one length into views of at most BLOCK_SIZE entries, side by side."""
    for start in range(0, len(vectors[0]), BLOCK_SIZE):
        yield [vector[start : start + BLOCK_SIZE] for vector in vectors]


def initialize(W1, W2, b1, b2, init, rng):
    """Draw Gaussian weights, W1 first and row by row, and set the biases to zero.

    Parameters
    ----------
    W1, W2, b1, b2 : ndarray
        The parameters, overwritten.
    init : {"he", "glorot"} or float
        The standard deviation of the weights: sqrt(2 / n_in) for "he" [1]_,
        sqrt(2 / (n_in + n_out)) for "glorot" [2]_, n_in and n_out being the layer's
        inputs and outputs; or the number itself.
    rng : numpy.random.RandomState
        Where the weights come from.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun. "Delving deep into rectifiers." ICCV 2015.
    .. [2] Glorot, Bengio. "Understanding the difficulty of training deep feedforward
       neural networks." AISTATS 2010.
    """
    for W in (W1, W2):
        n_in, n_out = W.shape
        deviation = init
        if init == "he":
            deviation = np.sqrt(2 / n_in)
        elif init == "glorot":
            deviation = np.sqrt(2 / (n_in + n_out))
        for rows in row_chunks(n_in, n_out * 8, chunk_bytes=2**18):
            W[rows] = deviation * rng.standard_normal(W[rows].shape)
    b1[:] = 0
    b2[:] = 0


def row_chunks(n_rows, bytes_per_row, chunk_bytes=CHUNK_BYTES):
    """Slices that cover n_rows rows in pieces of at most so many bytes, or a row."""
    size = max(1, chunk_bytes // max(bytes_per_row, 1))
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def bytes_per_row(X, hidden_size, dtype):
    """Bytes that a row of X takes on its way to the scores, cast to dtype."""
    entries = X.shape[1]
    if issparse(X):
        entries = 2 * X.nnz // max(X.shape[0], 1)  # a column number with each
    return (entries + hidden_size) * np.dtype(dtype).itemsize


def compute_scores(X, W1, W2, b1, b2, activation="relu"):
    """Scores of every row of X, computed in row chunks.

    Parameters
    ----------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
        The rows, of any real dtype: a chunk at a time is cast to that of W1.
    W1, W2, b1, b2 : ndarray
        The parameters.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Of the hidden units.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_outputs)
    """
    activate, _ = ACTIVATIONS[activation]
    scores = np.empty((X.shape[0], W2.shape[1]), dtype=W1.dtype)
    for rows in row_chunks(X.shape[0], bytes_per_row(X, len(b1), W1.dtype)):
        a1 = X[rows].astype(W1.dtype, copy=False) @ W1
        a1 += b1
        activate(a1)
        np.matmul(a1, W2, out=scores[rows])
    scores += b2
    return scores


def multiply(X, W, out):
    """Write X @ W into out, for a dense or a sparse X."""
    if issparse(X):
        out[...] = X @ W
    else:
        np.matmul(X, W, out=out)


def softmax(scores):
    """Replace scores by exp(scores) / sum(exp(scores)) of each row."""
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


class TwoLayerNetwork:
    """Parameters, gradients and the room that batches need to compute them.

    Parameters
    ----------
    n_features, hidden_size, n_outputs : int
        The shape of the network.
    batch_size : int
        Most rows in a batch.
    alpha : float, default=0.0
        Strength of the L2 penalty on W1 and W2; not divided by N.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Of the hidden units.
    output : {"softmax", "logistic"}, default="softmax"
        What turns scores into probabilities.
    dtype : dtype, default=np.float64
        Of everything computed.
    parameters : ndarray of shape (n_parameters,), default=None
        Where the parameters are kept, in place of a vector of zeros of that dtype.

    Attributes
    ----------
    parameters, gradient : ndarray of shape (n_parameters,)
        The flat vectors.
    W1, W2, b1, b2, dW1, dW2, db1, db2 : ndarray
        Views of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.network import TwoLayerNetwork
    >>> network = TwoLayerNetwork(2, 3, 4, batch_size=1)
    >>> network.loss_and_gradients(np.ones((1, 2)), np.array([0]))  # log(4), by luck right
    (1.3862943611198906, 1.0)
    >>> network.db2
    array([-0.75,  0.25,  0.25,  0.25])
    """

    lazy = False

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
        self.output_loss = OUTPUT_LOSSES[output]
        if parameters is None:
            parameters = np.zeros(n_parameters(*shape), dtype)
        self.hidden_size, self.dtype = hidden_size, parameters.dtype
        self._parameters, self.gradient = parameters, np.empty_like(parameters)
        self.W1, self.W2, self.b1, self.b2 = unpack(parameters, *shape)
        self.dW1, self.dW2, self.db1, self.db2 = unpack(self.gradient, *shape)

        n_weights = self.W1.size + self.W2.size
        self._weights = parameters[:n_weights]
        self._weight_gradient = self.gradient[:n_weights]
        dtype = self.dtype
        self._scratch = np.empty(BLOCK_SIZE, dtype)
        self._a1 = np.empty((batch_size, hidden_size), dtype)
        self._da1 = np.empty((batch_size, hidden_size), dtype)
        self._kept_a1 = None  # only with dropout
        self._scores = np.empty((n_outputs, batch_size), dtype)
        self._ones = np.ones(batch_size, dtype)  # a product with them is the fastest sum

    @property
    def parameters(self):
        """All parameters, as one vector."""
        return self._parameters

    def scores(self, X):
        """Compute the scores of every row of X, in row chunks."""
        return compute_scores(X, self.W1, self.W2, self.b1, self.b2, self.activation)

    def is_finite(self):
        """Return whether all parameters are finite numbers."""
        return all(np.isfinite(block).all() for (block,) in blocks(self._parameters))

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return 0.5 * self.alpha * float(np.dot(self._weights, self._weights))

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out."""
        multiply(X, self.W1, out)

    def compute_dW1(self, X, dz1):
        """Write the gradient of W1, without the penalty's, into ``dW1``."""
        multiply(X.T, dz1, out=self.dW1)

    def loss_and_gradients(self, X, y, sample_weight=None, keep=None):
        """Compute the loss of one batch, and its gradient into ``gradient``.

        Parameters
        ----------
        X : ndarray or sparse CSR of shape (N, n_features)
            The rows, in the computing dtype.
        y : ndarray of shape (N,) or (N, n_outputs)
            Class numbers for a softmax, 0 and 1 per output for a logistic output.
        sample_weight : ndarray of shape (N,), default=None
            Not negative, and not all zero.
        keep : ndarray of shape (N, hidden_size), default=None
            Dropout: what each activation is multiplied by, 0 or 1 / (1 - probability).

        Returns
        -------
        loss : float
            Mean loss of the rows plus the penalty.
        accuracy : float
            Share of the rows (of their weight) that the scores got right.
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
            loss, accuracy = losses.sum() / n, np.count_nonzero(correct) / n
            dscores /= n
        else:
            share = sample_weight / sample_weight.sum()
            loss, accuracy = share @ losses, share @ correct
            dscores *= share

        # Backward.
        np.matmul(kept_a1.T, dscores.T, out=self.dW2)
        np.matmul(dscores, ones, out=self.db2)
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
