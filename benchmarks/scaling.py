"""Measure time and memory of a fit as samples, features, hidden units and classes grow tenfold.

The exponent is log10(after / before). It is 1 if the cost is proportional to the dimension, and
less if other costs dominate. All contenders make the same updates: shuffled batches of 200 samples,
the same number of epochs without early stopping, SGD with Nesterov's momentum of 0.9, the same L2
penalty, relu and softmax. They compute in float32 on one thread.

Contenders and sizes take turns, and the figures are medians over repeats. The time is the time of
the whole `fit`. The memory is measured in a fresh interpreter: the peak resident set size during
`fit` minus the resident set size just before it, when data and libraries are loaded. The memory at
the base size is small, and depends on pages and on the allocator, so the exponents of memory are
less precise than the exponents of time.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

BATCH_SIZE, ALPHA, RATE = 200, 1e-3, 1e-3
BASE = {"samples": 2000, "features": 100, "hidden units": 100, "classes": 10}
SIZES = {"base": BASE, **{name: {**BASE, name: 10 * size} for name, size in BASE.items()}}


def ours(hidden_size, epochs):
    return TwoLayerClassifier(
        hidden_size,
        solver="sgd",
        alpha=ALPHA,
        learning_rate=RATE,
        dropout=0.0,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=None,
        random_state=0,
    )


def mlp(hidden_size, epochs):
    return MLPClassifier(
        hidden_size,
        solver="sgd",
        alpha=ALPHA * BATCH_SIZE,  # MLPClassifier divides alpha by the batch size
        learning_rate_init=RATE,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=0,
    )


CONTENDERS = {"ours": ours, "MLPClassifier": mlp}


def make_data(size):
    """Draw noise of this size, with samples of every class."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((size["samples"], size["features"]), dtype=np.float32)
    return X, rng.permutation(size["samples"]) % size["classes"]


def memory_status(field):
    """Return a field of the status of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"the status has no {field}")


def work(name, size_name, epochs):
    """Fit once in this process; print the growth of the peak memory in MB."""
    size = SIZES[size_name]
    make = CONTENDERS[name]
    X, y = make_data(size)
    make(2, 1).fit(X[:BATCH_SIZE, :2], y[:BATCH_SIZE])  # the first fit also loads libraries
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = memory_status("VmRSS")
    make(size["hidden units"], epochs).fit(X, y)
    print(json.dumps(max(memory_status("VmHWM") - before, 0.0)))


def measure_memory(name, size_name, epochs):
    """Fit in a fresh interpreter; return its peak memory beyond the data in MB."""
    if not Path("/proc/self/status").exists():
        return np.nan
    job = json.dumps([name, size_name, epochs])
    process = subprocess.run(
        [sys.executable, __file__, "--worker", job],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    return json.loads(process.stdout)


def measure_time(name, size_name, epochs):
    """Return the time of a fit in ms."""
    size = SIZES[size_name]
    X, y = make_data(size)
    model = CONTENDERS[name](size["hidden units"], epochs)
    start = time.perf_counter()
    model.fit(X, y)
    return 1000 * (time.perf_counter() - start)


def measure(function, repeats, epochs):
    """Measure contenders and sizes in turn; return the medians."""
    values = {(name, size): [] for size in SIZES for name in CONTENDERS}
    for _ in range(repeats):
        for (name, size), found in values.items():
            found.append(function(name, size, epochs))
    return {key: np.median(found) for key, found in values.items()}


def main(repeats, epochs):
    for name in CONTENDERS:
        measure_time(name, "base", epochs)  # the first fit also loads libraries
    times = measure(measure_time, repeats, epochs)
    peaks = measure(measure_memory, repeats, epochs)
    if np.isnan(peaks["ours", "base"]):
        print("the memory is not measured, as there is no /proc/self/status")

    base = ", ".join(f"{size:,} {name}" for name, size in BASE.items())
    print(f"time of fit in ms, peak memory beyond the data in MB; base: {base}")
    columns = [f"{f'{what} {when}':>13}" for what in ("time", "MB") for when in ("base", "x10")]
    columns = [*columns[:2], f"{'exponent':>8}", *columns[2:], f"{'exponent':>8}"]
    print(f"{'tenfold':>12} {'contender':>13}", *columns)
    above = []
    for dimension in BASE:
        for name in CONTENDERS:
            cells = []
            for what, medians, digits in (("time", times, 1), ("memory", peaks, 2)):
                before, after = medians[name, "base"], medians[name, dimension]
                exponent = np.log10(after / before) if before > 0 and after > 0 else np.nan
                cells += [f"{before:13.{digits}f}", f"{after:13.{digits}f}", f"{exponent:8.2f}"]
                if exponent > 1.1:
                    above.append(f"{what} of {name} in {dimension} ({exponent:.2f})")
            print(f"{dimension:>12} {name:>13}", *cells)
    print("\nexponents above 1.1:", ", ".join(above) or "none")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        if arguments.worker:
            work(*json.loads(arguments.worker))
        else:
            main(arguments.repeats, arguments.epochs)
