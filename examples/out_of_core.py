"""Train on a file larger than memory: map it, or stream it.

The file holds synthetic black-and-white pictures of ten classes, a row each. NumPy maps it into
the address space (`mmap_mode="r"`), and the kernel fetches a page of it when it is first read.
`fit` gathers shuffled batches of the mapped rows and `predict` goes through them in chunks, so
that neither ever holds a copy of the file. A second network is trained in a single pass: each
chunk is predicted first, and then trained on with `partial_fit`.

Two kinds of memory are measured, on Linux. *Private* memory is what this process has written,
all our arrays among it; its peak is the highest of samples a few milliseconds apart. *Total*
memory is what the kernel calls the resident set; its peak is the kernel's own (`VmHWM`). The
total also counts the pages of the file that were read, although they belong to the kernel's
cache, which shrinks when a program needs the memory. Otherwise the total grows to the size of
the file as long as memory is free. To show that training does not need that, a thread releases
the pages continuously, which costs some of the time.

`--gigabytes 4` takes less than 300 MB in total, be it of uint8 or float32.

`fit` reads rows in shuffled order, which is random access to the file. That costs little while
the cache can hold the file; otherwise every row waits for the disk. Then use a fast disk, or
stream: that reads the file sequentially.
"""

import argparse
import mmap
import shutil
import threading
import time
import warnings
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer import TwoLayerClassifier

N_FEATURES, N_CLASSES = 64 * 64, 10
SETTINGS = {
    "hidden_size": 50,
    "solver": "sgd",
    "momentum": 0.9,
    "alpha": 1e-3,
    "learning_rate": 0.06,
    "learning_rate_schedule": "exponential",
    "warmup_fraction": 0.0,
    "init": "he",
    "learning_rate_decay": 0.95,
    "dropout": 0.0,
    "early_stopping": False,
    "n_iter_no_change": None,
}
CHUNK_SIZE = 1000  # rows that are made or streamed at once
STATUS = Path("/proc/self/status")  # where Linux describes this process


def memory(field):
    """Return what Linux says of the memory of this process, in MB; nan on other systems."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    values = [line.split()[1] for line in lines if line.startswith(field)]
    return int(values[0]) / 1024 if values else float("nan")


class Phase:
    """A part of the job, with its time and its peak memory.

    Parameters
    ----------
    name : str
        Printed with the figures.
    X : numpy.memmap, default=None
        The mapped file, whose pages are released continuously.
    """

    def __init__(self, name, X=None):
        self.name = name
        self.mapping = X.base if X is not None and STATUS.exists() else None

    def __enter__(self):
        self.release_pages()
        with suppress(OSError):  # where this is refused, VmHWM is the peak of all phases so far
            Path("/proc/self/clear_refs").write_text("5")  # let VmHWM start anew
        self.private = memory("RssAnon")
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        self.start = time.perf_counter()
        return self

    def __exit__(self, error, *_):
        seconds = time.perf_counter() - self.start
        self.ended.set()
        self.thread.join()
        self.total = memory("VmHWM")
        if error is None:
            print(
                f"{self.name}: {seconds:.1f} s, peak memory {self.private:.0f} MB private, "
                f"{self.total:.0f} MB in total\n"
            )

    def sample(self):
        while not self.ended.wait(0.002):
            self.release_pages()
            self.private = max(self.private, memory("RssAnon"))

    def release_pages(self):
        if self.mapping is not None:
            self.mapping.madvise(mmap.MADV_DONTNEED)  # the cache and the file keep them


def chunks(n_rows, what):
    """Cut the rows into slices, and print a line at every tenth of them."""
    tenths = 0
    for start in range(0, n_rows, CHUNK_SIZE):
        stop = min(start + CHUNK_SIZE, n_rows)
        yield slice(start, stop)
        if 10 * stop // n_rows > tenths:
            tenths = 10 * stop // n_rows
            print(f"{what} {tenths:3d}0 %", flush=True)


def write_pictures(path, n_rows, dtype, seed):
    """Write the rows to a .npy file, a chunk at a time; return their labels.

    Each pixel is black with a probability that depends on the class of the picture.
    """
    size = n_rows * N_FEATURES * dtype.itemsize
    free = shutil.disk_usage(path.parent).free
    if free < 1.05 * size:  # a full disk would hinder others
        raise SystemExit(
            f"{path.parent} has {free / 2**30:.2f} GB free, too little for a file of "
            f"{size / 2**30:.2f} GB. Choose another disk with --output, or fewer --gigabytes."
        )
    rng = np.random.default_rng(seed)
    white = rng.integers(200, 250, size=(N_CLASSES, N_FEATURES), dtype=np.uint8)
    y = rng.integers(N_CLASSES, size=n_rows, dtype=np.uint8)
    header = {"descr": dtype.str, "fortran_order": False, "shape": (n_rows, N_FEATURES)}
    # Linux caches what is written at once, 64 kB here, in one piece, and may map all of the
    # piece when a byte of it is read: with large ones the total could not be kept small.
    with path.open("wb", buffering=2**16) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in chunks(n_rows, "written"):
            labels = y[rows]
            noise = rng.integers(2**64, size=(len(labels), N_FEATURES // 8), dtype=np.uint64)
            file.writelines((noise.view(np.uint8) >= white[labels]).astype(dtype))
    return y


def test_then_train(model, X, y):
    """Stream the rows once; return the accuracy on chunks before they were trained on."""
    n_correct = 0
    for rows in chunks(len(X), "streamed"):
        if rows.start:
            n_correct += np.count_nonzero(model.predict(X[rows]) == y[rows])
        model.partial_fit(X[rows], y[rows], classes=np.arange(N_CLASSES))
    return n_correct / (len(X) - CHUNK_SIZE)


def run(folder, gigabytes, dtype, epochs, seed):
    path, dtype = folder / "pictures.npy", np.dtype(dtype)
    n_rows = int(gigabytes * 2**30) // (N_FEATURES * dtype.itemsize)
    if n_rows <= CHUNK_SIZE:
        raise SystemExit(
            f"--gigabytes {gigabytes:g} is {n_rows} rows: too few to stream in chunks of "
            f"{CHUNK_SIZE}, of which the first is only trained on. Choose a larger file."
        )
    with Phase("write"):
        y = write_pictures(path, n_rows, dtype, seed)

    X = np.load(path, mmap_mode="r")
    network = TwoLayerClassifier(
        **SETTINGS, batch_size=200, max_iter=epochs, random_state=seed, verbose=True
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # no more epochs were asked for
    with Phase("fit", X) as fit:
        network.fit(X, y)
    with Phase("predict", X) as predict:
        accuracy = np.mean(network.predict(X) == y)
    stream = TwoLayerClassifier(**SETTINGS, batch_size=100, random_state=seed)
    with Phase("partial_fit", X) as partial_fit:
        stream_accuracy = test_then_train(stream, X, y)

    phases = fit, predict, partial_fit
    print(
        f"accuracy: {accuracy:.4f} after fit, on the rows trained on; {stream_accuracy:.4f} "
        f"streamed, each chunk before it was trained on\n"
        f"a file of {path.stat().st_size / 2**20:.0f} MB took at most "
        f"{max(phase.private for phase in phases):.0f} MB of private memory and "
        f"{max(phase.total for phase in phases):.0f} MB in total"
    )
    if not STATUS.exists():
        print("(nan: only Linux tells how much of the memory is private, and each phase's peak)")


def main(output, **options):
    if output is None:
        place = TemporaryDirectory(prefix="out_of_core_")
    else:
        output.mkdir(parents=True, exist_ok=True)
        place = nullcontext(output)
    with place as folder:
        run(Path(folder), **options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=0.25, help="size of the file")
    parser.add_argument("--dtype", choices=["uint8", "float32"], default="uint8")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of fit")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder on a disk, where the file is left; unset: a temporary one, removed at the end",
    )
    main(**vars(parser.parse_args()))
