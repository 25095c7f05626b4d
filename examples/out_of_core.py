"""Train on a file larger than memory: map it, or stream it.

The file holds synthetic black-and-white images of ten classes, one sample per row. NumPy maps it
into the address space (`mmap_mode="r"`), and the kernel loads a page when it is first read. `fit`
gathers shuffled batches of the mapped samples, and `predict` reads them in chunks, so neither makes
a copy of the whole file. A second network is trained in a single pass: it predicts each chunk
first, and then trains on it with `partial_fit`.

On Linux the script measures two kinds of memory. *Private* memory is the memory that this process
has written, with all of its arrays; its peak is found by reading it every few milliseconds. *Total*
memory is the resident set; its peak is recorded by the kernel (`VmHWM`). The total includes pages
of the file that were read. These pages belong to the kernel's cache, which shrinks when a program
needs the memory. While memory is free, the total grows to the size of the file. To show that
training does not need that, a thread releases the pages continuously, which takes some of the time.

`--gigabytes 4` takes less than 300 MB in total, with uint8 and with float32.

`fit` reads the samples in shuffled order, which is random access to the file. That is fast while
the cache can hold the file; otherwise each sample waits for the disk. In this case use a fast disk,
or stream, which reads the file sequentially.
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
CHUNK_SIZE = 1000  # samples written or streamed at once
STATUS = Path("/proc/self/status")  # Linux's description of this process


def memory(field):
    """Return a field of Linux's memory status of this process in MB; NaN on other systems."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    values = [line.split()[1] for line in lines if line.startswith(field)]
    return int(values[0]) / 1024 if values else float("nan")


class Phase:
    """A part of the script, with its time and its peak memory.

    Parameters
    ----------
    name : str
        Printed with the figures.
    X : numpy.memmap, default=None
        The mapped file. Its pages are released continuously.
    """

    def __init__(self, name, X=None):
        self.name = name
        self.mapping = X.base if X is not None and STATUS.exists() else None

    def __enter__(self):
        self.release_pages()
        with suppress(OSError):  # if this is refused, VmHWM is the peak of all phases so far
            Path("/proc/self/clear_refs").write_text("5")  # reset VmHWM
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
            self.mapping.madvise(mmap.MADV_DONTNEED)  # they stay in the cache and in the file


def chunks(n_rows, what):
    """Yield slices of the samples, and print a line after each tenth."""
    tenths = 0
    for start in range(0, n_rows, CHUNK_SIZE):
        stop = min(start + CHUNK_SIZE, n_rows)
        yield slice(start, stop)
        if 10 * stop // n_rows > tenths:
            tenths = 10 * stop // n_rows
            print(f"{what} {tenths:3d}0 %", flush=True)


def write_pictures(path, n_rows, dtype, seed):
    """Write the images to a .npy file, a chunk at a time; return their labels.

    Each pixel is black with a probability that depends on the class of the image.
    """
    size = n_rows * N_FEATURES * dtype.itemsize
    free = shutil.disk_usage(path.parent).free
    if free < 1.05 * size:  # a full disk would harm other programs
        raise SystemExit(
            f"{path.parent} has {free / 2**30:.2f} GB free, too little for a file of "
            f"{size / 2**30:.2f} GB. Choose another disk with --output, or fewer --gigabytes."
        )
    rng = np.random.default_rng(seed)
    white = rng.integers(200, 250, size=(N_CLASSES, N_FEATURES), dtype=np.uint8)
    y = rng.integers(N_CLASSES, size=n_rows, dtype=np.uint8)
    header = {"descr": dtype.str, "fortran_order": False, "shape": (n_rows, N_FEATURES)}
    # Linux caches each write as one piece, and may map the whole piece when a byte of it is read.
    # Small writes of 64 kB keep the total memory small.
    with path.open("wb", buffering=2**16) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in chunks(n_rows, "written"):
            labels = y[rows]
            noise = rng.integers(2**64, size=(len(labels), N_FEATURES // 8), dtype=np.uint64)
            file.writelines((noise.view(np.uint8) >= white[labels]).astype(dtype))
    return y


def test_then_train(model, X, y):
    """Stream the samples once; return the accuracy on each chunk before training on it."""
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
            f"--gigabytes {gigabytes:g} is {n_rows} samples: too few. One chunk of {CHUNK_SIZE} is "
            f"only trained on, and the accuracy needs more samples. Choose a larger file."
        )
    with Phase("write"):
        y = write_pictures(path, n_rows, dtype, seed)

    X = np.load(path, mmap_mode="r")
    network = TwoLayerClassifier(
        **SETTINGS, batch_size=200, max_iter=epochs, random_state=seed, verbose=True
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # two epochs are not meant to converge
    with Phase("fit", X) as fit:
        network.fit(X, y)
    with Phase("predict", X) as predict:
        accuracy = np.mean(network.predict(X) == y)
    stream = TwoLayerClassifier(**SETTINGS, batch_size=100, random_state=seed)
    with Phase("partial_fit", X) as partial_fit:
        stream_accuracy = test_then_train(stream, X, y)

    phases = fit, predict, partial_fit
    print(
        f"accuracy: {accuracy:.4f} after fit, on the training samples; {stream_accuracy:.4f} "
        f"streamed, on each chunk before training on it\n"
        f"a file of {path.stat().st_size / 2**20:.0f} MB took at most "
        f"{max(phase.private for phase in phases):.0f} MB of private memory and "
        f"{max(phase.total for phase in phases):.0f} MB in total"
    )
    if not STATUS.exists():
        print("(nan: only Linux reports private memory, and the peak of each phase)")


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
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder that keeps the file; default: a temporary one, removed at the end",
    )
    main(**vars(parser.parse_args()))
