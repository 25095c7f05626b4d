"""Settings of the whole suite.

Before scikit-learn 1.9 there are no callbacks, and no tests of them: those in files of their own
are not collected, and tests elsewhere that are marked with ``callbacks``, and the examples of the
callbacks, are deselected, which pytest counts in its last line. Nothing else is left out anywhere.
"""

import os
import signal
from importlib.util import find_spec

# scikit-learn skips its array API check unless SciPy was told before its first import.
os.environ["SCIPY_ARRAY_API"] = "1"

# Two processes of tests with a thread for each core would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A suite that a script starts in the background ignores Ctrl-C, and so would its subprocesses.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


HAS_CALLBACKS = find_spec("sklearn.callback") is not None
FILES = ["test_callbacks.py", "test_checkpoints.py", "test_stopping.py"]
collect_ignore = [] if HAS_CALLBACKS else FILES


def needs_callbacks(item):
    """Return whether a test is marked so, or is an example of a callback."""
    return bool(item.get_closest_marker("callbacks")) or item.path.name == "callbacks.py"


def pytest_collection_modifyitems(config, items):
    """Deselect the tests of callbacks where there are none."""
    without = [item for item in items if not needs_callbacks(item)]
    if not HAS_CALLBACKS and len(without) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in without])
        items[:] = without
