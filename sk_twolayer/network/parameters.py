"""The parameters: one flat vector, its four views, and their initial values.

One vector holds all parameters in the order ``[W1 | W2 | b1 | b2]``. The gradient and the moments
of the optimizers have the same layout. So an update takes a handful of NumPy calls, the penalty
applies to the first part of the vector, and copying one array copies the network.
"""

import numpy as np

# What passes over all parameters works on blocks of this many entries, which stay in the
# processor's cache from one operation to the next.
BLOCK_SIZE = 2**16


def n_parameters(n_features, hidden_size, n_outputs):
    """Return the length of the flat vector ``[W1 | W2 | b1 | b2]``."""
    return (n_features + n_outputs) * hidden_size + hidden_size + n_outputs


def unpack(vector, n_features, hidden_size, n_outputs):
    """Return the views W1, W2, b1, b2 of the flat vector.

    Parameters
    ----------
    vector : ndarray of shape (n_parameters,)
        The parameters, or a vector with the same layout.
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


def initialize(W1, W2, b1, b2, init, rng):
    """Draw Gaussian weights, first W1, then W2, row by row, and set the biases to zero.

    Parameters
    ----------
    W1, W2, b1, b2 : ndarray
        The parameters, overwritten.
    init : {"he", "glorot"} or float
        Standard deviation of the weights. "he" [1]_ stands for sqrt(2 / n_in) and "glorot" [2]_ for
        sqrt(2 / (n_in + n_out)), where the layer has n_in inputs and n_out outputs.
    rng : numpy.random.RandomState
        Source of the random numbers.

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
        size = max(1, 2**18 // (8 * n_out))  # rows at a time, to bound the memory
        for start in range(0, n_in, size):
            rows = W[start : start + size]
            rows[:] = deviation * rng.standard_normal(rows.shape)
    b1[:] = 0
    b2[:] = 0


def block_slices(n):
    """Return slices that cut n entries into blocks of at most BLOCK_SIZE."""
    return [slice(start, min(start + BLOCK_SIZE, n)) for start in range(0, n, BLOCK_SIZE)]


def blocks(*vectors):
    """Cut vectors of one length into views of at most BLOCK_SIZE entries, side by side."""
    for block in block_slices(len(vectors[0])):
        yield [vector[block] for vector in vectors]
