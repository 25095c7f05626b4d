"""A sweep on a cluster: scikit-learn searches, the fits run on the workers of Dask.

A search over learning rate and L2 strength runs on a cluster that this script starts on
this machine, or on a running one: start `dask scheduler` on a machine, `dask worker ADDRESS`
on others, all with the same versions of everything, and pass `--scheduler ADDRESS`. An
open scheduler lets anyone who can reach it run code: use it in a network you trust, or with the TLS
of Dask's configuration.

joblib's Dask backend needs help to survive the loss of workers, which the two classes below
give; they work for any search, and for anything else that uses joblib. Workers may then die
and come back, one or all: what they were working on is done again, and the results are the
same, which `--check` proves by a second run without the cluster. With no workers left, the
sweep waits for new ones.
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
from sweep import cifar10, digits

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, Security
    from distributed.comm import get_address_host_port
    from distributed.core import connect
    from joblib._dask import DaskDistributedBackend  # known in public by the name "dask" alone
    from toolz import identity

    missing = None
except ImportError as error:  # --help needs no Dask
    missing, Client, DaskDistributedBackend = error, object, object

# The lowest and the highest value of each hyper-parameter; the scale between is logarithmic.
RANGES = {
    "digits": {"network__learning_rate": (0.003, 0.3), "network__alpha": (1e-4, 1e-1)},
    "cifar10": {"network__learning_rate": (5e-4, 2e-3), "network__alpha": (0.1, 1.0)},
}


class DurableClient(Client):
    """A client of Dask whose scattered data outlives the workers that hold it.

    Data that `Client.scatter` has sent is lost with the last worker that holds it, and all
    tasks that need it are cancelled. joblib scatters X and y to all workers, but the row
    numbers of each split to a single one. Here data is the result of a task instead: workers
    pass it on as before, and if it is lost, the scheduler, which keeps one copy, sends it anew.
    """

    def scatter(self, data, asynchronous=False, **options):
        async def scatter_one():
            return self.submit(identity, data, pure=False)

        if asynchronous:  # how joblib scatters what it finds among the arguments of a task
            return scatter_one()
        return [self.submit(identity, item, pure=False) for item in data]


class DurableBackend(DaskDistributedBackend):
    """joblib's Dask backend, except that it does not wait forever for a task Dask gave up.

    joblib waits for a callback, and calls it only if the task itself returned or raised.
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
    """Start workers on this machine, which no other machine can reach."""
    # The memory manager drops copies of the data from workers that do not need them at the
    # moment, so that they would have to be sent again.
    with dask.config.set({"distributed.scheduler.active-memory-manager.start": False}):
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # a free port, so that two sweeps do not clash
        )
    with cluster, DurableClient(cluster) as client:
        yield client


@contextmanager
def join_cluster(address, timeout):
    """Connect to a running scheduler; exit with advice if it or its workers do not answer."""
    try:
        asyncio.run(greet(address, timeout))
        client = DurableClient(address, timeout=timeout)
    except (OSError, ValueError) as error:
        sys.exit(
            f"The scheduler at --scheduler {address} does not answer: "
            f"{explain(error, address, timeout)}. Nothing "
            f"was run. Is `dask scheduler` running there, does it print this very address, and "
            f"does no firewall lie between? If it is only slow, raise --timeout {timeout:g}. "
            f"Without --scheduler, a cluster is started on this machine."
        )
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError:
            sys.exit(
                f"The scheduler at {address} has no workers after --timeout {timeout:g} seconds, "
                f"so that nothing would ever run. Start some with: dask worker {address}"
            )
        refuse_other_versions(client)
        yield client


async def greet(address, timeout):
    """Exchange greetings with a scheduler, in a time that Dask's own timeout does not bound."""
    async with asyncio.timeout(timeout + 1):
        options = Security().get_connection_args("client")
        comm = await connect(address, timeout=timeout, **options)
        await comm.close()


def explain(error, address, timeout):
    """Say why there was no connection, by trying a plain one.

    Dask reports the last of its attempts, which may only have been cut short by the deadline.
    """
    if isinstance(error, ValueError):  # the address is none
        return str(error)
    try:
        socket.create_connection(get_address_host_port(address), timeout).close()
    except OSError as reason:
        return str(reason)
    detail = f" ({error})" if str(error) else ""
    return f"something listens there, but does not greet like a scheduler{detail}"


def refuse_other_versions(client):
    """Exit if a part of the cluster could not load our pickles: Dask would retry forever."""
    ours = {name: version(name) for name in ("sk_twolayer", "scikit-learn", "numpy")}
    report = client.get_versions(packages=list(ours))
    for address, machine in {"the scheduler": report["scheduler"], **report["workers"]}.items():
        for name, our_version in ours.items():
            theirs = machine["packages"].get(name)
            if theirs != our_version:
                sys.exit(
                    f"{name} is {our_version} here, but {theirs or 'not installed'} at {address}: "
                    f"models could not travel, or would train differently. Install there: "
                    f"pip install {name}=={our_version}"
                )


def make_search(kind, model, ranges, splits, steps, seed):
    """Make the search: `steps` values of each hyper-parameter, or as many candidates at random."""
    if kind == "random":
        space = {name: loguniform(*limits) for name, limits in ranges.items()}
        n_candidates = steps ** len(ranges)
        return RandomizedSearchCV(model, space, n_iter=n_candidates, cv=splits, random_state=seed)
    grid = {name: np.geomspace(*limits, steps) for name, limits in ranges.items()}
    if kind == "halving":
        return HalvingGridSearchCV(model, grid, cv=splits, random_state=seed)
    return GridSearchCV(model, grid, cv=splits)


def fit(search, X, y, **backend):
    """Fit a search on a backend of joblib with a line of progress now and then."""
    with warnings.catch_warnings(), joblib.parallel_config(**backend, verbose=10):
        # Halving compares candidates on few rows first, where they need not converge.
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
    model = Pipeline([*job.preparation, ("network", job.network)])

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
            f"{arguments.dataset}: {len(job.train[0])} training rows; {arguments.search} search, "
            f"{n_threads} fits at a time on the workers of {client.scheduler.address}",
            flush=True,
        )
        start = time.perf_counter()
        # Dask warns that X belongs into `scatter`, which is where it comes from.
        warnings.filterwarnings("ignore", "Sending large graph")
        try:
            backend = DurableBackend(client=client, scatter=job.train)
            search = fit(new_search(), *job.train, backend=backend)
        except KilledWorker as error:
            sys.exit(
                f"A fit was given up, as every worker that tried it died: {error}. It may need "
                f"more memory than a worker has: try fewer --workers, or a smaller network."
            )
        except CancelledError as error:
            sys.exit(
                f"The sweep was cut off: {error} Workers may die and come back, but what the "
                f"scheduler knew is gone with it: run the sweep again."
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
        # As Dask's workers do, one thread computes each fit: more would round differently.
        local = {"backend": "loky", "n_jobs": n_threads, "inner_max_num_threads": 1}
        refuse_other_results(results, fit(new_search(), *job.train, **local).cv_results_)
        print("check: the same search without the cluster gives exactly the same scores")


def refuse_other_results(results, local_results):
    """Exit unless all scores of two runs are equal, to the last bit."""
    for name, values in local_results.items():
        if "_test_score" in name and not np.array_equal(results[name], values, equal_nan=True):
            sys.exit(
                f"check: {name} is {results[name]} from the cluster, but {values} without it. "
                f"Processors of another kind round differently; all else should be the same."
            )


def write_table(results, path):
    """Write `cv_results_` as CSV, a row per candidate."""
    columns = {name: values for name, values in results.items() if name != "params"}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    print(f"table of all candidates: {path}")


def draw(search, ranges, path):
    """Draw the candidates by their hyper-parameters, coloured by score, the best one ringed."""
    results = search.cv_results_
    x, y = (results[f"param_{name}"].astype(float) for name in ranges)
    # Halving lists a surviving candidate once per iteration; its last score is drawn on top.
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
        title=f"{type(search).__name__}: the best candidate, ringed, has {search.best_score_:.4f}",
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
    parser.add_argument("--scheduler", metavar="ADDRESS", help="join this one, start none")
    parser.add_argument(
        "--timeout", type=float, default=5.0, help="seconds to wait for the scheduler's answer"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes to start without --scheduler"
    )
    parser.add_argument(
        "--check", action="store_true", help="run it without the cluster too, and compare"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("distributed_output"), help="folder for the results"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument(
        "--data-home", help="where CIFAR-10 is kept; scikit-learn's folder if unset"
    )
    main(parser.parse_args())
