"""Stochastic gradient descent with momentum."""

import numpy as np

from sk_twolayer.network import block_slices


class SGD:
    """Stochastic gradient descent with momentum.

    An update changes the velocity: ``v <- momentum v - learning_rate g``. Heavy-ball momentum then
    adds v to the parameters. Nesterov momentum looks one step ahead: it adds
    ``momentum v - learning_rate g`` with the new v.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place.
    moments : list of one ndarray of shape (n_parameters,), default=None
        The velocity, updated in place. None starts at zero.
    momentum : float, default=0.9
        Factor of the velocity in each update. 0 is plain gradient descent.
    nesterov : bool, default=True
        Whether to use Nesterov momentum.

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

    __module__ = "sk_twolayer.optimizers"

    def __init__(self, parameters, moments=None, *, momentum=0.9, nesterov=True):
        self.parameters = parameters
        self.moments = moments or self.start_moments(parameters)
        self.momentum = momentum
        self.nesterov = nesterov
        self._blocks = block_slices(len(parameters))

    @staticmethod
    def start_moments(parameters, beta_2=None, epsilon=None):
        """Return the moments before the first update."""
        return [np.zeros_like(parameters)]

    def update(self, gradient, learning_rate, n_updates=None):
        """Update the parameters, and overwrite the gradient."""
        vectors = self.parameters, *self.moments, gradient
        for block in self._blocks:
            self.move(learning_rate, n_updates, *[vector[block] for vector in vectors])

    def move(self, learning_rate, n_updates, parameters, velocity, step):
        """Update some parameters and their velocity; step is their gradient, and overwritten."""
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

    def zero_gradient_map(self, learning_rate, alpha, n_updates=None):
        """Return the update map of a zero gradient, and the coefficients of another gradient.

        The update of a weight w and its velocity v is linear in w, v, and the gradient g of the
        cross-entropy. The penalty is part of the map.

        Parameters
        ----------
        learning_rate, alpha : float
            The learning rate, and the strength of the penalty.
        n_updates : int, default=None
            Not used: the map depends on the learning rate alone.

        Returns
        -------
        map : ndarray of shape (2, 2)
            Matrix that multiplies (w, v).
        coefficients : ndarray of shape (2,)
            Coefficients (p, q) of g: the update also adds p g to w and q g to v.
        """
        w, v = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        self.move(learning_rate, n_updates, w, v, np.array([alpha, 0.0, 1.0]))
        return np.array([w[:2], v[:2]]), np.array([w[2], v[2]])

    @staticmethod
    def compose(map_, maps):
        """Compose maps, of shape (2, 2, n), with the map of a later update."""
        return (map_ @ maps.reshape(2, -1)).reshape(maps.shape)

    @staticmethod
    def apply_maps(maps, w, v):
        """Apply maps, of shape (2, 2, n), to n rows of W1 and of their velocity, in place."""
        (a, b), (c, d) = maps.astype(w.dtype)[..., np.newaxis]
        c_w, b_v = c * w, b * v
        w *= a
        w += b_v
        v *= d
        v += c_w
