"""Exact training on sparse rows, at a cost that follows the non-zeros.

For a batch of texts, the network is a small one: the rows of W1 whose features occur in it. They
are gathered, brought up to date with what they have missed (see ``missed_updates``), trained like
any small network, and put back. All others go on waiting.
"""

import numpy as np
from scipy.sparse import csr_array, issparse

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
        # The features of a batch, or None for all; its rows; the room for them.
        self._features, self._rows = None, self._all
        self._buffers = np.empty((len(self._all), 0, hidden_size), self.dtype)
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
            self._features, self._rows = None, self._all
        else:
            X = self._gather(X)
        self._X = None  # that of the last batch, before there is another
        self._X = X.tocsc()  # whose products read each row of W1 once, or write it
        loss, accuracy = super().loss_and_gradients(self._X, y, sample_weight, keep)
        return loss + self._penalty_of_W1(), accuracy

    def _gather(self, X):
        """Gather what W1 and its moments have of the batch, up to date; narrow X to that."""
        missed, features = self._missed, occurring_features(X)
        late = missed.seen[features] < missed.n_updates
        # The late ones first: blocks after them need no maps.
        features = np.concatenate([features[late], features[~late]])
        if len(features) > self._buffers.shape[1]:
            del self._buffers, self._rows  # before there are others
            self._buffers = np.empty((len(self._all), len(features), self.hidden_size), self.dtype)
        self._features, self._rows = features, self._buffers[:, : len(features)]
        n_late = np.count_nonzero(late)
        items = [(as_items(a), as_items(b)) for a, b in zip(self._all, self._rows, strict=True)]
        for rows in row_blocks(self._rows[0]):
            for source, of_batch in items:
                np.take(source, features[rows], out=of_batch[rows], mode="clip")
            if rows.start < n_late:
                maps = missed.maps(features[rows], self._optimizer)
                self._optimizer.apply_idle_maps(maps, *(of_batch[rows] for of_batch in self._rows))
        return keep_columns(X, features, self._position)

    def multiply_by_W1(self, X, out):
        """Write ``X W1`` into out."""
        multiply(X, self._rows[0], out)

    def compute_dW1(self, X, dz1):
        """Leave it to `update`, which needs it block by block."""
        self._dz1 = dz1

    def update(self, gradient, learning_rate, n_updates=None):
        """Move the parameters one step; the gradient is overwritten."""
        self._optimizer.update(gradient, learning_rate, n_updates)
        idle_map, push = self._optimizer.idle_map(learning_rate, self.alpha, n_updates)
        dots, alpha = np.zeros(3), self.alpha
        blocks_of_rows = list(row_blocks(self._rows[0]))
        columns = transposed(self._X, blocks_of_rows)
        items = [(as_items(a), as_items(b)) for a, b in zip(self._all, self._rows, strict=True)]
        for rows, X_columns in zip(blocks_of_rows, columns, strict=True):
            w, *moments = (of_batch[rows] for of_batch in self._rows)
            g = X_columns @ self._dz1
            if alpha:
                dots += np.vdot(w, g), np.vdot(moments[0], g), np.vdot(g, g)
                g += alpha * w
            self._optimizer.move(learning_rate, n_updates, w, *moments, g)
            del g  # before there is that of the next block
            if self._features is not None:
                for target, of_batch in items:
                    target[self._features[rows]] = of_batch[rows]
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
