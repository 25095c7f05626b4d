"""The examples run, and print what they found and where they saved it."""

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import datasets

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example as a script in this process and returns its output.

    A subprocess would spend more time on imports than on the example.
    """
    monkeypatch.syspath_prepend(EXAMPLES)  # as Python does when it runs a script

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def few_digits(monkeypatch):
    """Reduce the data set of the examples to its first 800 images."""
    X, y = datasets.load_digits(return_X_y=True)
    monkeypatch.setattr(datasets, "load_digits", lambda return_X_y: (X[:800], y[:800]))


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_help(script, run, capsys):
    with pytest.raises(SystemExit) as ended:
        run(script, "--help")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "--output" in printed
    assert len(printed) > 300


def test_toy_model(tmp_path):
    """This example runs in a subprocess, as if a person ran it."""
    command = [sys.executable, EXAMPLES / "toy_model.py", "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "1.30378789133 | 1.30378789133" in done.stdout
    assert "0.01714960793873" in done.stdout
    assert (tmp_path / "toy_loss.png").stat().st_size > 5000


def test_sweep(run, few_digits, tmp_path):
    printed = run("sweep.py", "--output", tmp_path, "--n-jobs", 2)
    assert printed.count("diverged") == 3
    assert "a fresh process agrees" in printed
    best = float(printed.split("test accuracy ")[1].split()[0])
    assert best > 0.94
    assert "Pipeline - fit" not in printed  # the bar of a diverged fit would stay at a half
    # The story of the exercise: a slow fall, and no gap between training and validation.
    start, end = (float(printed.split(words)[1].split()[0]) for words in ("loss ", "-> "))
    training, validation = (float(printed.split("accuracy ")[1].split()[i]) for i in (0, 4))
    assert 0.7 * start < end < 0.95 * start
    assert abs(training - validation) < 0.1
    assert 0.2 < validation < 0.8
    for picture in ("naive_loss", "naive_weights", "tuned_loss", "tuned_weights"):
        assert (tmp_path / f"{picture}.png").stat().st_size > 5000
    model = joblib.load(tmp_path / "best_model.joblib")
    assert model.n_features_in_ == 64


def test_halving_sweep(run, few_digits, tmp_path):
    options = "--n-jobs", 2, "--epochs", 9, "--repeats", 1
    printed = run("halving_sweep.py", "--output", tmp_path, *options)
    lines = [line.split() for line in printed.splitlines() if "learning_rate=" in line]
    assert [line[0] for line in lines] == ["plain", "epochs", "samples"]
    # Three folds and a refit: of 36 candidates; of 36, then 12, then 4.
    assert [int(line[1]) for line in lines] == [109, 157, 157]
    assert min(float(line[4]) for line in lines) > 0.9
    assert (tmp_path / "halving.png").stat().st_size > 5000


def test_watch_training(run, few_digits, tmp_path):
    printed = run("watch_training.py", "--output", tmp_path, "--epochs", 5, "--budget", 0.2)
    assert printed.count("TwoLayerClassifier - fit") == 3 * 3 + 1
    epochs = int(printed.split("ended after ")[1].split()[0])
    assert 1 <= epochs < 10_000
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000


def test_text_stream(run, tmp_path):
    printed = run(
        *("text_stream.py", "--output", tmp_path, "--rows", 6000, "--bits", 14, "--words", 3000),
        *("--peer", "--peer-bits", 10, "--hidden", 20),
    )
    share = {line.split(":")[0]: float(line.split()[1]) for line in printed.splitlines()[-4:-1]}
    assert list(share) == ["TwoLayerClassifier", "SGDClassifier", "MLPClassifier"]
    assert share["TwoLayerClassifier"] > 0.4  # 0.25 by chance
    assert (tmp_path / "text_stream.png").stat().st_size > 5000


@pytest.fixture
def patches(monkeypatch):
    """Return the module of examples/cifar10_patches.py."""
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = importlib.util.spec_from_file_location("patches", EXAMPLES / "cifar10_patches.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_pictures(n_pictures):
    """Make pictures of vertical, horizontal and diagonal waves, whose phase is random."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n_pictures)
    down, right = np.indices((32, 32))
    waves = np.stack([right, down, (down + right) / np.sqrt(2)])[y]
    waves = np.sin(waves * 1.2 + rng.uniform(0, 7, size=(n_pictures, 1, 1)))[..., np.newaxis]
    noise = rng.normal(scale=20, size=(n_pictures, 32, 32, 3))
    pictures = np.clip(128 + 50 * waves + noise, 0, 255).astype(np.uint8)
    return pictures.reshape(n_pictures, -1), y


def test_patch_features_equal_a_plain_computation(patches):
    X, _ = make_pictures(150)
    sample = {"n_patches": 3_000, "n_passes": 2, "n_standardise": 150}
    features = patches.PatchFeatures(12, **sample, n_jobs=2, random_state=0)
    found = features.fit(X).transform(X)  # in blocks of pictures, of which the second is shorter
    centroids = features.centroids_.astype(np.float64)

    expected, all_whitened = [], []
    for picture in X.reshape(-1, 32, 32, 3).astype(np.float64)[::30]:
        quarters = np.zeros((2, 2, 12))
        for row in range(27):
            for column in range(27):
                patch = picture[row : row + 6, column : column + 6].ravel()
                patch = (patch - patch.mean()) / np.sqrt(patch.var() + 10)
                patch = (patch - features.whitening_mean_) @ features.whitening_
                distances = np.linalg.norm(patch - centroids, axis=1)
                activations = np.maximum(0, distances.mean() - distances)
                quarters[int(row >= 14), int(column >= 14)] += activations
                all_whitened.append(patch)
        expected.append(quarters.ravel())
    assert_allclose(found[::30], (expected - features.mean_) / features.scale_, atol=1e-4)
    assert found.dtype == np.float32
    assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    assert_allclose(found.std(axis=0), 1, rtol=1e-4)

    # The whitening turns a variance v along any axis into v / (v + 0.1).
    whitened = np.cov(np.transpose(all_whitened), bias=True)
    undo = np.linalg.inv(features.whitening_.astype(np.float64))
    before = undo @ whitened @ undo
    variances = np.linalg.eigvalsh(before)
    assert_allclose(np.trace(whitened), (variances / (variances + 0.1)).sum(), rtol=0.05)


def test_patch_features_refuse_other_pictures(patches):
    with pytest.raises(ValueError, match=r"X has 64 columns.*3072 in all.*fetch_cifar10"):
        patches.PatchFeatures(12, 100).fit(np.zeros((5, 64)))


@pytest.mark.parametrize("validate", [False, True])
def test_cifar10_patches(patches, validate, tmp_path, monkeypatch, capsys):
    X, y = make_pictures(500)
    subsets = {"train": (X[:400], y[:400]), "test": (X[400:], y[400:])}
    asked = []

    def fetch(*, data_home, subset, return_X_y):
        asked.append(subset)
        return subsets[subset]

    monkeypatch.setattr(patches, "fetch_cifar10", fetch)
    monkeypatch.setattr(patches, "N_VALIDATION", 100)
    patches.main(tmp_path, None, 0, 20, 2_000, 10, validate)
    printed = capsys.readouterr().out
    name = "validation" if validate else "test"
    assert float(printed.split(f"{name} accuracy ")[1].split()[0]) > 0.9  # 0.33 by chance
    assert ("test" in asked) == (not validate)
    assert (tmp_path / "centroids.png").stat().st_size > 5000
