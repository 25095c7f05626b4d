"""The examples run as a person runs them, and end by saying what they found."""

import subprocess
import sys
from pathlib import Path

import joblib
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script, *arguments):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_help(script):
    said = run(script, "--help")
    assert "--output" in said
    assert len(said) > 300


def test_toy_model(tmp_path):
    said = run("toy_model.py", "--output", tmp_path)
    assert "1.30378789133 | 1.30378789133" in said
    assert "0.01714960793873" in said
    assert (tmp_path / "toy_loss.png").stat().st_size > 5000


def test_sweep(tmp_path):
    said = run("sweep.py", "--output", tmp_path, "--n-jobs", 2)
    assert said.count("diverged") == 3
    assert "a fresh process agrees" in said
    best = float(said.split("test accuracy ")[1].split()[0])
    assert best > 0.96
    for picture in ("naive_loss", "naive_weights", "tuned_loss", "tuned_weights"):
        assert (tmp_path / f"{picture}.png").stat().st_size > 5000
    model = joblib.load(tmp_path / "best_model.joblib")
    assert model.n_features_in_ == 64


def test_halving_sweep(tmp_path):
    options = "--n-jobs", 2, "--epochs", 9, "--repeats", 1
    said = run("halving_sweep.py", "--output", tmp_path, *options)
    lines = [line.split() for line in said.splitlines() if "learning_rate=" in line]
    assert [line[0] for line in lines] == ["plain", "epochs", "rows"]
    # Three folds, and a refit: of 36 candidates; of 36, then of 12, then of 4.
    assert [int(line[1]) for line in lines] == [109, 157, 157]
    assert min(float(line[4]) for line in lines) > 0.95
    assert (tmp_path / "halving.png").stat().st_size > 5000


def test_watch_training(tmp_path):
    said = run("watch_training.py", "--output", tmp_path, "--epochs", 5, "--budget", 0.2)
    assert said.count("TwoLayerClassifier - fit") == 3 * 3 + 1
    epochs = int(said.split("ended after ")[1].split()[0])
    assert 1 <= epochs < 10_000
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000


def test_text_stream(tmp_path):
    said = run(
        *("text_stream.py", "--output", tmp_path, "--rows", 6000, "--bits", 14, "--words", 3000),
        *("--peer", "--peer-bits", 10, "--hidden", 20),
    )
    share = {line.split(":")[0]: float(line.split()[1]) for line in said.splitlines()[-4:-1]}
    assert list(share) == ["TwoLayerClassifier", "SGDClassifier", "MLPClassifier"]
    assert share["TwoLayerClassifier"] > 0.4  # 0.25 by chance
    assert (tmp_path / "text_stream.png").stat().st_size > 5000
