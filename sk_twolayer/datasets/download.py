"""Download an archive and unpack it into a folder, which appears complete or not at all.

The archive is accepted by its SHA-256 digest. It is unpacked in a temporary folder, which is
moved into place in one step. The digests of the unpacked files are kept beside them, so that
damage to the cache is noticed later.
"""

import errno
import hashlib
import os
import sys
import tarfile
import tempfile
import time
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

CHUNK_BYTES = 2**20
SILENCE_SECONDS = 60  # A server that sends nothing for so long is taken to be gone.
DISK_FULL = errno.ENOSPC, errno.EDQUOT
DIGESTS = "SHA256SUMS"  # A file in the format of sha256sum.


class Archive(NamedTuple):
    """What is known of an archive before it is downloaded."""

    url: str
    sha256: str
    n_bytes: int
    files: list  # The names of the wanted files.
    file_bytes: int  # The size of each wanted file.


def download_folder(archive, folder, n_retries, delay):
    """Download an archive and make a folder of its files, in one step."""
    try:
        folder.parent.mkdir(exist_ok=True)
        # The temporary folder is on the same disk: a move between disks is not one step.
        with tempfile.TemporaryDirectory(
            prefix="download-", dir=folder.parent, ignore_cleanup_errors=True
        ) as temporary:
            packed, unpacked = Path(temporary, "archive.tar.gz"), Path(temporary, folder.name)
            _download(archive, packed, n_retries, delay)
            _unpack(archive, packed, unpacked)
            try:
                os.replace(unpacked, folder)
            except OSError:
                if not folder.is_dir():  # Otherwise another process was faster.
                    raise
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        message = "The disk or your share of it is full. Free 355 MB, or set data_home elsewhere"
        raise OSError(error.errno, message, str(folder.parent)) from error


@cache
def check_file(path, n_bytes):
    """Raise an OSError if an unpacked file is damaged; check each file once in a process.

    A folder that was unpacked by hand has no digests: only the sizes of its files are checked.
    """
    intact = path.is_file() and path.stat().st_size == n_bytes
    if intact and (digests := path.with_name(DIGESTS)).exists():
        intact = _digest_line(path) in digests.read_text("latin-1").splitlines()
    if not intact:
        raise OSError(
            f"{path} is missing or damaged: its size or its SHA-256 digest is wrong. "
            f"Delete {path.parent} to have CIFAR-10 downloaded again."
        )


def _digest_line(path):
    """Return the line of a file in the list of digests."""
    with open(path, "rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}"


def _download(archive, path, n_retries, delay):
    """Download an archive to a path; each retry starts again."""
    for retries_left in reversed(range(n_retries + 1)):
        try:
            return _download_once(archive, path)
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise  # A retry would not help.
            if retries_left == 0:
                raise OSError(
                    f"CIFAR-10 is not in the cache, and {archive.url} could not be downloaded in "
                    f"{n_retries + 1} attempts: {error}. Check your connection. Try again later, "
                    "or download the archive by another route and unpack it in the folder "
                    "'cifar10' of data_home."
                ) from error
            _show(f"{error}. Trying again in {delay} s.\n")
            time.sleep(delay)


def _download_once(archive, path):
    """Download an archive to a path, show the progress, and verify the digest."""
    digest, n_bytes = hashlib.sha256(), 0
    with urlopen(archive.url, timeout=SILENCE_SECONDS) as response, open(path, "wb") as file:
        try:
            while chunk := response.read(min(CHUNK_BYTES, archive.n_bytes - n_bytes)):
                file.write(chunk)
                digest.update(chunk)
                n_bytes += len(chunk)
                _show(f"\rDownloading {archive.url}: {100 * n_bytes // archive.n_bytes}%")
        finally:
            _show("\n")
    if digest.hexdigest() != archive.sha256:
        raise OSError(
            f"{n_bytes:,} of {archive.n_bytes:,} bytes arrived, and their SHA-256 digest is "
            f"{digest.hexdigest()} instead of {archive.sha256}"
        )


def _show(text):
    """Print a text on stderr if that is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)


def _unpack(archive, packed, folder):
    """Unpack the wanted files, and nothing else, and write the list of their digests."""
    names = [f"{folder.name}/{name}" for name in archive.files]
    with tarfile.open(packed, "r:gz") as tar:
        members = [member for member in tar if member.name in names]
        if [member.size for member in members] != [archive.file_bytes] * len(names):
            raise OSError(f"The files in {archive.url} do not have the sizes of CIFAR-10.")
        # Python has filters from 3.11.4 on; before, the digest of the archive must suffice.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(folder.parent, members)
    lines = [_digest_line(folder / name) + "\n" for name in archive.files]
    (folder / DIGESTS).write_text("".join(lines))
