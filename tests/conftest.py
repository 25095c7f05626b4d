"""Settings of all tests.

Callbacks need scikit-learn 1.9. With older versions, pytest does not collect the files that test
callbacks. It deselects the other tests that are marked ``callbacks``, and the doctests of the
callbacks, and counts them in its last line. All other tests run with every version.
"""

import os
import signal
from importlib.util import find_spec

# Without this variable, scikit-learn skips its check of the array API. SciPy reads it on import.
os.environ["SCIPY_ARRAY_API"] = "1"

# Two processes of tests would compete for the cores if each had a thread for every core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A process that a script starts in the background ignores Ctrl-C, and so do its subprocesses.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


HAS_CALLBACKS = find_spec("sklearn.callback") is not None
FILES = [f"callbacks/test_{name}.py" for name in ("checkpoint", "stopping", "tasks")]
collect_ignore = [] if HAS_CALLBACKS else FILES


def needs_callbacks(item):
    """Return True if a test is marked ``callbacks``, or is a doctest of a callback."""
    doctest = item.path.parent.name == "callbacks" and item.path.name == "__init__.py"
    return bool(item.get_closest_marker("callbacks")) or doctest


def pytest_collection_modifyitems(config, items):
    """Deselect the tests of callbacks if scikit-learn has no callbacks."""
    others = [item for item in items if not needs_callbacks(item)]
    if not HAS_CALLBACKS and len(others) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in others])
        items[:] = others
