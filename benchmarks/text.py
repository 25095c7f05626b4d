"""Measure text classification: accuracy, and the cost as the number of features grows.

The documents are synthetic. They have as many words as movie reviews, and their lengths are
log-normal. The words follow a Zipf-Mandelbrot law; some are more frequent in one of four classes.

First, the default settings compete with MLPClassifier's, in float32. Each seed (`--seeds`) draws
corpora with 1,500 training and 1,500 test documents: counts of some 10,000 n-grams; TF-IDF of
40,000 words; counts hashed to 2**18 features, the same with signs, and with Euclidean norm 1; short
documents; and tags, where a document has any number of six tags (a prediction is correct if all of
its tags are). At 2**18 features MLPClassifier trains only on the 40,000 features that occur. Its
time is then the time of an epoch on all features, times the number of its epochs.

Second, documents are hashed to 2**12 to 2**20 features, as counts in float32. The figures are the
seconds per epoch of `fit` (without its first epoch) and of `partial_fit` (the median of several),
the peak memory of `fit` beyond the data as a multiple of the parameters' bytes, and the size of the
pickle minus the size of the parameters. All contenders have 100 hidden units and their automatic
batch sizes.

Last, with `--race`, SGD trains until its log loss on the training samples is the one that
MLPClassifier's defaults reach after 5, 10 and 20 epochs, with the same penalty. The name of a
contender says how it scales the samples; its time includes the scaling.

All measurements use one thread, processor time, and a fresh interpreter each.
"""

import argparse
import json
import pickle
import subprocess
import sys
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, normalize
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

N_SAMPLES, N_CLASSES, HIDDEN_SIZE = 2000, 4, 100
DEFAULTS = {"ours": TwoLayerClassifier, "MLPClassifier": MLPClassifier}
CONTENDERS = {
    "ours": TwoLayerClassifier(HIDDEN_SIZE, random_state=0),
    "ours, sgd": TwoLayerClassifier(HIDDEN_SIZE, solver="sgd", dropout=0.0, random_state=0),
    "MLPClassifier": MLPClassifier(HIDDEN_SIZE, random_state=0),
}
# The targets for the growth of an epoch from 2**14 to 2**20 features, and for the memory.
GROWTH = {"ours": (4, 3.3), "ours, sgd": (2, 2.2)}
# The corpora of the first part. The tuple holds the number of words, the exponent and the shift of
# their law, the mean length, the share of informative words, and the factor by which these are more
# frequent in their class. The last number is the target for the time as a share of MLPClassifier's.
CORPORA = {
    "short": ((50_000, 1.4, 25, 60, 0.3, 4.0), 0.5),
    "tags": ((50_000, 1.4, 25, 400, 0.2, 2.5), 0.5),
    "counts": ((2**20, 0.95, 2.7, 1230, 0.1, 1.6), 0.5),
    "TF-IDF": ((50_000, 1.4, 25, 840, 0.1, 1.6), 0.5),
    "hashed": ((50_000, 1.4, 25, 840, 0.1, 1.6), 0.1),
    "hashed, signs": ((50_000, 1.4, 25, 840, 0.1, 1.6), 0.1),
    "hashed, length 1": ((50_000, 1.4, 25, 840, 0.1, 1.6), 0.1),
}
# MLPClassifier divides alpha by the batch size.
SAME_PENALTY = partial(
    TwoLayerClassifier,
    HIDDEN_SIZE,
    solver="sgd",
    alpha=1e-4 / 200,
    dropout=0.0,
    learning_rate_schedule="exponential",
    random_state=0,
)
WAYS = {
    "sgd": lambda epochs: SAME_PENALTY(max_iter=epochs),
    "MaxAbsScaler, sgd, batches of 50": lambda epochs: make_pipeline(
        MaxAbsScaler(), SAME_PENALTY(max_iter=epochs, batch_size=50)
    ),
}
RACES = [  # the corpus, our contender, and the target for the ratio of the times
    ("counts", "MaxAbsScaler, sgd, batches of 50", 4),
    ("counts, float32", "MaxAbsScaler, sgd, batches of 50", 4),
    ("TF-IDF", "sgd", 6),
    ("TF-IDF, float32", "sgd", 6),
]


def draw_documents(
    n_words, exponent, shift, length, informative=0.1, tilt=2, *, n=N_SAMPLES, seed=0
):
    """Draw documents; return the word numbers of each document, and its class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(N_CLASSES, size=n)
    frequencies = (np.arange(n_words) + shift) ** -exponent
    class_of_word = np.where(
        rng.random(n_words) < informative, rng.integers(N_CLASSES, size=n_words), -1
    )
    cumulated = [
        np.cumsum(frequencies * np.where(class_of_word == c, tilt, 1)) for c in range(N_CLASSES)
    ]
    lengths = np.maximum(rng.lognormal(np.log(length) - 0.08, 0.4, n).astype(int), 5)
    words = [
        np.searchsorted(cumulated[c], rng.random(n) * cumulated[c][-1])
        for c, n in zip(y, lengths, strict=True)
    ]
    return words, y


def draw_tagged(n_words, exponent, shift, length, informative, tilt, *, n, seed, n_tags=6):
    """Draw documents; return the word numbers of each, and its tags, each of probability 1/4."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, n_tags)) < 0.25).astype(int)
    frequencies = (np.arange(n_words) + shift) ** -exponent
    tag_of_word = np.where(
        rng.random(n_words) < informative, rng.integers(n_tags, size=n_words), n_tags
    )
    factors = np.where(np.column_stack([Y, np.zeros(n)]), tilt, 1)
    words = []
    for factor in factors:
        cumulated = np.cumsum(frequencies * factor[tag_of_word])
        n_drawn = max(int(rng.lognormal(np.log(length) - 0.08, 0.4)), 5)
        words.append(np.searchsorted(cumulated, rng.random(n_drawn) * cumulated[-1]))
    return words, Y


def draw_corpus(name, seed, n_train=1500, n_test=1500):
    """Draw a corpus; return training and test samples, then training and test labels."""
    settings, _ = CORPORA[name]
    draw = draw_tagged if name == "tags" else draw_documents
    words, y = draw(*settings, n=n_train + n_test, seed=seed)
    columns, n_columns = np.arange(settings[0]), settings[0]
    if name.startswith("hashed"):
        columns, n_columns = np.random.default_rng(1).integers(2**18, size=settings[0]), 2**18
    signs = np.random.default_rng(2).choice([-1, 1], settings[0])
    X = count(words, columns, n_columns, signs if name.endswith("signs") else None)
    train = slice(n_train)
    if not name.startswith("hashed"):
        least = {"counts": n_train // 100, "TF-IDF": 1}.get(name, 5)
        occurring = np.bincount(X[train].indices, minlength=X.shape[1]) >= least
        X = csr_array(X[:, np.flatnonzero(occurring)])
    if name == "TF-IDF":
        X = TfidfTransformer().fit(X[train]).transform(X)
    X = normalize(X) if name.endswith("length 1") else X
    X = csr_array(X).astype(np.float32)
    return X[train], X[n_train:], y[train], y[n_train:]


def count(words, columns, n_columns=None, signs=None):
    """Return the counts of the words as CSR, with the given column and sign for each word."""
    indptr = np.concatenate([[0], np.cumsum([len(document) for document in words])])
    words = np.concatenate(words)
    indices, values = columns[words], np.ones(len(words), int) if signs is None else signs[words]
    shape = None if n_columns is None else (len(indptr) - 1, n_columns)
    X = csr_array((values, indices, indptr), shape=shape)
    X.sum_duplicates()
    return X


def reviews():
    return draw_documents(50_000, 1.4, 25, 840)


def save_hashed(path, width):
    """Save the documents hashed to `width` features, for a process that measures memory."""
    words, y = reviews()
    X = count(words, np.random.default_rng(1).integers(width, size=50_000)).astype(np.float32)
    np.savez(path, data=X.data, indices=X.indices, indptr=X.indptr, y=y)


def occurring_in(X, n_documents):
    """Return the features that occur in at least `n_documents` of X, shuffled."""
    features = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) >= n_documents)
    return csr_array(X[:, np.random.default_rng(1).permutation(features)])


def shape(name):
    """Return samples and labels of a corpus of the race."""
    if name.startswith("counts"):
        words, y = draw_documents(2**20, 0.95, 2.7, 1230)
        X = occurring_in(count(words, np.arange(2**20)), N_SAMPLES // 100)
    else:
        words, y = reviews()
        X = TfidfTransformer().fit_transform(occurring_in(count(words, np.arange(50_000)), 1))
    return (X.astype(np.float32) if name.endswith("float32") else X), y


def memory_status(name):
    """Return a field of Linux's memory status of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def accuracy(name, seed, contender):
    """Return seconds and accuracy of a fit with default settings, and the number of features."""
    X_train, X_test, y_train, y_test = draw_corpus(name, seed)
    n_features, per_epoch = X_train.shape[1], None
    if name.startswith("hashed") and contender == "MLPClassifier":
        few, more = (
            seconds_of_fit(MLPClassifier(random_state=seed, max_iter=n), X_train, y_train)
            for n in (1, 4)
        )
        per_epoch = (more - few) / 3
        occurring = np.flatnonzero(np.bincount(X_train.indices, minlength=n_features))
        X_train, X_test = X_train[:, occurring], X_test[:, occurring]
    model = DEFAULTS[contender](random_state=seed)
    seconds = seconds_of_fit(model, X_train, y_train)
    if per_epoch is not None:
        seconds = per_epoch * model.n_iter_
    return seconds, model.score(X_test, y_test), n_features


def seconds_of_fit(model, X, y):
    start = time.process_time()
    model.fit(X, y)
    return time.process_time() - start


def measure(name, path, width, epochs):
    """Return seconds per epoch of `fit` and `partial_fit`, and three sizes in bytes.

    The sizes are the memory that `fit` adds, the parameters, and the pickle.
    """
    with np.load(path) as saved:
        X = csr_array(
            (saved["data"], saved["indices"], saved["indptr"]), shape=(N_SAMPLES, width), copy=False
        )
        y = saved["y"]
    model = CONTENDERS[name]
    model.set_params(max_iter=1).fit(X[:50, :100], y[:50])  # loads libraries
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = memory_status("VmRSS")
    one_epoch = seconds_of_fit(model, X, y)
    added = memory_status("VmHWM") - before
    parameters = sum(array.nbytes for array in model.coefs_ + model.intercepts_)
    size = len(pickle.dumps(model))
    more = seconds_of_fit(model.set_params(max_iter=1 + 4 * epochs), X, y)
    per_epoch = (more - one_epoch) / (4 * epochs)
    seconds = []
    for _ in range(1 + epochs):
        start = time.process_time()
        model.partial_fit(X, y)
        seconds.append(time.process_time() - start)
    return per_epoch, float(np.median(seconds[1:])), added, parameters, size


def time_fit(model, X, y):
    """Return the seconds of a fit, and the log loss on the training samples."""
    seconds = seconds_of_fit(model, X, y)
    return seconds, log_loss(y, model.predict_proba(X))


def race(name, way):
    """Return the number of features, the non-zeros of a sample, and a list of results.

    A result is a loss of MLPClassifier, its seconds and epochs, and our seconds and epochs.
    """
    X, y = shape(name)
    theirs = {}
    for epochs in (5, 10, 20):
        model = MLPClassifier(HIDDEN_SIZE, max_iter=epochs, random_state=0)
        theirs[epochs] = time_fit(model, X, y)
    results = []
    tried = {}
    for epochs, (seconds, loss) in theirs.items():
        for our_epochs in (1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32):
            if our_epochs not in tried:
                tried[our_epochs] = time_fit(WAYS[way](our_epochs), X, y)
            if tried[our_epochs][1] <= loss:
                results.append((loss, seconds, epochs, tried[our_epochs][0], our_epochs))
                break
        else:
            results.append((loss, seconds, epochs, float("inf"), our_epochs))
    return X.shape[1], X.nnz / N_SAMPLES, results


def in_fresh_interpreter(*arguments):
    command = [sys.executable, __file__, "--only", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def verdict(met):
    return "met" if met else "NOT met"


def compare_accuracy(seeds):
    for name, (_, target) in CORPORA.items():
        points, ratios = [], []
        for seed in seeds:
            ours, theirs = (in_fresh_interpreter("accuracy", name, seed, c) for c in DEFAULTS)
            points.append(100 * (ours[1] - theirs[1]))
            ratios.append(ours[0] / theirs[0])
            print(
                f"{name:>16}, {ours[2]} features, seed {seed}: ours {ours[1]:.4f}, {ours[0]:.2f} s;"
                f" MLPClassifier {theirs[1]:.4f}, {theirs[0]:.2f} s",
                flush=True,
            )
        gained, ratio = np.mean(points), np.exp(np.mean(np.log(ratios)))
        print(
            f"{name:>16}: {gained:+.2f} points, target 0: {verdict(gained >= 0)}; {ratio:.2f} of "
            f"the time, target {target}: {verdict(ratio <= target)}"
        )


def measure_growth(largest, largest_peer):
    print(f"\n{'width':>9} {'':>14} {'ms/epoch':>9} {'partial':>9} {'memory':>9} {'pickle':>10}")
    results = {}
    for power, name in product(range(12, largest + 1, 2), CONTENDERS):
        if power > (largest if name in GROWTH else largest_peer):
            continue
        with TemporaryDirectory() as folder:
            path = f"{folder}/documents.npz"
            save_hashed(path, 2**power)
            result = in_fresh_interpreter("measure", name, path, 2**power, 5)
        if result is None:
            print(f"2**{power:<6} {name:>14} failed")
            continue
        per_epoch, partial_fit, added, parameters, pickled = results[name, power] = result
        cells = f"{1000 * per_epoch:9.1f} {1000 * partial_fit:9.1f}"
        cells += f" {added / parameters:7.2f} x {pickled - parameters:+10d}"
        print(f"2**{power:<6} {name:>14} {cells}", flush=True)

    print("\ntargets")
    for name, (longer, memory) in GROWTH.items():
        for column, what in enumerate(("fit", "partial_fit")):
            growth = results[name, largest][column] / results[name, 14][column]
            met = verdict(growth <= longer)
            print(f"{name}, {what}, 2**14 to 2**{largest}: {growth:.2f} x, target {longer}: {met}")
        for power in range(14, largest + 1, 2):
            _, _, added, parameters, pickled = results[name, power]
            met = verdict(added <= memory * parameters)
            print(f"{name}, 2**{power}, peak: {added / parameters:.2f} x, target {memory}: {met}")
            met = verdict(pickled - parameters <= 4096)
            print(f"{name}, 2**{power}, pickle: {pickled - parameters:+d}, target 4096: {met}")
    if ("MLPClassifier", largest) in results:
        faster = results["MLPClassifier", largest][0] / results["ours", largest][0]
        print(f"2**{largest}: an epoch {faster:.1f} times faster than MLPClassifier's")


def run_races():
    for name, way, target in RACES:
        width, non_zeros, results = in_fresh_interpreter("race", name, way)
        print(f"\n{name}, {width} features, {non_zeros:.0f} per sample; ours: {way}")
        for loss, seconds, epochs, ours, our_epochs in results:
            print(
                f"log loss {loss:.4f}: MLPClassifier {seconds:.2f} s, {epochs} epochs; ours "
                f"{ours:.2f} s, {our_epochs} epochs: {seconds / ours:.2f} x faster, "
                f"target {target}: {verdict(seconds / ours >= target)}",
                flush=True,
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1], help="of the corpora")
    parser.add_argument("--largest", type=int, default=20, help="log2 of the most features")
    parser.add_argument("--largest-peer", type=int, default=20, help="the same for MLPClassifier")
    parser.add_argument("--race", action="store_true", help="also race SGD to the same loss")
    parser.add_argument("--only", help="one measurement, given as JSON")
    arguments = parser.parse_args()
    if arguments.only:
        function, *values = json.loads(arguments.only)
        with threadpool_limits(1):
            functions = {"measure": measure, "race": race, "accuracy": accuracy}
            print(json.dumps(functions[function](*values)))
    else:
        if arguments.seeds:
            compare_accuracy(arguments.seeds)
        measure_growth(arguments.largest, arguments.largest_peer)
        if arguments.race:
            run_races()
