"""The activation functions of the hidden units, and their derivatives.

A hidden unit applies one of four functions to ``z1 = X W1 + b1``: max(0, z) (the rectifier,
"relu"), tanh(z), the logistic sigmoid 1 / (1 + exp(-z)), or the identity, which makes the network
linear. The backward pass multiplies the gradient by the derivative of the function.
"""

import numpy as np


def relu(z):
    """Replace z by max(0, z). NumPy is twice as fast against a row of zeros as against a scalar."""
    np.maximum(z, np.zeros(z.shape[1], z.dtype), out=z)


def relu_backward(a, da):
    """Multiply da by the derivative: 1 where a > 0, else 0."""
    np.greater(a, 0, out=a, casting="unsafe")
    da *= a


def tanh(z):
    """Replace z by tanh(z)."""
    np.tanh(z, out=z)


def tanh_backward(a, da):
    """Multiply da by the derivative, 1 - a^2."""
    a *= a
    np.subtract(1, a, out=a)
    da *= a


def logistic(z):
    """Replace z by 1 / (1 + exp(-z)), computed by tanh, which cannot overflow."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def logistic_backward(a, da):
    """Multiply da by the derivative, a (1 - a)."""
    da *= a
    np.subtract(1, a, out=a)
    da *= a


def identity(z):
    """Leave z unchanged."""


def identity_backward(a, da):
    """Leave da unchanged: the derivative is 1."""


# Each activation works in place, and so does its backward pass. The backward pass computes the
# derivative from a = f(z) alone, and may overwrite a, which is not used again.
ACTIVATIONS = {
    "relu": (relu, relu_backward),
    "tanh": (tanh, tanh_backward),
    "logistic": (logistic, logistic_backward),
    "identity": (identity, identity_backward),
}
