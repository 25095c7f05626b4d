"""Adam, and AdamW with decoupled weight decay."""

from math import sqrt

import numpy as np

from sk_twolayer.network import blocks


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
    """Adaptive moment estimation: steps scaled by running means of the gradient and its square.

    An update changes the means: ``m <- beta_1 m + (1 - beta_1) g`` and
    ``v <- beta_2 v + (1 - beta_2) g^2``. The t-th update then adds
    ``-rate_t m / (sqrt(v) + epsilon)`` to the parameters. The factor of the learning rate in
    ``rate_t = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)`` corrects the bias of means that
    start at zero.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place.
    moments : list of two ndarray of shape (n_parameters,), default=None
        The running means of the gradient and of its square, updated in place. None starts at zero.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the running means.
    epsilon : float, default=1e-8
        Prevents a division by zero.

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

    __module__ = "sk_twolayer.optimizers"

    def __init__(self, parameters, moments=None, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.parameters = parameters
        self.moments = moments or self.start_moments(parameters)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    @staticmethod
    def start_moments(parameters, epsilon=None):
        """Return the moments before the first update."""
        return [np.zeros_like(parameters), np.zeros_like(parameters)]

    def update(self, gradient, learning_rate, n_updates):
        """Apply update number n_updates, from 1, to the parameters, and overwrite the gradient."""
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
    """Adam with decoupled weight decay, in a form that allows exact lazy updates.

    An update changes the means: ``m <- beta_1 m + (1 - beta_1) g`` and
    ``v <- beta_2 v + (1 - beta_2) g^2``. The t-th update then changes a weight:
    ``w <- (1 - rate decay) w - rate_t m / sqrt(v)``, where
    ``rate_t = rate sqrt(1 - beta_2^t) / (1 - beta_1^t)``. Biases do not decay.

    No epsilon is added to sqrt(v). Instead v starts from epsilon^2, which also prevents a division
    by zero. Then the update map of a zero gradient is the same for all rows of W1 (see
    `zero_gradient_map`).

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        ``[W1 | W2 | b1 | b2]``, or the same without W1. Updated in place.
    moments : list of two ndarray of shape (n_parameters,), default=None
        The running means of the gradient and of its square, updated in place. None starts them at
        zero and epsilon^2.
    hidden_size, n_outputs : int
        Shape of the network, from which follow the positions of W1, W2 and the biases.
    decay : float, default=0.01
        Strength of the weight decay.
    first_layer : float, default=1.0
        Factor of the learning rate for W1.
    beta_1, beta_2 : float, default=0.9, 0.98
        Decay rates of the running means. beta_1 is less than sqrt(beta_2).
    epsilon : float, default=1e-8
        Square root of the initial value of v.

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

    __module__ = "sk_twolayer.optimizers"

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
        beta_2=0.98,
        epsilon=1e-8,
    ):
        self.parameters = parameters
        self.moments = moments or self.start_moments(parameters, epsilon)
        self.decay, self.first_layer = decay, first_layer
        self.beta_1, self.beta_2 = beta_1, beta_2
        b1 = len(parameters) - hidden_size - n_outputs
        W2 = b1 - hidden_size * n_outputs
        # W1, W2 and the biases: start, stop, factor of the learning rate, weight decay.
        self._parts = (
            (0, W2, first_layer, decay),
            (W2, b1, 1.0, decay),
            (b1, len(parameters), 1.0, 0.0),
        )

    @staticmethod
    def start_moments(parameters, epsilon=1e-8):
        """Return the moments before the first update: epsilon^2 keeps sqrt(v) above zero."""
        return [np.zeros_like(parameters), np.full_like(parameters, epsilon**2)]

    def update(self, gradient, learning_rate, n_updates):
        """Apply update number n_updates, from 1, to the parameters, and overwrite the gradient."""
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
        """Update some rows of W1 and their moments, and overwrite the gradient."""
        parts = [(slice(None), self.first_layer, self.decay)]
        self._move(learning_rate, n_updates, parts, rows, mean, mean_square, gradient)

    def _move(self, learning_rate, n_updates, parts, parameters, mean, mean_square, scratch):
        update_means(mean, mean_square, scratch, self.beta_1, self.beta_2)
        # After a thousand updates without a gradient, v may underflow to 0 in float32. By then, m
        # has underflowed too.
        scratch.fill(np.finfo(scratch.dtype).tiny)  # np.maximum takes twice as long with a scalar
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

    # With a zero gradient, an update multiplies m by beta_1, v by beta_2, and u = m / sqrt(v) by
    # q = beta_1 / sqrt(beta_2). It changes w to D w - S u, where D = 1 - rate decay and
    # S = rate_t q. A map of one update holds D, -S, q and beta_2. Several updates compose to one
    # map of the same form.

    identity_map = np.array([1.0, 0.0, 1.0, 1.0])

    def zero_gradient_map(self, learning_rate, alpha, n_updates):
        """Return the update map of a zero gradient.

        Parameters
        ----------
        learning_rate : float
            The learning rate.
        alpha : float
            Not used: the gradient has no penalty.
        n_updates : int
            The number of the update, from 1.

        Returns
        -------
        map : ndarray of shape (4,)
            D, -S, q and beta_2.
        coefficients : None
            The update is not linear in the gradient.
        """
        rate, q = learning_rate * self.first_layer, self.beta_1 / sqrt(self.beta_2)
        step = -rate * self._correction(n_updates) * q
        return np.array([1 - rate * self.decay, step, q, self.beta_2]), None

    @staticmethod
    def compose(map_, maps):
        """Compose maps, of shape (4, n), with the map of a later update."""
        D, S, q, beta_2 = maps
        later_D, later_S, later_q, later_beta_2 = map_
        return np.stack(
            [later_D * D, later_D * S + later_S * q, later_q * q, later_beta_2 * beta_2]
        )

    @staticmethod
    def apply_maps(maps, w, mean, mean_square):
        """Apply maps, of shape (4, n), to n rows of W1 and of their moments, in place."""
        D, S, q, beta_2 = maps.astype(w.dtype)[..., np.newaxis]
        u = np.sqrt(mean_square)
        np.divide(mean, u, out=u)
        w *= D
        w += np.multiply(u, S, out=u)
        mean *= q * np.sqrt(beta_2)
        mean_square *= beta_2
        np.maximum(mean_square, np.finfo(w.dtype).tiny, out=mean_square)
