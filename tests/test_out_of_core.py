"""Memory-mapped samples give the same results as samples in memory, and are never copied whole."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from math import inf, isnan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sk_twolayer import TwoLayerClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXAMPLE = Path(__file__).parent.parent / "examples" / "out_of_core.py"
ARGUMENTS = {"output": None, "gigabytes": 0.02, "dtype": "float32", "epochs": 1, "seed": 0}
DTYPES = ["uint8", "float32"]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports private memory")


def map_file(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def make_samples(dtype, n_samples=700, n_features=30):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n_samples)
    X = rng.integers(6, size=(n_samples, n_features))
    X += 2 * (np.arange(n_features) % 3 == y[:, np.newaxis])
    return X.astype(dtype), np.array(["ant", "bee", "fly"])[y]


def assert_same_network(model, other):
    for name in ("coefs_", "intercepts_"):
        for array, expected in zip(getattr(model, name), getattr(other, name), strict=True):
            assert_array_equal(array, expected)
    assert model.batch_loss_curve_ == other.batch_loss_curve_
    assert model.validation_scores_ == other.validation_scores_


# A read-only mapped file gives the same results as memory, bit for bit.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "adam", "dropout": 0.2},
        {"solver": "lbfgs"},
        {"early_stopping": True},
        {"replacement": True, "batch_size": 20},
    ],
    ids=str,
)
def test_fit_and_predict(dtype, options, tmp_path):
    X, y = make_samples(dtype)
    mapped = map_file(X, tmp_path)
    assert not mapped.flags.writeable
    w = np.random.default_rng(1).uniform(size=len(y))
    in_memory = TwoLayerClassifier(20, max_iter=5, random_state=0, **options)
    model = TwoLayerClassifier(20, max_iter=5, random_state=0, **options)
    assert_same_network(model.fit(mapped, y, w), in_memory.fit(X, y, w))
    assert in_memory.score(X, y) > 0.5
    for method in ("predict", "predict_proba", "decision_function"):
        result = getattr(model, method)(mapped)
        assert not isinstance(result, np.memmap)
        assert_array_equal(result, getattr(in_memory, method)(X))
    assert_array_equal(np.load(tmp_path / "X.npy"), X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_validation_samples(dtype, tmp_path):
    X, y = make_samples(dtype)
    mapped = map_file(X, tmp_path)
    models = [TwoLayerClassifier(20, max_iter=5, random_state=0) for _ in range(2)]
    models[0].fit(mapped[:500], y[:500], X_val=mapped[500:], y_val=y[500:])
    models[1].fit(X[:500], y[:500], X_val=X[500:], y_val=y[500:])
    assert_same_network(*models)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit(dtype, solver, tmp_path):
    X, y = make_samples(dtype)
    mapped = map_file(X, tmp_path)
    models = [TwoLayerClassifier(20, solver=solver, random_state=0) for _ in range(2)]
    for chunk in (slice(0, 300), slice(300, 301), slice(301, None)):
        for model, source in zip(models, (mapped, X), strict=True):
            model.partial_fit(source[chunk], y[chunk], classes=["ant", "bee", "fly"])
    assert_same_network(*models)


# Private memory does not grow with the file.

MEASURE = """
import importlib.util, json, sys, warnings
import numpy as np
from sk_twolayer import TwoLayerClassifier

path, example, dtype = sys.argv[1:]
spec = importlib.util.spec_from_file_location("example", example)
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)
warnings.simplefilter("ignore")

n_samples = 2**27 // 4096 // np.dtype(dtype).itemsize
y = np.arange(n_samples) % 3
X = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(n_samples, 4096))
for start in range(0, n_samples, 1000):
    X[start : start + 1000] = y[start : start + 1000, np.newaxis]
del X
X = np.load(path, mmap_mode="r")
options = {"max_iter": 1, "max_updates": 10, "random_state": 0}
fitted = TwoLayerClassifier(10, **options).fit(X[:300], y[:300])  # imports what a fit needs
fitted.predict(X[:300])

jobs = {
    "fit": lambda: TwoLayerClassifier(10, **options).fit(X, y),
    "balanced": lambda: TwoLayerClassifier(10, class_weight="balanced", **options).fit(X, y),
    "early stopping": lambda: TwoLayerClassifier(10, early_stopping=True, **options).fit(X, y),
    "lbfgs": lambda: TwoLayerClassifier(3, solver="lbfgs", max_updates=1).fit(X, y),
    "partial_fit": lambda: TwoLayerClassifier(10).partial_fit(X, y, classes=[0, 1, 2]),
    "predict": lambda: fitted.predict(X),
    "predict_proba": lambda: fitted.predict_proba(X),
    "score": lambda: fitted.score(X, y),
}
grown = {}
for name, job in jobs.items():
    before = example.memory("RssAnon")
    with example.Phase(name) as phase:
        job()
    grown[name] = phase.private - before
print(json.dumps(grown))
"""


@on_linux
@pytest.mark.parametrize("dtype", DTYPES)
def test_private_memory_stays_far_below_the_size_of_the_file(dtype, tmp_path):
    path = tmp_path / "X.npy"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path, EXAMPLE, dtype],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size > 2**27
    path.unlink()  # pytest would keep the file
    grown = json.loads(done.stdout.splitlines()[-1])
    assert len(grown) == 8
    # A copy as bytes would take 128 MB. The buffers of "lbfgs" take 30 to 60 MB.
    assert {name: mb for name, mb in grown.items() if not mb < 100} == {}


# The example.


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Return the example as a module that creates its temporary folders in tmp_path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spec = importlib.util.spec_from_file_location("out_of_core", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment_with_temporary_files_in(folder):
    """Return the environment of a process; Windows reads TEMP or TMP, other systems TMPDIR."""
    return os.environ | dict.fromkeys(["TMPDIR", "TEMP", "TMP"], str(folder))


def test_the_example_prints_what_it_found(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--gigabytes", "0.03", "--epochs", "1", "--dtype", "uint8"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment_with_temporary_files_in(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    printed = done.stdout
    assert printed.count("100 %") == 2
    for phase in ("write", "fit", "predict", "partial_fit"):
        assert f"\n{phase}: " in printed
    *_, accuracy, memory = printed.splitlines()
    assert float(accuracy.split()[1]) > 0.5
    assert "a file of 31 MB took at most " in memory
    if sys.platform == "linux":
        private, total = (float(word) for word in memory.split()[8:] if word.isdigit())
        assert 20 < private < total < 1000


def test_the_streamed_accuracy_is_measured_before_the_samples_are_trained_on(example):
    class Memoriser:
        """A model that predicts only the samples it was trained on."""

        seen = 0

        def predict(self, X):
            return np.where(X[:, 0] < self.seen, X[:, 0], -1)

        def partial_fit(self, X, y, classes):
            self.seen = X[-1, 0] + 1

    y = np.arange(2500)
    assert example.test_then_train(Memoriser(), y[:, np.newaxis], y) == 0


@pytest.mark.parametrize("n_samples", [1, 999, 1000, 1001, 2345])
def test_chunks_cover_all_samples_and_progress_ends_at_100(example, n_samples, capsys):
    covered = [np.arange(n_samples)[chunk] for chunk in example.chunks(n_samples, "done")]
    assert_array_equal(np.concatenate(covered), np.arange(n_samples))
    assert capsys.readouterr().out.splitlines()[-1] == "done  100 %"


def test_the_file_is_kept_in_a_chosen_folder(example, tmp_path, capsys):
    example.main(**ARGUMENTS | {"output": tmp_path / "new" / "folder"})
    X = np.load(tmp_path / "new" / "folder" / "pictures.npy", mmap_mode="r")
    assert X.shape == (1310, 4096)
    assert X.dtype == np.float32
    assert_array_equal(np.unique(X), [0, 1])
    *_, accuracy, memory = capsys.readouterr().out.splitlines()
    assert float(accuracy.split()[1]) > 0.5
    assert "took at most" in memory


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("where", ["write_pictures", "test_then_train"])
def test_the_temporary_folder_is_deleted_after_an_error(
    example, where, error, tmp_path, monkeypatch
):
    seen = []

    def fail(*args):
        seen.extend(tmp_path.iterdir())
        raise error

    monkeypatch.setattr(example, where, fail)
    with pytest.raises(type(error)):
        example.main(**ARGUMENTS)
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows sends SIGINT to no other process")
def test_the_temporary_folder_is_deleted_after_ctrl_c(tmp_path):
    with subprocess.Popen(
        [sys.executable, EXAMPLE, "--gigabytes", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_with_temporary_files_in(tmp_path),
    ) as process:
        assert process.stdout.readline() == "written   10 %\n"
        assert len(list(tmp_path.glob("*/pictures.npy"))) == 1
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused_before_anything_is_written(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**24))
    wanted = r"0\.02 GB free, too little for a file of 0\.03 GB.*--output.*--gigabytes"
    with pytest.raises(SystemExit, match=wanted):
        example.main(**ARGUMENTS | {"output": tmp_path, "gigabytes": 0.03})
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("gigabytes", [-1, 0, 0.001])
def test_a_file_that_is_too_small_is_refused(example, gigabytes, tmp_path):
    with pytest.raises(SystemExit, match=f"--gigabytes {gigabytes} is .* samples: too few"):
        example.main(**ARGUMENTS | {"gigabytes": gigabytes})
    assert list(tmp_path.iterdir()) == []


@on_linux
def test_a_phase_measures_private_memory_that_is_soon_freed(example, capsys):
    with example.Phase("idle") as idle:
        pass
    with example.Phase("busy") as busy:
        held = np.ones(2**23)
        deadline = time.monotonic() + 60
        while busy.private - idle.private <= 40 and time.monotonic() < deadline:
            time.sleep(0.01)  # until the sampling thread has run
        del held
    assert 40 < busy.private - idle.private < 200
    assert busy.private <= busy.total < inf
    assert capsys.readouterr().out.count("peak memory") == 2


def test_other_systems_report_that_memory_was_not_measured(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(example, "STATUS", tmp_path / "nowhere")
    assert isnan(example.memory("RssAnon"))
    example.main(**ARGUMENTS)
    printed = capsys.readouterr().out
    assert "took at most nan MB of private memory and nan MB in total" in printed
    assert "only Linux" in printed.splitlines()[-1]
