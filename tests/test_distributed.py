"""Searches on a cluster give the same results as without it, even if workers die.

All tests share one cluster, since every worker imports scikit-learn. A worker that a test kills is
replaced.
"""

import csv
import importlib
import os
import re
import runpy
import socket
import subprocess
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from multiprocessing import current_process
from pathlib import Path

import cloudpickle
import dask
import joblib
import numpy as np
import psutil
import pytest
from distributed import KilledWorker
from distributed.diagnostics.plugin import SchedulerPlugin
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier

EXAMPLES = Path(__file__).parent.parent / "examples"
EXAMPLE = EXAMPLES / "distributed_sweep.py"

X, y = (array[:600] for array in load_digits(return_X_y=True))


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLES))  # as Python does when it runs a script
    yield importlib.import_module("distributed_sweep")
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def shared_client(example):
    # On a busy machine it may take longer to replace a worker than Dask waits for.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        example.start_cluster(2) as client,
    ):
        yield client


@pytest.fixture
def client(shared_client):
    """Return the client of the cluster, all of whose workers are alive."""
    shared_client.wait_for_workers(2, timeout=60)
    return shared_client


@contextmanager
def attached(client, plugin):
    """Attach a plugin to the scheduler while the context is open."""
    scheduler = client.cluster.scheduler
    scheduler.add_plugin(plugin, name="plugin of a test")
    try:
        yield plugin
    finally:
        scheduler.remove_plugin("plugin of a test")


def make_search(example, kind, steps=3, **options):
    network = TwoLayerClassifier(random_state=0, **{"max_iter": 10, **options})
    model = Pipeline([("standardise", StandardScaler()), ("network", network)])
    return example.make_search(kind, model, example.RANGES["digits"], splits=3, steps=steps, seed=0)


def fit(example, client, search, X=X, y=y):
    return example.fit(search, X, y, backend=example.DurableBackend(client=client, scatter=[X, y]))


@cache
def fit_locally(example, kind):
    """Fit a search in this process, in one thread. Workers also use one."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_search(example, kind).fit(X, y)


def assert_same_results(search, local):
    scores = [name for name in local.cv_results_ if "_test_score" in name]
    assert len(scores) == 3 + 3  # three splits; mean, deviation and rank
    for name in scores:
        assert_array_equal(search.cv_results_[name], local.cv_results_[name])
    assert search.cv_results_["params"] == local.cv_results_["params"]
    assert search.best_params_ == local.best_params_
    assert_array_equal(search.predict_proba(X), local.predict_proba(X))


@pytest.mark.parametrize("kind", ["grid", "random", "halving"])
def test_results_equal_those_without_a_cluster(kind, example, client):
    search = fit(example, client, make_search(example, kind))
    assert_same_results(search, fit_locally(example, kind))


def is_batch_of_fits(key):
    return str(key).startswith("batch_of__fit_and_score")


class Traffic(SchedulerPlugin):
    """Record the sizes of tasks that are sent to workers, and of data that workers keep."""

    def __init__(self, scheduler):
        self.scheduler, self.sizes_of_tasks, self.sizes_of_data = scheduler, [], []

    def transition(self, key, start, finish, *args, **options):
        task = self.scheduler.tasks[key]
        if is_batch_of_fits(key) and finish == "processing":
            self.sizes_of_tasks.append(len(cloudpickle.dumps(task.run_spec)))
        elif not is_batch_of_fits(key) and finish == "memory":
            self.sizes_of_data.append(task.nbytes)


def test_data_travels_to_each_worker_once(example, client):
    fewer = X[:-1].copy()  # no other test sends data of this size
    with attached(client, Traffic(client.cluster.scheduler)) as traffic:
        fit(example, client, make_search(example, "grid"), fewer, y[:-1])
    assert len(traffic.sizes_of_tasks) > 4
    assert max(traffic.sizes_of_tasks) < fewer.nbytes / 20
    assert traffic.sizes_of_data.count(fewer.nbytes) == 1  # from the scheduler to one worker
    logs = client.run(lambda dask_worker: list(dask_worker.transfer_incoming_log)).values()
    passed_on = [size for log in logs for transfer in log for size in transfer["keys"].values()]
    assert passed_on.count(fewer.nbytes) <= 1  # from that worker to the other


class Killer(SchedulerPlugin):
    """Kill worker processes as soon as the first fits are done."""

    def __init__(self, pids):
        self.pids, self.n_done = pids, 0

    def transition(self, key, start, finish, *args, **options):
        if is_batch_of_fits(key) and (start, finish) == ("processing", "memory"):
            self.n_done += 1
            if self.n_done == 3:
                for pid in self.pids:
                    psutil.Process(pid).kill()


@pytest.mark.parametrize("n_killed", [1, 2])
def test_killed_workers_lose_nothing(n_killed, example, client):
    pids = list(client.run(os.getpid).values())[:n_killed]
    search = make_search(example, "grid")
    with attached(client, Killer(pids)) as killer:
        fit(example, client, search)
    assert killer.n_done > 3
    client.wait_for_workers(2, timeout=60)
    assert not set(pids) & set(client.run(os.getpid).values())  # new processes replace them
    assert_same_results(search, fit_locally(example, "grid"))


def test_a_task_that_kills_its_workers_is_given_up(example, client, monkeypatch):
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    backend = example.DurableBackend(client=client)
    with joblib.parallel_config(backend), pytest.raises(KilledWorker):
        joblib.Parallel()([joblib.delayed(os._exit)(1)])


def test_workers_are_not_the_main_process(client):
    """A fit handles Ctrl-C only in the process with this name."""
    name = client.submit(lambda: current_process().name, pure=False).result(timeout=60)
    assert name != "MainProcess"


@pytest.mark.callbacks
def test_callbacks_and_warnings_cross_the_cluster(example, client, capsys):
    from sklearn.callback import ProgressBar

    search = make_search(example, "grid", steps=2, max_iter=2).set_callbacks(ProgressBar())
    search.set_params(error_score="raise")
    # With the default schedule a fit ends as planned, and gives no ConvergenceWarning.
    search.set_params(estimator__network__learning_rate_schedule="exponential")
    backend = example.DurableBackend(client=client, scatter=[X, y])
    with joblib.parallel_config(backend), pytest.warns(ConvergenceWarning):  # from the refit
        search.fit(X, y)
    assert "candidate-split-evaluation" in capsys.readouterr().out
    with joblib.parallel_config(backend), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # the filter reaches the workers
        with pytest.raises(ConvergenceWarning):
            search.fit(X, y)


# The example.


def read_table(folder):
    """Return the candidates in the table of the example, each as a dictionary."""
    with (folder / "cv_results.csv").open() as file:
        return list(csv.DictReader(file))


def run_here(monkeypatch, *arguments):
    """Run the example in this process, which has imported its packages already."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *map(str, arguments)])
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLE), run_name="__main__")


def test_the_example(tmp_path):
    command = [sys.executable, EXAMPLE, "--steps", "1", "--workers", "1", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "best candidate: network__alpha=" in done.stdout
    assert "the sweep took" in done.stdout
    assert re.search(r"Done +5 out of +5", done.stderr)  # progress: 1 candidate, 5 splits
    (candidate,) = read_table(tmp_path)
    assert f"validation accuracy {float(candidate['mean_test_score']):.4f}" in done.stdout
    assert (tmp_path / "candidates.png").stat().st_size > 5000


def test_the_example_joins_a_running_scheduler(example, client, tmp_path, monkeypatch, capsys):
    make_job = example.digits

    def make_small_job(seed, data_home):
        job = make_job(seed, data_home)
        job.train = X, y
        job.network.set_params(max_iter=5)
        return job

    monkeypatch.setattr(sys.modules["sweep"], "digits", make_small_job)
    address = client.scheduler.address
    options = ["--search", "halving", "--steps", 2, "--check", "--output", tmp_path]
    run_here(monkeypatch, "--scheduler", address, *options)
    printed = capsys.readouterr().out
    assert f"2 fits at a time on the workers of {address}" in printed
    assert len(client.nthreads()) == 2  # the example leaves the workers alive
    candidates = read_table(tmp_path)
    assert [row["iter"] for row in candidates] == ["0"] * 4 + ["1"] * 2
    best = max(float(row["mean_test_score"]) for row in candidates[4:])
    assert f"validation accuracy {best:.4f}" in printed
    assert "gives exactly the same scores" in printed


@pytest.mark.parametrize(
    ("listens", "reason"),
    [(False, "refused"), (True, "something listens there, but does not greet like a scheduler")],
)
def test_a_scheduler_that_does_not_answer(listens, reason, tmp_path, monkeypatch):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # without listening, connections are refused
        if listens:
            server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SystemExit) as ended:
            run_here(monkeypatch, "--scheduler", address, "--timeout", 1, "--output", tmp_path)
    advice = "dask scheduler", "raise --timeout 1"
    for part in (f"--scheduler {address} does not answer", reason, *advice):
        assert part in ended.value.code


def test_an_address_with_an_unknown_scheme(example):
    message = "does not answer: unknown address scheme 'udp'"
    with pytest.raises(SystemExit, match=message), example.join_cluster("udp://127.0.0.1:1", 1):
        pass


def test_a_scheduler_without_workers(example, monkeypatch):
    wait = example.DurableClient.wait_for_workers

    def wait_briefly(self, n_workers, timeout):  # only the greeting needs a long timeout
        wait(self, n_workers, timeout=0.1)

    monkeypatch.setattr(example.DurableClient, "wait_for_workers", wait_briefly)
    with example.start_cluster(0) as client:
        address = client.scheduler.address
        message = f"has no workers after --timeout 60 seconds.*dask worker {address}"
        with pytest.raises(SystemExit, match=message), example.join_cluster(address, 60):
            pass


def test_workers_with_another_version(example, client, monkeypatch):
    monkeypatch.setattr(example, "version", {"sk_twolayer": "9.9"}.get)
    with pytest.raises(SystemExit, match=r"sk_twolayer is 9\.9 here, but .* at the scheduler"):
        example.refuse_other_versions(client)


def test_results_that_differ(example):
    results = {"mean_fit_time": np.array([1.0]), "mean_test_score": np.array([0.5])}
    example.refuse_other_results(results, {**results, "mean_fit_time": np.array([2.0])})
    with pytest.raises(SystemExit, match=r"mean_test_score is \[0.5\] from the cluster"):
        example.refuse_other_results(results, {"mean_test_score": np.nextafter([0.5], 1)})


@pytest.mark.parametrize("missing", ["dask", "distributed"])
def test_without_dask(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as ended:
        run_here(monkeypatch)
    assert "pip install dask distributed" in ended.value.code


@pytest.mark.parametrize("missing", ["dask", "distributed"])
def test_help_needs_no_dask(missing, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as ended:
        run_here(monkeypatch, "--help")
    assert not ended.value.code
    assert "--scheduler ADDRESS" in capsys.readouterr().out
