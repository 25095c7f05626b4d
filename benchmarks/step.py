"""Measure the time per update by shape, dtype and threads, against peers and a lower bound.

All contenders make the same updates: plain SGD without momentum, shuffled batches of 200 of the
same samples, an L2 penalty, relu and softmax. TwoLayerClassifier, MLPClassifier and skorch are
timed through `fit`; the time of a fit of one epoch is subtracted, so that costs paid once do not
count. PyTorch (eager and compiled) gathers its batches from a tensor. The lower bound, "products",
is the time of the five matrix products of the step alone, in NumPy.

Contenders take turns; the figures are medians over repeats, and ratios of the medians.
"""

import argparse
import time
import warnings
from functools import partial
from importlib.util import find_spec

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

N_SAMPLES, BATCH_SIZE, ALPHA, RATE = 2000, 200, 1e-3, 1e-3
SHAPES = [(3072, 50, 10), (3072, 500, 10), (64, 100, 10)]


def seconds_per_update(fit, epochs):
    """Return the time of `fit(epochs + 1)` minus the time of `fit(1)`, per update."""
    times = []
    for n in (1, epochs + 1):
        start = time.perf_counter()
        fit(n)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / (epochs * (N_SAMPLES // BATCH_SIZE))


def ours(X, y, hidden_size, epochs):
    TwoLayerClassifier(
        hidden_size,
        alpha=ALPHA,
        learning_rate=RATE,
        solver="sgd",
        learning_rate_schedule="constant",
        warmup_fraction=0.0,
        dropout=0.0,
        momentum=0.0,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=None,
        random_state=0,
    ).fit(X, y)


def mlp(X, y, hidden_size, epochs):
    MLPClassifier(
        hidden_size,
        solver="sgd",
        alpha=ALPHA * BATCH_SIZE,  # MLPClassifier divides alpha by the batch size
        learning_rate_init=RATE,
        momentum=0.0,
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y)


def products(X, y, hidden_size, epochs):
    """Compute the matrix products of forward and backward pass into buffers."""
    rng = np.random.default_rng(0)
    n_classes, dtype = len(np.unique(y)), X.dtype

    def matrix(*shape):
        return rng.standard_normal(shape).astype(dtype)

    batch, W1, W2 = X[:BATCH_SIZE], matrix(X.shape[1], hidden_size), matrix(hidden_size, n_classes)
    hidden, scores = matrix(BATCH_SIZE, hidden_size), matrix(BATCH_SIZE, n_classes)
    dhidden, dW1, dW2 = hidden.copy(), np.empty_like(W1), np.empty_like(W2)
    for _ in range(epochs * (N_SAMPLES // BATCH_SIZE)):
        np.matmul(batch, W1, out=hidden)
        np.matmul(hidden, W2, out=scores)
        np.matmul(hidden.T, scores, out=dW2)
        np.matmul(scores, W2.T, out=dhidden)
        np.matmul(batch.T, dhidden, out=dW1)


def torch_eager(X, y, hidden_size, epochs, compiled=False):
    import torch

    torch.manual_seed(0)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    network = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], hidden_size),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden_size, int(y.max()) + 1),
    ).to(X.dtype)
    run = torch.compile(network) if compiled else network
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, weight_decay=ALPHA)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(run(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            loss.item()


def skorch(X, y, hidden_size, epochs):
    import torch
    from skorch import NeuralNetClassifier

    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], hidden_size),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden_size, int(y.max()) + 1),
    ).to(torch.from_numpy(X[:1]).dtype)
    NeuralNetClassifier(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__weight_decay=ALPHA,
        lr=RATE,
        batch_size=BATCH_SIZE,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).fit(X, y)


def main(repeats, seconds):
    warnings.simplefilter("ignore")
    contenders = {"products": products, "ours": ours, "MLPClassifier": mlp}
    if find_spec("torch"):
        contenders["PyTorch"] = torch_eager
        contenders["PyTorch compiled"] = partial(torch_eager, compiled=True)
    if find_spec("torch") and find_spec("skorch"):
        contenders["skorch"] = skorch
    for package in ("torch", "skorch"):
        if not find_spec(package):
            print(f"{package} is left out, as it is not installed")

    print("time per update in ms, and as a multiple of ours")
    print(f"{'shape':>12} {'dtype':>8} {'threads':>7}", *(f"{name:>18}" for name in contenders))
    verdicts = []
    for n_features, hidden_size, n_classes in SHAPES:
        for dtype in (np.float32, np.float64):
            rng = np.random.default_rng(0)
            X = rng.standard_normal((N_SAMPLES, n_features)).astype(dtype)
            y = rng.integers(n_classes, size=N_SAMPLES)
            for threads in (1, 2):
                with threadpool_limits(threads):
                    if find_spec("torch"):
                        import torch

                        torch.set_num_threads(threads)
                    medians = measure(contenders, X, y, hidden_size, repeats, seconds)
                shape = f"{n_features}-{hidden_size}-{n_classes}"
                cells = [
                    "left out".rjust(18)
                    if np.isnan(m)
                    else f"{m:9.3f} ({m / medians['ours']:.2f})".rjust(18)
                    for m in medians.values()
                ]
                print(f"{shape:>12} {np.dtype(dtype).name:>8} {threads:7d}", *cells, flush=True)
                if dtype is np.float32:
                    verdicts += judge(shape, threads, medians)
    print("\ntargets, float32", *verdicts, sep="\n")


def measure(contenders, X, y, hidden_size, repeats, seconds):
    """Time the contenders in turn; return the medians in ms."""
    times = {name: [] for name in contenders}
    for name, fit in list(contenders.items()):
        try:
            fit(X, y, hidden_size, 1)
        except Exception as error:  # for example, torch.compile finds no compiler
            print(f"{name} is left out, as it raised {type(error).__name__}")
            times[name].append(np.nan)
    once = seconds_per_update(partial(ours, X, y, hidden_size), 3)
    epochs = max(2, round(seconds / (once * N_SAMPLES / BATCH_SIZE)))
    for _ in range(repeats):
        for name, fit in contenders.items():
            if not np.isnan(times[name]).any():
                times[name].append(
                    1000 * seconds_per_update(partial(fit, X, y, hidden_size), epochs)
                )
    return {name: np.median(values) for name, values in times.items()}


def judge(shape, threads, medians):
    """Return a line for each target that says if it is met."""

    def verdict(peer, at_least):
        if np.isnan(medians.get(peer, np.nan)):
            return []
        ratio = medians[peer] / medians["ours"]
        met = "met" if ratio >= at_least else "NOT met"
        return [
            f"{shape}, {threads} threads: {ratio:.2f} x faster than {peer}, target {at_least}: "
            f"{met}"
        ]

    lines = []
    limit = {"3072-50-10": 1.25, "3072-500-10": 1.05}.get(shape)
    if limit and threads == 1:
        ratio = medians["ours"] / medians["products"]
        met = "met" if ratio <= limit else "NOT met"
        lines.append(f"{shape}, 1 thread: {ratio:.2f} x the products, target {limit}: {met}")
    small = shape == "64-100-10"
    lines += verdict("MLPClassifier", 2.5 if small else 1.35)
    lines += verdict("PyTorch", 2.5 if small else 1.3)
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="seconds of each of our fits")
    arguments = parser.parse_args()
    main(arguments.repeats, arguments.seconds)
