"""CIFAR-10: sixty thousand small colour pictures in ten classes, fetched and cached.

The classes are balanced, and telling them apart from raw pixels is hard enough to show
what a two-layer network can and cannot do. The archive used is the official *binary* one:
plain bytes that are only ever copied, so that nothing downloaded is executed. What is
found in the cache is complete: the archive is downloaded, verified and unpacked in a
temporary folder beside it, and the result moves into place in one step.
"""

import errno
import gzip
import shutil
import tarfile
import zlib
from numbers import Integral, Real
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch, check_scalar

from sk_twolayer.datasets.download import BY_HAND, download
from sk_twolayer.datasets.download_folder import download_folder, sweep


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
    finish provides the files for all. What a killed process left is removed by the next call,
    where the operating system can tell that the process is gone (not on Windows).

    Progress is shown in a terminal, as a bar if rich is installed.

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
    if not isinstance(data_home, (str, PathLike, type(None))):
        raise TypeError(f"data_home must be the path of a folder or None, got {data_home!r}.")
    if subset not in list(SUBSETS):
        raise ValueError(f"subset must be one of {list(SUBSETS)}, got {subset!r}.")
    check_scalar(return_X_y, "return_X_y", (bool, np.bool_))
    check_scalar(download_if_missing, "download_if_missing", (bool, np.bool_))
    check_scalar(n_retries, "n_retries", Integral, min_val=1)
    check_scalar(delay, "delay", Real, min_val=0, include_boundaries="neither")
    folder = Path(get_data_home(data_home), "cifar10", FOLDER)
    data, target = _load(CIFAR10, folder, subset, download_if_missing, n_retries, delay)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=np.array(CLASSES), DESCR=DESCRIPTION)


def _load(archive, folder, subset, download_if_missing, n_retries, delay):
    """Return the pictures and classes of a subset, after filling the folder if it is missing."""
    sweep(folder.parent)
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
        with download_folder(folder.parent) as temporary:
            packed, unpacked = Path(temporary, "archive.tar.gz"), Path(temporary, FOLDER)
            download(archive, packed, n_retries, delay)
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
