"""Ctrl-C at safe points.

Python raises KeyboardInterrupt between any two bytecodes, in the middle of an update as well as
between two. While a training runs in the main thread, a handler of ours only takes a note, and
the training looks at the note where its state is consistent: between two updates.
"""

import signal
import threading
from multiprocessing import current_process


def in_main_process():
    """Return whether this process is that of the user, not one that works for it."""
    return current_process().name == "MainProcess"


class Interrupts:
    """Take note of Ctrl-C while the context is open.

    In another thread than the main one, in a worker process, or where SIGINT is ignored, no
    handler is touched: then what happens to Ctrl-C is somebody else's to say.

    Parameters
    ----------
    passes_on : bool, default=False
        Whether a Ctrl-C that came after the last look, when all was done, is passed on to the
        previous handler when the context closes.

    Attributes
    ----------
    n_noted, n_answered : int
        How often Ctrl-C came, and how often it had come when somebody last looked.

    Examples
    --------
    >>> import signal
    >>> from sk_twolayer.training import Interrupts
    >>> with Interrupts() as interrupts:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupts.asked_to_stop()
    True
    """

    def __init__(self, passes_on=False):
        self.passes_on = passes_on
        self.n_noted = self.n_answered = 0
        self._previous = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread() and in_main_process():
            previous = signal.getsignal(signal.SIGINT)
            # None is a handler that Python did not install, and could not put back.
            if previous not in (signal.SIG_IGN, None):
                self._previous = previous
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, error, *_):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            if self.passes_on and error is None and self.n_noted > self.n_answered:
                signal.raise_signal(signal.SIGINT)

    def _note(self, number, frame):
        self.n_noted += 1

    def asked_to_stop(self):
        """Return whether Ctrl-C came; raise KeyboardInterrupt if it came twice."""
        self.n_answered = self.n_noted
        if self.n_noted > 1:
            raise KeyboardInterrupt
        return self.n_noted > 0

    def raise_if_noted(self):
        """Raise KeyboardInterrupt if Ctrl-C came at all: there is nothing to keep."""
        if self.n_noted:
            raise KeyboardInterrupt
