"""Faults at chosen moments, and comparison of all that an object holds.

A moment is a line of the package that is about to run, counted from the start of a call. So an
interrupt can strike anywhere, the same test strikes at the same place each time, and a rehearsal
on a copy tells how many moments there are.
"""

import _signal
import signal
import sys
from pathlib import Path

import numpy as np

import sk_twolayer

PACKAGE = str(Path(sk_twolayer.__file__).parent)

# Modules that compute and allocate, where memory may run out.
COMPUTING = ("network.py", "sgd.py", "adam.py", "lazy.py", "missed_updates.py", "lbfgs.py")


def frozen(value, seen=()):
    """Turn a value, and all that it holds, into one that `==` compares bit for bit."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (float, np.floating)):
        return type(value), np.float64(value).tobytes()
    if value is None or isinstance(value, (bool, int, str, bytes, type, np.generic, np.dtype)):
        return value
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


class Fault:
    """Context in which Ctrl-C, or memory that runs out, strikes a training call.

    It cannot strike once the results have been published, or once the call has put back the handler
    of Ctrl-C that it found: what comes then, comes after the call as far as anyone can tell.

    Parameters
    ----------
    model : estimator
        The one that is trained in the context.
    error : {KeyboardInterrupt, MemoryError}
        Ctrl-C is a signal that may strike at any line; memory runs out where numbers are computed.
    moment : int, default=0
        Number of the line it strikes at; 0 does not strike: a rehearsal that counts lines.

    Attributes
    ----------
    n_moments : int
        Lines so far at which it could strike.
    struck : bool
        Whether it did.
    """

    def __init__(self, model, error, moment=0):
        self.model, self.error, self.moment = model, error, moment
        self.n_moments, self.struck = 0, False
        self.modules = COMPUTING if error is MemoryError else ("",)

    def __enter__(self):
        self.curve = vars(self.model).get("loss_curve_")
        # signal.getsignal makes a member of an enum of this, which takes long for every line.
        self.handler, self.handled, self.over = _signal.getsignal(signal.SIGINT), False, False
        self.outer = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self.outer)

    def trace(self, frame, event, _argument):
        """Count a line, or strike; what is raised here is raised there."""
        if event == "call":
            name = frame.f_code.co_filename
            return self.trace if name.startswith(PACKAGE) else None
        if event != "line" or self.struck or self.over:
            return self.trace
        replaced = _signal.getsignal(signal.SIGINT) is not self.handler
        put_back = self.handled and not replaced
        self.handled = self.handled or replaced
        self.over = put_back or vars(self.model).get("loss_curve_") is not self.curve
        if not self.over and frame.f_code.co_filename.endswith(self.modules):
            self.n_moments += 1
            if self.n_moments == self.moment:
                self.struck = True
                if self.error is MemoryError:
                    raise MemoryError("out of memory, as a test asked for")
                signal.raise_signal(signal.SIGINT)
        return self.trace
