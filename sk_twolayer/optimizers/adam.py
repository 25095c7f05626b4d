"""Adam, and AdamW with decoupled weight decay.

The moments are decaying sums of the gradient g and of its square: ``M <- beta_1 M + g`` and
``V <- beta_2 V + g^2``. The running means of the papers are ``m = (1 - beta_1) M`` and
``v = (1 - beta_2) V``. The two factors are part of the step size, which saves two passes over all
parameters. The weights of the gradients in M are 1, beta_1, beta_1^2 and so on. So after t updates,
M divided by the sum of t weights is the mean without its bias, and likewise V.
"""

from math import sqrt

import numpy as np

from sk_twolayer.network import block_slices


def update_sums(M, V, gradient, beta_1, beta_2):
    """Update ``M <- beta_1 M + g`` and ``V <- beta_2 V + g^2`` in place, and overwrite g."""
    M *= beta_1
    M += gradient
    gradient *= gradient
    V *= beta_2
    V += gradient


def step_size(learning_rate, beta_1, beta_2, n_updates):
    """Return the factor of ``M / sqrt(V)`` in an update."""
    sum_1 = (1 - beta_1**n_updates) / (1 - beta_1)
    sum_2 = (1 - beta_2**n_updates) / (1 - beta_2)
    return learning_rate * sqrt(sum_2) / sum_1


# Without a gradient, M and V fall at every update. Below the smallest normal number, arithmetic is
# slow, and AdamW must not divide by a V of zero. So both are clamped, but once in many updates.


def lowest_square(dtype):
    """Return the lowest V after a clamp. Until the next clamp, V stays a normal number."""
    return 2**10 * np.finfo(dtype).tiny


def updates_between_clamps(beta_2):
    """Return a number of updates in which V falls by a factor of at most 2^10."""
    n_updates = 256
    while n_updates > 1 and beta_2**n_updates < 2**-10:
        n_updates //= 2
    return n_updates


def clamp(M, V):
    """Replace a vanishing M by zero, and a vanishing V by its lowest number, in place."""
    lowest = lowest_square(V.dtype)
    M[np.abs(M) < lowest] = 0
    np.maximum(V, lowest, out=V)


def change_betas(M, V, before, after):
    """Express the running means as sums with other decay rates (beta_1, beta_2), in place."""
    M *= (1 - before[0]) / (1 - after[0])
    V *= (1 - before[1]) / (1 - after[1])
    clamp(M, V)


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
        The decaying sums ``M = m / (1 - beta_1)`` and ``V = v / (1 - beta_2)``, updated in place.
        None starts at zero.
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
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.epsilon = epsilon
        self._blocks = block_slices(len(parameters))
        self._clamp_every = updates_between_clamps(beta_2)

    @staticmethod
    def start_moments(parameters, beta_2=None, epsilon=None):
        """Return the moments before the first update."""
        return [np.zeros_like(parameters), np.zeros_like(parameters)]

    def update(self, gradient, learning_rate, n_updates):
        """Apply update number n_updates, from 1, to the parameters, and overwrite the gradient."""
        rate = step_size(learning_rate, self.beta_1, self.beta_2, n_updates)
        epsilon = self.epsilon / sqrt(1 - self.beta_2)  # added to sqrt(V), not to sqrt(v)
        for block in self._blocks:
            M, V, scratch = self.moments[0][block], self.moments[1][block], gradient[block]
            update_sums(M, V, scratch, self.beta_1, self.beta_2)
            if n_updates % self._clamp_every == 0:
                clamp(M, V)
            np.sqrt(V, out=scratch)
            scratch += epsilon
            np.divide(M, scratch, out=scratch)
            scratch *= rate
            self.parameters[block] -= scratch


def within(block, ranges):
    """Return the parts of ranges in a block, as slices of the block, each with its factor."""
    return [
        (slice(max(start - block.start, 0), stop - block.start), factor)
        for start, stop, factor in ranges
        if start < block.stop and stop > block.start
    ]


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
        The decaying sums ``M = m / (1 - beta_1)`` and ``V = v / (1 - beta_2)``, updated in place.
        None starts m at zero and v at epsilon^2.
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
        self.moments = moments or self.start_moments(parameters, beta_2, epsilon)
        self.decay, self.first_layer = decay, first_layer
        self.beta_1, self.beta_2 = beta_1, beta_2
        self._clamp_every = updates_between_clamps(beta_2)
        end = len(parameters)
        b1 = end - hidden_size - n_outputs
        W2 = b1 - hidden_size * n_outputs
        # Ranges with one factor of the learning rate: of the steps, and of the weight decay.
        steps, decays = (
            [(0, W2, first_layer), (W2, end, 1.0)],
            [(0, W2, first_layer), (W2, b1, 1.0)],
        )
        if first_layer == 1:
            steps, decays = [(0, end, 1.0)], [(0, b1, 1.0)]
        self._blocks = [
            (block, within(block, steps), within(block, decays)) for block in block_slices(end)
        ]

    @staticmethod
    def start_moments(parameters, beta_2=0.98, epsilon=1e-8):
        """Return the moments before the first update: epsilon^2 keeps sqrt(v) above zero."""
        dtype = parameters.dtype
        V = np.clip(epsilon**2 / (1 - beta_2), lowest_square(dtype), np.finfo(dtype).max / 2)
        return [np.zeros_like(parameters), np.full_like(parameters, V)]

    def update(self, gradient, learning_rate, n_updates):
        """Apply update number n_updates, from 1, to the parameters, and overwrite the gradient."""
        vectors = self.parameters, *self.moments, gradient
        for block, steps, decays in self._blocks:
            part = [vector[block] for vector in vectors]
            self._move(learning_rate, n_updates, steps, decays, *part)

    def move(self, learning_rate, n_updates, rows, M, V, gradient):
        """Update some rows of W1 and their moments, and overwrite the gradient."""
        whole = [(slice(None), self.first_layer)]
        self._move(learning_rate, n_updates, whole, whole, rows, M, V, gradient)

    def _move(self, learning_rate, n_updates, steps, decays, parameters, M, V, scratch):
        update_sums(M, V, scratch, self.beta_1, self.beta_2)
        if n_updates % self._clamp_every == 0:
            clamp(M, V)
        np.sqrt(V, out=scratch)
        np.divide(M, scratch, out=scratch)
        size = step_size(learning_rate, self.beta_1, self.beta_2, n_updates)
        for part, factor in steps:
            step = scratch[part]
            step *= factor * size
        if self.decay:
            for part, factor in decays:
                weights = parameters[part]
                weights *= 1 - factor * learning_rate * self.decay
        parameters -= scratch

    # With a zero gradient, an update multiplies M by beta_1, V by beta_2, and u = M / sqrt(V) by
    # q = beta_1 / sqrt(beta_2). It changes w to D w - S u, where D = 1 - rate decay and
    # S = q step_size(rate). A map of one update holds D, -S, q and beta_2. Several updates compose
    # to one map of the same form.

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
        S = q * step_size(rate, self.beta_1, self.beta_2, n_updates)
        return np.array([1 - rate * self.decay, -S, q, self.beta_2]), None

    @staticmethod
    def compose(map_, maps):
        """Compose maps, of shape (4, n), with the map of a later update."""
        D, S, q, beta_2 = maps
        later_D, later_S, later_q, later_beta_2 = map_
        return np.stack(
            [later_D * D, later_D * S + later_S * q, later_q * q, later_beta_2 * beta_2]
        )

    @staticmethod
    def apply_maps(maps, w, M, V):
        """Apply maps, of shape (4, n), to n rows of W1 and of their moments, in place."""
        D, S, q, beta_2 = maps.astype(w.dtype)[..., np.newaxis]
        u = np.sqrt(V)
        np.divide(M, u, out=u)
        w *= D
        w += np.multiply(u, S, out=u)
        M *= q * np.sqrt(beta_2)
        V *= beta_2
        np.maximum(V, lowest_square(V.dtype), out=V)
