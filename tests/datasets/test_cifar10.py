"""fetch_cifar10 against a local server that fails in every known way."""

import errno
import gzip
import hashlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import tracemalloc
import zlib
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

from sk_twolayer.datasets import cifar10 as datasets
from sk_twolayer.datasets import download, download_folder, fetch_cifar10

N_RECORDS = 20  # In each file, instead of 10,000.
TRAIN_FILES = [f"data_batch_{i}.bin" for i in range(1, 6)]
FILES = [*TRAIN_FILES, "test_batch.bin"]
PATIENCE_SECONDS = 60  # After which a test that waits for something is lost.
needs_locks = pytest.mark.skipif(
    find_spec("fcntl") is None, reason="this system has no locks of folders"
)

# The truth: pictures as one would show them, and a class for each.
RNG = np.random.RandomState(0)
PICTURES = RNG.randint(256, size=(6 * N_RECORDS, 32, 32, 3)).astype(np.uint8)
LABELS = RNG.randint(10, size=6 * N_RECORDS)
ROWS = {
    "train": slice(0, 5 * N_RECORDS),
    "test": slice(5 * N_RECORDS, None),
    "all": slice(None),
}


def contents():
    """The six files, by name, spelt out byte by byte from the description of the format."""
    records = [
        bytes([label]) + b"".join(picture[:, :, colour].tobytes() for colour in range(3))
        for label, picture in zip(LABELS, PICTURES, strict=True)
    ]
    return {
        name: b"".join(records[i * N_RECORDS : (i + 1) * N_RECORDS]) for i, name in enumerate(FILES)
    }


def pack(files, *others, compress=True):
    """An archive laid out like the official one, to which other members may be added."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz" if compress else "w") as tar:
        for member in others:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in {**files, "readme.html": b"Hello.\n"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


GOOD = pack(contents())


class Handler(BaseHTTPRequestHandler):
    """Serves the body of its server, with the fault that is next in line."""

    def do_GET(self):
        server, asked = self.server, self.headers["Range"]
        server.asked.append(asked)
        fault = server.faults.pop(0) if server.faults else None
        if fault == "together":  # Nobody is served before all are there.
            server.barrier.wait(PATIENCE_SECONDS)
        if fault == "error 500":
            self.send_error(500)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not server.knows_ranges or fault == "another file":
            start = 0
        first = start + 1 if fault == "another range" else start
        body = server.body[first:]
        if fault == "another file":
            body = b"<html>Please log in.</html>"
        self.send_response(206 if start else 200)
        if start:
            last = len(server.body) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{last + 1}")
        if fault != "dropped, length unknown":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault in (None, "together", "another file", "another range"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        if fault == "silent":
            server.stopping.wait(PATIENCE_SECONDS)
        if fault == "held":  # The other half comes when it is asked for.
            assert server.resuming.wait(PATIENCE_SECONDS)
            self.wfile.write(body[len(body) // 2 :])
        if fault == "interrupt":  # Ctrl-C, while the client waits for the other half.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            server.stopping.wait(PATIENCE_SECONDS)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, body, faults, knows_ranges):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.faults, self.knows_ranges = body, list(faults), knows_ranges
        self.asked = []  # The Range header of each request.
        self.barrier = threading.Barrier(len(self.faults) or 1)
        self.resuming, self.stopping = threading.Event(), threading.Event()

    def archive(self, **changes):
        """What a client that trusts this server knows of its archive."""
        archive = datasets.Archive(
            url=f"http://127.0.0.1:{self.server_port}/cifar.tar.gz",
            sha256=hashlib.sha256(self.body).hexdigest(),
            n_bytes=len(self.body),
            records_per_file=N_RECORDS,
        )
        return archive._replace(**changes)


@contextmanager
def serve(body=GOOD, faults=(), knows_ranges=True):
    with Server(body, faults, knows_ranges) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join(PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def wait_little_for_silence(monkeypatch, faults):
    """Shorten the time-out of those requests that are met by silence, and of no others."""
    urlopen, faults = download.urlopen, iter(faults)

    def urlopen_soon(request, timeout):
        assert timeout == download.SILENCE_SECONDS
        fault = next(faults, None)
        return urlopen(request, timeout=1 if fault == "silent" else PATIENCE_SECONDS)

    monkeypatch.setattr(download, "urlopen", urlopen_soon)


@pytest.fixture
def home(tmp_path):
    """A data_home in a folder of its own, so that whatever escapes from it is noticed."""
    path = tmp_path / "outer" / "home"
    path.mkdir(parents=True)
    return path


def cache_folder(home):
    return home / "cifar10" / "cifar-10-batches-bin"


def fill_cache(home, files=None):
    folder = cache_folder(home)
    folder.mkdir(parents=True)
    for name, content in (files or contents()).items():
        (folder / name).write_bytes(content)
    return folder


def load(archive, home, subset="all", download_if_missing=True, n_retries=3):
    return datasets._load(archive, cache_folder(home), subset, download_if_missing, n_retries, 0)


def assert_right(data, target, subset="all"):
    np.testing.assert_array_equal(data.reshape(-1, 32, 32, 3), PICTURES[ROWS[subset]])
    np.testing.assert_array_equal(target, LABELS[ROWS[subset]])


def assert_only_the_cache_is_left(home):
    folder = cache_folder(home)
    left = {path for path in home.parent.rglob("*") if path.is_file()}
    assert left == {folder / name for name in FILES}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def assert_nothing_is_left(home):
    assert set(home.parent.rglob("*")) <= {home, home / "cifar10"}


def test_official_archive():
    assert datasets.CIFAR10 == (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170_052_171,
        10_000,
    )
    assert datasets.CIFAR10.file_bytes == 30_730_000


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_download(home, capsys, subset):
    with serve() as server:
        data, target = load(server.archive(), home, subset)
    assert_right(data, target, subset)
    assert data.dtype == np.uint8
    assert target.dtype == np.int64
    assert data.ndim == 2
    assert target.ndim == 1
    assert data.flags.c_contiguous
    assert data.flags.writeable
    assert_only_the_cache_is_left(home)
    assert server.asked == [None]
    assert capsys.readouterr() == ("", "")  # as it is no terminal


def test_public_function(home, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    with serve() as server:
        monkeypatch.setattr(datasets, "CIFAR10", server.archive())
        bunch = fetch_cifar10()
        again = fetch_cifar10(data_home=str(home), subset="test", download_if_missing=False)
        X, y = fetch_cifar10(data_home=home, subset="all", return_X_y=True)
    assert len(server.asked) == 1
    assert isinstance(bunch, Bunch)
    assert set(bunch) == {"data", "target", "target_names", "DESCR"}
    assert_right(bunch.data, bunch.target, "train")
    assert_right(again.data, again.target, "test")
    assert_right(X, y, "all")
    assert "Krizhevsky" in bunch.DESCR
    assert "2009" in bunch.DESCR
    assert bunch.target_names.tolist() == [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]


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
    ],
)
def test_wrong_arguments(home, wrong, error):
    [name] = wrong
    with pytest.raises(error, match=f"^{name} .*must be"):
        fetch_cifar10(**{"data_home": home, "download_if_missing": False, **wrong})
    assert_nothing_is_left(home)


def test_other_users_may_read_the_cache(home):
    with serve() as server:
        load(server.archive(), home)
    (home / "ordinary").mkdir()
    (home / "ordinary" / "file").touch()
    folder = cache_folder(home)
    assert folder.stat().st_mode == (home / "ordinary").stat().st_mode
    assert (folder / FILES[0]).stat().st_mode == (home / "ordinary" / "file").stat().st_mode


def test_memory_is_the_result_and_one_file(home):
    n_records = 200
    file_bytes = n_records * 3073
    fill_cache(home, dict.fromkeys(FILES, bytes(file_bytes)))
    archive = datasets.Archive("", "", 0, n_records)
    load(archive, home, "test")  # What is allocated once is not at issue.
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        data, target = load(archive, home)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < data.nbytes + target.nbytes + 1.5 * file_bytes


# Broken connections and servers.


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize(
    "faults",
    [
        ["error 500"],
        ["dropped"],
        ["dropped, length unknown"],
        ["silent"],
        ["another file"],
        ["dropped", "another range"],
        ["dropped", "another file"],
        ["dropped", "error 500", "dropped"],
    ],
    ids=" then ".join,
)
def test_recovers(home, monkeypatch, faults, knows_ranges):
    wait_little_for_silence(monkeypatch, faults)
    with serve(faults=faults, knows_ranges=knows_ranges) as server:
        data, target = load(server.archive(), home)
    assert_right(data, target)
    assert_only_the_cache_is_left(home)
    assert len(server.asked) == len(faults) + 1


def test_resumes_where_the_connection_broke(home):
    with serve(faults=["dropped", "dropped"]) as server:
        load(server.archive(), home)
    half = len(GOOD) // 2
    three_quarters = half + (len(GOOD) - half) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={three_quarters}-"]


def test_starts_again_after_another_range(home):
    with serve(faults=["dropped", "another range"]) as server:
        load(server.archive(), home)
    assert server.asked == [None, f"bytes={len(GOOD) // 2}-", None]


@pytest.mark.parametrize(
    ("fault", "reason", "n_retries"),
    [
        ("error 500", "HTTP Error 500", 1),
        ("error 500", "HTTP Error 500", 3),
        ("dropped", r"the connection broke after [\d,]+ of [\d,]+ bytes", 3),
        ("silent", "timed out", 1),
        ("another file", r"the server offers \d+ bytes, not \d+ bytes", 3),
    ],
)
def test_gives_up(home, monkeypatch, fault, reason, n_retries):
    wait_little_for_silence(monkeypatch, [fault] * 9)
    with serve(faults=[fault] * 9) as server, pytest.raises(OSError, match=reason) as raised:
        load(server.archive(), home, n_retries=n_retries)
    assert len(server.asked) == n_retries + 1
    assert f"in {n_retries + 1} attempts" in str(raised.value)
    assert "Check your connection" in str(raised.value)
    assert_nothing_is_left(home)


def test_waits_between_retries(home, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with serve(faults=["error 500"] * 9) as server, pytest.raises(OSError, match="Error 500"):
        datasets._load(server.archive(), cache_folder(home), "all", True, 2, 1.5)
    assert waits == [1.5, 1.5]


def test_no_network(home):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound, but nobody listens.
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/cifar.tar.gz"
        archive = datasets.Archive(url, "", 1, N_RECORDS)
        with pytest.raises(OSError, match=f"{url} could not be downloaded .* refused"):
            load(archive, home, n_retries=1)
    assert_nothing_is_left(home)


@pytest.mark.parametrize("faults", [[], ["dropped"]])
def test_wrong_bytes(home, faults):
    wrong = bytearray(GOOD)
    wrong[-1000] ^= 1
    digest, expected = (hashlib.sha256(body).hexdigest() for body in (wrong, GOOD))
    with (
        serve(bytes(wrong), faults) as server,
        pytest.raises(OSError, match=f"SHA-256 .* {digest} instead of {expected}"),
    ):
        load(server.archive(sha256=expected), home)
    assert len(server.asked) == 1 + len(faults)
    assert_nothing_is_left(home)


def test_no_more_is_read_than_the_archive_has(home):
    # A server that does not say how much it will send could otherwise fill the disk.
    with (
        serve(GOOD * 3, ["dropped, length unknown"]) as server,
        pytest.raises(OSError, match="SHA-256") as raised,
    ):
        load(server.archive(n_bytes=len(GOOD) + 7), home)
    assert hashlib.sha256(GOOD + GOOD[:7]).hexdigest() in str(raised.value)
    assert len(server.asked) == 1
    assert_nothing_is_left(home)


# Archives whose digest is right and whose contents are not.


def member(name, kind=tarfile.REGTYPE, size=0, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, linkname
    return info


def first_file(kind, linkname=""):
    return member(f"cifar-10-batches-bin/{FILES[0]}", kind, linkname=linkname)


def with_file(content):
    return pack({**contents(), "data_batch_3.bin": content})


def without_file():
    files = contents()
    del files["data_batch_3.bin"]
    return pack(files)


def half_compressed():
    tar = pack(contents(), compress=False)
    return gzip.compress(tar[:99_999]) + tar[99_999:]


def corrupt():
    compressor = zlib.compressobj(wbits=31)
    tar = pack(contents(), compress=False)
    return compressor.compress(tar[:99_999]) + compressor.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 99


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pack(contents(), member("../evil", size=5)), r"'\.\./evil' points out"),
        (pack(contents(), member("/evil", size=5)), "'/evil' points out"),
        (
            pack(contents(), member(f"cifar-10-batches-bin/../{FILES[0]}", size=5)),
            "points out",
        ),
        (
            pack(contents(), first_file(tarfile.SYMTYPE, "/etc/passwd")),
            "data_batch_1.bin' is no regular file",
        ),
        (
            pack(contents(), first_file(tarfile.LNKTYPE, "cifar-10-batches-bin/test_batch.bin")),
            "data_batch_1.bin' is no regular file",
        ),
        (pack(contents(), first_file(tarfile.DIRTYPE)), "is no regular file"),
        (pack(contents(), first_file(tarfile.FIFOTYPE)), "is no regular file"),
        (without_file(), "it lacks data_batch_3.bin"),
        (with_file(bytes(N_RECORDS * 3073 - 1)), r"batch_3.bin' has 61,459 bytes .* 61,460"),
        (with_file(bytes(N_RECORDS * 3073 + 1)), r"batch_3.bin' has 61,461 bytes .* 61,460"),
        (pack({}), "it lacks data_batch_1.bin, .*, test_batch.bin"),
        (GOOD[: len(GOOD) // 2], "end"),
        (corrupt(), "invalid"),
        (half_compressed(), "Not a gzipped file"),
        (b"This is no archive.", "not a gzip file"),
    ],
    ids=[
        "parent folder",
        "absolute name",
        "parent folder inside",
        "symbolic link",
        "hard link",
        "folder for a file",
        "pipe for a file",
        "missing",
        "too short",
        "too long",
        "empty",
        "cut off",
        "corrupt",
        "half compressed",
        "no archive",
    ],
)
def test_bad_archive(home, body, reason):
    with (
        serve(body) as server,
        pytest.raises(OSError, match=f"The archive from .* cannot be used: .*{reason}"),
    ):
        load(server.archive(), home)
    assert_nothing_is_left(home)


def test_other_members_are_not_unpacked(home):
    others = [
        member(f"elsewhere/{FILES[0]}", size=5),
        member(FILES[0], size=5),
        member("link", tarfile.SYMTYPE, linkname="/etc/passwd"),
    ]
    with serve(pack(contents(), *others)) as server:
        assert_right(*load(server.archive(), home))
    assert_only_the_cache_is_left(home)


# The disk and the cache.


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("full_at", ["archive.tar.gz", "data_batch_3.bin"])
def test_full_disk(home, monkeypatch, number, full_at):
    class FullFile(io.FileIO):
        def write(self, chunk):
            super().write(chunk[:10])
            raise OSError(number, os.strerror(number))

    def open_until_full(path, mode):
        return FullFile(path, mode) if Path(path).name == full_at else open(path, mode)

    for module in (datasets, download):
        monkeypatch.setattr(module, "open", open_until_full, raising=False)
    with serve() as server, pytest.raises(OSError, match="The disk or your share") as raised:
        load(server.archive(), home)
    assert raised.value.errno == number
    assert raised.value.filename == str(home / "cifar10")
    assert f"{len(GOOD) + 6 * N_RECORDS * 3073:,} bytes" in str(raised.value)
    assert len(server.asked) == 1  # To download again would not help.
    assert_nothing_is_left(home)


def test_folder_that_cannot_be_moved(home, monkeypatch):
    def replace(self, target):
        raise PermissionError(errno.EACCES, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", replace)
    with serve() as server, pytest.raises(PermissionError, match="cifar-10-batches-bin"):
        load(server.archive(), home)
    assert_nothing_is_left(home)


def test_interrupt_while_downloading(home):
    with serve(faults=["interrupt"]) as server, pytest.raises(KeyboardInterrupt):
        load(server.archive(), home)
    assert_nothing_is_left(home)


def test_interrupt_while_unpacking(home, monkeypatch):
    def copyfileobj(source, target):
        target.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", copyfileobj)
    with serve() as server, pytest.raises(KeyboardInterrupt):
        load(server.archive(), home)
    assert_nothing_is_left(home)


@pytest.mark.parametrize("download_if_missing", [True, False])
def test_unpacked_folder_is_used_as_it_is(home, monkeypatch, download_if_missing):
    monkeypatch.delattr(download, "urlopen")
    folder = fill_cache(home)
    (folder / "batches.meta.txt").touch()
    before = sorted(home.rglob("*"))
    archive = datasets.Archive("", "", 0, N_RECORDS)
    assert_right(*load(archive, home, download_if_missing=download_if_missing))
    assert sorted(home.rglob("*")) == before


def test_missing_and_not_to_be_downloaded(home, monkeypatch):
    monkeypatch.delattr(download, "urlopen")
    with pytest.raises(
        OSError, match="Data not found and `download_if_missing` is False"
    ) as raised:
        fetch_cifar10(data_home=home, download_if_missing=False)
    assert str(cache_folder(home)) in str(raised.value)
    assert_nothing_is_left(home)


@pytest.mark.parametrize("n_bytes", [0, N_RECORDS * 3073 - 1, N_RECORDS * 3073 + 1, None])
def test_damaged_cache(home, monkeypatch, n_bytes):
    monkeypatch.delattr(download, "urlopen")
    folder = fill_cache(home)
    if n_bytes is None:
        (folder / "test_batch.bin").unlink()
    else:
        (folder / "test_batch.bin").write_bytes(bytes(n_bytes))
    archive = datasets.Archive("", "", 0, N_RECORDS)
    with pytest.raises(OSError, match="missing or damaged") as raised:
        load(archive, home, "train")
    assert f"test_batch.bin is missing or damaged: it has {n_bytes or 0:,} bytes" in str(
        raised.value
    )
    assert f"instead of 61,460. Delete {folder}" in str(raised.value)


def test_another_process_was_faster(home, monkeypatch):
    extract = datasets._extract

    def extract_late(archive, packed, folder):
        extract(archive, packed, folder)
        fill_cache(home)

    monkeypatch.setattr(datasets, "_extract", extract_late)
    with serve() as server:
        assert_right(*load(server.archive(), home))
    assert_only_the_cache_is_left(home)


FETCH = """
import hashlib, pathlib, sys
from sk_twolayer.datasets import cifar10 as datasets
folder, url, sha256, n_bytes, n_records = sys.argv[1:]
archive = datasets.Archive(url, sha256, int(n_bytes), int(n_records))
data, target = datasets._load(archive, pathlib.Path(folder), "all", True, 3, 0)
print(hashlib.sha256(data.tobytes() + target.tobytes()).hexdigest())
"""
FETCHED = hashlib.sha256(PICTURES.tobytes() + LABELS.astype(np.int64).tobytes()).hexdigest() + "\n"


@contextmanager
def fetching(server, home, prelude="", **options):
    """A process of its own that fetches."""
    arguments = [str(value) for value in (cache_folder(home), *server.archive())]
    with subprocess.Popen(
        [sys.executable, "-c", prelude + FETCH, *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_three_processes_at_once(home):
    with serve(faults=["together"] * 3) as server, ExitStack() as stack:
        processes = [stack.enter_context(fetching(server, home)) for _ in range(3)]
        outputs = [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]
    assert [out for out, _ in outputs] == [FETCHED] * 3, outputs
    assert len(server.asked) == 3
    assert_only_the_cache_is_left(home)


# The folders of downloads in progress.


def download_folders(home):
    return set(home.glob("cifar10/download-*"))


def start_fetching(server, home, stack):
    """Start a process, and return it and its folder when it waits for the rest of the archive."""
    before, n_asked = download_folders(home), len(server.asked)
    process = stack.enter_context(fetching(server, home))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(server.asked) == n_asked:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [folder] = download_folders(home) - before
    return process, folder


@needs_locks
def test_the_folder_of_a_killed_process_is_swept_and_one_in_use_is_not(home):
    with serve(faults=["held", "held"]) as server, ExitStack() as stack:
        at_work, used = start_fetching(server, home, stack)
        killed, stale = start_fetching(server, home, stack)
        killed.kill()
        killed.wait(PATIENCE_SECONDS)
        assert download_folders(home) == {used, stale}
        assert_right(*load(server.archive(), home))
        assert download_folders(home) == {used}
        server.resuming.set()
        out, err = at_work.communicate(timeout=PATIENCE_SECONDS)
    assert out == FETCHED, err
    assert_only_the_cache_is_left(home)


@needs_locks
def test_a_full_cache_is_swept_too(home):
    folder = fill_cache(home)
    (folder.parent / "download-killed").mkdir()
    (folder.parent / "download-killed" / "archive.tar.gz").touch()
    archive = datasets.Archive("", "", 0, N_RECORDS)
    assert_right(*load(archive, home, download_if_missing=False))
    assert_only_the_cache_is_left(home)


def test_what_only_looks_like_a_download_stays(home):
    folder = fill_cache(home)
    (home / "mine").mkdir()
    (home / "mine" / "notes").touch()
    (folder.parent / "download-link").symlink_to(home / "mine")
    (folder.parent / "download-file").touch()
    load(datasets.Archive("", "", 0, N_RECORDS), home)
    assert (folder.parent / "download-link" / "notes").exists()
    assert (folder.parent / "download-file").exists()


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked", "while locked"])
@needs_locks
def test_a_folder_that_is_swept_before_it_is_in_use_is_made_anew(home, monkeypatch, moment):
    made, held = [], []
    mkdtemp, flock = tempfile.mkdtemp, download_folder.fcntl.flock

    def mkdtemp_and_note(**options):
        made.append(Path(mkdtemp(**options)))
        if len(made) == 1 and moment == "before it is opened":
            made[0].rmdir()
        if len(made) == 1 and moment == "while locked":
            held.append(os.open(made[0], os.O_RDONLY))
            flock(held[0], download_folder.fcntl.LOCK_EX)
        return str(made[-1])

    def flock_late(descriptor, operation):
        if len(made) == 1 and moment == "before it is locked":
            made[0].rmdir()
        flock(descriptor, operation)

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp_and_note)
    monkeypatch.setattr(download_folder.fcntl, "flock", flock_late)
    with serve() as server:
        assert_right(*load(server.archive(), home))
    for descriptor in held:
        os.close(descriptor)
    assert len(made) == 2
    assert download_folders(home) == ({made[0]} if held else set())


def test_a_system_without_locks_leaves_folders_alone(home, monkeypatch):
    monkeypatch.setattr(download_folder, "fcntl", None)
    stale = home / "cifar10" / "download-killed"
    stale.mkdir(parents=True)
    with serve() as server:
        assert_right(*load(server.archive(), home))
    assert download_folders(home) == {stale}


# Progress in a terminal.


@pytest.mark.parametrize("has_rich", [True, False])
def test_progress_is_shown_in_a_terminal(home, has_rich):
    pty = pytest.importorskip("pty", exc_type=ImportError)
    prelude = "" if has_rich else "import sys; sys.modules['rich'] = None\n"
    ours, of_the_process = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    with (
        serve(faults=["dropped"]) as server,
        fetching(server, home, prelude, stderr=of_the_process, env=environment) as process,
    ):
        os.close(of_the_process)
        said = b""
        with suppress(OSError):  # Linux's way to say that the terminal has been closed
            while some := os.read(ours, 1000):
                said += some
        os.close(ours)
        assert process.communicate(timeout=PATIENCE_SECONDS)[0] == FETCHED
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode()).strip().splitlines()
    half, size = len(GOOD) // 2, len(GOOD)
    assert lines[0].startswith(f"Downloading {server.archive().url} ({size:,} bytes):")
    assert f"broke after {half:,} of {size:,} bytes. Trying again in 0 s:" in "".join(lines)
    assert (f"{size / 1000:.1f}/{size / 1000:.1f} kB" if has_rich else " 100%") in lines[-1]
