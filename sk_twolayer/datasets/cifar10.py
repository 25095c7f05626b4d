"""CIFAR-10: 60,000 small colour images in ten classes, downloaded once and kept in a cache.

The classes are balanced, and telling them apart from raw pixels is hard enough to show
what a two-layer network can and cannot do. The archive used is the official *binary* one:
plain bytes that are only ever copied, so that nothing downloaded is executed.
"""

from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch, check_scalar

from sk_twolayer.datasets.download import Archive, check_file, download_folder

SUBSETS = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
SUBSETS["all"] = SUBSETS["train"] + SUBSETS["test"]
# An image in a file: its class, then its red, green and blue planes.
RECORD = np.dtype([("label", np.uint8), ("planes", np.uint8, (3, 32, 32))])
CIFAR10 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    n_bytes=170_052_171,
    files=SUBSETS["all"],
    file_bytes=10_000 * RECORD.itemsize,
)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


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
        Folder in which datasets are cached. None means the folder of scikit-learn, see
        `sklearn.datasets.get_data_home`. The files are kept in the subfolder
        'cifar10/cifar-10-batches-bin'. If the subfolder exists, nothing is downloaded.
    subset : {'train', 'test', 'all'}, default='train'
        The 50,000 training images, the 10,000 test images, or both, in this order.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    download_if_missing : bool, default=True
        If False, raise an OSError when the data is not in the cache, instead of
        downloading it.
    n_retries : int, default=3
        Number of times that a failed download is started again.
    delay : float, default=1.0
        Number of seconds before a retry.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 3072), dtype uint8
            The images. ``data[i].reshape(32, 32, 3)`` can be passed to `imshow`.
        target : ndarray of shape (n_samples,), dtype int64
            The class of each image, from 0 to 9.
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
        the official archive, if the disk is full, or if a cached file is damaged. A failed
        or interrupted call leaves no files behind.

    Notes
    -----
    The download is 170 MB and the unpacked files are 184 MB. Both are on the disk until the
    files are unpacked. Several processes may call the function at once: each downloads the
    archive, and all use the files of the first to finish. A process that is killed leaves a
    folder ``cifar10/download-*`` behind, which can be deleted.

    The SHA-256 digest of the archive is verified. The digests of the unpacked files are
    written to the file 'SHA256SUMS' beside them, and a process checks each file against its
    digest before it first reads the file. A folder that was unpacked by hand has no such file:
    its files are checked by size only.

    The progress is shown on stderr if that is a terminal.

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
    >>> image = cifar10.data[0].reshape(32, 32, 3)  # doctest: +SKIP
    >>> X, y = fetch_cifar10(return_X_y=True)  # doctest: +SKIP
    """
    if not isinstance(data_home, (str, PathLike, type(None))):
        raise TypeError(f"data_home must be the path of a folder or None, got {data_home!r}.")
    if subset not in list(SUBSETS):
        raise ValueError(f"subset must be one of {list(SUBSETS)}, got {subset!r}.")
    check_scalar(return_X_y, "return_X_y", (bool, np.bool_))
    check_scalar(download_if_missing, "download_if_missing", (bool, np.bool_))
    check_scalar(n_retries, "n_retries", Integral, min_val=1)
    check_scalar(delay, "delay", Real)
    if not 0 < delay < np.inf:
        raise ValueError(f"delay must be a positive, finite number of seconds, got {delay!r}.")
    folder = Path(get_data_home(data_home), "cifar10", "cifar-10-batches-bin").absolute()
    if not folder.exists():
        if not download_if_missing:
            raise OSError(
                f"Data not found and `download_if_missing` is False: there is no {folder}. "
                "Set it to True, or data_home to the folder of an earlier download."
            )
        download_folder(CIFAR10, folder, n_retries, delay)
    data, target = _read(folder, SUBSETS[subset])
    if return_X_y:
        return data, target
    description = Path(__file__).with_suffix(".rst").read_text(encoding="utf-8")
    return Bunch(data=data, target=target, target_names=np.array(CLASSES), DESCR=description)


def _read(folder, names):
    """Check and read some files of the folder; return their images and classes."""
    data = np.empty((len(names), CIFAR10.file_bytes // RECORD.itemsize, 32, 32, 3), np.uint8)
    target = np.empty(data.shape[:2], np.int64)
    for i, name in enumerate(names):
        check_file(folder / name, CIFAR10.file_bytes)
        records = np.fromfile(folder / name, RECORD)
        data[i] = records["planes"].transpose(0, 2, 3, 1)
        target[i] = records["label"]
        del records  # Free this file before reading the next, to bound peak memory.
    return data.reshape(-1, 3072), target.reshape(-1)
