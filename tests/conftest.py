"""Settings of the whole suite."""

import os
import signal

# scikit-learn skips its array API check unless SciPy was told before its first import.
os.environ["SCIPY_ARRAY_API"] = "1"

# A suite that a script starts in the background ignores Ctrl-C, and so would its subprocesses.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
