"""Dropout: which hidden units a batch keeps (Srivastava et al., JMLR 2014)."""

import numpy as np


class Dropout:
    """Draw the hidden units that each sample keeps, and the factor of their activations.

    A dropped unit counts 0 and the others 1 / (1 - probability) ("inverted dropout"), so that the
    expected activation is the one of the whole network, which predictions use unchanged. A draw
    takes 16 random bits: on small tables, drawing a float takes as long as a product of matrices.
    So the probability is rounded to a multiple of 1 / 65,536.

    Parameters
    ----------
    probability : float
        Probability that a unit is dropped.
    batch_size, hidden_size : int
        Largest shape of the draws.
    dtype : dtype
        Of the factors.
    """

    def __init__(self, probability, batch_size, hidden_size, dtype):
        self.n_dropped = min(round(probability * 2**16), 2**16 - 1)  # of the 65,536 numbers
        self.keep = np.empty((batch_size, hidden_size), dtype)

    def start_epoch(self, rng):
        """Seed a fast generator for the draws of one epoch."""
        self.generator = np.random.PCG64(rng.randint(2**31))

    def draw(self, n_samples):
        """Return the factors of the activations of a batch, of shape (n_samples, hidden_size)."""
        keep = self.keep[:n_samples]
        # NumPy draws bits into a new array only; it takes an eighth of `keep`, or a quarter.
        words = self.generator.random_raw(-(-keep.size // 4))
        drawn = words.astype("<u8", copy=False).view("<u2")[: keep.size].reshape(keep.shape)
        np.greater_equal(drawn, np.uint16(self.n_dropped), out=keep, casting="unsafe")
        keep *= 2**16 / (2**16 - self.n_dropped)
        return keep
