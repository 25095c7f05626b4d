"""Text: time, memory and size of the pickle as the vocabulary grows, at the same non-zeros.

Made-up documents: words follow a Zipf-Mandelbrot law, and a tenth of them are commoner in one
of four classes. First, 2,000 documents of 446 distinct words each, with vocabularies of 2**12
to 2**20 words, float32: seconds per epoch (a pass of `partial_fit`, so that drawing the
parameters does not count; the median of several), the peak memory of a `fit` beyond the data as
a multiple of the parameters' bytes, and what its pickle holds beyond them. Then two shapes that
occur in the wild, counts over 10,663 features and TF-IDF over 39,659: the time in which ours
reaches the log loss on the training rows that MLPClassifier's defaults reach in 10 epochs, with
the same penalty.

One thread; each measurement has a fresh interpreter.
"""

import argparse
import json
import pickle
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

N_ROWS, N_DISTINCT, N_CLASSES, HIDDEN_SIZE = 2000, 446, 4, 100
CONTENDERS = {
    "ours": TwoLayerClassifier(HIDDEN_SIZE, random_state=0),
    "ours, adam": TwoLayerClassifier(HIDDEN_SIZE, solver="adam", random_state=0),
    "MLPClassifier": MLPClassifier(HIDDEN_SIZE, random_state=0),
    "MLPClassifier, sgd": MLPClassifier(HIDDEN_SIZE, solver="sgd", random_state=0),
}


def make_documents(width):
    """Return counts of words as CSR, and classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(N_CLASSES, size=N_ROWS)
    frequencies = 1 / (np.arange(width) + 2.7)
    column_of_word = rng.permutation(width)
    told_by = np.where(rng.random(width) < 0.1, rng.integers(N_CLASSES, size=width), -1)
    cumulated = [np.cumsum(frequencies * np.where(told_by == c, 2, 1)) for c in range(N_CLASSES)]
    rows, counts = [], []
    for c in y:
        words = np.searchsorted(cumulated[c], rng.random(4 * N_DISTINCT) * cumulated[c][-1])
        distinct, first, count = np.unique(words, return_index=True, return_counts=True)
        kept = np.argsort(first)[:N_DISTINCT]  # read on until there are enough of them
        order = np.argsort(column_of_word[distinct[kept]])
        rows.append(column_of_word[distinct[kept]][order])
        counts.append(count[kept][order])
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    X = csr_array((np.concatenate(counts), np.concatenate(rows), indptr), shape=(N_ROWS, width))
    return X, y


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name, width, epochs):
    """Return seconds per epoch, bytes of a fit beyond X, of parameters, and of the pickle."""
    X, y = make_documents(width)
    X = X.astype(np.float32)
    model = CONTENDERS[name]
    model.set_params(max_iter=1).fit(X[:50, :100], y[:50])  # what only the first fit of all does
    before = peak()
    model.fit(X, y)
    added = peak() - before
    parameters = sum(array.nbytes for array in model.coefs_ + model.intercepts_)
    size = len(pickle.dumps(model))
    seconds = []
    for _ in range(1 + epochs):
        start = time.perf_counter()
        model.partial_fit(X, y)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])), added, parameters, size


def race(shape):
    """Return seconds and epochs of MLPClassifier and of ours to the same training loss."""
    X, y = make_documents({"counts": 10_663, "TF-IDF": 39_659}[shape])
    if shape == "TF-IDF":
        X = TfidfTransformer().fit_transform(X)
    model = MLPClassifier(HIDDEN_SIZE, max_iter=10, random_state=0)
    start = time.perf_counter()
    model.fit(X, y)
    seconds, target = time.perf_counter() - start, log_loss(y, model.predict_proba(X))
    for epochs in (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90):
        # The same penalty: MLPClassifier divides its alpha by the rows of a batch.
        ours = TwoLayerClassifier(HIDDEN_SIZE, alpha=1e-4 / 200, max_iter=epochs, random_state=0)
        start = time.perf_counter()
        ours.fit(X, y)
        our_seconds = time.perf_counter() - start
        if log_loss(y, ours.predict_proba(X)) <= target:
            return seconds, our_seconds, epochs, target
    return seconds, float("inf"), epochs, target


def in_fresh_interpreter(*arguments):
    command = [sys.executable, __file__, "--only", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def main(largest, largest_peer):
    print(f"{'width':>9} {'':>20} {'ms/epoch':>9} {'memory':>9} {'pickle':>10}")
    results = {}
    for power in range(12, largest + 1, 2):
        for name in CONTENDERS:
            if power > (largest if name == "ours" else largest_peer):
                continue
            result = in_fresh_interpreter("measure", name, 2**power, 3)
            if result is None:
                print(f"2**{power:<6} {name:>20} failed")
                continue
            seconds, added, parameters, pickled = results[name, power] = result
            cells = f"{1000 * seconds:9.1f} {added / parameters:7.2f} x {pickled - parameters:+10d}"
            print(f"2**{power:<6} {name:>20} {cells}", flush=True)

    def verdict(met):
        return "met" if met else "NOT met"

    print("\ntargets")
    for shape, asked in (("counts", 4), ("TF-IDF", 6)):
        seconds, ours, epochs, loss = in_fresh_interpreter("race", shape)
        print(
            f"{shape}: log loss {loss:.4f} after {seconds:.2f} s and 10 epochs of MLPClassifier, "
            f"{ours:.2f} s and {epochs} epochs of ours: {seconds / ours:.2f} x faster, {asked} "
            f"asked: {verdict(seconds / ours >= asked)}"
        )
    growth = results["ours", largest][0] / results["ours", 14][0]
    print(f"2**14 to 2**{largest}: {growth:.2f} x the time, 2 asked: {verdict(growth <= 2)}")
    _, added, parameters, pickled = results["ours", largest]
    met = verdict(added <= 2.2 * parameters)
    print(f"peak memory: {added / parameters:.2f} x the parameters, 2.2 asked: {met}")
    print(f"pickle: {pickled - parameters} bytes beyond: {verdict(pickled - parameters <= 4096)}")
    if ("MLPClassifier", largest) in results:
        faster = results["MLPClassifier", largest][0] / results["ours", largest][0]
        print(f"2**{largest}: {faster:.1f} x faster per epoch, 30 asked: {verdict(faster >= 30)}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=20, help="power of two of the width")
    parser.add_argument("--largest-peer", type=int, default=20, help="the same for the others")
    parser.add_argument("--only", help="one measurement, as JSON")
    arguments = parser.parse_args()
    if arguments.only:
        function, *values = json.loads(arguments.only)
        with threadpool_limits(1):
            print(json.dumps({"measure": measure, "race": race}[function](*values)))
    else:
        main(arguments.largest, arguments.largest_peer)
