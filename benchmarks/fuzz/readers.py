"""Threads that read an estimator while another thread trains it.

A reader must not raise, and must see finite numbers only. The trained estimator must be the same as
one that nobody reads. Chunks of wide sparse samples are the hard case: training writes some rows of
W1 in place, and readers apply the pending updates of others.
"""

import pickle
import sys
import threading

import numpy as np
import scipy.sparse as sp
from checks import outputs, require

READERS = {
    "predict dense": lambda model, X: [outputs(model, X)],
    "predict sparse": lambda model, X: [outputs(model, sp.csr_array(X))],
    "coefs_": lambda model, X: model.coefs_,
    "pickle": lambda model, X: [outputs(pickle.loads(pickle.dumps(model)), X)],
}


class Readers:
    """A context in which two threads read repeatedly; its end checks what they have read.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : ndarray
        Samples to predict.
    names : list of two str
        Keys of `READERS`.
    """

    def __init__(self, model, X, names):
        self.model, self.X, self.problems = model, X, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.read, args=[name]) for name in names]

    def read(self, name):
        while not (self.over.is_set() or self.problems):
            try:
                arrays = READERS[name](self.model, self.X)
            except Exception as error:
                self.problems.append(f"{name}: {type(error).__name__}: {error}")
            else:
                if not all(np.isfinite(array).all() for array in arrays):
                    self.problems.append(f"{name}: not finite")

    def __enter__(self):
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # switch threads as often as possible
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        sys.setswitchinterval(self.interval)
        require(not self.problems, f"a thread that reads: {self.problems[:1]}")


def check_not_disturbed(model, alone):
    """Require that a model is the same as one that no thread has read during the training."""
    rtol = 1e-3 if model.coefs_[0].dtype == np.float32 else 1e-7
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(model, name), getattr(alone, name), strict=True):
            close = np.allclose(a, b, rtol=rtol, atol=rtol)
            require(close, f"{name} differs where threads read during the training")
