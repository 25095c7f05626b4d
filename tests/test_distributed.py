"""Searches on a real cluster give what they give without it, whatever happens to the workers."""

import csv
import importlib
import os
import re
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import cloudpickle
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

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.training.interrupts import in_main_process

EXAMPLES = Path(__file__).parent.parent / "examples"
EXAMPLE = EXAMPLES / "distributed_sweep.py"

X, y = (rows[:600] for rows in load_digits(return_X_y=True))


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLES))  # as Python does for a script
    yield importlib.import_module("distributed_sweep")
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def client(example):
    with example.start_cluster(2) as client:
        yield client


@pytest.fixture
def own_client(example):
    """A cluster for one test, which may harm its workers or count what they do."""
    with example.start_cluster(2) as client:
        yield client


def make_search(example, kind, steps=3, **options):
    network = TwoLayerClassifier(random_state=0, **{"max_iter": 10, **options})
    model = Pipeline([("standardise", StandardScaler()), ("network", network)])
    return example.make_search(kind, model, example.RANGES["digits"], splits=3, steps=steps, seed=0)


def fit(example, client, search, X=X, y=y):
    return example.fit(search, X, y, backend=example.DurableBackend(client=client, scatter=[X, y]))


def fit_locally(example, search):
    return example.fit(search, X, y, backend="loky", n_jobs=2, inner_max_num_threads=1)


def assert_same_results(search, local):
    scores = [name for name in local.cv_results_ if "_test_score" in name]
    assert len(scores) == 3 + 3  # of each split; mean, deviation, rank
    for name in scores:
        assert_array_equal(search.cv_results_[name], local.cv_results_[name])
    assert search.cv_results_["params"] == local.cv_results_["params"]
    assert search.best_params_ == local.best_params_
    assert_array_equal(search.predict_proba(X), local.predict_proba(X))


@pytest.mark.parametrize("kind", ["grid", "random", "halving"])
def test_results_are_those_without_a_cluster(kind, example, client):
    search = fit(example, client, make_search(example, kind))
    assert_same_results(search, fit_locally(example, make_search(example, kind)))


def is_batch_of_fits(key):
    return str(key).startswith("batch_of__fit_and_score")


class Traffic(SchedulerPlugin):
    """Notes the sizes of the tasks that go to workers, and of the data that is kept there."""

    def __init__(self, scheduler):
        self.scheduler, self.sizes_of_tasks, self.sizes_of_data = scheduler, [], []

    def transition(self, key, start, finish, *args, **options):
        task = self.scheduler.tasks[key]
        if is_batch_of_fits(key) and finish == "processing":
            self.sizes_of_tasks.append(len(cloudpickle.dumps(task.run_spec)))
        elif not is_batch_of_fits(key) and finish == "memory":
            self.sizes_of_data.append(task.nbytes)


def test_data_travels_to_each_worker_once(example, own_client):
    scheduler, rows = own_client.cluster.scheduler, X.copy()
    traffic = Traffic(scheduler)
    scheduler.add_plugin(traffic)
    fit(example, own_client, make_search(example, "grid"), rows)
    assert len(traffic.sizes_of_tasks) > 4
    assert max(traffic.sizes_of_tasks) < rows.nbytes / 20
    assert traffic.sizes_of_data.count(rows.nbytes) == 1  # from the scheduler to one worker
    logs = own_client.run(lambda dask_worker: list(dask_worker.transfer_incoming_log)).values()
    passed_on = [size for log in logs for transfer in log for size in transfer["keys"].values()]
    assert passed_on.count(rows.nbytes) <= 1  # from that worker to the other


class Killer(SchedulerPlugin):
    """Kills worker processes as soon as the first fits are done."""

    def __init__(self, pids):
        self.pids, self.n_done = pids, 0

    def transition(self, key, start, finish, *args, **options):
        if is_batch_of_fits(key) and (start, finish) == ("processing", "memory"):
            self.n_done += 1
            if self.n_done == 3:
                for pid in self.pids:
                    psutil.Process(pid).kill()


@pytest.mark.parametrize("n_killed", [1, 2])
def test_killed_workers_lose_nothing(n_killed, example, own_client):
    pids = list(own_client.run(os.getpid).values())[:n_killed]
    killer = Killer(pids)
    own_client.cluster.scheduler.add_plugin(killer)
    search = make_search(example, "grid")
    fit(example, own_client, search)
    assert killer.n_done > 3
    own_client.wait_for_workers(2, timeout=60)
    assert not set(pids) & set(own_client.run(os.getpid).values())  # others are in their places
    assert_same_results(search, fit_locally(example, make_search(example, "grid")))


def test_a_task_that_kills_its_workers_is_given_up(example, own_client, monkeypatch):
    monkeypatch.setattr(own_client.cluster.scheduler, "allowed_failures", 0)
    backend = example.DurableBackend(client=own_client)
    with joblib.parallel_config(backend), pytest.raises(KilledWorker):
        joblib.Parallel()([joblib.delayed(os._exit)(1)])


def test_workers_are_not_the_main_process(client):
    assert not client.submit(in_main_process, pure=False).result(timeout=60)


@pytest.mark.callbacks
def test_callbacks_and_warnings_cross_the_cluster(example, client, capsys):
    from sklearn.callback import ProgressBar

    search = make_search(example, "grid", steps=2, max_iter=2).set_callbacks(ProgressBar())
    search.set_params(error_score="raise")
    # A plan that is carried out warns of nothing.
    search.set_params(estimator__network__learning_rate_schedule="exponential")
    backend = example.DurableBackend(client=client, scatter=[X, y])
    with joblib.parallel_config(backend), pytest.warns(ConvergenceWarning):  # of the refit
        search.fit(X, y)
    assert "candidate-split-evaluation" in capsys.readouterr().out
    with joblib.parallel_config(backend), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # which reaches the fits on the workers
        with pytest.raises(ConvergenceWarning):
            search.fit(X, y)


# What the example says to who runs it.


def run(*arguments, prelude=None):
    command = [sys.executable, EXAMPLE]
    if prelude is not None:
        start = f"import runpy, sys; sys.path.insert(0, {str(EXAMPLES)!r})"
        script = f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
        command = [sys.executable, "-c", f"{start}; {prelude}; {script}"]
    command += [str(argument) for argument in arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_the_example(tmp_path):
    done = run("--steps", 2, "--check", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "best candidate: network__alpha=" in done.stdout
    assert "the sweep took" in done.stdout
    assert "gives exactly the same scores" in done.stdout
    assert re.search(r"Done +20 out of +20", done.stderr)  # progress: 4 candidates, 5 splits
    with (tmp_path / "cv_results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    best = max(float(row["mean_test_score"]) for row in rows)
    assert f"validation accuracy {best:.4f}" in done.stdout
    assert (tmp_path / "candidates.png").stat().st_size > 5000


def test_the_example_joins_a_running_scheduler(client, tmp_path):
    address = client.scheduler.address
    options = ["--search", "halving", "--steps", 2, "--output", tmp_path]
    done = run("--scheduler", address, *options)
    assert done.returncode == 0, done.stderr
    assert f"2 fits at a time on the workers of {address}" in done.stdout
    assert len(client.nthreads()) == 2  # the workers are not the example's to stop


@pytest.mark.parametrize(
    ("listens", "reason"),
    [(False, "refused"), (True, "something listens there, but does not greet like a scheduler")],
)
def test_a_scheduler_that_does_not_answer(listens, reason, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # whoever does not listen refuses, but keeps the port
        if listens:
            server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = run("--scheduler", address, "--timeout", 1, "--output", tmp_path)
    assert done.returncode == 1
    advice = "dask scheduler", "raise --timeout 1"
    for part in (f"--scheduler {address} does not answer", reason, *advice):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_of_no_kind(example):
    message = "does not answer: unknown address scheme 'udp'"
    with pytest.raises(SystemExit, match=message), example.join_cluster("udp://127.0.0.1:1", 1):
        pass


def test_a_scheduler_without_workers(example, monkeypatch):
    wait = example.DurableClient.wait_for_workers

    def wait_briefly(self, n_workers, timeout):  # the time-out is long for the greeting alone
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
def test_without_dask(missing):
    done = run(prelude=f"sys.modules[{missing!r}] = None")
    assert done.returncode == 1
    assert "pip install dask distributed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["dask", "distributed"])
def test_help_needs_no_dask(missing):
    done = run("--help", prelude=f"sys.modules[{missing!r}] = None")
    assert done.returncode == 0, done.stderr
    assert "--scheduler ADDRESS" in done.stdout
