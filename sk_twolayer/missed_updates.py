"""What rows of W1 miss while their features do not occur, and how they make up for it.

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
all rows, the products (w.w, w.v, v.v) move by a linear map too, made of the one above. The
gradient g of the batch pushes its rows further, w by ``p g`` and v by ``q g``, and the sums by
what follows from ``(w + p g).(w + p g)`` and the like, for which w.g, v.g and g.g over the rows
of the batch are enough. So three running numbers stand for the whole of W1, and the penalty in
every reported loss is exact.
"""

import numpy as np

from sk_twolayer.network import blocks


class MissedUpdates:
    """Count what each row of W1 has missed, and give the maps that make good for it.

    Parameters
    ----------
    n_rows : int
        Rows of W1.
    alpha : float
        Strength of the penalty.
    sgd : SGD
        Whose updates they miss.

    Attributes
    ----------
    map : ndarray of shape (2, 2)
        What an update at the present rate does to a row that waits.
    push : ndarray of shape (2,)
        What it multiplies the gradient of a batch by and adds, to w and to v.
    n_updates : int
        Updates since all rows were up to date.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.missed_updates import MissedUpdates
    >>> from sk_twolayer.optimizers import SGD
    >>> sgd = SGD(np.zeros(0), learning_rate=0.5, momentum=0.5, nesterov=False)
    >>> missed = MissedUpdates(2, alpha=1.0, sgd=sgd)
    >>> missed.advance(np.array([0]))  # row 1 misses it
    >>> missed.maps(np.array([1]))[..., 0]
    array([[ 0.5,  0.5],
           [-0.5,  0.5]])
    """

    def __init__(self, n_rows, alpha, sgd):
        self.alpha, self.sgd = alpha, sgd
        self.seen = np.zeros(n_rows, np.int32)  # the updates that each row has seen
        self.forget()

    def forget(self):
        """Count from zero: no row has missed anything."""
        self.seen[:] = 0
        self.n_updates = 0
        self._begin(np.empty((2, 2, 0)))

    def change_rate(self):
        """Go on at the new rate of the SGD; remember what rows have missed at the earlier ones."""
        n = self.n_updates - self._since
        until_now = [compose(self._powers[:, :, n], self._until_rate), self._powers[:, :, n:0:-1]]
        self._begin(np.concatenate(until_now, axis=2))

    def _begin(self, until_rate):
        # What an update makes of w, of v and of the gradient of a batch, a column for each.
        w, v = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        self.sgd.move(w, v, np.array([self.alpha, 0.0, 1.0]))
        self.map, self.push = np.array([w[:2], v[:2]]), np.array([w[2], v[2]])
        self._powers = np.eye(2)[..., np.newaxis]
        self._since = self.n_updates
        self._until_rate = until_rate  # maps from every earlier update to this change of rate

    def advance(self, rows):
        """Count one update more, which these rows have seen."""
        self.n_updates += 1
        n = self.n_updates - self._since
        if n == self._powers.shape[2]:  # twice as many: M^(n+i) = M^n M^i
            power = self.map @ self._powers[:, :, -1]
            self._powers = np.concatenate([self._powers, compose(power, self._powers)], axis=2)
        self.seen[rows] = self.n_updates

    def maps(self, rows):
        """Return the maps, of shape (2, 2, n), over what each of n rows has missed."""
        seen = self.seen[rows]
        maps = self._powers[:, :, self.n_updates - np.maximum(seen, self._since)]
        earlier = seen < self._since
        if earlier.any():
            since = self._powers[:, :, self.n_updates - self._since]
            maps[:, :, earlier] = compose(since, self._until_rate[:, :, seen[earlier]])
        return maps


def compose(map_, maps):
    """Return the maps, of shape (2, 2, n), followed by one other."""
    return (map_ @ maps.reshape(2, -1)).reshape(maps.shape)


def apply_maps(maps, w, v):
    """Move rows of W1 and of their velocity, each by its map, in place."""
    (a, b), (c, d) = maps.astype(w.dtype)[..., np.newaxis]
    c_w = c * w
    w *= a
    w += b * v
    v *= d
    v += c_w


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
