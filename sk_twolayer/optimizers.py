"""The optimizers: how a gradient becomes an update of the parameters.

Each keeps what it needs of earlier gradients in vectors laid out like the parameters, its
`moments`, and updates the one flat vector of parameters in place. The gradient is spent by then,
so an update uses it as scratch space rather than allocate. The formulas are those of
scikit-learn's own optimizers, so that the two can be compared number by number.

A row of W1 whose feature does not occur in a batch has the gradient of the penalty alone. What an
update does to such a row is a fixed linear map, which `idle_map` returns and `apply_idle_maps`
applies: see ``missed_updates``.
"""

from math import sqrt

import numpy as np

from sk_twolayer.network.parameters import blocks


class SGD:
    """Stochastic gradient descent with momentum.

    The velocity moves ``v <- momentum v - learning_rate g``. Heavy-ball momentum then adds
    v to the parameters; Nesterov's looks one step ahead and adds
    ``momentum v - learning_rate g`` of the new v.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place by every `update`.
    moments : list of one ndarray of shape (n_parameters,), default=None
        The velocity, updated in place; None starts at zero.
    momentum : float, default=0.9
        Share of the velocity that is kept; 0 is plain gradient descent.
    nesterov : bool, default=True
        Which of the two momenta.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton. "On the importance of initialization and momentum in
    deep learning." ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.optimizers import SGD
    >>> parameters = np.array([1.0])
    >>> sgd = SGD(parameters, momentum=0.5, nesterov=False)
    >>> sgd.update(np.array([1.0]), 0.5); sgd.update(np.array([1.0]), 0.5)
    >>> parameters  # 1 - 0.5, then - (0.25 + 0.5)
    array([-0.25])
    """

    n_moments = 1

    def __init__(self, parameters, moments=None, *, momentum=0.9, nesterov=True):
        self.parameters = parameters
        self.moments = moments or [np.zeros_like(parameters)]
        self.momentum = momentum
        self.nesterov = nesterov

    def update(self, gradient, learning_rate, n_updates=None):
        """Move the parameters one step; the gradient is overwritten."""
        for parameters, velocity, step in blocks(self.parameters, *self.moments, gradient):
            self.move(learning_rate, n_updates, parameters, velocity, step)

    def move(self, learning_rate, n_updates, parameters, velocity, step):
        """Move some parameters and their velocity; step is their gradient, and overwritten."""
        step *= learning_rate
        if not self.momentum:
            parameters -= step
            return
        velocity *= self.momentum
        velocity -= step
        if self.nesterov:
            parameters -= step
            parameters += np.multiply(velocity, self.momentum, out=step)
        else:
            parameters += velocity

    identity_map = np.eye(2)

    def idle_map(self, learning_rate, alpha, n_updates=None):
        """Return what an update makes of a weight w and its velocity v under the penalty alone.

        Parameters
        ----------
        learning_rate, alpha : float
            The step size, and the strength of the penalty.
        n_updates : int, default=None
            Not used: all updates at one rate are the same.

        Returns
        -------
        map : ndarray of shape (2, 2)
            Multiplies (w, v).
        push : ndarray of shape (2,)
            Multiplies the gradient g of the cross-entropy, and is added: (p g, q g).
        """
        w, v = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        self.move(learning_rate, n_updates, w, v, np.array([alpha, 0.0, 1.0]))
        return np.array([w[:2], v[:2]]), np.array([w[2], v[2]])

    @staticmethod
    def compose(map_, maps):
        """Return maps, of shape (2, 2, n), each followed by one other."""
        return (map_ @ maps.reshape(2, -1)).reshape(maps.shape)

    @staticmethod
    def apply_idle_maps(maps, w, v):
        """Move rows of W1 and of their velocity, each by its map, of shape (2, 2, n), in place."""
        (a, b), (c, d) = maps.astype(w.dtype)[..., np.newaxis]
        c_w, b_v = c * w, b * v
        w *= a
        w += b_v
        v *= d
        v += c_w


def update_means(mean, mean_square, gradient, beta_1, beta_2):
    """Update ``m <- beta_1 m + (1 - beta_1) g`` and ``v <- beta_2 v + (1 - beta_2) g^2`` in place.

    The gradient g is overwritten.
    """
    gradient *= 1 - beta_1
    mean *= beta_1
    mean += gradient
    gradient *= gradient
    gradient *= (1 - beta_2) / (1 - beta_1) ** 2
    mean_square *= beta_2
    mean_square += gradient


class Adam:
    """Adaptive moments: steps scaled by running means of the gradient and of its square.

    ``m <- beta_1 m + (1 - beta_1) g`` and ``v <- beta_2 v + (1 - beta_2) g^2``, and the t-th
    update adds ``-rate_t m / (sqrt(v) + epsilon)``, where ``rate_t = learning_rate
    sqrt(1 - beta_2^t) / (1 - beta_1^t)`` holds the corrections for the means' start at zero.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place by every `update`.
    moments : list of two ndarray of shape (n_parameters,), default=None
        The running means of the gradient and of its square, updated in place; None starts at zero.
    beta_1, beta_2 : float, default=0.9, 0.999
        How much of the running means is kept.
    epsilon : float, default=1e-8
        Keeps the division from zero.

    References
    ----------
    Kingma, Ba. "Adam: a method for stochastic optimization." ICLR 2015, end of section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.optimizers import Adam
    >>> parameters = np.array([1.0, 1.0])
    >>> adam = Adam(parameters)
    >>> adam.update(np.array([100.0, -10.0]), learning_rate=0.25, n_updates=1)
    >>> parameters.round(6)  # the first step is the learning rate, whatever the gradient
    array([0.75, 1.25])
    """

    n_moments = 2

    def __init__(self, parameters, moments=None, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.parameters = parameters
        self.moments = moments or [np.zeros_like(parameters), np.zeros_like(parameters)]
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def update(self, gradient, learning_rate, n_updates):
        """Move the parameters one step, the n_updates-th; the gradient is overwritten."""
        beta_1, beta_2 = self.beta_1, self.beta_2
        rate = learning_rate * sqrt(1 - beta_2**n_updates) / (1 - beta_1**n_updates)

        vectors = self.parameters, *self.moments, gradient
        for parameters, mean, mean_square, scratch in blocks(*vectors):
            update_means(mean, mean_square, scratch, beta_1, beta_2)
            np.sqrt(mean_square, out=scratch)
            scratch += self.epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= rate
            parameters -= scratch


class AdamW:
    """Adam with weight decay decoupled from the gradient, exact also for rows that wait.

    ``m <- beta_1 m + (1 - beta_1) g`` and ``v <- beta_2 v + (1 - beta_2) g^2``, and the t-th update
    makes ``w <- (1 - rate decay) w - rate_t m / sqrt(v)`` of a weight w, where ``rate_t = rate
    sqrt(1 - beta_2^t) / (1 - beta_1^t)``. Biases do not decay. No epsilon is added to sqrt(v):
    instead v starts from epsilon^2, which keeps the division from zero as well, and lets a row
    without a gradient move by numbers that are common to all rows (see `idle_map`).

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        ``[W1 | W2 | b1 | b2]``, or the same without W1. Updated in place by every `update`.
    moments : list of two ndarray of shape (n_parameters,), default=None
        The running means of the gradient and of its square, updated in place; None starts them.
    hidden_size, n_outputs : int
        Shape of the network, which tells the weights from the biases.
    decay : float, default=0.01
        Strength of the weight decay.
    first_layer : float, default=1.0
        The step size of W1 is the learning rate times this.
    beta_1, beta_2 : float, default=0.9, 0.95
        How much of the running means is kept; beta_1 is less than sqrt(beta_2).
    epsilon : float, default=1e-8
        The root of what v starts from.

    References
    ----------
    Loshchilov, Hutter. "Decoupled weight decay regularization." ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.optimizers import AdamW
    >>> parameters = np.array([1.0, 1.0, 1.0])  # W2, b1, b2
    >>> adamw = AdamW(parameters, hidden_size=1, n_outputs=1, decay=0.4)
    >>> adamw.update(np.array([100.0, -10.0, 0.0]), learning_rate=0.25, n_updates=1)
    >>> parameters.round(6)  # 1 - 0.25 0.4 - 0.25; 1 + 0.25; no gradient
    array([0.65, 1.25, 1.  ])
    """

    n_moments = 2

    def __init__(
        self,
        parameters,
        moments=None,
        *,
        hidden_size,
        n_outputs,
        decay=0.01,
        first_layer=1.0,
        beta_1=0.9,
        beta_2=0.95,
        epsilon=1e-8,
    ):
        if moments is None:
            moments = [np.zeros_like(parameters), np.full_like(parameters, epsilon**2)]
        self.parameters, self.moments = parameters, moments
        self.decay, self.first_layer = decay, first_layer
        self.beta_1, self.beta_2 = beta_1, beta_2
        b1 = len(parameters) - hidden_size - n_outputs
        W2 = b1 - hidden_size * n_outputs
        # Where W1, W2 and the biases are, with the factor of their step size, and their decay.
        self._parts = (
            (0, W2, first_layer, decay),
            (W2, b1, 1.0, decay),
            (b1, len(parameters), 1.0, 0.0),
        )

    def update(self, gradient, learning_rate, n_updates):
        """Move the parameters one step, the n_updates-th; the gradient is overwritten."""
        start = 0
        for block in blocks(self.parameters, *self.moments, gradient):
            stop = start + len(block[0])
            parts = [
                (slice(max(first - start, 0), last - start), factor, decay)
                for first, last, factor, decay in self._parts
                if first < stop and last > start
            ]
            self._move(learning_rate, n_updates, parts, *block)
            start = stop

    def move(self, learning_rate, n_updates, rows, mean, mean_square, gradient):
        """Move some rows of W1 and their moments; the gradient is overwritten."""
        parts = [(slice(None), self.first_layer, self.decay)]
        self._move(learning_rate, n_updates, parts, rows, mean, mean_square, gradient)

    def _move(self, learning_rate, n_updates, parts, parameters, mean, mean_square, scratch):
        update_means(mean, mean_square, scratch, self.beta_1, self.beta_2)
        # What had no gradient for a thousand updates may vanish in float32, and so has its mean.
        scratch.fill(np.finfo(scratch.dtype).tiny)  # a maximum with a scalar takes twice as long
        np.maximum(mean_square, scratch, out=mean_square)

        np.sqrt(mean_square, out=scratch)
        np.divide(mean, scratch, out=scratch)
        for part, factor, decay in parts:
            rate = learning_rate * factor
            scratch[part] *= rate * self._correction(n_updates)
            if decay:
                parameters[part] *= 1 - rate * decay
        parameters -= scratch

    def _correction(self, n_updates):
        return sqrt(1 - self.beta_2**n_updates) / (1 - self.beta_1**n_updates)

    # Without a gradient, m shrinks by beta_1, v by beta_2, and u = m / sqrt(v) by q = beta_1 /
    # sqrt(beta_2): then w becomes D w - S u, with D = 1 - rate decay and S = rate_t q. A map holds
    # D, -S, q and beta_2 of one update, or what follows from those of several.

    identity_map = np.array([1.0, 0.0, 1.0, 1.0])

    def idle_map(self, learning_rate, alpha, n_updates):
        """Return what an update makes of a weight without a gradient; there is no push.

        Parameters
        ----------
        learning_rate : float
            The step size.
        alpha : float
            Not used: the penalty is not in the gradient.
        n_updates : int
            Which update it is.

        Returns
        -------
        map : ndarray of shape (4,)
            D, -S, q and beta_2 as above.
        """
        rate, q = learning_rate * self.first_layer, self.beta_1 / sqrt(self.beta_2)
        step = -rate * self._correction(n_updates) * q
        return np.array([1 - rate * self.decay, step, q, self.beta_2]), None

    @staticmethod
    def compose(map_, maps):
        """Return maps, of shape (4, n), each followed by one other."""
        D, S, q, beta_2 = maps
        later_D, later_S, later_q, later_beta_2 = map_
        return np.stack(
            [later_D * D, later_D * S + later_S * q, later_q * q, later_beta_2 * beta_2]
        )

    @staticmethod
    def apply_idle_maps(maps, w, mean, mean_square):
        """Move rows of W1 and of their moments, each by its map, of shape (4, n), in place."""
        D, S, q, beta_2 = maps.astype(w.dtype)[..., np.newaxis]
        u = np.sqrt(mean_square)
        np.divide(mean, u, out=u)
        w *= D
        w += np.multiply(u, S, out=u)
        mean *= q * np.sqrt(beta_2)
        mean_square *= beta_2
        np.maximum(mean_square, np.finfo(w.dtype).tiny, out=mean_square)


OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
LAZY_SOLVERS = ("sgd", "adamw")  # those that rows of W1 may wait for

