"""Exact training on sparse rows, at a cost that follows the non-zeros.

For a batch of texts, the network is a small one: the rows of W1 whose features occur in it. They
are brought up to date with what they have missed (see ``missed_updates``), and trained like any
small network. All others go on waiting. Both passes over these rows, the forward one and that of
the update, gather a block of them at a time and put it back: room for all rows of a batch, and for
their moments, would be a good part of what the parameters take where features are few.
"""

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse

from sk_twolayer.blocks import bytes_per_row, row_chunks
from sk_twolayer.missed_updates import inner_products, move_products
from sk_twolayer.network import TwoLayerNetwork, compute_scores, multiply
from sk_twolayer.parameters import unpack

# The maps over what a row may have missed are kept, one for each update. After so many updates
# all rows catch up, which bounds the maps at a few megabytes and costs next to nothing.
MOST_MISSED = 2**16

# A batch with so many non-zeros per feature leaves out few features, if any. Then it is faster
# to move all rows of W1 where they are than to gather some, and to scatter them again.
DENSE_BATCH = 1.5

# What passes over rows of W1 works on blocks of so many bytes, which a cache holds.
ROW_BLOCK_BYTES = 2**18


class LazyNetwork(TwoLayerNetwork):
    """A two-layer network and its optimizer in one, for sparse rows.

    They are one because neither can be read without the other: a row of W1 that waits is
    right only after its moments have moved it. In training it goes where a
    `TwoLayerNetwork` goes and where an optimizer goes.

    Parameters
    ----------
    n_features, hidden_size, n_outputs : int
        The shape of the network.
    parameters : ndarray of shape (n_parameters,)
        Trained in place.
    moments : list of ndarray of shape (n_parameters,)
        Those of the optimizer, trained in place.
    missed : MissedUpdates
        What the rows of W1 have missed so far; goes on in place.
    make_optimizer : callable
        Makes the optimizer from some parameters and their moments.
    some_features : bool, default=False
        Whether there are rows of other features, which wait elsewhere.
    alpha : float
        As for `TwoLayerNetwork`, which takes the other keyword arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from functools import partial
    >>> from scipy.sparse import csr_array
    >>> from sk_twolayer.lazy import LazyNetwork
    >>> from sk_twolayer.missed_updates import MissedUpdates
    >>> from sk_twolayer.optimizers import SGD
    >>> network = LazyNetwork(
    ...     *(3, 1, 2),
    ...     parameters=np.ones(8),
    ...     moments=[np.zeros(8)],
    ...     missed=MissedUpdates(3),
    ...     make_optimizer=partial(SGD, momentum=0.0),
    ...     alpha=0.5,
    ...     batch_size=1,
    ... )
    >>> for _ in range(2):
    ...     loss, _ = network.loss_and_gradients(csr_array([[2.0, 0.0, 0.0]]), np.array([0]))
    ...     network.update(network.gradient, learning_rate=1.0)
    >>> network.catch_up()
    >>> network.W1[1:].ravel()  # the features that did not occur have halved twice
    array([0.25, 0.25])
    """

    def __init__(
        self,
        n_features,
        hidden_size,
        n_outputs,
        *,
        parameters,
        moments,
        missed,
        make_optimizer,
        some_features=False,
        alpha,
        **others,
    ):
        shape = (n_features, hidden_size, n_outputs)
        rest = slice(n_features * hidden_size, None)  # W2, b1 and b2, an ordinary small network
        super().__init__(0, *shape[1:], parameters=parameters[rest], alpha=alpha, **others)
        self._optimizer = make_optimizer(self.parameters, [vector[rest] for vector in moments])
        # The rows of W1 and of its moments, of all features.
        self._all = [unpack(vector, *shape)[0] for vector in (parameters, *moments)]
        self.W1 = self._all[0]
        self._missed, self._some_features = missed, some_features
        if alpha and missed.products is None:
            self.catch_up()
            missed.products = inner_products(*self._all)
        # The features of a batch, or None for all; and room for a block of its rows.
        self._features = None
        block = next(row_blocks(self.W1), slice(0, 0))  # none, if no feature occurs
        self._room = np.empty((len(self._all), block.stop, hidden_size), self.dtype)
        self._items = [as_items(array) for array in self._all]
        self._room_items = [as_items(room) for room in self._room]
        self._position = np.empty(n_features, np.int32)

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
            self._features = None
        else:
            features = occurring_features(X)
            late = self._missed.seen[features] < self._missed.n_updates
            # The late ones first: blocks after them need no maps.
            self._features = np.concatenate([features[late], features[~late]])
            X = keep_columns(X, self._features, self._position)
        self._X = None  # that of the last batch, before there is another
        self._X = X.tocsc()  # whose products read each row of W1 once, or write it
        loss, accuracy = super().loss_and_gradients(self._X, y, sample_weight, keep)
        return loss + self._penalty_of_W1(), accuracy

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out; rows of W1 whose features occur in X are brought up to date."""
        if self._features is None:
            multiply(X, self.W1, out)
            return
        missed, optimizer = self._missed, self._optimizer
        out[...] = 0.0
        for features, X_columns in self._blocks(csc_array):
            late = missed.seen[features[0]] < missed.n_updates
            w, *moments = self._take(features, n_arrays=None if late else 1)
            if late:
                optimizer.apply_idle_maps(missed.maps(features, optimizer), w, *moments)
                self._put_back(features)
                missed.seen[features] = missed.n_updates
            out += X_columns @ w

    def _blocks(self, form):
        """Yield blocks of the features of the batch, and their columns of X in a sparse form."""
        features, n_features = self._features, self._X.shape[1]
        row_bytes = self.hidden_size * self.dtype.itemsize
        blocks = list(row_chunks(n_features, row_bytes, ROW_BLOCK_BYTES))
        for block, columns in zip(blocks, column_blocks(self._X, blocks, form), strict=True):
            yield block if features is None else features[block], columns

    def _take(self, features, n_arrays=None):
        """Return rows of W1 and of its moments, or of the first of these arrays alone.

        The rows of a slice of features are views; others are gathered, in room for one block.
        """
        if self._features is None:
            return [array[features] for array in self._all[:n_arrays]]
        n = len(features)
        for source, room in zip(self._items[:n_arrays], self._room_items, strict=False):
            np.take(source, features, out=room[:n], mode="clip")
        return list(self._room[:n_arrays, :n])

    def _put_back(self, features):
        """Put all rows that were gathered back in their places."""
        if self._features is not None:
            for target, room in zip(self._items, self._room_items, strict=True):
                target[features] = room[: len(features)]

    def compute_dW1(self, X, dz1):
        """Leave it to `update`, which needs it block by block."""
        self._dz1 = dz1

    def update(self, gradient, learning_rate, n_updates=None):
        """Move the parameters one step; the gradient is overwritten."""
        self._optimizer.update(gradient, learning_rate, n_updates)
        idle_map, push = self._optimizer.idle_map(learning_rate, self.alpha, n_updates)
        dots, alpha = np.zeros(3), self.alpha
        for features, X_columns in self._blocks(csr_array):
            w, *moments = self._take(features)
            g = X_columns @ self._dz1
            if alpha:
                dots += np.vdot(w, g), np.vdot(moments[0], g), np.vdot(g, g)
                g += alpha * w
            self._optimizer.move(learning_rate, n_updates, w, *moments, g)
            del g  # before there is that of the next block
            self._put_back(features)
        missed = self._missed
        missed.products = move_products(missed.products, idle_map, push, dots) if alpha else None
        if self._features is not None:
            missed.advance(self._features, idle_map, self._optimizer)
            if missed.n_updates >= MOST_MISSED and not self._some_features:
                self.catch_up()
        elif self._some_features:
            missed.advance(slice(None), idle_map, self._optimizer)

    def catch_up(self):
        """Bring all rows up to date."""
        if self._missed.n_updates:
            catch_up(self._all, self._missed, self._optimizer)
            if not self._some_features:
                self._missed.forget()
                if self.alpha:
                    self._missed.products = inner_products(*self._all)

    def penalty(self):
        """Return ``alpha/2 (||W1||^2 + ||W2||^2)``."""
        return self._penalty_of_W1() + super().penalty()

    def _penalty_of_W1(self):
        return 0.5 * self.alpha * float(self._missed.products[0]) if self.alpha else 0.0

    def scores(self, X):
        """Compute the scores of every row of X, in row chunks; rows of W1 go on waiting."""
        if not issparse(X):
            self.catch_up()
        if self._missed.n_updates == 0:
            return super().scores(X)
        scores = np.empty((X.shape[0], len(self.b2)), self.dtype)
        rest = self.W2, self.b1, self.b2, self.activation
        for rows in row_chunks(X.shape[0], bytes_per_row(X, self.hidden_size, self.dtype)):
            features = occurring_features(X[rows])
            chunk = keep_columns(X[rows], features, self._position)
            W1 = gather_up_to_date(self._all, self._missed, self._optimizer, features)
            scores[rows] = compute_scores(chunk, W1, *rest)
        return scores


def catch_up(arrays, missed, optimizer):
    """Bring all rows of W1 and of its moments up to date, whole blocks of rows at a time."""
    for rows in row_blocks(arrays[0], ROW_BLOCK_BYTES // 2):  # of which there are copies
        if (missed.seen[rows] < missed.n_updates).any():
            catch_up_block(arrays, rows, missed, optimizer)


def catch_up_block(arrays, rows, missed, optimizer):
    """Bring a block of rows up to date, on copies that are gone before those of the next block."""
    moved = [array[rows].copy() for array in arrays]
    optimizer.apply_idle_maps(missed.maps(rows, optimizer), *moved)
    for array, up_to_date in zip(arrays, moved, strict=True):
        array[rows] = up_to_date
    missed.seen[rows] = missed.n_updates


def gather_up_to_date(arrays, missed, optimizer, features):
    """Return rows of W1 up to date, of some features, which go on waiting where they are.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_features, hidden_size)
        W1 and its moments, not written to.
    missed : MissedUpdates
        What the rows have missed.
    optimizer : SGD
        Whose updates they missed.
    features : ndarray of int of shape (n,)
        Which rows.

    Returns
    -------
    W1 : ndarray of shape (n, hidden_size)
    """
    gathered = np.empty((len(features), arrays[0].shape[1]), arrays[0].dtype)
    for rows in row_blocks(gathered):
        w, *moments = (array[features[rows]] for array in arrays)
        if missed.n_updates:
            optimizer.apply_idle_maps(missed.maps(features[rows], optimizer), w, *moments)
        gathered[rows] = w
    return gathered


def row_blocks(rows, block_bytes=None):
    """Slices that cover rows of W1 in blocks that a cache holds."""
    block_bytes = block_bytes or ROW_BLOCK_BYTES
    return row_chunks(len(rows), rows.shape[1] * rows.itemsize, block_bytes)


def occurring_features(X):
    """Return the features that occur in CSR rows, in order; np.unique takes six times as long."""
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
    """Return CSR rows with these columns alone, which are all that occur."""
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
