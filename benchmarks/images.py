"""Measure time and memory of `fit` on images without preprocessing: a uint8 array.

TwoLayerClassifier and MLPClassifier train on the same 10,000 samples of 3,072 bytes, on one thread,
with the same number of updates: plain SGD without momentum, shuffled batches of 200, and 50 hidden
units. The learning rate is so small that pixels of up to 255 do no harm. Each fit runs in a fresh
interpreter. The time is the time of the whole `fit`. The memory is the growth of the peak resident
set size during `fit`, so X itself does not count. Contenders take turns; the figures are medians
over repeats.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

N_SAMPLES, N_FEATURES, HIDDEN_SIZE, BATCH_SIZE, RATE = 10_000, 3072, 50, 200, 1e-8
CONTENDERS = {
    "ours": (
        TwoLayerClassifier,
        {"solver": "sgd", "learning_rate": RATE, "dropout": 0.0, "n_iter_no_change": None},
    ),
    "MLPClassifier": (
        MLPClassifier,
        {"solver": "sgd", "learning_rate_init": RATE, "n_iter_no_change": np.inf},
    ),
}


def measure(name, epochs):
    """Fit one contender; return the time in seconds and the growth of the peak memory in bytes."""
    warnings.simplefilter("ignore")
    estimator, parameters = CONTENDERS[name]
    rng = np.random.default_rng(0)
    X = rng.integers(256, size=(N_SAMPLES, N_FEATURES), dtype=np.uint8)
    y = rng.integers(10, size=N_SAMPLES)
    model = estimator(
        HIDDEN_SIZE, momentum=0.0, batch_size=BATCH_SIZE, random_state=0, max_iter=1, **parameters
    )
    with threadpool_limits(1):
        model.fit(X[:BATCH_SIZE, :9], y[:BATCH_SIZE])  # the first fit also loads libraries
        model.set_params(max_iter=epochs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, (peak - before) * 1024


def main(epochs, repeats):
    results = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name in CONTENDERS:
            command = [sys.executable, __file__, "--only", name, "--epochs", str(epochs)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results[name].append(json.loads(output))
    medians = {name: np.median(values, axis=0) for name, values in results.items()}
    megabytes = N_SAMPLES * N_FEATURES / 1e6
    print(f"{epochs} epochs on {N_SAMPLES} samples of {N_FEATURES} bytes ({megabytes:.0f} MB)")
    for name, (seconds, added) in medians.items():
        print(f"{name:>14}: {seconds:6.2f} s, {added / 1e6:6.1f} MB above X")
    faster = medians["MLPClassifier"][0] / medians["ours"][0]
    share = medians["ours"][1] / medians["MLPClassifier"][1]
    verdicts = ["met" if met else "NOT met" for met in (faster >= 2.5, share <= 0.2)]
    print(f"{faster:.2f} x faster, target 2.5: {verdicts[0]}")
    print(f"{share:.3f} of the memory, target 0.2: {verdicts[1]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, help="measure one contender, and print JSON")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only, arguments.epochs)))
    else:
        main(arguments.epochs, arguments.repeats)
