"""Download a file over HTTP: verified by its digest, resumed after a broken connection.

Progress is shown on stderr if that is a terminal: as a bar if rich is installed, and otherwise
as a line of percentages. Nothing is printed into files and pipes.
"""

import hashlib
import sys
import time
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CHUNK_BYTES = 2**16
SILENCE_SECONDS = 60  # A server that says nothing for so long is taken to be gone.
BY_HAND = (
    "Try again later, or download the archive by another route and unpack it in the folder "
    "'cifar10' of data_home."
)


def download(archive, path, n_retries, delay):
    """Write an `Archive` to the path and verify it."""
    title = f"Downloading {archive.url} ({archive.n_bytes:,} bytes):"
    with open(path, "wb") as file, progress(title, archive.n_bytes) as (show, say):
        for start, chunk in _chunks(archive, n_retries, delay, say):
            if start == 0:  # The first bytes, or the first again.
                digest = hashlib.sha256()
            file.seek(start)
            file.write(chunk)
            digest.update(chunk)
            show(file.tell())
    if digest.hexdigest() != archive.sha256:
        raise OSError(
            f"The SHA-256 digest of {archive.url} is {digest.hexdigest()} instead of "
            f"{archive.sha256}: the file was damaged on its way or replaced at its source, and "
            f"has been removed, because its contents cannot be trusted. {BY_HAND}"
        )


@contextmanager
def progress(title, n_bytes):
    """Yield two functions, which show the bytes that are there and say something on the way."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda position: None, lambda text: None
        return
    try:
        from rich import progress as rich
        from rich.console import Console
    except ImportError:
        with _line(title, n_bytes) as functions:
            yield functions
        return
    columns = rich.BarColumn(), rich.DownloadColumn(), rich.TimeRemainingColumn()
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        bar.console.print(title, highlight=False)
        task = bar.add_task("", total=n_bytes)
        yield (
            lambda position: bar.update(task, completed=position),
            lambda text: bar.console.print(text, highlight=False, markup=False),
        )


@contextmanager
def _line(title, n_bytes):
    """Yield the two functions of `progress` that print a line of percentages."""
    shown = 0

    def say(text):
        print(text, end=" ", file=sys.stderr, flush=True)

    def show(position):
        nonlocal shown
        percent = 100 * position // n_bytes
        if percent >= shown + 5:
            shown = percent
            say(f"{percent}%")

    say(title)
    try:
        yield show, say
    finally:
        print(file=sys.stderr)


def _chunks(archive, n_retries, delay, say):
    """Yield pairs of position and bytes, taking up a broken download where it stopped.

    The position returns to 0 when the server cannot do that. Whatever fails in here is the
    network's doing, and worth a retry; what fails around it, such as a full disk, is not.
    """
    size, position = archive.n_bytes, 0
    for retries_left in reversed(range(n_retries + 1)):
        request = Request(archive.url)
        if position > 0:
            request.add_header("Range", f"bytes={position}-")
        try:
            with urlopen(request, timeout=SILENCE_SECONDS) as response:
                if response.status == 206:  # The part that was asked for, and no other.
                    expected = f"bytes {position}-{size - 1}/{size}"
                    announced = response.headers["Content-Range"]
                else:  # The whole.
                    position, expected = 0, f"{size} bytes"
                    announced = f"{response.headers.get('Content-Length', size)} bytes"
                if announced != expected:
                    position = 0
                    raise OSError(f"the server offers {announced}, not {expected} (a login page?)")
                while chunk := response.read(min(CHUNK_BYTES, size - position)):
                    yield position, chunk
                    position += len(chunk)
            if position == size:
                return
            raise OSError(f"the connection broke after {position:,} of {size:,} bytes")
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):  # Which is a response too.
                error.close()
            if retries_left == 0:
                raise OSError(
                    f"CIFAR-10 is not in the cache, and {archive.url} could not be downloaded in "
                    f"{n_retries + 1} attempts: {error}. Check your connection. {BY_HAND}"
                ) from error
            say(f"{error}. Trying again in {delay} s:")
        time.sleep(delay)
