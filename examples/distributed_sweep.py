"""Run a scikit-learn search on a Dask cluster.

The search over learning rate and L2 penalty runs on a cluster that this script starts on this
machine, or on a running cluster. For the latter, start `dask scheduler` on one machine and `dask
worker ADDRESS` on others, with the same versions of all packages, and pass `--scheduler ADDRESS`.
Anyone who can reach a scheduler can run code on it, so use a network that you trust, or set up TLS
in Dask's configuration.

joblib's Dask backend does not survive the loss of workers by itself. The two classes below add
that, for any search and for anything else that uses joblib. Workers may die and come back, even all
of them: their tasks run again, and the results are the same. `--check` proves this by a second run
without the cluster. With no workers left, the sweep waits for new ones.
"""

import argparse
import asyncio
import csv
import socket
import sys
import time
import warnings
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sweep import centre_pixels, cifar10, digits

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, Security
    from distributed.comm import get_address_host_port
    from distributed.core import connect
    from joblib._dask import DaskDistributedBackend  # public only under the name "dask"
    from toolz import identity

    missing = None
except ImportError as error:  # --help needs no Dask
    missing, Client, DaskDistributedBackend = error, object, object

# The lowest and the highest value of each hyper-parameter, on a logarithmic scale.
RANGES = {
    "digits": {"network__learning_rate": (0.001, 0.03), "network__alpha": (1e-4, 1e-1)},
    "cifar10": {"network__learning_rate": (5e-4, 2e-3), "network__alpha": (0.1, 1.0)},
}


class DurableClient(Client):
    """A client of Dask whose scattered data survives the loss of the workers that hold it.

    Data that `Client.scatter` has sent is lost with the last worker that holds it, and all tasks
    that need it are cancelled. joblib scatters X and y to all workers, but the indices of each
    split to a single worker. Here data is the result of a task. Workers still pass it on to each
    other. If it is lost, the scheduler sends it again, as it keeps one copy.
    """

    def scatter(self, data, asynchronous=False, **options):
        async def scatter_one():
            return self.submit(identity, data, pure=False)

        if asynchronous:  # joblib scatters the arguments of tasks in this way
            return scatter_one()
        return [self.submit(identity, item, pure=False) for item in data]


class DurableBackend(DaskDistributedBackend):
    """joblib's Dask backend, which also reports tasks that Dask has given up.

    joblib waits for a callback that is called only if the task itself returns or raises. It would
    wait forever for a task that Dask has given up.
    """

    def submit(self, func, callback=None):
        def pass_on_failure(outcome):
            if outcome.exception() is not None:
                callback(outcome.exception())

        outcome = super().submit(func, callback)
        outcome.add_done_callback(pass_on_failure)
        return outcome


@contextmanager
def start_cluster(n_workers):
    """Start a cluster on this machine that no other machine can reach."""
    # The memory manager would drop copies of the data from idle workers, and they would have to be
    # sent again.
    with dask.config.set({"distributed.scheduler.active-memory-manager.start": False}):
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # a free port, so that two sweeps can run at once
        )
    with cluster, DurableClient(cluster) as client:
        yield client


@contextmanager
def join_cluster(address, timeout):
    """Connect to a running scheduler; exit with advice if it does not answer or has no workers."""
    try:
        asyncio.run(greet(address, timeout))
        client = DurableClient(address, timeout=timeout)
    except (OSError, ValueError) as error:
        sys.exit(
            f"The scheduler at --scheduler {address} does not answer: "
            f"{explain(error, address, timeout)}. Nothing "
            f"was run. Check that `dask scheduler` runs there, that it prints this address, and "
            f"that no firewall blocks it. If it is only slow, raise --timeout {timeout:g}. "
            f"Without --scheduler, this script starts a cluster on this machine."
        )
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError:
            sys.exit(
                f"The scheduler at {address} has no workers after --timeout {timeout:g} seconds. "
                f"Start some with: dask worker {address}"
            )
        refuse_other_versions(client)
        yield client


async def greet(address, timeout):
    """Connect to a scheduler once, within a time limit, which Dask's own timeout does not keep."""
    async with asyncio.timeout(timeout + 1):
        options = Security().get_connection_args("client")
        comm = await connect(address, timeout=timeout, **options)
        await comm.close()


def explain(error, address, timeout):
    """Return the reason why there was no connection, found by a plain connection.

    Dask reports its last attempt, which the deadline may have interrupted.
    """
    if isinstance(error, ValueError):  # the address is not valid
        return str(error)
    try:
        socket.create_connection(get_address_host_port(address), timeout).close()
    except OSError as reason:
        return str(reason)
    detail = f" ({error})" if str(error) else ""
    return f"something listens there, but does not greet like a scheduler{detail}"


def refuse_other_versions(client):
    """Exit if versions differ within the cluster: Dask would retry forever to load our pickles."""
    ours = {name: version(name) for name in ("sk_twolayer", "scikit-learn", "numpy")}
    report = client.get_versions(packages=list(ours))
    for address, machine in {"the scheduler": report["scheduler"], **report["workers"]}.items():
        for name, our_version in ours.items():
            theirs = machine["packages"].get(name)
            if theirs != our_version:
                sys.exit(
                    f"{name} is {our_version} here, but {theirs or 'not installed'} at {address}: "
                    f"models could not be sent there, or would train differently. Install there: "
                    f"pip install {name}=={our_version}"
                )


def make_search(kind, model, ranges, splits, steps, seed):
    """Make a search with `steps` values of each hyper-parameter, or as many random candidates."""
    if kind == "random":
        space = {name: loguniform(*limits) for name, limits in ranges.items()}
        n_candidates = steps ** len(ranges)
        return RandomizedSearchCV(model, space, n_iter=n_candidates, cv=splits, random_state=seed)
    grid = {name: np.geomspace(*limits, steps) for name, limits in ranges.items()}
    if kind == "halving":
        return HalvingGridSearchCV(model, grid, cv=splits, random_state=seed)
    return GridSearchCV(model, grid, cv=splits)


def fit(search, X, y, **backend):
    """Fit a search on a backend of joblib, with lines of progress."""
    with warnings.catch_warnings(), joblib.parallel_config(**backend, verbose=10):
        # Halving compares candidates on few samples first, where they need not converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(X, y)


def main(arguments):
    if missing is not None:
        sys.exit(
            f"This example needs Dask, which the package itself does not need, but: {missing}. "
            f"Install it with: pip install dask distributed"
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    make_job = {"digits": digits, "cifar10": cifar10}[arguments.dataset]
    job = make_job(arguments.seed, arguments.data_home)
    ranges = RANGES[arguments.dataset]
    model = Pipeline([*centre_pixels(), ("network", job.network)])

    def new_search():
        options = job.splits, arguments.steps, arguments.seed
        return make_search(arguments.search, model, ranges, *options)

    if arguments.scheduler is None:
        cluster = start_cluster(arguments.workers)
    else:
        cluster = join_cluster(arguments.scheduler, arguments.timeout)
    with cluster as client:
        n_threads = sum(client.nthreads().values())
        print(
            f"{arguments.dataset}: {len(job.train[0])} training samples; {arguments.search} "
            f"search, {n_threads} fits at a time on the workers of {client.scheduler.address}",
            flush=True,
        )
        start = time.perf_counter()
        # Dask advises to scatter X, which the backend does.
        warnings.filterwarnings("ignore", "Sending large graph")
        try:
            backend = DurableBackend(client=client, scatter=job.train)
            search = fit(new_search(), *job.train, backend=backend)
        except KilledWorker as error:
            sys.exit(
                f"Every worker that tried a fit died, so Dask gave it up: {error}. It may need "
                f"more memory than a worker has: try fewer --workers, or a smaller network."
            )
        except CancelledError as error:
            sys.exit(
                f"The sweep was cancelled: {error} Workers may die and come back, but the loss of "
                f"the scheduler ends the sweep: run it again."
            )
        seconds = time.perf_counter() - start

    results = search.cv_results_
    write_table(results, arguments.output / "cv_results.csv")
    draw(search, ranges, arguments.output / "candidates.png")
    print(f"best candidate: {', '.join(f'{k}={v:.4g}' for k, v in search.best_params_.items())}")
    print(
        f"validation accuracy {search.best_score_:.4f}, refitted: test accuracy "
        f"{search.score(*job.test):.4f}; the sweep took {seconds:.1f} s"
    )
    if arguments.check:
        # One thread for each fit, as in Dask's workers: more threads would round differently.
        local = {"backend": "loky", "n_jobs": n_threads, "inner_max_num_threads": 1}
        refuse_other_results(results, fit(new_search(), *job.train, **local).cv_results_)
        print("check: the same search without the cluster gives exactly the same scores")


def refuse_other_results(results, local_results):
    """Exit unless all scores of two runs are equal, bit for bit."""
    for name, values in local_results.items():
        if "_test_score" in name and not np.array_equal(results[name], values, equal_nan=True):
            sys.exit(
                f"check: {name} is {results[name]} from the cluster, but {values} without it. "
                f"Only processors of another kind should cause a difference, by rounding."
            )


def write_table(results, path):
    """Write `cv_results_` as CSV, with a row for each candidate."""
    columns = {name: values for name, values in results.items() if name != "params"}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    print(f"table of all candidates: {path}")


def draw(search, ranges, path):
    """Draw the candidates by their hyper-parameters, coloured by score; a ring marks the best."""
    results = search.cv_results_
    x, y = (results[f"param_{name}"].astype(float) for name in ranges)
    # Halving lists a surviving candidate once per iteration. Its last score is drawn on top.
    scores = results["mean_test_score"]
    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    points = ax.scatter(x, y, c=scores, s=120)
    best = search.best_index_
    ax.scatter(x[best], y[best], s=320, facecolors="none", edgecolors="red")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="learning rate",
        ylabel="L2 strength (alpha)",
        title=f"{type(search).__name__}: the best candidate (ring) has {search.best_score_:.4f}",
    )
    figure.colorbar(points, label="mean validation accuracy")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"picture: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=list(RANGES), default="digits")
    parser.add_argument("--search", choices=["grid", "random", "halving"], default="grid")
    parser.add_argument(
        "--steps", type=int, default=4, help="values of each hyper-parameter in the grid"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="use a running scheduler")
    parser.add_argument(
        "--timeout", type=float, default=5.0, help="seconds to wait for the scheduler"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes to start without --scheduler"
    )
    parser.add_argument(
        "--check", action="store_true", help="also run without the cluster, and compare the scores"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("distributed_output"), help="folder for the results"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument(
        "--data-home", help="folder of CIFAR-10; default: scikit-learn's data folder"
    )
    main(parser.parse_args())
