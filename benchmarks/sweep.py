"""Measure wall time and peak memory of the exercise's sweep as `GridSearchCV(n_jobs=2)`.

The grid has two learning rates and three penalties. There is one fold, whose test samples are the
last 1,000, and no refit. All contenders make the same updates: plain SGD without momentum, shuffled
batches of 200, 50 hidden units, the same number of epochs without early stopping, the same L2
penalty, relu and softmax. The samples have the shape of CIFAR-10 images; they are centred and
divided by 128, so that no contender diverges. A contender that diverged would end the sweep with an
error.

Each sweep uses two cores: two processes with one BLAS thread each for n_jobs=2, and one process
with two BLAS threads for n_jobs=1. A sweep runs in a fresh interpreter, and its time is the time of
`GridSearchCV.fit`. This includes the start of the processes of n_jobs=2, about a second, which
weighs less with more `--epochs`. With `--warm`, a small sweep starts the processes first. The
contenders take turns; the times are medians over repeats, and ratios of the medians.

The peak memory is the largest sum of the proportional set sizes of all processes of a sweep, with
the data. Shared pages count once in it. As sampling it costs time, it is measured in another sweep,
which is not timed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10

N_FEATURES, N_CLASSES, N_SCORED = 3072, 10, 1000
HIDDEN_SIZE, BATCH_SIZE, CORES = 50, 200, 2
RATES, ALPHAS = [1e-3, 1e-4], [0.4, 0.5, 0.6]
TARGETS = {"float32": 1.5, "float64": 2.5}
SWEEPS = [
    (name, dtype, n_jobs)
    for dtype in TARGETS
    for name, n_jobs in (("ours", 1), ("ours", 2), ("MLPClassifier", 2))
]


def make_data(rows, dtype, data_home):
    """Draw images, each a pattern of its class with noise, or load CIFAR-10."""
    if data_home is not None:
        X, y = fetch_cifar10(data_home=data_home, return_X_y=True, download_if_missing=False)
        X, y = X[:rows], y[:rows]
    else:
        rng = np.random.default_rng(0)
        y = rng.integers(N_CLASSES, size=rows)
        X = rng.integers(192, size=(rows, N_FEATURES), dtype=np.uint8)
        X += rng.integers(64, size=(N_CLASSES, N_FEATURES), dtype=np.uint8)[y]
    X = X.astype(dtype)
    X -= X[:-N_SCORED].mean(axis=0)
    X /= 128
    return X, y


def ours(epochs):
    """Return the estimator and its grid."""
    estimator = TwoLayerClassifier(
        HIDDEN_SIZE,
        solver="sgd",
        learning_rate_schedule="constant",
        warmup_fraction=0.0,
        dropout=0.0,
        momentum=0.0,
        nesterov=False,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=None,
        random_state=0,
    )
    return estimator, {"learning_rate": RATES, "alpha": ALPHAS}


def mlp(epochs):
    """Return the estimator and its grid."""
    estimator = MLPClassifier(
        HIDDEN_SIZE,
        solver="sgd",
        momentum=0.0,
        nesterovs_momentum=False,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    # MLPClassifier divides alpha by the batch size.
    alphas = [alpha * BATCH_SIZE for alpha in ALPHAS]
    return estimator, {"learning_rate_init": RATES, "alpha": alphas}


def work(name, dtype, n_jobs, rows, epochs, data_home, warm):
    """Run one sweep in this process; print "ready" before it, and the result after it."""
    X, y = make_data(rows, dtype, data_home)
    fold = np.full(rows, -1)
    fold[-N_SCORED:] = 0
    estimator, grid = {"ours": ours, "MLPClassifier": mlp}[name](epochs)
    search = GridSearchCV(
        estimator, grid, cv=PredefinedSplit(fold), n_jobs=n_jobs, refit=False, error_score="raise"
    )
    threads = CORES // n_jobs
    limit = {"backend": "loky", "inner_max_num_threads": threads} if n_jobs > 1 else {}
    with threadpool_limits(threads), parallel_config(n_jobs=n_jobs, **limit):
        if warm:
            few = slice(-N_SCORED - BATCH_SIZE, None)
            clone(search).set_params(cv=PredefinedSplit(fold[few])).fit(X[few], y[few])
        print("ready", flush=True)
        start = time.perf_counter()
        search.fit(X, y)
        seconds = time.perf_counter() - start
    scores = search.cv_results_["mean_test_score"]
    if not np.isfinite(scores).all():
        raise ValueError(f"{name} has scores that are not finite: {scores}")
    print(json.dumps({"seconds": seconds, "accuracy": scores.max()}))


def family_of(pid):
    """Return the ids of a process and its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it has just ended
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def memory_of(pid):
    """Return the proportional set size of a process and its descendants in MB."""
    kilobytes = 0
    for member in family_of(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024


def run(sweep, options, sampled=False):
    """Run the sweep in a fresh interpreter; return its result, and its peak memory if sampled."""
    job = json.dumps([*sweep, *options])
    process = subprocess.Popen(
        [sys.executable, __file__, "--worker", job],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    with process:
        process.stdout.readline()
        peak = 0.0
        while sampled and process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.05)
        output = process.stdout.read()
    if process.returncode:
        sys.exit(f"the sweep {sweep} failed: see above")
    return {**json.loads(output), "peak": peak}


def main(repeats, options):
    times = {sweep: [] for sweep in SWEEPS}
    accuracy = {}
    for _ in range(repeats):
        for sweep in SWEEPS:
            result = run(sweep, options)
            times[sweep].append(result["seconds"])
            accuracy[sweep] = result["accuracy"]
    medians = {sweep: np.median(values) for sweep, values in times.items()}

    measurable = Path("/proc/self/smaps_rollup").exists()
    print("wall time of the sweep in s, peak memory of all processes in MB, best accuracy")
    print(f"{'contender':>14} {'dtype':>8} {'n_jobs':>6} {'time':>8} {'memory':>12} {'score':>6}")
    for sweep in SWEEPS:
        name, dtype, n_jobs = sweep
        peak = f"{run(sweep, options, sampled=True)['peak']:.0f}" if measurable else "not measured"
        cells = f"{medians[sweep]:8.2f} {peak:>12} {accuracy[sweep]:6.3f}"
        print(f"{name:>14} {dtype:>8} {n_jobs:6d} {cells}", flush=True)
    print("\ntargets", *judge(medians), sep="\n")


def judge(medians):
    """Return a line for each target that says if it is met."""
    lines = []
    for dtype, at_least in TARGETS.items():
        ratio = medians["MLPClassifier", dtype, 2] / medians["ours", dtype, 2]
        met = "met" if ratio >= at_least else "NOT met"
        lines.append(
            f"{dtype}, n_jobs=2: {ratio:.2f} x faster than MLPClassifier, target {at_least}: {met}"
        )
        ratio = medians["ours", dtype, 2] / medians["ours", dtype, 1]
        met = "met" if ratio <= 1 else "NOT met"
        lines.append(f"{dtype}: n_jobs=2 takes {ratio:.2f} x the time of n_jobs=1, target 1: {met}")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000, help="more than 1,000")
    parser.add_argument("--data-home", help="use CIFAR-10 from this folder's cache")
    parser.add_argument("--warm", action="store_true", help="start the processes before the clock")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*json.loads(arguments.worker))
    else:
        # All batches are full, so both contenders make the same number of updates.
        if arguments.rows <= N_SCORED or (arguments.rows - N_SCORED) % BATCH_SIZE:
            parser.error(f"--rows must be {N_SCORED} plus a multiple of {BATCH_SIZE}")
        if arguments.data_home and arguments.rows > 50_000:
            parser.error("CIFAR-10 has 50,000 rows")
        main(
            arguments.repeats,
            (arguments.rows, arguments.epochs, arguments.data_home, arguments.warm),
        )
