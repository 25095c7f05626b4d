"""CIFAR-10: sixty thousand small colour pictures in ten classes, fetched and cached.

The classes are balanced, and telling them apart from raw pixels is hard enough to show
what a two-layer network can and cannot do. The archive used is the official *binary* one:
plain bytes that are only ever copied, so that nothing downloaded is executed. What is
found in the cache is complete: the archive is downloaded, verified and unpacked in a
temporary folder beside it, and the result moves into place in one step.
"""

import errno
import gzip
import hashlib
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from http.client import HTTPException
from numbers import Integral, Real
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params


class Archive(NamedTuple):
    """What must be known of an archive in order to trust it."""

    url: str
    sha256: str
    n_bytes: int
    records_per_file: int

    @property
    def file_bytes(self):
        """Size of each file of pictures."""
        return self.records_per_file * RECORD.itemsize


CIFAR10 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    n_bytes=170_052_171,
    records_per_file=10_000,
)
FOLDER = "cifar-10-batches-bin"
SUBSETS = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
SUBSETS["all"] = SUBSETS["train"] + SUBSETS["test"]
# One picture in a file: its class, then its red, its green and its blue plane.
RECORD = np.dtype([("label", np.uint8), ("planes", np.uint8, (3, 32, 32))])
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

CHUNK_BYTES = 2**16
SILENCE_SECONDS = 60  # A server that says nothing for so long is taken to be gone.
BY_HAND = (
    "Try again later, or download the archive by another route and unpack it in the folder "
    "'cifar10' of data_home."
)
DESCRIPTION = """\
CIFAR-10
--------

Colour photographs of 32 x 32 pixels, 6,000 of each of ten classes: 50,000 for training and
10,000 for testing. A picture is 32 rows x 32 columns x 3 colours (red, green, blue) = 3,072
features, integers from 0 to 255. Home page: https://www.cs.toronto.edu/~kriz/cifar.html

.. rubric:: References

* Alex Krizhevsky. "Learning Multiple Layers of Features from Tiny Images." Technical
  report, University of Toronto, 2009.
"""


@validate_params(
    {
        "data_home": [str, PathLike, None],
        "subset": [StrOptions({"train", "test", "all"})],
        "return_X_y": ["boolean"],
        "download_if_missing": ["boolean"],
        "n_retries": [Interval(Integral, 1, None, closed="left")],
        "delay": [Interval(Real, 0.0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_cifar10(
    *,
    data_home=None,
    subset="train",
    return_X_y=False,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
):
    """Load the CIFAR-10 dataset (classification), downloading it if necessary.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which datasets are cached; None is that of scikit-learn,
        `sklearn.datasets.get_data_home`. The files are kept in its subfolder
        'cifar10/cifar-10-batches-bin' and used as they are if they are there already.
    subset : {'train', 'test', 'all'}, default='train'
        The 50,000 pictures for training, the 10,000 for testing, or the former followed
        by the latter.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    download_if_missing : bool, default=True
        If False, raise an OSError when the data is not in the cache, instead of
        downloading it.
    n_retries : int, default=3
        Number of times a broken download is taken up again, where it stopped if the
        server can do that.
    delay : float, default=1.0
        Number of seconds between retries.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 3072), dtype uint8
            A picture in each row: ``data[i].reshape(32, 32, 3)`` can be shown as it is.
        target : ndarray of shape (n_samples,), dtype int64
            The class of each picture, from 0 to 9.
        target_names : ndarray of shape (10,), dtype str
            The names of the classes.
        DESCR : str
            A description of the dataset.

    (data, target) : tuple if ``return_X_y`` is True
        The two arrays described above.

    Raises
    ------
    OSError
        If the data is missing and may not or cannot be downloaded, if the download is not
        the official archive, if the disk is full, or if a cached file has the wrong size.
        Nothing half-written is left behind.

    Notes
    -----
    The download is 170 MB, the cached files take 184 MB, and both are on the disk for a
    moment. Several processes may fetch at once: each downloads for itself, and the first to
    finish provides the files for all.

    References
    ----------
    Alex Krizhevsky. "Learning Multiple Layers of Features from Tiny Images." Technical
    report, University of Toronto, 2009.

    Examples
    --------
    >>> from sk_twolayer.datasets import fetch_cifar10
    >>> cifar10 = fetch_cifar10(subset="test")  # doctest: +SKIP
    >>> cifar10.data.shape, cifar10.target.shape  # doctest: +SKIP
    ((10000, 3072), (10000,))
    >>> picture = cifar10.data[0].reshape(32, 32, 3)  # doctest: +SKIP
    >>> X, y = fetch_cifar10(return_X_y=True)  # doctest: +SKIP
    """
    folder = Path(get_data_home(data_home), "cifar10", FOLDER)
    data, target = _load(CIFAR10, folder, subset, download_if_missing, n_retries, delay)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=np.array(CLASSES), DESCR=DESCRIPTION)


def _load(archive, folder, subset, download_if_missing, n_retries, delay):
    """Return the pictures and classes of a subset, after filling the folder if it is missing."""
    if not folder.exists():
        if not download_if_missing:
            raise OSError(
                f"Data not found and `download_if_missing` is False: there is no {folder}. "
                "Set it to True, or data_home to the folder of an earlier download."
            )
        _fill(archive, folder, n_retries, delay)
    _check_sizes(archive, folder)

    data = np.empty((len(SUBSETS[subset]), archive.records_per_file, 32, 32, 3), np.uint8)
    target = np.empty(data.shape[:2], np.int64)
    for i, name in enumerate(SUBSETS[subset]):
        records = np.fromfile(folder / name, RECORD)
        data[i] = records["planes"].transpose(0, 2, 3, 1)
        target[i] = records["label"]
        del records  # So that no two files are in memory while the next is read.
    return data.reshape(-1, 3072), target.reshape(-1)


def _check_sizes(archive, folder):
    """Refuse a cache in which a file is missing or has the wrong size."""
    for path in [folder / name for name in SUBSETS["all"]]:
        size = path.stat().st_size if path.is_file() else 0
        if size != archive.file_bytes:
            raise OSError(
                f"{path} is missing or damaged: it has {size:,} bytes instead of "
                f"{archive.file_bytes:,}. Delete {folder} to have CIFAR-10 downloaded again."
            )


def _fill(archive, folder, n_retries, delay):
    """Download and unpack the archive; the folder appears at once and complete, or not at all."""
    try:
        folder.parent.mkdir(exist_ok=True)
        # On the same disk as the folder, or the move could not be atomic.
        with tempfile.TemporaryDirectory(prefix="download-", dir=folder.parent) as temporary:
            packed, unpacked = Path(temporary, "archive.tar.gz"), Path(temporary, FOLDER)
            _download(archive, packed, n_retries, delay)
            unpacked.mkdir()
            _extract(archive, packed, unpacked)
            try:
                unpacked.replace(folder)
            except OSError:
                if not folder.is_dir():  # Otherwise another process was faster.
                    raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        needed = archive.n_bytes + len(SUBSETS["all"]) * archive.file_bytes
        raise OSError(
            error.errno,
            f"The disk or your share of it is full; fetching CIFAR-10 takes {needed:,} bytes, and "
            "what was written has been removed. Free some, or set data_home to another disk",
            str(folder.parent),
        ) from error


def _download(archive, path, n_retries, delay):
    """Write the archive to the path and verify it, showing progress on stderr."""
    title = f"Downloading {archive.url} ({archive.n_bytes:,} bytes):"
    print(title, end="", file=sys.stderr, flush=True)
    percent = 0
    try:
        with open(path, "wb") as file:
            for start, chunk in _chunks(archive, n_retries, delay):
                if start == 0:  # The first bytes, or the first again.
                    digest = hashlib.sha256()
                file.seek(start)
                file.write(chunk)
                digest.update(chunk)
                if 100 * file.tell() >= archive.n_bytes * (percent + 5):
                    percent = 100 * file.tell() // archive.n_bytes
                    print(f" {percent}%", end="", file=sys.stderr, flush=True)
    finally:
        print(file=sys.stderr)
    if digest.hexdigest() != archive.sha256:
        raise OSError(
            f"The SHA-256 digest of {archive.url} is {digest.hexdigest()} instead of "
            f"{archive.sha256}: the file was damaged on its way or replaced at its source, and "
            f"has been removed, because its contents cannot be trusted. {BY_HAND}"
        )


def _chunks(archive, n_retries, delay):
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
            print(f" {error}. Trying again in {delay} s:", end="", file=sys.stderr, flush=True)
        time.sleep(delay)


def _extract(archive, packed, folder):
    """Unpack the six files of pictures, and nothing else, into the folder.

    The digest has vouched for the archive; still no name or link in it is followed.
    """
    missing = set(SUBSETS["all"])
    try:
        with tarfile.open(packed, "r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise tarfile.TarError(f"its member {member.name!r} points out of the folder")
                if path.parent != PurePosixPath(FOLDER) or path.name not in missing:
                    continue
                if not member.isreg():
                    raise tarfile.TarError(f"its member {member.name!r} is no regular file")
                if member.size != archive.file_bytes:
                    raise tarfile.TarError(
                        f"its member {member.name!r} has {member.size:,} bytes instead of "
                        f"{archive.file_bytes:,}"
                    )
                with tar.extractfile(member) as source, open(folder / path.name, "xb") as target:
                    shutil.copyfileobj(source, target)
                missing.remove(path.name)
        if missing:
            raise tarfile.TarError(f"it lacks {', '.join(sorted(missing))}")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(
            f"The archive from {archive.url} cannot be used: {error}. So it is not CIFAR-10 as "
            f"published, and nothing of it was kept. {BY_HAND}"
        ) from error
