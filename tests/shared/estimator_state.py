"""What an estimator is, as plain data that compares bit by bit; and moments inside a call.

Shared by the tests of calls that fail, of Ctrl-C and of streams. None of it looks at anything
private, so that it holds whatever way the package keeps its state.
"""

import _signal
import random
import signal
import sys
import warnings
from dataclasses import astuple, is_dataclass
from pathlib import Path

import numpy as np
import scipy
from scipy.sparse import csr_array, issparse

import sk_twolayer
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


def make_rows(n_rows=160, n_features=400, seed=0, long=slice(40, 80)):
    """Make sparse counts of three classes; the last ten features never occur.

    Forty samples have less than half of the features between them, so that a chunk of a stream
    copies the rows of W1 of its own features alone. The `long` samples have more than half.
    """
    rng = np.random.default_rng(seed)
    share = np.full((n_rows, 1), 3 / n_features)
    share[long] = 0.2
    X = (rng.random((n_rows, n_features)) < share) * rng.integers(1, 4, (n_rows, n_features))
    X[:, -10:] = 0
    y = rng.permutation(np.arange(n_rows) % 3)
    X[np.arange(n_rows), y] += 2
    return csr_array(X.astype(float)), y


def freeze(value):
    """Return plain data that are equal only if the values are, to the last bit."""
    if isinstance(value, np.ndarray):
        bits = value.tolist() if value.dtype.hasobject else value.tobytes()
        return "array", value.dtype.str, value.shape, bits
    if issparse(value):
        return "sparse", value.shape, freeze([value.data, value.indices, value.indptr])
    if isinstance(value, np.random.RandomState):
        return "generator", freeze(value.get_state())
    if isinstance(value, dict):
        return "dict", [(name, freeze(value[name])) for name in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return type(value).__name__, [freeze(item) for item in value]
    if is_dataclass(value):
        return type(value).__name__, freeze(astuple(value))
    if isinstance(value, float):  # a nan equals itself here
        return type(value).__name__, float(value).hex()
    return type(value).__name__, value


def state(model):
    """Return the public attributes of an estimator, without weights that are computed if read."""
    return {name: freeze(getattr(model, name)) for name in vars(model) if not name.startswith("_")}


def state_when_read(model):
    """Return the `state` and the weights: to read them applies the pending updates of a stream."""
    return state(model) | {"coefs_": freeze(getattr(model, "coefs_", None))}


def assert_same_state(model, expected, but_for=()):
    """Assert that the public state of a model is that of another, or a `state`, bit by bit."""
    expected = expected if isinstance(expected, dict) else state_when_read(expected)
    found = state_when_read(model) if "coefs_" in expected else state(model)
    assert found.keys() == expected.keys()
    differing = [name for name in found if found[name] != expected[name] and name not in but_for]
    assert differing == []


def parameters(model):
    """Return all weights and biases in one vector."""
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])


PLACES = tuple(str(Path(package.__file__).parent) for package in (sk_twolayer, scipy))


class Moments:
    """Run actions before chosen lines of a call: lines of the package or of SciPy, counted from 1.

    Python runs the handler of a signal between two lines, or inside one of them; an action that
    raises a signal is that moment without a race.

    Parameters
    ----------
    actions : dict of int to callable, default=None
        What to run before which line.
    watch : callable, default=None
        What to look at before every line; None for the handler of SIGINT.

    Attributes
    ----------
    seen : list
        What was there before every line.
    """

    def __init__(self, actions=None, watch=None):
        self.actions = actions or {}
        # signal.getsignal makes a member of an enum of this, which takes long for every line.
        self.watch = watch or (lambda: _signal.getsignal(signal.SIGINT))
        self.last = max(self.actions, default=None)
        self.seen = []

    def __enter__(self):
        self.earlier_trace = sys.gettrace()
        sys.settrace(self._trace_call)
        return self

    def __exit__(self, *error):
        sys.settrace(self.earlier_trace)

    def _trace_call(self, frame, event, argument):
        return self._trace_line if frame.f_code.co_filename.startswith(PLACES) else None

    def _trace_line(self, frame, event, argument):
        if event == "line":
            self.seen.append(self.watch())
            action = self.actions.get(len(self.seen))
            if len(self.seen) == self.last:
                sys.settrace(None)
            if action is not None:
                action()
        return self._trace_line


def press_ctrl_c():
    """Raise SIGINT, whose handler runs before this returns."""
    signal.raise_signal(signal.SIGINT)


def choose(n_moments, n_chosen, n_last=12, seed=0):
    """Choose moments of 1 to n_moments: the first, the last few, and some between."""
    between = random.Random(seed).sample(range(1, n_moments + 1), min(n_chosen, n_moments))
    return sorted({1, *range(max(n_moments - n_last, 0) + 1, n_moments + 1), *between})


class Ctrl:
    """A call during which Ctrl-C comes before a line, once or several times; and its outcome.

    Attributes
    ----------
    ended : "returned" or "raised"
    handled : bool
        Whether another handler than that of before the call was in place when it came.
    published : bool
        Whether the estimator had its new attributes already when it came.
    warned : bool
        Whether a warning said that training was interrupted.
    """

    def __init__(self, model, call, moment, times=1):
        handler = signal.getsignal(signal.SIGINT)
        updates = vars(model).get("n_updates_")
        self.handled = self.published = False

        def press():
            self.handled = signal.getsignal(signal.SIGINT) is not handler
            self.published = vars(model).get("n_updates_") != updates
            for _ in range(times):
                press_ctrl_c()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with Moments({moment: press}):
                    call()
                self.ended = "returned"
            except KeyboardInterrupt:
                self.ended = "raised"
        self.warned = any("interrupted" in str(warning.message) for warning in caught)
        assert signal.getsignal(signal.SIGINT) is handler
