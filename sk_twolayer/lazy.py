"""Exact training on sparse rows, at a cost that follows the non-zeros.

A batch of texts has some thousand of a vocabulary's million words. To the batch the network is
a small one: the rows of W1 whose features occur in it, trained like any small network. The
gradient of every other row is that of the penalty alone, ``alpha w``, so that an update at
rate r moves the row w and its velocity v by a fixed linear map. With heavy-ball momentum m, and
with Nesterov's (see ``optimizers``, for ``g = alpha w``), it is::

    [ 1 - r alpha    m ]         [ 1 - r alpha (1 + m)    m^2 ]
    [   - r alpha    m ]         [   - r alpha            m   ]

So the row can wait. When it is next read, after k such updates, the k-th power of the map
catches up on them all, with the result that k updates one by one would have had, up to
rounding. Where the rate has changed meanwhile, the powers before and after are multiplied.

The loss needs ``||W1||^2`` at every update, without a look at the rows that wait. Summed over
them, the products (w.w, w.v, v.v) move by a linear map too, made of the one above. So three
numbers stand for all rows that wait, and the penalty in every reported loss is exact.
"""

from threading import Lock

import numpy as np
from scipy.sparse import csr_array, issparse

from sk_twolayer.network import (
    BLOCK_SIZE,
    CHUNK_BYTES,
    TwoLayerNetwork,
    blocks,
    bytes_per_row,
    compute_scores,
    row_chunks,
    unpack,
)
from sk_twolayer.optimizers import SGD

# The powers of the map are kept, one for each update that a row may have missed. After so many
# all rows catch up, which bounds the powers at a few megabytes and costs next to nothing.
MOST_MISSED = 2**16


class MissedUpdates:
    """Count what each row of W1 has missed, and give the maps that make good for it.

    Parameters
    ----------
    n_rows : int
        Rows of W1.
    alpha, momentum : float
        Strength of the penalty, and share of the velocity that is kept.
    nesterov : bool
        Which of the two momenta.
    learning_rate : float
        Rate of the updates to come.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.lazy import MissedUpdates
    >>> missed = MissedUpdates(2, alpha=1.0, momentum=0.5, nesterov=False, learning_rate=0.5)
    >>> missed.advance(np.array([0]))  # row 1 misses it
    >>> missed.maps(np.array([0, 1]))
    array([[[ 1. ,  0. ],
            [ 0. ,  1. ]],
    <BLANKLINE>
           [[ 0.5,  0.5],
            [-0.5,  0.5]]])
    """

    def __init__(self, n_rows, alpha, momentum, nesterov, learning_rate):
        self.alpha, self.momentum, self.nesterov = alpha, momentum, nesterov
        self.seen = np.zeros(n_rows, np.int32)  # the updates that each row has seen
        self.forget(learning_rate)

    def forget(self, learning_rate):
        """Count from zero: no row has missed anything."""
        self.seen[:] = 0
        self.n_updates = 0
        self._begin(learning_rate, np.empty((0, 2, 2)))

    def change_rate(self, learning_rate):
        """Go on at another rate, and remember what rows have missed at the earlier ones."""
        n = self.n_updates - self._since
        until_now = np.concatenate([self._powers[n] @ self._until_rate, self._powers[n:0:-1]])
        self._begin(learning_rate, until_now)

    def _begin(self, learning_rate, until_rate):
        r, alpha, m = learning_rate, self.alpha, self.momentum
        if not m:  # such updates leave the velocity alone
            self.map = np.array([[1 - r * alpha, 0], [0, 1]])
        elif self.nesterov:
            self.map = np.array([[1 - r * alpha * (1 + m), m**2], [-r * alpha, m]])
        else:
            self.map = np.array([[1 - r * alpha, m], [-r * alpha, m]])
        self._powers = np.eye(2)[np.newaxis]
        self._since = self.n_updates
        self._until_rate = until_rate  # maps from every earlier update to this change of rate

    def advance(self, rows):
        """Count one update more, which these rows have seen."""
        self.n_updates += 1
        n = self.n_updates - self._since
        if n == len(self._powers):  # twice as many: M^(n+i) = M^n M^i
            power = self.map @ self._powers[-1]
            self._powers = np.concatenate([self._powers, power @ self._powers])
        self.seen[rows] = self.n_updates

    def maps(self, rows):
        """Return the maps, of shape (len(rows), 2, 2), over what each row has missed."""
        seen = self.seen[rows]
        maps = self._powers[self.n_updates - np.maximum(seen, self._since)]
        earlier = seen < self._since
        if earlier.any():
            maps[earlier] = maps[earlier] @ self._until_rate[seen[earlier]]
        return maps


def apply_maps(maps, W, velocity):
    """Move each row of W and of its velocity by a map, in place."""
    maps = maps.astype(W.dtype)[..., np.newaxis]
    for rows in row_blocks(len(W), W.shape[1]):
        (a, b), (c, d) = np.moveaxis(maps[rows], 0, 2)
        w, v = W[rows], velocity[rows]
        c_w = c * w
        w *= a
        w += b * v
        v *= d
        v += c_w


def row_blocks(n_rows, row_size):
    """Slices that cover n_rows rows in pieces of BLOCK_SIZE entries, or a row."""
    return row_chunks(n_rows, CHUNK_BYTES // BLOCK_SIZE * row_size)


def inner_products(W, velocity):
    """Return the sums w.w, w.v, v.v over the rows, in double precision."""
    products = np.zeros(3)
    for w, v in blocks(W.ravel(), velocity.ravel()):
        products += w @ w, w @ v, v @ v
    return products


def symmetric_square(map_):
    """Return the map of the inner products of rows that all move by a map."""
    (a, b), (c, d) = map_
    return np.array(
        [
            [a * a, 2 * a * b, b * b],
            [a * c, a * d + b * c, b * d],
            [c * c, 2 * c * d, d * d],
        ]
    )


class LazyNetwork:
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
        self.hidden_size, self.n_outputs, self.dtype = hidden_size, n_outputs, parameters.dtype
        self.alpha, self.velocity, self._parameters = alpha, velocity, parameters
        self._W1, *self._others = unpack(parameters, *shape)
        self._velocity1, *_ = unpack(velocity, *shape)
        self._missed = MissedUpdates(n_features, alpha, momentum, nesterov, learning_rate)
        self._products = inner_products(self._W1, self._velocity1)  # of all rows, late or not

        # The network of a batch, and its SGD: W2, b1 and b2, and some rows of W1 each time.
        rest = slice(n_features * hidden_size, None)
        self._batch = TwoLayerNetwork(
            *(0, hidden_size, n_outputs), parameters=parameters[rest], alpha=alpha, **others
        )
        self._sgd = SGD(self._batch.parameters, learning_rate, momentum, nesterov)
        self._sgd.velocity = velocity[rest]
        self._buffers = np.empty((2, 0, hidden_size), self.dtype)
        # Threads may predict side by side, and whoever reads W1 may have to move it first.
        self._reading = Lock()
        self.activation, self.output_loss = self._batch.activation, self._batch.output_loss

    @property
    def parameters(self):
        """All parameters, up to date."""
        self.catch_up()
        return self._parameters

    @property
    def gradient(self):
        """Gradient of W2, b1 and b2; that of the rows of W1 is in here."""
        return self._batch.gradient

    @property
    def learning_rate(self):
        """Rate of the updates to come."""
        return self._sgd.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        if learning_rate != self.learning_rate:
            self._sgd.learning_rate = learning_rate
            self._missed.change_rate(learning_rate)

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
        self._features, X = narrow(X, len(self._W1))
        features, missed = self._features, self._missed
        late = features[missed.seen[features] < missed.n_updates]
        W1, velocity1 = self._W1[late], self._velocity1[late]
        apply_maps(missed.maps(late), W1, velocity1)
        self._W1[late], self._velocity1[late] = W1, velocity1
        missed.seen[late] = missed.n_updates

        if len(features) > self._buffers.shape[1]:
            self._buffers = np.empty((2, len(features), self.hidden_size), self.dtype)
        self._batch.W1, self._batch.dW1 = self._buffers[:, : len(features)]
        np.take(self._W1, features, axis=0, out=self._batch.W1, mode="clip")
        loss, accuracy = self._batch.loss_and_gradients(X, y, sample_weight, keep)
        return loss + 0.5 * self.alpha * float(self._products[0]), accuracy

    def update(self, gradient):
        """Move the parameters one step; the gradient is overwritten."""
        self._sgd.update(gradient)
        waiting, moved = self._products, np.zeros(3)
        for rows in row_blocks(len(self._features), self.hidden_size):
            features, w, g = self._features[rows], self._batch.W1[rows], self._batch.dW1[rows]
            v = self._velocity1[features]
            waiting = waiting - inner_products(w, v)
            if self.alpha:
                g += self.alpha * w
            self._sgd.move(w, v, g)
            moved += inner_products(w, v)
            self._W1[features], self._velocity1[features] = w, v
        self._products = symmetric_square(self._missed.map) @ waiting + moved
        self._missed.advance(self._features)
        if self._missed.n_updates == MOST_MISSED:
            self.catch_up()

    def catch_up(self):
        """Bring all rows up to date."""
        with self._reading:
            if self._missed.n_updates == 0:
                return
            for rows in row_chunks(len(self._W1), self._W1[:1].nbytes):
                apply_maps(self._missed.maps(rows), self._W1[rows], self._velocity1[rows])
            self._missed.forget(self.learning_rate)
            self._products = inner_products(self._W1, self._velocity1)

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return 0.5 * self.alpha * float(self._products[0]) + self._batch.penalty()

    def is_finite(self):
        """Return whether the parameters that the last update moved are finite."""
        return self._batch.is_finite() and bool(np.isfinite(self._batch.W1).all())

    def scores(self, X):
        """Compute the scores of every row of X, in row chunks; rows of W1 go on waiting."""
        if not issparse(X):
            self.catch_up()
            return compute_scores(X, self._W1, *self._others, self.activation)
        scores = np.empty((X.shape[0], self.n_outputs), self.dtype)
        for rows in row_chunks(X.shape[0], bytes_per_row(X, self.hidden_size, self.dtype)):
            features, chunk = narrow(X[rows], len(self._W1))
            with self._reading:
                W1 = self._W1[features]
                apply_maps(self._missed.maps(features), W1, self._velocity1[features])
            scores[rows] = compute_scores(chunk.tocsr(), W1, *self._others, self.activation)
        return scores

    def remember(self):
        """Return what training needs to go on, as an `SGD` does."""
        return {"velocity": self.velocity, "learning_rate": self.learning_rate}


def narrow(X, n_features):
    """Return the features that occur in CSR rows, and the rows with these columns alone.

    They are returned as CSC, whose products with W1 and with the hidden units' gradient read
    each row of W1, or write it, once.
    """
    occurs = np.zeros(n_features, bool)
    occurs[X.indices] = True
    features = np.flatnonzero(occurs)
    position = np.empty(n_features, np.int32)
    position[features] = np.arange(len(features), dtype=np.int32)
    shape = (X.shape[0], len(features))
    return features, csr_array((X.data, position[X.indices], X.indptr), shape=shape).tocsc()
