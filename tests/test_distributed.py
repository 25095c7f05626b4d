"""Sweeps on a cluster: a real one of two worker processes, on loopback."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPT = EXAMPLES / "distributed_sweep.py"
RANGES = {"network__learning_rate": (0.003, 0.3), "network__alpha": (1e-4, 1e-1)}
X, y = load_digits(return_X_y=True)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLES))
    try:
        spec = importlib.util.spec_from_file_location("distributed_sweep", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES))
    return module


@pytest.fixture(scope="module")
def client(example):
    with example.start_cluster(2) as client:
        yield client


def make_search(example, kind):
    network = TwoLayerClassifier(20, max_iter=10, random_state=0)
    model = Pipeline([("scale", StandardScaler()), ("network", network)])
    return example.make_search(kind, model, RANGES, 3, 3, 0)


def fit_on_cluster(example, client, search):
    backend = example.DurableBackend(client=client, scatter=[X, y])
    return example.fit(search, X, y, backend=backend)


def fit_locally(example, search):
    return example.fit(search, X, y, backend="loky", n_jobs=2, inner_max_num_threads=1)


@pytest.mark.parametrize("kind", ["grid", "random", "halving"])
def test_results_are_the_local_ones(example, client, kind):
    there = fit_on_cluster(example, client, make_search(example, kind))
    here = fit_locally(example, make_search(example, kind))
    assert there.best_params_ == here.best_params_
    for name, values in here.cv_results_.items():
        if "_test_score" in name:
            assert_array_equal(there.cv_results_[name], values)


def test_a_killed_worker_loses_nothing(example, client):
    def kill():
        deadline = time.monotonic() + 60
        while not any(client.processing().values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.append(client.run(os.getpid).popitem())
        os.kill(killed[0][1], signal.SIGKILL)

    killed = []
    killer = threading.Thread(target=kill)
    killer.start()
    there = fit_on_cluster(example, client, make_search(example, "grid"))
    killer.join()
    assert killed
    here = fit_locally(example, make_search(example, "grid"))
    scores = there.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert_array_equal(scores, here.cv_results_["mean_test_score"])


def test_the_example_runs(tmp_path):
    command = [sys.executable, SCRIPT, "--steps", "2", "--check", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "gives exactly the same scores" in done.stdout
    assert (tmp_path / "candidates.png").stat().st_size > 5000
    assert len((tmp_path / "cv_results.csv").read_text().splitlines()) == 1 + 4


def test_a_scheduler_that_does_not_answer(tmp_path):
    command = [sys.executable, SCRIPT, "--scheduler", "tcp://127.0.0.1:1", "--timeout", "2"]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--output", tmp_path], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert "tcp://127.0.0.1:1 does not answer" in done.stderr
    assert time.monotonic() - start < 60


def test_without_dask(tmp_path):
    code = f"import sys; sys.modules['dask'] = None; sys.path.insert(0, {str(EXAMPLES)!r}); "
    done = subprocess.run(
        [sys.executable, "-c", code + "import distributed_sweep"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert 'pip install "sk_twolayer[dask]"' in done.stderr
