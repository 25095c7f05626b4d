"""Pending updates: what happens to a row of W1 while its feature does not occur.

The gradient of such a row is the gradient of the penalty alone, ``alpha w``. So an update at rate r
moves the row w and its velocity v by a fixed linear map. With heavy-ball momentum m, and with
Nesterov's (see ``optimizers``, for ``g = alpha w``), it is::

    [ 1 - r alpha    m ]         [ 1 - r alpha (1 + m)    m^2 ]
    [   - r alpha    m ]         [   - r alpha            m   ]

The row need not be touched. When it is next read, the product of the maps of all pending updates is
applied, with the same result as the updates one by one, up to rounding. A table keeps the products
that lead from every earlier update to the present one.

The loss needs ``||W1||^2`` at every update, without reading the rows. Summed over all rows, the
products (w.w, w.v, v.v) move by a linear map too, which follows from the one above. The gradient g
of the batch adds ``p g`` to w and ``q g`` to v, and so changes the sums by what follows from ``(w +
p g).(w + p g)`` and the like; w.g, v.g and g.g over the rows of the batch are enough for it. So
three running numbers stand for the whole of W1, and the penalty in every reported loss is exact.
"""

import numpy as np

from sk_twolayer.network import blocks

# The maps of the latest updates are multiplied at every update, the older ones once in so many
# updates: that is the least work in all for tables of some ten thousand maps.
RECENT = 256


class PendingUpdates:
    """The updates that are pending for each row of W1, and the maps that apply them.

    Parameters
    ----------
    n_rows : int
        Rows of W1.

    Attributes
    ----------
    seen : ndarray of int32 of shape (n_rows,)
        The last update that each row includes.
    n_updates : int
        Updates since no update was pending for any row.
    products : ndarray of shape (3,) or None
        The sums w.w, w.v, v.v over all rows with no update pending, once they are known.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.optimizers import SGD
    >>> from sk_twolayer.sparse import PendingUpdates
    >>> sgd = SGD(np.zeros(0), momentum=0.5, nesterov=False)
    >>> pending, (map_, coefficients) = PendingUpdates(2), sgd.zero_gradient_map(0.5, alpha=1.0)
    >>> pending.advance(np.array([0]), map_, sgd)  # the update is pending for row 1
    >>> pending.maps(np.array([1]), sgd)[..., 0]
    array([[ 0.5,  0.5],
           [-0.5,  0.5]])
    """

    def __init__(self, n_rows):
        self.seen = np.zeros(n_rows, np.int32)
        self.reset()

    def reset(self):
        """Count from zero: no update is pending for any row."""
        self.seen[:] = 0
        self.n_updates, self.products = 0, None
        # Maps from each of the first updates to the `len`-th, and from each one after to the last.
        self.earlier_maps = self.recent_maps = None

    def advance(self, rows, zero_gradient_map, optimizer):
        """Count one more update, which these rows include and which is pending for all others."""
        identity = optimizer.identity_map[..., np.newaxis]
        if self.earlier_maps is None:
            self.earlier_maps, self.recent_maps = identity[..., :0], identity
        elif self.recent_maps.shape[-1] > RECENT:
            until_now = self.maps_until_now(optimizer), self.recent_maps[..., :-1]
            self.earlier_maps = np.concatenate(until_now, axis=-1)
            self.recent_maps = identity
        moved = optimizer.compose(zero_gradient_map, self.recent_maps)
        self.recent_maps = np.concatenate([moved, identity], axis=-1)
        self.n_updates += 1
        self.seen[rows] = self.n_updates

    def maps_until_now(self, optimizer, at=slice(None)):
        """Return the maps from some earlier updates to the last one."""
        return optimizer.compose(self.recent_maps[..., 0], self.earlier_maps[..., at])

    def maps(self, rows, optimizer):
        """Return the maps, of shape (2, 2, n), of the updates that are pending for n rows."""
        since = self.earlier_maps.shape[-1]
        seen = self.seen[rows]
        maps = self.recent_maps[..., np.maximum(seen - since, 0)]
        earlier = seen < since
        if earlier.any():
            maps[..., earlier] = self.maps_until_now(optimizer, seen[earlier])
        return maps

    def copy(self, rows=None):
        """Return a copy for all rows or for some; the tables, never written to, are shared."""
        copy = PendingUpdates(0)
        vars(copy).update(vars(self))
        copy.seen = self.seen.copy() if rows is None else self.seen[rows]
        return copy


def inner_products(W, velocity):
    """Return the sums w.w, w.v, v.v over the rows, in double precision."""
    products = np.zeros(3)
    for w, v in blocks(W.ravel(), velocity.ravel()):
        products += w @ w, w @ v, v @ v
    return products


def move_products(products, map_, coefficients, dots):
    """Return the inner products after an update.

    Parameters
    ----------
    products : ndarray of shape (3,)
        The sums w.w, w.v, v.v over all rows, before it.
    map_ : ndarray of shape (2, 2)
        Moves every row (w, v).
    coefficients : ndarray of shape (2,)
        The coefficients p and q of the gradient g of the batch, which it adds to w and to v.
    dots : ndarray of shape (3,)
        The sums w.g, v.g, g.g over the rows of the batch, before it.

    Returns
    -------
    products : ndarray of shape (3,)

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.sparse.lazy_updates import move_products
    >>> w, v, g = 1.0, 2.0, 3.0
    >>> products, dots = np.array([w * w, w * v, v * v]), np.array([w * g, v * g, g * g])
    >>> move_products(products, np.array([[1, 1], [0, 1]]), np.array([-1, 0.5]), dots)
    array([ 0.  ,  0.  , 12.25])
    """
    (a, b), (c, d) = map_
    p, q = coefficients
    w_g, v_g, g_g = dots
    w_g, v_g = a * w_g + b * v_g, c * w_g + d * v_g
    square = np.array(
        [
            [a * a, 2 * a * b, b * b],
            [a * c, a * d + b * c, b * d],
            [c * c, 2 * c * d, d * d],
        ]
    )
    added = np.array(
        [
            2 * p * w_g + p * p * g_g,
            q * w_g + p * v_g + p * q * g_g,
            2 * q * v_g + q * q * g_g,
        ]
    )
    return square @ products + added
