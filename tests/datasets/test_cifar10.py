"""fetch_cifar10 against a local server that fails in every known way."""

import errno
import hashlib
import io
import os
import socket
import sys
import tarfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import numpy as np
import pytest
from sklearn.utils import Bunch

from sk_twolayer.datasets import cifar10, download, fetch_cifar10

N_RECORDS = 20  # In each file, instead of 10,000.
FILE_BYTES = N_RECORDS * 3073
FOLDER = "cifar-10-batches-bin"
FILES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
PATIENCE_SECONDS = 60  # After which a test that waits for something fails.

# The truth: images as one would show them, and a class for each.
RNG = np.random.RandomState(0)
IMAGES = RNG.randint(256, size=(6 * N_RECORDS, 32, 32, 3)).astype(np.uint8)
LABELS = RNG.randint(10, size=6 * N_RECORDS)
SAMPLES = {
    "train": slice(0, 5 * N_RECORDS),
    "test": slice(5 * N_RECORDS, None),
    "all": slice(None),
}


def make_contents():
    """Return the six files, by name, spelt out byte by byte from the description of the format."""
    records = [
        bytes([label]) + b"".join(image[:, :, colour].tobytes() for colour in range(3))
        for label, image in zip(LABELS, IMAGES, strict=True)
    ]
    return {
        name: b"".join(records[i * N_RECORDS : (i + 1) * N_RECORDS]) for i, name in enumerate(FILES)
    }


CONTENTS = make_contents()


def pack(files, *links):
    """Return an archive laid out like the official one, with other members and links."""
    packed = io.BytesIO()
    members = {f"{FOLDER}/{name}": content for name, content in files.items()}
    members |= {"../evil": b"evil", f"{FOLDER}/readme.html": b"Hello.", FILES[0]: b"another"}
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for link in links:
            tar.addfile(link)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


GOOD = pack(CONTENTS)


class Handler(BaseHTTPRequestHandler):
    """Serves the body of its server, with the fault that is next in line."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        fault = server.faults.pop(0) if server.faults else None
        body = b"<html>Please log in.</html>" if fault == "another file" else server.body
        if fault == "together":  # Nobody is served before all are there.
            server.barrier.wait(PATIENCE_SECONDS)
        if fault == "error 500":
            self.send_error(500)
            return
        if fault == "no HTTP":
            self.wfile.write(b"220 Welcome to FTP.\r\n")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("dropped", "silent") else body)
        if fault == "silent":
            server.stopping.wait(PATIENCE_SECONDS)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, body, faults):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.faults, self.requests = body, list(faults), []
        self.barrier = threading.Barrier(len(self.faults) or 1)
        self.stopping = threading.Event()


def expect(monkeypatch, **changes):
    """Change what is known of the official archive."""
    monkeypatch.setattr(cifar10, "CIFAR10", cifar10.CIFAR10._replace(**changes))


@pytest.fixture
def serve(monkeypatch):
    """Return a context manager that serves a body in place of the official archive."""

    @contextmanager
    def context(body=GOOD, faults=(), **changes):
        known = {"sha256": hashlib.sha256(body).hexdigest(), "n_bytes": len(body), **changes}
        with Server(body, faults) as server:
            url = f"http://127.0.0.1:{server.server_port}/cifar.tar.gz"
            expect(monkeypatch, url=url, file_bytes=FILE_BYTES, **known)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield server
            finally:
                server.stopping.set()
                server.shutdown()
                thread.join(PATIENCE_SECONDS)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return context


@pytest.fixture
def home(tmp_path):
    """Return a data_home in a folder of its own, so that files outside of it are noticed."""
    path = tmp_path / "outer" / "home"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def unpacked(home, monkeypatch):
    """Return a cached folder that was unpacked by hand, where nothing can be downloaded."""
    expect(monkeypatch, url="nowhere", file_bytes=FILE_BYTES)
    folder = home / "cifar10" / FOLDER
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    return folder


def fetch(home, subset="all", **options):
    return fetch_cifar10(
        data_home=home, subset=subset, return_X_y=True, **{"delay": 1e-9, **options}
    )


def assert_right(data, target, subset="all"):
    np.testing.assert_array_equal(data.reshape(-1, 32, 32, 3), IMAGES[SAMPLES[subset]])
    np.testing.assert_array_equal(target, LABELS[SAMPLES[subset]])


def assert_only_the_cache_is_left(home):
    folder = home / "cifar10" / FOLDER
    left = set(home.parent.rglob("*")) - {home, folder.parent, folder}
    assert left == {folder / name for name in [*FILES, "SHA256SUMS"]}


def assert_nothing_is_left(home):
    assert set(home.parent.rglob("*")) <= {home, home / "cifar10"}


def test_official_archive():
    assert cifar10.CIFAR10 == (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
        FILES,
        30_730_000,
    )


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_download(serve, home, capsys, subset):
    with serve() as server:
        data, target = fetch(home, subset)
    assert_right(data, target, subset)
    assert (data.dtype, data.ndim, target.dtype, target.ndim) == (np.uint8, 2, np.int64, 1)
    assert data.flags.c_contiguous
    assert data.flags.writeable
    assert_only_the_cache_is_left(home)
    digests = (home / "cifar10" / FOLDER / "SHA256SUMS").read_text()
    assert digests == "".join(  # as sha256sum writes it
        f"{hashlib.sha256(CONTENTS[name]).hexdigest()}  {name}\n" for name in FILES
    )
    assert len(server.requests) == 1
    assert capsys.readouterr() == ("", "")  # as it is no terminal


def test_public_function(serve, home, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    with serve() as server:
        bunch = fetch_cifar10()
        again = fetch_cifar10(data_home=str(home), subset="test", download_if_missing=False)
    assert len(server.requests) == 1
    assert isinstance(bunch, Bunch)
    assert set(bunch) == {"data", "target", "target_names", "DESCR"}
    assert_right(bunch.data, bunch.target, "train")
    assert_right(again.data, again.target, "test")
    assert "Krizhevsky" in bunch.DESCR
    assert "2009" in bunch.DESCR
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert bunch.target_names.tolist() == names.split()
    assert fetch_cifar10.__module__ == "sk_twolayer.datasets"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subset": "validation"}, ValueError),
        ({"subset": ["train"]}, ValueError),
        ({"data_home": 1}, TypeError),
        ({"return_X_y": "yes"}, TypeError),
        ({"download_if_missing": 2}, TypeError),
        ({"n_retries": 0}, ValueError),
        ({"n_retries": 1.5}, TypeError),
        ({"delay": 0.0}, ValueError),
        ({"delay": float("nan")}, ValueError),
        ({"delay": float("inf")}, ValueError),
        ({"delay": "1"}, TypeError),
    ],
)
def test_wrong_arguments(home, wrong, error):
    [name] = wrong
    with pytest.raises(error, match=f"^{name} .*must be"):
        fetch_cifar10(**{"data_home": home, "download_if_missing": False, **wrong})
    assert_nothing_is_left(home)


def test_other_users_may_read_the_cache(serve, home):
    with serve():
        fetch(home)
    (home / "ordinary").mkdir()
    folder = home / "cifar10" / FOLDER
    assert folder.stat().st_mode == (home / "ordinary").stat().st_mode
    assert (folder / FILES[0]).stat().st_mode & 0o444 == 0o444


def test_memory_is_the_result_and_one_file(unpacked, home, monkeypatch):
    file_bytes = 200 * 3073
    expect(monkeypatch, file_bytes=file_bytes)
    for name in FILES:
        (unpacked / name).write_bytes(bytes(file_bytes))
    fetch(home, "test")  # What is allocated once is not at issue.
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        data, target = fetch(home)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < data.nbytes + target.nbytes + 1.5 * file_bytes


# Broken connections and servers.


def test_recovers(serve, home):
    with serve(faults=["error 500", "dropped", "another file"]) as server:
        assert_right(*fetch(home))
    assert_only_the_cache_is_left(home)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error 500", "HTTP Error 500"),
        ("no HTTP", "220 Welcome to FTP"),
        ("dropped", f"{len(GOOD) // 2:,} of {len(GOOD):,} bytes arrived"),
        ("another file", f"27 of {len(GOOD):,} bytes arrived"),
        ("silent", "timed out"),
    ],
)
def test_gives_up(serve, home, monkeypatch, fault, reason):
    if fault == "silent":
        monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with serve(faults=[fault] * 9) as server, pytest.raises(OSError, match=reason) as raised:
        fetch(home, n_retries=2, delay=1.5)
    assert len(server.requests) == 3
    assert waits == [1.5, 1.5]
    assert "could not be downloaded in 3 attempts" in str(raised.value)
    assert_nothing_is_left(home)


def test_no_network(home, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound, but nobody listens.
        expect(monkeypatch, url=f"http://127.0.0.1:{unused.getsockname()[1]}/cifar.tar.gz")
        with pytest.raises(OSError, match=r"cifar.tar.gz could not be downloaded .* refused"):
            fetch(home)
    assert_nothing_is_left(home)


def test_wrong_bytes(serve, home):
    wrong = hashlib.sha256(GOOD).hexdigest()
    with serve(sha256="1" * 64), pytest.raises(OSError, match=f"is {wrong} instead of {'1' * 64}"):
        fetch(home)
    assert_nothing_is_left(home)


def test_no_more_is_read_than_the_archive_has(serve, home):
    # Otherwise a server that sends more and more could fill the disk.
    with serve(GOOD * 3, sha256=hashlib.sha256(GOOD).hexdigest(), n_bytes=len(GOOD)):
        assert_right(*fetch(home))


# Archives whose digest is right and whose contents are not.


@pytest.mark.parametrize("content", [None, bytes(FILE_BYTES - 1), bytes(FILE_BYTES + 1)])
def test_wrong_files(serve, home, content):
    files = {**CONTENTS, "data_batch_3.bin": content}
    body = pack({name: files[name] for name in files if files[name] is not None})
    with serve(body), pytest.raises(OSError, match="do not have the sizes of CIFAR-10"):
        fetch(home)
    assert_nothing_is_left(home)


def test_links_to_other_folders_are_refused(serve, home):
    secret = home / "secret"
    secret.write_bytes(CONTENTS[FILES[0]])
    link = tarfile.TarInfo(f"{FOLDER}/{FILES[0]}")
    link.type, link.linkname, link.size = tarfile.SYMTYPE, str(secret), FILE_BYTES
    body = pack({name: CONTENTS[name] for name in FILES[1:]}, link)
    with serve(body), pytest.raises(tarfile.AbsoluteLinkError):
        fetch(home)
    secret.unlink()
    assert_nothing_is_left(home)


def test_python_without_filters(serve, home, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    with serve():
        assert_right(*fetch(home))


# The disk and the cache.


@pytest.fixture(
    params=[(download, "open"), (tarfile.TarFile, "makefile")], ids=["archive", "files"]
)
def fail_while_writing(request, monkeypatch):
    """Return a function that raises an error while the archive or its files are written."""
    return lambda error: monkeypatch.setattr(*request.param, Mock(side_effect=error), raising=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(serve, home, fail_while_writing, number):
    fail_while_writing(OSError(number, os.strerror(number)))
    with serve() as server, pytest.raises(OSError, match="disk or your share of it") as raised:
        fetch(home)
    assert (raised.value.errno, raised.value.filename) == (number, str(home / "cifar10"))
    assert len(server.requests) == 1  # To download again would not help.
    assert_nothing_is_left(home)


def test_interrupt(serve, home, fail_while_writing):
    fail_while_writing(KeyboardInterrupt())
    with serve() as server, pytest.raises(KeyboardInterrupt):
        fetch(home)
    assert len(server.requests) == 1
    assert_nothing_is_left(home)


def test_folder_that_cannot_be_moved(serve, home, monkeypatch):
    monkeypatch.setattr(os, "replace", Mock(side_effect=PermissionError))
    with serve(), pytest.raises(PermissionError):
        fetch(home)
    assert_nothing_is_left(home)


def test_archive_that_cannot_be_removed(serve, home, monkeypatch):
    busy = OSError(errno.EBUSY, "Device or resource busy")
    monkeypatch.setattr(os, "unlink", Mock(side_effect=busy))
    with serve():
        assert_right(*fetch(home))


def test_three_at_once(serve, home):
    with serve(faults=["together"] * 3) as server, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(fetch, [home] * 3))
    for data, target in results:
        assert_right(data, target)
    assert len(server.requests) == 3
    assert_only_the_cache_is_left(home)


def test_other_folders_stay(serve, home):
    notes = home / "cifar10" / "download-mine" / "notes"
    notes.parent.mkdir(parents=True)
    notes.touch()
    with serve():
        fetch(home)
        fetch(home)
    assert {path.name for path in (home / "cifar10").iterdir()} == {FOLDER, "download-mine"}
    assert notes.exists()


@pytest.mark.parametrize("download_if_missing", [True, False])
def test_unpacked_folder_is_used_as_it_is(unpacked, home, download_if_missing):
    (unpacked / "batches.meta.txt").touch()
    before = sorted(home.rglob("*"))
    assert_right(*fetch(home, download_if_missing=download_if_missing))
    assert sorted(home.rglob("*")) == before


def test_missing_and_not_to_be_downloaded(home, monkeypatch):
    monkeypatch.chdir(home)
    with pytest.raises(OSError, match="Data not found and `download_if_missing` is") as raised:
        fetch(".", download_if_missing=False)
    assert str(home / "cifar10" / FOLDER) in str(raised.value)
    assert_nothing_is_left(home)


@pytest.mark.parametrize("n_bytes", [0, FILE_BYTES - 1, FILE_BYTES + 1, None])
def test_wrong_size(unpacked, home, n_bytes):
    path = unpacked / "test_batch.bin"
    path.unlink()
    if n_bytes is not None:
        path.write_bytes(bytes(n_bytes))
    with pytest.raises(OSError, match=f"{path} is missing or damaged.* Delete {unpacked} to"):
        fetch(home)
    path.write_bytes(CONTENTS[path.name])
    assert_right(*fetch(home))


@pytest.mark.parametrize("name", ["test_batch.bin", "SHA256SUMS"])
def test_wrong_digest(serve, home, name):
    with serve():
        fetch(home, "train")
        path = home / "cifar10" / FOLDER / name
        content = bytearray(path.read_bytes())
        content[-50] ^= 128
        path.write_bytes(content)
        with pytest.raises(OSError, match=r"test_batch.bin is missing or damaged.* Delete"):
            fetch(home, "test")


def test_digest_is_checked_once(serve, home, monkeypatch):
    with serve():
        fetch(home)
        monkeypatch.delattr(hashlib, "file_digest")
        assert_right(*fetch(home))


# Progress in a terminal.


def test_progress_is_shown_in_a_terminal(serve, home, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(download, "CHUNK_BYTES", -(-len(GOOD) // 4))
    with serve(faults=["dropped"]) as server:
        fetch(home)
    url = f"http://127.0.0.1:{server.server_port}/cifar.tar.gz"
    first, retry, second, after = capsys.readouterr().err.split("\n")
    assert first.startswith(f"\rDownloading {url}: 25%\r")
    assert retry.endswith(". Trying again in 1e-09 s.")
    percentages = [f"\rDownloading {url}: {percent}%" for percent in (25, 50, 75, 100)]
    assert second == "".join(percentages)
    assert after == ""


def test_process_without_stderr(serve, home, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # as in a program with windows only
    with serve():
        assert_right(*fetch(home))
