"""Small estimators and sparse samples that tests share, and what an estimator holds, bit by bit."""

from types import FunctionType

import numpy as np
from scipy.sparse import csr_array

from sk_twolayer import TwoLayerClassifier

SOLVERS = sorted(TwoLayerClassifier._parameter_constraints["solver"][0].options)
STREAMING_SOLVERS = [solver for solver in SOLVERS if solver != "lbfgs"]
KINDS = {"dense": lambda X: X.toarray(), "sparse": lambda X: X}

# Nothing that depends on the length of the training, which Ctrl-C and `max_updates` change.
OPTIONS = {
    "hidden_size": 5,
    "batch_size": 8,
    "learning_rate": 0.05,
    "learning_rate_schedule": "exponential",
    "warmup_fraction": 0.0,
    "learning_rate_decay": 0.95,
    "alpha": 1e-3,
    "dropout": 0.0,
    "max_iter": 3,
    "n_iter_no_change": None,
    "random_state": 0,
}


def new(**options):
    """Make an estimator that is not fitted."""
    return TwoLayerClassifier(**OPTIONS | options)


def make_samples(n_samples=160, n_features=400, seed=0, long=slice(40, 80)):
    """Make sparse counts of three classes; the last ten features never occur.

    Forty samples have less than half of the features between them, so that a chunk of a stream
    copies the rows of W1 of its own features alone. The `long` samples have more than half.
    """
    rng = np.random.default_rng(seed)
    share = np.full((n_samples, 1), 3 / n_features)
    share[long] = 0.2
    X = (rng.random((n_samples, n_features)) < share) * rng.integers(1, 4, (n_samples, n_features))
    X[:, -10:] = 0
    y = rng.permutation(np.arange(n_samples) % 3)
    X[np.arange(n_samples), y] += 2
    return csr_array(X.astype(float)), y


PLAIN = bool, int, str, bytes, type, FunctionType, np.generic, np.dtype


def frozen(value, seen=()):
    """Turn a value, and all that it holds, into one that `==` compares bit for bit."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (float, np.floating)):  # so that nan equals nan, and 0 does not equal -0
        return type(value), np.float64(value).tobytes()
    if value is None or isinstance(value, PLAIN):
        return type(value), value
    if id(value) in seen:
        return "the same as above"
    seen = (*seen, id(value))
    if isinstance(value, dict):
        return {key: frozen(item, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return type(value), [frozen(item, seen) for item in value]
    if isinstance(value, np.random.RandomState):
        return frozen(value.get_state(legacy=False), seen)
    if hasattr(value, "__dict__"):
        return type(value), frozen(vars(value), seen)
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    return type(value), {name: frozen(getattr(value, name, None), seen) for name in slots}


def equal(a, b):
    """Return whether two values hold the same, bit for bit."""
    return frozen(a) == frozen(b)


def state(model):
    """Return the public attributes of an estimator, without weights that are computed if read."""
    return {name: frozen(value) for name, value in vars(model).items() if not name.startswith("_")}


def state_when_read(model):
    """Return the `state` and the weights: to read them applies the pending updates of a stream."""
    return state(model) | {"coefs_": frozen(getattr(model, "coefs_", None))}


def assert_same_state(model, expected, but_for=()):
    """Assert that a model has the public state of another, or this `state`, bit for bit."""
    expected = expected if isinstance(expected, dict) else state_when_read(expected)
    found = state_when_read(model) if "coefs_" in expected else state(model)
    assert found.keys() == expected.keys()
    differing = [name for name in found if found[name] != expected[name] and name not in but_for]
    assert differing == []


def parameters(model):
    """Return all weights and biases in one vector."""
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])
