"""Ctrl-C, lack of memory, or another thread's turn, at a chosen moment of a call.

A moment is a line of the package, or of SciPy's optimizers, that is about to run, counted from the
start of the call. So a fault can strike anywhere, and the same test strikes at the same place each
time. Nothing here knows how the package is built.
"""

import _signal
import linecache
import random
import re
import signal
import sys
from functools import cache
from pathlib import Path

import scipy.optimize

import sk_twolayer

PACKAGE = str(Path(sk_twolayer.__file__).parent)
OPTIMIZERS = str(Path(scipy.optimize.__file__).parent)

# What is likely to need memory: functions of NumPy, unless their result has a place, and copies.
ALLOCATION = re.compile(r"\bnp\.\w+\((?!.*\bout=)|\.(copy|astype)\(| @ ")


def handler_of_ctrl_c():
    """Return the handler of SIGINT."""
    # signal.getsignal makes it a member of an enum, which takes long for every line.
    return _signal.getsignal(signal.SIGINT)


def press_ctrl_c():
    """Raise SIGINT, whose handler runs before this function returns."""
    signal.raise_signal(signal.SIGINT)


@cache
def allocates(file, line):
    """Return whether a line of source code is likely to need memory."""
    return bool(ALLOCATION.search(linecache.getline(file, line)))


class Moments:
    """Run actions at chosen moments of a call that is made in this context.

    Parameters
    ----------
    actions : dict of int to callable, default=None
        What to run at which moment; the first moment is 1. An action may raise an error, which is
        then raised by the line.
    watch : callable, default=handler_of_ctrl_c
        What to look at, at every moment until the last action.

    Attributes
    ----------
    seen : list
        What `watch` returned.
    """

    places = PACKAGE, OPTIMIZERS

    def __init__(self, actions=None, watch=handler_of_ctrl_c):
        self.actions, self.watch, self.seen = actions or {}, watch, []
        self.last = max(self.actions, default=None)

    def __enter__(self):
        self.earlier_trace = sys.gettrace()
        sys.settrace(self._trace_call)
        return self

    def __exit__(self, *error):
        sys.settrace(self.earlier_trace)

    def counts(self, frame):
        """Return whether the line that a frame is about to run is a moment."""
        return True

    def _trace_call(self, frame, event, argument):
        return self._trace_line if frame.f_code.co_filename.startswith(self.places) else None

    def _trace_line(self, frame, event, argument):
        if event == "line" and self.counts(frame):
            self.seen.append(self.watch())
            action = self.actions.get(len(self.seen))
            if len(self.seen) == self.last:
                sys.settrace(None)
            if action is not None:
                action()
        return self._trace_line


class Fault(Moments):
    """Let Ctrl-C, or lack of memory, strike a training call.

    Lines count until the results are published, or until the call has restored the handler of
    SIGINT: a fault after that strikes after the call, as far as the user can tell.

    Parameters
    ----------
    model : estimator
        The estimator that is trained in this context.
    error : {KeyboardInterrupt, MemoryError}
        Ctrl-C strikes at any line of the package, lack of memory at lines that need some.
    moment : int, default=0
        The moment at which it strikes; 0 never strikes: a rehearsal, which counts moments.

    Attributes
    ----------
    n_moments : int
        The moments so far.
    struck : bool
        Whether the fault has struck.
    """

    places = PACKAGE

    def __init__(self, model, error, moment=0):
        super().__init__({moment: self._strike} if moment else None)
        self.model, self.error, self.struck = model, error, False

    def __enter__(self):
        self.curve = vars(self.model).get("loss_curve_")
        self.handler, self.handled = handler_of_ctrl_c(), False
        return super().__enter__()

    @property
    def n_moments(self):
        return len(self.seen)

    def counts(self, frame):
        """Return whether the fault can strike at a line; stop counting if the call is over."""
        replaced = handler_of_ctrl_c() is not self.handler
        restored = self.handled and not replaced
        self.handled = replaced
        if restored or vars(self.model).get("loss_curve_") is not self.curve:
            sys.settrace(None)
            return False
        code = frame.f_code
        return self.error is KeyboardInterrupt or allocates(code.co_filename, frame.f_lineno)

    def _strike(self):
        self.struck = True
        if self.error is MemoryError:
            raise MemoryError("no memory left, as a test asked for")
        press_ctrl_c()


def choose(n_moments, n_chosen, n_last=12, seed=0):
    """Choose moments of 1 to n_moments: the first, the last few, and some between."""
    between = random.Random(seed).sample(range(1, n_moments + 1), min(n_chosen, n_moments))
    return sorted({1, *range(max(n_moments - n_last, 0) + 1, n_moments + 1), *between})
