"""Exact training on sparse rows, at a cost that follows the non-zeros.

To a batch of texts, the network is a small one: the rows of W1 whose features occur in it. They
are gathered, brought up to date with what they have missed (see ``missed_updates``), trained like
any small network, and put back. All others go on waiting.
"""

from threading import Lock

import numpy as np
from scipy.sparse import csr_array, issparse

from sk_twolayer.missed_updates import (
    MissedUpdates,
    apply_maps,
    inner_products,
    move_products,
)
from sk_twolayer.network import (
    TwoLayerNetwork,
    blocks,
    bytes_per_row,
    compute_scores,
    multiply,
    row_chunks,
    unpack,
)
from sk_twolayer.optimizers import SGD

# The powers of the map are kept, one for each update that a row may have missed. After so many
# all rows catch up, which bounds the powers at a few megabytes and costs next to nothing.
MOST_MISSED = 2**16

# A batch with so many non-zeros per feature leaves out few features, if any. Then it is faster
# to move all rows of W1 where they are than to gather some, and to scatter them again.
DENSE_BATCH = 1.5

# What passes over rows of W1 works on blocks of so many bytes, which a cache holds.
ROW_BLOCK_BYTES = 2**18


class LazyNetwork(TwoLayerNetwork):
    """A two-layer network and its SGD in one, for sparse rows.

    They are one because neither can be read without the other: a row of W1 that waits is
    right only after its velocity has moved it. In training it goes where a
    `TwoLayerNetwork` goes and where an `SGD` goes.

    Parameters
    ----------
    n_features, hidden_size, n_outputs : int
        The shape of the network.
    parameters, velocity : ndarray of shape (n_parameters,)
        Both are trained in place.
    learning_rate, momentum, nesterov : float, float, bool
        As for `SGD`.
    alpha : float
        As for `TwoLayerNetwork`, which takes the other keyword arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sk_twolayer.lazy import LazyNetwork
    >>> network = LazyNetwork(
    ...     *(3, 1, 2),
    ...     parameters=np.ones(8),
    ...     velocity=np.zeros(8),
    ...     learning_rate=1.0,
    ...     momentum=0.0,
    ...     nesterov=False,
    ...     alpha=0.5,
    ...     batch_size=1,
    ... )
    >>> for _ in range(2):
    ...     loss, _ = network.loss_and_gradients(csr_array([[2.0, 0.0, 0.0]]), np.array([0]))
    ...     network.update(network.gradient)
    >>> network.parameters[1:3]  # the features that did not occur have halved twice
    array([0.25, 0.25])
    """

    lazy = True

    def __init__(
        self,
        n_features,
        hidden_size,
        n_outputs,
        *,
        parameters,
        velocity,
        learning_rate,
        momentum,
        nesterov,
        alpha,
        **others,
    ):
        shape = (n_features, hidden_size, n_outputs)
        rest = slice(n_features * hidden_size, None)  # W2, b1 and b2, an ordinary small network
        super().__init__(0, *shape[1:], parameters=parameters[rest], alpha=alpha, **others)
        self._sgd = SGD(self._parameters, learning_rate, momentum, nesterov)
        self._sgd.velocity = velocity[rest]
        self._all_parameters, self.velocity = parameters, velocity
        self.W1, *_ = unpack(parameters, *shape)
        self._velocity1, *_ = unpack(velocity, *shape)
        self._missed = MissedUpdates(n_features, alpha, self._sgd)
        self._products = inner_products(self.W1, self._velocity1)  # of all rows, late or not
        # The features of a batch, or None for all; its rows of W1 and of the velocity; their room.
        self._features, self._w, self._v = None, self.W1, self._velocity1
        self._buffers = np.empty((2, 0, hidden_size), self.dtype)
        self._position = np.empty(n_features, np.int32)
        # Threads may predict side by side, and whoever reads W1 may have to move it first.
        self._reading = Lock()

    @property
    def parameters(self):
        """All parameters, up to date."""
        self.catch_up()
        return self._all_parameters

    @property
    def learning_rate(self):
        """Rate of the updates to come."""
        return self._sgd.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        if learning_rate != self.learning_rate:
            self._sgd.learning_rate = learning_rate
            self._missed.change_rate()

    def loss_and_gradients(self, X, y, sample_weight=None, keep=None):
        """Compute the loss of a batch, and its gradient for the features that occur in it.

        Parameters
        ----------
        X : sparse CSR of shape (N, n_features)
            The rows, in the computing dtype.
        y, sample_weight, keep : ndarray
            As for ``TwoLayerNetwork.loss_and_gradients``.

        Returns
        -------
        loss, accuracy : float
            Of the batch; the loss with the penalty on all weights.
        """
        if X.nnz > DENSE_BATCH * X.shape[1]:
            self.catch_up()
            self._features, self._w, self._v = None, self.W1, self._velocity1
        else:
            X = self._gather(X)
        self._X = X.tocsc()  # whose products read each row of W1 once, or write it
        loss, accuracy = super().loss_and_gradients(self._X, y, sample_weight, keep)
        return loss + 0.5 * self.alpha * float(self._products[0]), accuracy

    def _gather(self, X):
        """Gather what W1 and the velocity have of the batch, up to date; narrow X to that."""
        missed, features = self._missed, occurring_features(X)
        late = missed.seen[features] < missed.n_updates
        # The late ones first: blocks after them need no maps.
        features = np.concatenate([features[late], features[~late]])
        if len(features) > self._buffers.shape[1]:
            del self._buffers, self._w, self._v  # before there are others
            self._buffers = np.empty((2, len(features), self.hidden_size), self.dtype)
        self._features = features
        self._w, self._v = self._buffers[:, : len(features)]
        n_late = np.count_nonzero(late)
        for rows in self._row_blocks(len(features)):
            w, v = self._w[rows], self._v[rows]
            np.take(as_items(self.W1), features[rows], out=as_items(w), mode="clip")
            np.take(as_items(self._velocity1), features[rows], out=as_items(v), mode="clip")
            if rows.start < n_late:
                apply_maps(missed.maps(features[rows]), w, v)
        return keep_columns(X, features, self._position)

    def _row_blocks(self, n_rows):
        """Slices that cover rows of W1 in blocks."""
        return row_chunks(n_rows, self.hidden_size * self.dtype.itemsize, ROW_BLOCK_BYTES)

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out."""
        multiply(X, self._w, out)

    def compute_dW1(self, X, dz1):
        """Leave it to `update`, which needs it block by block."""
        self._dz1 = dz1

    def update(self, gradient):
        """Move the parameters one step; the gradient is overwritten."""
        self._sgd.update(gradient)
        dots = np.zeros(3)
        row_blocks = list(self._row_blocks(len(self._w)))
        for rows, X_columns in zip(row_blocks, transposed(self._X, row_blocks), strict=True):
            w, v, g = self._w[rows], self._v[rows], X_columns @ self._dz1
            if self.alpha:
                dots += np.vdot(w, g), np.vdot(v, g), np.vdot(g, g)
                g += self.alpha * w
            self._sgd.move(w, v, g)
            if self._features is not None:
                as_items(self.W1)[self._features[rows]] = as_items(w)
                as_items(self._velocity1)[self._features[rows]] = as_items(v)
        missed = self._missed
        self._products = move_products(self._products, missed.map, missed.push, dots)
        if self._features is not None:
            missed.advance(self._features)
            if missed.n_updates == MOST_MISSED:
                self.catch_up()

    def catch_up(self):
        """Bring all rows up to date."""
        with self._reading:
            if self._missed.n_updates == 0:
                return
            for rows in self._row_blocks(len(self.W1)):
                apply_maps(self._missed.maps(rows), self.W1[rows], self._velocity1[rows])
            self._missed.forget()
            self._products = inner_products(self.W1, self._velocity1)

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return 0.5 * self.alpha * float(self._products[0]) + super().penalty()

    def is_finite(self):
        """Return whether the parameters that the last update moved are finite."""
        return super().is_finite() and all(np.isfinite(w).all() for (w,) in blocks(self._w.ravel()))

    def scores(self, X):
        """Compute the scores of every row of X, in row chunks; rows of W1 go on waiting."""
        if not issparse(X):
            self.catch_up()
        if self._missed.n_updates == 0:
            return super().scores(X)
        scores = np.empty((X.shape[0], self.W2.shape[1]), self.dtype)
        position = np.empty(len(self.W1), np.int32)
        for rows in row_chunks(X.shape[0], bytes_per_row(X, self.hidden_size, self.dtype)):
            features = occurring_features(X[rows])
            chunk = keep_columns(X[rows], features, position)
            with self._reading:
                W1 = self.W1[features]
                apply_maps(self._missed.maps(features), W1, self._velocity1[features])
            rest = self.W2, self.b1, self.b2, self.activation
            scores[rows] = compute_scores(chunk, W1, *rest)
        return scores

    def remember(self):
        """Return what training needs to go on, as an `SGD` does."""
        return {"velocity": self.velocity, "learning_rate": self.learning_rate}


def occurring_features(X):
    """Return the features that occur in CSR rows, in order; np.unique takes six times as long."""
    features = np.sort(X.indices)
    first = np.ones(len(features), bool)
    np.not_equal(features[1:], features[:-1], out=first[1:])
    return features[first]


def as_items(rows):
    """View each row as one opaque item, which NumPy gathers and scatters faster."""
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()


def keep_columns(X, features, scratch):
    """Return CSR rows with these columns alone, which are all that occur."""
    scratch[features] = np.arange(len(features), dtype=np.int32)
    shape = (X.shape[0], len(features))
    return csr_array((X.data, scratch[X.indices], X.indptr), shape=shape)


def transposed(X, column_blocks):
    """Yield blocks of columns of a CSC array, each transposed to rows of CSR."""
    block = None
    for columns in column_blocks:
        indptr = X.indptr[columns.start : columns.stop + 1]
        entries = slice(indptr[0], indptr[-1])
        parts = X.data[entries], X.indices[entries], indptr - indptr[0]
        shape = (len(indptr) - 1, X.shape[0])
        if block is None or block.shape != shape:
            block = csr_array(parts, shape=shape)
        else:  # to make another would take longer than its product
            block.data, block.indices, block.indptr = parts
        yield block
