"""Ctrl-C at safe points.

Python raises KeyboardInterrupt between any two bytecodes, even in the middle of an update. During
training in the main thread, the handler of this module only counts Ctrl-C. The training checks the
count between two updates, where its state is consistent.
"""

import signal
import threading
from multiprocessing import current_process


def in_main_process():
    """Return True in the user's process, and False in a worker process."""
    return current_process().name == "MainProcess"


class Interrupts:
    """Count Ctrl-C while the context is open.

    The existing handler stays in place in a worker process, in any thread but the main one, and
    where SIGINT is ignored.

    Parameters
    ----------
    passes_on : bool, default=False
        Whether the context, when it closes, passes a Ctrl-C after the last check to the previous
        handler.

    Attributes
    ----------
    n_noted, n_answered : int
        The count of Ctrl-C, and the count at the last check.

    Examples
    --------
    >>> import signal
    >>> from sk_twolayer.training import Interrupts
    >>> with Interrupts() as interrupts:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupts.asked_to_stop()
    ...
    True
    """

    def __init__(self, passes_on=False):
        self.passes_on = passes_on
        self.n_noted = self.n_answered = 0
        self._previous = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread() and in_main_process():
            previous = signal.getsignal(signal.SIGINT)
            # None stands for a handler that Python did not install and cannot restore.
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
        """Return True after one Ctrl-C, and raise KeyboardInterrupt after two."""
        self.n_answered = self.n_noted
        if self.n_noted > 1:
            raise KeyboardInterrupt
        return self.n_noted > 0

    def raise_if_noted(self):
        """Raise KeyboardInterrupt after any Ctrl-C, as there are no updates to keep."""
        if self.n_noted:
            raise KeyboardInterrupt
