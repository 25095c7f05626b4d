"""The optimizers: how a gradient becomes an update of the parameters.

Each keeps what it remembers of earlier gradients in vectors laid out like the parameters,
and updates the one flat vector of parameters in place. The gradient is spent by then, so
an update uses it as scratch space rather than allocate. The formulas are those of
scikit-learn's own optimizers, so that the two can be compared number by number.
"""

import numpy as np


class SGD:
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

    def __init__(self, parameters, learning_rate, momentum=0.9, nesterov=True):
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity = np.zeros_like(parameters)

    def update(self, gradient):
        """Move the parameters one step; the gradient is overwritten."""
        step = gradient
        step *= self.learning_rate
        self.velocity *= self.momentum
        self.velocity -= step
        if self.nesterov:
            self.parameters -= step
            np.multiply(self.velocity, self.momentum, out=step)
            self.parameters += step
        else:
            self.parameters += self.velocity
