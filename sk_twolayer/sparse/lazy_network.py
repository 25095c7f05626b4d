"""Training on the features of a batch alone.

For a batch of sparse samples the network is a small one: the rows of W1 whose features occur in it.
Their pending updates are applied (see ``lazy_updates``), and they are trained like any small
network. `LazyRows` holds the rows and their moments; `LazyNetwork` computes with them, and
`LazyOptimizer` moves them. Both passes over the rows of a batch, the forward pass and the update,
gather a block of rows at a time. Room for all rows of a batch and their moments would be a good
part of the memory of the parameters if there are few features.
"""

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse

from sk_twolayer.network import (
    TwoLayerNetwork,
    compute_scores,
    multiply,
    row_chunks,
    sample_chunks,
    unpack,
)
from sk_twolayer.sparse.lazy_updates import inner_products, move_products

# A table keeps one map for each pending update. After so many updates they are applied to all rows,
# which bounds the table at a few megabytes and costs next to nothing.
MOST_PENDING = 2**16

# A batch with so many non-zeros per feature leaves out few features, if any. Then it is faster
# to move all rows of W1 where they are than to gather some, and to scatter them again.
DENSE_BATCH = 1.5

# What passes over rows of W1 works on blocks of so many bytes, which a cache holds.
ROW_BLOCK_BYTES = 2**18


class LazyRows:
    """The rows of W1 and of its moments, for which updates may be pending.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_features, hidden_size)
        W1 and its moments, trained in place.
    pending : PendingUpdates
        The updates that are pending for them; changed in place.
    optimizer : SGD or AdamW
        Moves rows, and says what an update does to a row without a gradient.
    alpha : float
        Strength of the L2 penalty.
    some_features : bool, default=False
        If True, there are rows of other features elsewhere, and updates must stay pending.
    """

    def __init__(self, arrays, pending, optimizer, alpha, some_features=False):
        self.arrays, self.pending, self.optimizer = arrays, pending, optimizer
        self.alpha, self.some_features = alpha, some_features
        if alpha and pending.products is None:
            self.apply_pending_updates()
            pending.products = inner_products(*arrays)
        # The features of a batch, or None for all; and room for a block of their rows.
        self._features = None
        block = next(row_blocks(arrays[0]), slice(0, 0))  # empty, if no feature occurs
        room = block.stop, arrays[0].shape[1]
        self._room = np.empty((len(arrays), *room), arrays[0].dtype)
        self._items = [as_items(array) for array in arrays]
        self._room_items = [as_items(room) for room in self._room]
        self._position = np.empty(len(arrays[0]), np.int32)

    def select(self, X):
        """Choose the features of a batch of CSR samples; return the batch with their columns."""
        if X.nnz > DENSE_BATCH * X.shape[1]:
            self.apply_pending_updates()
            self._features = None
        else:
            features = occurring_features(X)
            late = self.pending.seen[features] < self.pending.n_updates
            # Rows with pending updates come first: blocks after them need no maps.
            self._features = np.concatenate([features[late], features[~late]])
            X = keep_columns(X, self._features, self._position)
        self._X = None  # frees the last batch before there is another
        self._X = X.tocsc()  # its products read each row of W1 once, or write it
        return self._X

    def multiply(self, X, out):
        """Write ``X W1`` into out, after pending updates of the rows were applied."""
        if self._features is None:
            multiply(X, self.arrays[0], out)
            return
        pending = self.pending
        out[...] = 0.0
        for features, X_columns in self._blocks(csc_array):
            late = pending.seen[features[0]] < pending.n_updates
            w, *moments = self._take(features, n_arrays=None if late else 1)
            if late:
                maps = pending.maps(features, self.optimizer)
                self.optimizer.apply_maps(maps, w, *moments)
                self._put_back(features)
                pending.seen[features] = pending.n_updates
            out += X_columns @ w

    def move(self, dz1, learning_rate, n_updates):
        """Move the rows of the batch one step along the gradient ``X.T dz1``."""
        optimizer, pending, alpha = self.optimizer, self.pending, self.alpha
        zero_gradient_map, coefficients = optimizer.zero_gradient_map(
            learning_rate, alpha, n_updates
        )
        dots = np.zeros(3)
        for features, X_columns in self._blocks(csr_array):
            w, *moments = self._take(features)
            g = X_columns @ dz1
            if alpha:
                dots += np.vdot(w, g), np.vdot(moments[0], g), np.vdot(g, g)
                g += alpha * w
            optimizer.move(learning_rate, n_updates, w, *moments, g)
            del g  # before there is the gradient of the next block
            self._put_back(features)
        if alpha:
            pending.products = move_products(
                pending.products, zero_gradient_map, coefficients, dots
            )
        else:
            pending.products = None
        if self._features is not None:
            pending.advance(self._features, zero_gradient_map, optimizer)
            if pending.n_updates >= MOST_PENDING and not self.some_features:
                self.apply_pending_updates()
        elif self.some_features:
            pending.advance(slice(None), zero_gradient_map, optimizer)

    def apply_pending_updates(self):
        """Apply the pending updates of all rows."""
        if self.pending.n_updates:
            apply_all_pending(self.arrays, self.pending, self.optimizer)
            if not self.some_features:
                self.pending.reset()
                if self.alpha:
                    self.pending.products = inner_products(*self.arrays)

    def penalty(self):
        """Return ``alpha/2 ||W1||^2``."""
        return 0.5 * self.alpha * float(self.pending.products[0]) if self.alpha else 0.0

    def read(self, X):
        """Return X with the features that occur in it alone, and their rows of W1.

        Pending updates are applied to the copies only.
        """
        features = occurring_features(X)
        X = keep_columns(X, features, self._position)
        return X, read_rows(self.arrays, self.pending, self.optimizer, features)

    def _blocks(self, form):
        """Yield blocks of the features of the batch, and their columns of X in a sparse form."""
        features, n_features = self._features, self._X.shape[1]
        W1 = self.arrays[0]
        blocks = list(row_chunks(n_features, W1.shape[1] * W1.itemsize, ROW_BLOCK_BYTES))
        for block, columns in zip(blocks, column_blocks(self._X, blocks, form), strict=True):
            yield block if features is None else features[block], columns

    def _take(self, features, n_arrays=None):
        """Return rows of W1 and of its moments, or of the first of these arrays alone.

        The rows of a slice of features are views; others are gathered, in room for one block.
        """
        if self._features is None:
            return [array[features] for array in self.arrays[:n_arrays]]
        n = len(features)
        for source, room in zip(self._items[:n_arrays], self._room_items, strict=False):
            np.take(source, features, out=room[:n], mode="clip")
        return list(self._room[:n_arrays, :n])

    def _put_back(self, features):
        """Put all rows that were gathered back into their places."""
        if self._features is not None:
            for target, room in zip(self._items, self._room_items, strict=True):
                target[features] = room[: len(features)]


class LazyNetwork(TwoLayerNetwork):
    """A two-layer network for sparse samples, which reads only the rows of W1 that it needs.

    Parameters
    ----------
    rows : LazyRows
        The rows of W1, shared with a `LazyOptimizer`.
    n_features, hidden_size, n_outputs : int
        The shape of the network.
    parameters : ndarray of shape (n_parameters,)
        Of the whole network. The gradient leaves out W1: `LazyOptimizer` computes the gradient of
        one block of rows at a time.
    **settings : dict
        Other keyword arguments of `TwoLayerNetwork`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sk_twolayer.optimizers import SGD
    >>> from sk_twolayer.sparse import LazyNetwork, LazyOptimizer, LazyRows, PendingUpdates
    >>> parameters, velocity = np.ones(8), np.zeros(8)
    >>> sgd = SGD(parameters[3:], [velocity[3:]], momentum=0.0)
    >>> W1, v1 = parameters[:3].reshape(3, 1), velocity[:3].reshape(3, 1)
    >>> rows = LazyRows([W1, v1], PendingUpdates(3), sgd, alpha=0.5)
    >>> network = LazyNetwork(rows, 3, 1, 2, parameters=parameters, alpha=0.5, batch_size=1)
    >>> optimizer = LazyOptimizer(rows, network)
    >>> for _ in range(2):
    ...     loss, _ = network.loss_and_gradients(csr_array([[2.0, 0.0, 0.0]]), np.array([0]))
    ...     optimizer.update(network.gradient, learning_rate=1.0)
    ...
    >>> network.apply_pending_updates()
    >>> network.W1[1:].ravel()  # the features that did not occur have halved twice
    array([0.25, 0.25])
    """

    def __init__(self, rows, *shape, parameters, **settings):
        super().__init__(*shape, parameters=parameters, **settings)
        self.rows = rows

    def _make_gradient(self, n_features, hidden_size, n_outputs):
        rest = self.parameters[self.W1.size :]
        self.gradient = np.empty_like(rest)
        _, self.dW2, self.db1, self.db2 = unpack(self.gradient, 0, hidden_size, n_outputs)
        self._weights, self._weight_gradient = rest[: self.W2.size], self.gradient[: self.W2.size]

    def loss_and_gradients(self, X, y, sample_weight=None, keep=None):
        """Compute the loss of a batch, and its gradient but for W1.

        Parameters
        ----------
        X : sparse CSR of shape (N, n_features)
            The samples, in the computing dtype.
        y, sample_weight, keep : ndarray
            As for ``TwoLayerNetwork.loss_and_gradients``.

        Returns
        -------
        loss, accuracy : float
            Of the batch; the loss with the penalty on all weights.
        """
        loss, accuracy = super().loss_and_gradients(self.rows.select(X), y, sample_weight, keep)
        return loss + self.rows.penalty(), accuracy

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out."""
        self.rows.multiply(X, out)

    def compute_dW1(self, X, dz1):
        """Keep dz1, from which `LazyOptimizer` computes the gradient of W1 block by block."""
        self.dz1 = dz1

    def apply_pending_updates(self):
        """Apply the pending updates of all rows of W1."""
        self.rows.apply_pending_updates()

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return self.rows.penalty() + super().penalty()

    def scores(self, X):
        """Compute the scores of every sample of X, in chunks; updates of W1 stay pending."""
        if not issparse(X):
            self.apply_pending_updates()
        if self.rows.pending.n_updates == 0:
            return super().scores(X)
        scores = np.empty((X.shape[0], len(self.b2)), self.dtype)
        rest = self.W2, self.b1, self.b2, self.activation
        for chunk in sample_chunks(X, X.shape[0], self.hidden_size, self.dtype):
            scores[chunk] = compute_scores(*self.rows.read(X[chunk]), *rest)
        return scores


class LazyOptimizer:
    """The optimizer of a `LazyNetwork`.

    Parameters
    ----------
    rows : LazyRows
        The rows of W1; their optimizer updates W2, b1 and b2, too.
    network : LazyNetwork
        Holds the ``dz1`` of its last batch.
    """

    def __init__(self, rows, network):
        self.rows, self.network = rows, network

    def update(self, gradient, learning_rate, n_updates=None):
        """Move the parameters one step; the gradient is overwritten."""
        self.rows.optimizer.update(gradient, learning_rate, n_updates)
        self.rows.move(self.network.dz1, learning_rate, n_updates)


def apply_all_pending(arrays, pending, optimizer):
    """Apply the pending updates of all rows of W1 and of its moments, in blocks of rows."""
    for rows in row_blocks(arrays[0], ROW_BLOCK_BYTES // 2):  # there are copies of a block
        if (pending.seen[rows] < pending.n_updates).any():
            moved = [array[rows].copy() for array in arrays]
            optimizer.apply_maps(pending.maps(rows, optimizer), *moved)
            for array, current in zip(arrays, moved, strict=True):
                array[rows] = current
            pending.seen[rows] = pending.n_updates
            del moved, current  # before there are the copies of the next block


def read_rows(arrays, pending, optimizer, features):
    """Return copies of rows of W1 with their pending updates applied.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_features, hidden_size)
        W1 and its moments, not written to.
    pending : PendingUpdates
        The updates that are pending for the rows; they stay pending.
    optimizer : SGD, AdamW or their class
        Applies the maps of the updates.
    features : ndarray of int of shape (n,)
        The rows to read.

    Returns
    -------
    W1 : ndarray of shape (n, hidden_size)
    """
    gathered = np.empty((len(features), arrays[0].shape[1]), arrays[0].dtype)
    for rows in row_blocks(gathered):
        w, *moments = (array[features[rows]] for array in arrays)
        if pending.n_updates:
            optimizer.apply_maps(pending.maps(features[rows], optimizer), w, *moments)
        gathered[rows] = w
    return gathered


def row_blocks(rows, block_bytes=None):
    """Yield slices that cover rows of W1 in blocks that a cache holds."""
    return row_chunks(len(rows), rows.shape[1] * rows.itemsize, block_bytes or ROW_BLOCK_BYTES)


def occurring_features(X):
    """Return the features that occur in CSR samples, in order, six times as fast as np.unique."""
    if X.nnz > X.shape[1] // 16:
        occurs = np.zeros(X.shape[1], bool)
        occurs[X.indices] = True
        return np.flatnonzero(occurs).astype(np.int32, copy=False)
    features = np.sort(X.indices)
    first = np.ones(len(features), bool)
    np.not_equal(features[1:], features[:-1], out=first[1:])
    return features[first]


def as_items(rows):
    """View each row as one opaque item, which NumPy gathers and scatters faster."""
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()


def keep_columns(X, features, scratch):
    """Return CSR samples with these columns alone, which must be all that occur."""
    scratch[features] = np.arange(len(features), dtype=np.int32)
    shape = (X.shape[0], len(features))
    return csr_array((X.data, scratch[X.indices], X.indptr), shape=shape)


def column_blocks(X, blocks, form):
    """Yield blocks of columns of a CSC array: as CSC, or transposed, as CSR."""
    columns = None
    for block in blocks:
        n, indptr = block.stop - block.start, X.indptr[block.start : block.stop + 1]
        entries = slice(indptr[0], indptr[-1])
        parts = X.data[entries], X.indices[entries], indptr - indptr[0]
        shape = (X.shape[0], n) if form is csc_array else (n, X.shape[0])
        if columns is None or columns.shape != shape:
            columns = form(parts, shape=shape)
        else:  # to make another would take longer than its product
            columns.data, columns.indices, columns.indptr = parts
        yield columns
