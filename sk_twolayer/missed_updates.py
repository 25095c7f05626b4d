"""What rows of W1 miss while their features do not occur, and how they catch up.

A batch of texts has some thousand of a vocabulary's million words. For the batch the network is
a small one: the rows of W1 whose features occur in it, trained like any small network. The
gradient of every other row is that of the penalty alone, ``alpha w``, so that an update at
rate r moves the row w and its velocity v by a fixed linear map. With heavy-ball momentum m, and
with Nesterov's (see ``optimizers``, for ``g = alpha w``), it is::

    [ 1 - r alpha    m ]         [ 1 - r alpha (1 + m)    m^2 ]
    [   - r alpha    m ]         [   - r alpha            m   ]

So the row can wait. When it is next read, after some such updates, the product of their maps
catches up on them all, with the result that the updates one by one would have had, up to
rounding. The products that lead from every earlier update to the present one are kept in a table.

The loss needs ``||W1||^2`` at every update, without a look at the rows that wait. Summed over
all rows, the products (w.w, w.v, v.v) move by a linear map too, made of the one above. The
gradient g of the batch pushes its rows further, w by ``p g`` and v by ``q g``, and the sums by
what follows from ``(w + p g).(w + p g)`` and the like, for which w.g, v.g and g.g over the rows
of the batch are enough. So three running numbers stand for the whole of W1, and the penalty in
every reported loss is exact.
"""

import numpy as np

from sk_twolayer.blocks import blocks

# The maps of the latest updates are brought up to date at every update, the others once in so
# many: that is the least work in all for tables of some ten thousand maps.
RECENT = 256


class MissedUpdates:
    """Which updates each row of W1 has missed, and the maps that catch up on them.

    Parameters
    ----------
    n_rows : int
        Rows of W1.

    Attributes
    ----------
    seen : ndarray of int32 of shape (n_rows,)
        The number of the update up to which each row is up to date.
    n_updates : int
        Updates since all rows were up to date.
    products : ndarray of shape (3,) or None
        The sums w.w, w.v, v.v over all rows as they will be when up to date, once known.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.missed_updates import MissedUpdates
    >>> from sk_twolayer.optimizers import SGD
    >>> sgd = SGD(np.zeros(0), momentum=0.5, nesterov=False)
    >>> missed, (idle_map, push) = MissedUpdates(2), sgd.idle_map(0.5, alpha=1.0)
    >>> missed.advance(np.array([0]), idle_map, sgd)  # row 1 misses it
    >>> missed.maps(np.array([1]), sgd)[..., 0]
    array([[ 0.5,  0.5],
           [-0.5,  0.5]])
    """

    def __init__(self, n_rows):
        self.seen = np.zeros(n_rows, np.int32)
        self.forget()

    def forget(self):
        """Count from zero: no row has missed anything."""
        self.seen[:] = 0
        self.n_updates, self.products = 0, None
        # Maps from each of the first updates to the `len`-th, and from each one after to the last.
        self.earlier_maps = self.recent_maps = None

    def advance(self, rows, idle_map, optimizer):
        """Count one update more, which these rows have seen and all others have missed."""
        identity = optimizer.identity_map[..., np.newaxis]
        if self.earlier_maps is None:
            self.earlier_maps, self.recent_maps = identity[..., :0], identity
        elif self.recent_maps.shape[-1] > RECENT:
            until_now = self.maps_until_now(optimizer), self.recent_maps[..., :-1]
            self.earlier_maps = np.concatenate(until_now, axis=-1)
            self.recent_maps = identity
        moved = optimizer.compose(idle_map, self.recent_maps)
        self.recent_maps = np.concatenate([moved, identity], axis=-1)
        self.n_updates += 1
        self.seen[rows] = self.n_updates

    def maps_until_now(self, optimizer, at=slice(None)):
        """Return the maps from some earlier updates to the last one."""
        return optimizer.compose(self.recent_maps[..., 0], self.earlier_maps[..., at])

    def maps(self, rows, optimizer):
        """Return the maps, of shape (2, 2, n), over what each of n rows has missed."""
        since = self.earlier_maps.shape[-1]
        seen = self.seen[rows]
        maps = self.recent_maps[..., np.maximum(seen - since, 0)]
        earlier = seen < since
        if earlier.any():
            maps[..., earlier] = self.maps_until_now(optimizer, seen[earlier])
        return maps

    def copy(self, rows=None):
        """Return a copy, of all rows or of some; the tables, never written to, are shared."""
        copy = MissedUpdates(0)
        vars(copy).update(vars(self))
        copy.seen = self.seen.copy() if rows is None else self.seen[rows]
        return copy


def inner_products(W, velocity):
    """Return the sums w.w, w.v, v.v over the rows, in double precision."""
    products = np.zeros(3)
    for w, v in blocks(W.ravel(), velocity.ravel()):
        products += w @ w, w @ v, v @ v
    return products


def move_products(products, map_, push, dots):
    """Return the inner products after an update.

    Parameters
    ----------
    products : ndarray of shape (3,)
        The sums w.w, w.v, v.v over all rows, before it.
    map_ : ndarray of shape (2, 2)
        What it does to every row.
    push : ndarray of shape (2,)
        What it multiplies the gradient g of the batch by and adds, to w and to v.
    dots : ndarray of shape (3,)
        The sums w.g, v.g, g.g over the rows of the batch, before it.

    Returns
    -------
    products : ndarray of shape (3,)

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.missed_updates import move_products
    >>> w, v, g = 1.0, 2.0, 3.0
    >>> products, dots = np.array([w * w, w * v, v * v]), np.array([w * g, v * g, g * g])
    >>> move_products(products, np.array([[1, 1], [0, 1]]), np.array([-1, 0.5]), dots)
    array([ 0.  ,  0.  , 12.25])
    """
    (a, b), (c, d) = map_
    p, q = push
    w_g, v_g, g_g = dots
    w_g, v_g = a * w_g + b * v_g, c * w_g + d * v_g
    square = np.array(
        [
            [a * a, 2 * a * b, b * b],
            [a * c, a * d + b * c, b * d],
            [c * c, 2 * c * d, d * d],
        ]
    )
    pushed = np.array(
        [
            2 * p * w_g + p * p * g_g,
            q * w_g + p * v_g + p * q * g_g,
            2 * q * v_g + q * q * g_g,
        ]
    )
    return square @ products + pushed
