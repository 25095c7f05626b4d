"""The optimizers: how a gradient becomes an update of the parameters.

Each keeps what it remembers of earlier gradients in vectors laid out like the parameters,
and updates the one flat vector of parameters in place. The gradient is spent by then, so
an update uses it as scratch space rather than allocate. The formulas are those of
scikit-learn's own optimizers, so that the two can be compared number by number.
"""

from copy import copy
from math import sqrt

import numpy as np

from sk_twolayer.network import blocks


class Optimizer:
    """What the optimizers share: a memory that an interrupted training goes on with."""

    memory = ()

    def remember(self):
        """Return the memory as a dict of arrays and numbers."""
        return {name: getattr(self, name) for name in (*self.memory, "learning_rate")}

    def recall(self, remembered):
        """Take over a copy of a memory; the learning rate stays."""
        for name in self.memory:
            setattr(self, name, copy(remembered[name]))


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    The velocity moves ``v <- momentum v - learning_rate g``. Heavy-ball momentum then adds
    v to the parameters; Nesterov's looks one step ahead and adds
    ``momentum v - learning_rate g`` of the new v.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place by every `update`.
    learning_rate : float
        Step size; may be assigned between updates.
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
    >>> sgd = SGD(parameters, learning_rate=0.5, momentum=0.5, nesterov=False)
    >>> sgd.update(np.array([1.0])); sgd.update(np.array([1.0]))
    >>> parameters  # 1 - 0.5, then - (0.25 + 0.5)
    array([-0.25])
    """

    memory = ("velocity",)

    def __init__(self, parameters, learning_rate, momentum=0.9, nesterov=True):
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity = np.zeros_like(parameters)

    def update(self, gradient):
        """Move the parameters one step; the gradient is overwritten."""
        for parameters, velocity, step in blocks(self.parameters, self.velocity, gradient):
            self.move(parameters, velocity, step)

    def move(self, parameters, velocity, step):
        """Move some parameters and their velocity; step is their gradient, and overwritten."""
        step *= self.learning_rate
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


class Adam(Optimizer):
    """Adaptive moments: steps scaled by running means of the gradient and of its square.

    ``m <- beta_1 m + (1 - beta_1) g`` and ``v <- beta_2 v + (1 - beta_2) g^2``, and the t-th
    update adds ``-rate_t m / (sqrt(v) + epsilon)``, where ``rate_t = learning_rate
    sqrt(1 - beta_2^t) / (1 - beta_1^t)`` holds the corrections for the means' start at zero.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Updated in place by every `update`.
    learning_rate : float
        Step size; may be assigned between updates.
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
    >>> adam = Adam(parameters, learning_rate=0.25)
    >>> adam.update(np.array([100.0, -10.0]))
    >>> parameters.round(6)  # the first step is the learning rate, whatever the gradient
    array([0.75, 1.25])
    """

    memory = ("mean", "mean_square", "n_updates")

    def __init__(self, parameters, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.mean = np.zeros_like(parameters)
        self.mean_square = np.zeros_like(parameters)
        self.n_updates = 0

    def update(self, gradient):
        """Move the parameters one step; the gradient is overwritten."""
        self.n_updates += 1
        t, beta_1, beta_2 = self.n_updates, self.beta_1, self.beta_2
        rate = self.learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)

        vectors = self.parameters, self.mean, self.mean_square, gradient
        for parameters, mean, mean_square, scratch in blocks(*vectors):
            scratch *= 1 - beta_1
            mean *= beta_1
            mean += scratch
            scratch *= scratch
            scratch *= (1 - beta_2) / (1 - beta_1) ** 2
            mean_square *= beta_2
            mean_square += scratch

            np.sqrt(mean_square, out=scratch)
            scratch += self.epsilon
            np.divide(mean, scratch, out=scratch)
            scratch *= rate
            parameters -= scratch
