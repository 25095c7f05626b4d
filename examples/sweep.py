"""The exercise as one script: train, look, sweep, keep the best model.

First a network with the exercise's naive settings, then a grid search over learning rate
and L2 strength on a pipeline that standardises the features, both on scikit-learn's
bundled digits. The best pipeline is refitted, scored on held-out rows, saved, and loaded
back in a fresh process that must predict the same.
"""

import argparse
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier

# The exercise's first try: a tiny initial scale, a small rate, no momentum, strong L2.
NAIVE = {
    "hidden_size": 50,
    "init": 1e-4,
    "learning_rate": 1e-4,
    "learning_rate_decay": 0.95,
    "alpha": 0.5,
    "momentum": 0.0,
    "batch_size": 200,
    "replacement": True,
    "max_updates": 1000,
    "n_iter_no_change": None,
    "max_iter": 10_000,
}
# The last rate diverges, on purpose: a sweep has to get over that.
GRID = {
    "twolayerclassifier__learning_rate": [0.003, 0.03, 0.3, 30.0],
    "twolayerclassifier__alpha": [1e-4, 1e-3, 1e-2],
}


def main(output, n_jobs, seed):
    output.mkdir(parents=True, exist_ok=True)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=seed
    )

    print(f"digits: {len(X_train)} training rows, {len(X_test)} test rows, {X.shape[1]} pixels")
    naive = TwoLayerClassifier(**NAIVE, random_state=seed).fit(X_train, y_train)
    print(
        f"naive settings: loss {naive.batch_loss_curve_[0]:.4f} -> {naive.loss_:.4f} in "
        f"{naive.n_updates_} updates, test accuracy {naive.score(X_test, y_test):.3f}"
    )

    model = make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=seed))
    search = GridSearchCV(model, GRID, n_jobs=n_jobs, verbose=1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        # A diverged candidate is a row of the table below, not a page of tracebacks.
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X_train, y_train)
    print_candidates(search.cv_results_)
    print(f"the sweep took {time.perf_counter() - start:.1f} s")
    accuracy = search.score(X_test, y_test)
    print(f"best: {search.best_params_}, refitted: test accuracy {accuracy:.3f}")

    best = search.best_estimator_
    model_path = output / "best_model.joblib"
    joblib.dump(best, model_path)
    confirm_in_a_fresh_process(model_path, X_test, best.predict_proba(X_test))
    print(f"saved {model_path} ({model_path.stat().st_size / 1024:.0f} kB); a fresh process agrees")

    draw_loss(naive, best[-1], output / "loss.png")
    draw_weights(best[-1], output / "weights.png")
    print(f"pictures: {output / 'loss.png'}, {output / 'weights.png'}")


def print_candidates(results):
    """Print a line per candidate, the best first and the diverged ones last."""
    print(f"{'learning rate':>14} {'alpha':>8}   cross-validated accuracy")
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        params = results["params"][i]
        mean, spread = results["mean_test_score"][i], results["std_test_score"][i]
        score = "diverged" if np.isnan(mean) else f"{mean:.4f} +- {spread:.4f}"
        print("{:14g} {:8g}".format(*(params[name] for name in GRID)) + f"   {score}")


def confirm_in_a_fresh_process(model_path, X, expected):
    """Load the model where nothing of this process is known, and compare its predictions."""
    data_path = model_path.with_name("expected.npz")
    np.savez(data_path, X=X, expected=expected)
    script = (
        "import sys, joblib, numpy as np\n"
        "data = np.load(sys.argv[2])\n"
        "probabilities = joblib.load(sys.argv[1]).predict_proba(data['X'])\n"
        "sys.exit(not np.array_equal(probabilities, data['expected']))"
    )
    arguments = [sys.executable, "-c", script, model_path, data_path]
    try:
        if subprocess.run(arguments).returncode != 0:
            raise RuntimeError(f"{model_path} does not predict the same in a fresh process")
    finally:
        data_path.unlink()


def draw_loss(naive, tuned, path):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for ax, model, title in zip(axes, (naive, tuned), ("naive settings", "tuned"), strict=True):
        ax.plot(model.batch_loss_curve_, linewidth=0.5)
        ax.set(title=title, xlabel="update", ylabel="loss of the batch")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_weights(model, path):
    W1 = model.coefs_[0]
    scale = np.abs(W1).max()
    figure, axes = plt.subplots(10, 10, figsize=(7, 7), layout="constrained")
    for ax, unit in zip(axes.flat, W1.T, strict=True):
        ax.imshow(unit.reshape(8, 8), cmap="RdBu_r", vmin=-scale, vmax=scale)
        ax.set_axis_off()
    figure.suptitle("first-layer weights, a picture per hidden unit")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("sweep_output"), help="folder for model and pictures"
    )
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes of the sweep; -1: all")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    arguments = parser.parse_args()
    main(arguments.output, arguments.n_jobs, arguments.seed)
