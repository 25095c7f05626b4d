"""Run the exercise as one script: train, draw, search, and save the best model.

The script first trains a network with the naive settings of CS231n's exercise: tiny initial weights
and a small learning rate. The loss falls slowly, nearly in a straight line, and training and
validation accuracy are close. Then a grid search tunes learning rate and L2 penalty in a pipeline
that centres the pixels. The best pipeline is refitted, scored on test samples that nothing else has
seen, and saved. A fresh process loads it, and must predict the same.

The default data set is scikit-learn's bundled digits, with the exercise's settings scaled to them.
`--dataset cifar10` runs the exercise itself, with its settings and its grid; it downloads 170 MB
once.
"""

import argparse
import subprocess
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.datasets import fetch_cifar10
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

# The exercise's first settings: tiny initial weights, a small learning rate, a large L2 penalty.
NAIVE = {
    "hidden_size": 50,
    "init": 1e-4,
    "solver": "sgd",
    "learning_rate": 1e-4,
    "learning_rate_schedule": "exponential",
    "warmup_fraction": 0.0,
    "learning_rate_decay": 0.95,
    "alpha": 0.5,
    "momentum": 0.0,
    "batch_size": 200,
    "replacement": True,
    "dropout": 0.0,
    "early_stopping": False,
    "max_updates": 1000,
    "n_iter_no_change": None,
    "max_iter": 10_000,
}


def centre_pixels():
    """Return pipeline steps that subtract the mean image in float32, without float64 copies."""
    return [
        ("float32", FunctionTransformer(np.array, kw_args={"dtype": np.float32})),
        ("centre", StandardScaler(with_std=False, copy=False)),  # the step before has made a copy
    ]


def digits(seed, data_home):
    """Return the task on digits: settings scaled to 64 pixels, 5-fold cross-validation."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.25, stratify=y, random_state=seed
    )
    return SimpleNamespace(
        train=(X_train, y_train),
        test=(X_test, y_test),
        splits=StratifiedKFold(5),
        image_shape=(8, 8),
        picture={"quantile": 0.99, "cmap": "RdBu_r"},
        # 64 pixels need larger weights than 3,072. An epoch of 1,077 samples has 5 updates, where
        # the exercise has 245: here, too, the learning rate decays by 5 % in 245 updates.
        naive=NAIVE
        | {"init": 0.02, "learning_rate": 5e-4, "learning_rate_decay": 0.95 ** (5 / 245)},
        network=TwoLayerClassifier(
            hidden_size=50,
            solver="sgd",
            momentum=0.9,
            learning_rate_schedule="exponential",
            warmup_fraction=0.0,
            init=0.01,
            learning_rate_decay=0.95,
            batch_size=100,
            dropout=0.0,
            early_stopping=False,
            max_iter=200,
            tol=1e-4,
            n_iter_no_change=10,
            random_state=seed,
        ),
        # The last learning rate diverges on purpose: a search must survive that.
        grid={
            "network__learning_rate": [0.003, 0.01, 0.03, 3.0],
            "network__alpha": [1e-3, 1e-2, 3e-2],
        },
    )


def cifar10(seed, data_home):
    """Return the exercise's task: centred pixels, 49,000 training and 1,000 validation images."""
    train = fetch_cifar10(data_home=data_home, subset="train", return_X_y=True)
    test = fetch_cifar10(data_home=data_home, subset="test", return_X_y=True)
    fold = np.full(len(train[0]), -1)
    fold[49_000:] = 0
    return SimpleNamespace(
        train=train,
        test=test,
        splits=PredefinedSplit(fold),
        image_shape=(32, 32, 3),
        picture={"quantile": 0.99},
        naive=NAIVE,
        network=TwoLayerClassifier(**NAIVE | {"max_updates": 2000}, random_state=seed),
        grid={"network__learning_rate": [1e-2, 1e-3], "network__alpha": [0.4, 0.5, 0.6]},
    )


def main(dataset, output, n_jobs, seed, data_home):
    output.mkdir(parents=True, exist_ok=True)
    job = {"digits": digits, "cifar10": cifar10}[dataset](seed, data_home)
    (X_train, y_train), (X_test, y_test) = job.train, job.test
    n_features = X_train.shape[1]
    print(f"{dataset}: {len(X_train)} training and {len(X_test)} test samples, {n_features} pixels")

    start = time.perf_counter()
    train, val = next(job.splits.split(X_train, y_train))
    with config_context(enable_metadata_routing=True):  # centre the validation samples, too
        network = TwoLayerClassifier(**job.naive, random_state=seed)
        network.set_fit_request(X_val=True, y_val=True)
        naive = Pipeline([*centre_pixels(), ("network", network)], transform_input=["X_val"])
        naive.fit(X_train[train], y_train[train], X_val=X_train[val], y_val=y_train[val])
    penalty = network.alpha_ / 2 * sum(np.sum(W**2) for W in network.coefs_)
    print(
        f"naive settings: loss {network.batch_loss_curve_[0]:.4f} -> {network.loss_:.4f} in "
        f"{network.n_updates_} updates. Without the L2 penalty it is now "
        f"{network.loss_ - penalty:.4f}; a guess has {np.log(len(network.classes_)):.4f}"
    )
    print(
        f"naive settings: accuracy {network.train_scores_[-1]:.3f} in training and "
        f"{network.validation_scores_[-1]:.3f} in validation ({time.perf_counter() - start:.1f} s)"
    )
    draw(naive, job, output, "naive", "naive settings")

    start = time.perf_counter()
    model = Pipeline([*centre_pixels(), ("network", job.network)])
    search = GridSearchCV(model, job.grid, cv=job.splits, n_jobs=n_jobs)
    if find_spec("rich") and find_spec("sklearn.callback"):  # scikit-learn 1.9 or newer
        from sklearn.callback import ProgressBar

        # One bar for the search: the bar of a fit that diverges would never be complete.
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
    else:
        search.set_params(verbose=2)
    with warnings.catch_warnings():
        # Diverged candidates appear in the table below; their tracebacks are not needed.
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X_train, y_train)
    print_candidates(search.cv_results_, job.grid)
    seconds = time.perf_counter() - start
    workers = joblib.Parallel(n_jobs)(joblib.delayed(peak_memory)() for _ in range(20))
    print(
        f"the sweep took {seconds:.1f} s; peak memory {peak_memory():.0f} MB in this process and "
        f"at most {max(workers):.0f} MB in a worker"
    )
    test_accuracy = search.score(X_test, y_test)
    print(f"best: {search.best_params_}, refitted: test accuracy {test_accuracy:.4f}")
    title = "tuned settings, refitted on all training samples"
    draw(search.best_estimator_, job, output, "tuned", title)

    model_path = output / "best_model.joblib"
    joblib.dump(search.best_estimator_, model_path)
    expected = search.predict_proba(X_test[:1000])
    confirm_in_a_fresh_process(model_path, X_test[:1000], expected)
    print(f"saved {model_path} ({model_path.stat().st_size / 1024:.0f} kB); a fresh process agrees")


def peak_memory():
    """Return the peak memory of this process so far in MB; NaN except on Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else ["VmHWM: nan kB"]
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def print_candidates(results, grid):
    """Print a line for each candidate, the best first and the diverged ones last."""
    print("\n" + "".join(f"{name.split('__')[1]:>15}" for name in grid) + "   validation accuracy")
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        mean, spread = results["mean_test_score"][i], results["std_test_score"][i]
        score = "diverged" if np.isnan(mean) else f"{mean:.4f} +- {spread:.4f}"
        print("".join(f"{results['params'][i][name]:15g}" for name in grid) + f"   {score}")


def draw(model, job, output, name, title):
    """Save pictures of a model: its loss curve and its first-layer weights."""
    loss = LossCurveDisplay.from_estimator(model)
    loss.figure_.suptitle(title)
    weights = WeightsDisplay.from_estimator(model, job.image_shape, **job.picture)
    weights.bounding_ax_.set_title(f"first-layer weights, {name} settings")
    for display, picture in ((loss, "loss"), (weights, "weights")):
        path = output / f"{name}_{picture}.png"
        display.figure_.savefig(path, dpi=120)
        plt.close(display.figure_)
        print(f"picture: {path}")


def confirm_in_a_fresh_process(model_path, X, expected):
    """Load the model in a fresh process, and compare its predictions."""
    data_path = model_path.with_name("expected.npz")
    np.savez(data_path, X=X, expected=expected)
    script = (
        "import sys, joblib, numpy as np\n"
        "data = np.load(sys.argv[2])\n"
        "probabilities = joblib.load(sys.argv[1]).predict_proba(data['X'])\n"
        "sys.exit(not np.array_equal(probabilities, data['expected']))"
    )
    try:
        if subprocess.run([sys.executable, "-c", script, model_path, data_path]).returncode:
            raise RuntimeError(f"{model_path} does not predict the same in a fresh process")
    finally:
        data_path.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=["digits", "cifar10"], default="digits")
    parser.add_argument(
        "--output", type=Path, default=Path("sweep_output"), help="folder for model and pictures"
    )
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes; -1: all cores")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument(
        "--data-home", help="folder of CIFAR-10; default: scikit-learn's data folder"
    )
    arguments = parser.parse_args()
    main(
        arguments.dataset,
        arguments.output,
        arguments.n_jobs,
        arguments.seed,
        arguments.data_home,
    )
