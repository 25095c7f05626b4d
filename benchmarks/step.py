"""Measure the time per update by solver, shape, dtype and threads, against peers and a lower bound.

All contenders make the same updates on shuffled batches of the same samples, with relu and softmax:
plain SGD without momentum and with an L2 penalty, or AdamW, which is the default solver.
MLPClassifier has Adam in its place. TwoLayerClassifier, MLPClassifier and skorch are timed through
`fit`; the time of a fit of one epoch is subtracted, so that costs paid once do not count. PyTorch
(eager and compiled) gathers its batches from a tensor. Its AdamW is fused, or works on lists of
tensors ("foreach"). The lower bound, "products", is the time of the five matrix products of the
step alone, in NumPy.

Contenders take turns; the figures are medians over repeats, and ratios of the medians. PyTorch and
skorch are optional.
"""

import argparse
import time
import warnings
from functools import partial
from importlib.util import find_spec
from math import ceil, isnan

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from sk_twolayer import TwoLayerClassifier

N_SAMPLES, ALPHA, RATE = 2000, 1e-3, 1e-3
# Batch size, features, hidden units, classes.
SHAPES = {
    "sgd": [(200, 3072, 50, 10), (200, 3072, 500, 10), (200, 64, 100, 10)],
    "adamw": [(64, 10, 200, 2), (100, 64, 200, 10), (100, 784, 200, 10), (200, 3072, 500, 10)],
}
# The most multiples of the products on one thread, float32.
MOST_PRODUCTS = {
    ("sgd", (200, 3072, 50, 10)): 1.25,
    ("sgd", (200, 3072, 500, 10)): 1.05,
    ("adamw", (64, 10, 200, 2)): 5.0,
    ("adamw", (100, 64, 200, 10)): 2.2,
    ("adamw", (100, 784, 200, 10)): 1.8,
    ("adamw", (200, 3072, 500, 10)): 1.4,
}


class Task:
    """Samples, a solver and a network to train on them.

    Parameters
    ----------
    solver : {"sgd", "adamw"}
    shape : tuple of four int
        Batch size, features, hidden units and classes.
    dtype : dtype
    """

    def __init__(self, solver, shape, dtype):
        self.solver, self.shape = solver, shape
        self.batch_size, self.n_features, self.hidden_size, self.n_classes = shape
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((N_SAMPLES, self.n_features)).astype(dtype)
        self.y = rng.integers(self.n_classes, size=N_SAMPLES)
        self.updates_per_epoch = ceil(N_SAMPLES / self.batch_size)


def seconds_per_update(fit, task, epochs):
    """Return the time of `epochs + 1` epochs minus the time of one, per update."""
    times = []
    for n in (1, epochs + 1):
        start = time.perf_counter()
        fit(task, n)
        times.append(time.perf_counter() - start)
    return (times[1] - times[0]) / (epochs * task.updates_per_epoch)


def ours(task, epochs):
    TwoLayerClassifier(
        task.hidden_size,
        alpha=ALPHA,
        learning_rate=RATE,
        solver=task.solver,
        learning_rate_schedule="constant",
        warmup_fraction=0.0,
        dropout=0.0,
        momentum=0.0,
        batch_size=task.batch_size,
        max_iter=epochs,
        n_iter_no_change=None,
        random_state=0,
    ).fit(task.X, task.y)


def mlp(task, epochs):
    MLPClassifier(
        task.hidden_size,
        solver="sgd" if task.solver == "sgd" else "adam",
        alpha=ALPHA * task.batch_size,  # MLPClassifier divides alpha by the batch size
        learning_rate_init=RATE,
        momentum=0.0,
        batch_size=task.batch_size,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(task.X, task.y)


def products(task, epochs):
    """Compute the matrix products of forward and backward pass into buffers."""
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return rng.standard_normal(shape).astype(task.X.dtype)

    batch = task.X[: task.batch_size]
    W1, W2 = matrix(task.n_features, task.hidden_size), matrix(task.hidden_size, task.n_classes)
    hidden, scores = matrix(len(batch), task.hidden_size), matrix(len(batch), task.n_classes)
    dhidden, dW1, dW2 = hidden.copy(), np.empty_like(W1), np.empty_like(W2)
    for _ in range(epochs * task.updates_per_epoch):
        np.matmul(batch, W1, out=hidden)
        np.matmul(hidden, W2, out=scores)
        np.matmul(hidden.T, scores, out=dW2)
        np.matmul(scores, W2.T, out=dhidden)
        np.matmul(batch.T, dhidden, out=dW1)


def torch_network(task):
    import torch

    return torch.nn.Sequential(
        torch.nn.Linear(task.n_features, task.hidden_size),
        torch.nn.ReLU(),
        torch.nn.Linear(task.hidden_size, task.n_classes),
    ).to(torch.from_numpy(task.X[:1]).dtype)


def pytorch(task, epochs, compiled=False, **options):
    import torch

    torch.manual_seed(0)
    X, y = torch.from_numpy(task.X), torch.from_numpy(task.y)
    network = torch_network(task)
    run = torch.compile(network) if compiled else network
    make_optimizer = torch.optim.SGD if task.solver == "sgd" else torch.optim.AdamW
    optimizer = make_optimizer(network.parameters(), lr=RATE, weight_decay=ALPHA, **options)
    loss_of = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(task.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(run(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            loss.item()


def skorch(task, epochs):
    import torch
    from skorch import NeuralNetClassifier

    NeuralNetClassifier(
        torch_network(task),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD if task.solver == "sgd" else torch.optim.AdamW,
        optimizer__weight_decay=ALPHA,
        lr=RATE,
        batch_size=task.batch_size,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).fit(task.X, task.y)


def contenders(solver):
    """Return the contenders for a solver that are installed."""
    chosen = {"products": products, "ours": ours, "MLPClassifier": mlp}
    if find_spec("torch") and solver == "sgd":
        chosen |= {"PyTorch": pytorch, "compiled": partial(pytorch, compiled=True)}
    elif find_spec("torch"):
        chosen["PyTorch, fused"] = partial(pytorch, fused=True)
        chosen["PyTorch, foreach"] = partial(pytorch, foreach=True)
        chosen["compiled, fused"] = partial(pytorch, compiled=True, fused=True)
    if find_spec("torch") and find_spec("skorch"):
        chosen["skorch"] = skorch
    return chosen


def set_threads(n):
    """Return a context with n threads for NumPy, and set the threads of PyTorch."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(n)
    return threadpool_limits(n)


def print_libraries():
    """Print the BLAS and the kernels that do the work, and which peers are missing."""
    for library in threadpool_info():
        if library["user_api"] == "blas" and "numpy" in library["filepath"]:
            name, version = library["internal_api"], library["version"]
            print(f"NumPy {np.__version__}: {name} {version}, kernel {library.get('architecture')}")
    if find_spec("torch"):
        import torch

        kernel = torch.backends.cpu.get_cpu_capability()
        print(f"PyTorch {torch.__version__}: kernel {kernel}")
    for package in ("torch", "skorch"):
        if not find_spec(package):
            print(f"{package} is left out, as it is not installed: pip install {package}")


def main(solvers, dtypes, all_threads, repeats, seconds):
    warnings.simplefilter("ignore")
    print_libraries()
    verdicts = []
    for solver in solvers:
        chosen = contenders(solver)
        print(f"\n{solver}: time per update in ms, and as a multiple of the products")
        print(f"{'shape':>16} {'dtype':>8} {'threads':>7}", *(f"{name:>17}" for name in chosen))
        for shape in SHAPES[solver]:
            for dtype in dtypes:
                for threads in all_threads:
                    with set_threads(threads):
                        medians = measure(chosen, Task(solver, shape, dtype), repeats, seconds)
                    cells = [
                        "left out".rjust(17) if isnan(m) else f"{m:.3f} ({m / bound:.2f})".rjust(17)
                        for bound in [medians["products"]]
                        for m in medians.values()
                    ]
                    name = "{}, {}-{}-{}".format(*shape)
                    print(f"{name:>16} {dtype:>8} {threads:7d}", *cells, flush=True)
                    if dtype == "float32":
                        verdicts += judge(solver, shape, threads, medians)
    print("\ntargets, float32", *verdicts, sep="\n")


def measure(chosen, task, repeats, seconds):
    """Time the contenders in turn; return the medians in ms."""
    times = {name: [] for name in chosen}
    for name, fit in chosen.items():
        try:
            fit(task, 1)
        except Exception as error:  # for example, torch.compile finds no compiler
            print(f"{name} is left out, as it raised {type(error).__name__}")
            times[name].append(np.nan)
    once = seconds_per_update(ours, task, 3)
    epochs = max(2, round(seconds / (once * task.updates_per_epoch)))
    for _ in range(repeats):
        for name, fit in chosen.items():
            if not np.isnan(times[name]).any():
                times[name].append(1000 * seconds_per_update(fit, task, epochs))
    return {name: np.median(values) for name, values in times.items()}


def judge(solver, shape, threads, medians):
    """Return a line for each target that says if it is met."""
    where = "{}, {}, {}-{}-{}, {} threads".format(solver, *shape, threads)
    lines = []

    def verdict(peer, at_least):
        if not isnan(medians.get(peer, np.nan)):
            ratio = medians[peer] / medians["ours"]
            met = "met" if ratio >= at_least else "NOT met"
            lines.append(f"{where}: {ratio:.2f} x faster than {peer}, target {at_least}: {met}")

    limit = MOST_PRODUCTS.get((solver, shape))
    if limit and threads == 1:
        ratio = medians["ours"] / medians["products"]
        met = "met" if ratio <= limit else "NOT met"
        lines.append(f"{where}: {ratio:.2f} x the products, target {limit}: {met}")
    if solver == "sgd":
        small = shape[1] == 64
        verdict("MLPClassifier", 2.5 if small else 1.35)
        verdict("PyTorch", 2.5 if small else 1.3)
    elif shape[1] == 3072:  # most is the matrix product, and on two threads PyTorch's is faster
        verdict("PyTorch, fused", 1.0 if threads == 1 else 0.77)
    else:
        verdict("PyTorch, fused", 1.2 if threads == 1 else 1.0)
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--solvers", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="seconds of each of our fits")
    arguments = parser.parse_args()
    main(
        arguments.solvers,
        arguments.dtypes,
        arguments.threads,
        arguments.repeats,
        arguments.seconds,
    )
