"""A folder for a download in progress, which is removed even if its process is killed.

A process that ends, be it by an error or by Ctrl-C, removes its folder. One that is killed
cannot, so the next one does. A folder is in use exactly as long as a process holds the operating
system's lock on it, and no process leaves a lock behind. Where there are no such locks (on
Windows, and on some network file systems), no folder is taken to be unused.
"""

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

PREFIX = "download-"


@contextmanager
def download_folder(parent):
    """Make a folder inside the parent, for as long as the context lasts, and lock it."""
    path, lock = _make(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep(parent):
    """Remove the folders inside the parent whose processes were killed, if there are any."""
    for path in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, another user's, or no folder
            lock = _lock(path)
            try:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _make(parent):
    """Return a new folder and its lock, or None in its place where there are no locks.

    Until it is locked the folder looks unused, and another process may sweep it: then another
    folder is made.
    """
    while True:
        path, lock = tempfile.mkdtemp(prefix=PREFIX, dir=parent), None
        try:
            lock = _lock(path)
        except BlockingIOError:  # it is being swept
            continue
        except OSError:
            pass
        if os.path.exists(path):
            return path, lock
        if lock is not None:
            os.close(lock)


def _lock(path):
    """Lock a folder and return its descriptor; raise an OSError if that is impossible."""
    if fcntl is None:
        raise OSError("this operating system has no locks of folders")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
